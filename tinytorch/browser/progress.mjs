// How far a download is, and how long it still takes.

const EVERY_MS = 100;
const WINDOW_MS = 5000;

/** @typedef {{loaded: number, total: number, secondsLeft: number | null}} Progress */

/**
 * Count bytes and report them, ten times a second at most. The time that is left follows the
 * bytes that the network brought in the last 5 s; it is `null` until that says something.
 * @param {number} total
 * @param {(progress: Progress) => void} report
 */
export function meter(total, report) {
  let loaded = 0;
  let arrived = 0;
  let reported = Number.NEGATIVE_INFINITY;
  /** @type {{time: number, arrived: number}[]} */
  const samples = [];
  function secondsLeft() {
    if (loaded === total) return 0;
    const [first, last] = [samples[0], samples[samples.length - 1]];
    const perMs = first && (last.arrived - first.arrived) / (last.time - first.time);
    return perMs > 0 ? (total - loaded) / perMs / 1000 : null;
  }
  /**
   * @param {number} size Negative for bytes that have to come again.
   * @param {boolean} fromNetwork
   */
  function add(size, fromNetwork = false) {
    const time = performance.now();
    loaded += size;
    if (fromNetwork) {
      arrived += size;
      samples.push({ time, arrived });
      while (time - samples[0].time > WINDOW_MS) samples.shift();
    }
    if (time - reported < EVERY_MS && loaded < total) return;
    reported = time;
    report({ loaded, total, secondsLeft: secondsLeft() });
  }
  return { add, loaded: () => loaded };
}
