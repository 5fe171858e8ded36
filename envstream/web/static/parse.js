/** Parse: what the server writes. Pure. */

/** JSON, also when Python wrote NaN: a run that diverged is the one that is looked at. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(/([:,[]\s*)(?:NaN|-?Infinity)\b/g, '$1null'));
    } catch {
      return null;
    }
  }
}
