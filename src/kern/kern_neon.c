/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NEON kernels for 64-bit Arm: the bits of kern_scalar.c, 8 or 16 elements at a time. Multiply and
 * add stay two operations: vmlaq would leave the choice to the compiler, vfmaq would change bits.
 * Encoded elements are loaded as bytes, because they may lie at any address.
 */
#include "kern/kern.h"

#include "base/attr.h"
#include "base/bytes.h"
#include "kern/kern_elem.h"
#include "kern/kern_fill.h"
#include "kern/kern_votes.h"

#include <arm_neon.h>
#include <string.h>

#define OF_STATS_BYTES       16
#define OF_STATS_WIDEN(from) vcvt_f64_f32(vld1_f32(from))
#define OF_STATS_MAX(a, b)   vmaxq_f64((float64x2_t)(a), (float64x2_t)(b))
#include "kern/kern_stats.h"

#define OF_NEAR_BYTES 16
#include "kern/kern_near.h"

#define XXH_VECTOR XXH_NEON
#include "kern/kern_hash.h"

/* --- Unpack --- */

static inline uint16x8_t load_words(const uint8_t *from)
{
    return vreinterpretq_u16_u8(vld1q_u8(from));
}

static void unpack_f64(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        float64x2_t low = vreinterpretq_f64_u8(vld1q_u8(bytes + i * 8));
        float64x2_t high = vreinterpretq_f64_u8(vld1q_u8(bytes + i * 8 + 16));

        vst1q_f32(to + i, vcvt_high_f32_f64(vcvt_f32_f64(low), high));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_f64(of_bytes_load64(bytes + i * 8));
    }
}

static inline void store_halves(float *to, uint16x8_t words)
{
    float16x8_t halves = vreinterpretq_f16_u16(words);

    vst1q_f32(to, vcvt_f32_f16(vget_low_f16(halves)));
    vst1q_f32(to + 4, vcvt_high_f32_f16(halves));
}

static void unpack_f16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        store_halves(to + i, load_words(bytes + i * 2));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_f16(of_bytes_load16(bytes + i * 2));
    }
}

/* A bf16 above 16 zero bits is an f32: interleaving with zeros makes four of them. */
static inline float32x4_t bf16_low(uint16x8_t words)
{
    return vreinterpretq_f32_u16(vzip1q_u16(vdupq_n_u16(0), words));
}

static inline float32x4_t bf16_high(uint16x8_t words)
{
    return vreinterpretq_f32_u16(vzip2q_u16(vdupq_n_u16(0), words));
}

static void unpack_bf16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint16x8_t words = load_words(bytes + i * 2);

        vst1q_f32(to + i, bf16_low(words));
        vst1q_f32(to + i + 4, bf16_high(words));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_bf16(of_bytes_load16(bytes + i * 2));
    }
}

/* A code of E5M2 above a zero byte is an f16. */
static void unpack_e5m2(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    const uint8x16_t zero = vdupq_n_u8(0);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        uint8x16_t codes = vld1q_u8(bytes + i);

        store_halves(to + i, vreinterpretq_u16_u8(vzip1q_u8(zero, codes)));
        store_halves(to + i + 8, vreinterpretq_u16_u8(vzip2q_u8(zero, codes)));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_e5m2(bytes[i]);
    }
}

/* See of_elem_from_e4m3: read as f16 the value is times 2^-8; the NaN becomes one of f16. */
static void unpack_e4m3(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    const uint16x8_t nan = vdupq_n_u16(OF_ELEM_NAN_E4M3);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint16x8_t codes = vmovl_u8(vld1_u8(bytes + i));
        uint16x8_t magnitude = vandq_u16(codes, nan);
        uint16x8_t sign = vshlq_n_u16(veorq_u16(codes, magnitude), 8);
        uint16x8_t words = vorrq_u16(sign, vshlq_n_u16(magnitude, 7));
        float16x8_t halves;

        words = vorrq_u16(words, vshrq_n_u16(vceqq_u16(magnitude, nan), 1));
        halves = vreinterpretq_f16_u16(words);
        vst1q_f32(to + i, vmulq_n_f32(vcvt_f32_f16(vget_low_f16(halves)), 256.0F));
        vst1q_f32(to + i + 4, vmulq_n_f32(vcvt_high_f32_f16(halves), 256.0F));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_e4m3(bytes[i]);
    }
}

/* --- Pack --- */

/* Every NaN replaced by the one of f32, which converts to the one of f16 and of f64. */
static inline float32x4_t one_nan(float32x4_t value)
{
    const float32x4_t nan = vreinterpretq_f32_u32(vdupq_n_u32(OF_ELEM_NAN_F32));

    return vbslq_f32(vceqq_f32(value, value), value, nan);
}

/* All ones in lanes that hold a NaN or an infinity. */
static inline uint32x4_t nonfinite_lanes(float32x4_t value)
{
    const uint32x4_t inf = vdupq_n_u32(OF_ELEM_INF_F32);

    return vceqq_u32(vandq_u32(vreinterpretq_u32_f32(value), inf), inf);
}

/* How many of the lanes are all ones. */
static inline size_t count_lanes(uint32x4_t mask)
{
    return OF_LIKELY(vmaxvq_u32(mask) == 0) ? 0 : vaddvq_u32(vshrq_n_u32(mask, 31));
}

static size_t pack_f64(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        float32x4_t value = one_nan(vld1q_f32(from + i));
        float64x2_t low = vcvt_f64_f32(vget_low_f32(value));

        vst1q_u8(bytes + i * 8, vreinterpretq_u8_f64(low));
        vst1q_u8(bytes + i * 8 + 16, vreinterpretq_u8_f64(vcvt_high_f64_f32(value)));
        bad += count_lanes(nonfinite_lanes(value));
    }
    for (; i < count; i++) {
        bad += (of_elem_bits(from[i]) & OF_ELEM_INF_F32) == OF_ELEM_INF_F32;
        of_bytes_store64(bytes + i * 8, of_elem_to_f64(from[i]));
    }
    return bad;
}

static size_t pack_f32(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        float32x4_t value = one_nan(vld1q_f32(from + i));

        vst1q_u8(bytes + i * 4, vreinterpretq_u8_f32(value));
        bad += count_lanes(nonfinite_lanes(value));
    }
    for (; i < count; i++) {
        uint32_t code = of_elem_to_f32(from[i]);

        bad += (code & OF_ELEM_INF_F32) == OF_ELEM_INF_F32;
        of_bytes_store32(bytes + i * 4, code);
    }
    return bad;
}

/* How many of the 8 words have all bits of `inf` (the exponent) set. */
static inline size_t nonfinite_words(uint16x8_t words, uint16_t inf)
{
    const uint16x8_t wanted = vdupq_n_u16(inf);
    uint16x8_t mask = vceqq_u16(vandq_u16(words, wanted), wanted);

    return OF_LIKELY(vmaxvq_u16(mask) == 0) ? 0 : vaddvq_u16(vshrq_n_u16(mask, 15));
}

/* Eight elements to eight codes, in their order. */
static inline uint16x8_t narrow_f16(float32x4_t low, float32x4_t high)
{
    const float16x4_t half = vcvt_f16_f32(one_nan(low));

    return vreinterpretq_u16_f16(vcvt_high_f16_f32(half, one_nan(high)));
}

static size_t pack_f16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint16x8_t words = narrow_f16(vld1q_f32(from + i), vld1q_f32(from + i + 4));

        vst1q_u8(bytes + i * 2, vreinterpretq_u8_u16(words));
        bad += nonfinite_words(words, OF_ELEM_INF_F16);
    }
    for (; i < count; i++) {
        uint16_t code = of_elem_to_f16(from[i]);

        bad += (code & OF_ELEM_INF_F16) == OF_ELEM_INF_F16;
        of_bytes_store16(bytes + i * 2, code);
    }
    return bad;
}

/* The rounded code in the upper half of each lane: see of_elem_to_bf16. */
static inline uint32x4_t round_bf16(float32x4_t value)
{
    const uint32x4_t nan = vdupq_n_u32((uint32_t)OF_ELEM_NAN_BF16 << 16);
    uint32x4_t bits = vreinterpretq_u32_f32(value);
    uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    uint32x4_t sum = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7fff)));

    return vbslq_u32(vceqq_f32(value, value), sum, nan);
}

static size_t pack_bf16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint32x4_t low = round_bf16(vld1q_f32(from + i));
        uint32x4_t high = round_bf16(vld1q_f32(from + i + 4));
        uint16x8_t words = vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));

        vst1q_u8(bytes + i * 2, vreinterpretq_u8_u16(words));
        bad += nonfinite_words(words, OF_ELEM_INF_BF16);
    }
    for (; i < count; i++) {
        uint16_t code = of_elem_to_bf16(from[i]);

        bad += (code & OF_ELEM_INF_BF16) == OF_ELEM_INF_BF16;
        of_bytes_store16(bytes + i * 2, code);
    }
    return bad;
}

/* The constants of of_elem_narrow and what stands for values past the range. */
struct narrow {
    uint32_t bias;
    uint32_t min;
    uint32_t magic;
    uint32_t ceiling;
    uint32_t nan;
    int32_t drop;
};

static const struct narrow narrow_e5m2 = {.bias = OF_ELEM_BIAS_F16,
                                          .min = OF_ELEM_MIN_F16,
                                          .magic = OF_ELEM_MAGIC_E5M2,
                                          .ceiling = OF_ELEM_INF_E5M2,
                                          .nan = OF_ELEM_NAN_E5M2,
                                          .drop = OF_ELEM_DROP_E5M2};

/* The ceiling is one above the largest finite code and equals the NaN. */
static const struct narrow narrow_e4m3 = {.bias = OF_ELEM_BIAS_E4M3,
                                          .min = OF_ELEM_MIN_E4M3,
                                          .magic = OF_ELEM_MAGIC_E4M3,
                                          .ceiling = OF_ELEM_NAN_E4M3,
                                          .nan = OF_ELEM_NAN_E4M3,
                                          .drop = OF_ELEM_DROP_E4M3};

/* One code per 32-bit lane; of_elem_narrow on both sides of `min`, then the right one chosen. */
static inline uint32x4_t narrow_lanes(float32x4_t value, const struct narrow *n)
{
    const int32x4_t down = vdupq_n_s32(-n->drop);
    const uint32x4_t nan = vdupq_n_u32(n->nan);
    uint32x4_t bits = vreinterpretq_u32_f32(value);
    uint32x4_t magnitude = vandq_u32(bits, vdupq_n_u32(0x7fffffff));
    uint32x4_t sign = vshrq_n_u32(veorq_u32(bits, magnitude), 24);
    uint32x4_t odd = vandq_u32(vshlq_u32(magnitude, down), vdupq_n_u32(1));
    uint32x4_t half = vdupq_n_u32((UINT32_C(1) << (n->drop - 1)) - 1);
    uint32x4_t normal = vaddq_u32(vaddq_u32(magnitude, half), odd);
    float32x4_t magic = vreinterpretq_f32_u32(vdupq_n_u32(n->magic));
    uint32x4_t small = vreinterpretq_u32_f32(vaddq_f32(vreinterpretq_f32_u32(magnitude), magic));
    uint32x4_t code;
    uint32x4_t is_number;

    normal = vshlq_u32(vsubq_u32(normal, vdupq_n_u32(n->bias)), down);
    small = vsubq_u32(small, vdupq_n_u32(n->magic));
    code = vbslq_u32(vcltq_u32(magnitude, vdupq_n_u32(n->min)), small, normal);
    code = vminq_u32(code, vdupq_n_u32(n->ceiling));
    is_number = vandq_u32(vceqq_f32(value, value), vmvnq_u32(vceqq_u32(code, nan)));
    return vbslq_u32(is_number, vorrq_u32(code, sign), nan);
}

/* 16 elements to 16 codes. */
static inline uint8x16_t narrow_16(const float *from, const struct narrow *n)
{
    uint16x4_t a = vmovn_u32(narrow_lanes(vld1q_f32(from), n));
    uint16x4_t c = vmovn_u32(narrow_lanes(vld1q_f32(from + 8), n));
    uint16x8_t low = vmovn_high_u32(a, narrow_lanes(vld1q_f32(from + 4), n));
    uint16x8_t high = vmovn_high_u32(c, narrow_lanes(vld1q_f32(from + 12), n));

    return vmovn_high_u16(vmovn_u16(low), high);
}

/* How many of the 16 bytes have all bits of `inf` set. */
static inline size_t nonfinite_bytes(uint8x16_t codes, uint8_t inf)
{
    const uint8x16_t wanted = vdupq_n_u8(inf);
    uint8x16_t mask = vceqq_u8(vandq_u8(codes, wanted), wanted);

    return OF_LIKELY(vmaxvq_u8(mask) == 0) ? 0 : vaddvq_u8(vshrq_n_u8(mask, 7));
}

static size_t pack_e5m2(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        uint8x16_t codes = narrow_16(from + i, &narrow_e5m2);

        vst1q_u8(bytes + i, codes);
        bad += nonfinite_bytes(codes, OF_ELEM_INF_E5M2);
    }
    for (; i < count; i++) {
        uint8_t code = of_elem_to_e5m2(from[i]);

        bad += (code & OF_ELEM_INF_E5M2) == OF_ELEM_INF_E5M2;
        bytes[i] = code;
    }
    return bad;
}

static size_t pack_e4m3(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        uint8x16_t codes = narrow_16(from + i, &narrow_e4m3);

        vst1q_u8(bytes + i, codes);
        bad += nonfinite_bytes(codes, OF_ELEM_NAN_E4M3);
    }
    for (; i < count; i++) {
        uint8_t code = of_elem_to_e4m3(from[i]);

        bad += (code & 0x7f) == OF_ELEM_NAN_E4M3;
        bytes[i] = code;
    }
    return bad;
}

/* --- Arithmetic --- */

/* acc + coef * x, two roundings. */
static inline void fold_4(float *acc, float32x4_t x, float32x4_t coef)
{
    vst1q_f32(acc, vaddq_f32(vld1q_f32(acc), vmulq_f32(coef, x)));
}

static void fold_plain(float *restrict acc, const float *restrict x, float coef, size_t count)
{
    const float32x4_t factor = vdupq_n_f32(coef);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        fold_4(acc + i, vld1q_f32(x + i), factor);
        fold_4(acc + i + 4, vld1q_f32(x + i + 4), factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * x[i]);
    }
}

static void fold_delta(float *restrict acc, const float *restrict x, const float *restrict base,
                       float coef, size_t count)
{
    const float32x4_t factor = vdupq_n_f32(coef);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        fold_4(acc + i, vsubq_f32(vld1q_f32(x + i), vld1q_f32(base + i)), factor);
        fold_4(acc + i + 4, vsubq_f32(vld1q_f32(x + i + 4), vld1q_f32(base + i + 4)), factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * (x[i] - base[i]));
    }
}

static void fold_plain_bf16(float *restrict acc, const void *restrict x, float coef, size_t count)
{
    const uint8_t *bytes = x;
    const float32x4_t factor = vdupq_n_f32(coef);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint16x8_t words = load_words(bytes + i * 2);

        fold_4(acc + i, bf16_low(words), factor);
        fold_4(acc + i + 4, bf16_high(words), factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * of_elem_from_bf16(of_bytes_load16(bytes + i * 2)));
    }
}

static void fold_delta_bf16(float *restrict acc, const void *restrict x, const float *restrict base,
                            float coef, size_t count)
{
    const uint8_t *bytes = x;
    const float32x4_t factor = vdupq_n_f32(coef);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint16x8_t words = load_words(bytes + i * 2);

        fold_4(acc + i, vsubq_f32(bf16_low(words), vld1q_f32(base + i)), factor);
        fold_4(acc + i + 4, vsubq_f32(bf16_high(words), vld1q_f32(base + i + 4)), factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * (of_elem_from_bf16(of_bytes_load16(bytes + i * 2)) - base[i]));
    }
}

/*
 * Fused sums. Eight elements as two vectors of four: of BF16 those of even and of odd number, which
 * needs no shuffle, of the other types the first and the last four. `dtype` is a constant
 * everywhere.
 */
struct pair {
    float32x4_t a;
    float32x4_t b;
};

static OF_ALWAYS_INLINE struct pair load_pair(const void *codes, size_t index, onefold_dtype dtype)
{
    const uint8_t *at = (const uint8_t *)codes + index * of_elem_sum_bytes(dtype);
    const uint8x16_t first = vld1q_u8(at);
    uint32x4_t words;

    if (dtype == ONEFOLD_DTYPE_F32) {
        return (struct pair){vreinterpretq_f32_u8(first), vreinterpretq_f32_u8(vld1q_u8(at + 16))};
    }
    if (dtype == ONEFOLD_DTYPE_F16) {
        const float16x8_t halves = vreinterpretq_f16_u8(first);

        return (struct pair){vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
    }
    words = vreinterpretq_u32_u8(first);
    return (struct pair){vreinterpretq_f32_u32(vshlq_n_u32(words, 16)),
                         vreinterpretq_f32_u32(vandq_u32(words, vdupq_n_u32(0xffff0000)))};
}

/* acc + coef * x, rounded after each; fused forms are not used. */
static inline struct pair add_scaled(struct pair acc, float32x4_t coef, struct pair x)
{
    return (struct pair){vaddq_f32(acc.a, vmulq_f32(coef, x.a)),
                         vaddq_f32(acc.b, vmulq_f32(coef, x.b))};
}

static inline struct pair finish_pair(const struct of_kern_sum *sum, struct pair acc)
{
    if (sum->has_divisor) {
        const float32x4_t divisor = vdupq_n_f32(sum->divisor);

        acc = (struct pair){vdivq_f32(acc.a, divisor), vdivq_f32(acc.b, divisor)};
    }
    if (sum->has_factor) {
        const float32x4_t factor = vdupq_n_f32(sum->factor);

        acc = (struct pair){vmulq_f32(factor, acc.a), vmulq_f32(factor, acc.b)};
    }
    return acc;
}

/* Rounds and stores; how many of the eight are not finite. */
static OF_ALWAYS_INLINE size_t store_pair(uint8_t *to, struct pair value, onefold_dtype dtype)
{
    uint16x8_t words;

    if (dtype == ONEFOLD_DTYPE_F32) {
        const float32x4_t low = one_nan(value.a);
        const float32x4_t high = one_nan(value.b);

        vst1q_u8(to, vreinterpretq_u8_f32(low));
        vst1q_u8(to + 16, vreinterpretq_u8_f32(high));
        return count_lanes(nonfinite_lanes(low)) + count_lanes(nonfinite_lanes(high));
    }
    if (dtype == ONEFOLD_DTYPE_F16) {
        words = narrow_f16(value.a, value.b);
        vst1q_u8(to, vreinterpretq_u8_u16(words));
        return nonfinite_words(words, OF_ELEM_INF_F16);
    }
    /* round_bf16 leaves the code in the upper half. */
    words = vtrn2q_u16(vreinterpretq_u16_u32(round_bf16(value.a)),
                       vreinterpretq_u16_u32(round_bf16(value.b)));
    vst1q_u8(to, vreinterpretq_u8_u16(words));
    return nonfinite_words(words, OF_ELEM_INF_BF16);
}

/* Elements [at, at + 8). */
static OF_ALWAYS_INLINE size_t sum_8(uint8_t *to, const struct of_kern_sum *sum, size_t at,
                                     onefold_dtype dtype)
{
    const float32x4_t start = vdupq_n_f32(sum->start);
    struct pair acc = {start, start};
    struct pair base = {start, start};

    if (sum->base != NULL) {
        base = load_pair(sum->base, at, dtype);
    }
    for (uint32_t t = 0; t < sum->input_count; t++) {
        struct pair x = load_pair(sum->x[t], at, dtype);

        if (sum->base != NULL) {
            x = (struct pair){vsubq_f32(x.a, base.a), vsubq_f32(x.b, base.b)};
        }
        acc = add_scaled(acc, vdupq_n_f32(sum->coefs[t]), x);
    }
    acc = finish_pair(sum, acc);
    if (sum->base != NULL) {
        acc = (struct pair){vaddq_f32(base.a, acc.a), vaddq_f32(base.b, acc.b)};
    }
    return store_pair(to, acc, dtype);
}

static OF_ALWAYS_INLINE size_t sum_all(uint8_t *to, const struct of_kern_sum *sum, size_t first,
                                       size_t count, onefold_dtype dtype)
{
    const size_t width = of_elem_sum_bytes(dtype);
    size_t bad = 0;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        bad += sum_8(to + i * width, sum, first + i, dtype);
    }
    for (; i < count; i++) {
        bad += of_elem_sum(to + i * width, sum, first + i, dtype);
    }
    return bad;
}

static size_t sum_bf16(void *to, const struct of_kern_sum *sum, size_t first, size_t count)
{
    return sum_all(to, sum, first, count, ONEFOLD_DTYPE_BF16);
}

static size_t sum_f16(void *to, const struct of_kern_sum *sum, size_t first, size_t count)
{
    return sum_all(to, sum, first, count, ONEFOLD_DTYPE_F16);
}

static size_t sum_f32(void *to, const struct of_kern_sum *sum, size_t first, size_t count)
{
    return sum_all(to, sum, first, count, ONEFOLD_DTYPE_F32);
}

static void subtract(float *restrict d, const float *restrict x, const float *restrict base,
                     size_t count)
{
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        vst1q_f32(d + i, vsubq_f32(vld1q_f32(x + i), vld1q_f32(base + i)));
    }
    for (; i < count; i++) {
        d[i] = x[i] - base[i];
    }
}

static void subtract_bf16(float *restrict d, const void *restrict x, const float *restrict base,
                          size_t count)
{
    const uint8_t *bytes = x;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        uint16x8_t words = load_words(bytes + i * 2);

        vst1q_f32(d + i, vsubq_f32(bf16_low(words), vld1q_f32(base + i)));
        vst1q_f32(d + i + 4, vsubq_f32(bf16_high(words), vld1q_f32(base + i + 4)));
    }
    for (; i < count; i++) {
        d[i] = of_elem_from_bf16(of_bytes_load16(bytes + i * 2)) - base[i];
    }
}

/* By comparing and selecting: vminq and vmaxq would make NaNs of NaNs and order zeros by sign. */
static void order_pair(float *restrict low, float *restrict high, size_t count)
{
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        const float32x4_t a = vld1q_f32(low + i);
        const float32x4_t b = vld1q_f32(high + i);
        const uint32x4_t swap = vcltq_f32(b, a);

        vst1q_f32(low + i, vbslq_f32(swap, b, a));
        vst1q_f32(high + i, vbslq_f32(swap, a, b));
    }
    for (; i < count; i++) {
        const float a = low[i];
        const float b = high[i];

        low[i] = b < a ? b : a;
        high[i] = b < a ? a : b;
    }
}

static inline float64x2_t product_low(float32x4_t a, float32x4_t b)
{
    return vmulq_f64(vcvt_f64_f32(vget_low_f32(a)), vcvt_f64_f32(vget_low_f32(b)));
}

static inline float64x2_t product_high(float32x4_t a, float32x4_t b)
{
    return vmulq_f64(vcvt_high_f64_f32(a), vcvt_high_f64_f32(b));
}

static void add_products(double lanes[8], const float *a, const float *b, size_t count)
{
    float64x2_t acc[4];
    size_t i = 0;

    for (size_t k = 0; k < 4; k++) {
        acc[k] = vld1q_f64(lanes + 2 * k);
    }
    for (; i + 8 <= count; i += 8) {
        const float32x4_t a_low = vld1q_f32(a + i);
        const float32x4_t b_low = vld1q_f32(b + i);
        const float32x4_t a_high = vld1q_f32(a + i + 4);
        const float32x4_t b_high = vld1q_f32(b + i + 4);

        acc[0] = vaddq_f64(acc[0], product_low(a_low, b_low));
        acc[1] = vaddq_f64(acc[1], product_high(a_low, b_low));
        acc[2] = vaddq_f64(acc[2], product_low(a_high, b_high));
        acc[3] = vaddq_f64(acc[3], product_high(a_high, b_high));
    }
    for (size_t k = 0; k < 4; k++) {
        vst1q_f64(lanes + 2 * k, acc[k]);
    }
    for (; i < count; i++) {
        lanes[i % 8] = lanes[i % 8] + ((double)a[i] * (double)b[i]);
    }
}

/*
 * A tile: the pairs of `rows` vectors from s on with `cols` from t on, whose sums stay in registers
 * while the elements pass, so that a vector loaded serves several pairs, and so do the chains of
 * additions that would wait for themselves. Each pair's additions keep their order: nothing of it
 * shows in the bits. Lanes 0 to 3 in one pass, 4 to 7 in another. `rows`, `cols` and `is_diagonal`
 * (s is t: half of the pairs) are constants.
 */
enum { TILE = 3 };

struct gram {
    double (*lanes)[8];
    const float *const *d;
    uint32_t vector_count;
    size_t count; /* a multiple of 8 */
};

struct four {
    float64x2_t low;
    float64x2_t high;
};

static inline struct four widen(const float *from)
{
    const float32x4_t x = vld1q_f32(from);

    return (struct four){vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)};
}

static inline double *lanes_of(const struct gram *gram, uint32_t s, uint32_t t)
{
    return gram->lanes[of_elem_pair(gram->vector_count, s, t)];
}

static OF_ALWAYS_INLINE void half_tile(const struct gram *gram, uint32_t s, uint32_t t,
                                       uint32_t rows, uint32_t cols, bool is_diagonal, size_t half)
{
    const float *row_at[TILE] = {NULL};
    const float *col_at[TILE] = {NULL};
    struct four acc[TILE][TILE];
    struct four row[TILE];

#pragma GCC unroll 3
    for (uint32_t i = 0; i < rows; i++) {
        row_at[i] = gram->d[s + i] + half;
#pragma GCC unroll 3
        for (uint32_t k = 0; k < cols; k++) {
            if (!is_diagonal || i <= k) {
                const double *lanes = lanes_of(gram, s + i, t + k) + half;

                acc[i][k] = (struct four){vld1q_f64(lanes), vld1q_f64(lanes + 2)};
            }
        }
    }
#pragma GCC unroll 3
    for (uint32_t k = 0; k < cols; k++) {
        col_at[k] = gram->d[t + k] + half;
    }
    for (size_t at = 0; at < gram->count; at += 8) {
#pragma GCC unroll 3
        for (uint32_t i = 0; i < rows; i++) {
            row[i] = widen(row_at[i] + at);
        }
#pragma GCC unroll 3
        for (uint32_t k = 0; k < cols; k++) {
            const struct four col = is_diagonal ? row[k] : widen(col_at[k] + at);

#pragma GCC unroll 3
            for (uint32_t i = 0; i < rows; i++) {
                if (!is_diagonal || i <= k) {
                    acc[i][k].low = vaddq_f64(acc[i][k].low, vmulq_f64(row[i].low, col.low));
                    acc[i][k].high = vaddq_f64(acc[i][k].high, vmulq_f64(row[i].high, col.high));
                }
            }
        }
    }
#pragma GCC unroll 3
    for (uint32_t i = 0; i < rows; i++) {
#pragma GCC unroll 3
        for (uint32_t k = 0; k < cols; k++) {
            if (!is_diagonal || i <= k) {
                double *lanes = lanes_of(gram, s + i, t + k) + half;

                vst1q_f64(lanes, acc[i][k].low);
                vst1q_f64(lanes + 2, acc[i][k].high);
            }
        }
    }
}

static OF_ALWAYS_INLINE void tile(const struct gram *gram, uint32_t s, uint32_t t, uint32_t rows,
                                  uint32_t cols, bool is_diagonal)
{
    half_tile(gram, s, t, rows, cols, is_diagonal, 0);
    half_tile(gram, s, t, rows, cols, is_diagonal, 4);
}

/* The tiles of the vectors from s on, TILE of them or what is left, with all that follow. */
static void tiles_from(const struct gram *gram, uint32_t s)
{
    const uint32_t left = gram->vector_count - s;

    switch (left) {
    case 1:
        tile(gram, s, s, 1, 1, true);
        return;
    case 2:
        tile(gram, s, s, 2, 2, true);
        return;
    default:
        tile(gram, s, s, TILE, TILE, true);
        break;
    }
    for (uint32_t t = s + TILE; t < gram->vector_count; t += TILE) {
        switch (gram->vector_count - t) {
        case 1:
            tile(gram, s, t, TILE, 1, false);
            break;
        case 2:
            tile(gram, s, t, TILE, 2, false);
            break;
        default:
            tile(gram, s, t, TILE, TILE, false);
            break;
        }
    }
}

static void add_gram(double (*lanes)[8], const float *const *d, uint32_t vector_count, size_t count)
{
    const struct gram gram = {lanes, d, vector_count, count / 8 * 8};

    for (uint32_t s = 0; s < vector_count; s += TILE) {
        tiles_from(&gram, s);
    }
    of_elem_gram(lanes, d, vector_count, gram.count, count);
}

static void divide(float *acc, float divisor, size_t count)
{
    const float32x4_t by = vdupq_n_f32(divisor);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        vst1q_f32(acc + i, vdivq_f32(vld1q_f32(acc + i), by));
    }
    for (; i < count; i++) {
        acc[i] = acc[i] / divisor;
    }
}

static void scale(float *acc, float factor, size_t count)
{
    const float32x4_t by = vdupq_n_f32(factor);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        vst1q_f32(acc + i, vmulq_f32(by, vld1q_f32(acc + i)));
    }
    for (; i < count; i++) {
        acc[i] = factor * acc[i];
    }
}

static void finish_delta(float *restrict acc, const float *restrict base, float factor,
                         size_t count)
{
    const float32x4_t by = vdupq_n_f32(factor);
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        float32x4_t delta = vmulq_f32(by, vld1q_f32(acc + i));

        vst1q_f32(acc + i, vaddq_f32(vld1q_f32(base + i), delta));
    }
    for (; i < count; i++) {
        acc[i] = base[i] + (factor * acc[i]);
    }
}

static void count_nonfinite(const float *x, size_t count, uint64_t *ret_nan, uint64_t *ret_inf)
{
    uint64_t nan = 0;
    uint64_t inf = 0;
    size_t i = 0;

    for (; i + 4 <= count; i += 4) {
        float32x4_t value = vld1q_f32(x + i);
        size_t bad = count_lanes(nonfinite_lanes(value));

        if (OF_UNLIKELY(bad != 0)) {
            size_t nan_here = count_lanes(vmvnq_u32(vceqq_f32(value, value)));

            nan += nan_here;
            inf += bad - nan_here;
        }
    }
    for (; i < count; i++) {
        uint32_t magnitude = of_elem_bits(x[i]) & 0x7fffffff;

        nan += magnitude > OF_ELEM_INF_F32;
        inf += magnitude == OF_ELEM_INF_F32;
    }
    *ret_nan = nan;
    *ret_inf = inf;
}

/* unpack of F32 is a copy: libc's is as fast as memory. */
void of_kern_fill_neon(struct of_kern *kern)
{
    kern->unpack[ONEFOLD_DTYPE_F64] = unpack_f64;
    kern->unpack[ONEFOLD_DTYPE_F16] = unpack_f16;
    kern->unpack[ONEFOLD_DTYPE_BF16] = unpack_bf16;
    kern->unpack[ONEFOLD_DTYPE_F8_E5M2] = unpack_e5m2;
    kern->unpack[ONEFOLD_DTYPE_F8_E4M3] = unpack_e4m3;
    kern->pack[ONEFOLD_DTYPE_F64] = pack_f64;
    kern->pack[ONEFOLD_DTYPE_F32] = pack_f32;
    kern->pack[ONEFOLD_DTYPE_F16] = pack_f16;
    kern->pack[ONEFOLD_DTYPE_BF16] = pack_bf16;
    kern->pack[ONEFOLD_DTYPE_F8_E5M2] = pack_e5m2;
    kern->pack[ONEFOLD_DTYPE_F8_E4M3] = pack_e4m3;
    kern->fold_plain = fold_plain;
    kern->fold_delta = fold_delta;
    kern->fold_plain_bf16 = fold_plain_bf16;
    kern->fold_delta_bf16 = fold_delta_bf16;
    kern->sum[ONEFOLD_DTYPE_BF16] = sum_bf16;
    kern->sum[ONEFOLD_DTYPE_F16] = sum_f16;
    kern->sum[ONEFOLD_DTYPE_F32] = sum_f32;
    kern->subtract = subtract;
    kern->subtract_bf16 = subtract_bf16;
    kern->order_pair = order_pair;
    kern->add_products = add_products;
    kern->add_gram = add_gram;
    kern->add_stats = add_stats;
    kern->add_votes = add_votes;
    kern->damp = damp;
    kern->average_near = average_near;
    kern->divide = divide;
    kern->scale = scale;
    kern->finish_delta = finish_delta;
    kern->count_nonfinite = count_nonfinite;
    fill_hash(kern);
}
