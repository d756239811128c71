// Dashboards: values over time from the platform's Prometheus, asked again and again.

import { ask, delay, patiently, pause } from './api.js';
import { el, icon, say, update } from './dom.js';
import { inSight } from './fleet.js';

const WORDS = { '15m': '15 minutes', '1h': '1 hour', '6h': '6 hours', '24h': '24 hours',
  '3d': '3 days', '15d': '15 days' };
const HREF = '#/dashboards';
const DOCUMENT = 'docs/how-to/monitoring.md';

export async function dashboards(place, signal, name = '', chosen = '') {
  const heading = el('h1', { tabindex: -1 }, 'Dashboards');
  const age = el('p.age');
  const away = el('p.banner.bad', { role: 'status', hidden: true });
  const now = el('button.small', { type: 'button', hidden: true }, 'Try now');
  place.append(el('div.head', {}, heading, age), el('div.notice', {}, away, now));
  const waiting = (why) => {
    away.textContent = why;
    away.hidden = false;
  };
  const about = await patiently('/api/dashboards', waiting, { signal });
  away.hidden = true;
  if (!about.monitored) {
    place.append(off());
    return;
  }
  const asked = { name: name || about.dashboards[0].name, chosen,
    range: new URLSearchParams(location.hash.split('?')[1]).get('range') ?? '1h' };
  const { panelOf } = await import('./panel.js'); // with the library for charts, only for who needs it
  const { node, show, wake, isPaused } = layout(about, asked, (panel) => panelOf(panel, signal));
  place.append(node);

  let last = null;
  let seen = 0;
  const tick = () => {
    const seconds = Math.round((performance.now() - seen) / 1000);
    age.textContent = last ? `${isPaused() ? 'paused, ' : ''}updated ${seconds} s ago` : '';
  };
  const timer = setInterval(tick, 1000);
  signal.addEventListener('abort', () => clearInterval(timer));
  for (let failures = 0; ;) {
    await inSight(signal);
    const turn = new AbortController(); // ended early by whoever chooses something else
    const ends = AbortSignal.any([signal, turn.signal]);
    wake(() => turn.abort());
    now.onclick = () => turn.abort();
    let wait = 10;
    try {
      last = await ask(address(asked), { signal: ends });
      seen = performance.now();
      failures = 0;
      wait = Math.min(60, Math.max(10, last.step_s));
      if (document.activeElement === now) heading.focus();
      away.hidden = now.hidden = true;
      heading.textContent = [last.title, last.chosen].filter(Boolean).join(': ');
      document.title = `${heading.textContent} · Sophia`;
      show(last);
    } catch (problem) {
      signal.throwIfAborted();
      if (turn.signal.aborted) continue;
      if (!problem.passes) throw problem;
      failures += 1;
      wait = delay(problem, failures);
      waiting(`${problem.message} ${last ? 'This is what was last seen. ' : ''}`
        + `Trying again in ${wait} s.`);
      now.hidden = false;
    }
    tick();
    do {
      await pause(wait, ends).catch(() => {});
      signal.throwIfAborted();
    } while (isPaused() && !turn.signal.aborted);
  }
}

const address = ({ name, chosen, range }) => {
  const query = new URLSearchParams({ range });
  if (chosen) query.set(name === 'server' ? 'server' : 'node', chosen);
  return `/api/dashboards/${encodeURIComponent(name)}?${query}`;
};

export const dashboardHref = (name, chosen, range = '') =>
  [HREF, name, chosen].filter(Boolean).map((part, at) => (at ? encodeURIComponent(part) : part)).join('/')
  + (range ? `?range=${range}` : '');

/** What is around the panels: other dashboards, range, server or node, alerts. */
function layout(about, asked, panelOf) {
  let go = () => {};
  let shown = '';
  let panels = [];
  const paused = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause');
  const isPaused = () => paused.getAttribute('aria-pressed') === 'true';
  const again = () => {
    history.replaceState(null, '', dashboardHref(asked.name, asked.chosen, asked.range));
    tabs();
    paused.setAttribute('aria-pressed', 'false');
    go();
  };
  paused.addEventListener('click', () => {
    paused.setAttribute('aria-pressed', String(!isPaused()));
    if (!isPaused()) go();
  });
  const range = select('Time', (value) => { asked.range = value; again(); });
  range.fill(about.ranges.map((value) => [value, WORDS[value] ?? value]), asked.range);
  const of = select('', (value) => { asked.chosen = value; again(); });
  const links = el('nav.tabs', { 'aria-label': 'Dashboards' });
  const tabs = () => update(links, el('nav.tabs', { 'aria-label': 'Dashboards' },
    about.dashboards.map((one) => el('a', { href: dashboardHref(one.name, '', asked.range),
      'aria-current': one.name === asked.name ? 'page' : null }, one.title))));
  tabs();
  const alerts = el('section.alerts', { 'aria-label': 'Alerts' });
  const lead = el('p.lead.muted');
  const grid = el('div.panels');
  const node = el('div', {},
    el('div.above', {}, links, el('div.controls', {}, of.node, range.node, paused)), lead, alerts, grid);
  of.node.hidden = true;

  const show = (data) => {
    lead.textContent = data.about;
    asked.chosen = data.chosen;
    of.node.hidden = !data.parameter;
    of.label(data.parameter === 'node' ? 'Node' : 'Server');
    of.fill([...(data.parameter === 'node' ? [['', 'all nodes']] : []),
      ...data.choices.map((one) => [one, one])], data.chosen);
    // A summary may have a number that changes all the time.
    const firing = data.alerts.map((one) => `${one.name} ${one.since}`).join(' ');
    if (alerts.dataset.firing !== undefined && alerts.dataset.firing !== firing) {
      say(data.alerts.map((one) => one.summary).join(' ') || 'No alert fires.');
    }
    const fresh = el('section.alerts', { 'aria-label': 'Alerts', 'data-firing': firing },
      data.alerts.length ? el('ul', {}, data.alerts.map(alert))
        : el('p.banner.ok', {}, 'No alert fires.'));
    update(alerts, fresh);
    const structure = JSON.stringify(data.panels.map(({ title, kind }) => [title, kind]));
    if (structure !== shown) {
      panels = data.panels.map((panel) => panelOf(panel));
      const numbers = panels.filter((_, at) => data.panels[at].kind === 'number');
      const rest = panels.filter((one) => !numbers.includes(one));
      grid.replaceChildren(el('div.tiles', {}, numbers.map((one) => one.node)),
        el('div.charts', {}, rest.map((one) => one.node)));
      shown = structure;
    }
    const times = [];
    for (let at = data.start; at <= data.end; at += data.step_s) times.push(at);
    panels.forEach((panel, at) => panel.show(data.panels[at], times));
  };
  return { node, show, wake: (act) => { go = act; }, isPaused };
}

function select(label, chosen) {
  const id = `choose-${label || 'of'}`;
  const title = el('label', { for: id }, label);
  const field = el('select', { id, oninput: () => chosen(field.value) });
  const fill = (choices, value) => {
    if (JSON.stringify(choices) !== field.dataset.choices) {
      field.replaceChildren(...choices.map(([key, text]) => el('option', { value: key }, text)));
      field.dataset.choices = JSON.stringify(choices);
    }
    field.value = value;
  };
  return { node: el('div.field', {}, title, field), fill, label: (text) => { title.textContent = text; } };
}

function alert({ severity, summary, since, runbook, link, name }) {
  const bad = severity === 'critical';
  return el(`li.banner.${bad ? 'bad' : 'warn'}`, {},
    icon(bad ? 'away' : 'degraded'),
    el('span', {}, el('strong', {}, `${bad ? 'Critical' : 'Warning'}: `), summary, ' ',
      el('span.muted', {}, 'since ', el('time', { datetime: since }, new Date(since)
        .toLocaleString('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })))),
    link ? el('a', { href: link, target: '_blank', rel: 'noreferrer', 'aria-label': `What to do: ${name}` },
      'What to do') : el('code', {}, runbook));
}

const off = () => el('div.card.pad', {},
  el('h2', {}, 'Nothing is monitored'),
  el('p', {}, 'Dashboards show what Prometheus keeps. To turn it on, and be told of what breaks:'),
  el('pre', { tabindex: 0, 'aria-label': 'Commands' },
    'pulumi config set --path monitoring.enabled true\npulumi up'),
  el('p.muted', {}, 'See ', el('code', {}, DOCUMENT), '.'));
