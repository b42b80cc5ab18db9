// Words and numbers in the language of the page. A call names a phrase of languages/en.json, as in
// phrase("common.reset"); language.py puts the phrase itself in the place of its key, so that a script
// holds the phrases of one language, and no others. Here a `key` is therefore the phrase.

/** @import { PhraseKey, PluralKey, TableKey, TableOf } from "./types" */

/** @typedef {Record<string, string | number>} Values by the names of their places */

/**
 * @param {string} text
 * @param {Values} values
 */
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));

/**
 * A phrase with values in the places that bear their names.
 *
 * @param {PhraseKey} key
 * @param {Values} [values]
 */
export const phrase = (key, values = {}) => filled(key, values);

/**
 * Phrases that belong together, by their names.
 *
 * @template {TableKey} Key
 * @param {Key} key
 */
export const phrases = (key) => /** @type {TableOf<Key>} */ (/** @type {unknown} */ (key));

/** The names of both ways to generate: without a cache, and with one. */
export const bothWays = () => Object.values(phrases("common.ways"));

const LOCALE = phrase("numbers.locale");
const RULES = new Intl.PluralRules(LOCALE);
const GROUPED = new Intl.NumberFormat(LOCALE);
const SHORT = new Intl.NumberFormat(LOCALE, { maximumSignificantDigits: 3 });
/** What stands before decimals. */
export const POINT = phrase("numbers.signs")[1];
const GROUPS = ["", ...Object.values(phrases("numbers.groups"))];
const BYTES = Object.values(phrases("numbers.bytes"));

/** A count, with all its digits. */
export const exact = (/** @type {number | bigint} */ count) => GROUPED.format(count);

const TICKS = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 6 });

/** A number of an axis. */
export const tickText = (/** @type {number} */ value) => TICKS.format(value);

/** Three digits, but no zero that says nothing. */
export const decimals = (/** @type {number} */ value) => SHORT.format(value);

/**
 * A number with so many digits behind the point, and nothing between its thousands.
 *
 * @param {number} value
 * @param {number} digits
 */
export const fixed = (value, digits) => value.toFixed(digits).replace(".", POINT);

/**
 * The form of a phrase that a count takes; the count stands where the phrase has {n}.
 *
 * @param {PluralKey} key
 * @param {number | bigint} count
 * @param {Values} [values]
 */
export function plural(key, count, values = {}) {
  const forms = /** @type {Record<string, string>} */ (/** @type {unknown} */ (key));
  const form = forms[RULES.select(Number(count))] ?? forms.other;
  return filled(form, { n: exact(count), ...values });
}

/**
 * A count in three digits and a word: 1.23 billion.
 *
 * @param {number | bigint} count
 */
export function rounded(count) {
  const value = Number(count);
  if (value < 10_000) return decimals(value);
  const group = Math.min(Math.floor(Math.log10(value) / 3), GROUPS.length - 1);
  return filled(GROUPS[group], { n: decimals(value / 1000 ** group) });
}

/**
 * Memory, in units of 1,024.
 *
 * @param {number | bigint} numBytes
 */
export function memory(numBytes) {
  const value = Number(numBytes);
  const index = value < 1024 ? 0 : Math.floor(Math.log2(value) / 10);
  const unit = Math.min(index, BYTES.length - 1);
  return filled(BYTES[unit], { n: decimals(value / 1024 ** unit) });
}

/**
 * A ratio: 36.6 times.
 *
 * @param {number} ratio
 */
export function times(ratio) {
  const digits = ratio < 1000 ? 1 : 0;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return phrase("numbers.times", { n: ratio.toLocaleString(LOCALE, options) });
}

/** Milliseconds as text, in seconds where those are one or more. */
export const duration = (/** @type {number} */ ms) =>
  ms < 1000
    ? phrase("numbers.ms", { n: fixed(ms, 0) })
    : phrase("numbers.seconds", { n: fixed(ms / 1000, 1) });
