/** Situation: what the page says about the stream that is looked at. Pure. */

import { replayNote, screenNote } from './screening.js';
import { sessionSituation, settled } from './session.js';
import { duration, pictureless } from './words.js';

const LONG_STALL_MS = 60000;
const IDLE = 0.5; // Steps a second of an env that is not stepped at present.
const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** A count-down in whole seconds: calm to read. */
const inSeconds = (ms) => `in ${Math.max(1, Math.ceil(ms / 1000))} s`;

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

function waiting({ status, alone }) {
  if (pictureless(status)) return failing({ status });
  if (!status && alone) {
    const text = `Send a video: envstream push ${location.origin}${location.pathname} --video FILE`;
    return { state: 'waiting', badge: 'Waiting', headline: 'Waiting for a stream', text, note: '' };
  }
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

/** Whole episodes, played one after the other; while the learner is updating they go on, as long as there are some. */
function screening(at) {
  const { status, awaited, meta } = at;
  if (status.screen?.state === 'waiting' && status.stepsPerSecond < IDLE && !awaited) return stalled(at);
  if (awaited && pictureless(status)) return failing({ status });
  const text = status.screen?.message ?? 'Whole episodes are played here at natural speed, one after the other.';
  if (awaited) return { state: 'waiting', badge: 'Waiting', headline: 'Waiting for an episode to begin', text, note: '' };
  return { state: 'live', badge: 'Episode', headline: '', text: '', note: screenNote(status.screen, meta) };
}

/** A kept clip: what is said of it does not depend on the connection. */
function replayed({ replay: { state, clip, picture } }) {
  const headline = state === 'loading' ? 'Loading the replay' : '';
  return { state: 'replay', badge: 'Replay', headline, text: '', note: clip ? replayNote(clip, picture) : '' };
}

/**
 * What the page says about the chosen stream.
 * @param {object} at show (live, episodes, replay), replay ({state, clip, picture}), meta (of the picture on show),
 *   awaited (whether there is no picture yet of a whole episode); phase, ever, refusal, simple (of the connection), retryMs; paused; listed (whether the
 *   streams are known), alone (whether no training runs this server), status of the chosen one (or undefined), ago (age of its picture in ms, or null).
 * @returns {{state: string, badge: string, headline: string, text: string, note: string}}
 */
export function situation(at) {
  if (at.show === 'replay') return replayed(at);
  const { session } = at.status ?? {};
  const over = session ? settled(session) : at.status?.state === 'ended';
  const sent = session ? sessionSituation(at) : null;
  const connected = at.phase === 'open' || at.simple;
  if (!connected) {
    if (at.phase === 'refused') return refused(at);
    if (!at.ever) return connecting(at);
    return over ? (sent ?? ended(at)) : reconnecting(at);
  }
  if (over || sent?.state === 'processing') return sent ?? ended(at);
  if (at.paused) return { state: 'paused', badge: 'Paused', headline: 'Paused', text: '', note: last(at.ago) };
  if (!at.listed && !at.simple) return connecting(at);
  if (at.simple && !at.status) return { state: 'live', badge: 'Live', headline: '', text: '', note: '' };
  if (at.show === 'episodes' && at.status) return screening(at);
  if (sent) return sent;
  if (!at.status || at.status.state === 'waiting') return waiting(at);
  if (at.status.state === 'stalled') return stalled(at);
  return { state: 'live', badge: 'Live', headline: '', text: '', note: '' };
}
