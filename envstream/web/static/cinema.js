/** Cinema: what there is to see besides the picture as it goes on: whole episodes, and replays of what is kept. */

import { Clips } from './clips.js';
import { companionOf } from './companion.js';
import { News } from './news.js';
import { Recorder } from './recorder.js';
import { Rerun } from './rerun.js';
import { steers } from './role.js';
import { Show } from './show.js';

const part = (id) => document.getElementById(id);
const SOON_MS = 700; // In which an episode may begin without a word about waiting, where something else is seen.

export class Cinema {
  #on;
  #news = new News(part('news'));
  #show;
  #clips;
  #rerun;
  #recorder;
  #instant = part('instant');

  /**
   * @param {object} on chosen() (the stream's name), look(name) (make it the big one), switched() (another kind of
   *   picture is awaited), change() (something else is seen), mark(clips, current) (on the chart), bare() (whether
   *   there is no large picture of a socket: in the grid, in simple mode), grid() (whether it is open)
   */
  constructor(on) {
    this.#on = on;
    this.#rerun = new Rerun(this.#news, {
      began: (clip) => {
        on.look(clip.stream);
        this.#mark();
      },
      over: () => this.#mark(),
      change: on.change,
    });
    this.#show = new Show(part('show'), () => this.#switched());
    this.#clips = new Clips(part('kept'), { choose: (clip) => this.open(clip), change: () => this.#mark() });
    this.#recorder = new Recorder(part('record'), (sentence, link) => this.#news.say(sentence, link));
  }

  /** What is seen: live, episodes, or replay. */
  get mode() {
    if (this.#rerun.open) return 'replay';
    return this.#on.grid() ? 'live' : this.#show.now;
  }

  /** The stream to watch for the large picture of `name`; null for none. */
  watched(name) {
    if (this.#rerun.open) return null;
    return this.#show.now === 'episodes' ? companionOf(name) : name;
  }

  /** What there is to say of it at a moment; `big` is the large picture. */
  moment(now, big) {
    const show = this.mode;
    const late = big.blank || now - big.since > SOON_MS;
    const awaited = show === 'episodes' && big.picture.meta === null && late;
    const moment = { show, offers: this.#show.offered, awaited };
    return show === 'replay' ? { ...moment, ...this.#rerun.moment(now) } : moment;
  }

  /** Follow the status of the chosen stream; `seen`: somebody may be looking. */
  update(status, seen, now) {
    if (this.#show.update(status)) this.#on.switched();
    this.#clips.update(status, seen, now);
    this.#recorder.update(status, this.#show.now === 'episodes', now);
    const { replaySeconds } = status ?? {};
    const title = replaySeconds > 0 ? `Replay the last ${Math.ceil(replaySeconds)} s (r)` : 'There is nothing yet to replay (r)';
    const button = { hidden: replaySeconds === undefined || !steers(), disabled: !(replaySeconds > 0), title };
    for (const [name, value] of Object.entries(button)) if (this.#instant[name] !== value) this.#instant[name] = value;
  }

  /** The address may ask for a replay. */
  begin() {
    this.#rerun.begin();
  }

  /** Another server: it keeps nothing of what was. */
  forget() {
    this.#clips.clear();
  }

  /** Replay a kept clip. */
  open(clip) {
    if (clip) this.#rerun.show(clip.id);
  }

  /** Say a sentence over the picture. */
  say(sentence) {
    this.#news.say(sentence);
  }

  /** Back from a replay. */
  leave() {
    this.#rerun.leave();
  }

  /** What an action gives here; undefined where it means what it always does. */
  instead(action) {
    const own = {
      show: () => !this.#on.grid() && this.#show.toggle() && this.#switched(),
      replay: () => !this.#on.bare() && this.#again(),
      record: () => !this.#on.bare() && this.#recorder.toggle(),
    }[action];
    const act = (this.#rerun.open && this.#rerun.instead(action)) || own;
    return act === undefined ? undefined : (act() ?? true);
  }

  #again() {
    if (this.#instant.hidden || this.#instant.disabled) return false;
    this.#rerun.instant(this.#on.chosen());
    return true;
  }

  #switched() {
    this.#show.update();
    this.#on.switched();
    this.#on.change();
    return true;
  }

  #mark() {
    const id = this.#rerun.clip?.id ?? null;
    this.#clips.mark(id);
    this.#on.mark(this.#clips.list, id);
  }
}
