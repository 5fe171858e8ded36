/** Words: numbers and states as a person reads them. Pure: no DOM, no clock. */

const NONE = '–';
const LONG_STALL_MS = 60000;
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

/** A count-down in whole seconds: calm to read. */
const inSeconds = (ms) => `in ${Math.max(1, Math.ceil(ms / 1000))} s`;

/** Whether a stream says what is wrong and has no picture to show. */
export const pictureless = (status) => Boolean(status?.message) && status.width == null;

const last = (ago) => (known(ago) ? `last frame ${duration(ago)} ago` : '');
const join = (...parts) => parts.filter(Boolean).join(', ');

function connecting({ retryMs }) {
  const text = known(retryMs) ? `The server does not answer. Trying again ${inSeconds(retryMs)}.` : '';
  return { state: 'connecting', badge: 'Connecting', headline: 'Connecting', text, note: '' };
}

function refused({ refusal, retryMs }) {
  const again = known(retryMs) ? inSeconds(retryMs) : 'now';
  const [badge, headline, text] =
    refusal === 'full'
      ? ['Full', 'No free seat', `All seats are taken, retrying ${again}.`]
      : ['Locked', 'Locked', 'This page needs its token: open the full address that the run printed.'];
  return { state: 'refused', badge, headline, text, note: '' };
}

function reconnecting({ ago, retryMs }) {
  const headline = known(retryMs) ? `Reconnecting ${inSeconds(retryMs)}` : 'Reconnecting';
  return { state: 'reconnecting', badge: 'Reconnecting', headline, text: '', note: join('connection lost', last(ago)) };
}

function ended({ ago, status }) {
  const text = pictureless(status) ? status.message : 'The next run shows up here by itself.';
  return { state: 'ended', badge: 'Ended', headline: 'Run ended', text, note: join('run ended', last(ago)) };
}

/** A picture was asked for and taking it failed: what helps stands where the picture would. */
function failing({ status }) {
  return { state: 'failing', badge: 'No picture', headline: 'No picture', text: status.message, note: '' };
}

function waiting({ status }) {
  if (pictureless(status)) return failing({ status });
  const headline = status ? 'Waiting for the first step' : 'Waiting for a stream';
  const text = 'The picture appears with the first step of the training.';
  return { state: 'waiting', badge: 'Waiting', headline, text, note: '' };
}

function stalled({ ago }) {
  // The server cannot know why nothing comes; after a minute "updating" would be a guess.
  const long = known(ago) && ago > LONG_STALL_MS;
  const why = long ? 'no step for a while, perhaps a long update' : 'learner is updating';
  return { state: 'stalled', badge: long ? 'Stalled' : 'Updating', headline: '', text: '', note: join(why, last(ago)) };
}

/**
 * What the page says about the chosen stream.
 * @param {object} at phase, ever, refusal, simple (of the connection), retryMs; paused; listed (whether the
 *   streams are known), status of the chosen one (or undefined), ago (age of its picture in ms, or null).
 * @returns {{state: string, badge: string, headline: string, text: string, note: string}}
 */
export function situation(at) {
  const over = at.status?.state === 'ended';
  const connected = at.phase === 'open' || at.simple;
  if (!connected) {
    if (at.phase === 'refused') return refused(at);
    if (!at.ever) return connecting(at);
    return over ? ended(at) : reconnecting(at);
  }
  if (over) return ended(at);
  if (at.paused) return { state: 'paused', badge: 'Paused', headline: 'Paused', text: '', note: last(at.ago) };
  if (!at.listed && !at.simple) return connecting(at);
  if (at.simple && !at.status) return { state: 'live', badge: 'Live', headline: '', text: '', note: '' };
  if (!at.status || at.status.state === 'waiting') return waiting(at);
  if (at.status.state === 'stalled') return stalled(at);
  return { state: 'live', badge: 'Live', headline: '', text: '', note: '' };
}

/** A stream's state in one word, as on its tile. */
export function stateWord(state) {
  return state === 'stalled' ? 'updating' : state;
}

/** What the grid shows: 64 of 1,024 streams. */
export function extent({ found, all, sight, kind }) {
  if (found < all) return `${count(found)} of ${count(all)} ${kind}`;
  return sight < all ? `${count(all)} ${kind}, ${count(sight)} in sight` : `${count(all)} ${kind}`;
}

/** The chart in one sentence, for those who hear it. */
export function chartSummary(episodes) {
  if (episodes.length === 0) return 'Returns of the episodes: none has ended yet.';
  const [number, , value] = episodes[episodes.length - 1];
  return `Returns of the last ${episodes.length} episodes; episode ${count(number)} returned ${score(value)}.`;
}
