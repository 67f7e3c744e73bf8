/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of the kernels. Every test runs once per instruction set: it compares the row with an
 * exact definition that shares nothing with src/, and with the scalar row bit for bit, on arrays
 * that end or begin at a page nobody may touch, at every alignment, for all short lengths and some
 * long ones.
 */
#ifndef OF_TESTS_CHECK_H
#define OF_TESTS_CHECK_H

#include "kern/kern.h"
#include "support/prng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest array in elements, and room for it in the widest type with every placement. */
enum { CHECK_ELEMS_MAX = 20000, CHECK_AREA_BYTES = 192 * 1024 };
/* All lengths up to here are tried at every placement. */
enum { CHECK_SHORT_MAX = 70 };
/* Placements 0..63: so many bytes after a page begins; 64: the array ends where a page ends. */
enum { CHECK_AT_END = 64, CHECK_PLACE_COUNT = 65 };

/* CHECK_AREA_BYTES between two pages that may not be touched. */
struct check_area {
    uint8_t *data;
};

struct check {
    const struct of_kern *law;  /* scalar */
    const struct of_kern *kern; /* the row under test */
    struct prng prng;
    uint64_t failure_count;
    struct check_area area[4];
    /* Scratch of CHECK_ELEMS_MAX elements and slack, any contents. */
    float *values[4];
    uint8_t *codes;
};

typedef void check_fn(struct check *check);

check_fn check_unpack;
check_fn check_pack;
check_fn check_fold;
check_fn check_sum;
check_fn check_subtract;
check_fn check_order;
check_fn check_products;
check_fn check_stats;
check_fn check_votes;
check_fn check_near;
check_fn check_finish;
check_fn check_nonfinite;
check_fn check_hash;

/* Counts a failure and prints it; after the first few only counts. */
void check_fail(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is being tried, for the message should it crash. */
void check_doing(const char *what, size_t length, size_t place);

/* Where an array of `bytes` lies at that placement. The bytes around it are set to a pattern. */
uint8_t *check_put(const struct check_area *area, size_t bytes, size_t place);
/* True when the bytes around the array still have the pattern. */
bool check_around(const struct check_area *area, const void *array, size_t bytes);

/* Numbers that hurt: zeros, subnormals, ties, limits, infinities, NaNs, and ordinary ones. */
float check_value(struct prng *prng);
void check_values(struct prng *prng, float *to, size_t count);
/* Finite and of ordinary size. */
float check_weight(struct prng *prng);

/* Two NaNs are the same value. */
bool check_same(const float *a, const float *b, size_t count);
bool check_same_value(float a, float b);
uint32_t check_bits(float value);
float check_float(uint32_t bits);

/* Calls fn for every short length at every placement, then for some long ones. */
typedef void check_case_fn(struct check *check, size_t length, size_t place, void *context);
void check_each(struct check *check, check_case_fn *fn, void *context);

#endif
