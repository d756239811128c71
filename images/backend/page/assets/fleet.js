// The fleet, live: polled while the page is visible.

import { ask, delay, pause } from './api.js';
import { copyButton, count, duration, el, icon, say, update } from './dom.js';

const EVERY = 5;
const ERRORS = 30;
const STATUS = {
  // What needs attention comes first.
  away: { word: 'Away', many: 'away' },
  degraded: { word: 'Degraded', many: 'degraded' },
  ok: { word: 'Ready', many: 'ready' },
  starting: { word: 'Starting', many: 'starting' },
  draining: { word: 'Draining', many: 'draining' },
  not_configured: { word: 'Needs a credential', many: 'need a credential', one: 'needs a credential' },
};
const ORDER = Object.keys(STATUS);

export const status = (name) =>
  el(`span.status.${name}`, {}, STATUS[name] ? icon(name) : null, STATUS[name]?.word ?? name);
export const serverLink = (name, title) =>
  el('a', { href: `#/servers/${encodeURIComponent(name)}` }, title || name);

export async function fleet(place, signal) {
  const age = el('p.age');
  const away = el('p.banner.bad', { role: 'status', hidden: true });
  const now = el('button.small', { type: 'button', hidden: true }, 'Try now');
  const body = el('div');
  const heading = el('h1', { tabindex: -1 }, 'Fleet');
  place.append(el('div.head', {}, heading, age), el('div.notice', {}, away, now), body);

  let last = null;
  let seen = 0;
  const tick = () => {
    const seconds = Math.round((performance.now() - seen) / 1000);
    age.textContent = last ? `updated ${seconds} s ago` : '';
  };
  const timer = setInterval(tick, 1000);
  signal.addEventListener('abort', () => clearInterval(timer));

  for (let failures = 0; ;) {
    await inSight(signal);
    let wait = EVERY;
    try {
      const data = await ask('/api/fleet', { signal, seconds: 10 });
      seen = performance.now();
      announce(last, data);
      last = data;
      failures = 0;
      if (document.activeElement === now) heading.focus();
      away.hidden = now.hidden = true;
      update(body, el('div', {}, ...overview(data)));
    } catch (problem) {
      if (!problem.passes) throw problem;
      failures += 1;
      wait = delay(problem, failures);
      away.textContent = `${problem.message} `
        + `${last ? 'This is what was last seen. ' : ''}Trying again in ${wait} s.`;
      away.hidden = now.hidden = false;
    }
    tick();
    await Promise.race([pause(wait, signal), new Promise((go) => { now.onclick = go; })]);
  }
}

/** Ends once the page is visible. */
export async function inSight(signal) {
  while (document.hidden) {
    await new Promise((resolve) => {
      document.addEventListener('visibilitychange', resolve, { once: true, signal });
    });
  }
}

function announce(before, after) {
  const old = new Map(before?.servers.map((server) => [server.name, server.status]));
  const changed = after.servers.filter(({ name, status: now }) => old.has(name) && old.get(name) !== now);
  if (changed.length) {
    say(changed.map((server) =>
      `${server.title || server.name}: ${STATUS[server.status]?.word ?? server.status}.`).join(' '));
  }
}

function overview(data) {
  const minutes = count(Math.round(data.window_s / 60), 'minute');
  const calls = data.servers.reduce((sum, server) => sum + server.calls, 0);
  const errors = data.servers.reduce((sum, server) => sum + server.errors, 0);
  const servers = [...data.servers].sort((one, other) => rank(one) - rank(other));
  return [
    el('p.lead', {}, el('strong', {}, summary(servers)), el('span.muted', {},
      ` ${count(calls, 'call')} and ${count(errors, 'error')} in the last ${minutes}.`)),
    shares(servers),
    el('div.card', {}, servers.length ? serverTable(servers)
      : el('p.pad.muted', {}, 'This caller may use no server.')),
    el('div.columns', {},
      el('section.card', { 'aria-labelledby': 'errors' },
        el('h2', { id: 'errors' }, 'Recent errors'), ...recentErrors(servers)),
      el('section.card', { 'aria-labelledby': 'callers' },
        el('h2', { id: 'callers' }, 'Calls by caller'), callers(data))),
  ];
}

const rank = (server) => ORDER.indexOf(server.status);

/** "16 servers: 3 ready, 13 need a credential" */
function summary(servers) {
  const parts = [...Map.groupBy(servers, (server) => server.status)].map(([name, group]) => {
    const { one, many } = STATUS[name] ?? { many: name };
    return [name === 'ok' ? 0 : 1, `${group.length} ${(group.length === 1 && one) || many}`];
  }).sort(([one], [other]) => one - other).map(([, text]) => text);
  return `${count(servers.length, 'server')}${parts.length ? ': ' : ''}${parts.join(', ')}.`;
}

/** The statuses' shares as a bar; the summary gives them in words. */
function shares(servers) {
  return el('svg.shares', { viewBox: `0 0 ${servers.length || 1} 1`, preserveAspectRatio: 'none',
    'aria-hidden': 'true' }, servers.map((server, index) =>
    el(`rect.${server.status}`, { x: index, width: 1, height: 1 })));
}

function table(label, columns, rows) {
  return el('table', { 'aria-label': label },
    el('thead', {}, el('tr', {}, columns.map(([title, , kind = '']) =>
      el('th', { scope: 'col', class: kind || null }, title)))),
    el('tbody', {}, rows.map((row) => el('tr', { 'data-key': row.key }, columns.map(
      ([title, cell, kind = '']) => el('td', { 'data-label': title, class: kind || null }, cell(row)))))));
}

const number = (value, kind = 'some') =>
  el(`span.${value ? kind : 'muted'}`, {}, value.toLocaleString('en'));

function serverTable(servers) {
  return table('Servers', [
    ['Server', (row) => serverLink(row.name, row.title), 'wide'],
    ['Status', (row) => status(row.status), 'state'],
    ['Detail', (row) => brief(row.detail ?? ''), 'detail'],
    ['Replicas', (row) => number(row.replicas), 'number'],
    ['Tools', (row) => number(row.tools), 'number'],
    ['Calls', (row) => number(row.calls), 'number'],
    ['Errors', (row) => number(row.errors, 'bad'), 'number'],
    ['p50', (row) => duration(row.p50_ms), 'number'],
    ['p95', (row) => duration(row.p95_ms), 'number'],
  ], servers.map((server) => ({ ...server, key: `server ${server.name}` })));
}

/** Details beyond the status; the server's page has all of them. */
const brief = (detail) => detail.split('. ')[0].replace(/^.* is not configured: /, '');

function recentErrors(servers) {
  const all = servers.flatMap((server) => server.recent_errors.map((error) => ({ ...error, server })))
    .sort((one, other) => other.at.localeCompare(one.at));
  if (!all.length) return [el('p.pad.muted', {}, 'None.')];
  return [
    el('p.hint', {}, 'A request’s lines: ',
      el('code', {}, 'make logs SERVICE=<server> | grep <request>')),
    table('Recent errors', [
      ['Time', (row) => el('time', { datetime: row.at, title: row.at },
        new Date(row.at).toLocaleTimeString([], { hour12: false })), 'time'],
      ['Tool', (row) => [el('a', { href: toolHref(row.server.name, row.tool) }, row.tool),
        el('span.detail', {}, row.server.title || row.server.name)], 'name'],
      ['What', (row) => [el('span.bad', {}, row.outcome.replaceAll('_', ' ')),
        el('span.detail', {}, [row.caller && `by ${row.caller}`, row.ms && `after ${duration(row.ms)}`]
          .filter(Boolean).join(', ')), row.reason ? el('span.reason', {}, row.reason) : null], 'what'],
      ['Request', (row) => row.request_id && el('span.request', {}, el('code', {}, row.request_id),
        copyButton(`the request’s id ${row.request_id}`, () => row.request_id)), 'last'],
    ], all.slice(0, ERRORS).map((error) => ({ ...error, key: `${error.request_id} ${error.at}` }))),
    all.length > ERRORS ? el('p.hint', {}, `and ${all.length - ERRORS} more`) : null,
  ];
}

function callers(data) {
  const all = [...data.callers, ...(data.others ? [{ ...data.others, name: 'others' }] : [])];
  const rows = all.map((caller) => ({ ...caller, key: `caller ${caller.name}` }));
  if (!rows.length) return el('p.pad.muted', {}, 'No calls yet.');
  return table('Calls by caller', [
    ['Caller', (row) => row.name ?? 'without a name', 'wide'],
    ['Calls', (row) => number(row.calls), 'number'],
    ['Errors', (row) => number(row.errors, 'bad'), 'number'],
  ], rows);
}

export const toolHref = (server, tool) =>
  `#/tools/${encodeURIComponent(server)}/${encodeURIComponent(tool)}`;
