/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 1, `kern`: pure functions over arrays; they cannot fail, know no files and no threads, and
 * include only `base`. kern_scalar.c is the law: it defines every result bit. An ISA file
 * overwrites entries of the table with faster functions that give the same bits; tests/kern
 * compares them.
 *
 * Rules for all entries. Encoded elements (`void` pointers) may lie at any address; f32 arrays are
 * 64-byte aligned and padded, but no entry may touch an element at or past `count`. Arrays do not
 * overlap unless an entry says so. One IEEE operation at a time, round to nearest even, subnormals
 * kept, no fused multiply-add. Two NaN results count as the same value: only `pack` makes bits that
 * leave the program, and it makes every NaN the one quiet NaN of its type.
 */
#ifndef OF_KERN_KERN_H
#define OF_KERN_KERN_H

#include "base/hash.h"
#include "onefold/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory of a hash in pieces. */
enum { OF_KERN_HASH_BYTES = 640, OF_KERN_HASH_ALIGN = 64 };

/* Widens `count` encoded elements to f32. F64 is rounded to nearest even; the rest is exact. */
typedef void of_kern_unpack_fn(float *to, const void *from, size_t count);

/* Rounds `count` f32 to nearest even into the encoded type. Values past the range become infinity,
 * or NaN in F8_E4M3, which has none. Returns how many of the written elements are NaN or infinite.
 * `to` may be at or before `from` in memory where one element of `to` is no wider than four bytes.
 */
typedef size_t of_kern_pack_fn(void *to, const float *from, size_t count);

/* A weighted sum as one call sees it. v = start, then + coefs[t] * x[t] (minus the base with one),
 * in this order; then / divisor; then factor * v, or base + factor * v. */
struct of_kern_sum {
    const void *const *x; /* encoded elements of each input, at any address */
    const float *coefs;
    uint32_t input_count;
    const void *base; /* NULL = plain frame */
    float start;      /* +0, or -0 when the one value shall keep the sign of a zero */
    bool has_divisor;
    float divisor;
    bool has_factor; /* with a base a missing factor is 1 */
    float factor;
};

/* Elements [first, first + count) of every input; `to` receives `count` codes. Returns what pack
 * returns. */
typedef size_t of_kern_sum_fn(void *to, const struct of_kern_sum *sum, size_t first, size_t count);

/* Votes on the sign of each element, 64-byte aligned arrays. Shares of all inputs together fit. */
struct of_kern_votes {
    float *sum;
    int32_t *vote;  /* for less against */
    int32_t *voter; /* who counts among the voters */
    int32_t *least; /* votes that count in full */
};

/* Sums and counts over elements, each seen in all inputs; inputs in their order, in double.
 *   overlap: max |d_t| / sum |d_t| where the sum is not 0
 *   tail:    T * sum r_t^4 / (sum r_t^2)^2, r_t = d_t - (sum d_t) / T, where sum r_t^2 is not 0
 *   signs:   |sum sgn(d_t)|, and zeros of each d_t */
struct of_kern_stats {
    double *overlap;     /* [8] lanes, as of products */
    double *tail;        /* [8] */
    uint64_t *zeros;     /* [T] */
    uint64_t *agreement; /* [T + 1], by |sum sgn| */
    uint64_t in_overlap; /* elements that count there */
    uint64_t in_tail;
};

/* Finite values of each element, in the order of the inputs and in ascending order. */
struct of_kern_near {
    const float *const *d;      /* [count] */
    const float *const *sorted; /* [count] */
    uint32_t count;
    uint32_t kept; /* 1 to count */
};

struct of_kern {
    /* By dtype; NULL for types that are only copied. */
    of_kern_unpack_fn *unpack[ONEFOLD_DTYPE_COUNT];
    of_kern_pack_fn *pack[ONEFOLD_DTYPE_COUNT];

    /* acc[i] = acc[i] + (coef * x[i]) */
    void (*fold_plain)(float *acc, const float *x, float coef, size_t count);
    /* acc[i] = acc[i] + (coef * (x[i] - base[i])) */
    void (*fold_delta)(float *acc, const float *x, const float *base, float coef, size_t count);
    /* Fused with unpacking from BF16; the same bits as unpack, then fold. */
    void (*fold_plain_bf16)(float *acc, const void *x, float coef, size_t count);
    void (*fold_delta_bf16)(float *acc, const void *x, const float *base, float coef, size_t count);

    /* The whole way of one element where inputs, base and result are all of one type: the same bits
     * as unpack, folds, divide, scale or finish_delta, and pack, without a pass over f32 arrays for
     * each. By dtype: BF16, F16 and F32; NULL for the others. */
    of_kern_sum_fn *sum[ONEFOLD_DTYPE_COUNT];

    /* d[i] = x[i] - base[i]; the second form unpacks x from BF16 on the way. */
    void (*subtract)(float *d, const float *x, const float *base, size_t count);
    void (*subtract_bf16)(float *d, const void *x, const float *base, size_t count);
    /* Compare and exchange: low[i], high[i] = high[i] < low[i] ? (high[i], low[i]) : unchanged. The
     * step of sorting networks; equal values (also zeros of either sign) stay where they are. */
    void (*order_pair)(float *low, float *high, size_t count);
    /* Sums of products in double, eight lanes: element i of both arrays belongs to lane i mod 8.
     * lanes[k] = lanes[k] + ((double)a[i] * (double)b[i]), i ascending. `count` is a multiple of 8
     * except in the last call for a grain. The product is exact in double. */
    void (*add_products)(double lanes[8], const float *a, const float *b, size_t count);
    /* The same for all pairs of `vector_count` vectors at once: lanes (0,0), (0,1) ... (0,n-1),
     * (1,1) ... */
    void (*add_gram)(double (*lanes)[8], const float *const *d, uint32_t vector_count,
                     size_t count);
    /* Adds `count` elements of the T inputs; all are finite. A multiple of 8 except in the last
     * call for a grain. */
    void (*add_stats)(struct of_kern_stats *stats, const float *const *d, uint32_t input_count,
                      size_t count);

    /* One input's votes: sum[i] = sum[i] + (coef * d[i]); vote[i] += share * sign(d[i]); voter[i]
     * += share where d[i] is not 0. NaN votes for nothing. */
    void (*add_votes)(struct of_kern_votes *votes, const float *d, float coef, int32_t share,
                      size_t count);
    /* v[i] = sum[i], times |vote[i]| / voter[i] (at least 1) where |vote[i]| is below least[i].
     * Each count is rounded to f32, then their quotient. */
    void (*damp)(float *v, const struct of_kern_votes *votes, size_t count);

    /* v[i] = the mean of the `kept` values nearest to the median (with an even count the mean of
     * the two in the middle), of equally near ones the first; summed in the order of the inputs. */
    void (*average_near)(float *v, const struct of_kern_near *near, size_t count);

    /* acc[i] = acc[i] / divisor */
    void (*divide)(float *acc, float divisor, size_t count);
    /* acc[i] = factor * acc[i] */
    void (*scale)(float *acc, float factor, size_t count);
    /* acc[i] = base[i] + (factor * acc[i]) */
    void (*finish_delta)(float *acc, const float *base, float factor, size_t count);

    /* How many elements are NaN, and how many infinite. */
    void (*count_nonfinite)(const float *x, size_t count, uint64_t *ret_nan, uint64_t *ret_inf);

    /* XXH3-128 of `length` bytes at any address. */
    struct of_digest (*hash)(const void *data, size_t length);
    /* The same of bytes that come in pieces. A state is OF_KERN_HASH_BYTES of memory, zeroed before
     * its first start and aligned to OF_KERN_HASH_ALIGN; it stays with the table that started it.
     * end leaves it as it is. */
    void (*hash_start)(void *state);
    void (*hash_more)(void *state, const void *data, size_t length);
    struct of_digest (*hash_end)(const void *state);
};

/* The instruction sets compiled in, weakest first; name is "scalar", "avx2", "avx512", "neon". */
struct of_kern_isa {
    const char *name;
    uint32_t cpu_bits; /* of_cpu bits it needs; 0 for scalar */
    void (*fill)(struct of_kern *kern);
};

uint64_t of_kern_isa_count(void);
const struct of_kern_isa *of_kern_isa_at(uint64_t index);

/* Fills the table with the strongest entries this CPU has, none stronger than the ISA named `cap`
 * (NULL = no cap). Returns the name of the strongest ISA used, or NULL when `cap` names none. */
const char *of_kern_init(struct of_kern *kern, const char *cap);

#endif
