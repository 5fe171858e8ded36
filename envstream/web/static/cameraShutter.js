/** Shutter: makes JPEGs of what the camera sees, in a worker where the browser lets it, else in the page. */

const MOST = 2; // At once: the next one is taken while one is waiting for a core.

const most = (value, least) => Math.max(least, Math.round(value));

/** The size of a picture at a share of its size: whole and even numbers. Pure. */
export function scaled({ width, height }, share) {
  const even = (value) => most((value * share) / 2, 8) * 2;
  return share === 1 ? { width, height } : { width: even(width), height: even(height) };
}

const sizeOf = (still) => ({ width: still.displayWidth ?? still.width, height: still.displayHeight ?? still.height });

/** Compresses in the page itself. */
class Inside {
  #canvas = document.createElement('canvas');
  #pen = this.#canvas.getContext('2d', { alpha: false, willReadFrequently: true });

  async make({ still, width, height, quality }) {
    const canvas = this.#canvas;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    this.#pen.drawImage(still, 0, 0, width, height);
    still.close();
    const blob = await new Promise((resolve) => {
      canvas.toBlob(resolve, 'image/jpeg', quality);
    });
    return blob?.arrayBuffer() ?? null;
  }
}

/** Compresses in a worker. */
class Beside {
  #worker = new Worker(new URL('shutterWorker.js', import.meta.url));
  #waiting = new Map(); // number → what its picture is given to
  #count = 0;

  /** `failed` is called when there is no such worker after all. */
  constructor(failed) {
    this.#worker.onmessage = ({ data: { id, data } }) => this.#give(id, data);
    this.#worker.onerror = () => {
      failed();
      for (const id of [...this.#waiting.keys()]) this.#give(id, null);
    };
  }

  make(order) {
    const id = (this.#count += 1);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, ...order }, [order.still]);
    });
  }

  #give(id, data) {
    this.#waiting.get(id)?.(data);
    this.#waiting.delete(id);
  }
}

const beside = () => 'Worker' in globalThis && 'OffscreenCanvas' in globalThis && 'convertToBlob' in OffscreenCanvas.prototype;

export class Shutter {
  #under = 0;
  #maker = beside() ? new Beside(() => (this.#maker = new Inside())) : new Inside();

  /** Whether as many are being made as may be at once. */
  get busy() {
    return this.#under >= MOST;
  }

  /** A picture {data, width, height, ms} of a VideoFrame or an ImageBitmap, which is let go of; null where it cannot be made. */
  async take(image, share, quality) {
    const began = performance.now();
    this.#under += 1;
    try {
      const still = await image;
      const { width, height } = scaled(sizeOf(still), share);
      const data = await this.#maker.make({ still, width, height, quality });
      return data && { data, width, height, ms: performance.now() - began };
    } catch {
      return null; // The camera has just gone.
    } finally {
      this.#under -= 1;
    }
  }
}
