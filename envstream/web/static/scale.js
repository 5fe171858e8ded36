/** Scale: the arithmetic of a chart: limits, nice ticks, a running mean. Pure. */

/** A step of 1, 2, 5 × 10ⁿ that gives about `count` of them over `span`. */
export function niceStep(span, count) {
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  const nice = lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10;
  return nice * power;
}

/** Nice numbers within [low, high]. */
export function ticks(low, high, count, whole = false) {
  if (!(high > low)) return [low];
  const step = whole ? Math.max(1, niceStep(high - low, count)) : niceStep(high - low, count);
  const found = [];
  // By index, because adding the step up collects rounding errors.
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i += 1) {
    found.push(+(i * step).toPrecision(12));
  }
  return found;
}

/** [low, high] around the finite values, with air; never empty. */
export function limits(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  const air = high > low ? (high - low) * 0.06 : Math.max(1, Math.abs(high) * 0.1);
  return [low - air, high + air];
}

/** How many episodes the mean runs over: a tenth of them, 5 … 50. */
export function meanWindow(count) {
  return Math.min(50, Math.max(5, Math.round(count / 10)));
}

/** Mean of the finite ones among the last `width` values at each place; null where there is none. */
export function runningMean(values, width) {
  const means = [];
  let sum = 0;
  let kept = 0;
  for (let i = 0; i < values.length; i += 1) {
    if (Number.isFinite(values[i])) [sum, kept] = [sum + values[i], kept + 1];
    const left = values[i - width];
    if (Number.isFinite(left)) [sum, kept] = [sum - left, kept - 1];
    means.push(kept > 0 ? sum / kept : null);
  }
  return means;
}

/** What the chart says in two numbers: the running mean at its end and the best; null where there is none. */
export function summary(values) {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0) return { mean: null, best: null };
  const means = runningMean(values, meanWindow(values.length));
  return { mean: means[means.length - 1], best: finite.reduce((best, one) => Math.max(best, one)) };
}

/** Index of the x nearest to `x`; -1 for none. */
export function nearest(xs, x) {
  let best = -1;
  for (let i = 0; i < xs.length; i += 1) {
    if (best < 0 || Math.abs(xs[i] - x) < Math.abs(xs[best] - x)) best = i;
  }
  return best;
}
