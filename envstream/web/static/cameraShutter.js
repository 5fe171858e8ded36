/** Shutter: makes a JPEG of what the camera shows now; one at a time. */

const most = (value, least) => Math.max(least, Math.round(value));

/** The size of a picture at a share of its size: whole and even numbers. Pure. */
export function scaled({ width, height }, share) {
  const even = (value) => most((value * share) / 2, 8) * 2;
  return share === 1 ? { width, height } : { width: even(width), height: even(height) };
}

function canvasOf() {
  if ('OffscreenCanvas' in globalThis && 'convertToBlob' in OffscreenCanvas.prototype) return new OffscreenCanvas(1, 1);
  return document.createElement('canvas');
}

function compressed(canvas, quality) {
  if ('convertToBlob' in canvas) return canvas.convertToBlob({ type: 'image/jpeg', quality });
  return new Promise((resolve) => {
    canvas.toBlob(resolve, 'image/jpeg', quality);
  });
}

export class Shutter {
  /** Whether one is being made. */
  busy = false;

  #canvas = canvasOf();
  #pen = this.#canvas.getContext('2d', { alpha: false });

  /** A picture {blob, width, height, ms} of a <video>; null where there is none yet. */
  async take(video, share, quality) {
    const source = { width: video.videoWidth, height: video.videoHeight };
    if (!source.width) return null;
    this.busy = true;
    const began = performance.now();
    try {
      const { width, height } = scaled(source, share);
      const canvas = this.#canvas;
      if (canvas.width !== width) canvas.width = width;
      if (canvas.height !== height) canvas.height = height;
      this.#pen.drawImage(video, 0, 0, width, height);
      const blob = await compressed(canvas, quality);
      return blob && { blob, width, height, ms: performance.now() - began };
    } finally {
      this.busy = false;
    }
  }
}
