/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The naive merge that streaming results are compared with: whole tensors in memory, doubles, no
 * tiles, a reader of its own. It shares no code with src/, so that one mistake cannot hide in both.
 */
#ifndef OF_TESTS_ORACLE_H
#define OF_TESTS_ORACLE_H

#include "onefold/dtype.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- Element types --- */

const char *oracle_dtype_name(onefold_dtype dtype);
uint32_t oracle_dtype_bits(onefold_dtype dtype);
bool oracle_dtype_is_numeric(onefold_dtype dtype);
/* Value of one element of a numeric type. */
double oracle_decode(onefold_dtype dtype, const void *elem);
/* Nearest value of the type, ties to even; beyond the range infinity (F8_E4M3: NaN). */
void oracle_encode(onefold_dtype dtype, double value, void *elem);
/* Distance between the two values of the type around |value|. */
double oracle_spacing(onefold_dtype dtype, double value);

/* --- Models --- */

enum { ORACLE_RANK_MAX = 16 };
struct oracle_tensor {
    char *name;
    onefold_dtype dtype;
    uint32_t rank;
    uint64_t shape[ORACLE_RANK_MAX];
    uint64_t elem_count;
    uint64_t byte_count;
    const uint8_t *data;
};
struct oracle_model {
    struct oracle_tensor *tensors;
    size_t tensor_count;
    char **files; /* whole files, tensor data points into them */
    size_t file_count;
};

/* Reads a file, or every *.safetensors of a folder. Ends the program when it cannot: inputs of this
 * reader are well-formed files. */
void oracle_read(const char *path, struct oracle_model *ret_model);
void oracle_free(struct oracle_model *model);
const struct oracle_tensor *oracle_find(const struct oracle_model *model, const char *name);
double oracle_get(const struct oracle_tensor *tensor, uint64_t index);

/* --- Merges --- */

enum oracle_rule {
    ORACLE_LINEAR,          /* sum w x, divided by sum w when normalize */
    ORACLE_TASK_ARITHMETIC, /* base + factor * sum w (x - base); normalize divides by sum w */
    ORACLE_FEDAVG           /* base + factor * sum p (x - base), p = weight / sum of weights */
};
struct oracle_merge {
    enum oracle_rule rule;
    const struct oracle_model *base;          /* NULL for linear */
    const struct oracle_model *const *inputs; /* in recipe order */
    const double *weights;                    /* [input]; fedavg: samples, or NULL = all equal */
    size_t input_count;
    double factor; /* lambda of task_arithmetic, beta of fedavg; 1 = as it is */
    bool normalize;
};

/* One element of the result, before it is stored. *ret_scale (may be NULL) is the sum of the
 * magnitudes that went into it: rounding errors of single-precision steps are proportional to it.
 */
double oracle_value(const struct oracle_merge *merge, const char *name, uint64_t index,
                    double *ret_scale);

/* True when every tensor of the output is within the tolerance of the exact merge: half a spacing
 * of its type, plus the error of the f32 steps. Tensors that are not numeric must equal the base's
 * (else the first input's) byte for byte. `message` says where not. */
bool oracle_agrees(const struct oracle_merge *merge, const struct oracle_model *output,
                   char *message, size_t message_size);

#endif
