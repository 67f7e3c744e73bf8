/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever the tensors, the layouts and the wishes: visits cover every byte of the output once and
 * in order, every read fits its area, and output and sums fit theirs as run/slot.c places them.
 */
#include "base/dtype.h"
#include "base/num.h"
#include "planned.h"
#include "support/prng.h"

enum { TENSORS_MAX = 40, INPUTS_MAX = 6, ROUNDS = 60 };

static struct tmpdir dir;
static char names[TENSORS_MAX][48];
static uint32_t scattered_count; /* ranges seen whose steps lie anywhere */

static const onefold_dtype numeric[] = {ONEFOLD_DTYPE_BF16, ONEFOLD_DTYPE_F16, ONEFOLD_DTYPE_F32,
                                        ONEFOLD_DTYPE_F8_E4M3, ONEFOLD_DTYPE_F64};

static uint64_t random_elems(struct prng *prng)
{
    switch (prng_below(prng, 6)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return prng_between(prng, 1, 5000);
    case 3:
        return 65536 * prng_between(prng, 1, 3);
    case 4:
        return prng_between(prng, 60000, 140000);
    default:
        return prng_between(prng, 300000, 3000000);
    }
}

static size_t make_tensors(struct prng *prng, struct mk_tensor *tensors)
{
    const size_t count = prng_between(prng, 1, TENSORS_MAX - 1);

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "model.layers.%zu.mlp.weight", i);
        tensors[i] = (struct mk_tensor){.name = names[i],
                                        .dtype = numeric[prng_below(prng, 5)],
                                        .rank = 1,
                                        .shape = {random_elems(prng)}};
        if (prng_below(prng, 6) == 0) {
            tensors[i].dtype = ONEFOLD_DTYPE_I64;
        }
    }
    tensors[0].shape[0] += 1; /* something to do in any case */
    return count;
}

static void shuffle(struct prng *prng, struct mk_tensor *tensors, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        const size_t other = prng_below(prng, i);
        const struct mk_tensor swap = tensors[i - 1];

        tensors[i - 1] = tensors[other];
        tensors[other] = swap;
    }
}

/* Inputs share a layout, differ in types, or differ in order. */
static void make_inputs(struct prng *prng, const struct mk_tensor *tensors, size_t count,
                        uint32_t input_count)
{
    for (uint32_t i = 0; i < input_count; i++) {
        struct mk_tensor own[TENSORS_MAX];
        char folder[32];
        const uint64_t kind = i == 0 ? 0 : prng_below(prng, 4);

        memcpy(own, tensors, sizeof(own));
        for (size_t k = 0; kind == 1 && k < count; k++) {
            if (own[k].dtype != ONEFOLD_DTYPE_I64) {
                own[k].dtype = numeric[prng_below(prng, 5)];
            }
        }
        if (kind == 2) {
            shuffle(prng, own, count);
        }
        (void)snprintf(folder, sizeof(folder), "m%u", i);
        planned_sparse(tmpdir_join(dir.path, folder).text, own, count);
    }
}

static uint64_t bytes_of(uint8_t dtype, uint64_t elem_count)
{
    uint64_t bytes = 0;

    assert_true(of_dtype_bytes((onefold_dtype)dtype, elem_count, &bytes));
    return bytes;
}

/* As run/slot.c places them. */
static void check_out_area(const struct of_plan *plan, const struct of_visit *visit)
{
    const uint64_t lead = visit->out_offset % OF_DIRECT_ALIGN_MAX;
    bool merges = false;
    bool overlay = true;
    uint64_t plane_at = OF_DIRECT_ALIGN_MAX;

    assert_true(lead + visit->out_bytes <= plan->how.out_area_bytes);
    for (uint32_t i = 0; i < visit->step_count; i++) {
        const uint32_t step = visit->first_step + i;

        merges = merges || plan->steps[step].kind == OF_STEP_MERGE;
        overlay = overlay && plan->steps[step].kind == OF_STEP_MERGE &&
                  of_dtype_size((onefold_dtype)plan->tensors[step].dtype) <= sizeof(float);
    }
    if (!merges || plan->how.area_count == plan->input_count) {
        return;
    }
    if (!overlay) {
        plane_at = of_num_align_up(lead + visit->out_bytes, OF_DIRECT_ALIGN_MAX);
    }
    assert_true(plane_at + visit->elem_count * sizeof(float) <= plan->how.out_area_bytes);
}

/* The inputs once more, for themselves: a plan keeps where tensors are, not their tables. */
struct stored {
    struct of_arena arena;
    struct of_report report;
    struct of_checkpoint_set set;
    struct of_checkpoint *inputs[INPUTS_MAX + 1];
};

static void open_stored(const struct of_plan *plan, struct stored *stored)
{
    onefold_error err;

    *stored = (struct stored){0};
    of_arena_init(&stored->arena, 0);
    stored->set = (struct of_checkpoint_set){.arena = &stored->arena, .report = &stored->report};
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        assert_int_equal(of_checkpoint_open(&stored->set, plan->inputs[i].checkpoint->path, NULL,
                                            &stored->inputs[i], &err),
                         ONEFOLD_OK);
    }
}

static void close_stored(struct stored *stored)
{
    of_checkpoint_set_finish(&stored->set);
    of_arena_finish(&stored->arena);
}

static uint64_t blocks_of(uint64_t offset, uint64_t byte_count)
{
    return of_num_align_up(offset % 4096 + byte_count, 4096);
}

/* The steps of an input lie one behind the other in the range that is read, or each is read to a
 * place of its own. */
static void check_range(const struct of_plan *plan, const struct stored *stored,
                        const struct of_visit *visit, uint32_t input)
{
    const struct of_layout *layout = plan->inputs[input].layout;
    const uint64_t area =
        input == plan->input_count ? plan->how.base_area_bytes : plan->how.area_bytes;
    struct of_range range;
    uint64_t at = 0;
    bool scattered = false;

    of_plan_visit_range(plan, visit, input, &range);
    if (range.shard == OF_PLACE_ABSENT) {
        /* A base that only gives type and order. */
        assert_int_equal(input, plan->input_count);
        for (uint32_t i = 0; i < visit->step_count; i++) {
            assert_int_equal(layout->shards[visit->first_step + i], OF_PLACE_ABSENT);
        }
        return;
    }
    assert_true(range.place_bytes > 0 ? visit->step_count * range.place_bytes <= area
                                      : blocks_of(range.offset, range.byte_count) <= area);
    for (uint32_t i = 0; i < visit->step_count; i++) {
        const uint32_t step = visit->first_step + i;
        const uint64_t elems =
            visit->step_count == 1 ? visit->elem_count : plan->tensors[step].elem_count;
        const struct of_table *table = stored->inputs[input]->table;
        const uint32_t index = of_table_find(table, plan->tensors[step].name);
        const struct of_tensor *tensor = &table->tensors[index];

        assert_int_equal(layout->shards[step], range.shard);
        if (layout->offsets[step] - layout->offsets[visit->first_step] != at) {
            scattered = true;
        }
        if (range.place_bytes > 0) {
            struct of_range own;

            of_plan_step_range(plan, step, input, &own);
            assert_int_equal(own.shard, range.shard);
            assert_int_equal(own.offset, layout->offsets[step]);
            assert_int_equal(own.byte_count, bytes_of(layout->dtypes[step], elems));
            assert_true(blocks_of(own.offset, own.byte_count) <= range.place_bytes);
        }
        if (plan->tensors[step].elem_count > 0) {
            assert_int_equal(layout->dtypes[step], tensor->dtype);
            assert_int_equal(layout->offsets[step], tensor->offset);
        }
        at += bytes_of(layout->dtypes[step], elems);
    }
    assert_int_equal(range.byte_count, at);
    assert_int_equal(scattered, range.place_bytes > 0);
    scattered_count += scattered;
    if (visit->step_count == 1) {
        assert_int_equal(range.offset,
                         layout->offsets[visit->first_step] +
                             bytes_of(layout->dtypes[visit->first_step], visit->first_elem));
    }
}

static void check_visit(const struct of_plan *plan, const struct stored *stored,
                        const struct of_visit *visit, uint64_t *file_at, uint64_t *grain_at,
                        uint32_t *shard)
{
    uint64_t elems = 0;
    uint64_t grains = 0;

    while (visit->out_shard != *shard) {
        /* The next shard, or one that holds only tensors without elements. */
        assert_int_equal(*file_at, plan->output.shards[*shard].file_bytes);
        assert_true(++*shard < plan->output.shard_count);
        *file_at = plan->output.shards[*shard].header_bytes;
    }
    assert_int_equal(visit->out_offset, *file_at);
    assert_int_equal(visit->first_grain, *grain_at);
    assert_true(visit->out_bytes > 0);
    for (uint32_t i = 0; i < visit->step_count; i++) {
        const uint32_t step = visit->first_step + i;
        const uint64_t own =
            visit->step_count == 1 ? visit->elem_count : plan->tensors[step].elem_count;

        assert_int_equal(plan->steps[step].kind, plan->steps[visit->first_step].kind);
        elems += own;
        grains += of_num_div_ceil(own, OF_GRAIN_ELEMS);
    }
    assert_int_equal(visit->elem_count, elems);
    assert_int_equal(visit->grain_count, grains);
    assert_int_equal(visit->first_elem % OF_GRAIN_ELEMS, 0);
    check_out_area(plan, visit);
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        check_range(plan, stored, visit, i);
    }
    *file_at += visit->out_bytes;
    *grain_at += grains;
}

/* A visit, or its parts one behind the other. */
static void check_parts(const struct of_plan *plan, const struct stored *stored,
                        const struct of_visit *whole, uint32_t part_count, uint64_t *file_at,
                        uint64_t *grain_at, uint32_t *shard)
{
    uint64_t from_grain = 0;
    uint64_t elems = 0;
    uint32_t count = 0;
    bool ends;

    do {
        struct of_visit visit = *whole;

        ends = of_plan_split(plan, from_grain, part_count, &visit);
        assert_int_equal(visit.number, whole->number);
        assert_true(visit.elem_count > 0);
        assert_int_equal(visit.is_part, visit.elem_count < whole->elem_count);
        check_visit(plan, stored, &visit, file_at, grain_at, shard);
        from_grain += visit.grain_count;
        elems += visit.elem_count;
        count++;
    } while (!ends);
    assert_true(elems == whole->elem_count && count <= part_count);
}

static void check_order(const struct of_plan *plan, const struct stored *stored,
                        uint32_t part_count)
{
    uint64_t file_at = plan->output.shards[0].header_bytes;
    uint64_t grain_at = 0;
    uint32_t shard = 0;

    for (uint64_t number = 0; number < plan->visit_count; number++) {
        struct of_visit visit;

        of_plan_visit(plan, number, &visit);
        assert_int_equal(visit.number, number);
        assert_false(visit.is_part);
        check_parts(plan, stored, &visit, part_count, &file_at, &grain_at, &shard);
    }
    assert_int_equal(file_at, plan->output.shards[shard].file_bytes);
    assert_int_equal(grain_at, plan->grain_count);
    for (uint32_t i = shard + 1; i < plan->output.shard_count; i++) {
        /* Nothing but tensors without elements. */
        assert_int_equal(plan->output.shards[i].file_bytes, plan->output.shards[i].header_bytes);
    }
}

static void check_plan(const struct of_plan *plan)
{
    uint64_t total = 0;
    struct stored stored;

    open_stored(plan, &stored);
    for (uint32_t part_count = 1; part_count <= 5; part_count++) {
        check_order(plan, &stored, part_count);
    }
    close_stored(&stored);
    for (uint32_t i = 0; i < plan->how.line_count; i++) {
        assert_int_equal(plan->how.lines[i].bytes,
                         plan->how.lines[i].count * plan->how.lines[i].each_bytes);
        total += plan->how.lines[i].bytes;
    }
    assert_true(total <= plan->how.memory_bytes);
    assert_int_equal(plan->how.slot_bytes, plan->how.area_count * plan->how.area_bytes +
                                               plan->how.base_area_bytes +
                                               plan->how.out_area_bytes);
    assert_int_equal(plan->how.area_bytes % OF_DIRECT_ALIGN_MAX, 0);
    assert_int_equal(plan->how.base_area_bytes % OF_DIRECT_ALIGN_MAX, 0);
    assert_int_equal(plan->how.slot_bytes % OF_DIRECT_ALIGN_MAX, 0);
    assert_true(plan->how.slot_count > 0 && plan->how.area_count > 0);
}

static void write_recipe(struct prng *prng, uint32_t input_count, char *text, size_t size)
{
    const bool delta = prng_below(prng, 2) == 0;
    const uint64_t forced = prng_below(prng, 4);
    size_t at;

    at = (size_t)snprintf(text, size, "merge_method: %s\n", delta ? "task_arithmetic" : "linear");
    if (delta || prng_below(prng, 2) == 0) {
        at += (size_t)snprintf(text + at, size - at, "base_model: %s/m0\n", dir.path);
    }
    if (forced < 2) {
        at += (size_t)snprintf(text + at, size - at, "dtype: %s\n",
                               forced == 0 ? "float32" : "bfloat16");
    }
    at += (size_t)snprintf(text + at, size - at, "parameters: {weight: 0.5}\nmodels:\n");
    for (uint32_t i = delta ? 1 : 0; i < input_count; i++) {
        at += (size_t)snprintf(text + at, size - at, "- model: %s/m%u\n", dir.path, i);
    }
}

static void any_plan_covers_the_output(void **state)
{
    const uint64_t seed = prng_seed(20240607);
    struct prng prng = prng_make(seed);
    char text[4096];

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct mk_tensor tensors[TENSORS_MAX];
        struct planned planned;
        const uint32_t input_count = (uint32_t)prng_between(&prng, 2, INPUTS_MAX);
        size_t count;

        dir = tmpdir_make();
        count = make_tensors(&prng, tensors);
        make_inputs(&prng, tensors, count, input_count);
        write_recipe(&prng, input_count, text, sizeof(text));
        planned_parse(&planned, text);
        planned.options.memory_bytes = 64 * OF_MIB << prng_below(&prng, 3);
        planned.options.tile_grains_max = (uint32_t)prng_below(&prng, 4);
        planned.options.slot_count_max = (uint32_t)prng_below(&prng, 3);
        planned.options.area_count_max = (uint32_t)prng_below(&prng, 4);
        planned.options.out_shard_bytes = prng_below(&prng, 2) == 0 ? 0 : 3000000;
        planned_build(&planned);
        if (planned.status != ONEFOLD_OK) {
            fail_msg("round %d: %s", round, planned.err.message);
        }
        check_plan(planned.plan);
        planned_finish(&planned);
        tmpdir_remove(&dir);
    }
    assert_true(scattered_count > 0);
}

/* The mean of two models with the same tensors, in a folder of its own. */
static void plan_two(struct planned *planned, const struct mk_tensor *tensors, size_t count)
{
    char text[3 * TMPDIR_PATH_MAX];

    dir = tmpdir_make();
    planned_sparse(tmpdir_join(dir.path, "x").text, tensors, count);
    planned_sparse(tmpdir_join(dir.path, "y").text, tensors, count);
    (void)snprintf(text, sizeof(text),
                   "merge_method: linear\nmodels: [{model: %s/x}, {model: %s/y}]\n"
                   "parameters: {weight: 1}\n",
                   dir.path, dir.path);
    planned_good(planned, text);
}

/* Neighbours that are small in every input become one visit; a large one stays alone. */
static void small_neighbours_travel_together(void **state)
{
    static const struct mk_tensor tensors[] = {
        {.name = "a", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {100}},
        {.name = "b", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {0}},
        {.name = "c", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {100}},
        {.name = "d", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {2000000}},
        {.name = "e", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {0}},
        {.name = "f", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {2000000}},
    };
    struct planned planned;
    struct of_visit visit;

    (void)state;
    plan_two(&planned, tensors, 6);
    of_plan_visit(planned.plan, 0, &visit);
    assert_int_equal(visit.step_count, 3);
    assert_int_equal(visit.grain_count, 2);
    assert_int_equal(visit.out_bytes, 400);
    /* 31 grains in tiles of 8; "e" has no visit. */
    assert_int_equal(planned.plan->visit_count, 9);
    of_plan_visit(planned.plan, 5, &visit);
    assert_int_equal(visit.first_step, 5);
    assert_int_equal(visit.first_elem, 0);
    of_plan_visit(planned.plan, 8, &visit);
    assert_int_equal(visit.first_step, 5);
    assert_int_equal(visit.first_elem + visit.elem_count, 2000000);
    planned_finish(&planned);
    tmpdir_remove(&dir);
}

/* What only whole tiles do right is not split: copies, single grains, and tiles whose inputs come
 * in rounds. */
static void merged_tiles_are_split(void **state)
{
    const struct mk_tensor tensors[] = {
        {.name = "a", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {100}},
        {.name = "b", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {0}},
        {.name = "c", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {90}},
        {.name = "d", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {120}},
        {.name = "e", .dtype = ONEFOLD_DTYPE_I32, .rank = 1, .shape = {300000}},
        {.name = "f", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {65536 * 4 + 1}}};
    struct planned planned;
    struct of_visit visit;

    (void)state;
    plan_two(&planned, tensors, 6);
    assert_int_equal(planned.plan->visit_count, 5);
    of_plan_visit(planned.plan, 0, &visit);
    assert_int_equal(visit.step_count, 4);
    assert_true(of_plan_split(planned.plan, 2, 2, &visit));
    assert_true(visit.first_step == 3 && visit.step_count == 1 && visit.elem_count == 120);
    of_plan_visit(planned.plan, 1, &visit);
    assert_true(visit.first_step == 4 && visit.grain_count > 1);
    assert_true(of_plan_split(planned.plan, 0, 2, &visit) && !visit.is_part);
    of_plan_visit(planned.plan, 3, &visit);
    assert_true(visit.first_step == 5 && visit.grain_count == 4);
    planned.plan->how.area_count = 1;
    assert_true(of_plan_split(planned.plan, 0, 2, &visit) && !visit.is_part);
    planned.plan->how.area_count = 2;
    assert_false(of_plan_split(planned.plan, 0, 2, &visit));
    assert_true(visit.is_part && visit.grain_count == 2);
    of_plan_visit(planned.plan, 4, &visit);
    assert_int_equal(visit.elem_count, 1);
    assert_true(of_plan_split(planned.plan, 0, 2, &visit) && !visit.is_part);
    planned_finish(&planned);
    tmpdir_remove(&dir);
}

/* A bundle is cut behind the tensor with which half of its elements are reached, or not at all when
 * there is nothing behind it. */
static void bundles_are_cut_between_tensors(void **state)
{
    static const struct {
        int64_t sizes[4];
        uint32_t first_steps; /* 4: all */
    } rows[] = {{{1, 1, 1, 1}, 2}, {{9, 1, 1, 1}, 1}, {{1, 1, 1, 9}, 4}, {{1, 9, 1, 1}, 2},
                {{0, 0, 7, 0}, 4}, {{0, 3, 7, 0}, 4}, {{0, 7, 0, 3}, 2}, {{1, 1, 0, 0}, 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct of_tensor tensors[4];
        struct of_step steps[4];
        struct of_unit unit = {.step_count = 4};
        struct of_plan plan = {
            .units = &unit, .unit_count = 1, .visit_count = 1, .tensors = tensors, .steps = steps};
        uint64_t offset = 1000;
        uint64_t grains = 0;
        struct of_visit visit;

        for (uint32_t k = 0; k < 4; k++) {
            tensors[k] = (struct of_tensor){.dtype = ONEFOLD_DTYPE_F32,
                                            .elem_count = (uint64_t)rows[i].sizes[k],
                                            .byte_count = 4 * (uint64_t)rows[i].sizes[k],
                                            .offset = offset};
            steps[k] = (struct of_step){.kind = OF_STEP_MERGE, .first_grain = grains};
            offset += tensors[k].byte_count;
            grains += rows[i].sizes[k] > 0;
        }
        of_plan_visit(&plan, 0, &visit);
        assert_int_equal(of_plan_split(&plan, 0, 2, &visit), rows[i].first_steps == 4);
        assert_int_equal(visit.first_step, 0);
        assert_int_equal(visit.step_count, rows[i].first_steps);
        assert_int_equal(visit.out_offset, 1000);
        assert_int_equal(visit.is_part, rows[i].first_steps < 4);
        if (visit.is_part) {
            const uint64_t grain = visit.grain_count;
            const uint64_t end = visit.out_offset + visit.out_bytes;

            of_plan_visit(&plan, 0, &visit);
            assert_true(of_plan_split(&plan, grain, 2, &visit));
            assert_int_equal(visit.first_step, rows[i].first_steps);
            assert_int_equal(visit.step_count, 4 - rows[i].first_steps);
            assert_int_equal(visit.out_offset, end);
            assert_int_equal(visit.out_offset + visit.out_bytes, offset);
            assert_int_equal(visit.first_grain + visit.grain_count, grains);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_plan_covers_the_output),
        cmocka_unit_test(small_neighbours_travel_together),
        cmocka_unit_test(merged_tiles_are_split),
        cmocka_unit_test(bundles_are_cut_between_tensors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
