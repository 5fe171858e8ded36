/** View: which stream is looked at, alone or in the grid, and whether it goes on; and what a person does about it. */

import { embed, pinnedEpisode, pinnedStream, pinnedView, pinView, viewAddress } from './address.js';
import { copy, isFull, savePicture, toggleFullscreen, wire } from './controls.js';
import { toggleTheme } from './theme.js';

const part = (id) => document.getElementById(id);

export class View {
  /** Name of the stream that is the big one, or null. */
  chosen = pinnedStream();
  paused = false;

  #listing;
  #gallery;
  #board;
  #big;
  #simple;
  #on;
  #following = false; // While the address says what is seen it is not written.

  /**
   * `on` = {watch() (other streams are wanted), render() (at once), live() (whether pictures come), leave() (the person
   * wants to see the stream), say(sentence), instead(action) (what an action gives that means something else now, or undefined)}
   */
  constructor({ listing, gallery, board, big, simple }, on) {
    this.#listing = listing;
    this.#gallery = gallery;
    this.#board = board;
    this.#big = big;
    this.#simple = simple;
    this.#on = on;
    addEventListener('hashchange', () => this.#follow());
    listing.sift = pinnedView().sift;
    const none = () => false;
    const actions = {
      pause: () => this.pause(!this.paused),
      fullscreen: () => toggleFullscreen(part('viewer')),
      save: () => this.#save(),
      theme: toggleTheme,
      grid: () => this.toggleGrid(),
      leave: () => this.toggleGrid(false),
      find: () => this.#gallery.search(),
      board: () => this.toggleBoard(),
      share: () => this.#share(),
      left: () => this.#arrow(-1, 0),
      right: () => this.#arrow(1, 0),
      up: () => this.#arrow(0, -1),
      down: () => this.#arrow(0, 1),
      ...{ show: none, replay: none, record: none, back: none, on: none, first: none, last: none },
      ...{ faster: none, slower: none, link: none, video: none, boxes: none },
    };
    wire(Object.fromEntries(Object.entries(actions).map(([name, act]) => [name, () => on.instead(name) ?? act()])));
  }

  /** Whether nothing but the big picture is seen. */
  get full() {
    return isFull(part('viewer'));
  }

  /** Bring the tiles in line with the streams; show at once where grid and big picture change places. */
  arrange() {
    this.#gallery.arrange(this.chosen);
    this.#board.update(this.chosen);
    if ((document.body.dataset.view === 'grid') !== this.#gallery.open) this.#on.render();
  }

  /** Streams came, went or changed; `first`: there were less than two before. */
  settle(first) {
    const before = this.chosen;
    const { stream: pinned, board } = pinnedView();
    if (first && board) this.toggleBoard(true);
    if (this.#listing.has(pinned)) this.#show(pinned);
    else if (!this.#listing.has(this.chosen)) this.#show(this.#listing.first ?? this.chosen ?? pinned);
    this.arrange();
    if (this.chosen !== before || first) this.#gallery.reveal(this.chosen);
  }

  /** The person chooses a stream; `step`: one to go back from. */
  choose(name, step = true) {
    this.#on.leave();
    this.look(name, step);
  }

  /** The person chooses a stream on the leaderboard; where that `stays`, the stream is seen beside it. */
  pick(name, stays) {
    if (!stays) this.#board.show(false);
    this.choose(name);
  }

  /** Make a stream the big one. */
  look(name, step = false) {
    const [fromGrid, byKey] = [this.#gallery.open, this.#gallery.focused];
    this.#keep(false, this.chosen); // Where the way back leads to.
    this.#gallery.gridWanted = false;
    this.pause(false);
    this.#show(name, fromGrid);
    this.#keep(step, name);
    this.arrange();
    this.#gallery.reveal(name);
    if (byKey) part('grid-button').focus();
    this.#on.watch();
    this.#on.render();
  }

  /** A replay is of this stream: it is to be the big one, as soon as it is known. */
  turn(name) {
    if (!this.#listing.has(name)) this.#keep(false, name);
    else if (name !== this.chosen || this.#gallery.open) this.look(name);
  }

  toggleGrid(on = !this.#gallery.open) {
    if (on === this.#gallery.open || this.#listing.size < 2 || this.#simple.active) return false;
    if (on) this.#on.leave();
    this.#gallery.gridWanted = on;
    this.#keep(true);
    if (!on) this.#show(this.chosen, true);
    this.arrange();
    this.#gallery.reveal(this.chosen);
    this.#on.watch();
    return true;
  }

  toggleBoard(on = !this.#board.open) {
    if (on === this.#board.open || (on && (embed || !this.#board.possible))) return false;
    this.#board.show(on, true);
    this.#keep(true);
    this.arrange();
    return true;
  }

  /** The person searches, or chooses what is to be seen of the streams. */
  sift(step) {
    this.arrange();
    this.#gallery.rewind();
    this.#keep(step);
  }

  /** Enter in the search: to the first one found. */
  go() {
    const name = this.#listing.nearest(this.chosen);
    this.#gallery.searched();
    this.choose(name);
  }

  pause(on) {
    if (on && this.#simple.active) this.#big.keep(part('simple'));
    this.paused = this.#big.picture.frozen = on;
    this.#on.watch();
    this.#on.render();
  }

  /** Make a stream the big one. Its tile stands in until its first large picture. */
  #show(name, anew = false) {
    if (name === undefined || (name === this.chosen && !anew)) return;
    this.chosen = name;
    this.#big.forget();
    this.#big.preview(this.#gallery.tile(name));
  }

  /** An arrow key: through the streams, or over the tiles of the grid. */
  #arrow(along, across) {
    if (this.#listing.size < 2 || (across !== 0 && !this.#gallery.open)) return false;
    if (this.#gallery.open) this.#gallery.move(along, across);
    else this.choose(this.#listing.neighbour(this.chosen, along), false);
    return true;
  }

  #save() {
    if (this.chosen === null || this.#big.blank || this.#gallery.open) return;
    const { meta, canvas } = this.#big.picture;
    savePicture(this.chosen, meta, this.#on.live() && !this.paused, canvas);
  }

  /** What is looked at, as the address says it. */
  #now(stream = this.chosen) {
    return { stream, grid: this.#gallery.gridWanted, board: this.#board.open, sift: this.#listing.sift };
  }

  /** Keep that in the address; a stream that it asks for, and that is not there yet, is still waited for. */
  #keep(step, stream = this.#listing.has(pinnedStream()) ? this.chosen : (pinnedStream() ?? this.chosen)) {
    if (!this.#following) pinView(this.#now(stream), step);
  }

  async #share() {
    const link = viewAddress(this.#now());
    this.#on.say((await copy(link)) ? 'The link to this view is copied.' : `The link to this view: ${link}`);
  }

  /** The address was changed: by hand, or by going back. */
  #follow() {
    const { stream, grid, board, sift } = pinnedView();
    this.#following = true;
    this.#listing.sift = sift;
    this.toggleBoard(board);
    if (grid && this.#listing.has(stream)) this.#show(stream);
    if (grid) this.toggleGrid(true);
    else if (!this.#listing.has(stream)) this.toggleGrid(false);
    else if (pinnedEpisode() === null) this.choose(stream);
    else this.look(stream);
    this.arrange();
    this.#following = false;
  }
}
