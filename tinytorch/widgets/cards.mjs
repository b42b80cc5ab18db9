import { h, write } from "./common.mjs";

/** @typedef {{ input: HTMLInputElement, large: Element, small: Element }} Card */

/**
 * Large numbers of which one is chosen. `names` maps a key to what is counted; `show` writes a
 * number and a line below it into a card.
 *
 * @template {string} Key
 * @param {string} title
 * @param {Record<Key, string>} names
 * @param {(key: Key) => void} onchange
 */
export function cards(title, names, onchange) {
  const group = `tt-${Math.random().toString(36).slice(2)}`;
  const all = /** @type {Record<Key, Card>} */ ({});
  const entries = /** @type {[Key, string][]} */ (Object.entries(names));
  const labels = entries.map(([key, name]) => {
    const input = h("input", { type: "radio", name: group, value: key });
    input.addEventListener("change", () => onchange(key));
    const [large, small] = [h("strong"), h("span", { class: "tt-from" })];
    all[key] = { input, large, small };
    const head = h("span", { class: "tt-counted" }, input, h("span", {}, name));
    return h("label", { class: "tt-card" }, head, large, small);
  });
  const legend = h("legend", {}, title);
  const field = h("fieldset", { class: "tt-cards" }, legend, ...labels);
  return {
    field,
    check(/** @type {Key} */ key) {
      all[key].input.checked = true;
    },
    show(/** @type {Key} */ key, /** @type {string} */ large, /** @type {string} */ small) {
      write(all[key].large, large);
      write(all[key].small, small);
    },
  };
}
