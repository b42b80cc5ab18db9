"use strict";
// Starts reveal.js, fits the live figures into their slides, and lets keys leave a figure.

Reveal.initialize({
  width: 1280,
  height: 720,
  margin: 0,
  center: false,
  hash: true,
  transition: "none",
  slideNumber: "c/t",
  controls: false,
  pdfMaxPagesPerSlide: 1,
  plugins: [RevealNotes],
});

/**
 * Make a figure of this size as large as its place allows.
 * @param {HTMLIFrameElement} frame
 * @param {{ width: number, height: number }} size
 */
function fit(frame, { width, height }) {
  const { clientWidth, clientHeight } = /** @type {HTMLElement} */ (frame.parentElement);
  const scale = Math.min(clientWidth / width, clientHeight / height);
  const left = (clientWidth - width * scale) / 2;
  Object.assign(frame.style, {
    width: `${width}px`,
    height: `${clientHeight / scale}px`,
    transform: `translateX(${left}px) scale(${scale})`,
  });
}

/**
 * What keys do that a figure has no use for; a presenter's remote sends the first two.
 *
 * @type {Record<string, () => void>}
 */
const KEYS = { PageDown: () => Reveal.next(), PageUp: () => Reveal.prev(), Escape: () => {} };

addEventListener("message", ({ source, data }) => {
  const frames = [...document.querySelectorAll("iframe")];
  const frame = frames.find(({ contentWindow }) => contentWindow === source);
  if (!frame) return;
  if (data.size) fit(frame, data.size);
  if (Object.hasOwn(KEYS, data.key)) {
    frame.blur();
    focus();
    KEYS[data.key]?.();
  }
});
