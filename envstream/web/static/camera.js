/** Camera: the page that has a camera: wires the camera, the pace, the connection and what is seen of them. */

import { lastPart, plainAddress } from './address.js';
import { contained, counted } from './boxes.js';
import { CameraLink } from './cameraLink.js';
import { Pace } from './cameraPace.js';
import { Choices } from './cameraChoices.js';
import { Shutter } from './cameraShutter.js';
import { reason, Source } from './cameraSource.js';
import { cameraFigures, cameraSituation, detectorWords, refused } from './cameraWords.js';
import { copy, toggleFullscreen, wire } from './controls.js';
import { rate } from './flow.js';
import { Lookback } from './lookback.js';
import { Overlay } from './overlay.js';
import { mark, Readout } from './readout.js';
import { toggleTheme } from './theme.js';
import { Wake } from './wake.js';

const RENDER_MS = 200;
const FRESH_MS = 1000;

const part = (id) => document.getElementById(id);
const token = lastPart();
const video = part('preview');
const readout = new Readout(document);
const pace = new Pace();
const shutter = new Shutter();
const wake = new Wake();
const choices = new Choices(start);
const source = new Source(video, { frame, gone: () => fail({ name: 'gone' }) });
const link = new CameraLink(token, {
  ready: () => pace.connected(),
  ack: (number) => pace.acknowledged(number, performance.now()),
  demand: (message) => pace.demand(message),
  heard: (ms) => pace.heard(ms),
  problem,
  change,
});
const overlay = new Overlay(part('boxes'), part('stage'), () =>
  contained({ width: part('stage').clientWidth, height: part('stage').clientHeight }, { width: video.videoWidth, height: video.videoHeight }),
);
const lookback = new Lookback(token, (message) => overlay.take(message));

let running = false; // the person wants it to
let trouble = null; // why it does not
let complaint = ''; // what the server said last of a picture
let number = 0; // of the newest picture that was sent
let newest = -Infinity; // and when that was captured
let size = null; // and its size
let found = false; // whether what is found is to be seen
let times = []; // when the last pictures were sent

async function start() {
  trouble = null;
  complaint = '';
  running = true;
  pace.most = choices.fps;
  render();
  try {
    if (!(await source.open(choices.wanted))) return;
    choices.list(await source.list(), source.device);
    if (link.phase === 'closed' || link.phase === 'refused') link.open();
    wake.on = true;
    lookback.on = found;
  } catch (error) {
    if (running) fail(error); // Who has stopped meanwhile wants to hear of nothing.
  }
  render();
}

function stop() {
  running = false;
  source.close();
  link.close();
  wake.on = lookback.on = false;
  [size, times] = [null, []];
  overlay.clear();
  render();
}

function fail(error) {
  stop();
  const place = `http://localhost:${location.port || 80}${location.pathname}`;
  trouble = reason({ name: error.name, secure: error.secure, supported: error.supported, place });
  render();
}

/** The server has refused a picture. */
function problem(message) {
  complaint = message.message ?? '';
  pace.refused();
}

function change() {
  if (link.phase === 'refused' && running) {
    const { refusal } = link;
    stop();
    trouble = refused(refusal);
  }
  render();
}

/** The camera has a new picture: sent where there is room for it; it is never kept for later. */
function frame(captured, image) {
  const now = performance.now();
  if (link.phase !== 'open' || !pace.due(now, link.buffered, shutter.busy)) return false;
  const age = now - captured;
  send(age >= 0 && age < FRESH_MS ? captured : now, image());
  return true;
}

async function send(at, image) {
  const { quality } = pace;
  const picture = await shutter.take(image, pace.scale, quality);
  if (!picture || !running || at < newest) return;
  pace.compressed(picture.ms);
  if (!pace.fits(performance.now())) return;
  const { width, height, data, ms } = picture;
  const clock = link.toServer(at);
  const about = {
    ...{ timestamp: performance.timeOrigin + at, frameNumber: number + 1, width, height, format: 'jpeg' },
    ...{ captureMs: +ms.toFixed(2), quality: Math.round(100 * quality) },
    ...(clock === null ? {} : { captured: clock }),
  };
  if (!link.frame(about, data)) return;
  newest = at;
  number += 1;
  size = { width, height };
  const sent = performance.now();
  pace.sent(number, sent);
  times = [...times.slice(-90), sent];
}

function look() {
  if (!running) return false;
  found = !found;
  lookback.on = found;
  if (!found) overlay.clear();
  render();
  return true;
}

async function copyLink() {
  readout.set({ copied: (await copy(part('link').href)) ? 'Copied' : 'Copying is not allowed here' });
  setTimeout(() => readout.set({ copied: '' }), 2000);
}

function render() {
  const now = performance.now();
  const opened = source.track !== null;
  const sending = running && opened && link.phase === 'open';
  const retryMs = link.retryAt === null ? null : Math.max(0, link.retryAt - now);
  const { watched, why, quality, trip, encode } = pace;
  const { state, badge, headline, text, note } = cameraSituation({ trouble, running, opened, phase: link.phase, retryMs, watched, why });
  const fps = rate(times.filter((one) => now - one < 3000), now);
  const bytes = link.flow.perSecond(now);
  overlay.at(found ? (link.toServer(now) ?? NaN) : NaN);
  const latest = found ? overlay.newest : null;
  mark({ state, running, picture: opened ? 'canvas' : 'none', frame: number, fps: fps.toFixed(1), found, boxes: overlay.shown?.boxes.length ?? 0 });
  readout.set({
    ...cameraFigures({ sending, fps, quality, size, bytes, trip, encode, watched }),
    ...{ title: `Camera ${token}`, badge, headline, text, note, start: running ? 'Stop' : 'Start' },
    notice: complaint,
    found: overlay.shown ? counted(overlay.shown.boxes) || 'nothing' : 'nothing yet',
    detector: detectorWords(latest),
  });
  for (const [id, name] of [['badge-icon', state], ['overlay-icon', trouble ? 'failing' : state]]) part(id).setAttribute('href', `#s-${name}`);
  part('start-icon').setAttribute('href', running ? '#s-ended' : '#i-play');
  part('look').setAttribute('aria-pressed', String(found && running));
  part('look').disabled = !running;
  part('panel-found').hidden = !(found && running);
  const heading = `Camera ${token} · ${badge.toLowerCase()}`;
  if (document.title !== heading) document.title = heading;
}

wire({
  pause: () => (running ? stop() : start()),
  fullscreen: () => toggleFullscreen(part('viewer')),
  theme: toggleTheme,
  boxes: look,
  link: copyLink,
});
part('link').href = plainAddress(`view/${token}`);
part('link').textContent = plainAddress(`view/${token}`).replace(/^https?:\/\//, '');
// On a phone that is turned, the picture is; the stage goes with it where there is room.
video.addEventListener('resize', () => part('stage').style.setProperty('--aspect', `${video.videoWidth} / ${video.videoHeight}`));
setInterval(() => {
  pace.step(performance.now(), link.buffered);
  render();
}, RENDER_MS);
document.addEventListener('visibilitychange', render);
render();
