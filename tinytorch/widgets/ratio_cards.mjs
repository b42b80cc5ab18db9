import { h } from "./common.mjs";

/**
 * Ratios as large numbers, of which one is chosen. `names` maps a key to what is counted; `show`
 * writes {ratio, without, withCache} into a card.
 */
export function ratioCards(names, onchange) {
  const group = `tt-${Math.random().toString(36).slice(2)}`;
  const cards = {};
  const labels = Object.entries(names).map(([key, name]) => {
    const input = h("input", { type: "radio", name: group, value: key });
    input.addEventListener("change", () => onchange(key));
    const [ratio, from] = [h("strong"), h("span", { class: "tt-from" })];
    cards[key] = { input, ratio, from };
    const head = h("span", { class: "tt-counted" }, input, h("span", {}, name));
    return h("label", { class: "tt-card" }, head, ratio, from);
  });
  const legend = h("legend", {}, "Times fewer with a cache");
  const field = h("fieldset", { class: "tt-cards" }, legend, ...labels);
  return {
    field,
    check: (key) => (cards[key].input.checked = true),
    show(key, { ratio, without, withCache }) {
      cards[key].ratio.textContent = ratio;
      cards[key].from.textContent = `${without} → ${withCache}`;
    },
  };
}
