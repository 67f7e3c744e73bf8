/* SPDX-License-Identifier: Apache-2.0 */
/* The partner: the same digest as in one thread however the bytes are cut, pieces come back in
 * order, and whatever is done to it, the thread ends and the hash can be used again. */
#include "run/partner.h"

#include "base/mem.h"
#include "support/prng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BYTES = 3000000, PIECE_BYTES_MAX = 300000, ROUNDS = 20 };

struct fixture {
    uint8_t *bytes;
    struct of_hash *hash;
    struct prng prng;
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    assert_non_null(fixture);
    fixture->bytes = malloc(BYTES);
    fixture->hash = of_hash_create(OF_HASH_SHA256);
    assert_true(fixture->bytes != NULL && fixture->hash != NULL);
    fixture->prng = prng_make(prng_seed(5));
    prng_fill(&fixture->prng, fixture->bytes, BYTES);
    of_hash_restart(fixture->hash);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_hash_destroy(fixture->hash);
    free(fixture->bytes);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture, struct of_partner *partner)
{
    onefold_error err;

    assert_int_equal(of_partner_start(partner, fixture->hash, &err), ONEFOLD_OK);
    assert_true(of_partner_is_running(partner));
}

/* The hash has seen the first `length` bytes. */
static void assert_hashed(const struct fixture *fixture, uint64_t length)
{
    struct of_sha256_digest want;
    struct of_sha256_digest have;

    assert_true(of_hash_sha256(fixture->bytes, length, &want));
    of_hash_finish(fixture->hash, have.bytes);
    assert_memory_equal(&have, &want, sizeof(want));
}

static void test_nothing_given(void **state)
{
    struct fixture *fixture = *state;
    struct of_partner partner;

    start(fixture, &partner);
    assert_false(of_partner_take(&partner, false));
    assert_false(of_partner_take(&partner, true));
    of_partner_stop(&partner);
    assert_false(of_partner_is_running(&partner));
    assert_hashed(fixture, 0);
}

static void test_not_started(void **state)
{
    struct of_partner partner = {0};

    (void)state;
    assert_false(of_partner_is_running(&partner));
    assert_false(of_partner_take(&partner, true));
    of_partner_stop(&partner);
    of_partner_stop(&partner);
}

/* Any cut, taken back now and then; the partner comes and goes in the middle of the bytes. */
static void test_any_cut(void **state)
{
    struct fixture *fixture = *state;
    struct prng *prng = &fixture->prng;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct of_partner partner = {0};
        uint64_t at = 0;

        of_hash_restart(fixture->hash);
        while (at < BYTES) {
            const uint64_t left = BYTES - at;
            uint64_t length = prng_between(prng, 1, PIECE_BYTES_MAX);

            length = length < left ? length : left;
            if (!of_partner_is_running(&partner)) {
                of_hash_update(fixture->hash, fixture->bytes + at, length);
                start(fixture, &partner);
            } else {
                const bool is_full = partner.given_count - partner.taken_count == OF_PARTNER_PIECES;

                if (is_full || prng_below(prng, 3) == 0) {
                    (void)of_partner_take(&partner, is_full || prng_below(prng, 2) == 0);
                }
                of_partner_give(&partner, fixture->bytes + at, length);
            }
            at += length;
            if (prng_below(prng, 12) == 0) {
                of_partner_stop(&partner);
            }
        }
        of_partner_stop(&partner);
        assert_hashed(fixture, BYTES);
    }
}

static void test_each_piece_comes_back_once(void **state)
{
    struct fixture *fixture = *state;
    struct of_partner partner;

    start(fixture, &partner);
    for (uint32_t i = 0; i < OF_PARTNER_PIECES; i++) {
        of_partner_give(&partner, fixture->bytes + i, 1);
    }
    for (uint32_t i = 0; i < OF_PARTNER_PIECES; i++) {
        assert_true(of_partner_take(&partner, true));
    }
    assert_false(of_partner_take(&partner, true));
    of_partner_stop(&partner);
    assert_hashed(fixture, OF_PARTNER_PIECES);
}

/* What a failure or a signal leaves with the partner is hashed to its end: nobody looks at the
 * bytes after the stop. */
static void test_stopped_with_pieces(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t length = BYTES / OF_PARTNER_PIECES;
    struct of_partner partner;

    start(fixture, &partner);
    for (uint32_t i = 0; i < OF_PARTNER_PIECES; i++) {
        of_partner_give(&partner, fixture->bytes + i * length, length);
    }
    of_partner_stop(&partner);
    assert_hashed(fixture, length * OF_PARTNER_PIECES);
}

static void test_no_memory(void **state)
{
    struct fixture *fixture = *state;
    struct of_partner partner;
    onefold_error err;

    of_hash_update(fixture->hash, fixture->bytes, 1000);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        of_mem_fail_at(nth, false);
        assert_int_equal(of_partner_start(&partner, fixture->hash, &err), ONEFOLD_E_MEMORY);
        of_mem_fail_at(0, false);
        assert_false(of_partner_is_running(&partner));
    }
    assert_hashed(fixture, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_given, set_up, tear_down),
        cmocka_unit_test(test_not_started),
        cmocka_unit_test_setup_teardown(test_any_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_each_piece_comes_back_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stopped_with_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
