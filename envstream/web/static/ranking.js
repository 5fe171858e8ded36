/** Ranking: what the leaderboard says of the streams. Pure. */

import { fullName, kindOf, ownName, whose } from './names.js';
import { count, score, stateWord } from './words.js';

const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** Those that can be compared: what a camera sees, and what somebody sends to be kept, has no return. */
export function ranked(list) {
  return list.filter(({ camera, session }) => !camera && !session);
}

/** Of each kind of env, [worst, best] mean return, with zero between or at an end: so long are the bars. */
export function spans(list) {
  const all = new Map();
  for (const status of list) {
    const { meanReturn } = status;
    const [low, high] = all.get(kindOf(status)) ?? [0, 0];
    if (known(meanReturn)) all.set(kindOf(status), [Math.min(low, meanReturn), Math.max(high, meanReturn)]);
  }
  return all;
}

/** How much of a bar is full, 0 … 1. */
export function share(value, [low, high] = [0, 0]) {
  return known(value) && high > low ? (value - low) / (high - low) : 0;
}

/** One row in words: {place, name, facts, mean, best, state, spoken, bar}; `limits` as `spans` gives them. */
export function row(status, place, limits) {
  const { state, meanReturn, bestReturn } = status;
  const [mean, best, episode] = [score(meanReturn), score(bestReturn), count(status.episode)];
  const returns = known(meanReturn) ? `mean return ${mean}, best ${best}` : 'no episode has ended yet';
  return {
    ...{ place: String(place), name: ownName(status), mean, best, state },
    facts: [state === 'ended' ? 'ended' : '', whose(status, true), `ep ${episode}`].filter(Boolean).join(' · '),
    spoken: `${place}: ${fullName(status)}, ${stateWord(state)}, ${returns}, episode ${episode}`,
    bar: share(meanReturn, limits.get(kindOf(status))),
  };
}
