/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVX-512 kernels (F, BW, VL, DQ): the bits of kern_scalar.c, 16 to 64 elements at a time. Built
 * with contraction off, like all else: AVX-512 brings fused multiply-add along, and the compiler
 * may not use it. Elements that do not fill a vector go under a mask: a lane that is masked neither
 * reads nor writes nor faults. What this file does not overwrite stays with the AVX2 row.
 */
#include "kern/kern.h"

#include "base/attr.h"
#include "kern/kern_elem.h"
#include "kern/kern_fill.h"

#include <immintrin.h>
#include <string.h>

#define XXH_VECTOR XXH_AVX512
#include "kern/kern_hash.h"

/* The lowest `count` of 16 or 32 lanes; all of them when there are more elements. */
static inline __mmask16 first_16(size_t count)
{
    return (__mmask16)(count < 16 ? (1U << count) - 1 : 0xffffU);
}

static inline __mmask32 first_32(size_t count)
{
    return (__mmask32)(count < 32 ? (1U << count) - 1 : 0xffffffffU);
}

static inline size_t count_bits(unsigned mask)
{
    return (size_t)__builtin_popcount(mask);
}

static inline __m256i load256(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* --- Unpack --- */

static inline __m512 widen_bf16(__m256i codes)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16));
}

static void unpack_f16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        _mm512_storeu_ps(to + i, _mm512_cvtph_ps(load256(bytes + i * 2)));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m256i codes = _mm256_maskz_loadu_epi16(rest, bytes + i * 2);

        _mm512_mask_storeu_ps(to + i, rest, _mm512_cvtph_ps(codes));
    }
}

static void unpack_bf16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        _mm512_storeu_ps(to + i, widen_bf16(load256(bytes + i * 2)));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m256i codes = _mm256_maskz_loadu_epi16(rest, bytes + i * 2);

        _mm512_mask_storeu_ps(to + i, rest, widen_bf16(codes));
    }
}

/* --- Pack --- */

/* Classes of vfpclassps. */
enum { CLASS_NAN = 0x81, CLASS_INF = 0x18 };

/* Every NaN replaced by the one of f32, which converts to the one of f16. */
static inline __m512 one_nan(__m512 value)
{
    const __m512i nan = _mm512_set1_epi32(OF_ELEM_NAN_F32);
    const __mmask16 unordered = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);

    return _mm512_castsi512_ps(_mm512_mask_mov_epi32(_mm512_castps_si512(value), unordered, nan));
}

static inline __mmask16 is_nonfinite(__m512 value)
{
    return _mm512_fpclass_ps_mask(value, CLASS_NAN | CLASS_INF);
}

/* How many of the lanes hold a NaN or an infinity. */
static inline size_t nonfinite_lanes(__m512 value)
{
    const __mmask16 bad = is_nonfinite(value);

    return OF_LIKELY(bad == 0) ? 0 : count_bits(bad);
}

static size_t pack_f32(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 value = one_nan(_mm512_loadu_ps(from + i));

        _mm512_storeu_ps(bytes + i * 4, value);
        bad += nonfinite_lanes(value);
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 value = one_nan(_mm512_maskz_loadu_ps(rest, from + i));

        _mm512_mask_storeu_ps(bytes + i * 4, rest, value);
        bad += nonfinite_lanes(value);
    }
    return bad;
}

/* How many of the 32 words have all bits of `inf` (the exponent) set. */
static inline size_t nonfinite_words(__m512i words, int inf)
{
    const __m512i wanted = _mm512_set1_epi16((short)inf);
    const __mmask32 bad = _mm512_cmpeq_epi16_mask(_mm512_and_si512(words, wanted), wanted);

    return OF_LIKELY(bad == 0) ? 0 : count_bits(bad);
}

static inline __m256i narrow_f16(__m512 value)
{
    return _mm512_cvtps_ph(one_nan(value), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

static size_t pack_f16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        const __m256i low = narrow_f16(_mm512_loadu_ps(from + i));
        const __m256i high = narrow_f16(_mm512_loadu_ps(from + i + 16));
        const __m512i words = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);

        _mm512_storeu_si512(bytes + i * 2, words);
        bad += nonfinite_words(words, OF_ELEM_INF_F16);
    }
    for (; i < count; i += 16) {
        const __mmask16 rest = first_16(count - i);
        const __m256i words = narrow_f16(_mm512_maskz_loadu_ps(rest, from + i));

        _mm256_mask_storeu_epi16(bytes + i * 2, rest, words);
        bad += nonfinite_words(_mm512_zextsi256_si512(words), OF_ELEM_INF_F16);
    }
    return bad;
}

/* The rounded code in the upper half of each lane, anything below it: see of_elem_to_bf16. */
static inline __m512i round_bf16(__m512 value)
{
    const __m512i nan = _mm512_set1_epi32(OF_ELEM_NAN_F32);
    const __m512i bits = _mm512_castps_si512(value);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));

    return _mm512_mask_mov_epi32(sum, _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q), nan);
}

/* The same in the lower half, zeros above it. */
static inline __m512i narrow_bf16(__m512 value)
{
    return _mm512_srli_epi32(round_bf16(value), 16);
}

static size_t pack_bf16(void *to, const float *from, size_t count)
{
    /* packus works within 128-bit quarters: eighths come out as low, high, low, high ... */
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    uint8_t *bytes = to;
    size_t bad = 0;
    size_t i = 0;

    for (; i + 32 <= count; i += 32) {
        const __m512i low = narrow_bf16(_mm512_loadu_ps(from + i));
        const __m512i high = narrow_bf16(_mm512_loadu_ps(from + i + 16));
        const __m512i words = _mm512_permutexvar_epi64(order, _mm512_packus_epi32(low, high));

        _mm512_storeu_si512(bytes + i * 2, words);
        bad += nonfinite_words(words, OF_ELEM_INF_BF16);
    }
    for (; i < count; i += 16) {
        const __mmask16 rest = first_16(count - i);
        const __m512i codes = narrow_bf16(_mm512_maskz_loadu_ps(rest, from + i));

        _mm256_mask_storeu_epi16(bytes + i * 2, rest, _mm512_cvtepi32_epi16(codes));
        bad += nonfinite_words(codes, OF_ELEM_INF_BF16);
    }
    return bad;
}

/* --- Arithmetic --- */

/* acc + coef * x, two roundings. */
static inline __m512 folded(__m512 acc, __m512 x, __m512 coef)
{
    return _mm512_add_ps(acc, _mm512_mul_ps(coef, x));
}

static void fold_plain(float *restrict acc, const float *restrict x, float coef, size_t count)
{
    const __m512 factor = _mm512_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 value = _mm512_loadu_ps(x + i);

        _mm512_storeu_ps(acc + i, folded(_mm512_loadu_ps(acc + i), value, factor));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 value = _mm512_maskz_loadu_ps(rest, x + i);
        const __m512 so_far = _mm512_maskz_loadu_ps(rest, acc + i);

        _mm512_mask_storeu_ps(acc + i, rest, folded(so_far, value, factor));
    }
}

static void fold_delta(float *restrict acc, const float *restrict x, const float *restrict base,
                       float coef, size_t count)
{
    const __m512 factor = _mm512_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 delta = _mm512_sub_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(base + i));

        _mm512_storeu_ps(acc + i, folded(_mm512_loadu_ps(acc + i), delta, factor));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 delta = _mm512_sub_ps(_mm512_maskz_loadu_ps(rest, x + i),
                                           _mm512_maskz_loadu_ps(rest, base + i));
        const __m512 so_far = _mm512_maskz_loadu_ps(rest, acc + i);

        _mm512_mask_storeu_ps(acc + i, rest, folded(so_far, delta, factor));
    }
}

static void fold_plain_bf16(float *restrict acc, const void *restrict x, float coef, size_t count)
{
    const uint8_t *bytes = x;
    const __m512 factor = _mm512_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 value = widen_bf16(load256(bytes + i * 2));

        _mm512_storeu_ps(acc + i, folded(_mm512_loadu_ps(acc + i), value, factor));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 value = widen_bf16(_mm256_maskz_loadu_epi16(rest, bytes + i * 2));
        const __m512 so_far = _mm512_maskz_loadu_ps(rest, acc + i);

        _mm512_mask_storeu_ps(acc + i, rest, folded(so_far, value, factor));
    }
}

static void fold_delta_bf16(float *restrict acc, const void *restrict x, const float *restrict base,
                            float coef, size_t count)
{
    const uint8_t *bytes = x;
    const __m512 factor = _mm512_set1_ps(coef);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 value = widen_bf16(load256(bytes + i * 2));
        const __m512 delta = _mm512_sub_ps(value, _mm512_loadu_ps(base + i));

        _mm512_storeu_ps(acc + i, folded(_mm512_loadu_ps(acc + i), delta, factor));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 value = widen_bf16(_mm256_maskz_loadu_epi16(rest, bytes + i * 2));
        const __m512 delta = _mm512_sub_ps(value, _mm512_maskz_loadu_ps(rest, base + i));
        const __m512 so_far = _mm512_maskz_loadu_ps(rest, acc + i);

        _mm512_mask_storeu_ps(acc + i, rest, folded(so_far, delta, factor));
    }
}

/*
 * Fused sums. Thirty-two elements as two vectors of sixteen: of BF16 those of even and of odd
 * number, because a word in the upper half of a lane is its f32 once the lower half is cleared, and
 * one in the lower half after a shift, so that no shuffle is needed, on the way back neither; of
 * the other types the first and the last sixteen. `dtype` is a constant everywhere. Lanes that are
 * masked hold zeros after a load; what they become is neither stored nor counted.
 */
struct pair {
    __m512 a;
    __m512 b;
};

static OF_ALWAYS_INLINE struct pair load_pair(const void *codes, size_t index, __mmask32 mask,
                                              onefold_dtype dtype)
{
    const uint8_t *at = (const uint8_t *)codes + index * of_elem_sum_bytes(dtype);
    __m512i words;

    if (dtype == ONEFOLD_DTYPE_F32) {
        return (struct pair){_mm512_maskz_loadu_ps((__mmask16)mask, at),
                             _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), at + 64)};
    }
    words = _mm512_maskz_loadu_epi16(mask, at);
    if (dtype == ONEFOLD_DTYPE_F16) {
        return (struct pair){_mm512_cvtph_ps(_mm512_castsi512_si256(words)),
                             _mm512_cvtph_ps(_mm512_extracti64x4_epi64(words, 1))};
    }
    return (struct pair){
        _mm512_castsi512_ps(_mm512_slli_epi32(words, 16)),
        _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32((int)0xffff0000)))};
}

/* Divisor and factor of both halves. */
static inline struct pair finish_pair(const struct of_kern_sum *sum, struct pair acc)
{
    if (sum->has_divisor) {
        const __m512 divisor = _mm512_set1_ps(sum->divisor);

        acc = (struct pair){_mm512_div_ps(acc.a, divisor), _mm512_div_ps(acc.b, divisor)};
    }
    if (sum->has_factor) {
        const __m512 factor = _mm512_set1_ps(sum->factor);

        acc = (struct pair){_mm512_mul_ps(factor, acc.a), _mm512_mul_ps(factor, acc.b)};
    }
    return acc;
}

static inline struct pair add_scaled(struct pair acc, __m512 coef, struct pair x)
{
    return (struct pair){folded(acc.a, x.a, coef), folded(acc.b, x.b, coef)};
}

static inline struct pair sub_pair(struct pair x, struct pair y)
{
    return (struct pair){_mm512_sub_ps(x.a, y.a), _mm512_sub_ps(x.b, y.b)};
}

static inline struct pair add_pair(struct pair x, struct pair y)
{
    return (struct pair){_mm512_add_ps(x.a, y.a), _mm512_add_ps(x.b, y.b)};
}

/* Thirty-two rounded codes of 16 bits. Of BF16 those of odd number are where they belong once
 * rounded; the others go one half down. */
static OF_ALWAYS_INLINE __m512i join(struct pair value, onefold_dtype dtype)
{
    if (dtype == ONEFOLD_DTYPE_F16) {
        return _mm512_inserti64x4(_mm512_castsi256_si512(narrow_f16(value.a)), narrow_f16(value.b),
                                  1);
    }
    return _mm512_mask_mov_epi16(narrow_bf16(value.a), 0xaaaaaaaa, round_bf16(value.b));
}

/* Rounds and stores; how many of the thirty-two are not finite. */
static OF_ALWAYS_INLINE size_t store_pair(uint8_t *to, struct pair value, __mmask32 mask,
                                          onefold_dtype dtype)
{
    __m512i words;

    if (dtype == ONEFOLD_DTYPE_F32) {
        const __m512 low = one_nan(_mm512_maskz_mov_ps((__mmask16)mask, value.a));
        const __m512 high = one_nan(_mm512_maskz_mov_ps((__mmask16)(mask >> 16), value.b));

        _mm512_mask_storeu_ps(to, (__mmask16)mask, low);
        _mm512_mask_storeu_ps(to + 64, (__mmask16)(mask >> 16), high);
        return nonfinite_lanes(low) + nonfinite_lanes(high);
    }
    words = _mm512_maskz_mov_epi16(mask, join(value, dtype));
    _mm512_mask_storeu_epi16(to, mask, words);
    return nonfinite_words(words, dtype == ONEFOLD_DTYPE_F16 ? OF_ELEM_INF_F16 : OF_ELEM_INF_BF16);
}

enum { ALL_32 = -1 }; /* a mask of all lanes, which compilers drop */

/* Elements [at, at + 64), two pairs: enough additions in flight to hide their latency. */
static OF_ALWAYS_INLINE size_t sum_64(uint8_t *to, const struct of_kern_sum *sum, size_t at,
                                      onefold_dtype dtype)
{
    const __mmask32 all = (__mmask32)ALL_32;
    const size_t half = 32 * of_elem_sum_bytes(dtype);
    const __m512 start = _mm512_set1_ps(sum->start);
    struct pair acc[2] = {{start, start}, {start, start}};
    struct pair base[2] = {{start, start}, {start, start}};

    if (sum->base == NULL) {
        for (uint32_t t = 0; t < sum->input_count; t++) {
            const __m512 coef = _mm512_set1_ps(sum->coefs[t]);

            of_elem_ahead(sum->x[t], at, 64, dtype);
            acc[0] = add_scaled(acc[0], coef, load_pair(sum->x[t], at, all, dtype));
            acc[1] = add_scaled(acc[1], coef, load_pair(sum->x[t], at + 32, all, dtype));
        }
        return store_pair(to, finish_pair(sum, acc[0]), all, dtype) +
               store_pair(to + half, finish_pair(sum, acc[1]), all, dtype);
    }
    of_elem_ahead(sum->base, at, 64, dtype);
    base[0] = load_pair(sum->base, at, all, dtype);
    base[1] = load_pair(sum->base, at + 32, all, dtype);
    for (uint32_t t = 0; t < sum->input_count; t++) {
        const __m512 coef = _mm512_set1_ps(sum->coefs[t]);

        of_elem_ahead(sum->x[t], at, 64, dtype);
        acc[0] = add_scaled(acc[0], coef, sub_pair(load_pair(sum->x[t], at, all, dtype), base[0]));
        acc[1] =
            add_scaled(acc[1], coef, sub_pair(load_pair(sum->x[t], at + 32, all, dtype), base[1]));
    }
    return store_pair(to, add_pair(base[0], finish_pair(sum, acc[0])), all, dtype) +
           store_pair(to + half, add_pair(base[1], finish_pair(sum, acc[1])), all, dtype);
}

/* The elements of `rest` among [at, at + 32). */
static OF_ALWAYS_INLINE size_t sum_rest(uint8_t *to, const struct of_kern_sum *sum, size_t at,
                                        __mmask32 rest, onefold_dtype dtype)
{
    const __m512 start = _mm512_set1_ps(sum->start);
    struct pair acc = {start, start};
    struct pair base = {start, start};

    if (sum->base != NULL) {
        base = load_pair(sum->base, at, rest, dtype);
    }
    for (uint32_t t = 0; t < sum->input_count; t++) {
        const struct pair x = load_pair(sum->x[t], at, rest, dtype);

        acc = add_scaled(acc, _mm512_set1_ps(sum->coefs[t]),
                         sum->base != NULL ? sub_pair(x, base) : x);
    }
    acc = finish_pair(sum, acc);
    return store_pair(to, sum->base != NULL ? add_pair(base, acc) : acc, rest, dtype);
}

static OF_ALWAYS_INLINE size_t sum_all(uint8_t *to, const struct of_kern_sum *sum, size_t first,
                                       size_t count, onefold_dtype dtype)
{
    const size_t width = of_elem_sum_bytes(dtype);
    size_t bad = 0;
    size_t i = 0;

    for (; i + 64 <= count; i += 64) {
        bad += sum_64(to + i * width, sum, first + i, dtype);
    }
    for (; i < count; i += 32) {
        bad += sum_rest(to + i * width, sum, first + i, first_32(count - i), dtype);
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

static void subtract_bf16(float *restrict d, const void *restrict x, const float *restrict base,
                          size_t count)
{
    const uint8_t *bytes = x;
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 value = widen_bf16(load256(bytes + i * 2));

        _mm512_storeu_ps(d + i, _mm512_sub_ps(value, _mm512_loadu_ps(base + i)));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 value = widen_bf16(_mm256_maskz_loadu_epi16(rest, bytes + i * 2));

        _mm512_mask_storeu_ps(d + i, rest,
                              _mm512_sub_ps(value, _mm512_maskz_loadu_ps(rest, base + i)));
    }
}

/* The instructions are not symmetric: min is a < b ? a : b and max is a > b ? a : b, whatever NaNs
 * and zeros of either sign there are. With the operands in this order that is the law's choice. */
static void order_pair(float *restrict low, float *restrict high, size_t count)
{
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 a = _mm512_loadu_ps(low + i);
        const __m512 b = _mm512_loadu_ps(high + i);

        _mm512_storeu_ps(low + i, _mm512_min_ps(b, a));
        _mm512_storeu_ps(high + i, _mm512_max_ps(a, b));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 a = _mm512_maskz_loadu_ps(rest, low + i);
        const __m512 b = _mm512_maskz_loadu_ps(rest, high + i);

        _mm512_mask_storeu_ps(low + i, rest, _mm512_min_ps(b, a));
        _mm512_mask_storeu_ps(high + i, rest, _mm512_max_ps(a, b));
    }
}

/*
 * A tile: the pairs of `rows` vectors from s on with `cols` from t on, whose sums stay in registers
 * while the elements pass, so that a vector loaded serves several pairs, and so do the chains of
 * additions that would wait for themselves. Each pair's additions keep their order: nothing of it
 * shows in the bits. `rows`, `cols` and `is_diagonal` (s is t: half of the pairs) are constants.
 */
enum { TILE = 4 };

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

static OF_ALWAYS_INLINE void tile(const struct gram *gram, uint32_t s, uint32_t t, uint32_t rows,
                                  uint32_t cols, bool is_diagonal)
{
    const float *row_at[TILE] = {NULL};
    const float *col_at[TILE] = {NULL};
    __m512d acc[TILE][TILE];
    __m512d row[TILE];

#pragma GCC unroll 4
    for (uint32_t i = 0; i < rows; i++) {
        row_at[i] = gram->d[s + i];
#pragma GCC unroll 4
        for (uint32_t k = 0; k < cols; k++) {
            if (!is_diagonal || i <= k) {
                acc[i][k] = _mm512_loadu_pd(lanes_of(gram, s + i, t + k));
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t k = 0; k < cols; k++) {
        col_at[k] = gram->d[t + k];
    }
    for (size_t at = 0; at < gram->count; at += 8) {
#pragma GCC unroll 4
        for (uint32_t i = 0; i < rows; i++) {
            row[i] = _mm512_cvtps_pd(_mm256_loadu_ps(row_at[i] + at));
        }
#pragma GCC unroll 4
        for (uint32_t k = 0; k < cols; k++) {
            const __m512d col =
                is_diagonal ? row[k] : _mm512_cvtps_pd(_mm256_loadu_ps(col_at[k] + at));

#pragma GCC unroll 4
            for (uint32_t i = 0; i < rows; i++) {
                if (!is_diagonal || i <= k) {
                    acc[i][k] = _mm512_add_pd(acc[i][k], _mm512_mul_pd(row[i], col));
                }
            }
        }
    }
#pragma GCC unroll 4
    for (uint32_t i = 0; i < rows; i++) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k < cols; k++) {
            if (!is_diagonal || i <= k) {
                _mm512_storeu_pd(lanes_of(gram, s + i, t + k), acc[i][k]);
            }
        }
    }
}

/* The vectors from s on, TILE of them or what is left, with each other. */
static void tile_on_diagonal(const struct gram *gram, uint32_t s)
{
    switch (gram->vector_count - s) {
    case 1:
        tile(gram, s, s, 1, 1, true);
        break;
    case 2:
        tile(gram, s, s, 2, 2, true);
        break;
    case 3:
        tile(gram, s, s, 3, 3, true);
        break;
    default:
        tile(gram, s, s, TILE, TILE, true);
        break;
    }
}

/* TILE vectors from s on with as many from t on, or what is left. */
static void tile_beside(const struct gram *gram, uint32_t s, uint32_t t)
{
    switch (gram->vector_count - t) {
    case 1:
        tile(gram, s, t, TILE, 1, false);
        break;
    case 2:
        tile(gram, s, t, TILE, 2, false);
        break;
    case 3:
        tile(gram, s, t, TILE, 3, false);
        break;
    default:
        tile(gram, s, t, TILE, TILE, false);
        break;
    }
}

static void add_gram(double (*lanes)[8], const float *const *d, uint32_t vector_count, size_t count)
{
    const struct gram gram = {lanes, d, vector_count, count / 8 * 8};

    for (uint32_t s = 0; s < vector_count; s += TILE) {
        tile_on_diagonal(&gram, s);
        for (uint32_t t = s + TILE; t < vector_count; t += TILE) {
            tile_beside(&gram, s, t);
        }
    }
    of_elem_gram(lanes, d, vector_count, gram.count, count);
}

static void scale(float *acc, float factor, size_t count)
{
    const __m512 by = _mm512_set1_ps(factor);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        _mm512_storeu_ps(acc + i, _mm512_mul_ps(by, _mm512_loadu_ps(acc + i)));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);

        _mm512_mask_storeu_ps(acc + i, rest,
                              _mm512_mul_ps(by, _mm512_maskz_loadu_ps(rest, acc + i)));
    }
}

static void finish_delta(float *restrict acc, const float *restrict base, float factor,
                         size_t count)
{
    const __m512 by = _mm512_set1_ps(factor);
    size_t i = 0;

    for (; i + 16 <= count; i += 16) {
        const __m512 delta = _mm512_loadu_ps(acc + i);

        _mm512_storeu_ps(acc + i, folded(_mm512_loadu_ps(base + i), delta, by));
    }
    if (i < count) {
        const __mmask16 rest = first_16(count - i);
        const __m512 delta = _mm512_maskz_loadu_ps(rest, acc + i);

        _mm512_mask_storeu_ps(acc + i, rest,
                              folded(_mm512_maskz_loadu_ps(rest, base + i), delta, by));
    }
}

/* How many elements are NaN, and how many infinite. */
struct tally {
    uint64_t nan;
    uint64_t inf;
};

static void add_nonfinite(struct tally *tally, __m512 value)
{
    tally->nan += count_bits(_mm512_fpclass_ps_mask(value, CLASS_NAN));
    tally->inf += count_bits(_mm512_fpclass_ps_mask(value, CLASS_INF));
}

static void count_nonfinite(const float *x, size_t count, uint64_t *ret_nan, uint64_t *ret_inf)
{
    struct tally tally = {0, 0};
    size_t i = 0;

    /* One branch for two vectors. */
    for (; i + 32 <= count; i += 32) {
        const __m512 low = _mm512_loadu_ps(x + i);
        const __m512 high = _mm512_loadu_ps(x + i + 16);

        if (OF_UNLIKELY(!_mm512_kortestz(is_nonfinite(low), is_nonfinite(high)))) {
            add_nonfinite(&tally, low);
            add_nonfinite(&tally, high);
        }
    }
    for (; i < count; i += 16) {
        add_nonfinite(&tally, _mm512_maskz_loadu_ps(first_16(count - i), x + i));
    }
    *ret_nan = tally.nan;
    *ret_inf = tally.inf;
}

/* add_products stays with AVX2: the order of the law makes it a chain of additions that wait for
 * each other, whatever the width. divide and add_stats wait for divisions, which are no faster
 * here, subtract for memory, and average_near gains nothing. */
void of_kern_fill_avx512(struct of_kern *kern)
{
    kern->unpack[ONEFOLD_DTYPE_F16] = unpack_f16;
    kern->unpack[ONEFOLD_DTYPE_BF16] = unpack_bf16;
    kern->pack[ONEFOLD_DTYPE_F32] = pack_f32;
    kern->pack[ONEFOLD_DTYPE_F16] = pack_f16;
    kern->pack[ONEFOLD_DTYPE_BF16] = pack_bf16;
    kern->fold_plain = fold_plain;
    kern->fold_delta = fold_delta;
    kern->fold_plain_bf16 = fold_plain_bf16;
    kern->fold_delta_bf16 = fold_delta_bf16;
    kern->sum[ONEFOLD_DTYPE_BF16] = sum_bf16;
    kern->sum[ONEFOLD_DTYPE_F16] = sum_f16;
    kern->sum[ONEFOLD_DTYPE_F32] = sum_f32;
    kern->subtract_bf16 = subtract_bf16;
    kern->order_pair = order_pair;
    kern->add_gram = add_gram;
    kern->scale = scale;
    kern->finish_delta = finish_delta;
    kern->count_nonfinite = count_nonfinite;
    fill_hash(kern);
}
