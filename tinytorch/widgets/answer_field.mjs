// A field that checks a number: right, a factor that has a name, or how far off.
import { button, h, mount } from "./common.mjs";
import { decimals, exact, POINT, phrase, phrases, times } from "./language.mjs";

/** @import { ViewContext } from "./types" */

/**
 * @typedef {object} Question
 * @property {number} answer
 * @property {string} unit
 * @property {number} tolerance a share of the answer
 * @property {Record<string, string>} hints by the factor that a wrong answer is of the right one
 */

const CLOSE = 0.005;

/**
 * Factors that a wrong answer often is of the right one, and what each suggests.
 *
 * @type {[factor: number, text: string][]}
 */
const FACTORS = Object.entries(phrases("answer.factors")).map(([factor, text]) => [
  parse(factor),
  text,
]);

const NAMED = phrases("answer.units");
/** @type {[factor: number, text: string][]} */
const UNITS = [
  [2 ** 20 / 1e6, NAMED.MiB],
  [2 ** 30 / 1e9, NAMED.GiB],
  [2 ** 10 / 1e3, NAMED.KiB],
];

/**
 * The number that was typed, or NaN: commas between thousands, a unit behind it, or a fraction. Where
 * a comma stands before decimals, a point before three digits stands between thousands.
 *
 * @param {string} text
 * @param {string} [unit] of the answer
 */
export function parse(text, unit = "") {
  const bare = text.replace(/[\s_]/g, "");
  const typed =
    POINT === "."
      ? bare.replaceAll(",", "")
      : bare.replace(/\.(?=\d{3}(?!\d))/g, "").replace(",", ".");
  const fraction = typed.match(/^([\d.]+)\/([\d.]+)$/);
  if (fraction) return Number(fraction[1]) / Number(fraction[2]);
  const plain = typed.replace(/(%|x|×|[a-z]+)$/i, "");
  if (plain === "") return Number.NaN;
  return typed.endsWith("%") && unit !== "%" ? Number(plain) / 100 : Number(plain);
}

/**
 * Say whether a number is the answer, and how far off it is.
 *
 * @param {number} typed
 * @param {Question} question
 */
export function judge(typed, { answer, unit, tolerance, hints }) {
  if (!Number.isFinite(typed)) {
    return { right: false, text: phrase("answer.no_number") };
  }
  const ratio = typed / answer;
  /** @type {[number, string][]} */
  const own = Object.entries(hints).map(([factor, text]) => [Number(factor), text]);
  const off = (/** @type {number} */ factor) => Math.abs(ratio / factor - 1);
  const near = (/** @type {[number, string]} */ [factor]) => off(factor) <= CLOSE;
  const mistake = own.find((hint) => near(hint) && off(hint[0]) < off(1));
  if (mistake) return { right: false, text: mistake[1] };
  const shown = Number.isInteger(answer) ? exact(answer) : decimals(answer);
  if (off(1) <= Math.max(tolerance, 1e-12)) {
    const text = unit
      ? phrase("answer.right_unit", { answer: shown, unit })
      : phrase("answer.right", { answer: shown });
    return { right: true, text };
  }
  if (ratio <= 0) return { right: false, text: phrase("answer.sign") };
  const binary = /\b[KMG]iB\b/.test(unit) ? UNITS : [];
  const named = [...binary, ...FACTORS].find(near);
  return { right: false, text: named ? named[1] : distance(ratio) };
}

/** @param {number} ratio */
function distance(ratio) {
  if (ratio >= 1.5) return phrase("answer.too_large", { ratio: times(ratio) });
  if (ratio <= 1 / 1.5) return phrase("answer.too_small", { ratio: times(1 / ratio) });
  const percent = decimals(Math.abs(ratio - 1) * 100);
  return ratio > 1
    ? phrase("answer.close_above", { percent })
    : phrase("answer.close_below", { percent });
}

/** @param {ViewContext<Question & { label: string }>} context */
export function render({ model, el }) {
  const label = model.get("label");
  const root = mount(el, phrase("answer.title", { label }));
  root.classList.add("tt-answer");
  const input = h("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
  const verdict = h("p", { role: "status" });
  const check = () => {
    const [answer, unit] = [model.get("answer"), model.get("unit")];
    const [tolerance, hints] = [model.get("tolerance"), model.get("hints")];
    const { right, text } = judge(parse(input.value, unit), { answer, unit, tolerance, hints });
    verdict.textContent = text;
    verdict.classList.toggle("tt-right", right);
    input.setAttribute("aria-invalid", String(!right));
  };
  input.addEventListener("keydown", ({ key }) => key === "Enter" && check());
  root.append(
    h("label", {}, h("span", {}, label), input),
    h("span", {}, model.get("unit")),
    button(phrase("answer.check"), check),
    verdict,
  );
}
