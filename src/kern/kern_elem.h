/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One element at a time: the conversions between encoded types and f32. kern_scalar.c is these in a
 * loop, and the ISA files use them for the elements that do not fill a vector. Only integer
 * operations, exact float operations and one rounding each, so every compiler gives the same bits.
 * Private to this folder.
 */
#ifndef OF_KERN_KERN_ELEM_H
#define OF_KERN_KERN_ELEM_H

#include "base/bytes.h"
#include "kern/kern.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The one NaN of each type that `pack` writes. */
#define OF_ELEM_NAN_F64 UINT64_C(0x7ff8000000000000)
enum {
    OF_ELEM_NAN_F32 = 0x7fc00000,
    OF_ELEM_NAN_BF16 = 0x7fc0,
    OF_ELEM_NAN_F16 = 0x7e00,
    OF_ELEM_NAN_E5M2 = 0x7e,
    OF_ELEM_NAN_E4M3 = 0x7f
};

/* Infinity as a magnitude; E4M3 has none, its only code that is not finite is the NaN. */
enum {
    OF_ELEM_INF_F32 = 0x7f800000,
    OF_ELEM_INF_BF16 = 0x7f80,
    OF_ELEM_INF_F16 = 0x7c00,
    OF_ELEM_INF_E5M2 = 0x7c
};

/*
 * Narrowing to a type with an exponent of less than 8 bits. DROP is how many mantissa bits go, BIAS
 * the difference of the exponent biases in place (112 << 23 and 120 << 23), MIN the bits of the
 * smallest normal value. MAGIC is a power of two whose unit in the last place is the smallest
 * subnormal value: adding it to a smaller number rounds that number to whole units, nearest even.
 */
enum { OF_ELEM_DROP_F16 = 13, OF_ELEM_DROP_E5M2 = 21, OF_ELEM_DROP_E4M3 = 20 };
enum { OF_ELEM_BIAS_F16 = 0x38000000, OF_ELEM_BIAS_E4M3 = 0x3c000000 };
enum { OF_ELEM_MIN_F16 = 0x38800000, OF_ELEM_MIN_E4M3 = 0x3c800000 };
enum {
    OF_ELEM_MAGIC_F16 = 0x3f000000,  /* 2^-1, unit 2^-24 */
    OF_ELEM_MAGIC_E5M2 = 0x43000000, /* 2^7, unit 2^-16 */
    OF_ELEM_MAGIC_E4M3 = 0x46800000  /* 2^14, unit 2^-9 */
};

static inline uint32_t of_elem_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline float of_elem_float(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline float of_elem_from_bf16(uint16_t code)
{
    return of_elem_float((uint32_t)code << 16);
}

static inline float of_elem_from_f16(uint16_t code)
{
    uint32_t sign = (uint32_t)(code & 0x8000) << 16;
    uint32_t magnitude = code & 0x7fff;
    uint32_t bits;

    if (magnitude < 0x0400) {
        bits = of_elem_bits((float)magnitude * 0x1p-24F); /* exact: at most 10 bits */
    } else if (magnitude < OF_ELEM_INF_F16) {
        bits = (magnitude << OF_ELEM_DROP_F16) + OF_ELEM_BIAS_F16;
    } else {
        bits = (magnitude << OF_ELEM_DROP_F16) | OF_ELEM_INF_F32;
    }
    return of_elem_float(sign | bits);
}

/* E5M2 is the upper byte of an f16. */
static inline float of_elem_from_e5m2(uint8_t code)
{
    return of_elem_from_f16((uint16_t)(code << 8));
}

/* The four exponent bits of E4M3 (bias 7) read as the lower exponent bits of an f16 (bias 15) mean
 * the same value times 2^-8, subnormal or not. */
static inline float of_elem_from_e4m3(uint8_t code)
{
    uint32_t magnitude = code & 0x7f;

    if (magnitude == OF_ELEM_NAN_E4M3) {
        return of_elem_float(OF_ELEM_NAN_F32);
    }
    return of_elem_from_f16((uint16_t)((uint32_t)(code & 0x80) << 8 | magnitude << 7)) * 256.0F;
}

static inline uint16_t of_elem_to_bf16(float value)
{
    uint32_t bits = of_elem_bits(value);

    if ((bits & 0x7fffffff) > OF_ELEM_INF_F32) {
        return OF_ELEM_NAN_BF16;
    }
    /* Half a unit less one, plus one when the kept part is odd: ties go to even. A carry out of the
     * mantissa raises the exponent, up to infinity, which is right. */
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* Rounds a magnitude that is not NaN to a code of the narrow type without a ceiling: codes at and
 * above that of infinity mean "past the range". */
static inline uint32_t of_elem_narrow(uint32_t magnitude, uint32_t drop, uint32_t bias,
                                      uint32_t min, uint32_t magic)
{
    if (magnitude < min) {
        return of_elem_bits(of_elem_float(magnitude) + of_elem_float(magic)) - magic;
    }
    return (magnitude + ((UINT32_C(1) << (drop - 1)) - 1) + ((magnitude >> drop) & 1) - bias) >>
           drop;
}

static inline uint16_t of_elem_to_f16(float value)
{
    uint32_t bits = of_elem_bits(value);
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t code;

    if (magnitude > OF_ELEM_INF_F32) {
        return OF_ELEM_NAN_F16;
    }
    code = of_elem_narrow(magnitude, OF_ELEM_DROP_F16, OF_ELEM_BIAS_F16, OF_ELEM_MIN_F16,
                          OF_ELEM_MAGIC_F16);
    if (code > OF_ELEM_INF_F16) {
        code = OF_ELEM_INF_F16;
    }
    return (uint16_t)((bits >> 16 & 0x8000) | code);
}

static inline uint8_t of_elem_to_e5m2(float value)
{
    uint32_t bits = of_elem_bits(value);
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t code;

    if (magnitude > OF_ELEM_INF_F32) {
        return OF_ELEM_NAN_E5M2;
    }
    code = of_elem_narrow(magnitude, OF_ELEM_DROP_E5M2, OF_ELEM_BIAS_F16, OF_ELEM_MIN_F16,
                          OF_ELEM_MAGIC_E5M2);
    if (code > OF_ELEM_INF_E5M2) {
        code = OF_ELEM_INF_E5M2;
    }
    return (uint8_t)((bits >> 24 & 0x80) | code);
}

static inline uint8_t of_elem_to_e4m3(float value)
{
    uint32_t bits = of_elem_bits(value);
    uint32_t magnitude = bits & 0x7fffffff;
    uint32_t code;

    if (magnitude > OF_ELEM_INF_F32) {
        return OF_ELEM_NAN_E4M3;
    }
    code = of_elem_narrow(magnitude, OF_ELEM_DROP_E4M3, OF_ELEM_BIAS_E4M3, OF_ELEM_MIN_E4M3,
                          OF_ELEM_MAGIC_E4M3);
    if (code >= OF_ELEM_NAN_E4M3) {
        return OF_ELEM_NAN_E4M3;
    }
    return (uint8_t)((bits >> 24 & 0x80) | code);
}

static inline uint32_t of_elem_to_f32(float value)
{
    uint32_t bits = of_elem_bits(value);

    return (bits & 0x7fffffff) > OF_ELEM_INF_F32 ? (uint32_t)OF_ELEM_NAN_F32 : bits;
}

static inline uint64_t of_elem_to_f64(float value)
{
    double wide = (double)value;
    uint64_t bits;

    memcpy(&bits, &wide, sizeof(bits));
    return (of_elem_bits(value) & 0x7fffffff) > OF_ELEM_INF_F32 ? OF_ELEM_NAN_F64 : bits;
}

static inline float of_elem_from_f64(uint64_t bits)
{
    double wide;

    memcpy(&wide, &bits, sizeof(wide));
    return (float)wide;
}

/* --- Inner products --- */

/* Where the lanes of a pair of `vector_count` vectors stand, s <= t. */
static inline size_t of_elem_pair(uint32_t vector_count, uint32_t s, uint32_t t)
{
    return (size_t)s * vector_count - (size_t)s * (s + 1) / 2 + t;
}

/* Elements [first, count) of every pair, one after the other. */
static inline void of_elem_gram(double (*lanes)[8], const float *const *d, uint32_t vector_count,
                                size_t first, size_t count)
{
    for (uint32_t s = 0; s < vector_count && first < count; s++) {
        for (uint32_t t = s; t < vector_count; t++) {
            double *sums = lanes[of_elem_pair(vector_count, s, t)];

            for (size_t i = first; i < count; i++) {
                sums[i % 8] = sums[i % 8] + ((double)d[s][i] * (double)d[t][i]);
            }
        }
    }
}

/* One element of add_stats. */
static inline void of_elem_stats(struct of_kern_stats *stats, const float *const *d,
                                 uint32_t input_count, size_t index)
{
    const double inputs = input_count;
    double magnitude = 0.0;
    double largest = 0.0;
    double mean = 0.0;
    double square = 0.0;
    double fourth = 0.0;
    int32_t sign = 0;

    for (uint32_t t = 0; t < input_count; t++) {
        const double value = (double)d[t][index];
        const double size = fabs(value);

        magnitude = magnitude + size;
        largest = largest < size ? size : largest;
        mean = mean + value;
        sign += (value > 0.0 ? 1 : 0) - (value < 0.0 ? 1 : 0);
        stats->zeros[t] += value == 0.0 ? 1 : 0;
    }
    mean = mean / inputs;
    for (uint32_t t = 0; t < input_count; t++) {
        const double residual = (double)d[t][index] - mean;
        const double one = residual * residual;

        square = square + one;
        fourth = fourth + (one * one);
    }
    stats->agreement[sign < 0 ? -sign : sign]++;
    if (magnitude > 0.0) {
        stats->overlap[index % 8] = stats->overlap[index % 8] + (largest / magnitude);
        stats->in_overlap++;
    }
    if (square > 0.0) {
        stats->tail[index % 8] = stats->tail[index % 8] + (inputs * fourth / (square * square));
        stats->in_tail++;
    }
}

/* --- Fused sums: of BF16, F16 and F32; `dtype` is a constant where these are called --- */

static inline size_t of_elem_sum_bytes(onefold_dtype dtype)
{
    return dtype == ONEFOLD_DTYPE_F32 ? 4 : 2;
}

/* Asks for what follows elements [at, at + count) of one input, some way behind: a CPU follows few
 * arrays by itself, each to the end of its page. Base and three inputs in the page cache took 7 to
 * 13 % less CPU time (Xeon, AVX-512); 512 to 4096 bytes ahead were all alike. */
enum { OF_ELEM_AHEAD_BYTES = 1024 };

static inline void of_elem_ahead(const void *codes, size_t at, size_t count, onefold_dtype dtype)
{
    const size_t width = of_elem_sum_bytes(dtype);
    const uint8_t *ahead = (const uint8_t *)codes + at * width + OF_ELEM_AHEAD_BYTES;

    of_bytes_ask_ahead(ahead, count * width);
}

static inline float of_elem_load(const void *codes, size_t index, onefold_dtype dtype)
{
    const uint8_t *at = (const uint8_t *)codes + index * of_elem_sum_bytes(dtype);

    if (dtype == ONEFOLD_DTYPE_F32) {
        return of_elem_float(of_bytes_load32(at));
    }
    return dtype == ONEFOLD_DTYPE_F16 ? of_elem_from_f16(of_bytes_load16(at))
                                      : of_elem_from_bf16(of_bytes_load16(at));
}

/* Returns 1 when what was written is not finite. */
static inline size_t of_elem_store(uint8_t *to, float value, onefold_dtype dtype)
{
    uint16_t code;

    if (dtype == ONEFOLD_DTYPE_F32) {
        const uint32_t bits = of_elem_to_f32(value);

        of_bytes_store32(to, bits);
        return (bits & OF_ELEM_INF_F32) == OF_ELEM_INF_F32;
    }
    code = dtype == ONEFOLD_DTYPE_F16 ? of_elem_to_f16(value) : of_elem_to_bf16(value);
    of_bytes_store16(to, code);
    return dtype == ONEFOLD_DTYPE_F16 ? (code & OF_ELEM_INF_F16) == OF_ELEM_INF_F16
                                      : (code & OF_ELEM_INF_BF16) == OF_ELEM_INF_BF16;
}

/* One element of a fused sum; `index` counts from the start of the inputs. */
static inline size_t of_elem_sum(uint8_t *to, const struct of_kern_sum *sum, size_t index,
                                 onefold_dtype dtype)
{
    float base = 0.0F;
    float acc = sum->start;

    if (sum->base != NULL) {
        base = of_elem_load(sum->base, index, dtype);
    }
    for (uint32_t t = 0; t < sum->input_count; t++) {
        float x = of_elem_load(sum->x[t], index, dtype);

        if (sum->base != NULL) {
            x = x - base;
        }
        acc = acc + (sum->coefs[t] * x);
    }
    if (sum->has_divisor) {
        acc = acc / sum->divisor;
    }
    if (sum->has_factor) {
        acc = sum->factor * acc;
    }
    return of_elem_store(to, sum->base != NULL ? base + acc : acc, dtype);
}

#endif
