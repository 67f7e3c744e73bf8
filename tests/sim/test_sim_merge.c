/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded whole merges over the fake backend: order, delays and short transfers of the requests,
 * workers, hash threads, tile size, slots and inputs per round vary; the bytes of the output never
 * do, and they agree with the naive merge. With failures on the way there is no output folder at
 * all.
 */
#include "base/limits.h"
#include "run/verify.h"
#include "support/io_fake.h"
#include "support/merging.h"
#include "support/mkckpt.h"
#include "support/oracle.h"
#include "support/prng.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS = 3, SEEDS_STANDARD = 60 };

/* Large tensors for tiles, small ones for bundles, an integer one and an empty one. */
static struct mk_tensor tensors[] = {
    {.name = "model.embed_tokens.weight",
     .dtype = ONEFOLD_DTYPE_BF16,
     .rank = 2,
     .shape = {523, 401}},
    {.name = "model.layers.0.a.weight", .dtype = ONEFOLD_DTYPE_F16, .rank = 2, .shape = {300, 301}},
    {.name = "model.layers.0.norm.weight", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {401}},
    {.name = "model.layers.0.norm.bias", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {1}},
    {.name = "model.layers.0.scale", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {70001}},
    {.name = "model.layers.1.a.weight",
     .dtype = ONEFOLD_DTYPE_BF16,
     .rank = 2,
     .shape = {257, 255}},
    {.name = "model.layers.1.norm.weight", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {401}},
    {.name = "model.layers.1.empty", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {0, 7}},
    {.name = "model.position_ids", .dtype = ONEFOLD_DTYPE_I64, .rank = 1, .shape = {512}},
    {.name = "model.mask", .dtype = ONEFOLD_DTYPE_BOOL, .rank = 1, .shape = {100003}},
};
enum { TENSORS = sizeof(tensors) / sizeof(tensors[0]) };

struct world {
    struct tmpdir dir;
    struct tmpdir_name base;
    struct tmpdir_name inputs[INPUTS];
    struct tmpdir_name output;
    char recipe[16384];
    struct of_digest expected; /* digest of the whole output */
    struct of_sha256_digest root;
    bool is_known;
};

static void make_model(const char *path, uint64_t seed)
{
    struct mk_tensor own[TENSORS];

    for (size_t i = 0; i < TENSORS; i++) {
        /* Integers are copied: the same everywhere. */
        tensors[i].seed =
            tensors[i].dtype == ONEFOLD_DTYPE_I64 || tensors[i].dtype == ONEFOLD_DTYPE_BOOL
                ? i + 1
                : seed * 100 + i;
        /* Every other model has them in another order: bundles are read step by step there. */
        own[seed % 2 == 0 ? TENSORS - 1 - i : i] = tensors[i];
    }
    mk_sharded(path, own, TENSORS, 2);
    mk_config(path, "bfloat16");
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    size_t at;

    assert_non_null(world);
    world->dir = tmpdir_make();
    world->base = tmpdir_join(world->dir.path, "base");
    world->output = tmpdir_join(world->dir.path, "out");
    make_model(world->base.text, 1);
    at = (size_t)snprintf(world->recipe, sizeof(world->recipe),
                          "merge_method: task_arithmetic\nbase_model: %s\nout_dtype: bfloat16\n"
                          "parameters:\n  lambda: 0.7\nmodels:\n",
                          world->base.text);
    for (uint32_t i = 0; i < INPUTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "input-%u", i);
        world->inputs[i] = tmpdir_join(world->dir.path, name);
        make_model(world->inputs[i].text, 2 + i);
        at += (size_t)snprintf(world->recipe + at, sizeof(world->recipe) - at,
                               "  - model: %s\n    parameters:\n      weight: %.2f\n",
                               world->inputs[i].text, 0.5 + 0.25 * i);
    }
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    tmpdir_remove(&world->dir);
    free(world);
    return 0;
}

static void remove_output(const struct world *world)
{
    char command[TMPDIR_PATH_MAX + 16];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", world->output.text);
    assert_int_equal(system(command), 0);
}

/* Nothing of ours is left: neither the output nor its staging folder. */
static void assert_nothing_left(const struct world *world)
{
    char stage[TMPDIR_PATH_MAX + 32];

    (void)snprintf(stage, sizeof(stage), "%s.onefold-partial", world->output.text);
    assert_false(tmpdir_exists(world->output.text));
    assert_false(tmpdir_exists(stage));
}

static void vary(struct merging *merging, struct prng *prng)
{
    merging->plan_options.worker_count = (uint32_t)prng_between(prng, 1, 4);
    /* 0: by CPUs, of their own or the workers'. */
    merging->plan_options.hash_thread_count = (uint32_t)prng_between(prng, 0, 5);
    merging->plan_options.machine_cpu_count = (uint32_t)prng_between(prng, 1, 8);
    merging->plan_options.pool_count = (uint32_t)prng_between(prng, 1, 3);
    merging->plan_options.tile_grains_max = (uint32_t)prng_between(prng, 1, 4);
    merging->plan_options.slot_count_max = (uint32_t)prng_between(prng, 1, 9);
    merging->plan_options.area_count_max = (uint32_t)prng_between(prng, 1, INPUTS);
    merging->plan_options.direct = (enum of_direct)(prng_below(prng, 2) * OF_DIRECT_OFF);
    merging->plan_options.out_shard_bytes = 300000;
    merging->plan_options.memory_bytes = 64 * OF_MIB;
    merging->run_options.split = (enum of_split)prng_below(prng, OF_SPLIT_MIXED + 1);
}

static void assert_agrees(const struct world *world)
{
    struct oracle_model base;
    struct oracle_model inputs[INPUTS];
    struct oracle_model output;
    const struct oracle_model *pointers[INPUTS];
    double weights[INPUTS];
    struct oracle_merge merge = {
        .rule = ORACLE_TASK_ARITHMETIC, .factor = 0.7, .input_count = INPUTS};
    char message[512] = "";

    oracle_read(world->base.text, &base);
    oracle_read(world->output.text, &output);
    for (uint32_t i = 0; i < INPUTS; i++) {
        oracle_read(world->inputs[i].text, &inputs[i]);
        pointers[i] = &inputs[i];
        weights[i] = 0.5 + 0.25 * i;
    }
    merge.base = &base;
    merge.inputs = pointers;
    merge.weights = weights;
    if (!oracle_agrees(&merge, &output, message, sizeof(message))) {
        fail_msg("%s", message);
    }
    for (uint32_t i = 0; i < INPUTS; i++) {
        oracle_free(&inputs[i]);
    }
    oracle_free(&output);
    oracle_free(&base);
}

static void assert_verifies(const struct world *world)
{
    const struct of_verify_options options = {.thread_count = 2};
    struct of_verify_result result;
    onefold_error err;

    assert_int_equal(of_verify(world->output.text, &options, &result, &err), ONEFOLD_OK);
    assert_true(result.had_manifest && result.had_leaves && result.had_sha256_list &&
                result.had_xxh128_list);
    assert_memory_equal(&result.checkpoint_digest, &world->expected, sizeof(world->expected));
}

static void test_digest_never_changes(void **state)
{
    struct world *world = *state;
    const uint64_t first_seed = prng_seed(1);
    const char *wish = getenv("ONEFOLD_SIM_SEEDS");
    const uint64_t seeds = wish != NULL ? strtoull(wish, NULL, 10) : SEEDS_STANDARD;
    uint64_t tile_count = 0;
    uint64_t split_count = 0;

    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        struct prng prng = prng_make(seed);
        struct io_fake_settings settings = {.seed = seed};
        struct merging merging;

        settings.hold_percent = (uint32_t)prng_below(&prng, 90);
        settings.short_percent = (uint32_t)prng_below(&prng, 50);
        settings.retry_percent = (uint32_t)prng_below(&prng, 20);
        io_fake_set(&settings);
        merging_init(&merging, world->output.text);
        vary(&merging, &prng);
        merging.run_options.backend = &io_fake_backend;
        if (merging_run(&merging, world->recipe) != ONEFOLD_OK) {
            fail_msg("seed %llu: %s [%s]", (unsigned long long)seed, merging.error.message,
                     merging.error.id);
        }
        if (!world->is_known) {
            world->expected = merging.stats.checkpoint_digest;
            world->root = merging.stats.signing_root;
            world->is_known = true;
            assert_agrees(world);
            assert_verifies(world);
        }
        /* The digest of the tensors, and with the root every byte of every file. */
        assert_memory_equal(&merging.stats.checkpoint_digest, &world->expected,
                            sizeof(world->expected));
        assert_true(merging.stats.has_signing_root);
        assert_memory_equal(&merging.stats.signing_root, &world->root, sizeof(world->root));
        assert_true(merging.stats.tile_count == merging.visit_count);
        tile_count += merging.stats.tile_count;
        split_count += merging.stats.split_count;
        remove_output(world);
    }
    assert_true(seeds < SEEDS_STANDARD || (split_count > 0 && split_count < tile_count));
}

/* Reads wait for room in the bound on their bytes, and one always has it; the bytes are the same.
 */
static void test_reads_underway_are_bounded(void **state)
{
    struct world *world = *state;
    static const uint64_t bounds[] = {0, 1, 300000};
    uint32_t most[3];

    assert_true(world->is_known);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        const struct io_fake_settings settings = {.seed = i, .hold_percent = 80};
        struct merging merging;

        io_fake_set(&settings);
        merging_init(&merging, world->output.text);
        merging.flight_bytes = bounds[i];
        merging.plan_options.tile_grains_max = 1;
        merging.plan_options.out_shard_bytes = 300000;
        merging.run_options.backend = &io_fake_backend;
        assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_OK);
        assert_memory_equal(&merging.stats.signing_root, &world->root, sizeof(world->root));
        most[i] = io_fake_reads_max();
        remove_output(world);
    }
    assert_int_equal(most[1], 1);
    assert_in_range(most[2], 2, most[0] - 1);
}

/* The real backends make the same bytes. */
static void test_backends_agree(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {NULL, "threads", "mmap"};

    assert_true(world->is_known);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct merging merging;

        merging_init(&merging, world->output.text);
        merging.plan_options.io_name = names[i];
        merging.plan_options.out_shard_bytes = 300000;
        merging.run_options.split = OF_SPLIT_MIXED;
        if (merging_run(&merging, world->recipe) != ONEFOLD_OK) {
            fail_msg("%s: %s [%s]", names[i], merging.error.message, merging.error.id);
        }
        assert_memory_equal(&merging.stats.signing_root, &world->root, sizeof(world->root));
        assert_in_range(merging.stats.split_count, 1, merging.stats.tile_count - 1);
        remove_output(world);
    }
}

/* Every operation fails once, in turn; whatever fails, there is no output and nothing else. */
static void fail_every_operation(const struct world *world, uint32_t tile_grains)
{
    static const int errnos[] = {EIO, ENOSPC, EINVAL};
    uint64_t total = 1;

    for (uint64_t at = 1; at <= total; at += 1 + at / 12) {
        struct io_fake_settings settings = {.seed = at, .hold_percent = 30};
        struct merging merging;
        onefold_status status;

        settings.fail_at = at;
        settings.fail_errno = errnos[at % 3];
        settings.fail_ever_after = true;
        io_fake_set(&settings);
        merging_init(&merging, world->output.text);
        merging.plan_options.tile_grains_max = tile_grains;
        merging.plan_options.worker_count = 2;
        merging.plan_options.hash_thread_count = 3;
        merging.plan_options.out_shard_bytes = 300000;
        merging.run_options.backend = &io_fake_backend;
        status = merging_run(&merging, world->recipe);
        assert_int_equal(status, ONEFOLD_E_IO);
        assert_int_equal(merging.error.state, ONEFOLD_STATE_DROP);
        assert_nothing_left(world);
        if (at == 1) {
            settings.fail_at = 0;
            io_fake_set(&settings);
            assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_OK);
            total = io_fake_attempt_count();
            remove_output(world);
        }
    }
    assert_true(total > 10);
}

static void test_every_failure_leaves_nothing(void **state)
{
    fail_every_operation(*state, 1); /* no bundles */
    fail_every_operation(*state, 4);
}

/* What the user is told follows from the errno of the request. Whether reads or writes fail first
 * depends on the attempt; over all of them both do. */
static void test_ids_of_failed_requests(void **state)
{
    static const struct {
        int failure;
        const char *read_id;
        const char *write_id;
    } rows[] = {{EIO, "input-io", "output-io"},      {ENOSPC, "input-io", "space-run"},
                {EDQUOT, "input-io", "space-run"},   {EROFS, "input-io", "output-gone"},
                {ESTALE, "input-io", "output-gone"}, {ETIMEDOUT, "io-stuck", "io-stuck"}};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool seen_read = false;
        bool seen_write = false;

        for (uint64_t at = 1; at < 40; at += 2) {
            struct io_fake_settings settings = {.seed = at, .fail_at = at, .fail_ever_after = true};
            struct merging merging;

            settings.fail_errno = rows[i].failure;
            io_fake_set(&settings);
            merging_init(&merging, world->output.text);
            merging.plan_options.tile_grains_max = 1;
            merging.plan_options.slot_count_max = 4; /* or all that fails is a read ahead */
            merging.run_options.backend = &io_fake_backend;
            assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_E_IO);
            assert_int_equal(merging.error.sys_errno, rows[i].failure);
            assert_nothing_left(world);
            if (strstr(merging.error.message, "cannot read") != NULL) {
                assert_string_equal(merging.error.id, rows[i].read_id);
                seen_read = true;
            } else {
                assert_string_equal(merging.error.id, rows[i].write_id);
                seen_write = true;
            }
        }
        assert_true(seen_read && seen_write);
    }
}

/* A read that fails once with EIO is tried again. */
static void test_one_read_error_is_survived(void **state)
{
    struct world *world = *state;
    struct io_fake_settings settings = {.seed = 5, .fail_at = 1, .fail_errno = EIO};
    struct merging merging;

    io_fake_set(&settings);
    merging_init(&merging, world->output.text);
    merging.run_options.backend = &io_fake_backend;
    assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_OK);
    remove_output(world);
}

static void test_shrinking_input(void **state)
{
    struct world *world = *state;
    struct io_fake_settings settings = {
        .seed = 3, .fail_at = 2, .fail_as_end = true, .fail_ever_after = true};
    struct merging merging;

    io_fake_set(&settings);
    merging_init(&merging, world->output.text);
    merging.run_options.backend = &io_fake_backend;
    assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_E_MISMATCH);
    assert_string_equal(merging.error.id, "input-changed");
    assert_nothing_left(world);
}

/* Touches an input in the middle of the run: nobody may publish a mixture of two versions. */
static void touch_input(void *context, uint64_t attempt)
{
    struct world *world = context;

    if (attempt == 4) {
        struct tmpdir_name shard =
            tmpdir_join(world->inputs[1].text, "model-00001-of-00002.safetensors");
        size_t length;
        char *bytes = tmpdir_read(shard.text, &length);

        tmpdir_write(shard.text, bytes, length);
        free(bytes);
    }
}

static void test_changed_input(void **state)
{
    struct world *world = *state;
    struct io_fake_settings settings = {.seed = 4};
    struct merging merging;

    io_fake_set(&settings);
    io_fake_hook(touch_input, world);
    merging_init(&merging, world->output.text);
    merging.run_options.backend = &io_fake_backend;
    assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_E_MISMATCH);
    assert_string_equal(merging.error.id, "input-changed");
    assert_int_equal(merging.error.state, ONEFOLD_STATE_DROP);
    assert_nothing_left(world);
}

static volatile sig_atomic_t cancel_flag;

static void raise_flag(void *context, uint64_t attempt)
{
    if (attempt == *(const uint64_t *)context) {
        cancel_flag = SIGINT;
    }
}

static void test_interrupt_leaves_nothing(void **state)
{
    struct world *world = *state;

    for (uint64_t at = 1; at < 40; at += 3) {
        struct io_fake_settings settings = {.seed = at, .hold_percent = 50};
        struct merging merging;

        cancel_flag = 0;
        io_fake_set(&settings);
        io_fake_hook(raise_flag, &at);
        merging_init(&merging, world->output.text);
        merging.plan_options.tile_grains_max = 1;
        merging.plan_options.hash_thread_count = 1 + (uint32_t)at % 4;
        merging.plan_options.out_shard_bytes = 300000;
        merging.run_options.backend = &io_fake_backend;
        merging.run_options.cancel = &cancel_flag;
        assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_E_CANCELLED);
        assert_nothing_left(world);
    }
}

/* Merges the base and a model that has bad values; each time the same one is named. */
static void assert_one_is_named(const struct world *world, const char *folder, uint32_t tensor,
                                uint64_t elem, bool in_parts)
{
    char recipe[3 * TMPDIR_PATH_MAX];
    char first[sizeof(((onefold_error *)NULL)->message)] = "";
    char place[32];

    (void)snprintf(recipe, sizeof(recipe),
                   "merge_method: linear\nout_dtype: bfloat16\nparameters: {weight: 1}\nmodels:\n  "
                   "- model: %s\n  - model: "
                   "%s\n",
                   world->base.text, folder);
    (void)snprintf(place, sizeof(place), " %llu", (unsigned long long)elem);
    for (uint64_t seed = 1; seed <= SEEDS_STANDARD; seed++) {
        struct prng prng = prng_make(seed);
        struct io_fake_settings settings = {.seed = seed, .hold_percent = 60};
        struct merging merging;

        io_fake_set(&settings);
        merging_init(&merging, world->output.text);
        vary(&merging, &prng);
        merging.plan_options.hash_thread_count = seed == 1 ? 1 : 1 + (uint32_t)seed % 4;
        merging.run_options.backend = &io_fake_backend;
        if (in_parts) {
            merging.plan_options.tile_grains_max = 4;
            merging.plan_options.slot_count_max = 9;
            merging.plan_options.area_count_max = INPUTS;
            merging.run_options.split = OF_SPLIT_ALWAYS;
        }
        if (merging_run(&merging, recipe) != ONEFOLD_E_VALUE) {
            fail_msg("seed %llu: %s [%s]", (unsigned long long)seed, merging.error.message,
                     merging.error.id);
        }
        assert_string_equal(merging.error.id, "value-input");
        assert_nothing_left(world);
        if (seed == 1) {
            (void)snprintf(first, sizeof(first), "%s", merging.error.message);
            assert_non_null(strstr(first, tensors[tensor].name));
            assert_non_null(strstr(first, place));
        }
        assert_string_equal(merging.error.message, first);
    }
}

/* Two tensors of different output shards have a bad value each, the first one in its last tile. It
 * is named, also when the other one is met in another lane before that tile was even fed. */
static void test_lowest_failure_is_reported(void **state)
{
    enum { FIRST = 0, SECOND = 5 };
    static uint16_t first_values[523 * 401];
    static uint16_t second_values[257 * 255];
    struct world *world = *state;
    struct tmpdir_name folder = tmpdir_join(world->dir.path, "bad");

    first_values[523 * 401 - 1] = 0x7fc0;
    second_values[0] = 0x7fc0;
    tensors[FIRST].bytes = first_values;
    tensors[SECOND].bytes = second_values;
    make_model(folder.text, 9);
    tensors[FIRST].bytes = NULL;
    tensors[SECOND].bytes = NULL;
    assert_one_is_named(world, folder.text, FIRST, 523 * 401 - 1, false);
}

/* A tensor of one tile has bad values in its first grain and in its last: in two parts of the tile.
 */
static void test_lowest_failure_in_a_tile_is_reported(void **state)
{
    static uint16_t values[523 * 401];
    struct world *world = *state;
    struct tmpdir_name folder = tmpdir_join(world->dir.path, "twice-bad");

    values[65535] = 0x7fc0;
    values[523 * 401 - 1] = 0x7fc0;
    tensors[0].bytes = values;
    make_model(folder.text, 9);
    tensors[0].bytes = NULL;
    assert_one_is_named(world, folder.text, 0, 65535, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_never_changes),
        cmocka_unit_test(test_backends_agree),
        cmocka_unit_test(test_every_failure_leaves_nothing),
        cmocka_unit_test(test_reads_underway_are_bounded),
        cmocka_unit_test(test_ids_of_failed_requests),
        cmocka_unit_test(test_one_read_error_is_survived),
        cmocka_unit_test(test_shrinking_input),
        cmocka_unit_test(test_interrupt_leaves_nothing),
        cmocka_unit_test(test_changed_input),
        cmocka_unit_test(test_lowest_failure_is_reported),
        cmocka_unit_test(test_lowest_failure_in_a_tile_is_reported),
    };

    return cmocka_run_group_tests_name("sim_merge", tests, set_up, tear_down);
}
