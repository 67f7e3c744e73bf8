/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVX2 and F16C kernels: the bits of kern_scalar.c, 16 elements at a time. Built with -mavx2 -mf16c
 * and never -mfma. Loads and stores are the unaligned forms: they cost nothing on aligned
 * addresses, and encoded elements lie anywhere. Values that are not finite are rare, so counting
 * them is a branch that is not taken.
 */
#include "kern/kern.h"

#include "base/attr.h"
#include "base/bytes.h"
#include "kern/kern_elem.h"
#include "kern/kern_fill.h"
#include "kern/kern_votes.h"

#include <immintrin.h>
#include <string.h>

#define OF_STATS_BYTES       32
#define OF_STATS_WIDEN(from) _mm256_cvtps_pd(_mm_loadu_ps(from))
#define OF_STATS_MAX(a, b)   _mm256_max_pd((__m256d)(a), (__m256d)(b))
#include "kern/kern_stats.h"

#define OF_NEAR_BYTES 32
#include "kern/kern_near.h"

#define XXH_VECTOR XXH_AVX2
#include "kern/kern_hash.h"

static inline __m128i load128(const void *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

static inline __m256i load256(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

static inline void store256(void *to, __m256i value)
{
    _mm256_storeu_si256((__m256i *)to, value);
}

/* --- Unpack --- */

static void unpack_f64(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256d low = _mm256_castsi256_pd(load256(bytes + i * 8));
        __m256d high = _mm256_castsi256_pd(load256(bytes + i * 8 + 32));

        _mm_storeu_ps(to + i, _mm256_cvtpd_ps(low));
        _mm_storeu_ps(to + i + 4, _mm256_cvtpd_ps(high));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_f64(of_bytes_load64(bytes + i * 8));
    }
}

static void unpack_f16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(load128(bytes + i * 2)));
        _mm256_storeu_ps(to + i + 8, _mm256_cvtph_ps(load128(bytes + i * 2 + 16)));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_f16(of_bytes_load16(bytes + i * 2));
    }
}

static inline __m256 load_bf16(const void *from)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load128(from)), 16));
}

static void unpack_bf16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        _mm256_storeu_ps(to + i, load_bf16(bytes + i * 2));
        _mm256_storeu_ps(to + i + 8, load_bf16(bytes + i * 2 + 16));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_bf16(of_bytes_load16(bytes + i * 2));
    }
}

/* A code of E5M2 above a zero byte is an f16. */
static void unpack_e5m2(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    const __m128i zero = _mm_setzero_si128();
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m128i codes = load128(bytes + i);

        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_unpacklo_epi8(zero, codes)));
        _mm256_storeu_ps(to + i + 8, _mm256_cvtph_ps(_mm_unpackhi_epi8(zero, codes)));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_e5m2(bytes[i]);
    }
}

/* See of_elem_from_e4m3: read as f16 the value is times 2^-8; the NaN becomes one of f16. */
static void unpack_e4m3(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    const __m256i nan = _mm256_set1_epi16(OF_ELEM_NAN_E4M3);
    const __m256 up = _mm256_set1_ps(256.0F);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m256i codes = _mm256_cvtepu8_epi16(load128(bytes + i));
        __m256i magnitude = _mm256_and_si256(codes, nan);
        __m256i sign = _mm256_slli_epi16(_mm256_xor_si256(codes, magnitude), 8);
        __m256i half = _mm256_or_si256(sign, _mm256_slli_epi16(magnitude, 7));
        __m256 low;
        __m256 high;

        half = _mm256_or_si256(half, _mm256_srli_epi16(_mm256_cmpeq_epi16(magnitude, nan), 1));
        low = _mm256_cvtph_ps(_mm256_castsi256_si128(half));
        high = _mm256_cvtph_ps(_mm256_extracti128_si256(half, 1));
        _mm256_storeu_ps(to + i, _mm256_mul_ps(low, up));
        _mm256_storeu_ps(to + i + 8, _mm256_mul_ps(high, up));
    }
    for (; i < count; i++) {
        to[i] = of_elem_from_e4m3(bytes[i]);
    }
}

/* --- Pack --- */

/* Every NaN replaced by the one of f32, which converts to the one of f16 and of f64. */
static inline __m256 one_nan(__m256 value)
{
    const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(OF_ELEM_NAN_F32));

    return _mm256_blendv_ps(value, nan, _mm256_cmp_ps(value, value, _CMP_UNORD_Q));
}

/* One bit per lane that holds a NaN or an infinity. */
static inline unsigned nonfinite_lanes(__m256 value)
{
    const __m256i inf = _mm256_set1_epi32(OF_ELEM_INF_F32);
    __m256i exponent = _mm256_and_si256(_mm256_castps_si256(value), inf);

    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(exponent, inf)));
}

static inline size_t count_bits(unsigned mask)
{
    return (size_t)__builtin_popcount(mask);
}

static size_t pack_f64(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256 value = one_nan(_mm256_loadu_ps(from + i));
        __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(value));
        __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(value, 1));
        unsigned mask = nonfinite_lanes(value);

        store256(bytes + i * 8, _mm256_castpd_si256(low));
        store256(bytes + i * 8 + 32, _mm256_castpd_si256(high));
        if (OF_UNLIKELY(mask != 0)) {
            bad += count_bits(mask);
        }
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

    for (; i + 8 <= count; i += 8) {
        __m256 value = one_nan(_mm256_loadu_ps(from + i));
        unsigned mask = nonfinite_lanes(value);

        store256(bytes + i * 4, _mm256_castps_si256(value));
        if (OF_UNLIKELY(mask != 0)) {
            bad += count_bits(mask);
        }
    }
    for (; i < count; i++) {
        uint32_t code = of_elem_to_f32(from[i]);

        bad += (code & OF_ELEM_INF_F32) == OF_ELEM_INF_F32;
        of_bytes_store32(bytes + i * 4, code);
    }
    return bad;
}

/* How many of the 16 words have all bits of `inf` (the exponent) set. */
static inline size_t nonfinite_words(__m256i words, __m256i inf)
{
    __m256i equal = _mm256_cmpeq_epi16(_mm256_and_si256(words, inf), inf);
    unsigned mask = (unsigned)_mm256_movemask_epi8(equal);

    return OF_LIKELY(mask == 0) ? 0 : count_bits(mask) / 2;
}

/* Sixteen elements to sixteen codes, in their order. */
static inline __m256i narrow_f16(__m256 low, __m256 high)
{
    const __m128i low_half =
        _mm256_cvtps_ph(one_nan(low), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m128i high_half =
        _mm256_cvtps_ph(one_nan(high), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);

    return _mm256_set_m128i(high_half, low_half);
}

static size_t pack_f16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    const __m256i inf = _mm256_set1_epi16(OF_ELEM_INF_F16);
    size_t bad = 0;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m256i words = narrow_f16(_mm256_loadu_ps(from + i), _mm256_loadu_ps(from + i + 8));

        store256(bytes + i * 2, words);
        bad += nonfinite_words(words, inf);
    }
    for (; i < count; i++) {
        uint16_t code = of_elem_to_f16(from[i]);

        bad += (code & OF_ELEM_INF_F16) == OF_ELEM_INF_F16;
        of_bytes_store16(bytes + i * 2, code);
    }
    return bad;
}

/* The rounded code in the lower half of each lane: see of_elem_to_bf16. */
static inline __m256i round_bf16(__m256 value)
{
    const __m256i nan = _mm256_set1_epi32(OF_ELEM_NAN_BF16);
    __m256i bits = _mm256_castps_si256(value);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    __m256i unordered = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));

    return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), nan, unordered);
}

static size_t pack_bf16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    const __m256i inf = _mm256_set1_epi16(OF_ELEM_INF_BF16);
    size_t bad = 0;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m256i low = round_bf16(_mm256_loadu_ps(from + i));
        __m256i high = round_bf16(_mm256_loadu_ps(from + i + 8));
        /* packus works within 128-bit halves: quarters come out as low, high, low, high. */
        __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8);

        store256(bytes + i * 2, words);
        bad += nonfinite_words(words, inf);
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
    __m256i bias;
    __m256i half; /* half a unit less one */
    __m256i min;
    __m256i magic;
    __m256i ceiling;
    __m256i nan;
    int drop;
};

static inline struct narrow narrow_e5m2(void)
{
    return (struct narrow){.bias = _mm256_set1_epi32(OF_ELEM_BIAS_F16),
                           .half = _mm256_set1_epi32((1 << (OF_ELEM_DROP_E5M2 - 1)) - 1),
                           .min = _mm256_set1_epi32(OF_ELEM_MIN_F16),
                           .magic = _mm256_set1_epi32(OF_ELEM_MAGIC_E5M2),
                           .ceiling = _mm256_set1_epi32(OF_ELEM_INF_E5M2),
                           .nan = _mm256_set1_epi32(OF_ELEM_NAN_E5M2),
                           .drop = OF_ELEM_DROP_E5M2};
}

/* The ceiling is one above the largest finite code and equals the NaN. */
static inline struct narrow narrow_e4m3(void)
{
    return (struct narrow){.bias = _mm256_set1_epi32(OF_ELEM_BIAS_E4M3),
                           .half = _mm256_set1_epi32((1 << (OF_ELEM_DROP_E4M3 - 1)) - 1),
                           .min = _mm256_set1_epi32(OF_ELEM_MIN_E4M3),
                           .magic = _mm256_set1_epi32(OF_ELEM_MAGIC_E4M3),
                           .ceiling = _mm256_set1_epi32(OF_ELEM_NAN_E4M3),
                           .nan = _mm256_set1_epi32(OF_ELEM_NAN_E4M3),
                           .drop = OF_ELEM_DROP_E4M3};
}

/* One code per 32-bit lane; of_elem_narrow on both sides of `min`, then the right one chosen. */
static inline __m256i narrow_lanes(__m256 value, struct narrow n)
{
    const __m256i sign_bit = _mm256_set1_epi32((int)0x80000000U);
    __m256i bits = _mm256_castps_si256(value);
    __m256i magnitude = _mm256_andnot_si256(sign_bit, bits);
    __m256i sign = _mm256_srli_epi32(_mm256_and_si256(bits, sign_bit), 24);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(magnitude, n.drop), _mm256_set1_epi32(1));
    __m256i normal = _mm256_add_epi32(_mm256_add_epi32(magnitude, n.half), odd);
    __m256i small = _mm256_castps_si256(
        _mm256_add_ps(_mm256_castsi256_ps(magnitude), _mm256_castsi256_ps(n.magic)));
    __m256i code;
    __m256i is_nan;

    normal = _mm256_srli_epi32(_mm256_sub_epi32(normal, n.bias), n.drop);
    small = _mm256_sub_epi32(small, n.magic);
    code = _mm256_blendv_epi8(normal, small, _mm256_cmpgt_epi32(n.min, magnitude));
    code = _mm256_min_epi32(code, n.ceiling);
    is_nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    is_nan = _mm256_or_si256(is_nan, _mm256_cmpeq_epi32(code, n.nan));
    return _mm256_blendv_epi8(_mm256_or_si256(code, sign), n.nan, is_nan);
}

/* 32 elements to 32 codes. */
static inline __m256i narrow_32(const float *from, struct narrow n)
{
    __m256i a = narrow_lanes(_mm256_loadu_ps(from), n);
    __m256i b = narrow_lanes(_mm256_loadu_ps(from + 8), n);
    __m256i c = narrow_lanes(_mm256_loadu_ps(from + 16), n);
    __m256i d = narrow_lanes(_mm256_loadu_ps(from + 24), n);
    __m256i mixed = _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d));

    /* Packing works within 128-bit halves: groups of four come out as a0 b0 c0 d0 a1 b1 c1 d1. */
    return _mm256_permutevar8x32_epi32(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* How many of the 32 bytes have all bits of `inf` set. */
static inline size_t nonfinite_bytes(__m256i codes, int inf)
{
    const __m256i wanted = _mm256_set1_epi8((char)inf);
    __m256i equal = _mm256_cmpeq_epi8(_mm256_and_si256(codes, wanted), wanted);
    unsigned mask = (unsigned)_mm256_movemask_epi8(equal);

    return OF_LIKELY(mask == 0) ? 0 : count_bits(mask);
}

static size_t pack_e5m2(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    const struct narrow n = narrow_e5m2();
    size_t bad = 0;
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        __m256i codes = narrow_32(from + i, n);

        store256(bytes + i, codes);
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
    const struct narrow n = narrow_e4m3();
    size_t bad = 0;
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        __m256i codes = narrow_32(from + i, n);

        store256(bytes + i, codes);
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
static inline void fold_8(float *acc, __m256 x, __m256 coef)
{
    _mm256_storeu_ps(acc, _mm256_add_ps(_mm256_loadu_ps(acc), _mm256_mul_ps(coef, x)));
}

static void fold_plain(float *restrict acc, const float *restrict x, float coef, size_t count)
{
    const __m256 factor = _mm256_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        fold_8(acc + i, _mm256_loadu_ps(x + i), factor);
        fold_8(acc + i + 8, _mm256_loadu_ps(x + i + 8), factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * x[i]);
    }
}

static void fold_delta(float *restrict acc, const float *restrict x, const float *restrict base,
                       float coef, size_t count)
{
    const __m256 factor = _mm256_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m256 low = _mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(base + i));
        __m256 high = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(base + i + 8));

        fold_8(acc + i, low, factor);
        fold_8(acc + i + 8, high, factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * (x[i] - base[i]));
    }
}

static void fold_plain_bf16(float *restrict acc, const void *restrict x, float coef, size_t count)
{
    const uint8_t *bytes = x;
    const __m256 factor = _mm256_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        fold_8(acc + i, load_bf16(bytes + i * 2), factor);
        fold_8(acc + i + 8, load_bf16(bytes + i * 2 + 16), factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * of_elem_from_bf16(of_bytes_load16(bytes + i * 2)));
    }
}

static void fold_delta_bf16(float *restrict acc, const void *restrict x, const float *restrict base,
                            float coef, size_t count)
{
    const uint8_t *bytes = x;
    const __m256 factor = _mm256_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        __m256 low = _mm256_sub_ps(load_bf16(bytes + i * 2), _mm256_loadu_ps(base + i));
        __m256 high = _mm256_sub_ps(load_bf16(bytes + i * 2 + 16), _mm256_loadu_ps(base + i + 8));

        fold_8(acc + i, low, factor);
        fold_8(acc + i + 8, high, factor);
    }
    for (; i < count; i++) {
        acc[i] = acc[i] + (coef * (of_elem_from_bf16(of_bytes_load16(bytes + i * 2)) - base[i]));
    }
}

/*
 * Fused sums. Sixteen elements as two vectors of eight: of BF16 those of even and of odd number,
 * because a word in the upper half of a lane is its f32 once the lower half is cleared, and one in
 * the lower half after a shift, so that no shuffle is needed, on the way back neither; of the other
 * types the first and the last eight. `dtype` is a constant everywhere.
 */
struct pair {
    __m256 a;
    __m256 b;
};

static OF_ALWAYS_INLINE struct pair load_pair(const void *codes, size_t index, onefold_dtype dtype)
{
    const uint8_t *at = (const uint8_t *)codes + index * of_elem_sum_bytes(dtype);
    __m256i words;

    if (dtype == ONEFOLD_DTYPE_F32) {
        return (struct pair){_mm256_castsi256_ps(load256(at)),
                             _mm256_castsi256_ps(load256(at + 32))};
    }
    if (dtype == ONEFOLD_DTYPE_F16) {
        return (struct pair){_mm256_cvtph_ps(load128(at)), _mm256_cvtph_ps(load128(at + 16))};
    }
    words = load256(at);
    return (struct pair){
        _mm256_castsi256_ps(_mm256_slli_epi32(words, 16)),
        _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32((int)0xffff0000)))};
}

/* Divisor and factor of both halves. */
static inline struct pair finish_pair(const struct of_kern_sum *sum, struct pair acc)
{
    if (sum->has_divisor) {
        const __m256 divisor = _mm256_set1_ps(sum->divisor);

        acc = (struct pair){_mm256_div_ps(acc.a, divisor), _mm256_div_ps(acc.b, divisor)};
    }
    if (sum->has_factor) {
        const __m256 factor = _mm256_set1_ps(sum->factor);

        acc = (struct pair){_mm256_mul_ps(factor, acc.a), _mm256_mul_ps(factor, acc.b)};
    }
    return acc;
}

static inline struct pair add_scaled(struct pair acc, __m256 coef, struct pair x)
{
    return (struct pair){_mm256_add_ps(acc.a, _mm256_mul_ps(coef, x.a)),
                         _mm256_add_ps(acc.b, _mm256_mul_ps(coef, x.b))};
}

static inline struct pair sub_pair(struct pair x, struct pair y)
{
    return (struct pair){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static inline struct pair add_pair(struct pair x, struct pair y)
{
    return (struct pair){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

/* Rounds and stores; how many of the sixteen are not finite. */
static OF_ALWAYS_INLINE size_t store_pair(uint8_t *to, struct pair value, onefold_dtype dtype)
{
    if (dtype == ONEFOLD_DTYPE_F32) {
        const __m256 low = one_nan(value.a);
        const __m256 high = one_nan(value.b);
        const unsigned mask = nonfinite_lanes(low) | nonfinite_lanes(high) << 8;

        store256(to, _mm256_castps_si256(low));
        store256(to + 32, _mm256_castps_si256(high));
        return OF_LIKELY(mask == 0) ? 0 : count_bits(mask);
    }
    if (dtype == ONEFOLD_DTYPE_F16) {
        const __m256i words = narrow_f16(value.a, value.b);

        store256(to, words);
        return nonfinite_words(words, _mm256_set1_epi16(OF_ELEM_INF_F16));
    }
    const __m256i words =
        _mm256_or_si256(round_bf16(value.a), _mm256_slli_epi32(round_bf16(value.b), 16));

    store256(to, words);
    return nonfinite_words(words, _mm256_set1_epi16(OF_ELEM_INF_BF16));
}

/* Elements [at, at + 32), two pairs: enough additions in flight to hide their latency. */
static OF_ALWAYS_INLINE size_t sum_32(uint8_t *to, const struct of_kern_sum *sum, size_t at,
                                      onefold_dtype dtype)
{
    const size_t half = 16 * of_elem_sum_bytes(dtype);
    const __m256 start = _mm256_set1_ps(sum->start);
    struct pair acc[2] = {{start, start}, {start, start}};
    struct pair base[2] = {{start, start}, {start, start}};

    if (sum->base == NULL) {
        for (uint32_t t = 0; t < sum->input_count; t++) {
            const __m256 coef = _mm256_set1_ps(sum->coefs[t]);

            of_elem_ahead(sum->x[t], at, 32, dtype);
            acc[0] = add_scaled(acc[0], coef, load_pair(sum->x[t], at, dtype));
            acc[1] = add_scaled(acc[1], coef, load_pair(sum->x[t], at + 16, dtype));
        }
        return store_pair(to, finish_pair(sum, acc[0]), dtype) +
               store_pair(to + half, finish_pair(sum, acc[1]), dtype);
    }
    of_elem_ahead(sum->base, at, 32, dtype);
    base[0] = load_pair(sum->base, at, dtype);
    base[1] = load_pair(sum->base, at + 16, dtype);
    for (uint32_t t = 0; t < sum->input_count; t++) {
        const __m256 coef = _mm256_set1_ps(sum->coefs[t]);

        of_elem_ahead(sum->x[t], at, 32, dtype);
        acc[0] = add_scaled(acc[0], coef, sub_pair(load_pair(sum->x[t], at, dtype), base[0]));
        acc[1] = add_scaled(acc[1], coef, sub_pair(load_pair(sum->x[t], at + 16, dtype), base[1]));
    }
    return store_pair(to, add_pair(base[0], finish_pair(sum, acc[0])), dtype) +
           store_pair(to + half, add_pair(base[1], finish_pair(sum, acc[1])), dtype);
}

static OF_ALWAYS_INLINE size_t sum_all(uint8_t *to, const struct of_kern_sum *sum, size_t first,
                                       size_t count, onefold_dtype dtype)
{
    const size_t width = of_elem_sum_bytes(dtype);
    size_t bad = 0;
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        bad += sum_32(to + i * width, sum, first + i, dtype);
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

    for (; i + 8 <= count; i += 8) {
        _mm256_storeu_ps(d + i, _mm256_sub_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(base + i)));
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
        _mm256_storeu_ps(d + i, _mm256_sub_ps(load_bf16(bytes + i * 2), _mm256_loadu_ps(base + i)));
    }
    for (; i < count; i++) {
        d[i] = of_elem_from_bf16(of_bytes_load16(bytes + i * 2)) - base[i];
    }
}

/* The instructions are not symmetric: min is a < b ? a : b and max is a > b ? a : b, whatever NaNs
 * and zeros of either sign there are. With the operands in this order that is the law's choice. */
static void order_pair(float *restrict low, float *restrict high, size_t count)
{
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        const __m256 a = _mm256_loadu_ps(low + i);
        const __m256 b = _mm256_loadu_ps(high + i);

        _mm256_storeu_ps(low + i, _mm256_min_ps(b, a));
        _mm256_storeu_ps(high + i, _mm256_max_ps(a, b));
    }
    for (; i < count; i++) {
        const float a = low[i];
        const float b = high[i];

        low[i] = b < a ? b : a;
        high[i] = b < a ? a : b;
    }
}

/* Four doubles of eight elements: lanes 0 to 3 and 4 to 7. */
static inline __m256d product_4(const float *a, const float *b)
{
    return _mm256_mul_pd(_mm256_cvtps_pd(_mm_loadu_ps(a)), _mm256_cvtps_pd(_mm_loadu_ps(b)));
}

static void add_products(double lanes[8], const float *a, const float *b, size_t count)
{
    __m256d low = _mm256_loadu_pd(lanes);
    __m256d high = _mm256_loadu_pd(lanes + 4);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        low = _mm256_add_pd(low, product_4(a + i, b + i));
        high = _mm256_add_pd(high, product_4(a + i + 4, b + i + 4));
    }
    _mm256_storeu_pd(lanes, low);
    _mm256_storeu_pd(lanes + 4, high);
    for (; i < count; i++) {
        lanes[i % 8] = lanes[i % 8] + ((double)a[i] * (double)b[i]);
    }
}

/*
 * A tile: the pairs of `rows` vectors from s on with `cols` from t on, whose sums stay in registers
 * while the elements pass, so that a vector loaded serves several pairs, and so do the chains of
 * additions that would wait for themselves. Each pair's additions keep their order: nothing of it
 * shows in the bits. Lanes 0 to 3 in one pass, 4 to 7 in another, as registers are few. `rows`,
 * `cols` and `is_diagonal` (s is t: half of the pairs) are constants.
 */
enum { TILE = 3 };

struct gram {
    double (*lanes)[8];
    const float *const *d;
    uint32_t vector_count;
    size_t count; /* a multiple of 8 */
};

static inline double *lanes_of(const struct gram *gram, uint32_t s, uint32_t t)
{
    return gram->lanes[of_elem_pair(gram->vector_count, s, t)];
}

static OF_ALWAYS_INLINE void half_tile(const struct gram *gram, uint32_t s, uint32_t t,
                                       uint32_t rows, uint32_t cols, bool is_diagonal, size_t half)
{
    const float *row_at[TILE] = {NULL};
    const float *col_at[TILE] = {NULL};
    __m256d acc[TILE][TILE];
    __m256d row[TILE];

#pragma GCC unroll 3
    for (uint32_t i = 0; i < rows; i++) {
        row_at[i] = gram->d[s + i] + half;
#pragma GCC unroll 3
        for (uint32_t k = 0; k < cols; k++) {
            if (!is_diagonal || i <= k) {
                acc[i][k] = _mm256_loadu_pd(lanes_of(gram, s + i, t + k) + half);
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
            row[i] = _mm256_cvtps_pd(_mm_loadu_ps(row_at[i] + at));
        }
#pragma GCC unroll 3
        for (uint32_t k = 0; k < cols; k++) {
            const __m256d col =
                is_diagonal ? row[k] : _mm256_cvtps_pd(_mm_loadu_ps(col_at[k] + at));

#pragma GCC unroll 3
            for (uint32_t i = 0; i < rows; i++) {
                if (!is_diagonal || i <= k) {
                    acc[i][k] = _mm256_add_pd(acc[i][k], _mm256_mul_pd(row[i], col));
                }
            }
        }
    }
#pragma GCC unroll 3
    for (uint32_t i = 0; i < rows; i++) {
#pragma GCC unroll 3
        for (uint32_t k = 0; k < cols; k++) {
            if (!is_diagonal || i <= k) {
                _mm256_storeu_pd(lanes_of(gram, s + i, t + k) + half, acc[i][k]);
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
    const __m256 by = _mm256_set1_ps(divisor);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        _mm256_storeu_ps(acc + i, _mm256_div_ps(_mm256_loadu_ps(acc + i), by));
    }
    for (; i < count; i++) {
        acc[i] = acc[i] / divisor;
    }
}

static void scale(float *acc, float factor, size_t count)
{
    const __m256 by = _mm256_set1_ps(factor);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        _mm256_storeu_ps(acc + i, _mm256_mul_ps(by, _mm256_loadu_ps(acc + i)));
    }
    for (; i < count; i++) {
        acc[i] = factor * acc[i];
    }
}

static void finish_delta(float *restrict acc, const float *restrict base, float factor,
                         size_t count)
{
    const __m256 by = _mm256_set1_ps(factor);
    size_t i = 0;

    for (; i + 8 <= count; i += 8) {
        __m256 delta = _mm256_mul_ps(by, _mm256_loadu_ps(acc + i));

        _mm256_storeu_ps(acc + i, _mm256_add_ps(_mm256_loadu_ps(base + i), delta));
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

    for (; i + 8 <= count; i += 8) {
        __m256 value = _mm256_loadu_ps(x + i);
        unsigned mask = nonfinite_lanes(value);

        if (OF_UNLIKELY(mask != 0)) {
            __m256 unordered = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
            size_t nan_here = count_bits((unsigned)_mm256_movemask_ps(unordered));

            nan += nan_here;
            inf += count_bits(mask) - nan_here;
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
void of_kern_fill_avx2(struct of_kern *kern)
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
