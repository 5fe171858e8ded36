/** Screening: in words, which whole episode is played, and how much of it is there. Pure. */

import { count, duration, rate, score } from './words.js';

const known = (value) => typeof value === 'number' && Number.isFinite(value);
const join = (parts) => parts.filter(Boolean).join(', ');

/** A place in a row: 2nd, 3rd, 4th, 11th, 21st. */
export function ordinal(number) {
  const [ten, one] = [Math.floor(number / 10) % 10, number % 10];
  const end = ten === 1 ? 'th' : (['th', 'st', 'nd', 'rd'][one] ?? 'th');
  return `${count(number)}${end}`;
}

const steps = (every) => (every > 1 ? `every ${ordinal(every)} step` : '');

/** Why not every step of an episode is played; '' when each is. */
export function screenLimit(screen) {
  if (!(screen?.every > 1) || screen.state === 'waiting') return '';
  const of = `so every ${ordinal(screen.every)} step is shown`;
  if (screen.why === 'budget' && known(screen.renderMs)) {
    return `a picture takes ${duration(screen.renderMs)}, ${of} (videoStreamMaxOverhead)`;
  }
  return screen.why === 'rate' && known(screen.fps) ? `${rate(screen.fps)} pictures a second are enough, ${of}` : '';
}

/** How much of an episode a clip holds: {first, cut, every, frames}; '' when all of it. */
function extent({ first, cut, every, frames }) {
  const last = known(frames) ? first + (frames - 1) * every : null;
  return join([first > 0 ? `from step ${count(first)}` : '', cut ? `cut${last > 0 ? ` at step ${count(last)}` : ' before its end'}` : '']);
}

/** What is played: `screen` of a stream's status, and the metadata of the picture that is seen (or null). */
export function screenNote(screen, meta) {
  const episode = meta?.episode ?? screen?.episode;
  if (!screen || screen.state === 'waiting' || !known(episode)) return 'waiting for an episode to begin';
  const every = meta?.every ?? screen.every;
  const part = extent({ first: screen.from ?? 0, cut: screen.cut, every, frames: meta?.frames });
  return join([`episode ${count(episode)} at natural speed`, steps(every), part]);
}

/** What a replay shows: a CLIP, and the picture of it that is seen (or undefined). */
export function replayNote(clip, picture) {
  const episode = picture?.episode ?? clip.episode;
  const name = `episode ${count(episode)}`;
  if (clip.kind === 'live') return join([`the last ${duration(1000 * lengthOf(clip.pictures))}`, known(episode) ? name : '']);
  const last = clip.pictures?.at(-1)?.step;
  const cut = clip.cut ? `cut at step ${count(last)}` : '';
  return join([name, `return ${score(clip.return)}`, steps(clip.every), clip.first > 0 ? `from step ${count(clip.first)}` : '', cut]);
}

/** What a CLIP is among those that are kept: " · best", " · worst", or ''. */
export function rankWord(clip) {
  return clip?.best ? ' · best' : clip?.worst ? ' · worst' : '';
}

/** A CLIP in a few words, as in a list. */
export function clipName(clip) {
  return `episode ${count(clip.episode)} · return ${score(clip.return)}${rankWord(clip)}`;
}

/** Seconds from the first picture to the last. */
export function lengthOf(pictures) {
  return pictures?.length > 0 ? pictures[pictures.length - 1].time - pictures[0].time : 0;
}
