// What <tt-figure> fetches, and what is wrong with it, in sentences for whoever wrote the page.

import { CASTS } from "./site.mjs";

/** Why a figure cannot be shown. */
export class EmbedError extends Error {}

/**
 * @typedef {object} Release What one version of the script belongs to; embed.py writes it.
 * @property {string} version
 * @property {Record<string, string>} files The integrity of each file beside the script.
 */

/** @import { Site } from "./types" */

/** @typedef {Record<string, unknown> & { first_view: Record<string, unknown> }} Values of a figure */

/**
 * Ask for a file without cookies, and without saying which page asks.
 *
 * @param {URL} url
 * @param {RequestInit & { signal: AbortSignal }} options
 */
async function ask(url, options) {
  try {
    return await fetch(url, { credentials: "omit", referrerPolicy: "no-referrer", ...options });
  } catch {
    options.signal.throwIfAborted();
    return null;
  }
}

/**
 * Fetch a text, and say whether it is the one of the release. A browser that refuses a file for its
 * integrity does not say so: the file is asked for again, to tell what is wrong with it.
 * @param {URL} url
 * @param {string | undefined} integrity
 * @param {AbortSignal} signal
 */
async function fetchText(url, integrity, signal) {
  const whole = await ask(url, integrity ? { integrity, signal } : { signal });
  const response = whole ?? (integrity ? await ask(url, { signal }) : null);
  if (!response) {
    throw new EmbedError(
      `${url} could not be read. Expected is a file that this page may fetch: its host must send ` +
        "Access-Control-Allow-Origin, and a policy of this page must allow it in connect-src.",
    );
  }
  if (!response.ok) {
    throw new EmbedError(
      `${url} is not there (status ${response.status}). Expected is a file of the script's folder, or your own.`,
    );
  }
  return { text: await response.text(), isWhole: whole !== null };
}

/**
 * A value, or null where a text is no JSON.
 *
 * @param {string} text
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Fetch what a figure shows.
 * @param {URL} url
 * @param {string} name The figure.
 * @param {Release} release
 * @param {AbortSignal} signal
 * @returns {Promise<Values>}
 */
export async function fetchValues(url, name, release, signal) {
  const { text, isWhole } = await fetchText(url, integrityOf(url, release), signal);
  const record = parsed(text);
  if (!record?.values?.first_view) {
    throw new EmbedError(`${url} holds no figure. Expected is JSON with version, name and values.`);
  }
  if (record.version !== release.version) {
    throw new EmbedError(
      `${url} is of version ${record.version}. Expected is ${release.version}, the version of the ` +
        "script: take both from one folder.",
    );
  }
  if (record.name !== name) {
    throw new EmbedError(`${url} holds a figure called ${record.name}. Expected is ${name}.`);
  }
  if (!isWhole) throw new EmbedError(changed(url, release));
  return record.values;
}

/** @type {Map<string, Promise<CSSStyleSheet>>} */
const sheets = new Map();

/**
 * The style of all figures, fetched once a page.
 * @param {URL} url
 * @param {Release} release
 * @returns {Promise<CSSStyleSheet>}
 */
export function fetchStyle(url, release) {
  const known = sheets.get(url.href);
  if (known) return known;
  const { signal } = new AbortController(); // a figure that leaves does not take it from others
  const sheet = fetchText(url, integrityOf(url, release), signal).then(({ text, isWhole }) => {
    if (!isWhole) throw new EmbedError(changed(url, release));
    return new CSSStyleSheet().replace(text);
  });
  sheets.set(url.href, sheet);
  sheet.catch(() => sheets.delete(url.href));
  return sheet;
}

const nameOf = (/** @type {URL} */ url) => url.pathname.split("/").at(-1) ?? "";

/**
 * @param {URL} url
 * @param {Release} release
 * @returns {string | undefined}
 */
const integrityOf = (url, { files }) => files[nameOf(url)];

/**
 * @param {URL} url
 * @param {Release} release
 */
const changed = (url, { version }) =>
  `${url} is not the file of version ${version}: it was changed since. Expected is a copy of the whole folder.`;

/**
 * What a view needs to offer the model, from the address of its manifest, if there is one.
 * @param {string | null} address
 * @param {AbortSignal} signal
 * @returns {Promise<Site>}
 */
export async function fetchSite(address, signal) {
  /** @type {Site} */
  const site = { engine: null, modelBytes: null, from: "", built: "figure" };
  if (address === null) return site;
  const url = addressOf("model", address);
  const manifest = parsed((await fetchText(url, undefined, signal)).text);
  if (!(manifest?.size > 0)) {
    throw new EmbedError(
      `model: ${url} is no manifest of a model. Expected is the address of _static/model/manifest.json ` +
        "on a website of this chapter.",
    );
  }
  const engine = new URL("../browser/engine.js", url).href;
  return { ...site, engine, modelBytes: manifest.size, from: url.host };
}

/**
 * The address that an attribute holds.
 * @param {string} attribute
 * @param {string} text
 * @param {string | URL} base
 */
export function addressOf(attribute, text, base = document.baseURI) {
  try {
    return new URL(text, base);
  } catch {
    throw new EmbedError(`${attribute}: “${text}” is no address. Expected is https://…`);
  }
}

/**
 * The values of a view that is written as in a link: step=12&speed=5.
 * @param {Record<string, unknown>} first The first view of the figure.
 * @param {string} text
 */
export function readView(first, text) {
  /** @type {Record<string, unknown>} */
  const view = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const type = typeof first[key];
    if (!Object.hasOwn(first, key)) {
      const known = Object.keys(first).join(", ");
      throw new EmbedError(`view: there is no “${key}”. Expected are ${known}.`);
    }
    view[key] = CASTS[type](value);
    if (Number.isNaN(view[key]) || (type === "boolean" && !/^(true|false)$/.test(value))) {
      const expected = type === "boolean" ? "true or false" : "a number";
      throw new EmbedError(`view: ${key} is “${value}”. Expected is ${expected}.`);
    }
  }
  return view;
}
