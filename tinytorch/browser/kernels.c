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
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = 32, ROWS = 8, TOKENS = 4 };

typedef struct { uint16_t d, m; uint8_t q[BLOCK / 2]; } block_q4_1; /* w = d * q + m, q 0 to 15 */
typedef struct { uint16_t d; int8_t q[BLOCK]; } block_q8_0;         /* w = d * q */

INLINE v128_t load(const void *p) { return wasm_v128_load(p); }
INLINE void store(void *p, v128_t x) { wasm_v128_store(p, x); }
INLINE v128_t splat(float x) { return wasm_f32x4_splat(x); }
INLINE v128_t add(v128_t a, v128_t b) { return wasm_f32x4_add(a, b); }
INLINE v128_t mul(v128_t a, v128_t b) { return wasm_f32x4_mul(a, b); }
INLINE v128_t and(v128_t a, v128_t b) { return wasm_v128_and(a, b); }
INLINE v128_t add_i32(v128_t a, v128_t b) { return wasm_i32x4_add(a, b); }
INLINE v128_t dot_i16(v128_t a, v128_t b) { return wasm_i32x4_dot_i16x8(a, b); }

INLINE float sum_of(v128_t x) {
  return (wasm_f32x4_extract_lane(x, 0) + wasm_f32x4_extract_lane(x, 2)) +
         (wasm_f32x4_extract_lane(x, 1) + wasm_f32x4_extract_lane(x, 3));
}

/* Lane i becomes the sum of the lanes of vector i. */
INLINE v128_t sums_of(v128_t a, v128_t b, v128_t c, v128_t d) {
  v128_t ab = add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  v128_t cd = add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  return add(wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5), wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
}

INLINE v128_t sums_of_i32(v128_t a, v128_t b, v128_t c, v128_t d) {
  v128_t ab = add_i32(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  v128_t cd = add_i32(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  return add_i32(wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5), wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
}

/* float16 in the low half of each lane, to float32; weights are never infinite. */
INLINE v128_t from_half(v128_t h) {
  v128_t magnitude = wasm_i32x4_shl(and(h, wasm_i32x4_const_splat(0x7fff)), 13);
  v128_t sign = wasm_i32x4_shl(and(h, wasm_i32x4_const_splat(0x8000)), 16);
  return wasm_v128_or(mul(magnitude, splat(0x1p112f)), sign);
}

/* e^x to 2 units in the last place: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes). */
INLINE v128_t exponential(v128_t x) {
  x = wasm_f32x4_min(wasm_f32x4_max(x, splat(-87.3f)), splat(88.3f));
  v128_t n = wasm_f32x4_nearest(mul(x, splat(1.44269504f)));
  v128_t r = add(add(x, mul(n, splat(-0.693359375f))), mul(n, splat(2.12194440e-4f)));
  v128_t p = splat(1.9875691500e-4f);
  p = add(mul(p, r), splat(1.3981999507e-3f));
  p = add(mul(p, r), splat(8.3334519073e-3f));
  p = add(mul(p, r), splat(4.1665795894e-2f));
  p = add(mul(p, r), splat(1.6666665459e-1f));
  p = add(mul(p, r), splat(5.0000001201e-1f));
  p = add(add(mul(p, mul(r, r)), r), splat(1));
  v128_t power = wasm_i32x4_shl(add_i32(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127)), 23);
  return mul(p, power);
}

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

typedef struct { v128_t d, m; } scales;

/* What a kind of block must tell: its bytes, and how its integers are read. */
typedef struct {
  int bytes;
  v128_t (*dot)(const uint8_t *block, const int16_t *x);     /* four partial sums */
  void (*unpack)(const uint8_t *block, v128_t w[4]);         /* in the order of activations */
  scales (*scales)(const uint8_t *block, int row_bytes);     /* of four rows */
} format;

/* The heart: 32 weights times 32 activations. A nibble is multiplied where it lies in its 16 bits,
 * and the sum, 16 or 256 times too large, shifted back: 8 weights cost one AND and one product. */
INLINE v128_t dot_q4_1(const uint8_t *block, const int16_t *x) {
  v128_t q = load(((const block_q4_1 *)block)->q);
  v128_t even_low = dot_i16(and(q, wasm_i16x8_const_splat(0x000f)), load(x));
  v128_t even_high = dot_i16(and(q, wasm_i16x8_const_splat(0x00f0)), load(x + 8));
  v128_t odd_low = dot_i16(and(q, wasm_i16x8_const_splat(0x0f00)), load(x + 16));
  v128_t odd_high = dot_i16(wasm_u16x8_shr(q, 12), load(x + 24));
  return add_i32(add_i32(even_low, wasm_i32x4_shr(even_high, 4)),
                 add_i32(wasm_i32x4_shr(odd_low, 8), odd_high));
}

INLINE void unpack_q4_1(const uint8_t *block, v128_t w[4]) {
  v128_t q = load(((const block_q4_1 *)block)->q), nibble = wasm_i16x8_const_splat(15);
  w[0] = and(q, nibble);
  w[1] = and(wasm_u16x8_shr(q, 4), nibble);
  w[2] = and(wasm_u16x8_shr(q, 8), nibble);
  w[3] = wasm_u16x8_shr(q, 12);
}

INLINE scales scales_q4_1(const uint8_t *block, int row_bytes) {
  const uint8_t *b = block;
  v128_t pairs = wasm_v128_load32_zero(b);
  pairs = wasm_v128_load32_lane(b + row_bytes, pairs, 1);
  pairs = wasm_v128_load32_lane(b + 2 * row_bytes, pairs, 2);
  pairs = wasm_v128_load32_lane(b + 3 * row_bytes, pairs, 3);
  return (scales){from_half(pairs), from_half(wasm_u32x4_shr(pairs, 16))};
}

INLINE void unpack_q8_0(const uint8_t *block, v128_t w[4]) {
  const int8_t *q = ((const block_q8_0 *)block)->q;
  v128_t low = load(q), high = load(q + 16);
  w[0] = wasm_i16x8_shr(wasm_i16x8_shl(low, 8), 8);
  w[1] = wasm_i16x8_shr(wasm_i16x8_shl(high, 8), 8);
  w[2] = wasm_i16x8_shr(low, 8);
  w[3] = wasm_i16x8_shr(high, 8);
}

INLINE v128_t dot_q8_0(const uint8_t *block, const int16_t *x) {
  v128_t w[4];
  unpack_q8_0(block, w);
  return add_i32(add_i32(dot_i16(w[0], load(x)), dot_i16(w[1], load(x + 8))),
                 add_i32(dot_i16(w[2], load(x + 16)), dot_i16(w[3], load(x + 24))));
}

INLINE uint16_t half_at(const uint8_t *block) { return ((const block_q8_0 *)block)->d; }

INLINE scales scales_q8_0(const uint8_t *block, int row_bytes) {
  v128_t d = wasm_u32x4_make(half_at(block), half_at(block + row_bytes),
                             half_at(block + 2 * row_bytes), half_at(block + 3 * row_bytes));
  return (scales){from_half(d), splat(0)};
}

static const format Q4_1 = {sizeof(block_q4_1), dot_q4_1, unpack_q4_1, scales_q4_1};
static const format Q8_0 = {sizeof(block_q8_0), dot_q8_0, unpack_q8_0, scales_q8_0};

/* A block's part of a sum; both ways to multiply add it in this order, so their bits agree. */
INLINE v128_t add_block(v128_t sum, v128_t integers, scales w, float scale, float x_sum) {
  sum = add(sum, mul(wasm_f32x4_convert_i32x4(integers), mul(w.d, splat(scale))));
  return add(sum, mul(w.m, splat(x_sum)));
}

/* One token times four rows. */
INLINE v128_t four_rows(format f, const uint8_t *rows, activations x, int t, int tokens, int in_dim) {
  int num_blocks = in_dim / BLOCK, row_bytes = num_blocks * f.bytes;
  v128_t sum = splat(0);
  for (int b = 0; b < num_blocks; b++) {
    const uint8_t *w = rows + b * f.bytes;
    const int16_t *q = x.q + t * in_dim + b * BLOCK;
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
    scales w_low = {load(block->d), load(block->m)}, w_high = {load(block->d + 4), load(block->m + 4)};
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
      v128_t sums = four_rows(f, weights + first * row_bytes, x, t, tokens, in_dim);
      store(out + t * out_dim + first, sums);
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

/* ---- Between the products ---- */

/* out = x / sqrt(mean(x^2) + eps) * weight, for each row of x (T, E). */
EXPORT void rms_norm(const float *x, const float *weight, float *out, int tokens, int dim, float eps) {
  for (int t = 0; t < tokens; t++, x += dim, out += dim) {
    v128_t squares = splat(0);
    for (int e = 0; e < dim; e += 4) squares = add(squares, mul(load(x + e), load(x + e)));
    v128_t factor = splat(1 / __builtin_sqrtf(sum_of(squares) / dim + eps));
    for (int e = 0; e < dim; e += 4) store(out + e, mul(mul(load(x + e), factor), load(weight + e)));
  }
}

/* x += y */
EXPORT void add_to(float *x, const float *y, int size) {
  for (int i = 0; i < size; i += 4) store(x + i, add(load(x + i), load(y + i)));
}

/* gate = gate * sigmoid(gate) * up */
EXPORT void swiglu(float *gate, const float *up, int size) {
  for (int i = 0; i < size; i += 4) {
    v128_t x = load(gate + i), y = mul(x, load(up + i));
    store(gate + i, wasm_f32x4_div(y, add(splat(1), exponential(wasm_f32x4_neg(x)))));
  }
}

/* Turns neighbours (2i, 2i + 1) of each head of x (T, H, D) by turns (T, D / 2), cos and sin. */
EXPORT void rotate(float *x, const float *turns, int tokens, int heads, int head_dim) {
  for (int t = 0; t < tokens; t++, turns += head_dim)
    for (int h = 0; h < heads; h++, x += head_dim)
      for (int i = 0; i < head_dim; i += 4) {
        v128_t pairs = load(x + i), turn = load(turns + i);
        v128_t cosine = wasm_i32x4_shuffle(turn, turn, 0, 0, 2, 2);
        v128_t sine = mul(wasm_i32x4_shuffle(turn, turn, 1, 1, 3, 3),
                          wasm_f32x4_const(-1, 1, -1, 1));
        v128_t swapped = wasm_i32x4_shuffle(pairs, pairs, 1, 0, 3, 2);
        store(x + i, add(mul(pairs, cosine), mul(swapped, sine)));
      }
}

/* ---- Attention ---- */

/* scores[s] = query . key s * scale, in fours: up to three scores after the last mean nothing. */
INLINE void score(const float *query, const float *keys, int num_keys, int stride, int head_dim,
                  float scale, float *scores) {
  for (int s = 0; s < num_keys; s += 4, keys += 4 * stride) {
    v128_t sums[4] = {0};
    for (int i = 0; i < head_dim; i += 4) {
      v128_t q = load(query + i);
#pragma clang loop unroll(full)
      for (int j = 0; j < 4; j++) sums[j] = add(sums[j], mul(q, load(keys + j * stride + i)));
    }
    store(scores + s, mul(sums_of(sums[0], sums[1], sums[2], sums[3]), splat(scale)));
  }
}

/* scores = exp(scores - their maximum); returns their sum. */
INLINE float exponentiate(float *scores, int num_keys) {
  for (int s = num_keys; s % 4; s++) scores[s] = -__builtin_inff();
  v128_t most = load(scores), total = splat(0);
  for (int s = 4; s < num_keys; s += 4) most = wasm_f32x4_max(most, load(scores + s));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 2, 3, 0, 1));
  most = wasm_f32x4_max(most, wasm_i32x4_shuffle(most, most, 1, 0, 3, 2));
  for (int s = 0; s < num_keys; s += 4) {
    v128_t weight = exponential(wasm_f32x4_sub(load(scores + s), most));
    store(scores + s, weight);
    total = add(total, weight);
  }
  return sum_of(total);
}

/* out = the sum of the values times their weights / total, for 4 * `vectors` elements of a head. */
INLINE void gather(const float *weights, const float *values, int num_keys, int stride, float total,
                   float *out, int vectors) {
  v128_t sums[8] = {0};
  for (int s = 0; s < num_keys; s++, values += stride) {
    v128_t weight = splat(weights[s]);
#pragma clang loop unroll(full)
    for (int i = 0; i < vectors; i++) sums[i] = add(sums[i], mul(weight, load(values + 4 * i)));
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < vectors; i++) store(out + 4 * i, wasm_f32x4_div(sums[i], splat(total)));
}

/*
 * out (T, H, D) = softmax(query . keys / sqrt(D)) . values. The queries (T, H, D) belong to the
 * last T of the S positions of keys and values (S, H_kv, D); each sees itself and what is before.
 * Scores has room for S + 3 floats; up to three keys after the last are read, and not used.
 */
EXPORT void attend(const float *query, const float *keys, const float *values, float *out,
                   int tokens, int num_keys, int heads, int kv_heads, int head_dim, float *scores) {
  int stride = kv_heads * head_dim, group = heads / kv_heads;
  float scale = 1 / __builtin_sqrtf(head_dim);
  for (int h = 0; h < heads; h++) {
    int kv = h / group * head_dim;
    for (int t = 0; t < tokens; t++) {
      int visible = num_keys - tokens + t + 1, i = 0;
      const float *q = query + (t * heads + h) * head_dim;
      float *o = out + (t * heads + h) * head_dim;
      score(q, keys + kv, visible, stride, head_dim, scale, scores);
      float total = exponentiate(scores, visible);
      for (; i + 32 <= head_dim; i += 32)
        gather(scores, values + kv + i, visible, stride, total, o + i, 8);
      for (; i < head_dim; i += 4) gather(scores, values + kv + i, visible, stride, total, o + i, 1);
    }
  }
}
