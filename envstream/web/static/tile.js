/** Tile: one stream, small: its picture, name, episode, return and state. A click makes it the big one. */

import { fullName, label } from './names.js';
import { Picture } from './picture.js';
import { caption } from './session.js';
import { Stage } from './stage.js';
import { count, pictureless, score, stateWord } from './words.js';

const THUMB_WIDTH = 320;
const MIRROR_MS = 500;
const KEPT = 192; // Tiles that are kept with their last picture after they went out of sight.

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

/** What is said of an env or a camera, where `at` is what is seen of it: {episode, value, spoken}. */
function facts(status, at) {
  if (status.camera) {
    const [rate, size] = [`${Math.round(status.fps)} fps`, status.width ? `${status.width} × ${status.height}` : ''];
    return { episode: rate, value: size, spoken: [rate, size].filter(Boolean).join(', ') };
  }
  const [episode, value] = [`ep ${count(at.episode)}`, score(at.return)];
  const whose = [status.briefRun, episode].filter(Boolean).join(' · ');
  return { episode: whose, value, spoken: `episode ${count(at.episode)}, return ${value}` };
}

export class Tile {
  /** Size of the source of what the tile shows, or null. */
  source = null;

  #stage;
  #meta = null; // of the picture it shows
  #mirrored = 0;
  #shown = '';
  #parts;
  #onPaint;

  constructor(name, onChoose, onPaint) {
    this.name = name;
    this.#onPaint = onPaint;
    const canvas = make('canvas', 'tile-canvas');
    canvas.width = canvas.height = 1;
    const part = (className) => make('span', className);
    this.#parts = {
      head: part('tile-head'),
      tail: part('tile-tail'),
      episode: part('tile-episode'),
      value: part('tile-value'),
      state: part('tile-state'),
      says: part('tile-says'),
    };
    const { head, tail, episode, value, state, says } = this.#parts;
    const box = make('span', 'tile-box', canvas, says);
    const title = make('span', 'tile-name', head, tail, state);
    this.element = make('button', 'tile', box, title, make('span', 'tile-facts', episode, value));
    this.element.type = 'button';
    this.element.addEventListener('click', () => onChoose(name));
    this.picture = new Picture(canvas, (meta, now) => {
      this.#painted(meta);
      this.#onPaint(meta, now);
    });
    this.#stage = new Stage(box, this.picture);
  }

  /** The big one is not sent twice: its tile copies it now and then. */
  mirror(canvas, meta, now) {
    if (now - this.#mirrored < MIRROR_MS) return;
    this.#mirrored = now;
    this.picture.preview(canvas, THUMB_WIDTH);
    this.#painted(meta);
  }

  #painted(meta) {
    this.#meta = meta;
    this.source = { width: meta.sourceWidth ?? meta.width, height: meta.sourceHeight ?? meta.height };
    this.#stage.painted(this.source.width, this.source.height);
  }

  /** Say what is known of the stream; the DOM is touched only when that has changed. */
  describe(status, chosen) {
    // Episode and return belong to the picture that is seen.
    const at = this.#meta ?? status;
    const sent = status.session ? caption(status) : null;
    const { episode, value, spoken } = sent ? { episode: sent.word, value: sent.value, spoken: sent.value } : facts(status, at);
    const failing = pictureless(status) && this.source === null;
    const word = failing ? 'no picture' : (sent?.word ?? stateWord(status.state));
    // Over the picture stands only what is true for long: a learner that is updating is no news.
    const lasting = ['waiting', 'ended'].includes(status.state) && !(sent && this.source);
    const says = failing ? status.message : lasting ? word : '';
    const shown = [fullName(status), episode, value, word, says, chosen].join('\n');
    if (shown === this.#shown) return;
    this.#shown = shown;
    const name = label(status);
    const texts = { head: name.head, tail: name.tail, episode, value, says };
    texts.state = sent || status.state === 'live' ? '' : word;
    for (const [part, text] of Object.entries(texts)) {
      if (this.#parts[part].textContent !== text) this.#parts[part].textContent = text;
    }
    this.element.dataset.state = failing ? 'failing' : (sent?.state ?? status.state);
    if (chosen) this.element.setAttribute('aria-current', 'true');
    else this.element.removeAttribute('aria-current');
    this.element.title = `${fullName(status)}: ${word}${status.host ? `, on ${status.host}` : ''}`;
    this.element.setAttribute('aria-label', `${fullName(status)}, ${word}, ${spoken}`);
  }
}

/** The tiles that exist, by name. The strip and the grid show the same ones, so that no picture is lost between. */
export class Tiles {
  #tiles = new Map();
  #onChoose;
  #onPaint;

  constructor(onChoose, onPaint) {
    this.#onChoose = onChoose;
    this.#onPaint = onPaint;
  }

  get(name) {
    return this.#tiles.get(name);
  }

  /** The tile called `name`, made where there is none. */
  take(name) {
    const tile = this.#tiles.get(name) ?? new Tile(name, this.#onChoose, this.#onPaint);
    this.#tiles.delete(name); // Used last stands last.
    this.#tiles.set(name, tile);
    return tile;
  }

  /** Let go of tiles whose stream is gone, and of the oldest out of sight where there are too many. */
  tidy(exists) {
    let spare = this.#tiles.size - KEPT;
    for (const [name, tile] of this.#tiles) {
      const gone = !exists(name);
      if (!gone && (spare <= 0 || tile.element.isConnected)) continue;
      tile.picture.clear();
      tile.element.remove();
      this.#tiles.delete(name);
      spare -= 1;
    }
  }

  clear() {
    this.tidy(() => false);
  }

  /** Pictures of all tiles that wait to be painted. */
  get pending() {
    let sum = 0;
    for (const tile of this.#tiles.values()) sum += tile.picture.pending;
    return sum;
  }
}
