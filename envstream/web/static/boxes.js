/** Boxes: what was found in pictures: which of it belongs to the picture on show, and how it is drawn. Pure. */

const FRESH = 1; // Seconds that what was found may be older than the picture on show.
const SURE = 0.35; // Of what is found with less certainty there is a thin line and no word.
const KEPT = 16; // What was found in pictures that are not on show yet.
const COLOURS = ['#4fd8bd', '#ffb454', '#8ab4ff', '#ff8fb3', '#c6e55c', '#c8a8ff', '#ffe066', '#7fdcff'];

/** A colour for each class, light enough for dark words on it. */
export function colourOf({ index, label }) {
  const number = Number.isInteger(index) ? index : [...String(label)].reduce((sum, one) => sum + one.codePointAt(0), 0);
  return COLOURS[number] ?? `hsl(${(number * 137.5) % 360} 85% 72%)`;
}

/** What is written on a box: star 87 %. */
export function caption({ label, score }) {
  return `${label} ${Math.round(100 * score)} %`;
}

/** Whether a box is more than a guess. */
export const sure = ({ score }) => !(score < SURE);

/** What was found, in words: circle 1, star 2. Guesses do not count. */
export function counted(boxes) {
  const counts = new Map();
  for (const { label } of boxes.filter(sure)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([label, count]) => `${label} ${count}`).join(', ');
}

/** How large a picture is that is shown whole in a box. */
export function contained(box, picture) {
  if (!(picture.width > 0 && picture.height > 0)) return { width: 0, height: 0 };
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  return { width: picture.width * scale, height: picture.height * scale };
}

/** A box in a picture of such a size, in whole and half pixels, inside its edges. */
export function placed(box, { width, height }) {
  const clamp = (share) => Math.min(1, Math.max(0, share));
  const [left, top] = [clamp(box.x) * width, clamp(box.y) * height];
  const [right, bottom] = [clamp(box.x + box.width) * width, clamp(box.y + box.height) * height];
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** Where the caption goes: above the box, or inside of it at the picture's upper edge; never beyond an edge. */
export function captionPlace(at, wide, high, size) {
  const x = Math.max(0, Math.min(at.x - 1, size.width - wide));
  const above = at.y - high;
  return { x, y: above >= 0 ? above : Math.min(at.y + 1, Math.max(0, size.height - high)) };
}

/** Remembers what was found in the last pictures. */
export class Found {
  #all = []; // `boxes` messages, oldest first

  take(message) {
    this.#all.push(message);
    if (this.#all.length > KEPT) this.#all.shift();
  }

  /** The message that belongs to a picture of that time (in the server's seconds), or null. */
  at(timestamp) {
    if (!Number.isFinite(timestamp)) return null;
    const last = this.#all.findLast((one) => one.timestamp <= timestamp + 1e-4);
    return last && timestamp - last.timestamp <= FRESH ? last : null;
  }

  /** The newest there is. */
  get newest() {
    return this.#all.at(-1) ?? null;
  }

  clear() {
    this.#all = [];
  }
}
