/** Delivery: in words, how the picture comes: in which codec, how many bytes, and from where. Pure. */

const NONE = '–';
const NAMES = { h264: 'H.264', jpeg: 'JPEG', webp: 'WebP', png: 'PNG' };
const known = (value) => typeof value === 'number' && Number.isFinite(value);
const small = (value) => value.toFixed(value < 9.95 ? 1 : 0);

/** How many times smaller an H.264 picture is than the same one as JPEG; null where that is not known. */
export function saving(video) {
  const times = video?.bytes > 0 ? Math.round(video.jpegBytes / video.bytes) : NaN;
  return times >= 2 ? times : null;
}

/** What pictures come as: "H.264 · 1/27 of JPEG", "JPEG 70", "WebP · lossless". */
export function codecWord({ rung, meta, video }) {
  const codec = rung?.codec ?? meta?.format;
  const name = NAMES[codec];
  if (!name) return NONE;
  if (codec === 'h264') return saving(video) ? `${name} · 1/${saving(video)} of JPEG` : name;
  if (codec !== 'jpeg') return `${name} · lossless`;
  const quality = rung?.quality ?? meta?.quality;
  return known(quality) ? `${name} ${quality}` : name;
}

/** Bytes a second: 38 kB/s, 1.2 MB/s. */
export function bandwidth(bytes) {
  if (!known(bytes)) return NONE;
  return bytes < 999500 ? `${small(bytes / 1000)} kB/s` : `${small(bytes / 1e6)} MB/s`;
}

/** A share: 95 %. */
export function percent(share) {
  return known(share) ? `${Math.round(share * 100)} %` : NONE;
}

const exact = (share) => `${Number((share * 100).toFixed(share < 0.1 ? 1 : 0))} %`;

/** What the trainer gives for being seen, counting included: "costs the trainer 2.1 % (limit 5 %)"; nothing where that is not known. */
export function trainerCost(cost) {
  if (!known(cost?.share)) return '';
  return `costs the trainer ${exact(cost.share)}${known(cost.limit) ? ` (limit ${exact(cost.limit)})` : ''}`;
}

/** The middle and nearly the longest of encode times: 0.6 · 1.3 ms. */
export function encodeTimes(times) {
  return known(times?.p50) ? `${small(times.p50)} · ${small(times.p95)} ms` : NONE;
}
