// Lists of tools: the search over all, and a server's.

import { patiently, pause } from './api.js';
import { dashboardHref } from './dashboards.js';
import { count, el, firstOf, flowing, kindBadge, say } from './dom.js';
import { status, toolHref } from './fleet.js';

const PAGE = 50;

const line = (server, tool, where) => el('li', {}, where && el('span.where', {}, where),
  el('a', { href: toolHref(server, tool.name) }, tool.name), ' ', kindBadge(tool.kind),
  el('p.muted', {}, firstOf(tool.description)));

export async function tools(place, signal, query) {
  const input = el('input', { type: 'search', id: 'query', value: query, autocomplete: 'off',
    placeholder: 'What should be done?' });
  const list = el('ul.tools.card');
  const banner = el('p.banner', { role: 'status' });
  const more = el('button', { type: 'button', hidden: true }, 'Show more');
  place.append(el('h1', { tabindex: -1 }, 'Tools'), el('div.search', { role: 'search' },
    el('label', { for: 'query' }, 'Search the tools of all servers'), input), banner, list, more);

  let asking = new AbortController();
  const look = async (cursor = '') => {
    asking.abort();
    asking = new AbortController();
    const current = AbortSignal.any([signal, asking.signal]);
    const words = input.value.trim();
    const search = new URLSearchParams({ limit: PAGE });
    if (words) search.set('query', words);
    if (cursor) search.set('cursor', cursor);
    const waiting = (why) => { banner.textContent = why; };
    const found = await patiently(`/api/tools?${search}`, waiting, { signal: current });
    banner.textContent = '';
    if (!cursor) list.replaceChildren();
    list.append(...found.tools.map((tool) => line(tool.server, tool, tool.server)));
    if (!list.children.length) list.append(el('li.muted', {}, 'No tool matches.'));
    if (words) say(count(found.tools.length, 'tool'));
    more.hidden = !found.cursor;
    more.onclick = () => again(found.cursor);
  };
  const again = (cursor) => look(cursor).catch((failure) => {
    if (failure.name !== 'AbortError') banner.textContent = failure.message;
  });
  input.addEventListener('input', async () => {
    const typed = input.value;
    await pause(0.15);
    if (typed !== input.value || signal.aborted) return;
    const words = encodeURIComponent(typed.trim());
    history.replaceState(null, '', words ? `#/tools?query=${words}` : '#/tools');
    again();
  });
  await again();
}

/** A server from the API; `place` has its title, and shows what it waits for. */
export async function described(place, signal, name, title = name) {
  const banner = el('p.banner', { role: 'status' });
  place.append(el('h1', { tabindex: -1 }, title), banner);
  const server = await patiently(`/api/servers/${encodeURIComponent(name)}`,
    (why) => { banner.textContent = why; }, { signal });
  banner.remove();
  return server;
}

export async function server(place, signal, name) {
  const found = await described(place, signal, name);
  place.firstChild.textContent = found.title || name;
  place.append(
    el('p.lead', {}, status(found.status), found.detail ? ` ${found.detail}` : '',
      el('span.muted', {}, ` ${count(found.replicas, 'replica')}, ${count(found.tools.length, 'tool')} `),
      el('a', { href: dashboardHref('server', name) }, 'Dashboard')),
    found.instructions ? el('p.text', {}, flowing(found.instructions)) : '',
    el('ul.tools.card', {}, found.tools.map((tool) => line(name, tool))),
  );
}
