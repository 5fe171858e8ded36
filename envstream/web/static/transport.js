/** Transport: the bar below a replay: play, step, speed, the place in the clip, and what the env said there. */

import { Readout } from './readout.js';
import { clockTime, shortAction } from './values.js';
import { count, score } from './words.js';

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8];
const BUTTON = {
  loading: ['#i-pause', 'Pause'],
  playing: ['#i-pause', 'Pause'],
  paused: ['#i-play', 'Play'],
  ended: ['#i-again', 'Again'],
};

export class Transport {
  #bar;
  #scrub;
  #speed;
  #icon;
  #readout;
  #button = '';

  /** `on` = {seek(index), speed(times)} */
  constructor(bar, on) {
    this.#bar = bar;
    this.#scrub = bar.querySelector('input');
    this.#speed = bar.querySelector('select');
    this.#icon = bar.querySelector('[data-icon]');
    this.#readout = new Readout(bar);
    this.#speed.append(...SPEEDS.map((times) => new Option(`${times}×`, times, times === 1, times === 1)));
    this.#scrub.addEventListener('input', () => on.seek(Number(this.#scrub.value)));
    this.#speed.addEventListener('change', () => {
      on.speed(Number(this.#speed.value));
      this.#speed.blur(); // So that the keys are those of the replay again.
    });
  }

  /** The speed `step` places further; as it is at the ends. */
  beside(step) {
    const place = SPEEDS.indexOf(Number(this.#speed.value)) + step;
    return SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, place))];
  }

  set speed(times) {
    this.#speed.value = String(times);
  }

  set hidden(hidden) {
    this.#bar.hidden = hidden;
  }

  focus() {
    this.#scrub.focus({ preventScroll: true });
  }

  get focused() {
    return this.#bar.contains(document.activeElement);
  }

  /** Another clip, whose last picture has this number. */
  begin(last) {
    this.#scrub.max = last;
    this.#bar.style.setProperty('--loaded', '0%');
    this.#bar.style.setProperty('--at', '0%');
    this.#readout.set({ time: '', picture: '', step: '–', action: '–', reward: '–', return: '–' });
  }

  /** How much of it is here, from 0 to 1. */
  set loaded(share) {
    this.#bar.style.setProperty('--loaded', `${Math.round(share * 100)}%`);
  }

  set state(state) {
    const [icon, text] = BUTTON[state] ?? BUTTON.paused;
    if (text === this.#button) return;
    this.#button = text;
    this.#icon.setAttribute('href', icon);
    this.#readout.set({ toggle: text });
  }

  /** The picture that is seen, at its place, and what is known of it. */
  show(index, last, picture, { elapsed, length }) {
    this.#scrub.value = index;
    this.#bar.style.setProperty('--at', `${(100 * index) / Math.max(1, last)}%`);
    const time = `${clockTime(elapsed)} / ${clockTime(length)}`;
    const place = `${count(index + 1)} / ${count(last + 1)}`;
    this.#scrub.setAttribute('aria-valuetext', `${clockTime(elapsed)}, picture ${count(index + 1)} of ${count(last + 1)}`);
    this.#readout.set({
      time,
      picture: place,
      step: count(picture.step),
      action: shortAction(picture.action),
      reward: score(picture.reward),
      return: score(picture.return),
    });
  }
}
