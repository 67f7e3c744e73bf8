/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls every kernel once over one grain of fixed numbers, for run.py, which runs it under
 * callgrind. Only what count_here calls is counted, and a record is written each time it returns;
 * so nothing here needs to know callgrind, and the names of kernels do not matter. Prints a line
 * for each call, in the order of the records.
 *
 *     one_kern ISA...        exit 77 when this CPU or this build has none of that name
 *     one_kern --build       how it was built, which the counts depend on; ONE_KERN_BUILD comes
 * from the build
 */
#include "base/attr.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/mem.h"
#include "kern/kern.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_SKIP = 77, ALIGN_BYTES = 64 };

/* Kernels over all inputs see a chunk of each, as a survey has them. */
enum { VECTORS = 8, CHUNK = 256 };

/* The arrays of one grain. */
struct arrays {
    float acc[OF_GRAIN_ELEMS];
    float x[OF_GRAIN_ELEMS];
    float base[OF_GRAIN_ELEMS];
    double codes[OF_GRAIN_ELEMS]; /* encoded elements of any type */
    double lanes[8];
    double gram[VECTORS * (VECTORS + 1) / 2][8];
    uint64_t counts[2 * VECTORS + 1];
    uint64_t sum; /* keeps results that only return a number */
};

typedef void call_fn(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays);

static void call_unpack(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    kern->unpack[dtype](arrays->acc, arrays->codes, OF_GRAIN_ELEMS);
}

static void call_pack(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    arrays->sum += kern->pack[dtype](arrays->codes, arrays->x, OF_GRAIN_ELEMS);
}

static void call_fold_plain(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    kern->fold_plain(arrays->acc, arrays->x, 0.5F, OF_GRAIN_ELEMS);
}

static void call_fold_delta(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    kern->fold_delta(arrays->acc, arrays->x, arrays->base, 0.5F, OF_GRAIN_ELEMS);
}

static void call_fold_plain_bf16(const struct of_kern *kern, onefold_dtype dtype,
                                 struct arrays *arrays)
{
    (void)dtype;
    kern->fold_plain_bf16(arrays->acc, arrays->codes, 0.5F, OF_GRAIN_ELEMS);
}

static void call_fold_delta_bf16(const struct of_kern *kern, onefold_dtype dtype,
                                 struct arrays *arrays)
{
    (void)dtype;
    kern->fold_delta_bf16(arrays->acc, arrays->codes, arrays->base, 0.5F, OF_GRAIN_ELEMS);
}

/* Three inputs, and a base or none: the same codes at each place. */
static void sum_three(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays,
                      const void *base)
{
    const void *x[] = {arrays->codes, arrays->codes, arrays->codes};
    const float coefs[] = {1.0F, 0.5F, 0.25F};
    const struct of_kern_sum sum = {.x = x,
                                    .coefs = coefs,
                                    .input_count = OF_LENGTH(x),
                                    .base = base,
                                    .has_factor = true,
                                    .factor = 0.4F};

    arrays->sum += kern->sum[dtype](arrays->acc, &sum, 0, OF_GRAIN_ELEMS);
}

static void call_sum_plain(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    sum_three(kern, dtype, arrays, NULL);
}

static void call_sum_delta(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    sum_three(kern, dtype, arrays, arrays->codes);
}

static void call_subtract(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    kern->subtract(arrays->acc, arrays->x, arrays->base, OF_GRAIN_ELEMS);
}

static void call_subtract_bf16(const struct of_kern *kern, onefold_dtype dtype,
                               struct arrays *arrays)
{
    (void)dtype;
    kern->subtract_bf16(arrays->acc, arrays->codes, arrays->base, OF_GRAIN_ELEMS);
}

static void call_order_pair(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    kern->order_pair(arrays->acc, arrays->x, OF_GRAIN_ELEMS);
}

/* Encoded elements are as good as any counts. */
static struct of_kern_votes votes_of(struct arrays *arrays)
{
    int32_t *counts = (int32_t *)(void *)arrays->codes;

    return (struct of_kern_votes){.sum = arrays->base,
                                  .vote = counts,
                                  .voter = counts + OF_GRAIN_ELEMS,
                                  .least = counts + OF_GRAIN_ELEMS};
}

static void call_add_votes(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    struct of_kern_votes votes = votes_of(arrays);

    (void)dtype;
    kern->add_votes(&votes, arrays->x, 0.5F, 1, OF_GRAIN_ELEMS);
}

static void call_damp(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    const struct of_kern_votes votes = votes_of(arrays);

    (void)dtype;
    kern->damp(arrays->acc, &votes, OF_GRAIN_ELEMS);
}

static void call_add_products(const struct of_kern *kern, onefold_dtype dtype,
                              struct arrays *arrays)
{
    (void)dtype;
    kern->add_products(arrays->lanes, arrays->acc, arrays->x, OF_GRAIN_ELEMS);
}

enum vectors_kind { VECTORS_GRAM, VECTORS_STATS, VECTORS_NEAR };

static void call_vectors(const struct of_kern *kern, enum vectors_kind kind, struct arrays *arrays)
{
    struct of_kern_stats stats = {.overlap = arrays->lanes,
                                  .tail = arrays->gram[0],
                                  .zeros = arrays->counts,
                                  .agreement = arrays->counts + VECTORS};

    for (size_t at = 0; at < OF_GRAIN_ELEMS; at += CHUNK) {
        const float *d[VECTORS];
        const struct of_kern_near near = {
            .d = d, .sorted = d, .count = VECTORS, .kept = VECTORS / 2};

        for (size_t t = 0; t < VECTORS; t++) {
            d[t] = arrays->x + (at + CHUNK * t) % OF_GRAIN_ELEMS;
        }
        if (kind == VECTORS_GRAM) {
            kern->add_gram(arrays->gram, d, VECTORS, CHUNK);
        } else if (kind == VECTORS_STATS) {
            kern->add_stats(&stats, d, VECTORS, CHUNK);
        } else {
            kern->average_near(arrays->acc + at, &near, CHUNK);
        }
    }
}

static void call_add_gram(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    call_vectors(kern, VECTORS_GRAM, arrays);
}

static void call_add_stats(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    call_vectors(kern, VECTORS_STATS, arrays);
}

static void call_average_near(const struct of_kern *kern, onefold_dtype dtype,
                              struct arrays *arrays)
{
    (void)dtype;
    call_vectors(kern, VECTORS_NEAR, arrays);
}

static void call_divide(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    kern->divide(arrays->acc, 3.0F, OF_GRAIN_ELEMS);
}

static void call_scale(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    kern->scale(arrays->acc, 0.4F, OF_GRAIN_ELEMS);
}

static void call_finish_delta(const struct of_kern *kern, onefold_dtype dtype,
                              struct arrays *arrays)
{
    (void)dtype;
    kern->finish_delta(arrays->acc, arrays->base, 0.4F, OF_GRAIN_ELEMS);
}

static void call_count_nonfinite(const struct of_kern *kern, onefold_dtype dtype,
                                 struct arrays *arrays)
{
    uint64_t nan;
    uint64_t inf;

    (void)dtype;
    kern->count_nonfinite(arrays->x, OF_GRAIN_ELEMS, &nan, &inf);
    arrays->sum += nan + inf;
}

/* The bytes of a grain of 16-bit elements, which is what most merges hash. */
static void call_hash(const struct of_kern *kern, onefold_dtype dtype, struct arrays *arrays)
{
    (void)dtype;
    arrays->sum += kern->hash(arrays->codes, (size_t)OF_GRAIN_ELEMS * 2).bytes[0];
}

struct row {
    const char *name;
    call_fn *call;
    onefold_dtype dtype; /* of unpack and pack; else of the codes that the call reads */
};

/* Not unpack_f32, which is the memcpy of the C library. */
static const struct row rows[] = {
    {"unpack_f64", call_unpack, ONEFOLD_DTYPE_F64},
    {"unpack_f16", call_unpack, ONEFOLD_DTYPE_F16},
    {"unpack_bf16", call_unpack, ONEFOLD_DTYPE_BF16},
    {"unpack_f8_e5m2", call_unpack, ONEFOLD_DTYPE_F8_E5M2},
    {"unpack_f8_e4m3", call_unpack, ONEFOLD_DTYPE_F8_E4M3},
    {"pack_f64", call_pack, ONEFOLD_DTYPE_F64},
    {"pack_f32", call_pack, ONEFOLD_DTYPE_F32},
    {"pack_f16", call_pack, ONEFOLD_DTYPE_F16},
    {"pack_bf16", call_pack, ONEFOLD_DTYPE_BF16},
    {"pack_f8_e5m2", call_pack, ONEFOLD_DTYPE_F8_E5M2},
    {"pack_f8_e4m3", call_pack, ONEFOLD_DTYPE_F8_E4M3},
    {"fold_plain", call_fold_plain, ONEFOLD_DTYPE_F32},
    {"fold_delta", call_fold_delta, ONEFOLD_DTYPE_F32},
    {"fold_plain_bf16", call_fold_plain_bf16, ONEFOLD_DTYPE_BF16},
    {"fold_delta_bf16", call_fold_delta_bf16, ONEFOLD_DTYPE_BF16},
    {"sum_plain_bf16", call_sum_plain, ONEFOLD_DTYPE_BF16},
    {"sum_delta_bf16", call_sum_delta, ONEFOLD_DTYPE_BF16},
    {"sum_plain_f16", call_sum_plain, ONEFOLD_DTYPE_F16},
    {"sum_delta_f16", call_sum_delta, ONEFOLD_DTYPE_F16},
    {"sum_plain_f32", call_sum_plain, ONEFOLD_DTYPE_F32},
    {"sum_delta_f32", call_sum_delta, ONEFOLD_DTYPE_F32},
    {"subtract", call_subtract, ONEFOLD_DTYPE_F32},
    {"subtract_bf16", call_subtract_bf16, ONEFOLD_DTYPE_BF16},
    {"order_pair", call_order_pair, ONEFOLD_DTYPE_F32},
    {"add_products", call_add_products, ONEFOLD_DTYPE_F32},
    {"add_gram", call_add_gram, ONEFOLD_DTYPE_F32},
    {"add_stats", call_add_stats, ONEFOLD_DTYPE_F32},
    {"add_votes", call_add_votes, ONEFOLD_DTYPE_F32},
    {"damp", call_damp, ONEFOLD_DTYPE_F32},
    {"average_near", call_average_near, ONEFOLD_DTYPE_F32},
    {"divide", call_divide, ONEFOLD_DTYPE_F32},
    {"scale", call_scale, ONEFOLD_DTYPE_F32},
    {"finish_delta", call_finish_delta, ONEFOLD_DTYPE_F32},
    {"count_nonfinite", call_count_nonfinite, ONEFOLD_DTYPE_F32},
    {"hash", call_hash, ONEFOLD_DTYPE_BF16},
};

/* Ordinary numbers, about as large as weights, by a small generator: a kernel may take another way
 * for special ones, and the count of a call shall depend on nothing but the code. */
static float next_number(uint32_t *state)
{
    *state = *state * 1664525U + 1013904223U;
    return ((float)(*state >> 8) / 16777216.0F - 0.5F) * 0.1F;
}

static void fill_arrays(struct arrays *arrays, const struct of_kern *kern, onefold_dtype dtype)
{
    uint32_t state = 1;

    memset(arrays->lanes, 0, sizeof(arrays->lanes));
    memset(arrays->gram, 0, sizeof(arrays->gram));
    memset(arrays->counts, 0, sizeof(arrays->counts));
    for (uint32_t i = 0; i < OF_GRAIN_ELEMS; i++) {
        arrays->acc[i] = next_number(&state);
        arrays->x[i] = next_number(&state);
        arrays->base[i] = next_number(&state);
    }
    (void)kern->pack[dtype](arrays->codes, arrays->x, OF_GRAIN_ELEMS);
}

/* Visible, and never inlined: run.py has callgrind look for it. */
void count_here(const struct row *row, const struct of_kern *kern, struct arrays *arrays);

__attribute__((noinline)) void count_here(const struct row *row, const struct of_kern *kern,
                                          struct arrays *arrays)
{
    row->call(kern, row->dtype, arrays);
}

static bool call_all(const char *isa, struct arrays *arrays)
{
    struct of_kern kern;
    const char *used = of_kern_init(&kern, isa);

    if (used == NULL || strcmp(used, isa) != 0) {
        printf("no %s here\n", isa);
        return false;
    }
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        fill_arrays(arrays, &kern, rows[i].dtype);
        /* Once uncounted: the dynamic linker looks names up in the first call. */
        rows[i].call(&kern, rows[i].dtype, arrays);
        fill_arrays(arrays, &kern, rows[i].dtype);
        count_here(&rows[i], &kern, arrays);
        printf("%s_%s\n", isa, rows[i].name);
    }
    return true;
}

int main(int argc, char **argv)
{
    uint8_t *memory = of_mem_get(sizeof(struct arrays) + ALIGN_BYTES);
    struct arrays *arrays;
    bool good = true;

    if (argc == 2 && strcmp(argv[1], "--build") == 0) {
        puts(ONE_KERN_BUILD);
        of_mem_free(memory);
        return 0;
    }
    if (memory == NULL) {
        perror("one_kern");
        return 1;
    }
    arrays = (struct arrays *)(void *)(memory + (ALIGN_BYTES - (uintptr_t)memory % ALIGN_BYTES) %
                                                    ALIGN_BYTES);
    arrays->sum = 0;
    for (int i = 1; i < argc && good; i++) {
        good = call_all(argv[i], arrays);
    }
    of_mem_free(memory);
    return good ? 0 : EXIT_SKIP;
}
