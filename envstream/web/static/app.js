/** App: wires the connection to what is seen. Messages only change state; `render` shows it five times a second. */

import { embed } from './address.js';
import { Awake } from './awake.js';
import { Big } from './big.js';
import { Board } from './board.js';
import { Cinema } from './cinema.js';
import { showMoment } from './face.js';
import { Findings } from './findings.js';
import { fold } from './fold.js';
import { Gallery } from './gallery.js';
import { Listing } from './listing.js';
import { Quality } from './quality.js';
import { Returns } from './returns.js';
import { learn } from './role.js';
import { Sight } from './sight.js';
import { SimpleView } from './simple.js';
import { Connection } from './socket.js';
import { Video } from './video.js';
import { View } from './view.js';
import { Watching } from './watching.js';

const [RENDER_MS, STATS_MS] = [200, 1000];

const part = (id) => document.getElementById(id);
const listing = new Listing();
const returns = new Returns(part('chart'), (clip) => cinema.open(clip));
const rungs = new Map(); // name → what this viewer is sent of a stream
const connection = new Connection({
  ...{ hello, streams, change },
  frame: (one) => sight.frame(one),
  still: (message) => sight.still(message),
  episodes: (message) => returns.take(message),
  rung: (message) => rungs.set(message.stream, message),
  boxes: (message) => findings.take(message),
  problem: (message) => (trouble = message.message || message.code || null),
});
const gallery = new Gallery(listing, {
  choose: (name) => view.choose(name),
  go: () => view.go(),
  search: (step) => view.sift(step),
  paint: (meta, now) => big.date(meta, now),
  sight: () => watching.soon(),
});
const board = new Board(part('board'), part('board-button'), listing, {
  choose: (name, stays) => view.pick(name, stays),
  close: () => view.toggleBoard(false),
});
const big = new Big(
  (seconds) => connection.clock.toLocal(seconds),
  { renew, failed },
  () => !gallery.open,
  (name) => listing.get(name)?.camera === true,
);
const findings = new Findings(big);
const simple = new SimpleView(part('simple'), streams, () => (big.blank = false));
const view = new View({ listing, gallery, board, big, simple }, {
  ...{ watch, render, live },
  leave: () => cinema.leave(),
  say: (sentence) => cinema.say(sentence),
  instead: (action) => (action === 'boxes' ? findings.toggle() : cinema.instead(action)),
});
const cinema = new Cinema({
  change: seen,
  look: (name) => view.turn(name),
  chosen: () => view.chosen,
  switched: () => big.forget(true),
  mark: (clips, current) => returns.mark(clips, current),
  grid: () => gallery.open,
  bare: () => gallery.open || simple.active,
});
const sight = new Sight({ view, gallery, big, simple, cinema });
const quality = new Quality(part('quality-box'), part('quality'), seen);
const video = new Video(watch);
const watching = new Watching((message) => connection.send(message), wanted);
const awake = new Awake(roused);

let listed = false; // whether the server has said which streams there are
let trouble = null; // what the server complained about last
let alone = false; // whether the server has no training beside it

// ---- from the server

function hello(message, fresh) {
  learn(message);
  watching.forget();
  rungs.clear();
  big.picture.video = false; // What was decoded before is nothing to build on.
  trouble = null;
  alone = message.alone === true;
  if (fresh) {
    listing.clear();
    returns.clear();
    gallery.clear();
    cinema.forget();
    findings.clear();
    big.forget();
    listed = view.paused = big.picture.frozen = false;
  }
  watch();
}

function streams(list, complete = true) {
  listed = true;
  const first = listing.size < 2;
  listing.take(list, complete, performance.now());
  returns.tidy((name) => listing.has(name) || name === view.chosen);
  view.settle(first);
  follow();
  watch();
}

function change() {
  syncSimple();
  view.arrange();
  render();
}

// ---- what is watched

function wanted() {
  const large = { quality: quality.mine, video: video.wanted, boxes: true };
  const looking = awake.now && !view.paused;
  return { streams: looking ? sight.wanted(large, embed || view.full) : [], status: awake.now };
}

function watch() {
  watching.now();
  big.picture.video = watching.video;
  syncSimple();
}

/** The picture needs one that builds on no other: so begins what is asked for anew. */
function renew() {
  for (const resting of [true, false]) {
    video.resting = resting;
    watch();
  }
}

function failed() {
  video.giveUp();
  seen();
}

function seen() {
  watch();
  render();
}

function roused() {
  watch();
  if (!document.hidden) connection.retryNow();
}

function syncSimple() {
  const { name } = sight;
  if (connection.blocked) simple.show(name, name !== null && !view.paused && awake.now, quality.mine);
  else if (simple.active) simple.stop();
  gallery.simple = simple.active;
}

function follow() {
  cinema.update(listing.get(view.chosen), awake.now, performance.now());
}

// ---- what is shown

/** Whether the server's picture is the one that is seen. */
function live() {
  return cinema.mode === 'live' && (connection.phase === 'open' || simple.active);
}

function render() {
  const now = performance.now();
  const { chosen, paused } = view;
  const grid = gallery.extent;
  const status = grid ? listing.liveliest : listing.get(chosen);
  const rung = grid ? undefined : rungs.get(sight.name);
  follow();
  findings.follow(sight.name, big.picture.meta);
  if (simple.active && !paused && status?.age != null) big.shownAt = now - status.age * 1000;
  const { phase, ever, refusal, retryAt } = connection;
  showMoment({
    ...{ phase, ever, refusal, status, listed, alone, paused, chosen, grid, rung },
    blank: big.blank,
    ago: big.ago(now),
    retryMs: retryAt === null ? null : Math.max(0, retryAt - now),
    simple: simple.active,
    meta: grid ? gallery.newest : big.picture.meta,
    received: connection.flow.perSecond(now),
    fps: sight.fps(now, status),
    failures: big.picture.failures,
    problem: quality.failure ?? video.failure ?? trouble,
    several: listing.size > 1,
    many: listing.many,
    kind: listing.numbers.kind,
    ...cinema.moment(now, big),
  });
  quality.update(grid ? undefined : status, rung, now);
  gallery.describe();
  sight.mirror(now);
  returns.show(chosen, now);
}

// ---- at all times

document.addEventListener('fullscreenchange', watch);
setInterval(render, RENDER_MS);
setInterval(() => {
  if (watching.count === 0) return;
  const rounded = { fps: +sight.fps(performance.now()).toFixed(2), latency: +big.latency.toFixed(2) };
  connection.send({ type: 'performance_stats', ...rounded, queueSize: big.picture.pending + gallery.pending });
}, STATS_MS);

fold(part('delivery'));
document.body.classList.toggle('embed', embed);
connection.open();
render();
cinema.begin();
