"""The script in the page: Playwright's own engine for selectors, and what is asked of elements.

With it a role, a label, a visible element or an expected text mean the same in all three browsers.
"""

import functools
import re
from pathlib import Path

import playwright

from tests.browser.drivers.webkit.said import WATCH

BUNDLE = Path(playwright.__file__).parent / "driver" / "package" / "lib" / "coreBundle.js"
ENGINE = re.compile(
    r'generated/injectedScriptSource\.ts"\(\) \{\s*"use strict";\s*\w+ = (\'.*\');\n'
)

VERBS = """
const ABSENT = "absent";
const all = (selector) =>
  engine.querySelectorAll(engine.parseSelector(selector || ":root"), document);

function one(selector) {
  const found = all(selector);
  if (found.length > 1) throw new Error(`${found.length} elements for ${selector}`);
  if (!found.length) throw ABSENT;
  return found[0];
}

const run = (expression, ...given) => {
  const value = (0, eval)(expression);
  return typeof value === "function" ? value(...given) : value;
};

const boxOf = ({ x, y, width, height }) => ({ x, y, width, height });

/** The pixels around a point, the nearest first: WebDriver's pointer moves by whole pixels. */
const pixels = ({ x, y }) => {
  const around = (value) => [...new Set([Math.round(value), Math.floor(value), Math.ceil(value)])];
  return around(y).flatMap((y) => around(x).map((x) => ({ x, y })));
};

/** Where a pointer meets an element; null as long as it would meet another one. */
function meeting(element, position, force) {
  const box = [...element.getClientRects()].find(({ width, height }) => width && height);
  if (!box) return null;
  const { borderLeftWidth, borderTopWidth } = getComputedStyle(element);
  const point = position
    ? { x: box.x + parseFloat(borderLeftWidth) + position.x,
        y: box.y + parseFloat(borderTopWidth) + position.y }
    : { x: (Math.max(box.left, 0) + Math.min(box.right, innerWidth)) / 2,
        y: (Math.max(box.top, 0) + Math.min(box.bottom, innerHeight)) / 2 };
  const inside = point.x >= 0 && point.y >= 0 && point.x < innerWidth && point.y < innerHeight;
  if (!inside) return null;
  const target = engine.retarget(element, "button-link") ?? element;
  const met = pixels(point).find((pixel) => engine.expectHitTarget(pixel, target) === "done");
  return met ?? (force ? pixels(point)[0] : null);
}

const states = (element, names) => engine.checkElementStates(element, names, true);

const verbs = {
  evaluate: run,
  evaluateOn: (selector, expression, arg) => run(expression, one(selector), arg),
  evaluateAll: (selector, expression, arg) => run(expression, all(selector), arg),
  count: (selector) => all(selector).length,
  box: (selector) => {
    const element = one(selector);
    return element.getClientRects().length ? boxOf(element.getBoundingClientRect()) : null;
  },
  isVisible: (selector) =>
    all(selector).length > 0 && engine.elementState(one(selector), "visible", true).matches,
  isChecked: (selector) => engine.elementState(one(selector), "checked").matches,
  value: (selector) => engine.retarget(one(selector), "follow-label").value,
  focus: (selector, fromStart) => engine.focusNode(one(selector), fromStart),
  blur: (selector) => engine.blurNode(one(selector)),
  dispatch: (selector, type, init) => engine.dispatchEvent(one(selector), type, init ?? {}),
  scroll: (selector) => {
    one(selector).scrollIntoViewIfNeeded(true);
  },

  /** Where to press; a reason to wait instead, where it cannot be pressed yet. */
  async point(selector, position, force, needs) {
    const element = one(selector);
    const missing = force ? null : await states(element, needs);
    if (missing) return { waits: JSON.stringify(missing) };
    const scrolls = [
      () => element.scrollIntoViewIfNeeded(true),
      ...["end", "center", "start"].map((at) => () =>
        element.scrollIntoView({ block: at, inline: at, behavior: "instant" })),
    ];
    for (const scroll of scrolls) {
      scroll();
      const point = meeting(element, position, force);
      if (point) return point;
    }
    return { waits: "another element lies over it" };
  },

  async select(selector, option) {
    const element = one(selector);
    const missing = await states(element, ["visible", "enabled"]);
    if (missing) return { waits: JSON.stringify(missing) };
    const chosen = engine.selectOptions(element, [{ valueOrLabel: option }]);
    return Array.isArray(chosen) ? chosen : { waits: chosen };
  },

  async fill(selector, value) {
    const element = one(selector);
    const missing = await states(element, ["visible", "enabled", "editable"]);
    if (missing) return { waits: JSON.stringify(missing) };
    if (engine.fill(element, value) === "needsinput") {
      document.execCommand(value ? "insertText" : "delete", false, value);
    }
    return null;
  },

  /** Whether something can be said of an element, as `expect` of Playwright says it. */
  async expect(selector, options) {
    const { expression, isNot } = options;
    const found = all(selector);
    if (expression === "to.have.count") return engine.expectArray(found, options);
    if (found.length > 1) throw new Error(`${found.length} elements for ${selector}`);
    if (found.length) return engine.expectSingleElement(found[0], options, true);
    const isMet = { "to.be.hidden": true, "to.be.visible": false };
    return { matches: isMet[expression] ?? isNot, received: ABSENT };
  },
};
"""

INSTALL = """
window.tinytorchDriver = (() => {
  const module = {};
  const source = ENGINE;
  const given = { isUnderTest: false, sdkLanguage: "python", frameSeq: 0, stableRafCount: 2,
    testIdAttributeName: "data-testid", browserName: "webkit", customEngines: [] };
  const getClass = new Function(
    "module", source + "\\n; return module.exports.InjectedScript;");
  const engine = new (getClass(module)())(window, given);
  VERBS
  const element = one;
  return { verbs, element, ABSENT };
})();
"""

CALL = """
const [verb, given, done] = arguments;
const driver = window.tinytorchDriver;
if (!driver || !document.documentElement) {
  done({ missing: true });
} else {
  const tell = (answer) => done({ ...answer, said: window.tinytorchSaid.splice(0) });
  Promise.resolve()
    .then(() => driver.verbs[verb](...given))
    .then((value) => tell({ value: JSON.stringify(value) ?? "null" }))
    .catch((error) => tell(error === driver.ABSENT ? { absent: true }
      : { error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }));
}
"""

ELEMENT = "return window.tinytorchDriver.element(arguments[0]);"


@functools.cache
def install_script() -> str:
    """Return the script that a page needs before it is asked anything."""
    found = ENGINE.search(BUNDLE.read_text(encoding="utf-8"))
    if found is None:
        raise RuntimeError(
            f"{BUNDLE} holds no injectedScriptSource.ts: Playwright has changed; "
            "install the version of constraints.txt, or mend tests/browser/drivers/webkit"
        )
    return WATCH + INSTALL.replace("VERBS", VERBS).replace("ENGINE", found[1], 1)
