// The weights, in pieces: from this browser where they are kept, else from the site; each checked.

import { EngineError, megabytes } from "./errors.mjs";
import { placed } from "./pieces.mjs";
import { meter } from "./progress.mjs";
import { sha256 } from "./sha256.mjs";
import { alone, openPiece } from "./store.mjs";

/** @import { Manifest, Placed, WeightsAt } from "./pieces.mjs" */
/** @import { Progress } from "./progress.mjs" */

const AT_ONCE = 2;
const RETRY_MS = [500, 1000, 2000];
const SILENCE_MS = 30_000;

/**
 * Fill the engine's memory with the weights.
 * @param {object} from
 * @param {Manifest} from.manifest
 * @param {string} from.base The manifest's address: its pieces lie beside it.
 * @param {WeightsAt} from.weightsAt
 * @param {(progress: Progress) => void} from.onProgress
 * @returns {Promise<boolean>} Whether all of it is kept in this browser now.
 */
export async function fetchWeights({ manifest, base, weightsAt, onProgress }) {
  const progress = meter(manifest.size, onProgress);
  const queue = placed(manifest);
  let kept = true;
  async function work() {
    for (let piece = queue.shift(); piece; piece = queue.shift()) {
      const loader = new PieceLoader({ manifest, base, weightsAt, progress }, piece);
      kept = (await alone(piece, () => loader.load())) && kept;
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return kept;
}

/** One piece on its way into memory, and into a file of this browser. */
class PieceLoader {
  #file = /** @type {FileSystemSyncAccessHandle | null} */ (null);
  #have = 0;

  /**
   * @param {object} from
   * @param {Manifest} from.manifest
   * @param {string} from.base
   * @param {WeightsAt} from.weightsAt
   * @param {ReturnType<typeof meter>} from.progress
   * @param {Placed} piece
   */
  constructor({ manifest, base, weightsAt, progress }, piece) {
    this.manifest = manifest;
    this.url = new URL(piece.name, base);
    this.weightsAt = weightsAt;
    this.progress = progress;
    this.piece = piece;
  }

  /** @returns {Promise<boolean>} Whether the piece is kept. */
  async load() {
    this.#file = await openPiece(this.manifest, this.piece);
    try {
      this.#readKept();
      await this.#receive("no-store");
      if (await this.#isRight()) return this.#file !== null;
      this.#startAgain(); // a cache on the way, or this browser's file, may be what is wrong
      await this.#receive("reload");
      if (await this.#isRight()) return this.#file !== null;
      this.#startAgain();
      throw this.#damaged();
    } finally {
      this.#file?.close();
    }
  }

  #isRight = async () =>
    (await sha256(this.weightsAt(this.piece.offset, this.piece.size))) === this.piece.sha256;

  /** Take what an earlier visit has kept. */
  #readKept() {
    const size = this.#file?.getSize() ?? 0;
    if (size > this.piece.size) return this.#file?.truncate(0);
    if (size) this.#file?.read(this.weightsAt(this.piece.offset, size), { at: 0 });
    this.#have = size;
    this.progress.add(size);
  }

  #startAgain() {
    this.progress.add(-this.#have);
    this.#have = 0;
    this.#file?.truncate(0);
  }

  /** Fetch what is missing, and go on after a broken connection. */
  async #receive(/** @type {RequestCache} */ cache) {
    for (let failures = 0; this.#have < this.piece.size; ) {
      const before = this.#have;
      try {
        await this.#receiveOnce(cache);
      } catch (error) {
        if (error instanceof EngineError) throw error;
        if (this.#have > before) failures = 0;
        if (failures === RETRY_MS.length) throw this.#broken();
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS[failures]));
        failures += 1;
      }
    }
  }

  async #receiveOnce(/** @type {RequestCache} */ cache) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers = this.#have ? { Range: `bytes=${this.#have}-` } : undefined;
      const mode = this.#file || cache === "reload" ? cache : "default"; // then http caches keep it
      const response = await fetch(this.url, { cache: mode, headers, signal: silence.signal });
      if (response.status === 404 || response.status === 403) throw this.#missing(response.status);
      if (!response.ok || !response.body) throw new TypeError(`status ${response.status}`);
      if (this.#have && response.status !== 206) this.#startAgain(); // a host without ranges
      const reader = response.body.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        this.#take(part.value);
      }
      if (this.#have < this.piece.size) throw new TypeError("the body ended early");
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  #take(/** @type {Uint8Array} */ bytes) {
    const { piece } = this;
    const chunk = bytes.subarray(0, piece.size - this.#have); // too long: the hash will tell
    this.weightsAt(piece.offset + this.#have, chunk.length).set(chunk);
    this.#keep(chunk);
    this.#have += chunk.length;
    this.progress.add(chunk.length, true);
  }

  /** Write to the file; where there is no room, go on without it. */
  #keep(/** @type {Uint8Array} */ chunk) {
    const file = this.#file;
    if (!file) return;
    try {
      if (file.write(chunk, { at: this.#have }) < chunk.length) throw new RangeError("short write");
    } catch {
      file.truncate(0);
      file.close();
      this.#file = null;
    }
  }

  #name() {
    return `Piece ${this.piece.number} of ${this.manifest.pieces.length} of the model`;
  }

  #missing(/** @type {number} */ status) {
    return new EngineError("missing", `${this.#name()} is not on this site (status ${status}).`);
  }

  #damaged() {
    const text = `${this.#name()} arrived damaged, twice, so it is not used.`;
    return new EngineError("damaged", text);
  }

  #broken() {
    const share = `${megabytes(this.progress.loaded())} of ${megabytes(this.manifest.size)}`;
    const next = this.#file ? "they are kept, and loading again goes on from there" : "load again";
    return new EngineError("network", `The connection broke after ${share}: ${next}.`);
  }
}
