// A form from a JSON Schema. Only filled fields are read; values that no field can hold are JSON.

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
  if (own.items) own.items = plain(own.items, root, depth + 1);
  const target = $ref?.startsWith('#/') && $ref.slice(2).split('/').reduce(
    (at, step) => at?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], root);
  const choices = (anyOf ?? oneOf ?? allOf ?? (target ? [target] : []))
    .map((choice) => plain(choice, root, depth + 1)).filter(({ type }) => type !== 'null');
  if (choices.length === 1) return { ...choices[0], ...own };
  const strings = choices.length && !allOf && choices.every(({ type }) => type === 'string');
  return strings ? { type: 'string', ...own } : own;
}

/** What is wrong with a field's value, or ''. */
function wrong(schema, value) {
  const sized = (size, least, most, unit) => (size < least ? `Give at least ${least} ${unit}.`
    : size > most ? `Give at most ${most} ${unit}.` : '');
  if (typeof value === 'string') {
    if (schema.pattern && !matches(schema.pattern, value)) return `It has to match ${schema.pattern}`;
    return sized([...value].length, schema.minLength, schema.maxLength, 'characters');
  }
  if (Array.isArray(value)) {
    const at = value.findIndex((item) => wrong(schema.items ?? {}, item));
    if (at >= 0) return `Number ${at + 1}: ${wrong(schema.items, value[at])}`;
    return sized(value.length, schema.minItems, schema.maxItems, 'of them');
  }
  if (typeof value !== 'number') return '';
  if (schema.type === 'integer' && !Number.isInteger(value)) return 'Give a whole number.';
  if (schema.type === 'integer' && !Number.isSafeInteger(value)) return 'Too large here: edit as JSON.';
  if (value <= schema.exclusiveMinimum) return `Give more than ${schema.exclusiveMinimum}.`;
  if (value >= schema.exclusiveMaximum) return `Give less than ${schema.exclusiveMaximum}.`;
  if (value < schema.minimum) return `Give at least ${schema.minimum}.`;
  return value > schema.maximum ? `Give at most ${schema.maximum}.` : '';
}

function matches(pattern, value) {
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true; // a pattern in another dialect: the server checks it
  }
}

/** A schema's limits in words. */
function limits({ minimum: least, maximum: most, maxLength, format, type, items }) {
  return [
    least !== undefined && most !== undefined ? `${least} to ${most}`
      : least !== undefined ? `at least ${least}` : most !== undefined ? `at most ${most}` : '',
    maxLength < 500 && `at most ${maxLength} characters`,
    format && `format: ${format}`,
    type === 'array' && SCALARS.includes(items?.type) && !items.enum && 'one per line',
  ].filter(Boolean).join(', ');
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
  const id = `field-${ids}`;
  const described = { 'aria-describedby': `${id}-help ${id}-error` };
  const title = [name, needed ? el('span.needed', {}, 'required') : null];
  const help = el('p.help', { id: `${id}-help` },
    [schema.description, limits(schema)].filter(Boolean).join(' · '));
  const error = el('p.error', { id: `${id}-error` });
  const group = (children, kind) => el('fieldset', described,
    el('legend', {}, title), help, el('div', { class: kind }, children), error);

  if (schema.type === 'object' && schema.properties && depth < DEEPEST) {
    const inner = fieldsOf(schema, root, depth + 1);
    const read = (faults) => {
      const mine = [];
      const value = inner.read(mine);
      const given = needed || Object.keys(value).length || !mine.every(({ missing }) => missing);
      if (given) faults.push(...mine);
      return given ? value : undefined;
    };
    return { node: group(inner.nodes, 'fields'), write: inner.write, read };
  }
  const { inputs, read, write } = controlOf(name, schema, needed);
  const boxed = inputs[0].type === 'checkbox';
  const node = boxed ? group(inputs.map((box) => box.parentNode))
    : el('div.field', {}, el('label', { for: id }, title), inputs[0], help, error);
  if (!boxed) {
    for (const [key, value] of Object.entries({ id, ...described, 'aria-required': needed })) {
      inputs[0].setAttribute(key, value);
    }
  }
  const tell = (message) => {
    error.textContent = message;
    for (const input of inputs) input.setAttribute('aria-invalid', message !== '');
  };
  node.addEventListener('input', () => tell(''));
  return {
    node,
    write: (value) => { tell(''); write(value); },
    read(faults) {
      let value;
      let message = '';
      try {
        value = read();
        if (value !== undefined) message = wrong(schema, value);
        else if (needed) message = 'Needed.';
      } catch (failure) {
        message = failure.message;
      }
      const missing = message === 'Needed.';
      if (message) faults.push({ input: inputs[0], missing, tell: () => tell(message) });
      return value;
    },
  };
}

/** The inputs of a value; read() returns undefined if it is not given, or throws. */
function controlOf(name, schema, needed) {
  const { type, items = {}, default: given = null } = schema;
  const shown = given === null ? '' : typeof given === 'string' ? given : JSON.stringify(given);
  const words = 'const' in schema ? [schema.const] : schema.enum ?? (type === 'boolean' && [true, false]);
  if (words) return choice(words, needed, shown);
  if (type === 'array' && items.enum) return boxes(items.enum);
  if (type === 'array' && SCALARS.includes(items.type)) {
    const item = (text) => (items.type === 'string' ? text : asNumber(text));
    return typed('textarea', { placeholder: Array.isArray(given) ? given.join('\n') : '' },
      (text) => text.split('\n').map((line) => line.trim()).filter(Boolean).map(item),
      (value) => value.join('\n'));
  }
  if (type === 'integer' || type === 'number') {
    const step = schema.multipleOf ?? (type === 'integer' ? 1 : 'any');
    const { minimum: min, maximum: max } = schema;
    return typed('input', { type: 'number', min, max, step, placeholder: shown }, asNumber);
  }
  if (type === 'string') {
    const long = schema.maxLength > 1000
      || (!schema.maxLength && !schema.format && !schema.pattern && LONG.test(name));
    return typed(long ? 'textarea' : 'input', { placeholder: shown });
  }
  return typed('textarea.code', { placeholder: shown || 'JSON' }, (text) => json(text, type),
    (value) => JSON.stringify(value, null, 2));
}

function asNumber(text) {
  const number = Number(text);
  if (Number.isNaN(number)) throw new Error(`Give numbers: ${text} is not one.`);
  return number;
}

/** Parses JSON. type: the required type, if known. */
export function json(text, type) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (failure) {
    throw new Error(`This is not JSON: ${failure.message}`);
  }
  const got = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  if (!['array', 'object'].includes(type) || got === type) return value;
  throw new Error(`Give an ${type}; this is: ${got}.`);
}

/** A text field; blank means not given. */
function typed(kind, props, read = (text) => text, show = String) {
  const input = el(kind, { autocomplete: 'off', spellcheck: 'false', ...props });
  return {
    inputs: [input],
    read() {
      if (input.validity.badInput) throw new Error('Give a number.');
      return input.value.trim() ? read(input.value) : undefined;
    },
    write: (value = null) => { input.value = value === null ? '' : show(value); },
  };
}

function choice(words, needed, shown) {
  const input = el('select', {}, el('option', { value: '' }, shown ? `${shown} (default)` : '–'),
    words.map((word, index) => el('option', { value: index }, String(word))));
  if (needed && words.length === 1) input.value = '0';
  return {
    inputs: [input],
    read: () => (input.value === '' ? undefined : words[input.value]),
    write: (value) => { input.value = words.includes(value) ? words.indexOf(value) : ''; },
  };
}

function boxes(words) {
  const inputs = words.map(() => el('input', { type: 'checkbox' }));
  words.forEach((word, at) => el('label.box', {}, inputs[at], String(word)));
  const chosen = () => words.filter((_, at) => inputs[at].checked);
  return {
    inputs,
    read: () => (chosen().length ? chosen() : undefined),
    write: (value) => inputs.forEach((box, at) => { box.checked = Boolean(value?.includes(words[at])); }),
  };
}
