/* Vectors of 128 bits: short names, sums of lanes, and e^x. */
#pragma once
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))

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

/* float16 in the high half of each lane, to float32: sign, exponent and fraction move to their
 * places, and a factor makes up for the other bias. Weights are never infinite. */
INLINE v128_t from_half(v128_t h) {
  v128_t moved = and(wasm_i32x4_shr(h, 3), wasm_i32x4_const_splat(0x8fffe000));
  return mul(moved, splat(0x1p112f));
}

/* Asks for bytes that are needed soon, so that they are on their way from memory: 64 a line. */
INLINE void fetch(const uint8_t *p, int bytes) {
  for (int i = 0; i < bytes; i += 64) (void)*(const volatile uint8_t *)(p + i);
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
