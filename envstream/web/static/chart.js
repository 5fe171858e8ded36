/** Chart: returns of recent episodes on a canvas, with their running mean and a tooltip. */

import { limits, meanWindow, nearest, runningMean, ticks } from './scale.js';
import { chartSummary, compact, count, score } from './words.js';

const PAD = { top: 8, right: 10, bottom: 22, left: 8 };
const DOTS_UP_TO = 90;

export class Chart {
  #canvas;
  #tip;
  #legend;
  #episodes = [];
  #means = [];
  #plot = null; // where things were drawn last: {xs, ys, left, right, top, bottom}
  #at = null; // episode number under the pointer

  /** `figure` holds a canvas, [data-chart=tip|empty|mean] and the two legend keys. */
  constructor(figure) {
    this.#canvas = figure.querySelector('canvas');
    this.#tip = figure.querySelector('[data-chart=tip]');
    this.#legend = {
      empty: figure.querySelector('[data-chart=empty]'),
      mean: figure.querySelector('[data-chart=mean]'),
      raw: figure.querySelector('.key-raw'),
      line: figure.querySelector('.key-mean'),
    };
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
    document.addEventListener('themechange', () => this.draw());
    const canvas = this.#canvas;
    canvas.addEventListener('pointermove', (event) => this.#point(event));
    canvas.addEventListener('pointerdown', (event) => this.#point(event));
    canvas.addEventListener('pointerleave', () => this.#leave());
    canvas.addEventListener('blur', () => this.#leave());
    canvas.addEventListener('keydown', (event) => this.#key(event));
  }

  /** `episodes` = [[number, steps, return], …], oldest first. */
  update(episodes) {
    this.#episodes = episodes;
    const width = meanWindow(episodes.length);
    this.#means = runningMean(episodes.map((one) => one[2] ?? NaN), width);
    this.#legend.mean.textContent = `mean of ${width}`;
    this.#legend.empty.hidden = episodes.length > 0;
    this.#canvas.setAttribute('aria-label', chartSummary(episodes));
    this.draw();
  }

  draw() {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w) canvas.width = w;
    if (canvas.height !== h) canvas.height = h;
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    this.#plot = null;
    if (this.#episodes.length > 0) this.#drawAll(pen, width, height, ratio);
    this.#showTip();
  }

  #drawAll(pen, width, height, ratio) {
    const style = getComputedStyle(this.#canvas);
    const numbers = this.#episodes.map((one) => one[0]);
    const returns = this.#episodes.map((one) => one[2] ?? NaN);
    const [low, high] = limits(returns);
    pen.font = `${style.fontSize} ${style.fontFamily}`;
    const yTicks = ticks(low, high, Math.max(2, height / 44));
    const labels = yTicks.map(compact);
    const left = PAD.left + Math.ceil(Math.max(...labels.map((text) => pen.measureText(text).width))) + 6;
    const box = { left, right: width - PAD.right, top: PAD.top, bottom: height - PAD.bottom };
    let [first, final] = [numbers[0], numbers[numbers.length - 1]];
    if (first === final) [first, final] = [first - 1, final + 1]; // one point stands in the middle
    const x = (number) => box.left + ((number - first) / (final - first)) * (box.right - box.left);
    const y = (value) => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top);

    pen.fillStyle = style.color;
    pen.strokeStyle = style.borderTopColor;
    pen.lineWidth = 1 / ratio;
    pen.textBaseline = 'middle';
    pen.textAlign = 'right';
    yTicks.forEach((value, i) => {
      const at = (Math.round(y(value) * ratio) + 0.5) / ratio; // on the device's pixels, hence crisp
      pen.beginPath();
      pen.moveTo(box.left, at);
      pen.lineTo(box.right, at);
      pen.stroke();
      pen.fillText(labels[i], box.left - 6, at);
    });
    pen.textBaseline = 'alphabetic';
    const only = numbers[0] === numbers[numbers.length - 1];
    for (const number of only ? [numbers[0]] : ticks(first, final, Math.max(2, (box.right - box.left) / 80), true)) {
      const text = count(number);
      const half = pen.measureText(text).width / 2;
      pen.textAlign = 'center';
      pen.fillText(text, Math.min(width - half, Math.max(half, x(number))), height - 5);
    }

    const xs = numbers.map(x);
    const ys = returns.map(y);
    const means = this.#means.map((value) => (value === null ? NaN : y(value)));
    this.#drawReturns(pen, xs, ys);
    pen.strokeStyle = getComputedStyle(this.#legend.line).color;
    pen.lineWidth = 2;
    line(pen, xs, means);
    this.#plot = { xs, ys, ...box };
  }

  #drawReturns(pen, xs, ys) {
    const few = xs.length <= DOTS_UP_TO;
    pen.strokeStyle = pen.fillStyle = getComputedStyle(this.#legend.raw).color;
    pen.lineWidth = 1;
    pen.lineJoin = 'round';
    pen.globalAlpha = few || xs.length > 200 ? 0.45 : 0.7;
    line(pen, xs, ys);
    pen.globalAlpha = 1;
    if (!few) return;
    const size = xs.length > 40 ? 1.75 : 2.5;
    for (let i = 0; i < xs.length; i += 1) dot(pen, xs[i], ys[i], size);
  }

  #point(event) {
    if (!this.#plot) return;
    const index = nearest(this.#plot.xs, event.clientX - this.#canvas.getBoundingClientRect().left);
    this.#look(index);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey || !this.#plot) return;
    event.preventDefault();
    event.stopPropagation(); // here the arrows walk along the episodes, not the streams
    const end = this.#episodes.length - 1;
    const index = this.#at === null ? end : this.#index() + step;
    this.#look(Math.min(end, Math.max(0, index)));
  }

  #index() {
    return this.#episodes.findIndex((one) => one[0] === this.#at);
  }

  #look(index) {
    const number = this.#episodes[index]?.[0] ?? null;
    if (number === this.#at) return;
    this.#at = number;
    this.draw();
  }

  #leave() {
    this.#at = null;
    this.draw();
  }

  #showTip() {
    const index = this.#at === null ? -1 : this.#index();
    const plot = this.#plot;
    this.#tip.hidden = index < 0 || !plot;
    if (this.#tip.hidden) return;
    const [number, steps, value] = this.#episodes[index];
    const [x, y] = [plot.xs[index], plot.ys[index]];
    const pen = this.#canvas.getContext('2d');
    pen.strokeStyle = pen.fillStyle = getComputedStyle(this.#canvas).color;
    pen.lineWidth = 1;
    line(pen, [x, x], [plot.top, plot.bottom]);
    pen.fillStyle = getComputedStyle(this.#legend.line).color;
    dot(pen, x, y, 4);
    const lines = [`episode ${count(number)}`, `return ${score(value)}`, `${count(steps)} steps`];
    this.#tip.replaceChildren(...lines.map((text) => Object.assign(document.createElement('span'), { textContent: text })));
    // Beside the finger or pointer, on the side where there is room.
    const right = x > (plot.left + plot.right) / 2;
    this.#tip.style.transform = `translate(${right ? x - 10 : x + 10}px, 6px) translateX(${right ? '-100%' : '0'})`;
  }
}

/** A line that is broken where a value is missing. */
function line(pen, xs, ys) {
  pen.beginPath();
  let drawing = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (!Number.isFinite(ys[i])) drawing = false;
    else if (drawing) pen.lineTo(xs[i], ys[i]);
    else {
      pen.moveTo(xs[i], ys[i]);
      drawing = true;
    }
  }
  pen.stroke();
}

function dot(pen, x, y, radius) {
  if (!Number.isFinite(y)) return;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}
