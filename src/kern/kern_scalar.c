/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scalar kernels: the law. Every result bit of the program is defined here, element by element,
 * in the order written; a faster row that differs is wrong. The compiler may vectorise these loops,
 * but it may neither reorder nor contract their operations (-ffp-contract=off).
 */
#include "kern/kern.h"

#include "base/bytes.h"
#include "kern/kern_elem.h"
#include "kern/kern_fill.h"
#include "kern/kern_near.h"
#include "kern/kern_votes.h"

#include <string.h>

/* SSE2 is the base of x86-64 and gives the same hash; elsewhere the plain form. */
#ifdef __x86_64__
#define XXH_VECTOR XXH_SSE2
#else
#define XXH_VECTOR XXH_SCALAR
#endif
#include "kern/kern_hash.h"

static void unpack_f64(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;

    for (size_t i = 0; i < count; i++) {
        to[i] = of_elem_from_f64(of_bytes_load64(bytes + i * 8));
    }
}

static void unpack_f32(float *to, const void *from, size_t count)
{
    if (count > 0) {
        memcpy(to, from, count * sizeof(*to));
    }
}

static void unpack_f16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;

    for (size_t i = 0; i < count; i++) {
        to[i] = of_elem_from_f16(of_bytes_load16(bytes + i * 2));
    }
}

static void unpack_bf16(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;

    for (size_t i = 0; i < count; i++) {
        to[i] = of_elem_from_bf16(of_bytes_load16(bytes + i * 2));
    }
}

static void unpack_e5m2(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;

    for (size_t i = 0; i < count; i++) {
        to[i] = of_elem_from_e5m2(bytes[i]);
    }
}

static void unpack_e4m3(float *to, const void *from, size_t count)
{
    const uint8_t *bytes = from;

    for (size_t i = 0; i < count; i++) {
        to[i] = of_elem_from_e4m3(bytes[i]);
    }
}

static size_t pack_f64(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        bad += (of_elem_bits(from[i]) & OF_ELEM_INF_F32) == OF_ELEM_INF_F32;
        of_bytes_store64(bytes + i * 8, of_elem_to_f64(from[i]));
    }
    return bad;
}

static size_t pack_f32(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t code = of_elem_to_f32(from[i]);

        bad += (code & OF_ELEM_INF_F32) == OF_ELEM_INF_F32;
        of_bytes_store32(bytes + i * 4, code);
    }
    return bad;
}

static size_t pack_f16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        uint16_t code = of_elem_to_f16(from[i]);

        bad += (code & OF_ELEM_INF_F16) == OF_ELEM_INF_F16;
        of_bytes_store16(bytes + i * 2, code);
    }
    return bad;
}

static size_t pack_bf16(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
        uint16_t code = of_elem_to_bf16(from[i]);

        bad += (code & OF_ELEM_INF_BF16) == OF_ELEM_INF_BF16;
        of_bytes_store16(bytes + i * 2, code);
    }
    return bad;
}

static size_t pack_e5m2(void *to, const float *from, size_t count)
{
    uint8_t *bytes = to;
    size_t bad = 0;

    for (size_t i = 0; i < count; i++) {
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

    for (size_t i = 0; i < count; i++) {
        uint8_t code = of_elem_to_e4m3(from[i]);

        bad += (code & 0x7f) == OF_ELEM_NAN_E4M3;
        bytes[i] = code;
    }
    return bad;
}

static void fold_plain(float *restrict acc, const float *restrict x, float coef, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        acc[i] = acc[i] + (coef * x[i]);
    }
}

static void fold_delta(float *restrict acc, const float *restrict x, const float *restrict base,
                       float coef, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        acc[i] = acc[i] + (coef * (x[i] - base[i]));
    }
}

static void fold_plain_bf16(float *restrict acc, const void *restrict x, float coef, size_t count)
{
    const uint8_t *bytes = x;

    for (size_t i = 0; i < count; i++) {
        acc[i] = acc[i] + (coef * of_elem_from_bf16(of_bytes_load16(bytes + i * 2)));
    }
}

static void fold_delta_bf16(float *restrict acc, const void *restrict x, const float *restrict base,
                            float coef, size_t count)
{
    const uint8_t *bytes = x;

    for (size_t i = 0; i < count; i++) {
        acc[i] = acc[i] + (coef * (of_elem_from_bf16(of_bytes_load16(bytes + i * 2)) - base[i]));
    }
}

static void subtract(float *restrict d, const float *restrict x, const float *restrict base,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        d[i] = x[i] - base[i];
    }
}

static void subtract_bf16(float *restrict d, const void *restrict x, const float *restrict base,
                          size_t count)
{
    const uint8_t *bytes = x;

    for (size_t i = 0; i < count; i++) {
        d[i] = of_elem_from_bf16(of_bytes_load16(bytes + i * 2)) - base[i];
    }
}

static void order_pair(float *restrict low, float *restrict high, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float a = low[i];
        const float b = high[i];

        low[i] = b < a ? b : a;
        high[i] = b < a ? a : b;
    }
}

static void average_near(float *restrict v, const struct of_kern_near *near, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        v[i] = near_elem(near, i);
    }
}

static void add_products(double lanes[8], const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lanes[i % 8] = lanes[i % 8] + ((double)a[i] * (double)b[i]);
    }
}

static void add_gram(double (*lanes)[8], const float *const *d, uint32_t vector_count, size_t count)
{
    for (uint32_t s = 0; s < vector_count; s++) {
        for (uint32_t t = s; t < vector_count; t++) {
            add_products(*lanes, d[s], d[t], count);
            lanes++;
        }
    }
}

static void add_stats(struct of_kern_stats *stats, const float *const *d, uint32_t input_count,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        of_elem_stats(stats, d, input_count, i);
    }
}

static void divide(float *acc, float divisor, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        acc[i] = acc[i] / divisor;
    }
}

static void scale(float *acc, float factor, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        acc[i] = factor * acc[i];
    }
}

static void finish_delta(float *restrict acc, const float *restrict base, float factor,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        acc[i] = base[i] + (factor * acc[i]);
    }
}

/* What a fused sum of one type consists of. */
struct fused {
    of_kern_unpack_fn *unpack;
    of_kern_pack_fn *pack;
    size_t bytes; /* of an element */
    bool is_bf16; /* whose folds unpack on the way */
};

enum { FUSED_BLOCK = 512 };

static void fold_block(const struct of_kern_sum *sum, const struct fused *fused, uint32_t t,
                       size_t offset, float *acc, const float *base, size_t count)
{
    const uint8_t *codes = (const uint8_t *)sum->x[t] + offset;
    const float coef = sum->coefs[t];
    float x[FUSED_BLOCK];

    if (fused->is_bf16 && sum->base != NULL) {
        fold_delta_bf16(acc, codes, base, coef, count);
    } else if (fused->is_bf16) {
        fold_plain_bf16(acc, codes, coef, count);
    } else if (sum->base != NULL) {
        fused->unpack(x, codes, count);
        fold_delta(acc, x, base, coef, count);
    } else {
        fused->unpack(x, codes, count);
        fold_plain(acc, x, coef, count);
    }
}

/* By the entries it stands for, on blocks that stay in the nearest cache: what it gives is what
 * they give, and the compiler makes vectors of them. */
static size_t sum_blocks(void *to, const struct of_kern_sum *sum, const struct fused *fused,
                         size_t first, size_t count)
{
    float acc[FUSED_BLOCK];
    float base[FUSED_BLOCK];
    size_t bad = 0;

    for (size_t at = 0; at < count; at += FUSED_BLOCK) {
        const size_t length = count - at < FUSED_BLOCK ? count - at : FUSED_BLOCK;
        const size_t offset = (first + at) * fused->bytes;

        for (size_t i = 0; i < length; i++) {
            acc[i] = sum->start;
        }
        if (sum->base != NULL) {
            fused->unpack(base, (const uint8_t *)sum->base + offset, length);
        }
        for (uint32_t t = 0; t < sum->input_count; t++) {
            fold_block(sum, fused, t, offset, acc, base, length);
        }
        if (sum->has_divisor) {
            divide(acc, sum->divisor, length);
        }
        if (sum->base != NULL) {
            finish_delta(acc, base, sum->has_factor ? sum->factor : 1.0F, length);
        } else if (sum->has_factor) {
            scale(acc, sum->factor, length);
        }
        bad += fused->pack((uint8_t *)to + at * fused->bytes, acc, length);
    }
    return bad;
}

static size_t sum_bf16(void *to, const struct of_kern_sum *sum, size_t first, size_t count)
{
    static const struct fused fused = {unpack_bf16, pack_bf16, 2, true};

    return sum_blocks(to, sum, &fused, first, count);
}

static size_t sum_f16(void *to, const struct of_kern_sum *sum, size_t first, size_t count)
{
    static const struct fused fused = {unpack_f16, pack_f16, 2, false};

    return sum_blocks(to, sum, &fused, first, count);
}

static size_t sum_f32(void *to, const struct of_kern_sum *sum, size_t first, size_t count)
{
    static const struct fused fused = {unpack_f32, pack_f32, 4, false};

    return sum_blocks(to, sum, &fused, first, count);
}

static void count_nonfinite(const float *x, size_t count, uint64_t *ret_nan, uint64_t *ret_inf)
{
    uint64_t nan = 0;
    uint64_t inf = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude = of_elem_bits(x[i]) & 0x7fffffff;

        nan += magnitude > OF_ELEM_INF_F32;
        inf += magnitude == OF_ELEM_INF_F32;
    }
    *ret_nan = nan;
    *ret_inf = inf;
}

void of_kern_fill_scalar(struct of_kern *kern)
{
    kern->unpack[ONEFOLD_DTYPE_F64] = unpack_f64;
    kern->unpack[ONEFOLD_DTYPE_F32] = unpack_f32;
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
