// Who is signed in, and which view the address selects.

import { patiently, Problem, session } from './api.js';
import { connect } from './connect.js';
import { dashboards } from './dashboards.js';
import { el } from './dom.js';
import { fleet } from './fleet.js';
import { tool } from './tool.js';
import { server, tools } from './tools.js';

const ROUTES = [
  [/^#?\/?$/, 'Fleet', fleet],
  [/^#\/tools(?:\?query=(.*))?$/, 'Tools', tools],
  [/^#\/servers\/([^/]+)$/, 'Tools', server],
  [/^#\/tools\/([^/]+)\/([^/]+)$/, 'Tools', tool],
  [/^#\/dashboards(?:\/([^/?]+))?(?:\/([^/?]+))?(?:\?.*)?$/, 'Dashboards', dashboards],
  [/^#\/connect$/, 'Connect', connect],
];

const part = (id) => document.getElementById(id);
let leaving = new AbortController();

/** Show the view that the address selects. moved: by the user, so the new heading takes the focus. */
async function show(moved) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const signedIn = session.token !== null;
  const nav = document.querySelector('nav');
  part('sign-in').hidden = signedIn;
  nav.hidden = part('session').hidden = !signedIn;
  part('caller').textContent = session.caller;
  part('view').replaceChildren();
  document.title = 'Sign in · Sophia';
  if (!signedIn) {
    part('token').focus();
    return;
  }
  const [title, view, names] = route(location.hash);
  document.title = `${[...names].reverse().filter(Boolean).join(' · ') || title} · Sophia`;
  for (const link of nav.children) {
    if (link.textContent === title) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const place = el('div');
  part('view').append(place);
  try {
    const done = view(place, signal, ...names);
    if (moved) place.querySelector('h1').focus();
    await done;
  } catch (problem) {
    if (signal.aborted) return;
    if (!(problem instanceof Problem)) throw problem;
    refused(place, problem.message);
  }
}

function route(hash) {
  for (const [pattern, title, view] of ROUTES) {
    const match = hash.match(pattern);
    try {
      if (match) return [title, view, match.slice(1).map((name) => decodeURIComponent(name ?? ''))];
    } catch { /* a broken %-escape counts as an unknown address */ }
  }
  return ['Not found', (place) => refused(place, `There is no page ${hash}.`), []];
}

function refused(place, reason) {
  place.replaceChildren(
    el('h1', { tabindex: -1 }, 'Not available'),
    el('p.banner.bad', { role: 'alert' }, reason),
    el('p.buttons', {}, el('button', { onclick: () => show(true) }, 'Try again')),
  );
}

function signOut(reason) {
  session.end();
  part('reason').textContent = reason;
  show();
}

async function signIn(event) {
  event.preventDefault();
  const field = part('token');
  const given = field.value.trim();
  const reason = part('reason');
  if (!/^[\x21-\x7e]+$/.test(given)) {
    reason.textContent = 'A token is one word of plain letters, digits and signs.';
    return;
  }
  leaving.abort();
  leaving = new AbortController();
  reason.textContent = '';
  let seen;
  try {
    const waiting = (why) => { reason.textContent = why; };
    seen = await patiently('/api/fleet', waiting, { as: given, signal: leaving.signal });
  } catch (problem) {
    if (problem instanceof Problem) reason.textContent = problem.message;
    return;
  }
  session.begin(given, seen.caller ?? '');
  field.value = '';
  reason.textContent = '';
  show(true);
}

document.querySelector('#sign-in form').addEventListener('submit', signIn);
part('sign-out').addEventListener('click', () => signOut(''));
addEventListener('signed-out', (event) => signOut(event.detail));
addEventListener('hashchange', () => show(true));
show();
