/*
 * What a layer does between its products with weights. T tokens, S keys, H heads, D head_dim.
 */
#include "simd.h"

/* out = x / sqrt(mean(x^2) + eps) * weight, for each row of x (T, E). */
EXPORT void rms_norm(const float *x, const float *weight, float *out, int tokens, int dim,
                     float eps) {
  for (int t = 0; t < tokens; t++, x += dim, out += dim) {
    v128_t squares = splat(0);
    for (int e = 0; e < dim; e += 4) squares = add(squares, mul(load(x + e), load(x + e)));
    v128_t factor = splat(1 / __builtin_sqrtf(sum_of(squares) / dim + eps));
    for (int e = 0; e < dim; e += 4)
      store(out + e, mul(mul(load(x + e), factor), load(weight + e)));
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
      for (; i < head_dim; i += 4)
        gather(scores, values + kv + i, visible, stride, total, o + i, 1);
    }
  }
}
