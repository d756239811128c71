// Calls to the API with this tab's token.

const PASSING = [0, 429, 502, 503, 504];
const LONGEST = 30;

/** Who is signed in, in this tab only. */
export const session = {
  get token() { return sessionStorage.getItem('sophia-token'); },
  get caller() { return sessionStorage.getItem('sophia-caller'); },
  begin(token, caller) {
    sessionStorage.setItem('sophia-token', token);
    sessionStorage.setItem('sophia-caller', caller);
  },
  end: () => sessionStorage.clear(),
};

/** A refusal of the API, or of the gateway. status: 0 if there was no answer. */
export class Problem extends Error {
  constructor(status, message, wait = 0) {
    super(message);
    this.status = status;
    this.passes = PASSING.includes(status);
    this.wait = wait;
  }
}

/** The JSON answer of `path`; raises Problem, or AbortError when `signal` says so. */
export async function ask(path, { body, signal, as = session.token, seconds = 20 } = {}) {
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        Authorization: `Bearer ${as}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)].filter(Boolean)),
      cache: 'no-store',
      redirect: 'error',
    });
    answer = await response.json().catch((failure) => {
      if (failure instanceof SyntaxError) return null;
      throw failure;
    });
  } catch (failure) {
    if (signal?.aborted) throw failure;
    const late = failure.name === 'TimeoutError';
    throw new Problem(0, late ? `No answer within ${seconds} s.` : 'The gateway does not answer.');
  }
  if (response.ok && answer !== null) return answer;
  const reason = answer?.detail ?? answer?.error?.message ?? answer?.title
    ?? `The answer has status ${response.status} but is not JSON.`;
  const problem = new Problem(response.status, reason, Number(response.headers.get('Retry-After')) || 0);
  if (problem.status === 401 && as === session.token) {
    dispatchEvent(new CustomEvent('signed-out', { detail: reason }));
  }
  throw problem;
}

/** Like `ask`; waits while the fleet is busy or down, and reports why to `waiting`. */
export async function patiently(path, waiting, options = {}) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask(path, options);
    } catch (problem) {
      if (!problem.passes) throw problem;
      const seconds = delay(problem, tries);
      waiting(`${problem.message} Trying again in ${seconds} s.`);
      await pause(seconds, options.signal);
    }
  }
}

/** Seconds until the next try: as the answer asks, else longer each time. */
export const delay = (problem, tries) =>
  problem.wait || Math.min(LONGEST, 5 * 2 ** (tries - 1));

/** Ends after `seconds`, or with an AbortError. */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
