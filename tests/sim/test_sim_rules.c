/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every federated rule over the fake backend: what it makes agrees with the naive rule, and its
 * bytes never depend on order of events, workers, tile size, slots, inputs per round or instruction
 * set. With failures on the way, in either pass, there is no output folder at all.
 */
#include "base/limits.h"
#include "run/verify.h"
#include "support/io_fake.h"
#include "support/merging.h"
#include "support/mkckpt.h"
#include "support/oracle_rules.h"
#include "support/prng.h"
#include "support/tmpdir.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { INPUTS = 8, SEEDS_STANDARD = 6 };

/* Two grains and a bit, one of the other types, a bundle, one that is copied, an empty one. */
static struct mk_tensor tensors[] = {
    {.name = "model.embed_tokens.weight",
     .dtype = ONEFOLD_DTYPE_BF16,
     .rank = 2,
     .shape = {331, 401}},
    {.name = "model.layers.0.a.weight", .dtype = ONEFOLD_DTYPE_F16, .rank = 2, .shape = {50, 301}},
    {.name = "model.layers.0.norm.weight", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {401}},
    {.name = "model.layers.0.norm.bias", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {1}},
    {.name = "model.layers.0.scale", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {5001}},
    {.name = "model.layers.1.norm.weight", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {401}},
    {.name = "model.layers.1.empty", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {0, 7}},
    {.name = "model.position_ids", .dtype = ONEFOLD_DTYPE_I64, .rank = 1, .shape = {512}},
};
enum { TENSORS = sizeof(tensors) / sizeof(tensors[0]) };

static const double samples[INPUTS] = {900, 100, 350, 1200, 410, 77, 640, 230};
static const double steps[INPUTS] = {100, 2000, 370, 90, 1250, 480, 800, 33};

struct rule {
    const char *name;
    const char *parameters; /* as in the recipe, without beta; %.17g stands for the radius */
    size_t input_count;
    bool has_beta;
    bool has_samples;
    struct oracle_federation naive; /* the rest of it */
};

static const struct rule rules[] = {
    {"fednova", "", 8, true, false, {.rule = ORACLE_FEDNOVA}},
    {"fednova", "momentum: 0.9", 8, true, true, {.rule = ORACLE_FEDNOVA, .momentum = 0.9}},
    {"fedgma", "rho: 0.5", 8, true, false, {.rule = ORACLE_FEDGMA, .rho = 0.5}},
    {"fedgma",
     "rho: 0.4, voters: nonzero",
     7,
     true,
     false,
     {.rule = ORACLE_FEDGMA, .rho = 0.4, .nonzero = true}},
    {"fedgma", "rho: 0.45", 7, true, true, {.rule = ORACLE_FEDGMA, .rho = 0.45}},
    {"fedgma", "rho: 1.5", 5, true, false, {.rule = ORACLE_FEDGMA, .rho = 1.5}},
    {"median", "", 7, true, false, {.rule = ORACLE_MEDIAN, .middle = ORACLE_MID}},
    {"median", "mode: mid", 8, true, false, {.rule = ORACLE_MEDIAN, .middle = ORACLE_MID}},
    {"median", "mode: lower", 8, true, false, {.rule = ORACLE_MEDIAN, .middle = ORACLE_LOWER}},
    {"median", "mode: upper", 6, true, false, {.rule = ORACLE_MEDIAN, .middle = ORACLE_UPPER}},
    {"trimmed_mean", "trim: 2", 8, true, false, {.rule = ORACLE_TRIMMED_MEAN, .trim = 2}},
    {"trimmed_mean", "trim: 0", 3, true, false, {.rule = ORACLE_TRIMMED_MEAN, .trim = 0}},
    {"cclip", "radius: %.17g", 8, true, false, {.rule = ORACLE_CCLIP, .iterations = 1}},
    {"cclip",
     "radius: %.17g, iterations: 4, start: mean",
     8,
     true,
     false,
     {.rule = ORACLE_CCLIP, .iterations = 4, .from_mean = true}},
    {"cclip",
     "radius: %.17g, start: median",
     7,
     true,
     false,
     {.rule = ORACLE_CCLIP, .iterations = 1, .from_median = true}},
    {"cclip",
     "radius: %.17g, iterations: 4, start: median",
     8,
     true,
     false,
     {.rule = ORACLE_CCLIP, .iterations = 4, .from_median = true}},
    {"cclip",
     "radius: %.17g, iterations: 3",
     8,
     true,
     false,
     {.rule = ORACLE_CCLIP, .iterations = 3}},
    {"geometric_median",
     "",
     8,
     true,
     false,
     {.rule = ORACLE_GEOMETRIC_MEDIAN, .eps = 1e-5, .iterations = 4}},
    {"geometric_median",
     "iterations: 9, eps: 0.001",
     8,
     true,
     true,
     {.rule = ORACLE_GEOMETRIC_MEDIAN, .eps = 1e-3, .iterations = 9}},
    {"krum", "f: 2", 8, true, false, {.rule = ORACLE_KRUM, .f = 2}},
    {"multi_krum", "f: 1, m: 3", 8, true, false, {.rule = ORACLE_MULTI_KRUM, .f = 1, .m = 3}},
    {"bulyan", "f: 1", 7, true, false, {.rule = ORACLE_BULYAN, .f = 1}},
    {"bulyan", "f: 1", 8, true, false, {.rule = ORACLE_BULYAN, .f = 1}},
    {"arc", "f: 2", 8, true, false, {.rule = ORACLE_ARC, .f = 2}},
    {"fedexp", "", 8, false, false, {.rule = ORACLE_FEDEXP}},
    {"feddyn", "", 8, false, false, {.rule = ORACLE_FEDDYN}},
    {"metagpt", "", 8, true, false, {.rule = ORACLE_METAGPT}},
    {"inverse_norm", "", 8, true, false, {.rule = ORACLE_INVERSE_NORM}},
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

struct world {
    struct tmpdir dir;
    struct tmpdir_name base;
    struct tmpdir_name inputs[INPUTS];
    struct tmpdir_name output;
    struct oracle_model base_model;
    struct oracle_model models[INPUTS];
    const struct oracle_model *pointers[INPUTS];
    double radius; /* cuts some */
    char recipe[16384];
};

/* Fine-tunes differ in how far they moved; one did not touch some tensors at all. */
static void make_model(const char *path, uint32_t number)
{
    struct mk_tensor own[TENSORS]; /* every other model has them in another order */

    for (size_t i = 0; i < TENSORS; i++) {
        const bool untouched = number == 4 && i % 2 == 0;
        const bool is_copied = tensors[i].dtype == ONEFOLD_DTYPE_I64;

        tensors[i].seed = is_copied || untouched ? i + 1 : 100 * number + i + 1;
        tensors[i].width = is_copied || untouched ? 0.5 : 0.5 + 0.125 * number;
        own[number % 2 == 1 ? TENSORS - 1 - i : i] = tensors[i];
    }
    mk_sharded(path, own, TENSORS, 2);
    mk_config(path, "bfloat16");
}

static void find_radius(struct world *world)
{
    const struct oracle_federation all = {.rule = ORACLE_FEDDYN,
                                          .base = &world->base_model,
                                          .inputs = world->pointers,
                                          .input_count = INPUTS};
    struct oracle_facts facts;

    oracle_federate(&all, &facts);
    world->radius = sqrt(facts.gram[INPUTS / 2][INPUTS / 2]) * 1.01;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    world->dir = tmpdir_make();
    world->base = tmpdir_join(world->dir.path, "base");
    world->output = tmpdir_join(world->dir.path, "out");
    make_model(world->base.text, 0);
    oracle_read(world->base.text, &world->base_model);
    for (uint32_t i = 0; i < INPUTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "input-%u", i);
        world->inputs[i] = tmpdir_join(world->dir.path, name);
        make_model(world->inputs[i].text, 1 + i);
        oracle_read(world->inputs[i].text, &world->models[i]);
        world->pointers[i] = &world->models[i];
    }
    find_radius(world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;

    for (uint32_t i = 0; i < INPUTS; i++) {
        oracle_free(&world->models[i]);
    }
    oracle_free(&world->base_model);
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

static const char *write_recipe(struct world *world, const struct rule *rule)
{
    const bool has_steps = rule->naive.rule == ORACLE_FEDNOVA;
    char parameters[256];
    size_t at;

    (void)snprintf(parameters, sizeof(parameters), "%s%s", rule->has_beta ? "beta: 0.75, " : "",
                   rule->parameters);
    if (strstr(rule->parameters, "%.17g") != NULL) {
        (void)snprintf(parameters, sizeof(parameters), "beta: 0.75, radius: %.17g%s", world->radius,
                       strstr(rule->parameters, "%.17g") + 5);
    }
    at = (size_t)snprintf(world->recipe, sizeof(world->recipe),
                          "merge_method: %s\nbase_model: %s\nparameters: {%s}\nmodels:\n",
                          rule->name, world->base.text, parameters);
    for (size_t i = 0; i < rule->input_count; i++) {
        at += (size_t)snprintf(world->recipe + at, sizeof(world->recipe) - at, "  - model: %s\n",
                               world->inputs[i].text);
        if (rule->has_samples) {
            at += (size_t)snprintf(world->recipe + at, sizeof(world->recipe) - at,
                                   "    samples: %g\n", samples[i]);
        }
        if (has_steps) {
            at += (size_t)snprintf(world->recipe + at, sizeof(world->recipe) - at,
                                   "    steps: %g\n", steps[i]);
        }
    }
    return world->recipe;
}

static struct oracle_federation naive_of(const struct world *world, const struct rule *rule)
{
    struct oracle_federation naive = rule->naive;

    naive.base = &world->base_model;
    naive.inputs = world->pointers;
    naive.input_count = rule->input_count;
    naive.beta = 0.75;
    naive.shares = rule->has_samples ? samples : NULL;
    naive.steps = steps;
    naive.radius = world->radius;
    return naive;
}

static void vary(struct merging *merging, struct prng *prng)
{
    merging->plan_options.worker_count = (uint32_t)prng_between(prng, 1, 4);
    merging->plan_options.tile_grains_max = (uint32_t)prng_between(prng, 1, 4);
    merging->plan_options.slot_count_max = (uint32_t)prng_between(prng, 1, 9);
    merging->plan_options.area_count_max = (uint32_t)prng_between(prng, 0, INPUTS);
    merging->plan_options.out_shard_bytes = 300000;
    merging->plan_options.memory_bytes = 64 * OF_MIB;
    merging->run_options.split = (enum of_split)prng_below(prng, OF_SPLIT_MIXED + 1);
    merging->run_options.cpu_cap = prng_below(prng, 3) == 0 ? "scalar" : NULL;
}

static void assert_agrees(const struct world *world, const struct rule *rule,
                          const struct of_run_stats *stats)
{
    const struct oracle_federation naive = naive_of(world, rule);
    struct oracle_facts facts;
    struct oracle_model output;
    char message[512] = "";

    oracle_federate(&naive, &facts);
    oracle_read(world->output.text, &output);
    if (!oracle_federation_agrees(&naive, &facts, &output, message, sizeof(message))) {
        fail_msg("%s {%s}: %s", rule->name, rule->parameters, message);
    }
    oracle_free(&output);
    if (!stats->has_lambda || !(fabs(stats->beta - facts.beta) < 1e-6 * facts.beta) ||
        !(fabs(stats->lambda * (double)rule->input_count - facts.beta) < 1e-6 * facts.beta)) {
        fail_msg("%s {%s}: lambda %.17g, beta %.17g, expected beta %.17g", rule->name,
                 rule->parameters, stats->lambda, stats->beta, facts.beta);
    }
}

static void assert_verifies(const struct world *world)
{
    const struct of_verify_options options = {.thread_count = 2};
    struct of_verify_result result;
    onefold_error err;

    assert_int_equal(of_verify(world->output.text, &options, &result, &err), ONEFOLD_OK);
    assert_true(result.had_manifest && result.had_leaves);
}

static void run_rule(struct world *world, const struct rule *rule, uint64_t seeds)
{
    const uint64_t first_seed = prng_seed(1);
    struct of_sha256_digest root;

    memset(&root, 0, sizeof(root));
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
        if (merging_run(&merging, write_recipe(world, rule)) != ONEFOLD_OK) {
            fail_msg("%s {%s}, seed %llu: %s [%s]", rule->name, rule->parameters,
                     (unsigned long long)seed, merging.error.message, merging.error.id);
        }
        if (seed == first_seed) {
            root = merging.stats.signing_root;
            assert_agrees(world, rule, &merging.stats);
            assert_verifies(world);
        }
        /* Every byte of every file. */
        assert_memory_equal(&merging.stats.signing_root, &root, sizeof(root));
        remove_output(world);
    }
}

static void test_rules_agree_with_the_naive_ones(void **state)
{
    const char *wish = getenv("ONEFOLD_SIM_SEEDS");
    const uint64_t seeds = wish != NULL ? strtoull(wish, NULL, 10) / 20 : SEEDS_STANDARD;

    for (size_t i = 0; i < RULES; i++) {
        run_rule(*state, &rules[i], seeds > 1 ? seeds : 2);
    }
}

/* The real backends make the same bytes. */
static void test_backends_agree(void **state)
{
    struct world *world = *state;
    static const char *const names[] = {NULL, "threads", "mmap"};

    for (size_t i = 0; i < RULES; i += 3) {
        struct of_sha256_digest root;

        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            struct merging merging;

            merging_init(&merging, world->output.text);
            merging.plan_options.io_name = names[k];
            if (merging_run(&merging, write_recipe(world, &rules[i])) != ONEFOLD_OK) {
                fail_msg("%s: %s [%s]", names[k], merging.error.message, merging.error.id);
            }
            if (k == 0) {
                root = merging.stats.signing_root;
            }
            assert_memory_equal(&merging.stats.signing_root, &root, sizeof(root));
            remove_output(world);
        }
    }
}

/* Every operation fails once, in turn, in a rule of two passes and all inputs. */
static void test_every_failure_leaves_nothing(void **state)
{
    struct world *world = *state;
    static const struct rule rule = {"bulyan", "f: 1", 7, true, false, {.rule = ORACLE_BULYAN}};
    uint64_t total = 1;

    for (uint64_t at = 1; at <= total; at += 1 + at / 8) {
        struct io_fake_settings settings = {.seed = at, .hold_percent = 30, .fail_errno = EIO};
        struct merging merging;

        settings.fail_at = at;
        settings.fail_ever_after = true;
        io_fake_set(&settings);
        merging_init(&merging, world->output.text);
        merging.plan_options.tile_grains_max = 1;
        merging.plan_options.worker_count = 2;
        merging.run_options.backend = &io_fake_backend;
        assert_int_equal(merging_run(&merging, write_recipe(world, &rule)), ONEFOLD_E_IO);
        assert_int_equal(merging.error.state, ONEFOLD_STATE_DROP);
        assert_int_equal(tmpdir_count(world->dir.path), INPUTS + 1);
        if (at == 1) {
            settings.fail_at = 0;
            io_fake_set(&settings);
            assert_int_equal(merging_run(&merging, world->recipe), ONEFOLD_OK);
            total = io_fake_attempt_count();
            remove_output(world);
        }
    }
    assert_true(total > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_agree_with_the_naive_ones),
        cmocka_unit_test(test_backends_agree),
        cmocka_unit_test(test_every_failure_leaves_nothing),
    };

    return cmocka_run_group_tests_name("sim_rules", tests, set_up, tear_down);
}
