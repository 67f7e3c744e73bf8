/* SPDX-License-Identifier: Apache-2.0 */
/* Lanes: whatever their number and that of the slots, every tile is fed once, in whole or in
 * parts, each shard in order and in one lane, and somebody is always due. */
#include "run/lane.h"

#include "../plan/planned.h"
#include "support/prng.h"

enum { TENSORS = 40, ROUNDS = 200, VISITS_MAX = 400, SLOTS_MOST = 12 };

static struct tmpdir dir;
static struct planned planned;
static char names[TENSORS][32];

/* Tensors of one to thirty grains, a few of them to a shard, and shards of their own. */
static int set_up(void **state)
{
    struct prng prng = prng_make(7);
    struct mk_tensor tensors[TENSORS];
    char recipe[2 * TMPDIR_PATH_MAX];

    (void)state;
    dir = tmpdir_make();
    for (size_t i = 0; i < TENSORS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "model.layers.%zu.w", i);
        tensors[i] = (struct mk_tensor){.name = names[i],
                                        .dtype = ONEFOLD_DTYPE_BF16,
                                        .rank = 1,
                                        .shape = {65536 * prng_between(&prng, 1, 30)}};
    }
    mk_folder(tmpdir_join(dir.path, "a").text, tensors, TENSORS);
    (void)snprintf(recipe, sizeof(recipe),
                   "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: %s/a\n",
                   dir.path);
    planned_parse(&planned, recipe);
    planned.options.out_shard_bytes = 1000000;
    planned.options.tile_grains_max = 5;
    planned_build(&planned);
    if (planned.status != ONEFOLD_OK) {
        fail_msg("%s", planned.err.message);
    }
    assert_true(planned.plan->visit_count > 100 && planned.plan->visit_count <= VISITS_MAX);
    assert_true(planned.plan->output.shard_count > 2 * 8);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    planned_finish(&planned);
    tmpdir_remove(&dir);
    return 0;
}

static void one_lane_is_the_order_of_the_plan(void **state)
{
    struct of_lanes lanes;
    struct of_turn turn;
    struct of_visit visit;

    (void)state;
    of_lanes_begin(&lanes, planned.plan, 1, false);
    for (uint64_t i = 0; i < planned.plan->visit_count; i++) {
        assert_false(of_lanes_are_dry(&lanes, UINT64_MAX));
        assert_true(of_lanes_feed(&lanes, UINT64_MAX, 1, &visit, &turn));
        assert_int_equal(visit.number, i);
        assert_false(visit.is_part);
        assert_int_equal(turn.lane, 0);
        assert_int_equal(turn.number, i);
        assert_true(turn.ends_tile);
    }
    assert_true(of_lanes_are_dry(&lanes, UINT64_MAX));
    assert_false(of_lanes_feed(&lanes, UINT64_MAX, 1, &visit, &turn));
}

/* Parts come right behind each other, the rest of the tile as it is asked for then, and the tile
 * has passed with the last one. */
static void parts_follow_each_other(void **state)
{
    struct of_lanes lanes;
    struct of_turn turns[3];
    struct of_visit whole;
    struct of_visit visit;
    uint64_t grain;

    (void)state;
    of_lanes_begin(&lanes, planned.plan, 1, false);
    for (uint64_t i = 0;; i++) {
        assert_int_equal(of_lanes_passed_count(&lanes), i);
        of_plan_visit(planned.plan, i, &whole);
        if (whole.grain_count == 5) {
            break;
        }
        assert_true(of_lanes_feed(&lanes, UINT64_MAX, 1, &visit, &turns[0]));
        of_lanes_retire(&lanes, &turns[0]);
    }
    grain = whole.first_grain;
    for (uint32_t i = 0; i < 3; i++) {
        /* A quarter, a quarter, and the rest. */
        assert_false(of_lanes_are_dry(&lanes, whole.number + 1));
        assert_true(of_lanes_feed(&lanes, whole.number + 1, i < 2 ? 4 : 1, &visit, &turns[i]));
        assert_true(visit.number == whole.number && visit.is_part);
        assert_int_equal(visit.first_grain, grain);
        assert_int_equal(turns[i].ends_tile, i == 2);
        grain += visit.grain_count;
    }
    assert_int_equal(grain, whole.first_grain + whole.grain_count);
    assert_true(of_lanes_are_dry(&lanes, whole.number + 1));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(of_lanes_passed_count(&lanes), whole.number);
        of_lanes_retire(&lanes, &turns[i]);
    }
    assert_int_equal(of_lanes_passed_count(&lanes), whole.number + 1);
}

static void lanes_with_fewer_slots_come_first(void **state)
{
    struct of_lanes lanes;
    struct of_turn turns[6];
    struct of_visit visit;

    (void)state;
    of_lanes_begin(&lanes, planned.plan, 3, false);
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(of_lanes_feed(&lanes, UINT64_MAX, 1, &visit, &turns[i]));
        assert_int_equal(turns[i].lane, i % 3);
        assert_int_equal(turns[i].number, i / 3);
    }
    of_lanes_retire(&lanes, &turns[1]);
    of_lanes_leave(&lanes, &turns[1]);
    assert_true(of_lanes_is_due(&lanes, &turns[0]) && of_lanes_is_due(&lanes, &turns[4]));
    assert_false(of_lanes_is_due(&lanes, &turns[3]) || of_lanes_is_due(&lanes, &turns[5]));
    assert_true(of_lanes_feed(&lanes, UINT64_MAX, 1, &visit, &turns[1]));
    assert_int_equal(turns[1].lane, 1);
    assert_int_equal(of_lanes_passed_count(&lanes), 1);
}

/* Visits that were fed and have not left. */
struct held {
    struct of_visit visit;
    struct of_turn turn;
};

struct walk {
    struct of_lanes lanes;
    struct held held[SLOTS_MOST];
    uint32_t held_count;
    uint64_t fed_count;
    bool seen[VISITS_MAX];
    uint32_t lane_of[VISITS_MAX]; /* [shard]; OF_HASH_THREADS_MAX: none yet */
    uint64_t next_of[VISITS_MAX]; /* [shard]: the grain that must come next */
    uint64_t ended[VISITS_MAX];   /* [shard]: grains retired up to */
    uint64_t limit;
};

static void begin_walk(struct walk *walk, uint32_t lane_count, uint64_t limit)
{
    memset(walk, 0, sizeof(*walk));
    walk->limit = limit;
    for (uint32_t i = 0; i < VISITS_MAX; i++) {
        walk->lane_of[i] = OF_HASH_THREADS_MAX;
    }
    for (uint64_t i = planned.plan->visit_count; i > 0; i--) {
        struct of_visit visit;

        of_plan_visit(planned.plan, i - 1, &visit);
        walk->next_of[visit.out_shard] = visit.first_grain;
        walk->ended[visit.out_shard] = visit.first_grain;
    }
    of_lanes_begin(&walk->lanes, planned.plan, lane_count, false);
}

static bool feed(struct walk *walk, uint32_t part_count)
{
    struct held *held = &walk->held[walk->held_count];
    struct of_visit *visit = &held->visit;

    if (!of_lanes_feed(&walk->lanes, walk->limit, part_count, visit, &held->turn)) {
        assert_true(of_lanes_are_dry(&walk->lanes, walk->limit));
        return false;
    }
    assert_true(visit->number < walk->limit && !walk->seen[visit->number]);
    walk->seen[visit->number] = held->turn.ends_tile;
    assert_int_equal(walk->next_of[visit->out_shard], visit->first_grain);
    walk->next_of[visit->out_shard] += visit->grain_count;
    if (walk->lane_of[visit->out_shard] == OF_HASH_THREADS_MAX) {
        walk->lane_of[visit->out_shard] = held->turn.lane;
    }
    assert_int_equal(walk->lane_of[visit->out_shard], held->turn.lane);
    walk->held_count++;
    walk->fed_count += held->turn.ends_tile;
    return true;
}

/* One of those that are due retires and leaves. */
static void retire(struct walk *walk, struct prng *prng)
{
    uint32_t due[SLOTS_MOST];
    uint32_t due_count = 0;
    struct held *held;

    for (uint32_t i = 0; i < walk->held_count; i++) {
        if (of_lanes_is_due(&walk->lanes, &walk->held[i].turn)) {
            due[due_count++] = i;
        }
    }
    assert_true(due_count > 0);
    held = &walk->held[due[prng_below(prng, due_count)]];
    assert_int_equal(walk->ended[held->visit.out_shard], held->visit.first_grain);
    walk->ended[held->visit.out_shard] += held->visit.grain_count;
    of_lanes_retire(&walk->lanes, &held->turn);
    of_lanes_leave(&walk->lanes, &held->turn);
    *held = walk->held[--walk->held_count];
}

static void every_visit_is_fed_once_and_somebody_is_due(void **state)
{
    const uint64_t visit_count = planned.plan->visit_count;
    struct prng prng = prng_make(prng_seed(1));
    static struct walk walk;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t lane_count = (uint32_t)prng_between(&prng, 1, OF_HASH_THREADS_MAX);
        const uint32_t slot_count = (uint32_t)prng_between(&prng, 1, SLOTS_MOST);
        /* As after a failure of that visit, every second time. */
        const uint64_t limit = round % 2 == 0 ? UINT64_MAX : prng_below(&prng, visit_count + 1);
        const uint64_t wanted = limit < visit_count ? limit : visit_count;
        bool fed = true;

        begin_walk(&walk, lane_count, limit);
        while (fed || walk.held_count > 0) {
            fed = walk.held_count < slot_count && feed(&walk, (uint32_t)prng_between(&prng, 1, 4));
            if (walk.held_count > 0 && (!fed || prng_below(&prng, 3) == 0)) {
                retire(&walk, &prng);
                fed = true;
            }
        }
        assert_int_equal(walk.fed_count, wanted);
        assert_int_equal(of_lanes_passed_count(&walk.lanes), wanted);
        for (uint64_t i = 0; i < wanted; i++) {
            assert_true(walk.seen[i]);
        }
    }
}

/* A failure in the middle: those below are fed yet, those above never again. */
static void a_limit_holds_for_visits_not_fed_yet(void **state)
{
    struct of_lanes lanes;
    struct of_turn turn;
    struct of_visit failed = {0};
    struct of_visit visit;
    uint64_t count = 0;

    (void)state;
    of_lanes_begin(&lanes, planned.plan, 4, false);
    for (uint32_t i = 0; i < 4; i++) {
        assert_true(of_lanes_feed(&lanes, UINT64_MAX, 1, &failed, &turn));
    }
    assert_int_equal(failed.out_shard, 3);
    while (of_lanes_feed(&lanes, failed.number, 1, &visit, &turn)) {
        assert_true(visit.number < failed.number);
        count++;
    }
    assert_int_equal(count + 3, failed.number);
    assert_true(of_lanes_are_dry(&lanes, failed.number) &&
                !of_lanes_are_dry(&lanes, failed.number + 2));
    assert_true(of_lanes_are_dry(&lanes, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lane_is_the_order_of_the_plan),
        cmocka_unit_test(parts_follow_each_other),
        cmocka_unit_test(lanes_with_fewer_slots_come_first),
        cmocka_unit_test(every_visit_is_fed_once_and_somebody_is_due),
        cmocka_unit_test(a_limit_holds_for_visits_not_fed_yet),
    };

    return cmocka_run_group_tests_name("run_lane", tests, set_up, tear_down);
}
