/** The self-test: measures how pictures get from this server to this screen, and says what was measured. */

import { plainAddress } from './address.js';
import { copy, wire } from './controls.js';
import { percentile, result, stages, STAGES, summed, verdict } from './measure.js';
import { Picture } from './picture.js';
import { mark, Readout } from './readout.js';
import { Connection } from './socket.js';
import { numberIn } from './testcard.js';
import { toggleTheme } from './theme.js';
import { Video } from './video.js';
import { bytes } from './words.js';

const SETTLE_MS = 1000; // Pictures of the first second find out what the link carries.
const PING_MS = 150;
const PINGS = 12; // Before the first phase: by them the clocks are compared.
const wished = Number(new URL(location.href).searchParams.get('seconds'));
const SECONDS = wished >= 1 && wished <= 60 ? wished : 5;

const part = (id) => document.getElementById(id);
const readout = new Readout(document);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const canvas = part('picture');
const whole = (ms) => (Number.isFinite(ms) ? `${ms.toFixed(ms < 9.95 ? 1 : 0)}` : '–');

let connection = null;
let stream = null; // the name of our own
let running = false;
let taken = null; // the pictures of this phase
let trips = [];
let wanted = 30;
let report = null;
let failed = false; // H.264 turned out not to be decoded here
const came = new Map(); // frame number → {received, bytes}
const picture = new Picture(canvas, painted, { renew, failed: () => (failed = true) });
const video = new Video(() => {});

function arrived({ meta, data, ack }) {
  if (meta.stream !== stream) return ack();
  came.set(meta.frameNumber, { received: performance.now(), bytes: data.byteLength });
  if (came.size > 200) came.delete(came.keys().next().value);
  return picture.show({ meta, data, ack });
}

/** It is on the canvas; with the next frame of the screen it is seen. */
function painted(meta, drawn) {
  const arrival = came.get(meta.frameNumber);
  const list = taken;
  if (!list || !arrival) return;
  came.delete(meta.frameNumber);
  requestAnimationFrame((seen) => {
    const local = (seconds) => connection?.clock.toLocal(seconds) ?? NaN;
    const { received, bytes: size } = arrival;
    const at = { meta, local, received, drawn, seen: Math.max(seen, drawn) };
    list.push({ stages: stages(at), bytes: size, seen: at.seen, format: meta.format, proved: shown() === picture.meta?.frameNumber });
    mark({ frame: meta.frameNumber });
  });
}

/** The number that is on the canvas. */
function shown() {
  const line = Math.max(1, Math.round(canvas.height / 40));
  return numberIn(canvas.getContext('2d').getImageData(0, line, canvas.width, 1).data);
}

function watch(format) {
  const coded = format === 'h264';
  const asked = { name: stream, width: null, fps: null, quality: null, format: coded ? 'auto' : 'jpeg', video: coded };
  picture.video = coded;
  connection.send({ type: 'watch', streams: format ? [asked] : [], status: false });
}

function renew() {
  watch(null);
  watch('h264');
}

/** One format, for so many seconds; null where no such picture came. */
async function phase(format) {
  taken = null;
  const mine = [];
  watch(format);
  await sleep(SETTLE_MS);
  taken = mine;
  const [began, pinging] = [performance.now(), setInterval(ping, PING_MS)];
  for (let left = SECONDS; left > 0 && connection.phase === 'open'; left -= 1) {
    readout.set({ state: `measuring ${format === 'h264' ? 'H.264' : 'JPEG'}, ${Math.ceil(left)} s` });
    await sleep(Math.min(1000, left * 1000));
  }
  clearInterval(pinging);
  taken = null;
  const lasted = (performance.now() - began) / 1000;
  watch(null);
  const so = mine.filter((one) => one.format === format); // Where a server makes no H.264, JPEG comes.
  return so.length > 1 ? result(format, so, lasted) : null;
}

function ping() {
  connection?.send({ type: 'ping', t: performance.now() });
}

async function greeted() {
  const by = performance.now() + 10000;
  while (stream === null && performance.now() < by) await sleep(20);
  if (stream === null) throw new Error(connection.refusal === 'token' ? 'This page needs its token: open the full address.' : 'The server does not answer, or measures for too many pages already. Try again in a minute.');
}

function connect() {
  const nothing = () => {};
  connection = new Connection(
    { hello: (message) => (stream = message.only), frame: arrived, streams: nothing, problem: nothing, change: nothing, rung: (message) => (wanted = Math.max(wanted, message.fps)), pong: (trip) => trips.push(trip) },
    { path: 'ws/selftest' },
  );
  connection.open();
}

async function run() {
  if (running) return;
  [running, stream, trips, report, wanted, failed] = [true, null, [], null, 0, false];
  mark({ state: 'connecting', picture: 'none', result: '' });
  readout.set({ start: 'Measuring', state: 'connecting', verdict: '', copied: '' });
  part('start').disabled = true;
  part('figures').hidden = true;
  try {
    connect();
    await greeted();
    mark({ state: 'live', picture: 'canvas' });
    for (let count = 0; count < PINGS; count += 1) {
      ping();
      await sleep(PING_MS / 3);
    }
    const phases = [await phase('jpeg'), video.wanted ? await phase('h264') : null].filter(Boolean);
    show(phases);
  } catch (error) {
    readout.set({ verdict: error.message });
    mark({ state: 'refused', result: 'failed' });
  } finally {
    connection.close();
    picture.clear(true);
    running = false;
    part('start').disabled = false;
    readout.set({ start: report ? 'Measure again' : 'Start', state: '' });
  }
}

function facts(phases) {
  const offset = connection.clock.offset;
  const coded = phases.some((one) => one.format === 'h264');
  const why = !window.isSecureContext ? 'no: this page is not secure' : !video.wanted ? 'no: not decoded by this browser' : failed ? 'no: decoding failed' : 'no: not made by this server';
  return {
    when: new Date().toISOString(),
    page: plainAddress('selftest'),
    browser: navigator.userAgent,
    secureContext: window.isSecureContext,
    h264: coded ? 'yes' : why,
    screen: `${screen.width} × ${screen.height} @ ${devicePixelRatio}`,
    roundTripMs: summed(trips),
    clockOffsetMs: Number.isFinite(offset) ? offset : null,
    clockKnownWithinMs: (percentile(trips, 0) ?? NaN) / 2,
  };
}

function show(phases) {
  report = { verdict: verdict(phases, wanted || 30), ...facts(phases), phases };
  const { roundTripMs: trip } = report;
  readout.set({
    verdict: report.verdict.text,
    trip: `${whole(trip.p50)} · ${whole(trip.p95)} · ${whole(trip.p99)} ms`,
    clock: `± ${whole(report.clockKnownWithinMs)} ms`,
    secure: report.secureContext ? 'yes' : 'no',
    h264: report.h264,
  });
  const list = part('phases');
  list.replaceChildren(...phases.map(table));
  part('figures').hidden = phases.length === 0;
  mark({ state: report.verdict.good ? 'complete' : 'stalled', result: JSON.stringify(report) });
}

function row(cells, kind = 'td') {
  const line = document.createElement('tr');
  line.append(...cells.map((text, at) => Object.assign(document.createElement(at === 0 ? 'th' : kind), { textContent: text, scope: at === 0 ? 'row' : '' })));
  return line;
}

function table(one) {
  const box = part('phase').content.cloneNode(true);
  const says = [`${one.fps?.toFixed(1) ?? '–'} fps`, `jitter ${whole(one.jitterMs)} ms`, `${bytes(Math.round(one.bytesPerSecond))}/s`, `${one.proved} of ${one.pictures} numbers read`];
  box.querySelector('h2').textContent = one.format === 'h264' ? 'H.264' : 'JPEG';
  box.querySelector('p').textContent = says.join(' · ');
  const lines = Object.entries(STAGES).map(([name, word]) => {
    const { p50, p95, p99 } = one.stages[name];
    const line = row([word, ...[p50, p95, p99].map(whole)]);
    line.className = name;
    return line;
  });
  box.querySelector('tbody').append(...lines);
  return box;
}

wire({
  theme: toggleTheme,
  pause: run,
  copy: async () => report && readout.set({ copied: (await copy(JSON.stringify(report, null, 2))) ? 'Copied.' : 'It cannot be copied here.' }),
});
mark({ state: 'waiting' });
if (location.hash === '#run') run();
