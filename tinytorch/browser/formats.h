/* The blocks of 32 weights of a GGUF file, and how their integers meet those of activations. */
#pragma once
#include "simd.h"

enum { BLOCK = 32 };

typedef struct { uint16_t d, m; uint8_t q[BLOCK / 2]; } block_q4_1; /* w = d * q + m, q 0 to 15 */
typedef struct { uint16_t d; int8_t q[BLOCK]; } block_q8_0;         /* w = d * q */

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
  return (scales){from_half(wasm_i32x4_shl(pairs, 16)), from_half(pairs)};
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
  return (scales){from_half(wasm_i32x4_shl(d, 16)), splat(0)};
}

static const format Q4_1 = {sizeof(block_q4_1), dot_q4_1, unpack_q4_1, scales_q4_1};
static const format Q8_0 = {sizeof(block_q8_0), dot_q8_0, unpack_q8_0, scales_q8_0};
