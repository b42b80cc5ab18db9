// Moving on by itself: at an even speed, or by the clock of a recorded run.

const SEEN_MS = 800;
const OWN_KEYS = "select, summary, .tt-link, [type=number], [type=radio]";

/** Call `advance`, which returns when to call it again, but not where nobody sees it. */
export function playback({ root, advance, onState, signal }) {
  let timer = null;
  const playing = () => timer !== null;
  function pause() {
    clearTimeout(timer);
    timer = null;
    onState(false);
  }
  function tick() {
    const delay = advance();
    if (delay === null) pause();
    else timer = setTimeout(tick, delay);
  }
  function play(delay) {
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

/** Call `start` once, a moment after an element is seen, unless the reader is quicker. */
export function whenSeen({ root, seen, start, signal }) {
  let timer = null;
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

/** The last step that is done when a clock shows `ms`, or -1; `ends` says when each is. */
export function stepAt(ends, ms) {
  const next = ends.findIndex((end) => end > ms + 1e-6);
  return (next === -1 ? ends.length : next) - 1;
}

/** When the next step of either run is done, but not later than the clock should move. */
export function untilNext(allEnds, ms, most) {
  const waits = allEnds.map(
    (ends) => (ends[stepAt(ends, ms) + 1] ?? Number.POSITIVE_INFINITY) - ms,
  );
  return Math.min(...waits, most);
}

/** Space plays and pauses; arrows, Home and End move, unless a control needs them itself. */
export function onPlaybackKey(event, { toggle, pause, go, step, last }) {
  const { target, key, ctrlKey, metaKey, altKey } = event;
  if (target.matches(OWN_KEYS) || ctrlKey || metaKey || altKey) return;
  if (key === " ") {
    if (target.matches("button, [type=checkbox]")) return;
    event.preventDefault();
    toggle();
    return;
  }
  const places = { ArrowLeft: step() - 1, ArrowRight: step() + 1, Home: 0, End: last() };
  if (!(key in places)) return;
  pause();
  if (target.matches("[type=range], .tt-scroll")) return;
  event.preventDefault();
  go(places[key]);
}
