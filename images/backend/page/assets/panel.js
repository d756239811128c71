// One panel of a dashboard: a number, or lines with a table of their values.

import { el, icon, update } from './dom.js';
import { judged, moment, shown } from './units.js';
import uPlot from './uplot.js';

const COLOURS = 8;
const HEIGHT = 180;
const WORDS = { warn: 'needs attention', bad: 'bad' };
const ICONS = { warn: 'degraded', bad: 'away' };
const REASONS = {
  empty: () => 'No data in this time.',
  not_collected: ({ reason }) => `Not collected: ${reason}.`,
  failed: ({ reason }) => `The query fails: ${reason}.`,
};

/** A panel's node, and show(panel, times), which draws what was asked last. */
export const panelOf = (panel, signal) => (panel.kind === 'number' ? number() : lines(panel, signal));

function number() {
  const node = el('section.tile.card');
  const show = (panel) => {
    const line = panel.lines[0];
    const value = line?.values.at(-1);
    const state = judged(value, panel);
    const text = panel.state === 'ok' ? shown(value, panel.unit)
      : panel.state === 'not_collected' ? 'not collected' : 'no data';
    update(node, el('section.tile.card', {},
      el('h2', {}, panel.title),
      el(`p.value.${state}${panel.state === 'ok' ? '' : '.none'}`, {},
        ICONS[state] ? icon(ICONS[state]) : null, text,
        WORDS[state] ? el('span.unseen', {}, `, ${WORDS[state]}`) : null),
      el('p.hint', {}, [line?.name, panel.about].filter(Boolean).join('. ')),
      ['failed', 'not_collected'].includes(panel.state)
        ? el('p.hint', {}, REASONS[panel.state](panel)) : null));
  };
  return { node, show };
}

function lines(first, signal) {
  const place = el('div.plot', { tabindex: 0, role: 'slider', 'aria-label': `${first.title} over time`,
    'aria-valuemin': 0 });
  const table = el('div.legend', { tabindex: 0, role: 'group', 'aria-label': `${first.title}: values` });
  const why = el('p.none', { hidden: true });
  const node = el('section.card', {}, el('h2', {}, first.title),
    first.about ? el('p.hint', {}, first.about) : null, why, place, table);
  // Colours for the canvas come from the style sheet, for the scheme of the moment.
  const probe = (name) => {
    const swatch = el(`span.${name}`, { hidden: true });
    node.append(swatch);
    return () => getComputedStyle(swatch).color;
  };
  const colours = { line: probe('grid'), text: probe('muted'), warn: probe('warn'), bad: probe('bad'),
    ...Object.fromEntries(Array.from({ length: COLOURS }, (_, at) => [at, probe(`c${at}`)])) };
  let chart = null;
  let drawn = '';
  let panel = first;
  let times = [];

  const span = () => times.at(-1) - times[0];
  const values = (at) => {
    const index = at ?? times.length - 1;
    place.setAttribute('aria-valuemax', times.length - 1);
    place.setAttribute('aria-valuenow', index);
    place.setAttribute('aria-valuetext', `${moment(times[index], span())}: ${
      panel.lines.map(({ name, values: all }) => `${name} ${shown(all[index], panel.unit)}`).join(', ')}`);
    update(table.firstChild ?? table.appendChild(el('table')), legend(panel, at, times, span()));
  };
  const size = () => ({ width: Math.max(120, place.clientWidth), height: HEIGHT });
  const move = (by) => {
    const at = Math.min(times.length - 1, Math.max(0, (chart.cursor.idx ?? times.length - 1) + by));
    chart.setCursor({ left: chart.valToPos(times[at], 'x'), top: HEIGHT / 2 }, true, true);
  };
  place.addEventListener('keydown', (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 }[event.key];
    if (!chart || by === undefined) return;
    event.preventDefault();
    move(by);
  });
  place.addEventListener('blur', () => chart?.setCursor({ left: -10, top: -10 }, true, true));
  const watch = new ResizeObserver(() => chart?.setSize(size()));
  watch.observe(place);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => chart?.redraw(), { signal });
  signal.addEventListener('abort', () => {
    watch.disconnect();
    chart?.destroy();
  });

  const show = (next, at) => {
    [panel, times] = [next, at];
    const well = panel.state === 'ok';
    why.hidden = well;
    place.hidden = table.hidden = !well;
    if (!well) {
      why.textContent = (REASONS[panel.state] ?? REASONS.failed)(panel);
      return;
    }
    const data = [times, ...panel.lines.map((line) => line.values)];
    const names = JSON.stringify([panel.lines.map(({ name }) => name), span()]);
    if (chart && names === drawn) chart.setData(data);
    else {
      chart?.destroy();
      chart = new uPlot(options(panel, span(), size(), colours, values), data, place);
      drawn = names;
    }
    values(chart.cursor.idx);
  };
  return { node, show };
}

function options(panel, span, size, colours, values) {
  const text = (at) => shown(at, panel.unit);
  const axis = { stroke: colours.text, font: '12px system-ui, sans-serif',
    grid: { stroke: colours.line, width: 1 }, ticks: { show: false } };
  const limits = [['warn', 0], ['bad', 1]].flatMap(([name, at]) =>
    [panel.above?.[at], panel.below?.[at]].filter((limit) => limit !== undefined)
      .map((limit) => [name, limit]));
  return {
    ...size,
    legend: { show: false },
    cursor: { sync: { key: 'dashboard' }, drag: { x: false, y: false }, y: false,
      points: { size: 7 } },
    scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 32, gap: 8, space: 70, values: (_, splits) => splits.map((at) => (span > 2 * 86400
        ? moment(at, 86401).replace(/ 00:00$/, '') : moment(at, 86400))) },
      { ...axis, size: 68, space: 32, values: (_, splits) => splits.map(text) },
    ],
    series: [{}, ...panel.lines.map((line, at) => ({
      label: line.name,
      stroke: colours[at % COLOURS],
      width: 1.6,
      // The colours come again with dashes.
      dash: [[], [6, 4], [2, 3]][Math.floor(at / COLOURS) % 3],
      points: { show: false },
    }))],
    hooks: {
      setCursor: [(chart) => values(chart.cursor.idx)],
      draw: [(chart) => limits.forEach(([name, at]) => limit(chart, at, colours[name]()))],
      drawSeries: [alone],
    },
  };
}

/** A limit as a dashed line, where it is in sight. */
function limit({ ctx, bbox, scales, valToPos }, at, colour) {
  if (at < scales.y.min || at > scales.y.max) return;
  const y = valToPos(at, 'y', true);
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/** A value between two gaps is no line, and would be invisible: it gets a point. */
function alone(chart, index) {
  const values = chart.data[index];
  const { ctx } = chart;
  ctx.save();
  ctx.fillStyle = chart.series[index].stroke(chart, index);
  values.forEach((value, at) => {
    if (value === null || (values[at - 1] ?? null) !== null || (values[at + 1] ?? null) !== null) return;
    ctx.beginPath();
    ctx.arc(chart.valToPos(chart.data[0][at], 'x', true), chart.valToPos(value, 'y', true),
      2 * devicePixelRatio, 0, 2 * Math.PI);
    ctx.fill();
  });
  ctx.restore();
}

/** The lines' values at the cursor, or the newest, and the worst of all. at: null without one. */
function legend(panel, at, times, span) {
  const index = at ?? times.length - 1;
  const when = at === null || at === undefined ? 'Now' : moment(times[at], span);
  const [worst, extreme] = panel.below ? ['Lowest', Math.min] : ['Highest', Math.max];
  const cell = (value, label) => el(`td.number.${judged(value, panel)}`, { 'data-label': label },
    shown(value, panel.unit));
  return el('table', { 'aria-label': panel.title },
    panel.left_out ? el('caption', {}, `and ${panel.left_out} lower ones`) : null,
    el('thead', {}, el('tr', {}, ['', when, worst].map((title, column) =>
      el(`th${column ? '.number' : ''}`, { scope: 'col' },
        title || el('span.unseen', {}, 'Line'))))),
    el('tbody', {}, panel.lines.map((line, row) => el('tr', {},
      el('th', { scope: 'row' }, swatch(row), line.name),
      cell(line.values[index], when),
      cell(extreme(...line.values.filter((value) => value !== null)), worst)))));
}

const swatch = (row) => el('svg.swatch', { viewBox: '0 0 18 4', 'aria-hidden': 'true' },
  el(`path.c${row % COLOURS}.dash${Math.floor(row / COLOURS) % 3}`, { d: 'M0 2h18' }));
