// Values as people read them.

const BYTES = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Three digits, without zeros at the end: 12.3, 0.045, 1,234. */
export function digits(value) {
  const size = Math.abs(value);
  const after = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString('en', { maximumFractionDigits: after });
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return '0 s';
  if (size < 1) return `${digits(value * 1000)} ms`;
  if (size < 120) return `${digits(value)} s`;
  if (size < 7200) return `${digits(value / 60)} min`;
  if (size < 172800) return `${digits(value / 3600)} h`;
  return `${digits(value / 86400)} days`;
}

function bytes(value) {
  const power = Math.min(BYTES.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.abs(value) || 1) / 3)));
  return `${digits(value / 1000 ** power)} ${BYTES[power]}`;
}

const UNITS = {
  count: digits,
  per_second: (value) => `${digits(value)}/s`,
  seconds,
  bytes,
  bytes_per_second: (value) => `${bytes(value)}/s`,
  share: (value) => `${digits(value * 100)} %`,
  watts: (value) => `${digits(value)} W`,
  celsius: (value) => `${digits(value)} °C`,
  yes: (value) => (value === 1 ? 'yes' : value === 0 ? 'no' : digits(value)),
};

/** A value in a unit; null, which is no zero, as "no data". */
export const shown = (value, unit) =>
  (value === null || value === undefined ? 'no data' : (UNITS[unit] ?? digits)(value));

/** A moment, in seconds since 1970; with its day where the range has several. */
export function moment(at, span) {
  const time = new Date(at * 1000);
  const clock = time.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit',
    ...(span <= 3600 ? { second: '2-digit' } : {}) });
  return span <= 86400 ? clock
    : `${time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${clock}`;
}

/** "ok", "warn" or "bad", by a panel's limits. */
export function judged(value, { above, below }) {
  if (value === null || value === undefined) return 'ok';
  if (above && value >= above[1]) return 'bad';
  if (above && value >= above[0]) return 'warn';
  if (below && value <= below[1]) return 'bad';
  return below && value <= below[0] ? 'warn' : 'ok';
}
