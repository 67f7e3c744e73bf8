/* SPDX-License-Identifier: Apache-2.0 */
/* The whole: what the hash covers, totals, metadata and config, and every failed allocation. */
#include "base/hash.h"
#include "planned.h"

static struct tmpdir dir;

#define TENSOR(n, d, ...)                                                            \
    {                                                                                \
        .name = (n), .dtype = ONEFOLD_DTYPE_##d, .rank = 2, .shape = { __VA_ARGS__ } \
    }

static const struct mk_tensor tensors[] = {
    TENSOR("lm_head.weight", BF16, 16, 8), TENSOR("model.layers.0.w", BF16, 300, 300),
    TENSOR("model.layers.1.w", BF16, 300, 300), TENSOR("ids", I64, 2, 2)};

static int make_dir(void **state)
{
    static const char *const folders[] = {"base", "a", "b"};

    (void)state;
    dir = tmpdir_make();
    for (size_t i = 0; i < 3; i++) {
        planned_sparse(tmpdir_join(dir.path, folders[i]).text, tensors, 4);
        mk_config(tmpdir_join(dir.path, folders[i]).text, "bfloat16");
    }
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static const char arithmetic[] = "merge_method: task_arithmetic\nbase_model: @base\n"
                                 "models: [{model: @a}, {model: @b}]\n"
                                 "parameters: {weight: 1, lambda: 0.5}\n";

static struct of_sha256_digest hash_of(const char *pattern,
                                       void (*change)(struct of_plan_options *))
{
    struct planned planned;
    struct of_sha256_digest hash;

    planned_parse(&planned, planned_text(&dir, pattern));
    if (change != NULL) {
        change(&planned.options);
    }
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    hash = planned.plan->hash;
    planned_finish(&planned);
    return hash;
}

static bool same(struct of_sha256_digest a, struct of_sha256_digest b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static void other_how(struct of_plan_options *options)
{
    options->memory_bytes = 64 * OF_MIB;
    options->worker_count = 7;
    options->io_name = "threads";
    options->direct = OF_DIRECT_OFF;
    options->tile_grains_max = 1;
    options->area_count_max = 1;
    options->slot_count_max = 1;
}

static void other_type(struct of_plan_options *options)
{
    options->has_out_dtype = true;
    options->out_dtype = ONEFOLD_DTYPE_F32;
}

static void other_shards(struct of_plan_options *options)
{
    options->out_shard_bytes = 200000;
}

static void other_sums(struct of_plan_options *options)
{
    options->sums = OF_SUM_XXH128;
}

static void keep_nonfinite(struct of_plan_options *options)
{
    options->nonfinite = OF_NONFINITE_KEEP;
}

static void the_hash_covers_what_decides_bytes(void **state)
{
    const struct of_sha256_digest hash = hash_of(arithmetic, NULL);

    (void)state;
    assert_true(same(hash, hash_of(arithmetic, NULL)));
    assert_true(same(hash, hash_of(arithmetic, other_how)));
    assert_false(same(hash, hash_of(arithmetic, other_type)));
    assert_false(same(hash, hash_of(arithmetic, other_shards)));
    assert_false(same(hash, hash_of(arithmetic, other_sums)));
    assert_false(same(hash, hash_of(arithmetic, keep_nonfinite)));
    assert_false(same(hash, hash_of("merge_method: task_arithmetic\nbase_model: @base\n"
                                    "models: [{model: @a}, {model: @b}]\n"
                                    "parameters: {weight: 1, lambda: 0.51}\n",
                                    NULL)));
}

static void totals_count_one_pass(void **state)
{
    const uint64_t bytes = (16 * 8 + 2 * 300 * 300) * 2 + 4 * 8;
    struct planned planned;

    (void)state;
    planned_good(&planned, planned_text(&dir, arithmetic));
    assert_int_equal(planned.plan->read_bytes, 3 * bytes);
    assert_int_equal(planned.plan->write_bytes,
                     bytes + planned.plan->output.shards[0].header_bytes);
    assert_int_equal(planned.plan->output.total_bytes, bytes);
    assert_int_equal(planned.plan->grain_count, 1 + 2 + 2 + 1);
    assert_true(planned.plan->has_base);
    planned_finish(&planned);

    /* One model listed twice is read twice; a base that is donor only is read where it is copied.
     */
    planned_good(&planned, planned_text(&dir, "merge_method: linear\nbase_model: @base\n"
                                              "models: [{model: @a}]\nparameters: {weight: 1}\n"));
    assert_int_equal(planned.plan->read_bytes, bytes + 4 * 8);
    planned_finish(&planned);
}

static void the_output_says_what_it_is(void **state)
{
    struct planned planned;

    (void)state;
    planned_parse(&planned, planned_text(&dir, arithmetic));
    other_type(&planned.options);
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_string_equal(planned.plan->config_patch.dtype, "float32");
    assert_int_equal(planned.plan->output.metadata_count, 1);
    assert_true(of_str_is(planned.plan->output.metadata[0].key, "format"));
    assert_true(of_str_is(planned.plan->output.metadata[0].value, "pt"));
    planned_finish(&planned);
    planned_good(&planned, planned_text(&dir, arithmetic));
    assert_null(planned.plan->config_patch.dtype);
    planned_finish(&planned);
}

static void metadata_is_kept_where_all_agree(void **state)
{
    static const float one[1] = {1.0F};
    static const struct mk_tensor x[] = {
        {.name = "x", .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = {1}, .bytes = one}};
    struct planned planned;

    (void)state;
    mk_file(tmpdir_join(dir.path, "p.safetensors").text, x, 1,
            "{\"zed\":\"same\",\"format\":\"mlx\",\"own\":\"p\",\"sshs_model_hash\":\"aa\"}");
    mk_file(tmpdir_join(dir.path, "q.safetensors").text, x, 1,
            "{\"zed\":\"same\",\"format\":\"pt\",\"own\":\"q\",\"sshs_model_hash\":\"aa\"}");
    planned_good(&planned, planned_text(&dir, "merge_method: linear\nmodels:\n"
                                              "- model: '@p.safetensors'\n"
                                              "- model: '@q.safetensors'\n"
                                              "parameters: {weight: 1}\n"));
    assert_int_equal(planned.plan->output.metadata_count, 2);
    assert_true(of_str_is(planned.plan->output.metadata[0].key, "format"));
    assert_true(of_str_is(planned.plan->output.metadata[0].value, "mlx"));
    assert_true(of_str_is(planned.plan->output.metadata[1].key, "zed"));
    planned_finish(&planned);
}

/* Any allocation may fail: a clean refusal, nothing lost (the sanitizer looks), and in the end a
 * plan. */
static void every_allocation_may_fail(void **state)
{
    bool done = false;

    (void)state;
    for (uint64_t nth = 1; !done; nth++) {
        struct planned planned;

        planned_parse(&planned, planned_text(&dir, arithmetic));
        of_mem_fail_at(nth, false);
        planned_build(&planned);
        of_mem_fail_at(0, false);
        done = planned.status == ONEFOLD_OK && planned.plan != NULL;
        if (planned.status != ONEFOLD_OK) {
            assert_null(planned.plan);
            assert_int_equal(planned.status, ONEFOLD_E_MEMORY);
        }
        assert_true(nth < 1000);
        planned_finish(&planned);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_covers_what_decides_bytes),
        cmocka_unit_test(totals_count_one_pass),
        cmocka_unit_test(the_output_says_what_it_is),
        cmocka_unit_test(metadata_is_kept_where_all_agree),
        cmocka_unit_test(every_allocation_may_fail),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
