// What kind of model a GGUF file holds: its sizes and the tensors of each layer, nothing assumed.

/** @import { GGUF, Tensor } from "./gguf.mjs" */

/**
 * @typedef {object} Config
 * @property {number} vocabSize
 * @property {number} embedDim
 * @property {number} numLayers
 * @property {number} numHeads
 * @property {number} numKvHeads
 * @property {number} headDim
 * @property {number} mlpDim
 * @property {number} maxSeqLen
 * @property {number} normEps
 * @property {number} ropeTheta
 */

/**
 * @typedef {object} Layer
 * @property {Tensor} attentionNorm (embedDim,)
 * @property {Tensor} query (numHeads * headDim, embedDim)
 * @property {Tensor} key (numKvHeads * headDim, embedDim)
 * @property {Tensor} value as `key`
 * @property {Tensor} output (embedDim, numHeads * headDim)
 * @property {Tensor} mlpNorm (embedDim,)
 * @property {Tensor} gate (mlpDim, embedDim)
 * @property {Tensor} up as `gate`
 * @property {Tensor} down (embedDim, mlpDim)
 */

/**
 * @typedef {object} ModelTensors
 * @property {Tensor} embedding (vocabSize, embedDim)
 * @property {Layer[]} layers
 * @property {Tensor} finalNorm (embedDim,)
 * @property {Tensor} head as `embedding`, and often the same
 */

const ARCHITECTURE = "llama";
const LARGEST_TILE = 8; // rows of weights that a kernel takes at once
const BLOCK = 32;

/**
 * Read the configuration from a file's metadata, named as in tinytorch.core.ModelConfig.
 *
 * @param {GGUF} gguf
 * @returns {Config}
 */
export function readConfig({ metadata, tensors }) {
  const architecture = metadata.get("general.architecture");
  if (architecture !== ARCHITECTURE) {
    throw new Error(`architecture ${architecture}: expected ${ARCHITECTURE}`);
  }
  /** @type {(key: string, otherwise?: number) => number} */
  const read = (key, otherwise) => {
    const value = metadata.get(`${ARCHITECTURE}.${key}`) ?? otherwise;
    if (typeof value === "number" && value > 0) return value;
    throw new Error(`${ARCHITECTURE}.${key} is ${value}: expected a number above 0`);
  };
  const embedDim = read("embedding_length");
  const numHeads = read("attention.head_count");
  const config = {
    vocabSize: requireTensor(tensors, "token_embd.weight").shape[0],
    embedDim,
    numLayers: read("block_count"),
    numHeads,
    numKvHeads: read("attention.head_count_kv", numHeads),
    headDim: read("attention.key_length", read("rope.dimension_count", embedDim / numHeads)),
    mlpDim: read("feed_forward_length"),
    maxSeqLen: read("context_length"),
    normEps: read("attention.layer_norm_rms_epsilon"),
    ropeTheta: read("rope.freq_base", 10_000),
  };
  const turned = read("rope.dimension_count", config.headDim);
  requireEqual("rope.dimension_count", turned, config.headDim);
  const scaling = metadata.get(`${ARCHITECTURE}.rope.scaling.type`) ?? "none";
  requireEqual("rope.scaling.type", scaling, "none");
  requireMultiple("embedding_length", embedDim, BLOCK);
  requireMultiple("feed_forward_length", config.mlpDim, BLOCK);
  requireMultiple("head_count * rope.dimension_count", numHeads * config.headDim, BLOCK);
  requireMultiple("head_count", numHeads, config.numKvHeads);
  requireMultiple("rope.dimension_count", config.headDim, 4);
  return config;
}

/**
 * The tensors of a model, found by name and checked by shape.
 *
 * @param {Config} config
 * @param {Map<string, Tensor>} tensors
 * @returns {ModelTensors}
 */
export function findTensors(config, tensors) {
  const { embedDim, headDim, mlpDim, vocabSize } = config;
  const queryDim = config.numHeads * headDim;
  const keyDim = config.numKvHeads * headDim;
  const used = new Set();
  /** @type {(name: string, ...shape: number[]) => Tensor} */
  const find = (name, ...shape) => {
    const tensor = requireTensor(tensors, `${name}.weight`);
    requireEqual(`the shape of ${tensor.name}`, tensor.shape.join(" x "), shape.join(" x "));
    if (shape.length === 1) requireEqual(`the type of ${tensor.name}`, tensor.type, "F32");
    else if (shape[0] < LARGEST_TILE) {
      throw new Error(`${tensor.name} has ${shape[0]} rows: expected at least ${LARGEST_TILE}`);
    }
    used.add(tensor.name);
    return tensor;
  };
  /** @type {(_: unknown, i: number) => Layer} */
  const layer = (_, i) => ({
    attentionNorm: find(`blk.${i}.attn_norm`, embedDim),
    query: find(`blk.${i}.attn_q`, queryDim, embedDim),
    key: find(`blk.${i}.attn_k`, keyDim, embedDim),
    value: find(`blk.${i}.attn_v`, keyDim, embedDim),
    output: find(`blk.${i}.attn_output`, embedDim, queryDim),
    mlpNorm: find(`blk.${i}.ffn_norm`, embedDim),
    gate: find(`blk.${i}.ffn_gate`, mlpDim, embedDim),
    up: find(`blk.${i}.ffn_up`, mlpDim, embedDim),
    down: find(`blk.${i}.ffn_down`, embedDim, mlpDim),
  });
  const embedding = find("token_embd", vocabSize, embedDim);
  const isTied = !tensors.has("output.weight");
  const found = {
    embedding,
    layers: Array.from({ length: config.numLayers }, layer),
    finalNorm: find("output_norm", embedDim),
    head: isTied ? embedding : find("output", vocabSize, embedDim),
  };
  for (const name of tensors.keys()) {
    if (!used.has(name)) throw new Error(`${name} is no part of a model that this engine can run`);
  }
  return found;
}

/**
 * @param {Map<string, Tensor>} tensors
 * @param {string} name
 */
function requireTensor(tensors, name) {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the file has no tensor ${name}`);
  return tensor;
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {unknown} expected
 */
function requireEqual(name, value, expected) {
  if (value !== expected) throw new Error(`${name} is ${value}: expected ${expected}`);
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} unit
 */
function requireMultiple(name, value, unit) {
  if (!Number.isInteger(value) || value % unit !== 0) {
    throw new Error(`${name} is ${value}: expected a multiple of ${unit}`);
  }
}
