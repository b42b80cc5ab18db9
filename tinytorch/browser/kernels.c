/*
 * The arithmetic of a Llama-style transformer for WebAssembly with 128-bit SIMD, one function a
 * kernel; model.mjs calls them in the order of a forward pass. No library, no allocation: every
 * array lies where the caller says.
 *
 * Weights stay as the GGUF file holds them: a token streams all of them through the processor,
 * so their bytes are its time. Activations become 16-bit integers with a scale for each block of
 * 32, since one instruction multiplies eight such pairs and adds them two by two. Sums of
 * integers are exact, so a token gets the same bits alone as in any group of tokens.
 *
 * Shapes: T tokens, E in_dim, R out_dim (rows of a weight matrix), S keys, H heads, D head_dim.
 */
#include "formats.h"

enum { ROWS = 8, TOKENS = 4 };

/* ---- Activations as integers ---- */

/* x = scale * q. Of the 32 q of a block the even elements come first: so they meet the weights. */
typedef struct {
  int16_t *q;   /* (T, E) */
  float *scale; /* (E / 32, T) */
  float *sum;   /* (E / 32, T): the sum of a block, which multiplies m */
} activations;

INLINE activations activations_at(void *memory, int tokens, int in_dim) {
  float *scale = (float *)((int16_t *)memory + tokens * in_dim);
  return (activations){memory, scale, scale + tokens * (in_dim / BLOCK)};
}

INLINE float largest(const float *x) {
  v128_t most = wasm_f32x4_abs(load(x));
  for (int i = 4; i < BLOCK; i += 4) most = wasm_f32x4_max(most, wasm_f32x4_abs(load(x + i)));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(most, 0);
}

INLINE v128_t rounded(const float *x, v128_t inverse) {
  return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(mul(load(x), inverse)));
}

INLINE int32_t quantise_block(const float *x, float inverse, int16_t *q) {
  v128_t factor = splat(inverse), even[4], odd[4], total = wasm_i32x4_splat(0);
  for (int i = 0; i < 4; i++) {
    v128_t low = rounded(x + 8 * i, factor), high = rounded(x + 8 * i + 4, factor);
    even[i] = wasm_i32x4_shuffle(low, high, 0, 2, 4, 6);
    odd[i] = wasm_i32x4_shuffle(low, high, 1, 3, 5, 7);
    total = add_i32(total, add_i32(low, high));
  }
  for (int i = 0; i < 2; i++) {
    store(q + 8 * i, wasm_i16x8_narrow_i32x4(even[2 * i], even[2 * i + 1]));
    store(q + 16 + 8 * i, wasm_i16x8_narrow_i32x4(odd[2 * i], odd[2 * i + 1]));
  }
  return wasm_i32x4_extract_lane(sums_of_i32(total, total, total, total), 0);
}

/* x (T, E) to activations. */
EXPORT void quantise(const float *x, void *memory, int tokens, int in_dim) {
  activations a = activations_at(memory, tokens, in_dim);
  for (int t = 0; t < tokens; t++)
    for (int b = 0; b < in_dim / BLOCK; b++) {
      const float *block = x + t * in_dim + b * BLOCK;
      float most = largest(block);
      float scale = most / 32767;
      int32_t total = quantise_block(block, most > 0 ? 32767 / most : 0,
                                     a.q + t * in_dim + b * BLOCK);
      a.scale[b * tokens + t] = scale;
      a.sum[b * tokens + t] = scale * (float)total;
    }
}

/* ---- Products with weights: out (T, R) = x (T, E) times the rows of weights (R, E) ---- */

/* A block's part of a sum; both ways to multiply add it in this order, so their bits agree. */
INLINE v128_t add_block(v128_t sum, v128_t integers, scales w, float scale, float x_sum) {
  sum = add(sum, mul(wasm_f32x4_convert_i32x4(integers), mul(w.d, splat(scale))));
  return add(sum, mul(w.m, splat(x_sum)));
}

/* One token times four rows; `next` are the four after these. */
INLINE v128_t four_rows(format f, const uint8_t *rows, const uint8_t *next, activations x, int t,
                        int tokens, int in_dim) {
  int num_blocks = in_dim / BLOCK, row_bytes = num_blocks * f.bytes;
  v128_t sum = splat(0);
  for (int b = 0; b < num_blocks; b++) {
    const uint8_t *w = rows + b * f.bytes;
    const int16_t *q = x.q + t * in_dim + b * BLOCK;
    fetch(next + 4 * b * f.bytes, 4 * f.bytes);
    v128_t integers = sums_of_i32(f.dot(w, q), f.dot(w + row_bytes, q),
                                  f.dot(w + 2 * row_bytes, q), f.dot(w + 3 * row_bytes, q));
    int i = b * tokens + t;
    sum = add_block(sum, integers, f.scales(w, row_bytes), x.scale[i], x.sum[i]);
  }
  return sum;
}

/* A block of eight rows, unpacked: lane r of pair[k] holds elements 2k and 2k + 1 of row r. */
typedef struct {
  int32_t pair[BLOCK / 2][ROWS];
  float d[ROWS], m[ROWS];
} unpacked;

INLINE void unpack_rows(format f, const uint8_t *rows, unpacked *block, int in_dim) {
  int num_blocks = in_dim / BLOCK, row_bytes = num_blocks * f.bytes;
  for (int b = 0; b < num_blocks; b++, block++, rows += f.bytes) {
    for (int r = 0; r < ROWS; r++) {
      v128_t w[4];
      f.unpack(rows + r * row_bytes, w);
      const int32_t *pairs = (const int32_t *)w;
      for (int k = 0; k < BLOCK / 2; k++) block->pair[k][r] = pairs[k];
    }
    for (int r = 0; r < ROWS; r += 4) {
      scales w = f.scales(rows + r * row_bytes, row_bytes);
      store(block->d + r, w.d);
      store(block->m + r, w.m);
    }
  }
}

/* Four tokens times eight rows: each weight is read once for four, each activation for eight. */
INLINE void four_tokens(const unpacked *block, activations x, int t, int tokens, int in_dim,
                        float *out, int out_dim) {
  v128_t low[TOKENS] = {0}, high[TOKENS] = {0};
  for (int b = 0; b < in_dim / BLOCK; b++, block++) {
    const int16_t *q = x.q + t * in_dim + b * BLOCK;
    v128_t low_integers[TOKENS] = {0}, high_integers[TOKENS] = {0};
    for (int k = 0; k < BLOCK / 2; k++) {
      v128_t w_low = load(block->pair[k]), w_high = load(block->pair[k] + 4);
#pragma clang loop unroll(full)
      for (int i = 0; i < TOKENS; i++) {
        v128_t pair = wasm_v128_load32_splat(q + i * in_dim + 2 * k);
        low_integers[i] = add_i32(low_integers[i], dot_i16(w_low, pair));
        high_integers[i] = add_i32(high_integers[i], dot_i16(w_high, pair));
      }
    }
    scales w_low = {load(block->d), load(block->m)};
    scales w_high = {load(block->d + 4), load(block->m + 4)};
#pragma clang loop unroll(full)
    for (int i = 0; i < TOKENS; i++) {
      float scale = x.scale[b * tokens + t + i], sum = x.sum[b * tokens + t + i];
      low[i] = add_block(low[i], low_integers[i], w_low, scale, sum);
      high[i] = add_block(high[i], high_integers[i], w_high, scale, sum);
    }
  }
  for (int i = 0; i < TOKENS; i++) {
    store(out + (t + i) * out_dim, low[i]);
    store(out + (t + i) * out_dim + 4, high[i]);
  }
}

INLINE int smaller(int a, int b) { return a < b ? a : b; }

/* R is at least 8. Where it is no multiple, the last rows are computed twice. */
INLINE void multiply(format f, const uint8_t *weights, activations x, float *out, int tokens,
                     int in_dim, int out_dim, unpacked *scratch) {
  int row_bytes = in_dim / BLOCK * f.bytes, grouped = tokens - tokens % TOKENS;
  for (int row = 0; grouped && row < out_dim; row += ROWS) {
    int first = smaller(row, out_dim - ROWS);
    unpack_rows(f, weights + first * row_bytes, scratch, in_dim);
    for (int t = 0; t < grouped; t += TOKENS)
      four_tokens(scratch, x, t, tokens, in_dim, out + first, out_dim);
  }
  for (int t = grouped; t < tokens; t++)
    for (int row = 0; row < out_dim; row += 4) {
      int first = smaller(row, out_dim - 4);
      const uint8_t *rows = weights + first * row_bytes;
      const uint8_t *next = weights + smaller(row + 4, out_dim - 4) * row_bytes;
      store(out + t * out_dim + first, four_rows(f, rows, next, x, t, tokens, in_dim));
    }
}

EXPORT void multiply_q4_1(const uint8_t *weights, void *x, float *out, int tokens, int in_dim,
                          int out_dim, void *scratch) {
  multiply(Q4_1, weights, activations_at(x, tokens, in_dim), out, tokens, in_dim, out_dim, scratch);
}

EXPORT void multiply_q8_0(const uint8_t *weights, void *x, float *out, int tokens, int in_dim,
                          int out_dim, void *scratch) {
  multiply(Q8_0, weights, activations_at(x, tokens, in_dim), out, tokens, in_dim, out_dim, scratch);
}

/* The same for float32 weights and x as it is. */
EXPORT void multiply_f32(const float *weights, const float *x, float *out, int tokens, int in_dim,
                         int out_dim) {
  for (int row = 0; row < out_dim; row++)
    for (int t = 0; t < tokens; t++) {
      v128_t sum = splat(0);
      for (int e = 0; e < in_dim; e += 4)
        sum = add(sum, mul(load(weights + row * in_dim + e), load(x + t * in_dim + e)));
      out[t * out_dim + row] = sum_of(sum);
    }
}

/* A row of weights (E) as float32: a token's embedding. */
INLINE void read_row(format f, const uint8_t *row, float *out, int in_dim) {
  for (int b = 0; b < in_dim / BLOCK; b++, row += f.bytes, out += BLOCK) {
    v128_t w[4];
    f.unpack(row, w);
    scales s = f.scales(row, 0);
    const int16_t *q = (const int16_t *)w;
    float d = wasm_f32x4_extract_lane(s.d, 0), m = wasm_f32x4_extract_lane(s.m, 0);
    for (int i = 0; i < BLOCK; i++) out[i] = d * q[i / 2 + i % 2 * (BLOCK / 2)] + m;
  }
}

EXPORT void read_row_q4_1(const uint8_t *row, float *out, int in_dim) {
  read_row(Q4_1, row, out, in_dim);
}

EXPORT void read_row_q8_0(const uint8_t *row, float *out, int in_dim) {
  read_row(Q8_0, row, out, in_dim);
}
