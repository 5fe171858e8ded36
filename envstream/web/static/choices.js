/** Choices: the qualities that a person can choose between, for this page and for everybody. Pure. */

const PRESETS = ['low', 'medium', 'high', 'ultra'];
const LOSSLESS = ['webp', 'png'];

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const named = (quality) => (typeof quality === 'string' ? capital(quality) : String(quality));

/** A quality for one viewer from text: a JPEG quality or the name of a preset; null for anything else. */
export function chosenQuality(text) {
  if (PRESETS.includes(text)) return text;
  return /^[1-9]\d?$|^100$/.test(text ?? '') ? Number(text) : null;
}

/** The quality that is sent now, in a word; '' when not known. */
export function sentQuality(rung, status) {
  if (LOSSLESS.includes(rung?.codec)) return 'lossless';
  return named(rung?.quality ?? status?.best ?? status?.quality ?? '');
}

function mineOf({ status, mine }) {
  const best = status.best ?? null;
  const numbers = [best, ...(status.levels ?? []), typeof mine === 'number' ? mine : null];
  const all = [...new Set(numbers.filter((one) => one !== null))].sort((a, b) => b - a);
  const options = all.map((one) => [`me:${one}`, one === best ? `${one} · best` : `${one}`]);
  return typeof mine === 'string' ? [...options, [`me:${mine}`, named(mine)]] : options;
}

/**
 * The groups of the list: [{label, options: [[value, text], …]}, …]; the first one has no label.
 * @param {object} at `status` of the stream, `rung` (what this viewer is sent) and `mine` (the quality that was
 *   chosen for this page, null = as the link allows), `steers`: whether one may choose for everybody
 */
export function choices({ status, rung, mine, steers = true }) {
  const sent = mine === null ? sentQuality(rung, status) : '';
  const names = (status.qualities ?? []).map(String);
  const now = String(status.quality ?? '');
  const everyone = (steers ? names : []).map((one) => [`all:${one}`, one === now ? `${named(one)} · now` : named(one)]);
  return [
    { label: '', options: [['auto', sent ? `Auto · ${sent}` : 'Auto']] },
    { label: 'For me', options: mineOf({ status, mine }) },
    { label: now && !names.includes(now) ? `For everyone · now ${now}` : 'For everyone', options: everyone },
  ].filter(({ options }) => options.length > 0);
}
