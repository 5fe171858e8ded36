/** Gallery: the streams as tiles: in a strip below the big picture, or in a grid in its place; and the search among them. */

import { embed, pinnedView } from './address.js';
import { Filters } from './filters.js';
import { Find } from './find.js';
import { Grid } from './grid.js';
import { Strip } from './strip.js';
import { Tiles } from './tile.js';
import { gridTile, wantedStreams } from './watching.js';

const part = (id) => document.getElementById(id);

export class Gallery {
  /** Whether the person wants the grid; it opens as soon as there are streams for it. */
  gridWanted = pinnedView().grid;
  /** Simple mode brings one picture only: no grid then. */
  simple = false;
  /** Metadata of what the grid painted last, or null. */
  newest = null;

  #listing;
  #tiles;
  #strip;
  #grid;
  #find;
  #filters;

  /**
   * @param {Listing} listing
   * @param {object} on choose(name), go() (Enter in the search), search(step) (something else is searched
   *   or chosen; `step`: one to go back from), paint(meta, now) of a tile in the grid, sight() when other tiles than
   *   before are in sight
   */
  constructor(listing, on) {
    this.#listing = listing;
    this.#tiles = new Tiles(on.choose, (meta, now) => {
      if (!this.open) return;
      this.newest = meta;
      on.paint(meta, now);
    });
    this.#strip = new Strip(part('strip'), this.#tiles, on.sight);
    this.#grid = new Grid(part('grid'), this.#tiles, on.sight);
    this.#find = new Find(part('find'), listing, { search: () => on.search(false), go: on.go });
    this.#filters = new Filters(part('sift'), listing, () => on.search(true));
  }

  /** Whether the grid is what is seen. */
  get open() {
    return this.gridWanted && this.#listing.size > 1 && !this.simple;
  }

  /** The tile of a stream, where it is near sight. */
  tile(name) {
    return this.#tiles.get(name);
  }

  /** Bring tiles and search in line with the streams. Only one of strip and grid has tiles at a time. */
  arrange(chosen) {
    this.#listing.sort(performance.now(), this.#strip.held || this.#grid.held);
    const several = this.#listing.size > 1 ? this.#listing.found : [];
    this.#find.update();
    this.#filters.update();
    if (this.open) {
      this.#strip.update([], null);
      this.#grid.update(several, chosen);
    } else {
      this.newest = null;
      this.#grid.update([], null);
      if (!embed) this.#strip.update(several, chosen, this.simple);
    }
    this.#tiles.tidy((name) => this.#listing.has(name));
  }

  /** Bring a tile into sight; in a sorted grid the first ones are what is to be seen. */
  reveal(name) {
    if (!this.open) this.#strip.reveal(name);
    else if (this.#listing.sift.sort === null) this.#grid.reveal(name);
  }

  /** Back to the first tiles. */
  rewind() {
    for (const box of [part('strip'), part('grid')]) box.scrollTo(0, 0);
  }

  /** Bring the words on the tiles of the grid up to date. */
  describe() {
    if (this.open) this.#grid.describe();
  }

  /** The streams to watch: those whose tile is in sight, and the big one (or null), `large` = how; `alone`: only that. */
  wanted(chosen, alone, large) {
    if (!this.open) return wantedStreams({ chosen, tiles: alone ? [] : this.#strip.sight, large });
    const { sight, tileWidth } = this.#grid;
    const tile = gridTile(tileWidth, devicePixelRatio || 1, sight.length);
    return wantedStreams({ chosen: null, tiles: sight, tile });
  }

  /** What the grid shows: {title, kind, found, all, sight}; null while it is closed. */
  get extent() {
    if (!this.open) return null;
    const { found, size, group, about, numbers, sift } = this.#listing;
    const kind = numbers.kind === 'env' ? 'envs' : 'streams';
    const run = about.runs.length > 1 && about.runs.includes(sift.run) ? sift.run : null;
    const title = [run, group].filter((one) => one !== null).join(' · ');
    return { title: title || `All ${kind}`, kind, found: found.length, all: size, sight: this.#grid.sight.length };
  }

  /** Pictures a second of the tiles in the grid, as they are on average. */
  fps(now) {
    const rates = this.#grid.sight.map((name) => this.tile(name)?.picture.fps(now) ?? 0);
    return rates.reduce((sum, one) => sum + one, 0) / Math.max(1, rates.length);
  }

  /** Pictures of tiles that wait to be painted. */
  get pending() {
    return this.#tiles.pending;
  }

  /** Whether the keyboard is in the grid. */
  get focused() {
    return this.#grid.focused;
  }

  /** Move the focus over the tiles of the grid. */
  move(along, across) {
    this.#grid.move(along, across);
  }

  search() {
    if (this.#listing.many) this.#find.focus();
    return this.#listing.many;
  }

  /** The search has led to a stream: one that had a single aim has done its work. */
  searched() {
    if (this.#listing.count === 1) this.#find.clear();
    this.#find.blur();
  }

  /** Forget all pictures. */
  clear() {
    this.arrange(null);
    this.#tiles.clear();
  }
}
