/** Axes: the lines and numbers around the plot of a chart, and what lies where in it. */

import { limits, ticks } from './scale.js';
import { compact, count } from './words.js';

const PAD = { top: 8, right: 10, bottom: 22, left: 8 };

/** The values' axis, with its numbers `at` the left. */
function upright(pen, { values, labels, box, y, ratio }) {
  pen.textBaseline = 'middle';
  pen.textAlign = 'right';
  values.forEach((value, i) => {
    const at = (Math.round(y(value) * ratio) + 0.5) / ratio; // on the device's pixels, hence crisp
    pen.beginPath();
    pen.moveTo(box.left, at);
    pen.lineTo(box.right, at);
    pen.stroke();
    pen.fillText(labels[i], box.left - 6, at);
  });
}

/** The episodes' axis: their numbers below. */
function level(pen, { numbers, box, x, width, height }) {
  pen.textBaseline = 'alphabetic';
  pen.textAlign = 'center';
  for (const number of numbers) {
    const text = count(number);
    const half = pen.measureText(text).width / 2;
    pen.fillText(text, Math.min(width - half, Math.max(half, x(number))), height - 5);
  }
}

/**
 * Draw the axes of a chart in the style of its canvas.
 * @param {object} size width, height (CSS pixels), ratio (device pixels of each)
 * @returns {object} {left, right, top, bottom} of the plot; x(number) and y(value) give places in it; first and final
 *   episode of it
 */
export function drawAxes(pen, style, { width, height, ratio }, numbers, returns) {
  const [low, high] = limits(returns);
  pen.font = `${style.fontSize} ${style.fontFamily}`;
  const values = ticks(low, high, Math.max(2, height / 44));
  const labels = values.map(compact);
  const left = PAD.left + Math.ceil(Math.max(...labels.map((text) => pen.measureText(text).width))) + 6;
  const box = { left, right: width - PAD.right, top: PAD.top, bottom: height - PAD.bottom };
  let [first, final] = [numbers[0], numbers[numbers.length - 1]];
  const only = first === final;
  if (only) [first, final] = [first - 1, final + 1]; // one point stands in the middle
  const x = (number) => box.left + ((number - first) / (final - first)) * (box.right - box.left);
  const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);
  pen.fillStyle = style.color;
  pen.strokeStyle = style.borderTopColor;
  pen.lineWidth = 1 / ratio;
  upright(pen, { values, labels, box, y, ratio });
  const below = only ? [numbers[0]] : ticks(first, final, Math.max(2, (box.right - box.left) / 80), true);
  level(pen, { numbers: below, box, x, width, height });
  return { ...box, x, y, first, final };
}
