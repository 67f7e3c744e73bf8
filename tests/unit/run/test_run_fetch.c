/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that the page cache holds, as a worker sees them: mapped or copied, in whatever parts, they
 * are those of the file; where the file shrank, the slot has an error. */
#include "run/fetch.h"

#include "base/num.h"
#include "run/view.h"
#include "support/merging.h"
#include "support/mkckpt.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { INPUTS = 2, PAGE_BYTES = 4096, NAME_BYTES = 16 };

/* A tile of several windows in elements of two widths. */
enum { ELEMS = 12 * OF_GRAIN_ELEMS + 12345 };

/* The framework puts its own handler of SIGBUS in place before each test; ours comes back here. */
static struct sigaction own_handler;

struct input {
    struct tmpdir_name file;
    uint8_t *bytes; /* of the whole file */
    size_t length;
    int fd;
};

struct fixture {
    struct tmpdir dir;
    struct input inputs[INPUTS];
    struct of_arena arena;
    struct of_plan *plan;
    struct of_job_context job;
    struct of_slot slot;
    struct of_job_scratch *scratch;
};

static void make_input(struct fixture *fixture, uint32_t i, char *ret_folder, size_t folder_bytes)
{
    static const onefold_dtype dtypes[INPUTS] = {ONEFOLD_DTYPE_F32, ONEFOLD_DTYPE_BF16};
    const struct mk_tensor tensor = {
        .name = "w", .dtype = dtypes[i], .rank = 1, .shape = {ELEMS}, .seed = 1 + i};
    struct input *input = &fixture->inputs[i];
    char name[NAME_BYTES];
    struct tmpdir_name folder;

    (void)snprintf(name, sizeof(name), "input-%u", i);
    folder = tmpdir_join(fixture->dir.path, name);
    mk_folder(folder.text, &tensor, 1);
    input->file = tmpdir_join(folder.text, "model.safetensors");
    input->bytes = (uint8_t *)tmpdir_read(input->file.text, &input->length);
    input->fd = open(input->file.text, O_RDONLY | O_CLOEXEC);
    assert_true(input->fd >= 0);
    (void)snprintf(ret_folder, folder_bytes, "%s", folder.text);
}

static void make_plan(struct fixture *fixture, char (*folders)[TMPDIR_PATH_MAX])
{
    struct of_report report = {0};
    struct of_recipe *recipe = NULL;
    struct merging merging;
    onefold_error err;
    char text[3 * TMPDIR_PATH_MAX];

    merging_init(&merging, NULL);
    merging.plan_options.tile_grains_max = 16;
    (void)snprintf(text, sizeof(text),
                   "merge_method: linear\nparameters: {weight: 1}\nmodels:\n  - model: %s\n"
                   "  - model: %s\n",
                   folders[0], folders[1]);
    of_arena_init(&fixture->arena, 0);
    assert_int_equal(
        of_recipe_parse(of_str_from(text), "r", &fixture->arena, &report, &recipe, &err),
        ONEFOLD_OK);
    assert_int_equal(of_plan_build(recipe, &merging.plan_options, &report, &fixture->plan, &err),
                     ONEFOLD_OK);
}

/* The first tile, all of it in the page cache. */
static void make_slot(struct fixture *fixture)
{
    const struct of_slot_sizes sizes = {
        .how = &fixture->plan->how, .leaf_count_max = 16, .step_count_max = 1};
    struct of_slot *slot = &fixture->slot;
    onefold_error err;

    assert_int_equal(of_slot_init(slot, 0, &sizes, &fixture->arena, &err), ONEFOLD_OK);
    of_plan_visit(fixture->plan, 0, &slot->visit);
    slot->round_count = INPUTS;
    assert_true(slot->area_count >= INPUTS);
    for (uint32_t i = 0; i < INPUTS; i++) {
        struct of_area *area = &slot->areas[i];
        struct of_range range;

        of_plan_visit_range(fixture->plan, &slot->visit, i, &range);
        area->input = i;
        area->cache_fd = fixture->inputs[i].fd;
        area->byte_count = range.byte_count;
        area->req.offset = range.offset;
    }
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    char folders[INPUTS][TMPDIR_PATH_MAX];

    assert_non_null(fixture);
    fixture->dir = tmpdir_make();
    for (uint32_t i = 0; i < INPUTS; i++) {
        make_input(fixture, i, folders[i], sizeof(folders[i]));
    }
    make_plan(fixture, folders);
    make_slot(fixture);
    fixture->job = (struct of_job_context){.plan = fixture->plan, .rows = fixture->plan->rows};
    fixture->scratch = aligned_alloc(OF_DIRECT_ALIGN_MAX, fixture->plan->how.scratch_bytes);
    assert_non_null(fixture->scratch);
    memset(fixture->scratch, 0, fixture->plan->how.scratch_bytes);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_panes_close(&fixture->scratch->panes);
    free(fixture->scratch);
    of_plan_free(fixture->plan);
    of_arena_finish(&fixture->arena);
    for (uint32_t i = 0; i < INPUTS; i++) {
        (void)close(fixture->inputs[i].fd);
        free(fixture->inputs[i].bytes);
    }
    tmpdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

static struct of_view view_of(struct fixture *fixture)
{
    return (struct of_view){.job = &fixture->job,
                            .slot = &fixture->slot,
                            .scratch = fixture->scratch,
                            .step = &fixture->plan->steps[0],
                            .tensor = &fixture->plan->tensors[0],
                            .elem_count = fixture->slot.visit.elem_count};
}

static void check_area(const struct fixture *fixture, const struct of_view *view, uint32_t i)
{
    const struct of_area *area = &fixture->slot.areas[i];
    const uint64_t size = i == 0 ? 4 : 2;
    const uint8_t *data = of_view_data(view, area);

    assert_non_null(data);
    assert_memory_equal(data, fixture->inputs[i].bytes + area->req.offset + view->skip_elems * size,
                        view->elem_count * size);
}

/* Goes through the tile as workers do, and returns how many of its parts were mapped. */
static uint32_t go_through(struct fixture *fixture)
{
    const struct of_view tile = view_of(fixture);
    uint32_t mapped_count = 0;
    uint64_t part_elems;

    of_fetch_begin(fixture->plan, &fixture->slot, fixture->scratch);
    part_elems = of_fetch_elems(&tile);
    for (uint64_t at = 0; at < tile.elem_count; at += part_elems) {
        const struct of_view part =
            of_view_part(&tile, at, of_num_min(part_elems, tile.elem_count - at));

        assert_true(of_fetch(&part));
        for (uint32_t i = 0; i < INPUTS; i++) {
            check_area(fixture, &part, i);
            mapped_count += fixture->slot.areas[i].in_panes;
        }
    }
    of_fetch_end(fixture->plan, &fixture->slot, fixture->scratch);
    assert_int_equal(fixture->slot.error.status, ONEFOLD_OK);
    return mapped_count;
}

static void open_panes(struct fixture *fixture, uint64_t size_bytes)
{
    onefold_error err;

    of_panes_close(&fixture->scratch->panes);
    assert_int_equal(of_panes_open(&fixture->scratch->panes, size_bytes, &err), ONEFOLD_OK);
}

static void test_copies(void **state)
{
    assert_int_equal(go_through(*state), 0);
}

/* Windows that hold the tile, or that have to be moved on, at another place for each width. */
static void test_windows(void **state)
{
    static const uint64_t sizes[] = {16 * OF_MIB, 3 * OF_MIB, 3 * OF_MIB + 13 * PAGE_BYTES,
                                     INPUTS * (OF_PANE_BYTES_MIN + 2 * PAGE_BYTES)};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < OF_LENGTH(sizes); i++) {
        open_panes(fixture, sizes[i]);
        for (int again = 0; again < 2; again++) {
            assert_true(go_through(fixture) > 0);
            assert_true(fixture->slot.areas[0].in_panes && fixture->slot.areas[1].in_panes);
        }
    }
}

/* Windows that are too short for a part are not had; it is copied. */
static void test_short_windows(void **state)
{
    struct fixture *fixture = *state;

    open_panes(fixture, (uint64_t)INPUTS * 4 * PAGE_BYTES);
    assert_int_equal(go_through(fixture), 0);
}

/* What is short, or lies at places of its own, is copied; the rest is mapped beside it. */
static void test_some_are_copied(void **state)
{
    struct fixture *fixture = *state;
    struct of_area *area = &fixture->slot.areas[1];
    uint32_t all;

    open_panes(fixture, 16 * OF_MIB);
    all = go_through(fixture);
    fixture->slot.visit.elem_count = OF_PANE_BYTES_MIN / 2 - 1; /* 2 and 4 bytes each */
    area->byte_count = OF_PANE_BYTES_MIN - 2;
    fixture->slot.areas[0].byte_count = 2 * area->byte_count;
    assert_true(go_through(fixture) > 0);
    assert_false(area->in_panes);
    assert_true(fixture->slot.areas[0].in_panes);
    assert_true(all > 1);
}

/* The file shrinks while it is mapped: what is read are zeros, and the end of the tile tells. */
static void test_a_file_that_shrinks(void **state)
{
    struct fixture *fixture = *state;
    const struct of_view tile = view_of(fixture);
    const struct of_view last = of_view_part(&tile, tile.elem_count - 8, 8);
    struct of_view part;
    const uint8_t *data;

    assert_int_equal(sigaction(SIGBUS, &own_handler, NULL), 0);
    open_panes(fixture, 16 * OF_MIB);
    of_fetch_begin(fixture->plan, &fixture->slot, fixture->scratch);
    part = of_view_part(&tile, 0, of_fetch_elems(&tile));
    assert_true(of_fetch(&part));
    data = of_view_data(&last, &fixture->slot.areas[1]);
    assert_int_equal(truncate(fixture->inputs[1].file.text, 100000), 0);
    assert_int_equal(data[0], 0);
    check_area(fixture, &part, 0);
    of_fetch_end(fixture->plan, &fixture->slot, fixture->scratch);
    assert_string_equal(fixture->slot.error.id, "input-changed");
    assert_non_null(strstr(fixture->slot.error.message, fixture->inputs[1].file.text));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_copies),
        TEST(test_windows),
        TEST(test_short_windows),
        TEST(test_some_are_copied),
        TEST(test_a_file_that_shrinks),
    };
    struct of_panes panes;
    onefold_error err;

    if (of_panes_open(&panes, PAGE_BYTES, &err) != ONEFOLD_OK ||
        sigaction(SIGBUS, NULL, &own_handler) != 0) {
        return 1;
    }
    of_panes_close(&panes);

    return cmocka_run_group_tests_name("run_fetch", tests, NULL, NULL);
}
