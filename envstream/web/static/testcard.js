/** The test card's number, as it stands in black and white over its picture. Pure. */

export const CELLS = 32;
const NUMBER_BITS = 24;

/** What the last eight cells say of a number. */
export function check(number) {
  return (number * 151 + 77) % 251;
}

/**
 * The number in a line of pixels across the whole picture, whatever its width; null where it cannot be read.
 * @param {Uint8ClampedArray} line RGBA
 */
export function numberIn(line) {
  const width = line.length / 4;
  let bits = 0n;
  for (let cell = 0; cell < CELLS; cell += 1) {
    const at = 4 * Math.floor(((cell + 0.5) * width) / CELLS);
    const light = line[at] + line[at + 1] + line[at + 2];
    bits = (bits << 1n) | (light > 382 ? 1n : 0n);
  }
  const [number, said] = [Number(bits >> 8n), Number(bits & 255n)];
  return number < 2 ** NUMBER_BITS && check(number) === said ? number : null;
}
