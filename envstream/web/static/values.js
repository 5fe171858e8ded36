/** Values: what an env was told and what it gave, in little space. Pure. */

import { score } from './words.js';

const NONE = '–';
const MOST = 4; // Numbers of an array that are written out.
const LONGEST = 24; // Characters of a text.

function number(value) {
  if (Number.isInteger(value)) return score(value);
  return Math.abs(value) < 0.005 ? '0' : score(Math.round(value * 100) / 100);
}

/** An action: 2; [0.12, −0.4, 1, 0 … 17]; left. */
export function shortAction(value) {
  if (value === null || value === undefined) return NONE;
  if (typeof value === 'number') return Number.isFinite(value) ? number(value) : NONE;
  if (Array.isArray(value)) {
    const all = value.flat(Infinity);
    const some = all.slice(0, MOST).map(shortAction).join(', ');
    return all.length > MOST ? `[${some} … ${all.length}]` : `[${some}]`;
  }
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}

/** A time within a clip: 0:03.2; 1:02.0. */
export function clockTime(seconds) {
  const tenths = Math.max(0, Math.floor(seconds * 10 + 1e-6));
  const [minutes, rest] = [Math.floor(tenths / 600), tenths % 600];
  return `${minutes}:${String(Math.floor(rest / 10)).padStart(2, '0')}.${rest % 10}`;
}

/** A time that passes in whole seconds: 0:07. */
export function stopwatch(seconds) {
  return clockTime(seconds).replace(/\.\d$/, '');
}
