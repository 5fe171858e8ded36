/** What the page of a camera says: where it stands, and its figures. Pure. */

import { duration, rate } from './words.js';

const NONE = '–';
const REFUSALS = {
  token: ['Locked', 'This camera needs its own address: one that the server’s settings list, or the full one with its token.'],
  unknown: ['There is no such camera', 'The server’s settings (videoStreamCameras) list the cameras that may send; this one is not among them.'],
};
const HELD = { link: 'the link allows no more', device: 'this device compresses no faster' };
const known = (value) => typeof value === 'number' && Number.isFinite(value);
const inSeconds = (ms) => `in ${Math.max(1, Math.ceil(ms / 1000))} s`;

/** Why the server does not let this camera in: {headline, text}. */
export function refused(refusal) {
  const [headline, text] = REFUSALS[refusal] ?? [];
  if (headline) return { headline, text };
  if (/here again/.test(refusal)) {
    return { headline: 'Another page has this camera’s place', text: 'The newest one sends. Start again to take it back.' };
  }
  return { headline: 'The server has ended it', text: `It says: ${refusal}. Start again when that is mended.` };
}

/**
 * What the page says.
 * @param {object} at trouble ({headline, text}, or null), running (the person wants it to), opened (the camera is),
 *   phase and retryMs (of the connection), watched, why (what holds the pace back)
 * @returns {{state: string, badge: string, headline: string, text: string, note: string}}
 */
export function cameraSituation({ trouble, running, opened, phase, retryMs = null, watched, why }) {
  const say = (state, badge, headline = '', text = '', note = '') => ({ state, badge, headline, text, note });
  if (trouble) return say('failing', 'Not sending', trouble.headline, trouble.text);
  if (!running) {
    return say('waiting', 'Off', 'The camera is off', 'Start, and its picture goes to this server, for as long as this page is open.');
  }
  if (!opened) return say('connecting', 'Opening', 'Opening the camera', 'The browser may ask whether this page may use it.');
  if (phase === 'open') {
    if (!watched) return say('live', 'Live', '', '', 'nobody watches: one picture a second');
    return say('live', 'Live', '', '', HELD[why] ?? '');
  }
  const again = known(retryMs) ? `Trying again ${inSeconds(retryMs)}` : 'Connecting';
  if (phase === 'lost') return say('reconnecting', 'Reconnecting', again, '', 'connection lost; the camera stays open');
  return say('connecting', 'Connecting', again, known(retryMs) ? 'The server does not answer.' : '');
}

/** Kilobits a second: 812 kbit/s, 4.2 Mbit/s. */
export function bitrate(bytes) {
  if (!known(bytes)) return NONE;
  const bits = 8 * bytes;
  if (bits < 999_500) return `${Math.round(bits / 1000)} kbit/s`;
  return `${(bits / 1e6).toFixed(bits < 9.95e6 ? 1 : 0)} Mbit/s`;
}

/** The figures of what is sent, by their names on the page; of a camera that is off, none. */
export function cameraFigures(at) {
  if (!at.sending) return { fps: NONE, quality: NONE, size: NONE, bitrate: NONE, trip: NONE, encode: NONE, watched: NONE };
  const { size } = at;
  return {
    fps: rate(at.fps),
    quality: known(at.quality) ? String(Math.round(100 * at.quality)) : NONE,
    size: size ? `${size.width} × ${size.height}` : NONE,
    bitrate: bitrate(at.bytes),
    trip: duration(at.trip),
    encode: duration(at.encode),
    watched: at.watched ? 'yes' : 'no',
  };
}

/** What the detector says of itself: 12 ms · 416 px · from 25 %. */
export function detectorWords(message) {
  if (!message) return '';
  const { inferenceMs, size, confidence, fps } = message;
  const parts = [
    known(inferenceMs) ? duration(inferenceMs) : '',
    known(size) ? `${size} px` : '',
    known(confidence) ? `from ${Math.round(100 * confidence)} %` : '',
    known(fps) ? `${rate(fps)} fps` : '',
  ];
  return parts.filter(Boolean).join(' · ');
}
