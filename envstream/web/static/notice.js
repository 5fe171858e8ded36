/** Notice: the quiet line under the picture: what holds it back, and what went wrong. Pure. */

import { screenLimit } from './screening.js';
import { count, duration, pictureless, rate } from './words.js';

const REASONS = {
  link: ['the link', ''],
  bitrate: ['the target bitrate', ' (videoStreamTargetBitrate)'],
  viewer: ['this browser', ''],
};

/** Pictures a second, or seconds from one to the next. */
function slow(fps) {
  return fps >= 0.5 || !fps ? `${rate(fps)} fps` : `one in ${duration(1000 / fps)}`;
}

/** Why pictures come slower than they could; '' when they do not. */
export function limitNote(limit) {
  if (!limit) return '';
  if (limit.by !== 'budget') return `pictures are limited to ${rate(limit.fps)} fps`;
  const share = +(limit.share * 100).toPrecision(2);
  const render = duration(limit.renderMs);
  return `render takes ${render}; the ${share} % budget limits pictures to ${slow(limit.fps)} (videoStreamMaxOverhead)`;
}

/** What keeps this viewer below the best, which `fps` pictures a second come with at most; '' when nothing does. */
export function rungNote(rung, fps) {
  const [who, key] = REASONS[rung?.why] ?? [];
  if (!who) return '';
  const pace = rung.fps >= fps - 0.05 ? '' : ` at ${+rung.fps.toFixed(1)} fps`;
  const size = rung.size < 1 ? `, ${rung.size === 0.5 ? 'half' : `${Math.round(rung.size * 100)} % of`} the size` : '';
  return `${who} limits quality: ${rung.quality}${pace}${size}${key}`;
}

/** The quiet line under the picture: what holds it back or went wrong. */
export function notice({ status, rung, simple, problem, failures, grid, show }) {
  const whole = show === 'episodes'; // They have a rate of their own.
  const limit = status?.state === 'ended' || whole ? null : status?.limit;
  const held = status?.state === 'ended' || simple ? null : rung;
  const parts = [
    simple ? 'simple mode: something on the way does not carry WebSockets' : '',
    pictureless(status) && !grid ? '' : (status?.message ?? ''),
    problem ?? '',
    limitNote(limit),
    rungNote(held, whole ? (status?.screen?.fps ?? 0) : (limit?.fps ?? status?.targetFps)),
    whole ? screenLimit(status?.screen) : '',
    whole ? (status?.screen?.message ?? '') : '',
    status?.recording?.problem ?? '',
    failures > 0 ? `${count(failures)} ${failures === 1 ? 'picture' : 'pictures'} could not be decoded` : '',
  ];
  return parts.filter(Boolean).join(' · ');
}
