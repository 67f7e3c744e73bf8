/* SPDX-License-Identifier: Apache-2.0 */
/* A merge of a few numbers: task vectors in memory, the rule's own functions in the order in which
 * the program calls them, and the result before the base is added. */
#ifndef OF_TESTS_TOY_H
#define OF_TESTS_TOY_H

#include "params_given.h"

#include "support/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { TOY_INPUTS_MAX = GIVEN_INPUTS_MAX, TOY_LENGTH_MAX = OF_BLOCK_CHUNK, TOY_SAID_MAX = 4096 };

struct toy {
    const struct of_method *method;
    struct given given;
    uint32_t count;
    size_t length;
    _Alignas(64) float tau[TOY_INPUTS_MAX][TOY_LENGTH_MAX];
    double gram[TOY_INPUTS_MAX * TOY_INPUTS_MAX];

    double coefs[TOY_INPUTS_MAX]; /* of the linear or the Gram rule */
    bool has_factor;
    double factor; /* of the native v, if the rule sets it */
    double radius;
    _Alignas(64) float v[TOY_LENGTH_MAX]; /* native */
    char said[TOY_SAID_MAX];              /* "id: message\n" of each finding */
};

/* The four and five vectors of the golden values. */
static const float toy_golden[5][6] = {{1.0F, -2.0F, 0.5F, 0.0F, 3.0F, -0.25F},
                                       {2.0F, 1.0F, 0.5F, 0.0F, -1.0F, -0.5F},
                                       {-1.0F, -3.0F, 0.0F, 0.25F, 2.0F, -1.0F},
                                       {4.0F, -1.0F, -0.5F, -0.25F, 5.0F, 0.75F},
                                       {1.0F, -2.0F, 0.25F, 0.5F, 2.5F, -0.5F}};

static inline struct toy *toy_make(const char *name, uint32_t count, size_t length)
{
    struct toy *toy = aligned_alloc(64, (sizeof(*toy) + 63) / 64 * 64);

    assert_non_null(toy);
    memset(toy, 0, sizeof(*toy));
    toy->method = of_method_find(name);
    assert_non_null(toy->method);
    toy->count = count;
    toy->length = length;
    given_init(&toy->given, toy->method, count);
    return toy;
}

static inline struct toy *toy_make_golden(const char *name, uint32_t count)
{
    struct toy *toy = toy_make(name, count, 6);

    for (uint32_t t = 0; t < count; t++) {
        memcpy(toy->tau[t], toy_golden[t], sizeof(toy_golden[t]));
    }
    return toy;
}

static inline void toy_set(struct toy *toy, const char *name, double value)
{
    *given_global(&toy->given, toy->method, name) = value;
}

static inline void toy_row(struct toy *toy, const char *name, const double *values)
{
    memcpy(given_row(&toy->given, toy->method, name), values, toy->count * sizeof(values[0]));
}

/* Bell-shaped numbers; some exact zeros and some ties. */
static inline void toy_fill(struct toy *toy, struct prng *prng)
{
    for (uint32_t t = 0; t < toy->count; t++) {
        for (size_t i = 0; i < toy->length; i++) {
            const uint64_t kind = prng_below(prng, 8);
            const float value = (float)prng_bell(prng);

            toy->tau[t][i] = kind == 0 ? 0.0F : kind == 1 ? (float)(int)value : value;
        }
    }
}

/* No zeros and hardly a tie, where order must not matter. */
static inline void toy_fill_smooth(struct toy *toy, struct prng *prng)
{
    for (uint32_t t = 0; t < toy->count; t++) {
        for (size_t i = 0; i < toy->length; i++) {
            toy->tau[t][i] = (float)prng_bell(prng);
        }
    }
}

static inline void toy_hear(void *context, const onefold_notice *notice)
{
    struct toy *toy = context;
    const size_t used = strlen(toy->said);

    (void)snprintf(toy->said + used, sizeof(toy->said) - used, "%s: %s\n", notice->id,
                   notice->message);
}

static inline bool toy_heard(const struct toy *toy, const char *text)
{
    return strstr(toy->said, text) != NULL;
}

static inline void toy_caution(struct toy *toy)
{
    struct of_report report = {.fn = toy_hear, .context = toy};

    if (toy->method->caution != NULL) {
        toy->method->caution(&toy->given.params, &report);
    }
}

/* The rule's extra vector stands behind the task vectors. */
static inline bool toy_has_extra(const struct toy *toy)
{
    return toy->method->extra != NULL && toy->method->extra->is_wanted(&toy->given.params);
}

static inline uint32_t toy_vector_count(const struct toy *toy)
{
    return toy->count + (toy_has_extra(toy) ? 1 : 0);
}

static inline void toy_make_extra(struct toy *toy)
{
    float *rows[TOY_INPUTS_MAX];
    struct of_kern kern;
    const struct of_block block = {.kern = &kern,
                                   .params = &toy->given.params,
                                   .count = toy->count,
                                   .d = rows,
                                   .v = toy->tau[toy->count],
                                   .length = toy->length};

    assert_true(toy->count < TOY_INPUTS_MAX);
    assert_non_null(of_kern_init(&kern, NULL));
    for (uint32_t t = 0; t < toy->count; t++) {
        rows[t] = toy->tau[t];
    }
    toy->method->extra->make(&block);
}

static inline void toy_measure(struct toy *toy, enum of_gram_need need)
{
    const uint32_t count = toy_vector_count(toy);

    for (uint32_t s = 0; s < count; s++) {
        for (uint32_t t = 0; t < count; t++) {
            double sum = s == t || need == OF_GRAM_FULL ? 0.0 : OF_PARAM_NOT_GIVEN;

            for (size_t i = 0; i < toy->length; i++) {
                sum += (double)toy->tau[s][i] * (double)toy->tau[t][i];
            }
            toy->gram[s * count + t] = sum;
        }
    }
}

static inline onefold_status toy_solve(struct toy *toy, struct of_arena *arena)
{
    const enum of_gram_need need = of_method_need(toy->method, &toy->given.params);
    const struct of_gram gram = {
        .count = toy->count, .has_extra = toy_has_extra(toy), .need = need, .entries = toy->gram};
    struct of_report report = {.fn = toy_hear, .context = toy};
    const struct of_solve solve = {
        .params = &toy->given.params, .gram = &gram, .arena = arena, .report = &report};
    struct of_solution solution = {.coefs = toy->coefs};
    onefold_status status;

    if (gram.has_extra) {
        toy_make_extra(toy);
    }
    toy_measure(toy, need);
    status = toy->method->solve(&solve, &solution, &toy->given.err);
    toy->has_factor = solution.has_factor;
    toy->factor = solution.factor;
    toy->radius = solution.has_radius ? solution.radius : 0.0;
    return status;
}

static inline void toy_sum(struct toy *toy)
{
    memset(toy->v, 0, sizeof(toy->v));
    for (uint32_t t = 0; t < toy_vector_count(toy); t++) {
        for (size_t i = 0; i < TOY_LENGTH_MAX; i++) {
            toy->v[i] = toy->v[i] + (float)toy->coefs[t] * toy->tau[t][i];
        }
    }
}

/* The task vectors stay as they are: a rule may change what it is given. */
static inline void toy_blend(struct toy *toy, const double *coefs)
{
    float(*copy)[TOY_LENGTH_MAX] = aligned_alloc(64, sizeof(toy->tau));
    float *rows[TOY_INPUTS_MAX];
    float shares[TOY_INPUTS_MAX];
    struct of_kern kern;
    struct of_block block = {.kern = &kern,
                             .params = &toy->given.params,
                             .d = rows,
                             .coefs = shares,
                             .v = toy->v,
                             .length = toy->length};

    assert_non_null(copy);
    assert_non_null(of_kern_init(&kern, NULL));
    memcpy(copy, toy->tau, sizeof(toy->tau));
    for (uint32_t t = 0; t < toy->count; t++) {
        if (toy->method->gram == OF_GRAM_NONE || coefs[t] != 0.0) {
            shares[block.count] = (float)coefs[t];
            rows[block.count++] = copy[t];
        }
    }
    toy->method->blend(&block);
    free(copy);
}

/* Returns what the rule says; on success v, coefs and factor are there. */
static inline onefold_status toy_run(struct toy *toy)
{
    struct of_arena arena;
    onefold_status status;

    memset(toy->v, 0, sizeof(toy->v));
    memset(toy->said, 0, sizeof(toy->said));
    status = given_prepare(&toy->given, toy->method);
    if (status != ONEFOLD_OK) {
        return status;
    }
    memcpy(toy->coefs, toy->given.coefs, sizeof(toy->coefs));
    toy->has_factor = toy->given.linear.has_factor;
    toy->factor = toy->given.linear.factor;
    toy_caution(toy);
    if (toy->method->solve != NULL) {
        of_arena_init(&arena, 0);
        status = toy_solve(toy, &arena);
        of_arena_finish(&arena);
        if (status != ONEFOLD_OK) {
            return status;
        }
    }
    if (toy->method->class == OF_CLASS_ELEMENT) {
        toy_blend(toy, toy->coefs);
    } else {
        toy_sum(toy);
    }
    return ONEFOLD_OK;
}

static inline void toy_good(struct toy *toy)
{
    const onefold_status status = toy_run(toy);

    if (status != ONEFOLD_OK) {
        fail_msg("%s: %s", toy->given.err.id, toy->given.err.message);
    }
}

static inline void toy_refused(struct toy *toy, const char *id, const char *part)
{
    assert_int_equal(toy_run(toy), ONEFOLD_E_RECIPE);
    assert_string_equal(toy->given.err.id, id);
    if (strstr(toy->given.err.message, part) == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", part, toy->given.err.message);
    }
}

static inline void toy_near(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-6 * fmax(1.0, fabs(expected)))) {
        fail_msg("%.9g found, %.9g expected", found, expected);
    }
}

/* v as printed among the golden values, and coefs. */
static inline void toy_expect(const struct toy *toy, const double *v)
{
    for (size_t i = 0; i < toy->length; i++) {
        toy_near((double)toy->v[i], v[i]);
    }
}

static inline void toy_expect_coefs(const struct toy *toy, const double *coefs)
{
    for (uint32_t t = 0; t < toy->count; t++) {
        toy_near(toy->coefs[t], coefs[t]);
    }
}

static inline void toy_same_v(const struct toy *a, const struct toy *b)
{
    assert_memory_equal(a->v, b->v, a->length * sizeof(a->v[0]));
}

/* `to` gets the inputs of `from` in the order i * stride + shift (mod count): any order will do. */
static inline void toy_permute(struct toy *to, const struct toy *from, uint32_t stride,
                               uint32_t shift)
{
    assert_int_equal(to->count, from->count);
    for (uint32_t t = 0; t < from->count; t++) {
        memcpy(to->tau[t], from->tau[(t * stride + shift) % from->count], sizeof(to->tau[t]));
    }
}

static inline void toy_copy(struct toy *to, const struct toy *from)
{
    memcpy(to->tau, from->tau, sizeof(to->tau));
}

#endif
