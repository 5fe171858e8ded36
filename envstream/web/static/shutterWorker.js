/** The shutter's worker: compresses pictures beside the page, whose thread has enough to do. */

const canvas = new OffscreenCanvas(1, 1);
const pen = canvas.getContext('2d', { alpha: false, willReadFrequently: true });

self.onmessage = async ({ data: { id, still, width, height, quality } }) => {
  try {
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    pen.drawImage(still, 0, 0, width, height);
    still.close();
    const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality }); // Of what is on the canvas now.
    const data = await blob.arrayBuffer();
    self.postMessage({ id, data }, [data]);
  } catch {
    self.postMessage({ id, data: null });
  }
};
