/** Strip: one tile for each stream, when there are at least two. A click makes it the big one. */

import { Picture } from './picture.js';
import { Stage } from './stage.js';
import { score } from './words.js';

const THUMB_WIDTH = 320;
const MIRROR_MS = 500;

function make(tag, className, text = '') {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

class Tile {
  visible = false;
  /** Size of the source of what the tile shows, or null. */
  source = null;
  #stage;
  #mirrored = 0;
  #shown = '';

  constructor(name, onChoose) {
    this.name = name;
    this.element = make('button', 'tile');
    this.element.type = 'button';
    this.element.tile = this;
    this.element.addEventListener('click', () => onChoose(name));
    const box = make('span', 'tile-box');
    const canvas = make('canvas', 'tile-canvas');
    canvas.width = canvas.height = 1;
    box.append(canvas);
    this.title = make('span', 'tile-name', name);
    this.value = make('span', 'tile-value');
    this.element.append(box, this.title, this.value);
    this.#stage = new Stage(box, canvas);
    this.picture = new Picture(canvas, (meta) => this.#painted(meta));
  }

  /** The big one is not sent twice: its tile copies it now and then. */
  mirror(canvas, meta, now) {
    if (now - this.#mirrored < MIRROR_MS) return;
    this.#mirrored = now;
    this.picture.preview(canvas, THUMB_WIDTH);
    this.#painted(meta);
  }

  #painted(meta) {
    this.source = { width: meta.sourceWidth ?? meta.width, height: meta.sourceHeight ?? meta.height };
    this.#stage.painted(this.source.width, this.source.height);
  }

  describe(status, chosen) {
    const title = status.name;
    const value = score(status.return);
    const shown = `${title}/${value}/${status.state}/${chosen}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.title.textContent = this.element.title = title;
    this.value.textContent = value;
    this.element.dataset.state = status.state;
    if (chosen) this.element.setAttribute('aria-current', 'true');
    else this.element.removeAttribute('aria-current');
    this.element.setAttribute('aria-label', `${title}, ${status.state}, return ${value}`);
  }
}

export class Strip {
  #nav;
  #tiles = new Map();
  #onChoose;
  #observer;

  /** `onVisible()` when other tiles than before are in sight. */
  constructor(nav, onChoose, onVisible) {
    this.#nav = nav;
    this.#onChoose = onChoose;
    // What has scrolled out of sight is not asked for.
    this.#observer = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.target.tile.visible = entry.isIntersecting;
      onVisible();
    });
  }

  get(name) {
    return this.#tiles.get(name);
  }

  get visible() {
    return [...this.#tiles.values()].filter((tile) => tile.visible).map((tile) => tile.name);
  }

  /** Bring the tiles in line with the streams (a list of STATUS) and the chosen name. */
  update(streams, chosen) {
    const list = streams.length >= 2 ? streams : [];
    const names = new Set(list.map((status) => status.name));
    for (const [name, tile] of this.#tiles) {
      if (names.has(name)) continue;
      this.#observer.unobserve(tile.element);
      tile.picture.clear();
      tile.element.remove();
      this.#tiles.delete(name);
    }
    list.forEach((status, place) => {
      const tile = this.#tiles.get(status.name) ?? this.#add(status.name);
      if (this.#nav.children[place] !== tile.element) this.#nav.insertBefore(tile.element, this.#nav.children[place] ?? null);
      tile.describe(status, status.name === chosen);
    });
    this.#nav.hidden = list.length === 0;
    this.#nav.classList.toggle('many', list.length > 9);
  }

  /** Scroll the strip, and not the page, until the tile is in sight. */
  reveal(name) {
    const element = this.#tiles.get(name)?.element;
    if (!element) return;
    const [strip, tile] = [this.#nav.getBoundingClientRect(), element.getBoundingClientRect()];
    if (tile.left < strip.left) this.#nav.scrollLeft -= strip.left - tile.left + tile.width / 2;
    else if (tile.right > strip.right) this.#nav.scrollLeft += tile.right - strip.right + tile.width / 2;
  }

  clear() {
    this.update([], null);
  }

  #add(name) {
    const tile = new Tile(name, this.#onChoose);
    this.#tiles.set(name, tile);
    this.#observer.observe(tile.element);
    return tile;
  }
}
