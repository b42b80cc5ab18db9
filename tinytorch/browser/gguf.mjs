// Reads the header of a GGUF file: what the model is called and shaped like, and where each tensor
// lies. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

/**
 * @typedef {object} Tensor
 * @property {string} name
 * @property {number[]} shape rows before columns, as in NumPy; the file has them the other way
 * @property {string} type a key of BLOCKS
 * @property {number} offset of its first byte, from the start of the file
 * @property {number} bytes
 */

/**
 * @typedef {object} GGUF
 * @property {Map<string, any>} metadata of the type that each key has in the file
 * @property {Map<string, Tensor>} tensors
 */

const VERSIONS = [2, 3];
const DEFAULT_ALIGNMENT = 32;

/**
 * Numbers in a block, and its bytes, of the types of tensor that the kernels can read.
 *
 * @type {Record<string, { size: number, bytes: number }>}
 */
export const BLOCKS = {
  F32: { size: 1, bytes: 4 },
  Q4_1: { size: 32, bytes: 20 },
  Q8_0: { size: 32, bytes: 34 },
};

/** The types in the order of their numbers in the file (ggml.h); gaps are types that are gone. */
const TYPE_NAMES =
  "F32 F16 Q4_0 Q4_1 - - Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS " +
  "IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16";
const TYPES = TYPE_NAMES.split(" ");

/** A cursor on the bytes of a file; numbers are little-endian. */
class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.offset = 0;
    this.text = new TextDecoder("utf-8", { ignoreBOM: true });
  }

  /**
   * Go on by `size` bytes; return where they begin.
   *
   * @param {number} size
   */
  take(size) {
    const start = this.offset;
    if (size > this.bytes.length - start) {
      throw new Error(
        `the GGUF file ends after ${this.bytes.length} bytes, inside its header: ` +
          `expected ${size} more from byte ${start}`,
      );
    }
    this.offset += size;
    return start;
  }

  u32 = () => this.view.getUint32(this.take(4), true);
  u64 = () => Number(this.view.getBigUint64(this.take(8), true));

  string = () => {
    const length = this.u64();
    const start = this.take(length);
    return this.text.decode(this.bytes.subarray(start, start + length));
  };

  /** @type {() => unknown[]} */
  array = () => {
    const read = this.valueReader(this.u32());
    const length = this.u64();
    /** @type {unknown[]} */
    const values = [];
    for (let i = 0; i < length; i += 1) values.push(read());
    return values;
  };

  /**
   * The function that reads a metadata value of a type, by the type's number.
   *
   * @param {number} type
   * @returns {() => unknown}
   */
  valueReader(type) {
    const { view } = this;
    const readers = [
      () => view.getUint8(this.take(1)),
      () => view.getInt8(this.take(1)),
      () => view.getUint16(this.take(2), true),
      () => view.getInt16(this.take(2), true),
      this.u32,
      () => view.getInt32(this.take(4), true),
      () => view.getFloat32(this.take(4), true),
      () => view.getUint8(this.take(1)) !== 0,
      this.string,
      this.array,
      this.u64,
      () => Number(view.getBigInt64(this.take(8), true)),
      () => view.getFloat64(this.take(8), true),
    ];
    if (type < readers.length) return readers[type];
    throw new Error(`metadata of type ${type}: expected one from 0 to ${readers.length - 1}`);
  }
}

/**
 * Parse the header of a complete file.
 *
 * @param {Uint8Array} bytes the whole file, or a view of it in memory
 * @returns {GGUF}
 * @throws {Error} that says what was found and what was expected
 */
export function parseGGUF(bytes) {
  const reader = new Reader(bytes);
  const start = reader.take(4);
  const magic = String.fromCharCode(...bytes.subarray(start, start + 4));
  if (magic !== "GGUF") {
    throw new Error(`not a GGUF file: it begins with ${JSON.stringify(magic)}, expected "GGUF"`);
  }
  const version = reader.u32();
  if (!VERSIONS.includes(version)) {
    throw new Error(`GGUF version ${version}: expected ${VERSIONS.join(" or ")}`);
  }
  const numTensors = reader.u64();
  const numFields = reader.u64();
  /** @type {Map<string, any>} */
  const metadata = new Map();
  for (let i = 0; i < numFields; i += 1) {
    const key = reader.string();
    metadata.set(key, reader.valueReader(reader.u32())());
  }
  /** @type {Tensor[]} */
  const tensors = [];
  for (let i = 0; i < numTensors; i += 1) tensors.push(readTensor(reader));
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  const data = Math.ceil(reader.offset / alignment) * alignment;
  for (const tensor of tensors) {
    tensor.offset += data;
    if (tensor.offset + tensor.bytes > bytes.length) {
      throw new Error(
        `the GGUF file ends after ${bytes.length} bytes: expected ${tensor.name} ` +
          `up to byte ${tensor.offset + tensor.bytes}`,
      );
    }
  }
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

/**
 * Read a tensor's line in the header; its offset counts from where the tensors begin.
 *
 * @param {Reader} reader
 * @returns {Tensor}
 */
function readTensor(reader) {
  const name = reader.string();
  /** @type {number[]} */
  const shape = [];
  for (let left = reader.u32(); left > 0; left -= 1) shape.unshift(reader.u64());
  const number = reader.u32();
  const type = TYPES[number] ?? `number ${number}`;
  const offset = reader.u64();
  const block = BLOCKS[type];
  if (!block) {
    throw new Error(`${name} is of type ${type}: expected ${Object.keys(BLOCKS).join(", ")}`);
  }
  const size = shape.reduce((product, length) => product * length, 1);
  const columns = shape.at(-1) ?? 1;
  if (columns % block.size !== 0) {
    throw new Error(`${name} has rows of ${columns}: ${type} expects blocks of ${block.size}`);
  }
  return { name, shape, type, offset, bytes: (size / block.size) * block.bytes };
}
