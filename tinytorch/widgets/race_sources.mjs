// Where the tokens of a race come from: a recording, the model in the page, or a kernel.
// Each is an async iterator of { lane, id, text, ms }, lane 0 without a cache and lane 1 with one.

/** @import { Model as Engine } from "../browser/load.mjs" */
/** @import { WidgetModel } from "./types" */

/** @typedef {{ id: number, text: string, ms: number }} Token and the milliseconds it took */
/** @typedef {Token & { lane: number }} LaneToken */
/** @typedef {Record<"ids" | "ms", number[]> & { texts: string[] }} RecordedLane */
/** @typedef {{ prompt: string, prompt_length: number, lanes: RecordedLane[] }} RecordedRace */
/** @typedef {{ promptLength: number, tokens: AsyncGenerator<LaneToken> }} Begun */

/**
 * @typedef {object} Options
 * @property {string} prompt
 * @property {number} newTokens
 * @property {number} temperature
 * @property {number} seed
 */

/**
 * What a kernel answers.
 *
 * @typedef {object} Answer
 * @property {string} race
 * @property {string} [error]
 * @property {Token | null} [token] null where the lane has ended
 * @property {number} [prompt_length]
 */

/**
 * The lanes of one engine in turns: whichever has spent less time computes its next token.
 *
 * @param {AsyncGenerator<Token, void>[]} lanes
 * @returns {AsyncGenerator<LaneToken, void>}
 */
async function* inTurns(lanes) {
  const spent = lanes.map(() => 0);
  const open = new Set(lanes.keys());
  try {
    while (open.size) {
      const [lane] = [...open].sort((a, b) => spent[a] - spent[b] || a - b);
      const { value, done } = await lanes[lane].next();
      if (done) open.delete(lane);
      else {
        spent[lane] += value.ms;
        yield { lane, ...value };
      }
    }
  } finally {
    for (const lane of lanes) lane.return();
  }
}

/**
 * A promise for a moment, which a signal ends with its reason.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal.addEventListener("abort", end, { once: true });
  });
}

/**
 * All tokens of a recorded race, in the order in which they were written.
 *
 * @param {RecordedRace} race
 */
export function recorded(race) {
  const tokens = race.lanes.flatMap(({ ids, texts, ms }, lane) => {
    let end = 0;
    return ids.map((id, i) => {
      end += ms[i];
      return { lane, id, text: texts[i], ms: ms[i], end };
    });
  });
  return tokens.sort((a, b) => a.end - b.end);
}

/**
 * A recorded race at the pace that was measured.
 *
 * @param {RecordedRace} race
 * @param {AbortSignal} signal
 */
export async function* replayed(race, signal) {
  let end = 0;
  let due = performance.now();
  for (const token of recorded(race)) {
    due = Math.max(due + token.end - end, performance.now() - 50); // late after a pause: from now
    end = token.end;
    await sleep(Math.max(due - performance.now(), 0), signal);
    yield token;
  }
}

const WARM_UP = 32; // tokens
const warm = new WeakSet();

/**
 * A pass that is not counted: a browser compiles a program's hot parts better while they run.
 *
 * @param {Engine} engine
 * @param {number[]} ids
 * @param {AbortSignal} signal
 */
async function warmUp(engine, ids, signal) {
  if (warm.has(engine)) return;
  const pass = engine.generate(ids.slice(0, WARM_UP), { maxTokens: 1, cache: false, signal });
  await pass.next();
  await pass.return();
  warm.add(engine);
}

/**
 * A race of the engine in the page; both lanes draw with the same seed.
 *
 * @param {Engine} engine
 * @param {Options} options
 * @param {AbortSignal} signal
 * @returns {Promise<Begun>}
 */
export async function raceInPage(engine, { prompt, newTokens, temperature, seed }, signal) {
  const ids = await engine.tokenizer.encode(prompt);
  signal.throwIfAborted();
  await warmUp(engine, ids, signal);
  const lane = (/** @type {boolean} */ cache) =>
    engine.generate(ids, { maxTokens: newTokens, temperature, seed, cache, signal });
  return { promptLength: ids.length, tokens: inTurns([lane(false), lane(true)]) };
}

/**
 * A race of the kernel, which is asked for each token: races.py, class Kernel.
 *
 * @template State
 * @param {WidgetModel<State>} model
 * @param {Options} options
 * @param {AbortSignal} signal
 * @returns {Promise<Begun>}
 */
export async function raceInKernel(model, { prompt, newTokens, temperature, seed }, signal) {
  const race = `${Date.now()}/${Math.random()}`;
  /** @type {((told: Answer) => void) | null} */
  let answer = null;
  const hear = (/** @type {Answer} */ message) => message.race === race && answer?.(message);
  model.on("msg:custom", hear);
  function end() {
    model.off("msg:custom", hear);
    model.send?.({ race, ask: "stop" });
  }
  /** @type {(message: Record<string, unknown>) => Promise<Answer>} */
  const ask = (message) =>
    new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      answer = (told) => {
        signal.removeEventListener("abort", stop);
        if (told.error) reject(new Error(told.error));
        else resolve(told);
      };
      model.send?.({ race, ...message });
    });
  /**
   * @param {number} number
   * @returns {AsyncGenerator<Token, void>}
   */
  async function* lane(number) {
    for (;;) {
      const { token } = await ask({ ask: "next", lane: number });
      if (!token) return;
      yield token;
    }
  }
  async function* tokens() {
    try {
      yield* inTurns([lane(0), lane(1)]);
    } finally {
      end();
    }
  }
  try {
    const start = { ask: "start", prompt, new_tokens: newTokens, temperature, seed };
    const { prompt_length: promptLength = 0 } = await ask(start);
    return { promptLength, tokens: tokens() };
  } catch (error) {
    end();
    throw error;
  }
}
