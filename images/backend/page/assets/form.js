// A form made of a JSON Schema. Only what is given is read; what no field can hold is JSON.

import { el } from './dom.js';

const DEEPEST = 3;
const SCALARS = ['string', 'integer', 'number'];
const LONG = /text|body|content|message|markdown|prompt|sql|code|description/;
let ids = 0;

/** `schema` with $ref resolved, and null as an alternative left out. */
export function plain(schema, root, depth = 0) {
  if (typeof schema !== 'object' || schema === null || depth > 20) return {};
  const { $ref, anyOf, oneOf, allOf, ...own } = schema;
  if (Array.isArray(own.type)) {
    const types = own.type.filter((type) => type !== 'null');
    own.type = types.length === 1 ? types[0] : undefined;
  }
  const target = $ref?.startsWith('#/') && $ref.slice(2).split('/').reduce(
    (at, step) => at?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root);
  if (own.items) own.items = plain(own.items, root, depth + 1);
  const choices = (anyOf ?? oneOf ?? allOf ?? (target ? [target] : []))
    .map((choice) => plain(choice, root, depth + 1)).filter(({ type }) => type !== 'null');
  if (choices.length === 1) return { ...choices[0], ...own };
  // A string, or one of some words: a string.
  const strings = choices.length && !allOf && choices.every(({ type }) => type === 'string');
  return strings ? { type: 'string', ...own } : own;
}

/** What is wrong with a value that a field holds, or ''. */
export function wrong(schema, value) {
  const shorter = (size, least, most, unit) => (size < least ? `Give at least ${least} ${unit}.`
    : size > most ? `Give at most ${most} ${unit}.` : '');
  if (typeof value === 'string') {
    if (schema.pattern && !matches(schema.pattern, value)) return `It has to match ${schema.pattern}`;
    return shorter([...value].length, schema.minLength, schema.maxLength, 'characters');
  }
  if (Array.isArray(value)) {
    const at = value.findIndex((item) => wrong(schema.items ?? {}, item));
    if (at >= 0) return `Number ${at + 1}: ${wrong(schema.items, value[at])}`;
    return shorter(value.length, schema.minItems, schema.maxItems, 'of them');
  }
  if (typeof value !== 'number') return '';
  if (schema.type === 'integer' && !Number.isInteger(value)) return 'Give a whole number.';
  if (schema.type === 'integer' && !Number.isSafeInteger(value)) return 'Too large here: edit as JSON.';
  if (value < schema.minimum) return `Give at least ${schema.minimum}.`;
  if (value > schema.maximum) return `Give at most ${schema.maximum}.`;
  if (value <= schema.exclusiveMinimum) return `Give more than ${schema.exclusiveMinimum}.`;
  return value >= schema.exclusiveMaximum ? `Give less than ${schema.exclusiveMaximum}.` : '';
}

function matches(pattern, value) {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true; // a pattern of another language: the server knows
  }
}

/** Fields of an object's properties: nodes; read(faults), an object; write(object). */
export function fieldsOf(schema, root = schema, depth = 0) {
  const needed = new Set(schema.required);
  const fields = Object.entries(schema.properties ?? {}).map(([name, property]) =>
    [name, fieldOf(name, plain(property, root), needed.has(name), root, depth)]);
  return {
    nodes: fields.map(([, field]) => field.node),
    read: (faults) => Object.fromEntries(fields.map(([name, field]) => [name, field.read(faults)])
      .filter(([, value]) => value !== undefined)),
    write: (value) => fields.forEach(([name, field]) => field.write(value?.[name])),
  };
}

function fieldOf(name, schema, needed, root, depth) {
  ids += 1;
  const [help, error] = [`help-${ids}`, `error-${ids}`];
  const described = { 'aria-describedby': `${help} ${error}` };
  const title = [name, needed ? el('span.needed', {}, 'required') : null];
  const notes = el('p.help', { id: help }, [schema.description, limits(schema)].filter(Boolean).join(' · '));
  const problem = el('p.error', { id: error });
  const group = (children, kind = null) =>
    el('fieldset', described, el('legend', {}, title), notes, el('div', { class: kind }, children), problem);

  if (schema.type === 'object' && schema.properties && depth < DEEPEST) {
    const inner = fieldsOf(schema, root, depth + 1);
    return {
      node: group(inner.nodes, 'fields'),
      write: inner.write,
      read(faults) {
        const mine = [];
        const value = inner.read(mine);
        const given = needed || Object.keys(value).length || !mine.every(({ missing }) => missing);
        if (given) faults.push(...mine);
        return given ? value : undefined;
      },
    };
  }
  const control = controlOf(name, schema, needed);
  const [input] = control.inputs;
  const node = control.inputs.length > 1 ? group(control.inputs.map((box) => box.parentNode))
    : el('div.field', {}, el('label', { for: `field-${ids}` }, title), input, notes, problem);
  if (control.inputs.length === 1) {
    input.id = `field-${ids}`;
    input.setAttribute('aria-describedby', described['aria-describedby']);
    if (needed) input.setAttribute('aria-required', 'true');
  }
  const tell = (message) => {
    problem.textContent = message;
    for (const each of control.inputs) each.setAttribute('aria-invalid', String(message !== ''));
  };
  node.addEventListener('input', () => tell(''));
  return {
    node,
    write: (value) => { tell(''); control.write(value); },
    read(faults) {
      let value;
      let message;
      try {
        value = control.read();
        message = value === undefined ? '' : wrong(schema, value);
      } catch (failure) {
        message = failure.message;
      }
      const missing = value === undefined && !message && needed;
      if (missing) message = 'Needed.';
      if (message) faults.push({ input, missing, tell: () => tell(message) });
      return value;
    },
  };
}

/** A schema's limits in words. */
function limits(schema) {
  const { minimum: least, maximum: most, maxLength, format, type, items } = schema;
  return [
    least !== undefined && most !== undefined ? `${least} to ${most}`
      : least !== undefined ? `at least ${least}` : most !== undefined ? `at most ${most}` : '',
    maxLength < 500 ? `at most ${maxLength} characters` : '',
    format ? `format: ${format}` : '',
    type === 'array' && SCALARS.includes(items?.type) && !items.enum ? 'one per line' : '',
  ].filter(Boolean).join(', ');
}

/** The inputs of a value; read() gives undefined for what is not given, or throws. */
function controlOf(name, schema, needed) {
  const shown = schema.default === undefined || schema.default === null ? '' : schema.default;
  const placeholder = typeof shown === 'string' ? shown : JSON.stringify(shown);
  const words = 'const' in schema ? [schema.const] : schema.enum ?? (schema.type === 'boolean' ? [true, false] : null);
  if (words) return choice(words, needed, placeholder);
  const items = schema.items ?? {};
  if (items.enum) return boxes(items.enum);
  if (SCALARS.includes(items.type)) {
    return area(Array.isArray(shown) ? shown.join('\n') : '', (text) => {
      const lines = text.split('\n').map((line) => line.trim()).filter(Boolean);
      return lines.length ? lines.map((line) => (items.type === 'string' ? line : asNumber(line))) : undefined;
    }, (value) => value.join('\n'));
  }
  if (schema.type === 'integer' || schema.type === 'number') {
    const input = el('input', { type: 'number', min: schema.minimum, max: schema.maximum, placeholder,
      step: schema.multipleOf ?? (schema.type === 'integer' ? 1 : 'any') });
    return {
      inputs: [input],
      read: () => (input.validity.badInput ? asNumber('?') : input.value === '' ? undefined : Number(input.value)),
      write: (value) => { input.value = value ?? ''; },
    };
  }
  if (schema.type === 'string') {
    const long = schema.maxLength > 1000 || (!schema.maxLength && !schema.format && LONG.test(name));
    if (long) return area(placeholder, (text) => text || undefined, (value) => value);
    const input = el('input', { type: 'text', placeholder, autocomplete: 'off', spellcheck: 'false' });
    return { inputs: [input], read: () => input.value || undefined, write: (value) => { input.value = value ?? ''; } };
  }
  return area(shown === '' ? 'JSON' : placeholder, (text) => json(text, schema.type),
    (value) => JSON.stringify(value, null, 2), 'code');
}

function asNumber(text) {
  const number = Number(text);
  if (Number.isNaN(number)) throw new Error(`Give numbers: ${text} is none.`);
  return number;
}

/** The JSON of a text. type: what it has to be, if that is known. */
export function json(text, type) {
  if (!text.trim()) return undefined;
  let value;
  try {
    value = JSON.parse(text);
  } catch (failure) {
    throw new Error(`This is no JSON: ${failure.message}`);
  }
  const got = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  if (['array', 'object'].includes(type) && got !== type) throw new Error(`Give an ${type}; this is: ${got}.`);
  return value;
}

function area(placeholder, read, show, kind) {
  const input = el('textarea', { rows: 2, placeholder, spellcheck: 'false', class: kind });
  return { inputs: [input], read: () => read(input.value),
    write: (value) => { input.value = value === undefined || value === null ? '' : show(value); } };
}

function choice(words, needed, placeholder) {
  const input = el('select', {}, el('option', { value: '' }, placeholder ? `${placeholder} (default)` : '–'),
    words.map((word, index) => el('option', { value: index }, String(word))));
  if (needed && words.length === 1) input.value = '0';
  return { inputs: [input], read: () => (input.value === '' ? undefined : words[input.value]),
    write: (value) => { input.value = words.includes(value) ? words.indexOf(value) : ''; } };
}

function boxes(words) {
  const inputs = words.map((word) => {
    const box = el('input', { type: 'checkbox' });
    el('label.box', {}, box, String(word));
    return box;
  });
  return { inputs,
    read: () => (inputs.some((box) => box.checked) ? words.filter((_, at) => inputs[at].checked) : undefined),
    write: (value) => inputs.forEach((box, at) => { box.checked = Boolean(value?.includes(words[at])); }) };
}
