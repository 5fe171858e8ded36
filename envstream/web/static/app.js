/** App: wires the connection to what is seen. Messages only change state; `render` shows it five times a second. */

import { embed, pinnedStream, pinStream } from './address.js';
import { Chart } from './chart.js';
import { isFull, savePicture, toggleFullscreen, wire } from './controls.js';
import { Picture } from './picture.js';
import { mark, Readout } from './readout.js';
import { summary } from './scale.js';
import { SimpleView } from './simple.js';
import { Connection } from './socket.js';
import { Stage } from './stage.js';
import { Strip } from './strip.js';
import { toggleTheme } from './theme.js';
import { compact, count, duration, notice, rate, score, situation } from './words.js';

const RENDER_MS = 200;
const CHART_MS = 500;
const STATS_MS = 1000;
const KEPT_EPISODES = 1000;
const THUMBNAIL = { width: 320, fps: 2 };

const part = (id) => document.getElementById(id);
const readout = new Readout(document);
const chart = new Chart(part('chart'));
const stage = new Stage(part('stage'), part('picture'));
const big = new Picture(part('picture'), painted);
const strip = new Strip(part('strip'), choose, () => watchSoon());
const simple = new SimpleView(part('simple'), onStreams, paintedSimple);
const connection = new Connection({ hello, streams: onStreams, episodes: onEpisodes, frame, problem, change });

const streams = new Map(); // name → STATUS, in the server's order
const histories = new Map(); // name → [[episode, steps, return], …]
let listed = false; // whether the server has said which streams there are
let chosen = pinnedStream();
let paused = false;
let onscreen = true; // false in an iframe that is scrolled away
let blank = true; // nothing on the canvas yet
let shownAt = null; // when the picture on show was captured, on our clock
let trouble = null; // what the server complained about last
let latency = 0;
let sent = ''; // the last `watch`
let watchTimer = 0;
let chartDrawn = -Infinity;
let chartStale = true;

// ---- from the server

function hello(message, fresh) {
  sent = '';
  trouble = null;
  if (fresh) {
    streams.clear();
    histories.clear();
    strip.clear();
    forget();
    listed = paused = big.frozen = false;
  }
  watch();
}

function onStreams(list) {
  listed = true;
  streams.clear();
  for (const status of list) streams.set(status.name, status);
  for (const name of histories.keys()) if (!streams.has(name) && name !== chosen) histories.delete(name);
  const pinned = pinnedStream();
  const first = streams.keys().next().value ?? chosen ?? pinned;
  const before = strip.get(chosen);
  if (streams.has(pinned)) show(pinned);
  else if (!streams.has(chosen)) show(first);
  tiles();
  if (strip.get(chosen) !== before) strip.reveal(chosen);
  watch();
}

function onEpisodes({ stream, reset, episodes }) {
  const old = reset ? [] : (histories.get(stream) ?? []);
  histories.set(stream, old.concat(episodes).slice(-KEPT_EPISODES));
  if (stream === chosen) chartStale = true;
}

function frame(one) {
  const picture = one.meta.stream === chosen ? big : strip.get(one.meta.stream)?.picture;
  if (picture) picture.show(one);
  else one.ack();
}

function tiles() {
  if (!embed) strip.update([...streams.values()], chosen);
}

function problem(message) {
  trouble = message.message || message.code || null;
}

function change() {
  syncSimple();
  render();
}

// ---- what is watched

/** Somebody may be looking: the tab is in front and the iframe is not scrolled away. */
function awake() {
  return !document.hidden && onscreen;
}

function wanted() {
  if (!awake()) return { streams: [], status: false };
  const list = [];
  if (!paused && chosen !== null) list.push({ name: chosen, width: null, fps: null });
  if (!paused && !embed && !isFull(part('viewer'))) {
    for (const name of strip.visible) if (name !== chosen) list.push({ name, ...THUMBNAIL });
  }
  return { streams: list, status: true };
}

function watch() {
  const want = wanted();
  const text = JSON.stringify(want);
  if (text !== sent && connection.send({ type: 'watch', ...want })) sent = text;
  syncSimple();
}

/** While a strip is scrolled, tiles come and go: one message for all of them. */
function watchSoon() {
  clearTimeout(watchTimer);
  watchTimer = setTimeout(watch, 150);
}

function syncSimple() {
  if (connection.blocked) simple.show(chosen, !paused && awake());
  else if (simple.active) simple.stop();
}

// ---- what is shown

/** Forget the picture on show. */
function forget() {
  big.clear();
  blank = true;
  shownAt = null;
  chartStale = true;
}

function show(name) {
  if (name === chosen || name === undefined) return;
  chosen = name;
  forget();
  const tile = strip.get(name);
  if (!tile?.source) return;
  // Its thumbnail stands in until the first large frame.
  big.preview(tile.picture.canvas);
  stage.painted(tile.source.width, tile.source.height);
  blank = false;
}

function painted(meta, now) {
  shownAt = connection.clock.toLocal(meta.timestamp) ?? now;
  latency = Math.max(0, now - shownAt);
  blank = false;
  stage.painted(meta.sourceWidth ?? meta.width, meta.sourceHeight ?? meta.height);
}

function paintedSimple(image) {
  blank = false;
  image.classList.toggle('pixelated', Math.max(image.naturalWidth, image.naturalHeight) <= 320);
}

function viewOf(now) {
  const status = streams.get(chosen);
  if (simple.active && !paused && status?.age != null) shownAt = now - status.age * 1000;
  const ago = shownAt === null ? null : Math.max(0, now - shownAt);
  const { phase, ever, refusal, retryAt } = connection;
  const retryMs = retryAt === null ? null : Math.max(0, retryAt - now);
  return { status, ago, listed, paused, phase, ever, refusal, retryMs, simple: simple.active };
}

/** Five times a second the same: then the DOM is left alone. */
function attribute(id, name, value) {
  const element = part(id);
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function render() {
  const now = performance.now();
  const view = viewOf(now);
  const { status, ago } = view;
  const { state, badge, headline, text, note } = situation(view);
  const fps = simple.active && !paused ? (status?.fps ?? 0) : big.fps(now);
  const title = status?.title || chosen || 'No stream yet';
  // Episode, step and return belong to the picture that is seen; the rest to the run.
  const at = big.meta ?? status ?? {};
  const size = big.meta ?? (status?.width ? status : null);
  mark({
    state,
    stream: chosen ?? '',
    frame: big.meta?.frameNumber ?? 0,
    ageMs: ago === null ? '' : Math.round(ago),
    fps: fps.toFixed(1),
    mode: simple.active ? 'simple' : 'socket',
    picture: blank ? 'none' : simple.active && !paused ? 'simple' : 'canvas',
  });
  readout.set({
    title,
    badge,
    headline,
    text,
    note: note || (embed && status?.message) || '',
    age: duration(ago),
    fps: rate(fps),
    size: size ? `${size.sourceWidth ?? size.width} × ${size.sourceHeight ?? size.height}` : '–',
    episode: count(at.episode),
    step: count(at.step),
    return: score(at.return),
    totalSteps: status?.totalSteps >= 1e9 ? compact(status.totalSteps) : count(status?.totalSteps),
    stepsPerSecond: rate(status?.stepsPerSecond),
    viewers: count(status?.viewers),
    notice: notice({ status, simple: simple.active, problem: trouble, failures: big.failures }),
    noEpisodes: simple.active ? 'Simple mode brings the picture only.' : 'The first point appears when an episode ends.',
    pause: paused ? 'Resume' : 'Pause',
  });
  const heading = `${title} · ${badge.toLowerCase()}`;
  if (document.title !== heading) document.title = heading;
  attribute('pause-icon', 'href', paused ? '#i-play' : '#i-pause');
  attribute('badge-icon', 'href', `#s-${state}`);
  attribute('overlay-icon', 'href', `#s-${state}`);
  attribute('picture', 'aria-label', `Picture of ${title}`);
  if (!blank && big.meta) strip.get(chosen)?.mirror(big.canvas, big.meta, now);
  if (chartStale && now - chartDrawn > CHART_MS) {
    const episodes = histories.get(chosen) ?? [];
    const { mean, best } = summary(episodes.map((one) => one[2]));
    readout.set({ mean: score(mean), best: score(best) });
    chart.update(episodes);
    chartDrawn = now;
    chartStale = false;
  }
}

// ---- from the person

function choose(name) {
  pinStream(name);
  pause(false);
  show(name);
  tiles();
  strip.reveal(name);
  chartDrawn = -Infinity; // at once
  watch();
  render();
}

function neighbour(step) {
  const names = [...streams.keys()];
  if (names.length < 2) return;
  const place = names.indexOf(chosen) + step;
  choose(names[(place + names.length) % names.length]);
}

function pause(on) {
  if (on && simple.active) big.preview(part('simple'));
  paused = big.frozen = on;
  if (simple.active) stage.painted(big.canvas.width, big.canvas.height);
  watch();
  render();
}

wire({
  pause: () => pause(!paused),
  fullscreen: () => toggleFullscreen(part('viewer')),
  save: () => {
    if (chosen === null || blank) return;
    savePicture(chosen, big.meta, (connection.phase === 'open' || simple.active) && !paused, big.canvas);
  },
  theme: toggleTheme,
  previous: () => neighbour(-1),
  next: () => neighbour(1),
});
addEventListener('hashchange', () => {
  if (streams.has(pinnedStream())) choose(pinnedStream());
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
  if (!sent || wanted().streams.length === 0) return;
  connection.send({ type: 'performance_stats', fps: +big.fps(performance.now()).toFixed(2), latency: +latency.toFixed(2), queueSize: big.pending });
}, STATS_MS);

document.body.classList.toggle('embed', embed);
connection.open();
render();
