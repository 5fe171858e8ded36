/** Session: what is said of a stream that somebody sends to be kept: what came, and what becomes of it. Pure. */

import { bytes, count, duration } from './words.js';

const OVER = ['ended', 'processing', 'complete', 'failed'];
const STAGES = { receiving: 'Processing as it arrives', processing: 'Processing the rest', finishing: 'Finishing the video' };

const known = (value) => typeof value === 'number' && Number.isFinite(value);
// Only what is all there is 100 %.
const whole = (percent) => Math.floor(Math.min(100, Math.max(0, percent)));
const plural = (number) => `${count(number)} ${number === 1 ? 'frame' : 'frames'}`;
const last = (ago) => (known(ago) ? `last frame ${duration(ago)} ago` : '');
const join = (parts, between) => parts.filter(Boolean).join(between);

/** Where a session stands: receiving, processing, complete, flawed (complete, and something went wrong), failed. */
export function standing({ state, problem, video }) {
  if (!OVER.includes(state)) return 'receiving';
  if (state === 'failed' || (state === 'complete' && problem && !video)) return 'failed';
  if (state !== 'complete') return 'processing';
  return problem ? 'flawed' : 'complete';
}

/** Whether nothing more becomes of it. */
export const settled = (session) => !['receiving', 'processing'].includes(standing(session));

/** How many frames came: 12 frames; 12 of 300 frames. */
export function extent({ received, expected }) {
  return known(expected) && expected !== received ? `${count(received)} of ${plural(expected)}` : plural(received);
}

/** How far processing is: {stage (in words), percent (null = that is not known), text (what was done)}. */
export function progress(session) {
  const { stage, percent, done, received, expected, missing, state } = session;
  const at = standing(session);
  const share = ['complete', 'flawed'].includes(at) ? 100 : known(percent) ? whole(percent) : at === 'failed' ? 0 : null;
  const of = Math.max(expected ?? 0, received);
  const text = !known(done) ? '' : done < of ? `${count(done)} of ${plural(of)} processed` : `${plural(done)} processed`;
  const waiting = received > 0 ? 'Waiting to be processed' : 'Waiting for the first frame';
  const words = {
    receiving: state === 'ending' && missing > 0 ? 'Waiting for what is missing' : (STAGES[stage] ?? waiting),
    // Of the stages of processing, the first is over when all has arrived.
    processing: stage === 'receiving' ? STAGES.processing : (STAGES[stage] ?? waiting),
    complete: 'Complete',
    flawed: 'Complete, with a problem',
    failed: 'Failed',
  };
  return { stage: words[at], percent: share, text };
}

/** Whether it could still be ended: something of it is to come. */
export function endable(session) {
  return ['receiving', 'processing'].includes(standing(session));
}

/** The texts in the panel, by their name there. */
export function figures(session) {
  const { received, expected, missing, lost, problem } = session;
  const { stage, percent, text } = progress(session);
  return {
    framesReceived: count(received),
    framesExpected: known(expected) ? `of ${count(expected)}` : '',
    bytes: bytes(session.bytes),
    missing: count(missing),
    lost: count(lost),
    stage,
    percent: percent === null ? '' : `${percent} %`,
    processed: text,
    problem: problem ?? '',
  };
}

/** What it is in one line. */
export function brief(session) {
  const { percent } = progress(session);
  const share = standing(session) === 'processing' && percent !== null ? `${percent} % processed` : '';
  return join([share, extent(session), bytes(session.bytes)], ' · ');
}

/** The files that can be had: [{key, path, name (to save it as)}, …]; before the end, none. */
export function files(session, title) {
  if (!settled(session)) return [];
  const place = `sessions/${encodeURIComponent(session.id)}`;
  const stem = (title || session.id).replace(/\.\w{1,5}$/, '') || session.id;
  const all = [
    { key: 'video', path: `${place}/video.mp4`, name: `${stem}.mp4`, there: session.video },
    { key: 'processed', path: `${place}/processed.mp4`, name: `${stem}-processed.mp4`, there: session.processed },
    { key: 'result', path: `${place}/result.json`, name: `${stem}.json`, there: session.state === 'complete' },
  ];
  return all.filter((one) => one.there).map(({ key, path, name }) => ({ key, path, name }));
}

/** What its tile says: {state (of the tile), word, value}. */
export function caption({ session, state }) {
  const at = standing(session);
  const { received, expected } = session;
  if (at === 'receiving') {
    const word = ['stalled', 'waiting'].includes(state) ? state : 'receiving';
    const value = expected > 0 ? `${whole((100 * received) / expected)} %` : count(received);
    return { state, word, value };
  }
  const { percent } = progress(session);
  if (at === 'processing') return { state: 'processing', word: at, value: percent === null ? '' : `${percent} %` };
  const word = at === 'flawed' ? 'problem' : at;
  return { state: at === 'complete' ? 'complete' : 'failing', word, value: bytes(session.bytes) };
}

/** What the page says of it while it is looked at, as `situation` does; null where that says it itself. */
export function sessionSituation({ status, ago, grid }) {
  const { session, message } = status;
  const at = standing(session);
  // In the grid it speaks for others as well.
  const note = grid ? '' : brief(session);
  const say = (state, badge, headline, text) => ({ state, badge, headline, text, note });
  if (at === 'processing') return say('processing', 'Processing', 'Processing', 'All frames are here; the video is being made.');
  if (at === 'complete') return say('complete', 'Complete', 'Complete', 'The video is ready.');
  if (at !== 'receiving') return say('failing', at === 'failed' ? 'Failed' : 'Problem', 'Something went wrong', session.problem ?? '');
  if (status.state === 'waiting' && !message) {
    const text = 'The picture appears with the first frame that arrives.';
    return { state: 'waiting', badge: 'Waiting', headline: 'Waiting for the first frame', text, note: '' };
  }
  if (status.state === 'stalled') {
    const why = message ? 'connection lost' : 'no frame for a while';
    return { state: 'stalled', badge: 'Stalled', headline: '', text: '', note: join([why, last(ago)], ', ') };
  }
  if (status.state !== 'live') return null;
  return { state: 'live', badge: grid ? 'Live' : 'Receiving', headline: '', text: '', note: '' };
}
