// What generation costs, as tinytorch.analysis computes it, to the unit. A test compares the two.
// A model is a record of tinytorch.widgets.records.model_record. Products are BigInts.

/** @import { CacheSizes, ModelRecord, OperationSizes } from "./types" */

/** @typedef {(numQueries: number, numKeys: number) => bigint} Units what a pass takes */
/** @typedef {{ without: bigint[], withCache: bigint[] }} Work of every pass */

export const QUERY_BLOCK = 128;

/**
 * Query-key pairs of one head in one pass; as score_pairs in costs.py.
 *
 * @param {number} numQueries
 * @param {number} numKeys
 */
export function scorePairs(numQueries, numKeys, queryBlock = QUERY_BLOCK) {
  const history = numKeys - numQueries;
  const numBlocks = Math.floor(numQueries / queryBlock);
  const rest = numQueries % queryBlock;
  const square = (queryBlock * queryBlock * numBlocks * (numBlocks + 1)) / 2;
  return numBlocks * queryBlock * history + square + rest * numKeys;
}

/**
 * What a model does for each token, for each query-key pair, and once a pass; as forward_operations.
 *
 * @param {OperationSizes} model
 */
export function operationPrices(model) {
  const heads = model.num_heads + model.num_kv_heads;
  const attention = 2 * model.embed_dim * heads * model.head_dim;
  const mlp = model.mlp_matrices * model.embed_dim * model.mlp_dim;
  return {
    token: BigInt(model.num_layers) * BigInt(attention + mlp),
    pair: BigInt(2 * model.num_layers * model.num_heads * model.head_dim),
    pass: BigInt(model.embed_dim) * BigInt(model.vocab_size),
  };
}

/**
 * The function of a pass's queries and keys that counts its multiply-adds; as forward_operations.
 *
 * @param {OperationSizes} model
 * @returns {Units}
 */
export function forwardOperations(model) {
  const { token, pair, pass } = operationPrices(model);
  return (numQueries, numKeys) =>
    BigInt(numQueries) * token + BigInt(scorePairs(numQueries, numKeys)) * pair + pass;
}

/** @type {Record<string, (model: OperationSizes) => Units>} */
const COUNTED = {
  kv_projections: () => (numQueries) => BigInt(numQueries),
  score_pairs: () => (numQueries, numKeys) => BigInt(numQueries * numKeys),
  whole_model: forwardOperations,
};

/**
 * The work of every pass of a generation, without and with a cache. The sums are those of
 * kv_projections, generation_score_pairs and generation_operations in costs.py.
 *
 * @param {string} counted a key of COUNTED
 * @param {OperationSizes} model
 * @param {number} promptLength
 * @param {number} newTokens
 * @returns {Work}
 */
export function generationWork(counted, model, promptLength, newTokens) {
  const units = COUNTED[counted](model);
  /** @type {bigint[]} */
  const without = [];
  /** @type {bigint[]} */
  const withCache = [];
  for (let length = promptLength; length < promptLength + newTokens; length += 1) {
    without.push(units(length, length));
    withCache.push(length === promptLength ? units(length, length) : units(1, length));
  }
  return { without, withCache };
}

const ceilDiv = (/** @type {bigint} */ a, /** @type {bigint} */ b) => (a + b - 1n) / b;

/**
 * As kv_cache_bytes in costs.py.
 *
 * @param {CacheSizes} model
 * @param {number} seqLen
 * @param {number} batchSize
 * @param {number} bitsPerElement
 */
export function kvCacheBytes(model, seqLen, batchSize, bitsPerElement) {
  const full = BigInt(model.num_layers - model.num_windowed_layers) * BigInt(seqLen);
  const window = model.window === null ? 0 : Math.min(seqLen, model.window);
  const tokens = full + BigInt(model.num_windowed_layers) * BigInt(window);
  const elements = tokens * BigInt(model.kv_elements_per_token_per_layer);
  return ceilDiv(BigInt(batchSize) * elements * BigInt(bitsPerElement), 8n);
}

/**
 * As weight_bytes in capacity.py.
 *
 * @param {Pick<ModelRecord, "num_parameters">} model
 * @param {number} bitsPerWeight
 */
export function weightBytes(model, bitsPerWeight) {
  return ceilDiv(BigInt(model.num_parameters) * BigInt(bitsPerWeight), 8n);
}

/**
 * As sequences_that_fit in capacity.py.
 *
 * @param {CacheSizes & Pick<ModelRecord, "num_parameters">} model
 * @param {number | bigint} deviceBytes
 * @param {number} seqLen
 * @param {number} bitsPerElement
 * @param {number} bitsPerWeight
 */
export function sequencesThatFit(model, deviceBytes, seqLen, bitsPerElement, bitsPerWeight) {
  const room = BigInt(deviceBytes) - weightBytes(model, bitsPerWeight);
  const fit = room / kvCacheBytes(model, seqLen, 1, bitsPerElement);
  return room > 0n ? fit : 0n;
}

/**
 * As longest_that_fits in capacity.py: a number of tokens, or null where nothing limits it.
 *
 * @param {CacheSizes & Pick<ModelRecord, "num_parameters">} model
 * @param {number | bigint} deviceBytes
 * @param {number} batchSize
 * @param {number} bitsPerElement
 * @param {number} bitsPerWeight
 */
export function longestThatFits(model, deviceBytes, batchSize, bitsPerElement, bitsPerWeight) {
  const room = BigInt(deviceBytes) - weightBytes(model, bitsPerWeight);
  const fits = (/** @type {number} */ seqLen) =>
    kvCacheBytes(model, seqLen, batchSize, bitsPerElement) <= room;
  let [shortest, longest] = [0, Number.MAX_SAFE_INTEGER];
  if (fits(longest)) return null;
  while (longest - shortest > 1) {
    const middle = shortest + Math.floor((longest - shortest) / 2);
    if (fits(middle)) shortest = middle;
    else longest = middle;
  }
  return shortest;
}
