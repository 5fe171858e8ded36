/** App: wires the connection to what is seen. Messages only change state; `render` shows it five times a second. */

import { embed, pin, pinnedGrid, pinnedStream } from './address.js';
import { Chart } from './chart.js';
import { isFull, savePicture, toggleFullscreen, wire } from './controls.js';
import { showMoment, showReturns } from './face.js';
import { Gallery } from './gallery.js';
import { Listing } from './listing.js';
import { Picture } from './picture.js';
import { Quality } from './quality.js';
import { SimpleView } from './simple.js';
import { Connection } from './socket.js';
import { Stage } from './stage.js';
import { toggleTheme } from './theme.js';
import { Watching } from './watching.js';

const RENDER_MS = 200;
const CHART_MS = 500;
const STATS_MS = 1000;
const KEPT_EPISODES = 1000;

const part = (id) => document.getElementById(id);
const listing = new Listing();
const histories = new Map(); // name → [[episode, steps, return], …]
const chart = new Chart(part('chart'));
const big = new Picture(part('picture'), painted);
const stage = new Stage(part('stage'), big);
const gallery = new Gallery(listing, { choose, go, search: arrange, paint: date, sight: () => watching.soon() });
const quality = new Quality(part('quality-box'), part('quality'), () => render());
const simple = new SimpleView(part('simple'), onStreams, paintedSimple);
const connection = new Connection({ hello, streams: onStreams, episodes: onEpisodes, frame, problem, change });
const watching = new Watching((message) => connection.send(message), wanted);

let listed = false; // whether the server has said which streams there are
let chosen = pinnedStream();
let paused = false;
let onscreen = true; // false in an iframe that is scrolled away
let blank = true; // nothing on the canvas yet
let shownAt = null; // when the picture on show was captured, on our clock
let trouble = null; // what the server complained about last
let latency = 0;
let chartDrawn = -Infinity;
let chartStale = true;

// ---- from the server

function hello(message, fresh) {
  watching.forget();
  trouble = null;
  if (fresh) {
    listing.clear();
    histories.clear();
    gallery.clear();
    forget();
    listed = paused = big.frozen = false;
  }
  watch();
}

function onStreams(list, complete = true) {
  listed = true;
  const first = listing.size < 2;
  listing.take(list, complete);
  for (const name of histories.keys()) if (!listing.has(name) && name !== chosen) histories.delete(name);
  const pinned = pinnedStream();
  const before = chosen;
  if (listing.has(pinned)) show(pinned);
  else if (!listing.has(chosen)) show(listing.first ?? chosen ?? pinned);
  arrange();
  if (chosen !== before || first) gallery.reveal(chosen);
  watch();
}

function onEpisodes({ stream, reset, episodes }) {
  const old = reset ? [] : (histories.get(stream) ?? []);
  histories.set(stream, old.concat(episodes).slice(-KEPT_EPISODES));
  if (stream === chosen) chartStale = true;
}

function frame(one) {
  const { stream } = one.meta;
  const picture = stream === chosen && !gallery.open ? big : gallery.tile(stream)?.picture;
  if (picture && !paused) picture.show(one);
  else one.ack();
}

function problem(message) {
  trouble = message.message || message.code || null;
}

function change() {
  syncSimple();
  arrange();
  render();
}

// ---- what is watched

/** Somebody may be looking: the tab is in front and the iframe is not scrolled away. */
function awake() {
  return !document.hidden && onscreen;
}

function wanted() {
  const streams = awake() && !paused ? gallery.wanted(chosen, embed || isFull(part('viewer'))) : [];
  return { streams, status: awake() };
}

function watch() {
  watching.now();
  syncSimple();
}

function syncSimple() {
  if (connection.blocked) simple.show(chosen, !paused && awake());
  else if (simple.active) simple.stop();
  gallery.simple = simple.active;
}

// ---- what is shown

/** Bring the tiles in line with the streams; show at once where grid and big picture change places. */
function arrange() {
  gallery.arrange(chosen);
  if ((document.body.dataset.view === 'grid') !== gallery.open) render();
}

/** Forget the picture on show. */
function forget() {
  big.clear();
  blank = true;
  shownAt = null;
  chartStale = true;
}

/** Make a stream the big one. Its tile stands in until its first large picture. */
function show(name, anew = false) {
  if (name === undefined || (name === chosen && !anew)) return;
  chosen = name;
  forget();
  const tile = gallery.tile(name);
  if (!tile?.source) return;
  big.preview(tile.picture.canvas);
  stage.painted(tile.source.width, tile.source.height);
  blank = false;
}

function date(meta, now) {
  shownAt = connection.clock.toLocal(meta.timestamp) ?? now;
  latency = Math.max(0, now - shownAt);
}

function painted(meta, now) {
  if (!gallery.open) date(meta, now);
  blank = false;
  stage.painted(meta.sourceWidth ?? meta.width, meta.sourceHeight ?? meta.height);
}

function paintedSimple(image) {
  blank = false;
  image.classList.toggle('pixelated', Math.max(image.naturalWidth, image.naturalHeight) <= 320);
}

function fps(now, status) {
  if (simple.active && !paused) return status?.fps ?? 0;
  return gallery.open ? gallery.fps(now) : big.fps(now);
}

function render() {
  const now = performance.now();
  const grid = gallery.extent;
  const status = grid ? listing.liveliest : listing.get(chosen);
  if (simple.active && !paused && status?.age != null) shownAt = now - status.age * 1000;
  const { phase, ever, refusal, retryAt } = connection;
  showMoment({
    ...{ phase, ever, refusal, status, listed, paused, chosen, blank, grid },
    ago: shownAt === null ? null : Math.max(0, now - shownAt),
    retryMs: retryAt === null ? null : Math.max(0, retryAt - now),
    simple: simple.active,
    meta: grid ? gallery.newest : big.meta,
    fps: fps(now, status),
    failures: big.failures,
    problem: quality.failure ?? trouble,
    several: listing.size > 1,
    many: listing.many,
    kind: listing.lastEnv === null ? 'stream' : 'env',
  });
  quality.update(grid ? undefined : status, now);
  gallery.describe();
  if (!grid && !blank && big.meta) gallery.tile(chosen)?.mirror(big.canvas, big.meta, now);
  if (!chartStale || now - chartDrawn <= CHART_MS) return;
  const episodes = histories.get(chosen) ?? [];
  showReturns(episodes);
  chart.update(episodes);
  chartDrawn = now;
  chartStale = false;
}

// ---- from the person

function choose(name) {
  const [fromGrid, byKey] = [gallery.open, gallery.focused];
  gallery.gridWanted = false;
  pin(name, false);
  pause(false);
  show(name, fromGrid);
  arrange();
  gallery.reveal(name);
  if (byKey) part('grid-button').focus();
  chartDrawn = -Infinity; // at once
  watch();
  render();
}

function toggleGrid(on = !gallery.open) {
  if (on === gallery.open || listing.size < 2 || simple.active) return false;
  gallery.gridWanted = on;
  pin(null, on);
  if (!on) show(chosen, true);
  arrange();
  gallery.reveal(chosen);
  watch();
  return true;
}

/** Enter in the search: to the first one found. */
function go() {
  const name = listing.nearest(chosen);
  gallery.searched();
  choose(name);
}

/** An arrow key: through the streams, or over the tiles of the grid. */
function arrow(along, across) {
  if (listing.size < 2 || (across !== 0 && !gallery.open)) return false;
  if (gallery.open) gallery.move(along, across);
  else choose(listing.neighbour(chosen, along));
  return true;
}

function pause(on) {
  if (on && simple.active) big.preview(part('simple'));
  paused = big.frozen = on;
  if (simple.active) stage.painted(big.canvas.width, big.canvas.height);
  watch();
  render();
}

function save() {
  if (chosen === null || blank || gallery.open) return;
  savePicture(chosen, big.meta, (connection.phase === 'open' || simple.active) && !paused, big.canvas);
}

wire({
  pause: () => pause(!paused),
  fullscreen: () => toggleFullscreen(part('viewer')),
  save,
  theme: toggleTheme,
  grid: () => toggleGrid(),
  leave: () => toggleGrid(false),
  find: () => gallery.search(),
  left: () => arrow(-1, 0),
  right: () => arrow(1, 0),
  up: () => arrow(0, -1),
  down: () => arrow(0, 1),
});
addEventListener('hashchange', () => {
  if (pinnedGrid()) toggleGrid(true);
  else if (listing.has(pinnedStream())) choose(pinnedStream());
  else toggleGrid(false);
});
document.addEventListener('fullscreenchange', watch);
document.addEventListener('visibilitychange', () => {
  watch();
  if (!document.hidden) connection.retryNow();
});
new IntersectionObserver(([entry]) => {
  onscreen = entry.isIntersecting;
  watch();
}).observe(document.body);

setInterval(render, RENDER_MS);
setInterval(() => {
  if (watching.count === 0) return;
  const rounded = { fps: +fps(performance.now()).toFixed(2), latency: +latency.toFixed(2) };
  connection.send({ type: 'performance_stats', ...rounded, queueSize: big.pending + gallery.pending });
}, STATS_MS);

document.body.classList.toggle('embed', embed);
connection.open();
render();
