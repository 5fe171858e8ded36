/** Rerun: a replay as a person has it: opened, kept in the address, saved, passed on, and left again. */

import { pinEpisode, pinnedEpisode, replayAddress } from './address.js';
import { keptClip, lastSeconds, video, videoAddress } from './archive.js';
import { copy, download, savePicture } from './controls.js';
import { Replay } from './replay.js';
import { Transport } from './transport.js';

const part = (id) => document.getElementById(id);
const TAIL = 10; // Seconds before its end at which the replay of what was just seen begins.

export class Rerun {
  /** The clip that is shown, or null. */
  clip = null;

  #on;
  #news;
  #replay;
  #transport;
  #opener = null; // where the keyboard was before
  #asked = null; // the id that was asked for; null: what was just seen

  /**
   * @param {News} news
   * @param {object} on began(clip) and over() (what is shown is another clip, or none), change() (something else is seen)
   */
  constructor(news, on) {
    this.#news = news;
    this.#on = on;
    this.#transport = new Transport(part('replay-bar'), {
      seek: (index) => this.#replay.seek(index),
      speed: (times) => (this.#replay.speed = times),
    });
    this.#replay = new Replay(part('replay'), part('stage'), this.#transport, {
      change: () => this.#changed(),
      failed: (error) => this.#failed(error),
    });
    addEventListener('hashchange', () => this.#follow());
  }

  /** Whether this is what is seen. */
  get open() {
    return this.#replay.open;
  }

  /** What there is to say of it at a moment. */
  moment(now) {
    const { state, clip, shown: picture } = this.#replay;
    const size = { width: clip?.width, height: clip?.height };
    const meta = picture ? { episode: clip.episode, ...size, ...picture } : null;
    return { replay: { state, clip, picture }, ago: null, rung: undefined, meta, fps: this.#replay.fps(now) };
  }

  /** The address may ask for one. */
  begin() {
    if (pinnedEpisode() !== null) this.show(pinnedEpisode());
  }

  /** Show a kept clip; the keyboard goes along: space is to pause it, and not to press again what was clicked. */
  show(id) {
    this.#ask(id, (signal) => keptClip(id, signal));
    this.#opener = document.activeElement;
    this.#transport.focus();
  }

  /** Show what was just seen, once more. */
  instant(stream) {
    this.#ask(null, (signal) => lastSeconds(stream, signal), TAIL);
  }

  leave() {
    this.#replay.close();
  }

  #ask(id, ask, tail = null) {
    this.#news.clear();
    this.#asked = id;
    this.#replay.show(ask, { id: id ?? '', tail });
    part('viewer').scrollIntoView({ block: 'nearest' }); // On a phone the chart is below it.
  }

  /** What an action means while a replay is seen; undefined where it means what it always does. */
  instead(action) {
    const replay = this.#replay;
    return {
      pause: () => replay.toggle(),
      leave: () => replay.close(),
      show: () => replay.close(),
      left: () => replay.step(-1),
      right: () => replay.step(1),
      back: () => replay.step(-1),
      on: () => replay.step(1),
      first: () => replay.seek(0),
      last: () => replay.end(),
      faster: () => (replay.speed = this.#transport.beside(1)),
      slower: () => (replay.speed = this.#transport.beside(-1)),
      save: () => this.clip && savePicture(this.clip.stream, this.moment(0).meta, false, replay.canvas),
      link: () => this.#link(),
      video: () => this.#video(),
      grid: () => false,
    }[action];
  }

  async #link() {
    if (!this.clip) return;
    const link = replayAddress(this.clip.stream, this.clip.id);
    const copied = await copy(link);
    this.#news.say(copied ? 'The link to this replay is copied.' : `The link to this replay: ${link}`);
  }

  async #video() {
    const button = part('video');
    if (!this.clip || button.getAttribute('aria-busy') === 'true') return;
    button.setAttribute('aria-busy', 'true');
    try {
      const { blob, name } = await video(this.clip.id);
      download(blob, name);
    } catch (error) {
      this.#news.say(`No MP4: ${error.message}`);
    }
    button.removeAttribute('aria-busy');
  }

  #changed() {
    const { open, clip, state } = this.#replay;
    if (open && clip && clip !== this.clip) {
      this.clip = clip;
      pinEpisode(clip.id);
      part('video').href = videoAddress(clip.id);
      this.#on.began(clip);
    } else if (!open && (this.clip || state === 'failed')) {
      this.clip = null;
      pinEpisode(null);
      this.#opener?.focus?.({ preventScroll: true });
      this.#opener = null;
      this.#on.over();
    }
    this.#on.change();
  }

  #failed(error) {
    if (this.open) this.#news.say(`The rest of the replay did not come: ${error.message}`);
    else if (error.status === 404 && this.#asked) this.#news.say('This replay is kept no more. Here is the stream again.');
    else this.#news.say(`There is no replay: ${error.message}`);
  }

  /** The address was changed by hand. */
  #follow() {
    const id = pinnedEpisode();
    if (id === null) this.leave();
    else if (id !== this.clip?.id) this.show(id);
  }
}
