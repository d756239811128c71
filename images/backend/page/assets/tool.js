// One tool: what it does, a form for its arguments, and its answer.

import { ask, Problem } from './api.js';
import { copyButton, duration, el, firstOf, flowing, kindBadge } from './dom.js';
import { serverLink } from './fleet.js';
import { fieldsOf, json, plain } from './form.js';
import { described } from './tools.js';

const CUT = 20000;
const PATIENCE = 600;

export async function tool(place, signal, serverName, name) {
  const server = await described(place, signal, serverName, name);
  const found = server.tools.find((each) => each.name === name);
  if (!found) throw new Problem(404, `${serverName} has no tool ${name}.`);
  const { raw, node: fields, read } = argumentsOf(found);
  const run = el('button.primary', {}, 'Run');
  const cancel = el('button', { type: 'button', hidden: true }, 'Cancel');
  const result = el('section.result', { 'aria-label': 'Result' },
    el('p.muted', {}, 'The answer appears here.'));
  const form = el('form.card.pad', { novalidate: true }, fields, el('p.buttons', {}, run, cancel, raw));
  place.firstChild.replaceChildren(found.title || name, ' ', kindBadge(found.kind));
  place.append(
    el('p.muted', {}, 'of ', serverLink(serverName, server.title), found.title ? `, called ${name}` : ''),
    el('p.text', {}, flowing(found.description)),
    el('div.columns.even', {}, form, result),
  );

  const busy = (on) => {
    const held = [run, cancel, document.body].includes(document.activeElement);
    run.hidden = on;
    cancel.hidden = !on;
    form.setAttribute('aria-busy', String(on));
    if (held) (on ? cancel : run).focus();
  };
  form.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const body = run.hidden ? undefined : read();
    if (body === undefined) return;
    if (found.kind !== 'read' && !await confirmed(server.title || serverName, found, body)) return;
    const stop = new AbortController();
    cancel.onclick = () => stop.abort();
    busy(true);
    result.replaceChildren(el('p.banner', { role: 'status' }, 'Running …'));
    const began = performance.now();
    try {
      const address = `/api/tools/${encodeURIComponent(serverName)}/${encodeURIComponent(name)}`;
      const answer = await ask(address,
        { body, signal: AbortSignal.any([signal, stop.signal]), seconds: PATIENCE });
      result.replaceChildren(...answered(answer));
    } catch (problem) {
      const after = `after ${duration(performance.now() - began)}`;
      const unsure = found.kind === 'read' ? ''
        : ' It may have been done all the same: look before you repeat it.';
      const why = stop.signal.aborted ? `Cancelled ${after}.${unsure}`
        : `${problem.message}${problem.passes && problem.status !== 429 ? unsure : ''}`
          + `${problem.wait ? ` Try again in ${problem.wait} s.` : ''}`;
      result.replaceChildren(el('p.banner.bad', { role: 'alert' }, why));
    } finally {
      busy(false);
    }
  });
}

/** The fields of a tool's arguments, or their JSON; read() gives a body, or shows what is wrong. */
function argumentsOf(found) {
  const schema = plain(found.inputSchema, found.inputSchema);
  const fields = fieldsOf(schema, found.inputSchema);
  const nothing = el('p.muted', {}, 'It takes no arguments.');
  const form = el('div.fields', {}, fields.nodes.length ? fields.nodes : nothing);
  const text = el('textarea.code', { id: 'raw', spellcheck: 'false', 'aria-describedby': 'raw-error' });
  const error = el('p.error', { id: 'raw-error', role: 'alert' });
  const area = el('div.field', { hidden: true }, el('label', { for: 'raw' }, 'Arguments as JSON'), text, error);
  const raw = el('button.toggle', { type: 'button', 'aria-pressed': 'false' }, 'Edit as JSON');

  const parsed = () => {
    try {
      error.textContent = '';
      return json(text.value.trim() || '{}', 'object');
    } catch (failure) {
      error.textContent = failure.message;
      text.focus();
      return undefined;
    }
  };
  raw.addEventListener('click', () => {
    const asText = area.hidden;
    const value = asText ? fields.read([]) : parsed();
    if (value === undefined) return;
    if (asText) text.value = JSON.stringify(value, null, 2);
    else fields.write(value);
    area.hidden = !asText;
    form.hidden = asText;
    raw.setAttribute('aria-pressed', String(asText));
  });
  const read = () => {
    if (!area.hidden) return parsed() && (text.value.trim() || '{}'); // as typed: long numbers stay
    const faults = [];
    const value = fields.read(faults);
    faults.forEach((fault) => fault.tell());
    faults[0]?.input.focus();
    return faults.length ? undefined : JSON.stringify(value, null, 2);
  };
  return { node: el('div', {}, form, area), raw, read };
}

/** Ask before a tool changes something; for one that destroys, its name must be typed. */
function confirmed(where, found, body) {
  const destroys = found.kind !== 'write';
  const go = el(`button.primary${destroys ? '.danger' : ''}`, { disabled: destroys }, `Run ${found.name}`);
  const typed = el('input', { id: 'typed', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false',
    oninput: () => { go.disabled = typed.value.trim() !== found.name; } });
  const cancel = el('button', { type: 'button', autofocus: !destroys, onclick: () => dialog.close() },
    'Cancel');
  const dialog = el('dialog', { 'aria-labelledby': 'asked', 'aria-describedby': 'what' },
    el('form', {
      onsubmit: (event) => { event.preventDefault(); dialog.close('go'); },
    },
    el('h2', { id: 'asked' }, destroys ? `Destroy in ${where}?` : `Write to ${where}?`),
    el('p', { id: 'what' }, `${found.name}: ${firstOf(found.description)}`),
    el('pre', { tabindex: 0, 'aria-label': 'Arguments' }, body),
    destroys ? el('div.field', {}, el('label', { for: 'typed' }, 'It cannot be undone. Type ',
      el('code', {}, found.name), ' to continue.'), typed) : null,
    el('p.buttons', {}, go, cancel)));
  document.getElementById('view').append(dialog);
  dialog.showModal();
  if (destroys) typed.focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'go');
    });
  });
}

function answered(answer) {
  const data = answer.data === null || answer.data === undefined ? null : JSON.stringify(answer.data, null, 2);
  return [
    el(`p.banner.${answer.is_error ? 'bad' : 'ok'}`, { role: 'status' },
      answer.is_error ? 'The tool reports an error' : 'Done', `, after ${duration(answer.ms)}.`),
    el('p.request.muted', {}, 'Request ', el('code', {}, answer.request_id),
      copyButton('the request’s id', () => answer.request_id)),
    ...(answer.text && (data === null || !isJson(answer.text)) ? output('Text', answer.text) : []),
    ...(data === null ? [] : output('Data', data)),
  ];
}

function isJson(text) {
  try {
    return JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
}

function output(title, text) {
  const shown = el('pre', { tabindex: 0, 'aria-label': title }, text.slice(0, CUT));
  const showAll = () => {
    shown.textContent = text;
    all.remove();
    shown.focus();
  };
  const all = el('button.small', { type: 'button', onclick: showAll },
    `Show all ${text.length.toLocaleString('en')} characters`);
  return [el('div.head', {}, el('h2', {}, title), copyButton(title, () => text)), shown,
    ...(text.length > CUT ? [all] : [])];
}
