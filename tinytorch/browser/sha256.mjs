// SHA-256, by the browser where it offers that, else here: http pages other than localhost have none.

/** The integer part of the fraction of `x`, in 32 bits. */
const fraction = (/** @type {number} */ x) => ((x - Math.floor(x)) * 2 ** 32) | 0;

/** FIPS 180-4, section 5.3.3 and 4.2.2: from square and cube roots of the first 64 primes. */
function constants() {
  /** @type {number[]} */
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
  const start = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  return { start, rounds: primes.map((p) => fraction(Math.cbrt(p))) };
}

/**
 * One message, padded as section 5.1.1 asks, 64 bytes at a time.
 * @param {Uint8Array} bytes
 * @returns {Uint8Array}
 */
export function digest(bytes) {
  const { start, rounds } = constants();
  const whole = bytes.length - (bytes.length % 64);
  const rest = bytes.length - whole;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(bytes.subarray(whole));
  tail[rest] = 0x80;
  new DataView(tail.buffer).setBigUint64(tail.length - 8, BigInt(bytes.length) * 8n);
  const state = Int32Array.from(start);
  const words = new Int32Array(64);
  for (const part of [bytes.subarray(0, whole), tail]) {
    const view = new DataView(part.buffer, part.byteOffset, part.length);
    for (let at = 0; at < part.length; at += 64) compress(state, words, view, at, rounds);
  }
  const result = new DataView(new ArrayBuffer(32));
  for (const [i, word] of state.entries()) result.setInt32(4 * i, word);
  return new Uint8Array(result.buffer);
}

const turn = (/** @type {number} */ x, /** @type {number} */ n) => (x >>> n) | (x << (32 - n));

/**
 * Section 6.2.2: mix 64 bytes into the state.
 * @param {Int32Array} state
 * @param {Int32Array} words
 * @param {DataView} view
 * @param {number} at
 * @param {number[]} rounds
 */
function compress(state, words, view, at, rounds) {
  for (let t = 0; t < 16; t += 1) words[t] = view.getInt32(at + 4 * t);
  for (let t = 16; t < 64; t += 1) {
    const [x, y] = [words[t - 15], words[t - 2]];
    const low = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3);
    const high = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10);
    words[t] = words[t - 16] + low + words[t - 7] + high;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t += 1) {
    const high = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const first = (h + high + ((e & f) ^ (~e & g)) + rounds[t] + words[t]) | 0;
    const low = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const second = (low + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] += word;
  });
}

/**
 * The sha256 of bytes, in hexadecimal digits.
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>}
 */
export async function sha256(bytes) {
  const subtle = globalThis.crypto?.subtle;
  const found = subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : digest(bytes);
  return Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
