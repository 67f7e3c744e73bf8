/* SPDX-License-Identifier: Apache-2.0 */
/* add_votes, damp: counted and divided once more in the plainest way. A quotient of two f32 rounded
 * first to 53 bits and then to 24 is the one rounded once. */
#include "check.h"

#include "exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 1000, VOTERS_MAX = 9 };

struct arrays {
    float sum[COUNT];
    int32_t vote[COUNT];
    int32_t voter[COUNT];
    int32_t least[COUNT];
};

/* Counts as they occur, sometimes as large as shares make them. */
static void put_counts(struct prng *prng, const struct of_kern_votes *votes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const int32_t unit = prng_between(prng, 0, 3) == 0 ? 0x3fffff : 1;

        votes->voter[i] = unit * (int32_t)prng_between(prng, 0, VOTERS_MAX);
        votes->vote[i] = unit * (int32_t)prng_between(prng, 0, VOTERS_MAX);
        votes->vote[i] = votes->vote[i] > votes->voter[i] ? -votes->voter[i] : votes->vote[i];
        votes->least[i] = unit * (int32_t)prng_between(prng, 0, VOTERS_MAX + 1);
    }
}

static void add_against_plain(struct check *check)
{
    static struct arrays a;
    struct of_kern_votes votes = {a.sum, a.vote, a.voter, a.least};
    float *d = check->values[1];

    memset(&a, 0, sizeof(a));
    check_values(&check->prng, d, COUNT);
    check->kern->add_votes(&votes, d, 0.5F, 3, COUNT);
    check->kern->add_votes(&votes, d, 0.5F, 4, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const int32_t sign = d[i] > 0.0F ? 1 : d[i] < 0.0F ? -1 : 0;
        const float half = exact_to_f32((double)d[i] * 0.5);
        const float sum = exact_to_f32((double)(0.0F + half) + (double)half);

        if (a.vote[i] != 7 * sign || a.voter[i] != (sign != 0 ? 7 : 0) ||
            !check_same_value(a.sum[i], sum)) {
            check_fail(check, "add_votes: %a gave %d of %d and %a", (double)d[i], a.vote[i],
                       a.voter[i], (double)a.sum[i]);
        }
    }
}

static void damp_against_plain(struct check *check)
{
    static struct arrays a;
    const struct of_kern_votes votes = {a.sum, a.vote, a.voter, a.least};
    float *v = check->values[0];

    check_values(&check->prng, a.sum, COUNT);
    put_counts(&check->prng, &votes, COUNT);
    check->kern->damp(v, &votes, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const double size = (double)exact_to_f32(fabs((double)a.vote[i]));
        const double whole = a.voter[i] > 0 ? (double)exact_to_f32((double)a.voter[i]) : 1.0;
        const float part = abs(a.vote[i]) >= a.least[i] ? 1.0F : exact_to_f32(size / whole);
        const float expected = exact_to_f32((double)part * (double)a.sum[i]);

        if (!check_same_value(v[i], expected)) {
            check_fail(check, "damp: %d of %d, at least %d, %a gave %a, not %a", a.vote[i],
                       a.voter[i], a.least[i], (double)a.sum[i], (double)v[i], (double)expected);
        }
    }
}

static void one_add(struct check *check, size_t length, size_t place, void *context)
{
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t bytes = length * sizeof(float);
    float *d = (float *)(void *)check_put(&check->area[3], bytes, even);
    struct of_kern_votes votes = {
        .sum = (float *)(void *)check_put(&check->area[0], bytes, even),
        .vote = (int32_t *)(void *)check_put(&check->area[1], bytes, even),
        .voter = (int32_t *)(void *)check_put(&check->area[2], bytes, even)};
    struct of_kern_votes law = {.sum = check->values[0],
                                .vote = (int32_t *)(void *)check->values[1],
                                .voter = (int32_t *)(void *)check->values[2]};

    (void)context;
    check_values(&check->prng, d, length);
    for (size_t i = 0; i < length; i++) {
        law.sum[i] = votes.sum[i] = check_value(&check->prng);
        law.vote[i] = votes.vote[i] = (int32_t)prng_between(&check->prng, 0, 99);
        law.voter[i] = votes.voter[i] = (int32_t)prng_between(&check->prng, 0, 99);
    }
    check->law->add_votes(&law, d, 0.3F, 5, length);
    check_doing("add_votes", length, place);
    check->kern->add_votes(&votes, d, 0.3F, 5, length);
    if (!check_same(votes.sum, law.sum, length) ||
        (length > 0 && (memcmp(votes.vote, law.vote, bytes) != 0 ||
                        memcmp(votes.voter, law.voter, bytes) != 0))) {
        check_fail(check, "add_votes: %zu elements, placement %zu: differs from scalar", length,
                   place);
    }
    if (!check_around(&check->area[0], votes.sum, bytes) ||
        !check_around(&check->area[1], votes.vote, bytes) ||
        !check_around(&check->area[2], votes.voter, bytes)) {
        check_fail(check, "add_votes: %zu elements, placement %zu: wrote outside", length, place);
    }
}

static void one_damp(struct check *check, size_t length, size_t place, void *context)
{
    const size_t even = place == CHECK_AT_END ? place : (place * 4) & 60;
    const size_t bytes = length * sizeof(float);
    float *v = (float *)(void *)check_put(&check->area[0], bytes, even);
    const struct of_kern_votes votes = {
        .sum = (float *)(void *)check_put(&check->area[1], bytes, even),
        .vote = (int32_t *)(void *)check_put(&check->area[2], bytes, even),
        .voter = (int32_t *)(void *)check_put(&check->area[3], bytes, even),
        .least = (int32_t *)(void *)check->values[3]};

    (void)context;
    check_values(&check->prng, votes.sum, length);
    put_counts(&check->prng, &votes, length);
    check->law->damp(check->values[0], &votes, length);
    check_doing("damp", length, place);
    check->kern->damp(v, &votes, length);
    if (!check_same(v, check->values[0], length)) {
        check_fail(check, "damp: %zu elements, placement %zu: differs from scalar", length, place);
    }
    if (!check_around(&check->area[0], v, bytes)) {
        check_fail(check, "damp: %zu elements, placement %zu: wrote outside", length, place);
    }
}

void check_votes(struct check *check)
{
    add_against_plain(check);
    damp_against_plain(check);
    check_each(check, one_add, NULL);
    check_each(check, one_damp, NULL);
}
