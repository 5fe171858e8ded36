/** Decoder: H.264 pictures, which build on each other: each one is fed, in order, also where only the newest is seen. */

const SILENT_MS = 2000;
const LATE_MS = 250; // A timer this late says that the page was busy, not the decoder.

export class Decoder {
  #on;
  #decoder = null;
  #chain = null; // the encoder whose pictures the decoder knows
  #fed = new Map(); // timestamp → picture that has not come out yet
  #timer = 0; // runs while nothing comes out
  #renewed = false; // another key picture was asked for, and nothing has come out since
  #over = false;

  /**
   * `on` = {image(picture, videoFrame) (closing it is the receiver's business), renew() (a key picture is needed),
   * failed() (there is no decoding here)}
   */
  constructor(on) {
    this.#on = on;
  }

  /** Pictures that were fed and have not come out yet. */
  get pending() {
    return this.#fed.size;
  }

  /** Take a picture {meta, data, ack, order}; `order` counts upwards. */
  feed(picture) {
    const { chain, key, codec } = picture.meta;
    if (!this.#over) this.#wait();
    if (!this.#over && key && chain !== this.#chain) this.#open(chain, codec);
    if (this.#decoder === null || chain !== this.#chain) {
      picture.ack(); // What it builds on never came here.
      return;
    }
    this.#fed.set(picture.order, picture);
    const type = key ? 'key' : 'delta';
    try {
      this.#decoder.decode(new EncodedVideoChunk({ type, timestamp: picture.order, data: picture.data }));
    } catch (error) {
      this.#broken(error);
    }
  }

  /** Forget all pictures; what still comes out will not be seen. The next one has to be a key picture. */
  reset() {
    const left = [...this.#fed.values()];
    left[left.length - 1]?.ack(); // It counts for all before it.
    this.#fed.clear();
    clearTimeout(this.#timer);
    this.#timer = 0;
    const decoder = this.#decoder;
    this.#decoder = this.#chain = null;
    if (decoder && decoder.state !== 'closed') decoder.close();
  }

  #open(chain, codec) {
    this.reset();
    this.#wait();
    const decoder = new VideoDecoder({
      output: (image) => this.#output(decoder, image),
      error: (error) => decoder === this.#decoder && this.#broken(error),
    });
    [this.#decoder, this.#chain] = [decoder, chain];
    try {
      decoder.configure({ codec, optimizeForLatency: true });
    } catch (error) {
      this.#broken(error);
    }
  }

  #output(decoder, image) {
    const picture = decoder === this.#decoder ? this.#fed.get(image.timestamp) : undefined;
    if (picture === undefined) {
      image.close();
      return;
    }
    for (const order of this.#fed.keys()) if (order <= image.timestamp) this.#fed.delete(order);
    this.#renewed = false;
    clearTimeout(this.#timer);
    this.#timer = 0;
    if (this.#fed.size > 0) this.#wait();
    this.#on.image(picture, image);
  }

  /** From the first picture on that does not come out, there is not for ever to wait. */
  #wait() {
    if (this.#timer !== 0) return;
    const due = performance.now() + SILENT_MS;
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (performance.now() > due + LATE_MS) this.#wait();
      else if (this.#fed.size === 0 && !this.#renewed) this.#renew();
      else this.#fail();
    }, SILENT_MS);
  }

  #broken(error) {
    // Browsers take decoders back that have stood idle for long, as in a tab behind others.
    if (error?.name === 'QuotaExceededError' && !this.#renewed) this.#renew();
    else this.#fail();
  }

  #renew() {
    this.#renewed = true;
    this.reset();
    this.#on.renew();
  }

  #fail() {
    this.#over = true;
    this.reset();
    this.#on.failed();
  }
}
