/** Query: what a person types to find streams: "3", "0-7", "rank:0-3 pole", "run:abc env:CartPole host:n1". Pure. */

import { kindOf } from './names.js';

const NUMBERS = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;
const has = (text, part) => String(text ?? '').toLowerCase().includes(part);

/** Whether a number lies in one of the ranges of "0-3,7"; null where the text is none of numbers. */
function within(text) {
  if (!NUMBERS.test(text)) return null;
  const ranges = text.split(',').map((one) => one.split('-').map(Number));
  return (number) => ranges.some(([from, to = from]) => from <= number && number <= to);
}

/** A whole number, or a part of some text. */
function numberOr(text, number, other) {
  const inside = within(text);
  return inside === null ? other : (status) => (number(status) == null ? other(status) : inside(number(status)));
}

/** A word without a field: part of what the stream or its process is called; a number is that of an env, or else a rank. */
function plain(text) {
  const named = ({ name, title, run, host }) => [name, title, run, host].some((one) => has(one, text));
  return numberOr(text, ({ env, rank }) => env ?? rank, named);
}

const FIELDS = {
  run: (text) => (status) => has(status.run, text),
  host: (text) => (status) => has(status.host, text),
  rank: (text) => numberOr(text, ({ rank }) => rank, () => false),
  env: (text) => numberOr(text, ({ env }) => env, (status) => has(kindOf(status), text)),
};

/** One word as a condition; null where it is not written to its end, as "rank:". */
function condition(word) {
  const [, field, text] = /^(run|rank|env|host):(.*)$/.exec(word) ?? [];
  if (field === undefined) return plain(word);
  return text === '' ? null : FIELDS[field](text);
}

/** The words of a query; all numbers, as in "1, 4, 8-11", are one word: any of them. */
function wordsOf(query) {
  const text = query
    .toLowerCase()
    .replace(/\b(run|rank|env|host):\s+/g, '$1:')
    .replace(/(\d)\s*[-–]\s*(?=\d)/g, '$1-')
    .replace(/\s*,\s*/g, ',');
  const words = text.split(/\s+/).map((word) => word.replace(/^,+|,+$/g, ''));
  const numbers = words.filter((word) => NUMBERS.test(word)).join(',');
  return [...words.filter((word) => !NUMBERS.test(word)), numbers].filter(Boolean);
}

/** Whether a status is what `query` asks for: all of its words. */
export function finder(query) {
  const all = wordsOf(query)
    .map(condition)
    .filter((one) => one !== null);
  return (status) => all.every((one) => one(status));
}
