/** App: wires the connection to what is seen. Messages only change state; `render` shows it five times a second. */

import { embed } from './address.js';
import { Awake } from './awake.js';
import { Big } from './big.js';
import { showMoment } from './face.js';
import { fold } from './fold.js';
import { Gallery } from './gallery.js';
import { Listing } from './listing.js';
import { Quality } from './quality.js';
import { Returns } from './returns.js';
import { SimpleView } from './simple.js';
import { Connection } from './socket.js';
import { Video } from './video.js';
import { View } from './view.js';
import { Watching } from './watching.js';

const RENDER_MS = 200;
const STATS_MS = 1000;

const part = (id) => document.getElementById(id);
const listing = new Listing();
const returns = new Returns(part('chart'));
const rungs = new Map(); // name → what this viewer is sent of a stream
const connection = new Connection({
  ...{ hello, streams, frame, still, change },
  episodes: (message) => returns.take(message),
  rung: (message) => rungs.set(message.stream, message),
  problem: (message) => (trouble = message.message || message.code || null),
});
const gallery = new Gallery(listing, {
  choose: (name) => view.choose(name),
  go: () => view.go(),
  search: () => view.arrange(),
  paint: (meta, now) => big.date(meta, now),
  sight: () => watching.soon(),
});
const toLocal = (seconds) => connection.clock.toLocal(seconds);
const big = new Big(toLocal, { renew, failed }, () => !gallery.open);
const simple = new SimpleView(part('simple'), streams, paintedSimple);
const view = new View({ listing, gallery, big, simple }, { watch, render, live });
const quality = new Quality(part('quality-box'), part('quality'), preferred);
const video = new Video(watch);
const watching = new Watching((message) => connection.send(message), wanted);
const awake = new Awake(roused);

let listed = false; // whether the server has said which streams there are
let trouble = null; // what the server complained about last

// ---- from the server

function hello(message, fresh) {
  watching.forget();
  rungs.clear();
  big.picture.video = false; // What was decoded before is nothing to build on.
  trouble = null;
  if (fresh) {
    listing.clear();
    returns.clear();
    gallery.clear();
    big.forget();
    listed = view.paused = big.picture.frozen = false;
  }
  watch();
}

function streams(list, complete = true) {
  listed = true;
  const first = listing.size < 2;
  listing.take(list, complete);
  returns.tidy((name) => listing.has(name) || name === view.chosen);
  view.settle(first);
  watch();
}

/** Where a stream is seen now; undefined while it is not. */
function pictureOf(stream) {
  if (view.paused) return undefined;
  return stream === view.chosen && !gallery.open ? big.picture : gallery.tile(stream)?.picture;
}

function frame(one) {
  const picture = pictureOf(one.meta.stream);
  if (picture) picture.show(one);
  else one.ack();
}

function still(message) {
  pictureOf(message.stream)?.still(message);
}

function change() {
  syncSimple();
  view.arrange();
  render();
}

// ---- what is watched

function wanted() {
  const large = { quality: quality.mine, video: video.wanted };
  const seen = awake.now && !view.paused;
  return { streams: seen ? gallery.wanted(view.chosen, embed || view.full, large) : [], status: awake.now };
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
  preferred();
}

function preferred() {
  watch();
  render();
}

function roused() {
  watch();
  if (!document.hidden) connection.retryNow();
}

function syncSimple() {
  if (connection.blocked) simple.show(view.chosen, !view.paused && awake.now, quality.mine);
  else if (simple.active) simple.stop();
  gallery.simple = simple.active;
}

// ---- what is shown

function live() {
  return connection.phase === 'open' || simple.active;
}

function paintedSimple(image) {
  big.blank = false;
  image.classList.toggle('pixelated', Math.max(image.naturalWidth, image.naturalHeight) <= 320);
}

function fps(now, status) {
  if (simple.active && !view.paused) return status?.fps ?? 0;
  return gallery.open ? gallery.fps(now) : big.picture.fps(now);
}

function render() {
  const now = performance.now();
  const { chosen, paused } = view;
  const grid = gallery.extent;
  const status = grid ? listing.liveliest : listing.get(chosen);
  if (simple.active && !paused && status?.age != null) big.shownAt = now - status.age * 1000;
  const { phase, ever, refusal, retryAt } = connection;
  showMoment({
    ...{ phase, ever, refusal, status, listed, paused, chosen, grid },
    blank: big.blank,
    ago: big.ago(now),
    retryMs: retryAt === null ? null : Math.max(0, retryAt - now),
    simple: simple.active,
    meta: grid ? gallery.newest : big.picture.meta,
    rung: grid ? undefined : rungs.get(chosen),
    received: connection.flow.perSecond(now),
    fps: fps(now, status),
    failures: big.picture.failures,
    problem: quality.failure ?? video.failure ?? trouble,
    several: listing.size > 1,
    many: listing.many,
    kind: listing.lastEnv === null ? 'stream' : 'env',
  });
  quality.update(grid ? undefined : status, rungs.get(chosen), now);
  gallery.describe();
  if (!grid && !big.blank && big.picture.meta) gallery.tile(chosen)?.mirror(big.picture.canvas, big.picture.meta, now);
  returns.show(chosen, now);
}

// ---- at all times

document.addEventListener('fullscreenchange', watch);
setInterval(render, RENDER_MS);
setInterval(() => {
  if (watching.count === 0) return;
  const rounded = { fps: +fps(performance.now()).toFixed(2), latency: +big.latency.toFixed(2) };
  connection.send({ type: 'performance_stats', ...rounded, queueSize: big.picture.pending + gallery.pending });
}, STATS_MS);

fold(part('delivery'));
document.body.classList.toggle('embed', embed);
connection.open();
render();
