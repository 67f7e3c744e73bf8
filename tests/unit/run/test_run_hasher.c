/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of files that are made in several lanes: the same whoever hashes what, the worker that made
 * it, another one or a thread, and in whatever order workers finish. */
#include "run/hasher.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "kern/kern.h"
#include "support/prng.h"
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Shard i is made in lane i, by visits of all lengths. */
enum { LANES = 2, VISITS = 40, SLOTS = LANES * VISITS, VISIT_BYTES_MAX = 300000 };

struct made {
    struct of_plan plan;
    struct of_kern kern;
    struct of_arena arena;
    struct of_io io;
    struct of_crew crew;
    struct of_hasher hasher;
    struct of_slot slots[SLOTS];
    uint8_t *bytes;
    struct prng prng;
};

static void work(void *context, void *item, void *scratch)
{
    (void)scratch;
    of_hasher_hash_at_once(context, item);
}

static struct of_slot *slot_at(struct made *made, uint32_t lane, uint32_t number)
{
    return &made->slots[lane * VISITS + number];
}

static void make(struct made *made, uint64_t seed, bool workers_hash)
{
    const struct of_io_options io_options = {.depth = 1};
    const struct of_crew_options crew_options = {.worker_count = 3,
                                                 .item_count = SLOTS,
                                                 .errand_count = LANES,
                                                 .work = work,
                                                 .context = &made->hasher};
    uint64_t at = 0;
    onefold_error err;

    memset(made, 0, sizeof(*made));
    made->prng = prng_make(seed);
    made->plan.sums = OF_SUM_SHA256 | OF_SUM_XXH128;
    made->plan.output.shard_count = LANES;
    made->plan.how = (struct of_how){
        .slot_count = SLOTS, .hash_thread_count = LANES, .workers_hash = workers_hash};
    (void)of_kern_init(&made->kern, NULL);
    of_arena_init(&made->arena, OF_MIB);
    made->bytes = of_mem_get((size_t)SLOTS * VISIT_BYTES_MAX);
    assert_non_null(made->bytes);
    prng_fill(&made->prng, made->bytes, (size_t)SLOTS * VISIT_BYTES_MAX);
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct of_slot *slot = &made->slots[i];

        slot->turn = (struct of_turn){.lane = i / VISITS, .number = i % VISITS};
        slot->visit.out_shard = i / VISITS;
        slot->visit.out_bytes = prng_below(&made->prng, VISIT_BYTES_MAX + 1);
        slot->out = made->bytes + at;
        at += slot->visit.out_bytes;
    }
    assert_int_equal(of_io_init(&made->io, "threads", &io_options, NULL, &err), ONEFOLD_OK);
    assert_int_equal(of_hasher_init(&made->hasher, &made->plan, &made->kern, &made->arena, &err),
                     ONEFOLD_OK);
    assert_int_equal(of_hasher_start(&made->hasher, &made->io, &made->crew, &made->plan.how, &err),
                     ONEFOLD_OK);
    assert_int_equal(of_crew_init(&made->crew, &crew_options, &err), ONEFOLD_OK);
}

/* Gives the slot and waits for it; returns whether it had to. */
static bool give(struct made *made, struct of_slot *slot)
{
    uint32_t left = of_hasher_give(&made->hasher, slot);
    const bool given = left > 0;

    while (left > 0) {
        const struct of_slot *back = of_hasher_take(&made->hasher);

        assert_true(back == NULL || back == slot);
        left -= back != NULL;
        of_clock_sleep_ns(1000);
    }
    return given;
}

/* Both sums of both files against those of their bytes in one go. */
static void finish(struct made *made)
{
    of_crew_finish(&made->crew);
    of_hasher_stop(&made->hasher);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        const struct of_slot *last = slot_at(made, lane, VISITS - 1);
        const uint8_t *first = slot_at(made, lane, 0)->out;
        const size_t length = (size_t)(last->out + last->visit.out_bytes - first);
        struct of_hash *hash = of_hash_create(OF_HASH_SHA256);
        const struct of_digest xxh128 = made->kern.hash(first, length);
        struct of_sha256_digest sha256;
        struct of_file_hashes found;

        assert_non_null(hash);
        of_hash_update(hash, first, length);
        of_hash_finish(hash, sha256.bytes);
        of_hash_destroy(hash);
        of_hasher_result(&made->hasher, lane, &found);
        assert_memory_equal(found.sha256.bytes, sha256.bytes, sizeof(sha256.bytes));
        assert_memory_equal(found.xxh128.bytes, xxh128.bytes, sizeof(xxh128.bytes));
    }
    of_hasher_finish(&made->hasher);
    of_io_finish(&made->io);
    of_arena_finish(&made->arena);
    of_mem_free(made->bytes);
}

/* Only what is next in its lane is hashed at once, and then not again. */
static void test_at_once_in_turn_only(void **state)
{
    static struct made made;

    (void)state;
    make(&made, prng_seed(1), true);
    for (uint32_t lane = LANES; lane-- > 0;) {
        for (uint32_t number = 0; number < VISITS; number += 4) {
            struct of_slot *early = slot_at(&made, lane, number + 1);
            struct of_slot *skipped = slot_at(&made, lane, number + 2);

            of_hasher_hash_at_once(&made.hasher, early);
            assert_false(early->is_hashed);
            of_hasher_hash_at_once(&made.hasher, slot_at(&made, lane, number));
            assert_true(slot_at(&made, lane, number)->is_hashed);
            of_hasher_hash_at_once(&made.hasher, early);
            assert_true(early->is_hashed);
            assert_false(give(&made, slot_at(&made, lane, number)));
            assert_false(give(&made, early));
            assert_true(give(&made, skipped));
            assert_false(skipped->is_hashed);
            assert_true(give(&made, slot_at(&made, lane, number + 3)));
        }
    }
    finish(&made);
}

/* Where threads hash, workers do not. */
static void test_threads_do_all(void **state)
{
    static struct made made;

    (void)state;
    make(&made, prng_seed(2), false);
    for (uint32_t i = 0; i < SLOTS; i++) {
        of_hasher_hash_at_once(&made.hasher, &made.slots[i]);
        assert_false(made.slots[i].is_hashed);
        assert_true(give(&made, &made.slots[i]));
    }
    finish(&made);
}

/* Workers get the visits of both lanes nearly in order; each is given to the hasher in its turn, as
 * the control thread does it. */
static void test_whoever_is_free(void **state)
{
    const uint64_t seed = prng_seed(3);

    (void)state;
    for (uint64_t round = 0; round < 10; round++) {
        static struct made made;
        uint32_t order[SLOTS];
        bool came[SLOTS] = {false};
        uint32_t due[LANES] = {0};
        uint32_t left = SLOTS; /* to be given, or hashed */
        uint32_t underway = 0;

        make(&made, seed + round, true);
        for (uint32_t i = 0; i < SLOTS; i++) {
            order[i] = i % LANES * VISITS + i / LANES;
        }
        for (uint32_t i = 0; i + 4 < SLOTS; i++) {
            const uint32_t other = i + (uint32_t)prng_below(&made.prng, 4);
            const uint32_t swapped = order[i];

            order[i] = order[other];
            order[other] = swapped;
        }
        for (uint32_t i = 0; i < SLOTS; i++) {
            of_crew_give(&made.crew, 0, &made.slots[order[i]]);
        }
        while (left > 0 || underway > 0) {
            const struct of_slot *slot = of_crew_take(&made.crew);

            if (slot != NULL) {
                came[slot - made.slots] = true;
            }
            for (uint32_t lane = 0; lane < LANES; lane++) {
                while (due[lane] < VISITS && came[lane * VISITS + due[lane]]) {
                    underway += of_hasher_give(&made.hasher, slot_at(&made, lane, due[lane]));
                    due[lane]++;
                    left--;
                }
            }
            while (of_hasher_take(&made.hasher) != NULL) {
                underway--;
            }
            of_clock_sleep_ns(1000);
        }
        finish(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_once_in_turn_only),
        cmocka_unit_test(test_threads_do_all),
        cmocka_unit_test(test_whoever_is_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
