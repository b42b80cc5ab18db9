// The memory that JavaScript and the kernels share: first the model's file, then what is allocated.

const PAGE = 65_536;
const ALIGNMENT = 64;
/** @param {number} bytes */
const aligned = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * Room for numbers in WebAssembly's memory. Growing it moves it: a view (`floats`, `bytes`) is good
 * until the next `allocate`.
 */
export class Memory {
  /** @param {number} reserved bytes from address 0 that are never handed out */
  constructor(reserved = 0) {
    this.wasm = new WebAssembly.Memory({ initial: Math.ceil(reserved / PAGE) });
    this.blocks = [{ start: 0, end: aligned(reserved) }];
  }

  /**
   * Take `bytes` bytes and return their address. What is in them is undefined.
   *
   * @param {number} bytes
   */
  allocate(bytes) {
    const size = aligned(bytes);
    // The first gap that is wide enough; behind the last block is room without end.
    const before = this.blocks.findIndex(
      ({ end }, i) => end + size <= (this.blocks[i + 1]?.start ?? Number.POSITIVE_INFINITY),
    );
    const start = this.blocks[before].end;
    this.#grow(start + size);
    this.blocks.splice(before + 1, 0, { start, end: start + size });
    return start;
  }

  /**
   * Give back what `allocate` returned.
   *
   * @param {number} address
   */
  free(address) {
    const found = this.blocks.findIndex(({ start }) => start === address);
    if (found < 1) throw new Error(`no memory was allocated at ${address}`);
    this.blocks.splice(found, 1);
  }

  /**
   * @param {number} address
   * @param {number} length
   */
  floats(address, length) {
    return new Float32Array(this.wasm.buffer, address, length);
  }

  /**
   * @param {number} address
   * @param {number} length
   */
  bytes(address, length) {
    return new Uint8Array(this.wasm.buffer, address, length);
  }

  /**
   * Copy bytes within the memory.
   *
   * @param {number} target
   * @param {number} source
   * @param {number} length
   */
  copy(target, source, length) {
    new Uint8Array(this.wasm.buffer).copyWithin(target, source, source + length);
  }

  /** @param {number} bytes */
  #grow(bytes) {
    const missing = bytes - this.wasm.buffer.byteLength;
    if (missing <= 0) return;
    try {
      this.wasm.grow(Math.ceil(missing / PAGE));
    } catch (error) {
      const needed = `${Math.ceil(bytes / 2 ** 20)} MiB needed`;
      throw new Error(`the browser has not enough memory: ${needed}`, { cause: error });
    }
  }
}
