/** Chart: returns of recent episodes on a canvas, with their running mean, the kept ones, and a tooltip. */

import { drawAxes } from './axes.js';
import { dot, line } from './ink.js';
import { Marks } from './marks.js';
import { meanWindow, nearest, runningMean } from './scale.js';
import { rankWord } from './screening.js';
import { chartSummary, count, score } from './words.js';

const DOTS_UP_TO = 90;
const WAYS = { keys: 'Enter replays it', mouse: 'click to replay', touch: 'tap again to replay' };

export class Chart {
  #canvas;
  #tip;
  #legend;
  #onReplay;
  #episodes = [];
  #means = [];
  #marks = new Marks();
  #plot = null; // where things were drawn last: {xs, ys, left, right, top, bottom, x, y}
  #at = null; // episode number that is looked at
  #way = 'mouse'; // by what
  #twice = false; // whether it was looked at before it was touched

  /** `figure` holds a canvas, [data-chart=tip|empty|mean|kept] and the legend keys; `onReplay(clip)` for a kept one. */
  constructor(figure, onReplay) {
    this.#canvas = figure.querySelector('canvas');
    this.#tip = figure.querySelector('[data-chart=tip]');
    this.#onReplay = onReplay;
    this.#legend = {
      empty: figure.querySelector('[data-chart=empty]'),
      mean: figure.querySelector('[data-chart=mean]'),
      raw: figure.querySelector('.key-raw'),
      line: figure.querySelector('.key-mean'),
      kept: figure.querySelector('[data-chart=kept]'),
    };
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
    document.addEventListener('themechange', () => this.draw());
    const canvas = this.#canvas;
    canvas.addEventListener('pointermove', (event) => this.#point(event));
    canvas.addEventListener('pointerdown', (event) => this.#press(event));
    canvas.addEventListener('click', (event) => this.#click(event));
    // What a finger has touched stays, until something else is touched.
    canvas.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && this.#leave());
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
    this.draw();
    this.#describe();
  }

  /** The kept episodes, and the id of the one that is replayed. */
  mark(clips, current) {
    this.#marks.clips = clips;
    this.#marks.current = current;
    this.draw();
    this.#describe();
  }

  #describe() {
    this.#canvas.setAttribute('aria-label', chartSummary(this.#episodes, this.#marks.count));
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
    this.#marks.clear();
    if (this.#episodes.length > 0) this.#drawAll(pen, { width, height, ratio });
    this.#showTip();
  }

  #drawAll(pen, size) {
    const style = getComputedStyle(this.#canvas);
    const numbers = this.#episodes.map((one) => one[0]);
    const returns = this.#episodes.map((one) => one[2] ?? NaN);
    const plot = drawAxes(pen, style, size, numbers, returns);
    const [xs, ys] = [numbers.map(plot.x), returns.map(plot.y)];
    this.#drawReturns(pen, xs, ys);
    pen.strokeStyle = getComputedStyle(this.#legend.line).color;
    pen.lineWidth = 2;
    line(pen, xs, this.#means.map((value) => (value === null ? NaN : plot.y(value))));
    const kept = getComputedStyle(this.#legend.kept);
    this.#marks.draw(pen, plot, kept.color, kept.borderTopColor);
    this.#plot = { xs, ys, ...plot };
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

  // ---- what is looked at

  #press(event) {
    const before = this.#at;
    this.#point(event);
    this.#twice = before !== null && before === this.#at;
  }

  #point(event) {
    if (!this.#plot) return;
    const { left, top } = this.#canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const way = event.pointerType === 'touch' ? 'touch' : 'mouse';
    this.#look(this.#marks.near(x, y, way)?.episode ?? this.#episodes[nearest(this.#plot.xs, x)]?.[0] ?? null, way);
  }

  /** A finger has to say first which one it means. */
  #click(event) {
    const clip = this.#marks.of(this.#at);
    if (clip && (event.pointerType !== 'touch' || this.#twice)) this.#onReplay(clip);
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !this.#plot) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const clip = event.key === 'Enter' ? this.#marks.of(this.#at) : undefined;
    if (!step && !clip) return;
    event.preventDefault();
    event.stopPropagation(); // here the arrows walk along the episodes, not the streams
    if (clip) this.#onReplay(clip);
    else if (event.shiftKey) this.#look(this.#marks.beside(this.#at, step)?.episode ?? this.#at, 'keys');
    else this.#look(this.#beside(step), 'keys');
  }

  #beside(step) {
    const end = this.#episodes.length - 1;
    const index = this.#at === null ? end : this.#index() + step;
    return this.#episodes[Math.min(end, Math.max(0, index))][0];
  }

  #index() {
    return this.#episodes.findIndex((one) => one[0] === this.#at);
  }

  #look(number, way) {
    if (number === this.#at && way === this.#way) return;
    this.#at = number;
    this.#way = way;
    this.#canvas.classList.toggle('leads', this.#marks.of(number) !== undefined);
    this.draw();
  }

  #leave() {
    this.#look(null, this.#way);
  }

  #showTip() {
    const clip = this.#marks.of(this.#at);
    const row = this.#episodes[this.#index()] ?? (clip && [clip.episode, clip.steps, clip.return]);
    const plot = this.#plot;
    this.#tip.hidden = !row || !plot;
    if (this.#tip.hidden) return;
    const [number, steps, value] = row;
    const [x, y] = [plot.x(number), plot.y(value ?? NaN)];
    const pen = this.#canvas.getContext('2d');
    pen.strokeStyle = pen.fillStyle = getComputedStyle(this.#canvas).color;
    pen.lineWidth = 1;
    line(pen, [x, x], [plot.top, plot.bottom]);
    pen.fillStyle = getComputedStyle(this.#legend.line).color;
    if (clip) this.#marks.ring(pen, x, y, getComputedStyle(this.#legend.kept).color);
    else dot(pen, x, y, 4);
    const lines = [`episode ${count(number)}${rankWord(clip)}`, `return ${score(value)}`, `${count(steps)} steps`];
    if (clip) lines.push(WAYS[this.#way]);
    this.#tip.replaceChildren(...lines.map((text) => Object.assign(document.createElement('span'), { textContent: text })));
    // Beside the finger or pointer, on the side where there is room.
    const { offsetWidth: wide } = this.#tip;
    const left = x > (plot.left + plot.right) / 2 ? Math.max(0, x - 12 - wide) : x + 12;
    this.#tip.style.transform = `translate(${left}px, 6px)`;
  }
}
