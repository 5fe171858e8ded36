/** Replay: a kept clip on a canvas of its own, in the place of the live picture: played, paused, stepped through. */

import { Picture } from './picture.js';
import { Playhead } from './playhead.js';
import { mark } from './readout.js';
import { AHEAD, Reel } from './reel.js';
import { rate } from './flow.js';
import { Stage } from './stage.js';

export class Replay {
  /** '' while closed; loading, playing, paused, ended; failed until something else is seen. */
  state = '';
  /** The clip that is shown; null while it is still asked for. */
  clip = null;

  #picture;
  #stage;
  #transport;
  #on;
  #reel = null;
  #head = null;
  #shown = -1;
  #abort = null;
  #frame = 0;
  #speed = 1;
  #times = [];

  /** `on` = {change() (opened, closed, or another state), failed(error)} */
  constructor(canvas, box, transport, on) {
    this.#picture = new Picture(canvas);
    this.#stage = new Stage(box, this.#picture);
    this.#transport = transport;
    this.#on = on;
  }

  /** Whether this is what is seen. */
  get open() {
    return !['', 'failed'].includes(this.state);
  }

  /** What is known of the picture that is seen; undefined before the first one. */
  get shown() {
    return this.clip?.pictures[this.#shown];
  }

  get canvas() {
    return this.#picture.canvas;
  }

  fps(now) {
    while (this.#times.length > 0 && now - this.#times[0] > 2000) this.#times.shift();
    return this.state === 'playing' ? rate(this.#times, now) : 0;
  }

  /** Show a clip: `ask(signal)` gives it, with its pictures; `tail`: only so many seconds before its end. */
  async show(ask, { id = '', tail = null } = {}) {
    this.canvas.classList.toggle('before', this.open && this.#shown >= 0); // Of the one before it.
    this.#stop();
    const { signal } = (this.#abort = new AbortController());
    mark({ clip: id, index: '' });
    this.#become('loading');
    try {
      const clip = await ask(signal);
      if (signal.aborted) return;
      this.#begin(clip, tail);
      await this.#reel.load(this.#head.index, signal);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  #begin(clip, tail) {
    if (!clip?.pictures?.length) throw new Error('there are no pictures of it');
    this.clip = clip;
    this.#head = new Playhead(clip.pictures.map((one) => one.time));
    this.#head.speed = this.#speed;
    if (tail !== null) this.#head.seek(this.#head.before(tail));
    this.#reel = new Reel(clip, (index, image) => this.#came(index, image));
    this.#transport.begin(this.#head.last);
    mark({ clip: clip.id });
    this.#on.change();
    this.#head.play(true);
    this.#tick(performance.now());
  }

  /** What has come of it already is still shown. */
  #failed(error) {
    if (this.#shown < 0) {
      this.#stop();
      mark({ clip: '', index: '' });
      this.#become('failed');
    }
    this.#on.failed(error, this.open);
  }

  close() {
    if (this.state === '') return;
    this.#stop();
    mark({ clip: '', index: '' });
    this.#become('');
  }

  #stop() {
    cancelAnimationFrame(this.#frame);
    this.#abort?.abort();
    this.#reel?.close();
    this.#reel = this.#head = this.clip = null;
    this.#shown = -1;
    this.#times = [];
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#transport.state = state;
    this.#transport.hidden = !this.open;
    mark({ replay: state });
    this.#on.change();
  }

  // ---- what a person does

  toggle() {
    if (!this.#head) return;
    if (this.#head.atEnd && !this.#head.playing) this.#head.seek(0);
    this.#head.play(!this.#head.playing);
    this.#settle();
  }

  /** To a picture; it stays there. */
  seek(index) {
    if (!this.#head) return;
    this.#head.play(false);
    this.#head.seek(index);
    this.#settle();
  }

  /** So many pictures on (or back). */
  step(count) {
    if (this.#head) this.seek(this.#head.index + count);
  }

  end() {
    if (this.#head) this.seek(this.#head.last);
  }

  set speed(times) {
    this.#speed = times;
    this.#transport.speed = times;
    if (this.#head) this.#head.speed = times;
  }

  // ---- what is seen

  #settle() {
    const { playing, atEnd, last } = this.#head;
    // Where the last one is broken, the one before it is the end.
    if (playing && atEnd && (this.#shown === last || this.#reel.failures > 0)) this.#head.play(false);
    if (this.#shown < 0) this.#become('loading');
    else this.#become(this.#head.playing ? 'playing' : this.#head.atEnd ? 'ended' : 'paused');
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame((now) => this.#tick(now));
  }

  #tick(now) {
    const [head, reel] = [this.#head, this.#reel];
    const before = head.index;
    const here = (index) => reel.has(Math.min(head.last, index));
    head.advance(now, this.#shown < 0 || !here(before) || !here(before + 1));
    if (head.index !== before && !here(head.index)) head.seek(before); // It plays no faster than it arrives.
    reel.aim(head.ahead(AHEAD));
    const image = reel.image(head.index);
    if (image) this.#paint(head.index, image);
    this.#transport.loaded = reel.share;
    // A picture that stays needs nothing; one that is awaited says itself when it is decoded.
    if (head.playing || this.#shown < 0 || reel.share < 1) this.#settle();
  }

  /** A picture is decoded: seen where it is nearer to the one that is to be seen than what is there. */
  #came(index, image) {
    const { index: aim, playing } = this.#head;
    if (playing && index > aim) return;
    if (this.#shown < 0 || Math.abs(index - aim) < Math.abs(this.#shown - aim)) this.#paint(index, image);
  }

  #paint(index, image) {
    if (index === this.#shown) return;
    const { multiple } = this.#picture;
    this.#picture.draw(image, image);
    this.#stage.painted(this.clip.width ?? image.width, this.clip.height ?? image.height);
    if (this.#picture.multiple !== multiple) this.#picture.draw(image, image);
    this.#shown = index;
    this.#times.push(performance.now());
    mark({ index });
    const place = { elapsed: this.#head.timeOf(index), length: this.#head.length };
    this.#transport.show(index, this.#head.last, this.shown, place);
    if (this.state === 'loading') this.#settle();
  }
}
