/* SPDX-License-Identifier: Apache-2.0 */
/* Who has which part of the pool: nothing overlaps, blocks start on blocks, and nothing is lent
 * before its memory is there. */
#include "run/buffers.h"

#include "base/limits.h"
#include "support/nowhere.h"
#include "support/skip.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { AREA = 8192, BASE = 4096, OUT = 40960, SCRATCH = 4096, SLOTS = 5, SETS = 3, WORKERS = 2 };

static const struct of_how layout = {.slot_count = SLOTS,
                                     .set_count = SETS,
                                     .pool_count = 1,
                                     .worker_count = WORKERS,
                                     .scratch_bytes = SCRATCH,
                                     .area_count = 2,
                                     .area_bytes = AREA,
                                     .base_area_bytes = BASE,
                                     .out_area_bytes = OUT,
                                     .slot_bytes = 2 * AREA + BASE + OUT};

struct fixture {
    struct of_how how;
    struct of_pool pool;
    struct of_arena arena;
    struct of_slot slots[SLOTS];
    struct of_buffers buffers;
};

/* A pool with a block more behind each part, so that a wrong part shows. */
static void begin(struct fixture *fixture, uint32_t part_count)
{
    struct of_pool *pool = &fixture->pool;
    const struct of_slot_sizes sizes = {
        .how = &fixture->how, .leaf_count_max = 3, .step_count_max = 2};
    onefold_error err;

    fixture->how = layout;
    fixture->how.pool_count = part_count;
    *pool =
        (struct of_pool){.part_bytes = of_buffers_part_bytes(&fixture->how) + OF_DIRECT_ALIGN_MAX,
                         .part_count = part_count};
    pool->size_bytes = part_count * pool->part_bytes;
    pool->data = aligned_alloc(OF_DIRECT_ALIGN_MAX, pool->size_bytes);
    assert_non_null(pool->data);
    memset(pool->data, 0, pool->size_bytes);
    of_arena_init(&fixture->arena, 0);
    for (uint32_t i = 0; i < SLOTS; i++) {
        struct of_slot *slot = &fixture->slots[i];

        assert_int_equal(of_slot_init(slot, i, &sizes, &fixture->arena, &err), ONEFOLD_OK);
        assert_int_equal(slot->state, OF_SLOT_FREE);
        assert_int_equal(slot->pool, i % part_count);
        assert_true(slot->area_set < 0);
        of_buffers_place(&fixture->how, pool, slot);
    }
    of_buffers_init(&fixture->buffers, &fixture->how, pool, fixture->slots);
    fixture->buffers.needs_outs = true;
}

static void end(struct fixture *fixture)
{
    of_buffers_finish(&fixture->buffers);
    of_arena_finish(&fixture->arena);
    free(fixture->pool.data);
}

/* What the loader was asked for is there. */
static void take(struct fixture *fixture)
{
    onefold_error err;

    while (!of_buffers_take(&fixture->buffers, &err)) {
        (void)sched_yield();
    }
    assert_int_equal(err.status, ONEFOLD_OK);
}

/* Nothing was asked for. */
static void take_nothing(struct fixture *fixture)
{
    onefold_error err;

    assert_false(fixture->buffers.loader.asked);
    assert_false(of_buffers_take(&fixture->buffers, &err));
}

/* Scratch and the first output of every part. */
static void take_first(struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->how.pool_count; i++) {
        assert_false(of_buffers_may_feed(&fixture->buffers, &fixture->slots[0]));
        take(fixture);
    }
    take_nothing(fixture);
}

static void take_all(struct fixture *fixture)
{
    struct of_buffers *buffers = &fixture->buffers;

    take_first(fixture);
    while (!fixture->pool.loaded) {
        of_buffers_want_more(buffers);
        for (uint32_t i = 0; i < SLOTS && !buffers->loader.asked; i++) {
            const bool had_one = fixture->slots[i].area_set >= 0;

            of_buffers_lend(buffers, &fixture->slots[i]);
            assert_true(had_one || fixture->slots[i].area_set < 0 || fixture->slots[i].out_loaded);
        }
        take(fixture);
    }
    take_nothing(fixture);
}

/* Marks bytes that nobody has had before, in the part of the pool that is the slot's. */
static void mark(const struct fixture *fixture, const struct of_slot *slot, uint8_t *bytes,
                 uint64_t length)
{
    const uint8_t *part = fixture->pool.data + slot->pool * fixture->pool.part_bytes;

    assert_true(bytes >= part && bytes + length <= part + fixture->pool.part_bytes);
    assert_int_equal((uint64_t)(bytes - part) % OF_DIRECT_ALIGN_MAX, 0);
    for (uint64_t i = 0; i < length; i++) {
        assert_int_equal(bytes[i], 0);
        bytes[i] = 1;
    }
}

/* Every worker has scratch of its own, every slot an output, and those that have a set of areas
 * these too, however many parts the pool has; no part has fewer bytes than that takes. */
static void test_nothing_overlaps(void **state)
{
    (void)state;
    for (uint32_t parts = 1; parts <= SLOTS; parts++) {
        struct fixture fixture;
        const uint64_t workers = (WORKERS + parts - 1) / parts;
        uint32_t lent_count = 0;

        begin(&fixture, parts);
        assert_true(of_buffers_part_bytes(&fixture.how) ==
                    workers * SCRATCH + (uint64_t)((SLOTS + parts - 1) / parts) * OUT +
                        (uint64_t)((SETS + parts - 1) / parts) * (2 * AREA + BASE));
        take_all(&fixture);
        for (uint32_t i = 0; i < SLOTS; i++) {
            struct of_slot *slot = &fixture.slots[i];

            if (i < parts) {
                mark(&fixture, slot, fixture.pool.data + i * fixture.pool.part_bytes,
                     workers * SCRATCH);
            }
            mark(&fixture, slot, slot->out_area, OUT);
            of_buffers_lend(&fixture.buffers, slot);
            if (slot->area_set >= 0) {
                mark(&fixture, slot, slot->areas[0].buffer, AREA);
                mark(&fixture, slot, slot->areas[1].buffer, AREA);
                mark(&fixture, slot, of_slot_base_area(slot)->buffer, BASE);
                lent_count++;
            }
        }
        assert_int_equal(lent_count, SETS);
        end(&fixture);
    }
}

/* A set goes from slot to slot, of those that are free always the first, so that few are used as
 * long as few are needed; who has one gets no other. */
static void test_the_first_free_set_is_lent(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;
    struct of_slot *slots = fixture.slots;

    (void)state;
    begin(&fixture, 1);
    take_all(&fixture);
    for (uint32_t i = 0; i < SLOTS; i++) {
        of_buffers_give_back(buffers, &slots[i]); /* also where it has none */
        assert_true(slots[i].area_set < 0);
    }
    for (uint32_t i = 0; i < SETS; i++) {
        of_buffers_lend(buffers, &slots[i]);
        of_buffers_lend(buffers, &slots[i]);
        assert_int_equal(slots[i].area_set, i);
    }
    of_buffers_lend(buffers, &slots[SETS]);
    assert_true(slots[SETS].area_set < 0);
    of_buffers_give_back(buffers, &slots[1]);
    of_buffers_lend(buffers, &slots[SETS]);
    assert_int_equal(slots[SETS].area_set, 1);
    assert_ptr_equal(slots[SETS].areas[0].buffer, slots[1].areas[0].buffer);
    of_buffers_give_back(buffers, &slots[2]);
    of_buffers_give_back(buffers, &slots[0]);
    of_buffers_lend(buffers, &slots[1]);
    assert_int_equal(slots[1].area_set, 0);
    of_buffers_give_back(buffers, &slots[1]);
    of_buffers_lend(buffers, &slots[0]);
    assert_int_equal(slots[0].area_set, 0);
    end(&fixture);
}

/* One piece is loaded at a time, a set only after an output for it, and nothing is used before. */
static void test_memory_comes_bit_by_bit(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;
    struct of_slot *slots = fixture.slots;

    (void)state;
    begin(&fixture, 1);
    of_buffers_lend(buffers, &slots[0]);
    of_buffers_want_more(buffers);
    take_first(&fixture);
    assert_true(of_buffers_may_feed(buffers, &slots[0]));
    assert_false(of_buffers_may_feed(buffers, &slots[1]));

    of_buffers_lend(buffers, &slots[0]);
    of_buffers_want_more(buffers); /* the loader is busy */
    assert_true(slots[0].area_set < 0);
    take(&fixture);
    take_nothing(&fixture);
    of_buffers_lend(buffers, &slots[0]);
    assert_int_equal(slots[0].area_set, 0);

    of_buffers_lend(buffers, &slots[1]); /* has no output yet */
    take_nothing(&fixture);
    of_buffers_want_more(buffers);
    take(&fixture);
    assert_true(of_buffers_may_feed(buffers, &slots[1]));
    of_buffers_lend(buffers, &slots[1]);
    assert_true(slots[1].area_set < 0);
    take(&fixture);

    /* What is there is lent before more is asked for. */
    of_buffers_give_back(buffers, &slots[0]);
    of_buffers_lend(buffers, &slots[1]);
    assert_int_equal(slots[1].area_set, 0);
    of_buffers_want_more(buffers);
    take(&fixture);
    of_buffers_lend(buffers, &slots[2]);
    assert_int_equal(slots[2].area_set, 1);
    take_nothing(&fixture);
    assert_false(fixture.pool.loaded);
    end(&fixture);
}

/* Once as many sets were lent as there are, the others are loaded though nobody waits for them; not
 * before. */
static void test_all_is_there_soon(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;

    (void)state;
    begin(&fixture, 1);
    take_first(&fixture);
    of_buffers_lend(buffers, &fixture.slots[0]);
    take(&fixture);
    for (uint32_t i = 0; i < SETS - 1; i++) {
        of_buffers_lend(buffers, &fixture.slots[0]);
        assert_true(fixture.slots[0].area_set >= 0);
        of_buffers_give_back(buffers, &fixture.slots[0]);
    }
    for (uint32_t i = 1; i < SLOTS; i++) {
        of_buffers_want_more(buffers);
        take(&fixture);
    }
    of_buffers_want_more(buffers);
    take_nothing(&fixture);
    assert_int_equal(buffers->loaded_out_count, SLOTS);
    assert_int_equal(buffers->loaded_set_count, 1);
    of_buffers_lend(buffers, &fixture.slots[0]);
    for (uint32_t i = 1; i < SETS; i++) {
        assert_false(fixture.pool.loaded);
        of_buffers_want_more(buffers);
        take(&fixture);
    }
    assert_true(fixture.pool.loaded);
    of_buffers_want_more(buffers);
    take_nothing(&fixture);
    end(&fixture);
}

/* A pass without outputs does not wait for them. */
static void test_survey_needs_sets_alone(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;

    (void)state;
    begin(&fixture, 1);
    buffers->needs_outs = false;
    take_first(&fixture);
    for (uint32_t i = 0; i < SETS; i++) {
        assert_true(of_buffers_may_feed(buffers, &fixture.slots[i]));
        of_buffers_lend(buffers, &fixture.slots[i]);
        take(&fixture);
        of_buffers_lend(buffers, &fixture.slots[i]);
        assert_int_equal(fixture.slots[i].area_set, i);
    }
    assert_false(fixture.slots[1].out_loaded);
    assert_false(fixture.pool.loaded);
    end(&fixture);
}

/* A part without any set gets one, though a pass before has loaded more sets than outputs: its
 * slots would wait for ever once nothing else is fed. */
static void test_each_part_gets_a_set(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;

    (void)state;
    begin(&fixture, 2);
    buffers->needs_outs = false;
    take_first(&fixture);
    for (uint32_t i = 0; i < SETS; i += 2) {
        of_buffers_lend(buffers, &fixture.slots[i]);
        take(&fixture);
        of_buffers_lend(buffers, &fixture.slots[i]);
        assert_int_equal(fixture.slots[i].area_set, i);
    }
    buffers->needs_outs = true;
    assert_int_equal(buffers->loaded_set_count, buffers->loaded_out_count);
    of_buffers_lend(buffers, &fixture.slots[1]);
    take(&fixture);
    of_buffers_lend(buffers, &fixture.slots[1]);
    assert_int_equal(fixture.slots[1].area_set, 1);
    end(&fixture);
}

static void take_failure(struct of_buffers *buffers)
{
    onefold_error err;

    while (!of_buffers_take(buffers, &err)) {
        (void)sched_yield();
    }
    assert_int_equal(err.status, ONEFOLD_E_MEMORY);
    assert_string_equal(err.id, "memory");
}

/* Memory that cannot be had is no memory: not lent, and asked for again. */
static void test_failed_piece_is_not_there(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;
    uint8_t *data;

    (void)state;
    if (!nowhere_is_refused()) {
        SKIP_TEST("memory that cannot be had is not refused here");
    }
    begin(&fixture, 1);
    take_first(&fixture);
    data = fixture.pool.data;
    fixture.pool.data = nowhere();
    of_buffers_lend(buffers, &fixture.slots[0]);
    take_failure(buffers);
    of_buffers_lend(buffers, &fixture.slots[0]);
    assert_true(fixture.slots[0].area_set < 0);
    assert_true(buffers->loader.asked);
    take_failure(buffers);
    fixture.pool.data = data;
    of_buffers_lend(buffers, &fixture.slots[0]);
    take(&fixture);
    of_buffers_lend(buffers, &fixture.slots[0]);
    assert_int_equal(fixture.slots[0].area_set, 0);
    end(&fixture);
}

/* Nothing is fed without scratch, however often its memory is refused; once it is there, all goes
 * on.
 */
static void test_failed_scratch_is_asked_for_again(void **state)
{
    struct fixture fixture;
    struct of_buffers *buffers = &fixture.buffers;
    uint8_t *data;

    (void)state;
    if (!nowhere_is_refused()) {
        SKIP_TEST("memory that cannot be had is not refused here");
    }
    begin(&fixture, 1);
    of_buffers_finish(buffers);
    data = fixture.pool.data;
    fixture.pool.data = nowhere();
    of_buffers_init(buffers, &fixture.how, &fixture.pool, fixture.slots);
    buffers->needs_outs = true;
    for (int i = 0; i < 2; i++) {
        take_failure(buffers);
        assert_false(of_buffers_may_feed(buffers, &fixture.slots[0]));
        assert_true(buffers->loader.asked);
    }
    of_buffers_finish(buffers);
    fixture.pool.data = data;
    of_buffers_init(buffers, &fixture.how, &fixture.pool, fixture.slots);
    buffers->needs_outs = true;
    take_first(&fixture);
    assert_true(of_buffers_may_feed(buffers, &fixture.slots[0]));
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_overlaps),
        cmocka_unit_test(test_the_first_free_set_is_lent),
        cmocka_unit_test(test_memory_comes_bit_by_bit),
        cmocka_unit_test(test_each_part_gets_a_set),
        cmocka_unit_test(test_all_is_there_soon),
        cmocka_unit_test(test_survey_needs_sets_alone),
        cmocka_unit_test(test_failed_piece_is_not_there),
        cmocka_unit_test(test_failed_scratch_is_asked_for_again),
    };

    return cmocka_run_group_tests_name("run_buffers", tests, NULL, NULL);
}
