/** What a self-test measured, summed up in figures and words. Pure. */

const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** The p-th percentile of numbers; null of none. */
export function percentile(values, p) {
  const sorted = values.filter(known).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
}

/** Half of the values, 95 and 99 in a hundred, and how many there are. */
export function summed(values) {
  const [p50, p95, p99] = [50, 95, 99].map((p) => percentile(values, p));
  return { p50, p95, p99, count: values.filter(known).length };
}

/** The stages of one picture's way in ms; `at` holds moments in ms of our clock, `meta` what came with it. */
export function stages({ meta, local, received, drawn, seen }) {
  const [captured, encoded, sent] = [meta.timestamp, meta.processed_at, meta.sent_at].map(local);
  const compress = meta.processing_time_ms;
  return {
    wait: encoded - captured - compress, // Until it was compressed: others were before it.
    compress,
    queue: sent - encoded,
    transfer: received - sent,
    draw: drawn - received,
    screen: seen - drawn,
    total: seen - captured,
  };
}

export const STAGES = {
  wait: 'wait for the encoder',
  compress: 'compress',
  queue: 'wait to be sent',
  transfer: 'the way to you',
  draw: 'decode and draw',
  screen: 'reach the screen',
  total: 'capture to paint',
};

/** How much pictures come out of step: 95 in a hundred are no further from the usual distance. */
export function jitter(times) {
  const gaps = times.slice(1).map((time, at) => time - times[at]);
  const usual = percentile(gaps, 50);
  return percentile(gaps.map((gap) => Math.abs(gap - usual)), 95);
}

/** Pictures a second over so many moments. */
export function fpsOf(times) {
  const lasted = times.at(-1) - times[0];
  return times.length > 1 && lasted > 0 ? ((times.length - 1) * 1000) / lasted : null;
}

/** What one phase came to. `pictures`: {stages, bytes, seen, proved}. */
export function result(format, pictures, seconds) {
  const times = pictures.map((one) => one.seen);
  const figures = Object.keys(STAGES).map((name) => [name, summed(pictures.map((one) => one.stages[name]))]);
  return {
    format,
    pictures: pictures.length,
    proved: pictures.filter((one) => one.proved).length,
    fps: fpsOf(times),
    jitterMs: jitter(times),
    bytesPerSecond: pictures.reduce((sum, one) => sum + one.bytes, 0) / seconds,
    stages: Object.fromEntries(figures),
  };
}

/** The better one of the phases, and what it is good for, in one sentence. */
export function verdict(phases, wanted) {
  const able = phases.filter((one) => known(one.fps) && one.proved > 0);
  if (able.length === 0) return { good: false, text: 'No picture came through: nothing can be said of your way.' };
  const best = able.reduce((a, b) => (b.fps > a.fps + 1 || (b.fps > a.fps - 1 && b.stages.total.p50 < a.stages.total.p50) ? b : a));
  const behind = `${Math.max(0, Math.round(best.stages.total.p50))} ms behind`;
  const name = best.format === 'h264' ? 'H.264' : 'JPEG';
  const good = best.fps >= 0.93 * wanted;
  if (good) return { good, text: `Your way is good for ${Math.round(wanted)} fps; ${behind} (${name}).` };
  return { good, text: `Your way carries ${best.fps.toFixed(1)} of ${Math.round(wanted)} fps; ${behind} (${name}).` };
}
