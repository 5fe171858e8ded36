/** Face: puts on the page what is known at a moment. The DOM is touched only where something has changed. */

import { Account } from './account.js';
import { embed } from './address.js';
import { bandwidth, codecWord, encodeTimes, percent, trainerCost } from './delivery.js';
import { fullName, whose } from './names.js';
import { notice } from './notice.js';
import { mark, Readout } from './readout.js';
import { summary } from './scale.js';
import { standing } from './session.js';
import { situation } from './situation.js';
import { compact, count, duration, extent, rate, score } from './words.js';

const part = (id) => document.getElementById(id);
const readout = new Readout(document);
const account = new Account(part('panel'), part('session-brief'));

/** Five times a second the same: then the DOM is left alone. */
function attribute(id, name, value) {
  const element = part(id);
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function titleOf({ status, chosen, grid }) {
  if (grid) return grid.title;
  if (status?.group != null) return fullName(status);
  return [status?.title || chosen || 'No stream yet', whose(status ?? {})].filter(Boolean).join(' · ');
}

/** The numbers of a stream: episode, step and return belong to the picture that is seen; the rest to the run. */
function numbers({ status, meta }) {
  const at = meta ?? status ?? {};
  const size = meta ?? (status?.width ? status : null);
  return {
    size: size ? `${size.sourceWidth ?? size.width} × ${size.sourceHeight ?? size.height}` : '–',
    episode: count(at.episode),
    step: count(at.step),
    return: score(at.return),
    totalSteps: status?.totalSteps >= 1e9 ? compact(status.totalSteps) : count(status?.totalSteps),
    stepsPerSecond: rate(status?.stepsPerSecond),
    viewers: count(status?.viewers),
    trainerCost: trainerCost(status?.trainerCost),
  };
}

/** How the picture comes. */
function delivery({ status, meta, rung, received }) {
  return {
    codec: codecWord({ rung, meta, video: status?.video }),
    received: bandwidth(received),
    cacheHits: percent(status?.cache?.hitRate),
    encodeTimes: encodeTimes(status?.cache?.encodeMs),
  };
}

/**
 * Show a moment.
 * @param {object} moment all that `situation` needs, and chosen, meta (of the picture on show), rung (what this viewer
 *   is sent of the stream), received (bytes a second), fps, blank, failures, problem, several (whether there are streams
 *   to choose from), many (so many that one searches), grid (null, or what it shows: title, kind, found, all, sight),
 *   offers (whether whole episodes can be seen)
 */
export function showMoment(moment) {
  const { status, ago, chosen, meta, fps, blank, simple, paused, grid } = moment;
  const { state, badge, headline, text, note } = situation(moment);
  const title = titleOf(moment);
  const own = simple && !paused ? 'simple' : 'canvas';
  mark({
    state,
    stream: chosen ?? '',
    frame: meta?.frameNumber ?? 0,
    format: meta?.format ?? '',
    ageMs: ago === null ? '' : Math.round(ago),
    fps: fps.toFixed(1),
    mode: simple ? 'simple' : 'socket',
    picture: grid ? 'grid' : blank ? 'none' : own,
    view: grid ? 'grid' : 'one',
    streams: moment.several ? 'several' : 'one',
    many: moment.many,
    show: moment.show,
    offers: moment.offers,
    whole: status?.view != null,
    session: !grid && status?.session ? standing(status.session) : '',
    camera: !grid && status?.camera === true,
  });
  readout.set({
    ...numbers(moment),
    ...delivery(moment),
    title,
    badge,
    headline,
    text,
    note: note || (grid && extent(grid)) || (embed && state !== 'failing' && status?.message) || '',
    age: duration(ago),
    fps: rate(fps),
    notice: notice(moment),
    noEpisodes: simple ? 'Simple mode brings the picture only.' : 'The first point appears when an episode ends.',
    pause: paused ? 'Resume' : 'Pause',
    kind: moment.kind,
  });
  account.show(grid ? null : status);
  attribute('note', 'title', note);
  const heading = `${title} · ${badge.toLowerCase()}`;
  if (document.title !== heading) document.title = heading;
  attribute('pause-icon', 'href', paused ? '#i-play' : '#i-pause');
  attribute('badge-icon', 'href', state === 'live' && moment.show === 'episodes' ? '#s-episode' : `#s-${state}`);
  attribute('overlay-icon', 'href', `#s-${state}`);
  attribute('picture', 'aria-label', `Picture of ${title}`);
  attribute('grid-button', 'aria-pressed', String(grid !== null));
}

/** Show the returns of episodes ([[number, steps, return], …]) in two numbers. */
export function showReturns(episodes) {
  const { mean, best } = summary(episodes.map((one) => one[2]));
  readout.set({ mean: score(mean), best: score(best) });
}
