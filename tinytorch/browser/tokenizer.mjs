// Text to token ids and back, as tinytorch.models.ChatTokenizer does it, from what a GGUF file says.

const CONTROL_TOKEN = 3; // the type that GGUF gives to tokens which no ordinary text produces
const STOP_TOKENS = ["<|im_end|>", "<|endoftext|>"];
const KIND = { "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm" };

/** Each digit for itself; other text as GPT-2 splits it, up to the next digit. */
const DIGIT = /(\p{N})/u;
const PIECE =
  /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** How the only kind of chat template that is understood here writes a message. */
const CHAT_MESSAGE =
  "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}";

/** What it puts before a conversation that does not begin with a system's message. */
const DEFAULT_SYSTEM = /\{\{ '<\|im_start\|>system\n([^']*)<\|im_end\|>\n' \}\}/;

export class Tokenizer {
  /** @param {Map<string, any>} metadata of a GGUF file */
  constructor(metadata) {
    for (const [key, expected] of Object.entries(KIND)) {
      const found = metadata.get(key);
      if (found !== expected) throw new Error(`${key} is ${found}: expected ${expected}`);
    }
    /** @type {string[]} */
    this.tokens = metadata.get("tokenizer.ggml.tokens");
    this.ids = new Map(this.tokens.map((token, id) => [token, id]));
    /** @type {string[]} */
    const merges = metadata.get("tokenizer.ggml.merges");
    this.ranks = new Map(merges.map((merge, rank) => [merge, rank]));
    const types = metadata.get("tokenizer.ggml.token_type");
    this.control = new Set(this.tokens.filter((_, id) => types[id] === CONTROL_TOKEN));
    this.controlPattern = anyOf(this.control);
    this.stopTokens = STOP_TOKENS.flatMap((token) => this.ids.get(token) ?? []);
    /** @type {string} */
    this.template = metadata.get("tokenizer.chat_template") ?? "";
    this.alphabet = byteAlphabet();
    this.bytes = new Map(this.alphabet.map((character, byte) => [character, byte]));
  }

  get vocabSize() {
    return this.tokens.length;
  }

  /**
   * Turn text into token ids. Control tokens written out in it, such as <|im_start|>, become that
   * token.
   *
   * @param {string} text
   * @returns {number[]} `decode` gives the same text back
   * @throws {RangeError} if the text has a byte that the vocabulary has no token for
   */
  encode(text) {
    const unknown = [...new Set(new TextEncoder().encode(text))]
      .filter((byte) => !this.ids.has(this.alphabet[byte]))
      .sort((a, b) => a - b)
      .map((byte) => `0x${byte.toString(16).padStart(2, "0")}`);
    if (unknown.length > 0) {
      throw new RangeError(
        `the vocabulary has no token for these bytes of the text: ${unknown.join(", ")}`,
      );
    }
    const parts = this.controlPattern ? text.split(this.controlPattern) : [text];
    return parts.flatMap((part, i) =>
      i % 2 === 1
        ? this.#idOf(part)
        : part
            .split(DIGIT)
            .flatMap((run, j) => (j % 2 === 1 ? [run] : (run.match(PIECE) ?? [])))
            .flatMap((piece) => this.#merge(piece)),
    );
  }

  /** @param {string} token one that the vocabulary has */
  #idOf(token) {
    return /** @type {number} */ (this.ids.get(token));
  }

  /**
   * Byte-pair encoding: join the pair that was joined first in training, until none is left.
   *
   * @param {string} piece
   * @returns {number[]}
   */
  #merge(piece) {
    let symbols = Array.from(new TextEncoder().encode(piece), (byte) => this.alphabet[byte]);
    for (;;) {
      let best = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < symbols.length; i += 1) {
        best = Math.min(best, this.ranks.get(`${symbols[i]} ${symbols[i + 1]}`) ?? best);
      }
      if (best === Number.POSITIVE_INFINITY) return symbols.map((symbol) => this.#idOf(symbol));
      const joined = [];
      for (let i = 0; i < symbols.length; i += 1) {
        const isPair = this.ranks.get(`${symbols[i]} ${symbols[i + 1]}`) === best;
        joined.push(isPair ? symbols[i] + symbols[i + 1] : symbols[i]);
        if (isPair) i += 1;
      }
      symbols = joined;
    }
  }

  /**
   * Turn token ids into text. Bytes that are no UTF-8, as half of a character, become U+FFFD.
   *
   * @param {Iterable<number>} ids
   * @param {{ skipControlTokens?: boolean }} [options]
   */
  decode(ids, { skipControlTokens = false } = {}) {
    /** @type {number[]} */
    const bytes = [];
    for (const id of ids) bytes.push(...this.#bytesOf(id, skipControlTokens));
    return textOf(bytes);
  }

  /**
   * A function that maps each next token to its text, as soon as its characters are complete;
   * control tokens are left out.
   *
   * @returns {(id: number) => string}
   */
  decodeStream() {
    /** @type {number[]} */
    let pending = [];
    return (id) => {
      pending.push(...this.#bytesOf(id, true));
      const text = textOf(pending);
      if (text.endsWith("\ufffd")) return "";
      pending = [];
      return text;
    };
  }

  /**
   * Write a conversation in the form that the model was trained on, up to where its answer begins.
   *
   * @param {{ role: string, content: string }[]} messages
   */
  renderChat(messages) {
    if (!this.template.includes(CHAT_MESSAGE)) {
      throw new Error(
        "the file's chat template is not of the kind <|im_start|>role ... <|im_end|>",
      );
    }
    const system = DEFAULT_SYSTEM.exec(this.template);
    const needsSystem = system && messages.length > 0 && messages[0].role !== "system";
    const all = needsSystem ? [{ role: "system", content: system[1] }, ...messages] : messages;
    const turns = all.map(({ role, content }) => `<|im_start|>${role}\n${content}<|im_end|>\n`);
    return `${turns.join("")}<|im_start|>assistant\n`;
  }

  /**
   * Turn a conversation, or one question, into token ids.
   *
   * @param {string | { role: string, content: string }[]} messages
   */
  encodeChat(messages) {
    const conversation =
      typeof messages === "string" ? [{ role: "user", content: messages }] : messages;
    return this.encode(this.renderChat(conversation));
  }

  /**
   * @param {number} id
   * @param {boolean} skipControlTokens
   * @returns {Iterable<number>}
   */
  #bytesOf(id, skipControlTokens) {
    const token = this.tokens[id];
    if (token === undefined) {
      throw new RangeError(`tokens must be from 0 to ${this.vocabSize - 1}, got ${id}`);
    }
    if (skipControlTokens && this.control.has(token)) return [];
    const bytes = Array.from(token, (character) => this.bytes.get(character) ?? -1);
    return bytes.includes(-1) ? new TextEncoder().encode(token) : bytes;
  }
}

/** @param {number[]} bytes */
function textOf(bytes) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/**
 * A pattern that splits a text at any of some words, the longest first; null without words.
 *
 * @param {Set<string>} words
 */
function anyOf(words) {
  if (words.size === 0) return null;
  const escaped = [...words]
    .sort((a, b) => b.length - a.length)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`(${escaped.join("|")})`);
}

/** Character i stands for byte i in a byte-level vocabulary (GPT-2's bytes_to_unicode). */
function byteAlphabet() {
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    if (isPrintable) return String.fromCharCode(byte);
    others += 1;
    return String.fromCharCode(255 + others);
  });
}
