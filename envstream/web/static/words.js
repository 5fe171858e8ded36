/** Words: numbers and states as a person reads them. Pure: no DOM, no clock. */

const NONE = '–';
const grouped = new Intl.NumberFormat('en-US');
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 });

const known = (value) => typeof value === 'number' && Number.isFinite(value);
const minus = (text) => text.replace('-', '−');

/** A count: 91,234; 12,345,678. */
export function count(value) {
  return known(value) ? minus(grouped.format(Math.round(value))) : NONE;
}

/** A measure in little space: 1.83K, 143, 0.0213. */
export function compact(value) {
  return known(value) ? minus(short.format(value)) : NONE;
}

/** A return: exact when whole, otherwise about four digits. */
export function score(value) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1e7) return compact(value);
  if (Number.isInteger(value) || size >= 1000) return count(value);
  if (size !== 0 && size < 0.01) return minus(value.toPrecision(2));
  return minus(value.toFixed(size >= 100 ? 1 : 2));
}

/** A rate a second: 29.8, 1.2, 0. */
export function rate(value) {
  if (!known(value)) return NONE;
  return value >= 100 ? count(value) : value.toFixed(value > 0 ? 1 : 0);
}

/** A size: 812 bytes, 43 kB, 7.3 MB, 1.20 GB. */
export function bytes(value) {
  if (!known(value)) return NONE;
  if (value < 1000) return `${value} bytes`;
  const [size, unit] = value < 999500 ? [value / 1e3, 'kB'] : value < 999.5e6 ? [value / 1e6, 'MB'] : [value / 1e9, 'GB'];
  return `${size.toFixed(unit === 'GB' && size < 9.995 ? 2 : size < 9.95 ? 1 : 0)} ${unit}`;
}

/** A duration: 12 ms, 2.1 s, 1 min 12 s, 2 h 5 min. */
export function duration(ms) {
  if (!known(ms)) return NONE;
  const late = Math.max(0, ms);
  if (late < 999.5) return `${Math.round(late)} ms`;
  if (late < 59950) return `${(late / 1000).toFixed(1)} s`;
  const seconds = Math.round(late / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.floor(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Whether a stream says what is wrong and has no picture to show. */
export const pictureless = (status) => Boolean(status?.message) && status.width == null;

/** A stream's state in one word, as on its tile. */
export function stateWord(state) {
  return state === 'stalled' ? 'updating' : state;
}

/** What the grid shows: 64 of 1,024 streams. */
export function extent({ found, all, sight, kind }) {
  if (found < all) return `${count(found)} of ${count(all)} ${kind}`;
  return sight < all ? `${count(all)} ${kind}, ${count(sight)} in sight` : `${count(all)} ${kind}`;
}

/** The chart in one sentence, for those who hear it; `kept` of the episodes on it can be replayed. */
export function chartSummary(episodes, kept = 0) {
  if (episodes.length === 0) return 'Returns of the episodes: none has ended yet.';
  const [number, , value] = episodes[episodes.length - 1];
  const leads = kept > 0 ? ` ${kept} of them can be replayed: shift and arrow keys lead to them, Enter replays.` : '';
  return `Returns of the last ${episodes.length} episodes; episode ${count(number)} returned ${score(value)}.${leads}`;
}
