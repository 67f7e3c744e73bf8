/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel speeds and what the host allows: <onefold/bench.h>. Kernels run as in a merge: block after
 * block, here always the same arrays of a block, which are in the nearest cache then; fused sums
 * and hashes, whose inputs come from farther away, over arrays of a grain, which fit the
 * second-level cache. So the numbers are those of the kernels and not of the memory behind them.
 */
#include "onefold/bench.h"

#include "base/attr.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kern/kern.h"
#include "sys/clock.h"
#include "sys/host.h"

#include <string.h>

/* A call much shorter than this is measured as a run of calls: the clock has some 30 ns. */
enum { CALLS_PER_TURN = 4 };

enum kind {
    KIND_UNPACK,
    KIND_PACK,
    KIND_FOLD_PLAIN,
    KIND_FOLD_DELTA,
    KIND_FOLD_PLAIN_BF16,
    KIND_FOLD_DELTA_BF16,
    KIND_SUM,
    KIND_SUBTRACT,
    KIND_SUBTRACT_BF16,
    KIND_ORDER_PAIR,
    KIND_ADD_PRODUCTS,
    KIND_ADD_GRAM,
    KIND_ADD_STATS,
    KIND_AVERAGE_NEAR,
    KIND_ADD_VOTES,
    KIND_DAMP,
    KIND_DIVIDE,
    KIND_SCALE,
    KIND_FINISH_DELTA,
    KIND_COUNT_NONFINITE,
    KIND_HASH
};

struct row {
    const char *name;
    enum kind kind;
    onefold_dtype dtype; /* of unpack, pack and sum */
    uint32_t elem_bytes; /* read per element and call */
};

static const struct row rows[] = {
    {"unpack_f64", KIND_UNPACK, ONEFOLD_DTYPE_F64, 8},
    {"unpack_f32", KIND_UNPACK, ONEFOLD_DTYPE_F32, 4},
    {"unpack_f16", KIND_UNPACK, ONEFOLD_DTYPE_F16, 2},
    {"unpack_bf16", KIND_UNPACK, ONEFOLD_DTYPE_BF16, 2},
    {"unpack_f8_e5m2", KIND_UNPACK, ONEFOLD_DTYPE_F8_E5M2, 1},
    {"unpack_f8_e4m3", KIND_UNPACK, ONEFOLD_DTYPE_F8_E4M3, 1},
    {"pack_f64", KIND_PACK, ONEFOLD_DTYPE_F64, 4},
    {"pack_f32", KIND_PACK, ONEFOLD_DTYPE_F32, 4},
    {"pack_f16", KIND_PACK, ONEFOLD_DTYPE_F16, 4},
    {"pack_bf16", KIND_PACK, ONEFOLD_DTYPE_BF16, 4},
    {"pack_f8_e5m2", KIND_PACK, ONEFOLD_DTYPE_F8_E5M2, 4},
    {"pack_f8_e4m3", KIND_PACK, ONEFOLD_DTYPE_F8_E4M3, 4},
    {"fold_plain", KIND_FOLD_PLAIN, ONEFOLD_DTYPE_F32, 8},
    {"fold_delta", KIND_FOLD_DELTA, ONEFOLD_DTYPE_F32, 12},
    {"fold_plain_bf16", KIND_FOLD_PLAIN_BF16, ONEFOLD_DTYPE_BF16, 6},
    {"fold_delta_bf16", KIND_FOLD_DELTA_BF16, ONEFOLD_DTYPE_BF16, 10},
    {"sum_bf16", KIND_SUM, ONEFOLD_DTYPE_BF16, 8},
    {"sum_f16", KIND_SUM, ONEFOLD_DTYPE_F16, 8},
    {"sum_f32", KIND_SUM, ONEFOLD_DTYPE_F32, 16},
    {"subtract", KIND_SUBTRACT, ONEFOLD_DTYPE_F32, 8},
    {"subtract_bf16", KIND_SUBTRACT_BF16, ONEFOLD_DTYPE_BF16, 6},
    {"order_pair", KIND_ORDER_PAIR, ONEFOLD_DTYPE_F32, 8},
    {"add_products", KIND_ADD_PRODUCTS, ONEFOLD_DTYPE_F32, 8},
    {"add_gram", KIND_ADD_GRAM, ONEFOLD_DTYPE_F32, 32},
    {"add_stats", KIND_ADD_STATS, ONEFOLD_DTYPE_F32, 32},
    {"add_votes", KIND_ADD_VOTES, ONEFOLD_DTYPE_F32, 16},
    {"damp", KIND_DAMP, ONEFOLD_DTYPE_F32, 16},
    {"average_near", KIND_AVERAGE_NEAR, ONEFOLD_DTYPE_F32, 32},
    {"divide", KIND_DIVIDE, ONEFOLD_DTYPE_F32, 4},
    {"scale", KIND_SCALE, ONEFOLD_DTYPE_F32, 4},
    {"finish_delta", KIND_FINISH_DELTA, ONEFOLD_DTYPE_F32, 8},
    {"count_nonfinite", KIND_COUNT_NONFINITE, ONEFOLD_DTYPE_F32, 4},
    {"hash", KIND_HASH, ONEFOLD_DTYPE_F32, 4},
};

/* Inputs of the kernels that see all of them. */
enum { VECTORS = 8 };

/* The arrays of one grain. */
struct arrays {
    float acc[OF_GRAIN_ELEMS];
    float base[OF_GRAIN_ELEMS];
    double wide[2 * OF_GRAIN_ELEMS]; /* encoded elements of any type; four grains of F32 */
    double lanes[8];
    double gram[VECTORS * (VECTORS + 1) / 2][8];
    uint64_t counts[2 * VECTORS + 1];
    uint64_t sum; /* keeps results that only return a number */
};

/* Ordinary numbers, about as large as weights, by a small generator: no kernel may meet a special
 * value here, and repeated folding with small factors keeps them ordinary. */
static void fill_arrays(struct arrays *arrays, const struct of_kern *kern, onefold_dtype dtype)
{
    const size_t grain_bytes = (size_t)OF_GRAIN_ELEMS * of_dtype_size(dtype);
    uint32_t state = 1;

    memset(arrays->lanes, 0, sizeof(arrays->lanes));
    memset(arrays->gram, 0, sizeof(arrays->gram));
    memset(arrays->counts, 0, sizeof(arrays->counts));
    for (uint32_t i = 0; i < OF_GRAIN_ELEMS; i++) {
        state = state * 1664525U + 1013904223U;
        arrays->base[i] = ((float)(state >> 8) / 16777216.0F - 0.5F) * 0.1F;
        arrays->acc[i] = arrays->base[i] * 0.5F;
    }
    /* As many grains of codes as there is room for. */
    for (size_t at = 0; at < sizeof(arrays->wide); at += grain_bytes) {
        (void)kern->pack[dtype]((uint8_t *)arrays->wide + at, arrays->base, OF_GRAIN_ELEMS);
    }
}

/* Three inputs and a base, the same codes at four places. */
static size_t call_sum(const struct of_kern *kern, const struct row *row, struct arrays *arrays)
{
    const uint8_t *codes = (const uint8_t *)arrays->wide;
    const size_t stride = (size_t)OF_GRAIN_ELEMS * row->elem_bytes / 4;
    const void *x[] = {codes, codes + stride, codes + 2 * stride};
    const float coefs[] = {1.0F, 0.5F, 0.25F};
    const struct of_kern_sum sum = {.x = x,
                                    .coefs = coefs,
                                    .input_count = 3,
                                    .base = codes + 3 * stride,
                                    .has_factor = true,
                                    .factor = 0.4F};

    return kern->sum[row->dtype](arrays->acc, &sum, 0, OF_GRAIN_ELEMS);
}

/* Sums, counts or means of eight vectors of a grain, in chunks as a survey does it. */
static void call_vectors(const struct of_kern *kern, enum kind kind, struct arrays *arrays)
{
    enum { CHUNK = 256 };
    struct of_kern_stats stats = {.overlap = arrays->lanes,
                                  .tail = arrays->gram[0],
                                  .zeros = arrays->counts,
                                  .agreement = arrays->counts + VECTORS};

    for (size_t at = 0; at < OF_GRAIN_ELEMS; at += CHUNK) {
        const float *d[VECTORS];
        /* In any order: nothing depends on the values but which of them are taken. */
        const struct of_kern_near near = {
            .d = d, .sorted = d, .count = VECTORS, .kept = VECTORS / 2};

        for (size_t t = 0; t < VECTORS; t++) {
            d[t] = arrays->base + (at + CHUNK * t) % OF_GRAIN_ELEMS;
        }
        if (kind == KIND_ADD_GRAM) {
            kern->add_gram(arrays->gram, d, VECTORS, CHUNK);
        } else if (kind == KIND_AVERAGE_NEAR) {
            kern->average_near(arrays->acc + at, &near, CHUNK);
        } else {
            kern->add_stats(&stats, d, VECTORS, CHUNK);
        }
    }
}

/* Any numbers will do as counts. */
static struct of_kern_votes votes_of(struct arrays *arrays, float *sum)
{
    int32_t *counts = (int32_t *)(void *)arrays->wide;

    return (struct of_kern_votes){.sum = sum,
                                  .vote = counts,
                                  .voter = counts + OF_GRAIN_ELEMS,
                                  .least = counts + OF_GRAIN_ELEMS};
}

static void call_block(const struct of_kern *kern, const struct row *row, struct arrays *arrays)
{
    const size_t count = OF_BLOCK_ELEMS;
    struct of_kern_votes votes;
    uint64_t nan;
    uint64_t inf;

    switch (row->kind) {
    case KIND_UNPACK:
        kern->unpack[row->dtype](arrays->acc, arrays->wide, count);
        break;
    case KIND_PACK:
        arrays->sum += kern->pack[row->dtype](arrays->wide, arrays->acc, count);
        break;
    case KIND_FOLD_PLAIN:
        kern->fold_plain(arrays->acc, arrays->base, 1e-6F, count);
        break;
    case KIND_FOLD_DELTA:
        kern->fold_delta(arrays->acc, (const float *)(const void *)arrays->wide, arrays->base,
                         1e-6F, count);
        break;
    case KIND_FOLD_PLAIN_BF16:
        kern->fold_plain_bf16(arrays->acc, arrays->wide, 1e-6F, count);
        break;
    case KIND_FOLD_DELTA_BF16:
        kern->fold_delta_bf16(arrays->acc, arrays->wide, arrays->base, 1e-6F, count);
        break;
    case KIND_SUBTRACT:
        kern->subtract(arrays->acc, (const float *)(const void *)arrays->wide, arrays->base, count);
        break;
    case KIND_SUBTRACT_BF16:
        kern->subtract_bf16(arrays->acc, arrays->wide, arrays->base, count);
        break;
    case KIND_ORDER_PAIR:
        kern->order_pair(arrays->acc, arrays->base, count);
        break;
    case KIND_ADD_PRODUCTS:
        kern->add_products(arrays->lanes, arrays->acc, arrays->base, count);
        break;
    case KIND_ADD_VOTES:
        votes = votes_of(arrays, arrays->acc);
        kern->add_votes(&votes, arrays->base, 1e-6F, 1, count);
        break;
    case KIND_DAMP:
        votes = votes_of(arrays, arrays->base);
        kern->damp(arrays->acc, &votes, count);
        break;
    case KIND_DIVIDE:
        kern->divide(arrays->acc, 1.0F, count);
        break;
    case KIND_SCALE:
        kern->scale(arrays->acc, 1.0F, count);
        break;
    case KIND_FINISH_DELTA:
        kern->finish_delta(arrays->acc, arrays->base, 0.5F, count);
        break;
    case KIND_COUNT_NONFINITE:
        kern->count_nonfinite(arrays->acc, count, &nan, &inf);
        arrays->sum += nan + inf;
        break;
    case KIND_SUM:
    case KIND_ADD_GRAM:
    case KIND_ADD_STATS:
    case KIND_AVERAGE_NEAR:
    case KIND_HASH:
        break; /* see below */
    }
}

/* One grain's worth. */
static void call_kernel(const struct of_kern *kern, const struct row *row, struct arrays *arrays)
{
    if (row->kind == KIND_SUM) {
        arrays->sum += call_sum(kern, row, arrays);
    } else if (row->kind == KIND_ADD_GRAM || row->kind == KIND_ADD_STATS ||
               row->kind == KIND_AVERAGE_NEAR) {
        call_vectors(kern, row->kind, arrays);
    } else if (row->kind == KIND_HASH) {
        arrays->sum += kern->hash(arrays->acc, OF_GRAIN_ELEMS * sizeof(float)).bytes[0];
    } else {
        for (size_t at = 0; at < OF_GRAIN_ELEMS; at += OF_BLOCK_ELEMS) {
            call_block(kern, row, arrays);
        }
    }
}

static double measure(const struct of_kern *kern, const struct row *row, struct arrays *arrays,
                      uint32_t repeats)
{
    double best_ns = 0;

    fill_arrays(arrays, kern, row->dtype);
    call_kernel(kern, row, arrays); /* brings the arrays into the cache */
    for (uint32_t i = 0; i < repeats; i++) {
        uint64_t start_ns = of_clock_ns();
        double turn_ns;

        for (uint32_t k = 0; k < CALLS_PER_TURN; k++) {
            call_kernel(kern, row, arrays);
        }
        turn_ns = (double)(of_clock_ns() - start_ns) / CALLS_PER_TURN;
        if (i == 0 || turn_ns < best_ns) {
            best_ns = turn_ns;
        }
    }
    return best_ns > 0 ? best_ns : 1;
}

onefold_status onefold_bench_kernels(uint32_t repeats, onefold_bench_fn *fn, void *context,
                                     onefold_error *err)
{
    onefold_error unused;
    uint8_t *memory;
    struct arrays *arrays;

    err = err != NULL ? err : &unused;
    of_err_clear(err);
    if (repeats == 0 || fn == NULL) {
        return of_err_set(err, "argument", "repeats and a function are needed");
    }
    memory = of_mem_get(sizeof(*arrays) + 64);
    if (memory == NULL) {
        return of_err_set(err, "memory", "%zu bytes for the arrays", sizeof(*arrays));
    }
    arrays = (struct arrays *)(void *)(memory + (64 - (uintptr_t)memory % 64) % 64);
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        for (uint64_t k = 0; k < of_kern_isa_count(); k++) {
            const char *isa = of_kern_isa_at(k)->name;
            onefold_bench_row row = {.kernel = rows[i].name, .isa = isa};
            struct of_kern kern;
            const char *used = of_kern_init(&kern, isa);

            if (used == NULL || strcmp(used, isa) != 0) {
                continue; /* not on this CPU */
            }
            row.bytes = (uint64_t)rows[i].elem_bytes * OF_GRAIN_ELEMS;
            row.best_ns = measure(&kern, &rows[i], arrays, repeats);
            fn(context, &row);
        }
    }
    of_mem_free(memory);
    return ONEFOLD_OK;
}

uint32_t onefold_host_cpu_count(void)
{
    return of_host_cpu_count();
}

uint64_t onefold_host_memory_limit(void)
{
    return of_host_memory_limit();
}

uint64_t onefold_host_memory_peak(void)
{
    return of_host_memory_peak();
}
