// Nodes from data. Texts of the API become text nodes, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An element, as `p.muted`; `props` are attributes, or listeners by `onclick` and the like. */
export function el(name, props = {}, ...children) {
  const [tag, ...classes] = name.split('.').filter(Boolean);
  const node = ['svg', 'use', 'rect', 'path'].includes(tag)
    ? document.createElementNS(SVG, tag) : document.createElement(tag);
  if (classes.length) node.setAttribute('class', classes.join(' '));
  for (const [key, value] of Object.entries(props)) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) {
      node.setAttribute(key, value === true ? '' : value);
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export const icon = (id) =>
  el('svg.icon', { 'aria-hidden': 'true' }, el('use', { href: `#${id}` }));

/** Update `old` to `fresh`, changing only what differs: focus and selection stay. */
export function update(old, fresh) {
  const focused = document.activeElement;
  morph(old, fresh);
  if (focused?.isConnected) focused.focus({ preventScroll: true });
}

function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const key = (node) => node?.dataset?.key;
  const keyed = new Map([...old.children].map((child) => [key(child), child]));
  const wanted = [...fresh.childNodes];
  wanted.forEach((child, index) => {
    const at = old.childNodes[index] ?? null;
    const same = key(child) ? keyed.get(key(child)) : at;
    keyed.delete(key(child));
    if (same?.nodeName !== child.nodeName || key(same) !== key(child)) old.insertBefore(child, at);
    else {
      if (same !== at) old.insertBefore(same, at);
      if (same.nodeType === Node.ELEMENT_NODE) morph(same, child);
      else if (same.data !== child.data) same.data = child.data;
    }
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

/** A description without the line breaks of its source. */
export const flowing = (text) => (text ?? '').replaceAll(/(?<=\S)\n(?=\w)/g, ' ');
export const firstOf = (text) => flowing(text).split('\n\n')[0];

/** Announce a text to screen readers. */
export function say(text) {
  document.getElementById('said').textContent = text;
}

export function copyButton(what, text, label = 'Copy') {
  const button = el('button.small', { type: 'button', 'aria-label': `${label}: ${what}` }, label);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not allowed';
    }
    say(button.textContent);
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

export const count = (number, one, many = `${one}s`) =>
  `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

export function duration(ms) {
  if (ms === null) return '';
  if (ms >= 1000) return `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

export const KINDS = { read: 'reads', write: 'writes', destroy: 'destroys' };
export const kindBadge = (kind) => el(`span.badge.${kind}`, {}, KINDS[kind] ?? kind);
