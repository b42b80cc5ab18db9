// Questions to a worker and its answers; whatever ends the worker answers those that are open.

import { EngineError } from "./errors.mjs";

const LOST =
  "The engine was stopped by the browser: what it has said is not complete. Load it again.";

/** One worker. `ask` gives a promise, which fails with an `EngineError` or the signal's reason. */
export class Channel {
  #worker;
  #onNews;
  #count = 0;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (reason: unknown) => void}>} */
  #open = new Map();
  /** @type {EngineError | null} */
  #ended = null;

  /**
   * @param {Worker} worker
   * @param {(news: any) => void} onNews What the worker says without being asked.
   */
  constructor(worker, onNews) {
    this.#worker = worker;
    this.#onNews = onNews;
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onmessageerror = () => this.end(new EngineError("lost", LOST));
    worker.onerror = (event) => {
      event.preventDefault();
      this.end(new EngineError("lost", LOST));
    };
  }

  /**
   * @param {string} method
   * @param {unknown[]} args Buffers are handed over, not copied.
   * @param {AbortSignal} [signal] Ends the waiting; the worker has to be told.
   * @returns {Promise<any>} What the method returns, in worker.mjs.
   */
  ask(method, args, signal) {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#count += 1;
    const id = this.#count;
    const buffers = args.filter((part) => part instanceof ArrayBuffer);
    this.#worker.postMessage({ id, method, args }, buffers);
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#open.delete(id);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", stop, { once: true });
      /** @param {(value: any) => void} use */
      const settle = (use) => (/** @type {any} */ value) => {
        signal?.removeEventListener("abort", stop);
        use(value);
      };
      this.#open.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }

  /** Say something that needs no answer. */
  tell(/** @type {string} */ method, /** @type {unknown[]} */ args) {
    if (!this.#ended) this.#worker.postMessage({ method, args });
  }

  /** Stop the worker; every question, open or still to come, fails with `error`. */
  end(/** @type {EngineError} */ error) {
    if (this.#ended) return;
    this.#ended = error;
    this.#worker.terminate();
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }

  /**
   * Notice the worker's death, of which browsers send no event: a lock that it held becomes free.
   * @param {AbortSignal} [signal]
   */
  async watch(signal) {
    const lock = `tinytorch-worker/${Date.now()}/${Math.random()}`;
    if (!(await this.ask("hold", [lock], signal))) return; // http, where only an error tells
    const lost = () => this.end(new EngineError("lost", LOST));
    navigator.locks.request(lock, lost).catch(() => {}); // refused when the page itself goes
  }

  /** @param {{id: number, result?: any, error?: EngineError, news?: any}} message */
  #hear({ id, result, error, news }) {
    if (news) return this.#onNews(news);
    const waiting = this.#open.get(id);
    this.#open.delete(id);
    if (error) waiting?.reject(new EngineError(error.code, error.message));
    else waiting?.resolve(result);
  }
}
