/** What the page that shows a camera says. Pure. */

import { duration } from './words.js';

const known = (value) => typeof value === 'number' && Number.isFinite(value);
const inSeconds = (ms) => `in ${Math.max(1, Math.ceil(ms / 1000))} s`;
const last = (ago) => (known(ago) ? `last picture ${duration(ago)} ago` : '');

export const LATE_MS = 1500; // Without a picture for so long, something is asked or said.

const REFUSALS = {
  token: ['Locked', 'Locked', 'This page needs its token: open the full address that the server printed.'],
  unknown: ['Unknown', 'There is no such camera', 'The server’s settings (videoStreamCameras) list the cameras there are; this one is not among them.'],
  full: ['Full', 'No free seat', 'All seats are taken.'],
};

function unconnected({ phase, refusal, ever, retryMs, ago }) {
  const again = known(retryMs) ? `Trying again ${inSeconds(retryMs)}.` : '';
  if (phase === 'refused') {
    const [badge, headline, text] = REFUSALS[refusal] ?? REFUSALS.token;
    return { state: 'refused', badge, headline, text: refusal === 'full' ? `${text} ${again}` : text, note: '' };
  }
  if (!ever) {
    const text = again && `The server does not answer. ${again}`;
    return { state: 'connecting', badge: 'Connecting', headline: 'Connecting', text, note: '' };
  }
  const headline = known(retryMs) ? `Reconnecting ${inSeconds(retryMs)}` : 'Reconnecting';
  return { state: 'reconnecting', badge: 'Reconnecting', headline, text: '', note: `connection lost${last(ago) && `, ${last(ago)}`}` };
}

/**
 * What the page says.
 * @param {object} at phase, refusal, ever, retryMs (of the connection); blank (no picture has come); ago (age of the one on
 *   show in ms, or null); there (whether the camera is connected; null = not asked yet)
 * @returns {{state: string, badge: string, headline: string, text: string, note: string}}
 */
export function lookSituation(at) {
  const { phase, blank, ago, there } = at;
  if (phase !== 'open') return unconnected(at);
  if (blank && there === false) {
    const text = 'Its picture appears here by itself, as soon as somebody opens the page of the camera and starts it:';
    return { state: 'waiting', badge: 'Waiting', headline: 'The camera is not there yet', text, note: '', camera: true };
  }
  if (blank) return { state: 'waiting', badge: 'Waiting', headline: 'Waiting for the first picture', text: '', note: '' };
  if (!(ago > LATE_MS) || there === null) return { state: 'live', badge: 'Live', headline: '', text: '', note: '' };
  if (there) return { state: 'stalled', badge: 'Stalled', headline: '', text: '', note: `the camera is there, but sends nothing, ${last(ago)}` };
  const text = 'It goes on here by itself when the camera is back.';
  return { state: 'ended', badge: 'Gone', headline: 'The camera is gone', text, note: last(ago) };
}
