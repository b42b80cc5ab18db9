// Moving on by itself: at an even speed, or by the clock of a recorded run.

const SEEN_MS = 800;
const OWN_KEYS = "select, summary, .tt-link, [type=number], [type=radio]";

/**
 * Call `advance`, which returns when to call it again, but not where nobody sees it.
 *
 * @param {object} options
 * @param {Element} options.root
 * @param {() => number | null} options.advance milliseconds, or null at the end
 * @param {(playing: boolean) => void} options.onState
 * @param {AbortSignal} [options.signal]
 */
export function playback({ root, advance, onState, signal }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const playing = () => timer !== undefined;
  function pause() {
    clearTimeout(timer);
    timer = undefined;
    onState(false);
  }
  function tick() {
    const delay = advance();
    if (delay === null) pause();
    else timer = setTimeout(tick, delay);
  }
  function play(/** @type {number} */ delay) {
    timer = setTimeout(tick, delay);
    onState(true);
  }
  const observer = new IntersectionObserver(([entry]) => {
    if (!entry.isIntersecting && playing()) pause();
  });
  observer.observe(root);
  const hide = () => document.hidden && playing() && pause();
  document.addEventListener("visibilitychange", hide);
  function stop() {
    clearTimeout(timer);
    observer.disconnect();
    document.removeEventListener("visibilitychange", hide);
  }
  signal?.addEventListener("abort", stop);
  return { play, pause, playing, stop };
}

/**
 * Call `start` once, a moment after an element is seen, unless the reader is quicker.
 *
 * @param {object} options
 * @param {Element} options.root
 * @param {Element} options.seen
 * @param {() => void} options.start
 * @param {AbortSignal} [options.signal]
 */
export function whenSeen({ root, seen, start, signal }) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const observer = new IntersectionObserver(
    ([entry]) => {
      clearTimeout(timer);
      if (!entry.isIntersecting) return;
      timer = setTimeout(() => {
        end();
        start();
      }, SEEN_MS);
    },
    { threshold: 0.6 },
  );
  function end() {
    clearTimeout(timer);
    observer.disconnect();
    for (const event of ["pointerdown", "keydown", "input"]) root.removeEventListener(event, end);
  }
  for (const event of ["pointerdown", "keydown", "input"]) root.addEventListener(event, end);
  observer.observe(seen);
  signal?.addEventListener("abort", end);
  return end;
}

/**
 * The last step that is done when a clock shows `ms`, or -1; `ends` says when each is.
 *
 * @param {number[]} ends milliseconds, ascending
 * @param {number} ms
 */
export function stepAt(ends, ms) {
  const next = ends.findIndex((end) => end > ms + 1e-6);
  return (next === -1 ? ends.length : next) - 1;
}

/**
 * When the next step of either run is done, but not later than the clock should move.
 *
 * @param {number[][]} allEnds
 * @param {number} ms
 * @param {number} most
 */
export function untilNext(allEnds, ms, most) {
  const waits = allEnds.map(
    (ends) => (ends[stepAt(ends, ms) + 1] ?? Number.POSITIVE_INFINITY) - ms,
  );
  return Math.min(...waits, most);
}

/**
 * Space plays and pauses; arrows, Home and End move, unless a control needs them itself.
 *
 * @param {KeyboardEvent} event
 * @param {object} player
 * @param {() => void} player.toggle
 * @param {() => void} player.pause
 * @param {(step: number) => void} player.go
 * @param {() => number} player.step
 * @param {() => number} player.last
 */
export function onPlaybackKey(event, { toggle, pause, go, step, last }) {
  const { key, ctrlKey, metaKey, altKey } = event;
  const target = /** @type {Element} */ (event.target);
  if (target.matches(OWN_KEYS) || ctrlKey || metaKey || altKey) return;
  if (key === " ") {
    if (target.matches("button, [type=checkbox]")) return;
    event.preventDefault();
    toggle();
    return;
  }
  /** @type {Record<string, number>} */
  const places = { ArrowLeft: step() - 1, ArrowRight: step() + 1, Home: 0, End: last() };
  if (!(key in places)) return;
  pause();
  if (target.matches("[type=range], .tt-scroll")) return;
  event.preventDefault();
  go(places[key]);
}
