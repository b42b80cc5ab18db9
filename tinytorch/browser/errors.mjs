// What can go wrong between a reader and the model, each said in one plain sentence.

/** An error whose message is one sentence for the reader; `code` is its name for programs. */
export class EngineError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.name = "EngineError";
    this.code = code;
  }
}

/** Bytes as readers of a download know them: 96 MB. */
export const megabytes = (/** @type {number} */ size) => `${Math.round(size / 1e6)} MB`;

/**
 * Any error as an `EngineError`, so that a reader never meets a stack trace.
 * @param {unknown} error
 * @returns {EngineError}
 */
export function explained(error) {
  if (error instanceof EngineError) return error;
  const { message, cause, name } = error instanceof Error ? error : new Error(String(error));
  const said = message.replace(/\.$/, "");
  const first = cause instanceof Error ? cause : { message, name };
  if (first.name === "RangeError" && /memory|allocation/i.test(first.message)) {
    return new EngineError("memory", "This browser has not enough free memory for the model.");
  }
  if (name === "RangeError") return new EngineError("input", `This cannot be run: ${said}.`);
  return new EngineError("engine", `The engine cannot go on: ${said}.`);
}
