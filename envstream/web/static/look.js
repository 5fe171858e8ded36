/** Look: the page that shows a camera: wires the connection, the picture and the boxes over it. */

import { address, embed, lastPart, plainAddress } from './address.js';
import { Awake } from './awake.js';
import { Big } from './big.js';
import { counted } from './boxes.js';
import { detectorWords } from './cameraWords.js';
import { savePicture, toggleFullscreen, wire } from './controls.js';
import { Findings } from './findings.js';
import { LATE_MS, lookSituation } from './lookWords.js';
import { mark, Readout } from './readout.js';
import { Connection } from './socket.js';
import { toggleTheme } from './theme.js';
import { Video } from './video.js';
import { Watching } from './watching.js';
import { duration, rate } from './words.js';

const [RENDER_MS, STATS_MS, ASK_MS] = [200, 1000, 2000];

const part = (id) => document.getElementById(id);
const token = lastPart();
const stream = `camera ${token}`;
const stats = `api/camera/${token}/stats`;
const readout = new Readout(document);
const connection = new Connection(
  {
    hello,
    frame: ({ meta, data, ack }) => (meta.stream === stream ? big.picture.show({ meta, data, ack }) : ack()),
    still: (message) => message.stream === stream && big.picture.still(message),
    boxes: (message) => findings.take(message),
    streams: () => {},
    problem: (message) => (trouble = message.message ?? ''),
    change: () => render(),
  },
  { path: `ws/view/${token}`, doors: [stats] },
);
const always = () => true;
const big = new Big((seconds) => connection.clock.toLocal(seconds), { renew, failed }, always, always);
const findings = new Findings(big);
const video = new Video(watch);
const watching = new Watching((message) => connection.send(message), wanted);
const awake = new Awake(roused);

let there = null; // whether the camera is connected, where that was asked
let asked = -Infinity; // when it was
let trouble = '';

function hello(message, fresh) {
  watching.forget();
  big.picture.video = false; // What was decoded before is nothing to build on.
  trouble = '';
  there = null;
  if (fresh) {
    findings.clear();
    big.forget(true);
  }
  watch();
}

function wanted() {
  const one = { name: stream, width: null, fps: null, quality: null, video: video.wanted, boxes: true };
  return { streams: awake.now ? [one] : [], status: false };
}

function watch() {
  watching.now();
  big.picture.video = watching.video;
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
  watch();
}

function roused() {
  watch();
  if (!document.hidden) connection.retryNow();
}

/** Where no pictures come: is the camera there at all? */
async function ask(now) {
  if (now - asked < ASK_MS || document.hidden) return;
  asked = now;
  try {
    const reply = await fetch(address(stats), { cache: 'no-store' });
    if (reply.ok) there = (await reply.json()).camera_connected === true;
  } catch {
    // The connection says so itself.
  }
  render();
}

function follow(now) {
  findings.follow(stream, big.picture.meta);
  const late = big.blank || big.ago(now) > LATE_MS;
  if (!late) there = null;
  else if (connection.phase === 'open') ask(now);
}

function render() {
  const now = performance.now();
  follow(now);
  const { phase, ever, refusal, retryAt } = connection;
  const { meta } = big.picture;
  const [ago, retryMs] = [big.ago(now), retryAt === null ? null : Math.max(0, retryAt - now)];
  const { state, badge, headline, text, note, camera } = lookSituation({ phase, ever, refusal, retryMs, blank: big.blank, ago, there });
  const fps = big.picture.fps(now);
  const found = findings.shown;
  const live = state === 'live';
  mark({ state, stream, frame: meta?.frameNumber ?? 0, fps: fps.toFixed(1), latency: live ? big.latency.toFixed(0) : '', picture: big.blank ? 'none' : 'canvas', format: meta?.format ?? '' });
  readout.set({
    ...{ title: `Camera ${token}`, badge, headline, text, note },
    latency: live ? duration(big.latency) : '–',
    fps: rate(live ? fps : NaN),
    size: meta ? `${meta.sourceWidth ?? meta.width} × ${meta.sourceHeight ?? meta.height}` : '–',
    foundLine: found && live ? [counted(found.boxes) || 'nothing found', detectorWords(found)].filter(Boolean).join(' · ') : '',
    notice: [video.failure, trouble].filter(Boolean).join(' · '),
  });
  if (meta) part('stage').style.setProperty('--aspect', `${meta.width} / ${meta.height}`);
  part('camera-link').hidden = !camera;
  for (const id of ['badge-icon', 'overlay-icon']) part(id).setAttribute('href', `#s-${state}`);
  const heading = `Camera ${token} · ${badge.toLowerCase()}`;
  if (document.title !== heading) document.title = heading;
}

wire({
  boxes: () => findings.toggle(),
  fullscreen: () => toggleFullscreen(part('viewer')),
  save: () => !big.blank && savePicture(stream, null, connection.phase === 'open', part('picture')),
  theme: toggleTheme,
});
part('camera-link').href = plainAddress(`camera/${token}`);
part('camera-link').textContent = plainAddress(`camera/${token}`).replace(/^https?:\/\//, '');
document.body.classList.toggle('embed', embed);
document.addEventListener('fullscreenchange', render);
setInterval(render, RENDER_MS);
setInterval(() => {
  if (watching.count === 0) return;
  const fps = +big.picture.fps(performance.now()).toFixed(2);
  connection.send({ type: 'performance_stats', fps, latency: +big.latency.toFixed(2), queueSize: big.picture.pending });
}, STATS_MS);
connection.open();
render();
