/** Ink: lines, dots and marks on a canvas. */

/** A line that is broken where a value is missing. */
export function line(pen, xs, ys) {
  pen.beginPath();
  let drawing = false;
  for (let i = 0; i < xs.length; i += 1) {
    if (!Number.isFinite(ys[i])) drawing = false;
    else if (drawing) pen.lineTo(xs[i], ys[i]);
    else {
      pen.moveTo(xs[i], ys[i]);
      drawing = true;
    }
  }
  pen.stroke();
}

export function dot(pen, x, y, radius) {
  if (!Number.isFinite(y)) return;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

/** The path of a mark: a dot, or for `way` 1 (or −1) a triangle that points up (or down). */
export function markPath(pen, x, y, radius, way = 0) {
  pen.beginPath();
  if (way === 0) pen.arc(x, y, radius, 0, 2 * Math.PI);
  else {
    const [half, tip] = [radius * 1.25, radius * 1.35];
    pen.moveTo(x, y - way * tip);
    pen.lineTo(x + half, y + way * radius * 0.85);
    pen.lineTo(x - half, y + way * radius * 0.85);
    pen.closePath();
  }
}
