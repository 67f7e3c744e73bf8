/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors the output has, where they come from, and what is said about those that do not fit.
 */
#include "planned.h"

static struct tmpdir dir;

#define TENSOR(n, d, ...)                                                            \
    {                                                                                \
        .name = (n), .dtype = ONEFOLD_DTYPE_##d, .rank = 2, .shape = { __VA_ARGS__ } \
    }

static int make_dir(void **state)
{
    (void)state;
    dir = tmpdir_make();
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static void make(const char *name, const struct mk_tensor *tensors, size_t count)
{
    planned_sparse(tmpdir_join(dir.path, name).text, tensors, count);
}

static void config(const char *name, const char *text)
{
    tmpdir_write_text(tmpdir_join(tmpdir_join(dir.path, name).text, "config.json").text, text);
}

static const char *recipe(const char *pattern)
{
    return planned_text(&dir, pattern);
}

static const char linear_two[] =
    "merge_method: linear\nmodels: [{model: @a}, {model: @b}]\nparameters: {weight: 1}\n";
static const char arithmetic[] = "merge_method: task_arithmetic\nbase_model: @base\n"
                                 "models: [{model: @a}, {model: @b}]\nparameters: {weight: 1}\n";

static void fail_plan(struct planned *planned, const char *pattern, onefold_status status)
{
    planned_parse(planned, recipe(pattern));
    planned_build(planned);
    assert_int_equal(planned->status, status);
    assert_null(planned->plan);
}

static void everything_that_does_not_fit_is_named_at_once(void **state)
{
    static const struct mk_tensor a[] = {TENSOR("only.a", F32, 2, 2), TENSOR("shape", F32, 2, 2),
                                         TENSOR("type", F32, 2, 2), TENSOR("float", F32, 2, 2),
                                         TENSOR("int", I32, 2, 2)};
    static const struct mk_tensor b[] = {TENSOR("only.b", F32, 2, 2), TENSOR("shape", F32, 2, 3),
                                         TENSOR("type", I32, 2, 2), TENSOR("float", BF16, 2, 2),
                                         TENSOR("int", I64, 2, 2)};
    struct planned planned;

    (void)state;
    make("a", a, 5);
    make("b", b, 5);
    fail_plan(&planned, linear_two, ONEFOLD_E_MISMATCH);
    assert_true(planned_found(&planned, "error mismatch-missing",
                              "\"only.a\" is missing in b; it is in a"));
    assert_true(planned_found(&planned, "error mismatch-missing",
                              "\"only.b\" is missing in a; it is in b"));
    assert_true(planned_found(&planned, "error mismatch-shape", "shape [2, 2] in a, [2, 3] in b"));
    assert_true(planned_found(&planned, "error mismatch-dtype", "type F32 in a, I32 in b"));
    assert_true(planned_found(&planned, "error mismatch-dtype", "type I32 in a, I64 in b"));
    assert_int_equal(planned.report.error_count, 5);
    planned_finish(&planned);
}

static void a_million_findings_are_twenty_lines(void **state)
{
    static char names[2][30][16];
    struct mk_tensor tensors[2][30];
    struct planned planned;

    (void)state;
    for (int i = 0; i < 2; i++) {
        for (int k = 0; k < 30; k++) {
            (void)sprintf(names[i][k], "%c.%d", 'a' + i, k);
            tensors[i][k] = (struct mk_tensor)TENSOR(names[i][k], F32, 1, 1);
        }
    }
    make("a", tensors[0], 30);
    make("b", tensors[1], 30);
    fail_plan(&planned, linear_two, ONEFOLD_E_MISMATCH);
    assert_int_equal(planned.finding_count, 21);
    assert_true(planned_found(&planned, "error mismatch-missing", "40 more"));
    planned_finish(&planned);
}

static void union_and_intersection(void **state)
{
    static const struct mk_tensor a[] = {TENSOR("x", F32, 2, 2), TENSOR("y", F32, 2, 2)};
    static const struct mk_tensor b[] = {TENSOR("x", F32, 2, 2), TENSOR("z", F32, 2, 2)};
    struct planned planned;

    (void)state;
    make("a", a, 2);
    make("b", b, 2);
    planned_parse(&planned, recipe(linear_two));
    planned.options.tensor_union = true;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(planned.plan->step_count, 3);
    assert_int_equal(planned.plan->inputs[0].layout->shards[planned_step(&planned, "z")],
                     OF_PLACE_ABSENT);
    assert_true(planned_row(&planned, "y")->coefs[1] == 0.0F);
    assert_true(planned_row(&planned, "y")->divisor == 1.0F);
    assert_true(planned_row(&planned, "x")->divisor == 2.0F);
    assert_int_equal(planned.plan->notice_count, 2);
    planned_finish(&planned);

    planned_parse(&planned, recipe(linear_two));
    planned.options.tensor_intersection = true;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(planned.plan->step_count, 1);
    assert_true(planned_found(&planned, "warning plan-left-out", "\"y\" is left out"));
    assert_true(planned_found(&planned, "warning plan-left-out", "\"z\" is left out"));
    planned_finish(&planned);
}

static void the_base_decides_set_and_order(void **state)
{
    static const struct mk_tensor base[] = {TENSOR("y", F32, 2, 2), TENSOR("x", F32, 2, 2),
                                            TENSOR("only.base", F32, 2, 2)};
    static const struct mk_tensor a[] = {TENSOR("x", F32, 2, 2), TENSOR("y", F32, 2, 2)};
    static const struct mk_tensor b[] = {TENSOR("x", F32, 2, 2), TENSOR("y", F32, 2, 2),
                                         TENSOR("z", F32, 2, 2)};
    struct planned planned;
    uint32_t step;

    (void)state;
    make("base", base, 3);
    make("a", a, 2);
    make("b", a, 2);
    planned_good(&planned, recipe(arithmetic));
    assert_true(of_str_is(planned.plan->tensors[0].name, "y"));
    step = planned_step(&planned, "only.base");
    assert_int_equal(planned.plan->steps[step].kind, OF_STEP_COPY);
    assert_int_equal(planned.plan->steps[step].source, 2);
    assert_false(planned.plan->steps[step].compare);
    assert_true(planned_found(&planned, "note plan-copied", "\"only.base\" is only in the base"));
    /* One layout for both inputs. */
    assert_ptr_equal(planned.plan->inputs[0].layout, planned.plan->inputs[1].layout);
    assert_ptr_equal(planned.plan->inputs[0].checkpoint->table,
                     planned.plan->inputs[1].checkpoint->table);
    planned_finish(&planned);

    make("b", b, 3);
    fail_plan(&planned, arithmetic, ONEFOLD_E_MISMATCH);
    assert_true(
        planned_found(&planned, "error mismatch-base", "\"z\" is missing in the base; it is in b"));
    planned_finish(&planned);
}

/* Every layout says what a look at the checkpoint alone says. */
static void expect_true_places(const struct planned *planned)
{
    const struct of_plan *plan = planned->plan;

    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        const struct of_plan_input *input = &plan->inputs[i];
        struct of_arena arena;
        struct of_checkpoint_set set = {.arena = &arena};
        struct of_checkpoint *alone;
        onefold_error err;

        of_arena_init(&arena, 0);
        assert_int_equal(of_checkpoint_open(&set, input->checkpoint->path, NULL, &alone, &err),
                         ONEFOLD_OK);
        for (uint32_t step = 0; step < plan->step_count; step++) {
            const uint32_t index = of_table_find(alone->table, plan->tensors[step].name);
            const struct of_layout *layout = input->layout;

            if (index == OF_MAP_NONE) {
                assert_int_equal(layout->shards[step], OF_PLACE_ABSENT);
                continue;
            }
            if (input->is_base && layout->shards[step] == OF_PLACE_ABSENT) {
                continue; /* the rule has no use for it */
            }
            assert_int_equal(layout->shards[step], alone->table->tensors[index].shard_index);
            assert_int_equal(layout->offsets[step], alone->table->tensors[index].offset);
            assert_int_equal(layout->dtypes[step], alone->table->tensors[index].dtype);
        }
        of_checkpoint_set_finish(&set);
        of_arena_finish(&arena);
    }
}

static void every_input_has_an_order_of_its_own(void **state)
{
    /* Types of different width change places in the output. */
    static const struct mk_tensor base[] = {TENSOR("r", BF16, 2, 3), TENSOR("p", F32, 2, 2),
                                            TENSOR("s", BF16, 1, 9), TENSOR("q", F32, 3, 2)};
    static const struct mk_tensor a[] = {TENSOR("s", F32, 1, 9), TENSOR("r", BF16, 2, 3),
                                         TENSOR("q", F32, 3, 2), TENSOR("p", BF16, 2, 2)};
    static const struct mk_tensor b[] = {TENSOR("q", BF16, 3, 2), TENSOR("s", BF16, 1, 9),
                                         TENSOR("p", F32, 2, 2), TENSOR("r", F32, 2, 3),
                                         TENSOR("z", F32, 1, 1)};
    static const char *const recipes[] = {arithmetic, linear_two,
                                          "merge_method: linear\nbase_model: @base\nmodels: "
                                          "[{model: @b}, {model: @a}]\nparameters: {weight: 1}\n"};
    struct planned planned;

    (void)state;
    make("base", base, 4);
    make("a", a, 4);
    /* b has the names of the others; then one more; then one less. */
    for (size_t count = 4; count != 0; count = count == 4 ? 5 : count == 5 ? 3 : 0) {
        make("b", b, count);
        for (size_t i = 0; i < OF_LENGTH(recipes); i++) {
            planned_parse(&planned, recipe(recipes[i]));
            planned.options.tensor_union = true;
            planned_build(&planned);
            if (i == 0 && count == 5) {
                assert_int_equal(planned.status, ONEFOLD_E_MISMATCH);
            } else {
                assert_int_equal(planned.status, ONEFOLD_OK);
                assert_int_equal(planned.plan->step_count, count == 5 ? 5 : 4);
                expect_true_places(&planned);
            }
            planned_finish(&planned);
        }
    }
}

static void types_of_the_result(void **state)
{
    static const struct mk_tensor base[] = {TENSOR("x", BF16, 2, 2), TENSOR("n", I64, 2, 2),
                                            TENSOR("o", F32, 1, 1)};
    static const struct mk_tensor a[] = {TENSOR("x", F32, 2, 2), TENSOR("n", I64, 2, 2)};
    static const struct mk_tensor b[] = {TENSOR("x", F16, 2, 2), TENSOR("n", I64, 2, 2)};
    struct planned planned;
    uint32_t step;

    (void)state;
    make("base", base, 3);
    make("a", a, 2);
    make("b", b, 2);
    planned_good(&planned, recipe(arithmetic));
    step = planned_step(&planned, "x");
    assert_int_equal(planned.plan->tensors[step].dtype, ONEFOLD_DTYPE_BF16);
    assert_true(planned.plan->steps[step].delta);
    step = planned_step(&planned, "n");
    assert_int_equal(planned.plan->steps[step].kind, OF_STEP_COPY);
    assert_int_equal(planned.plan->steps[step].source, 2);
    assert_true(planned.plan->steps[step].compare);
    planned_finish(&planned);

    /* Without a base the common type, F32 where they differ. */
    planned_good(&planned, recipe(linear_two));
    assert_int_equal(planned.plan->tensors[planned_step(&planned, "x")].dtype, ONEFOLD_DTYPE_F32);
    step = planned_step(&planned, "n");
    assert_int_equal(planned.plan->steps[step].source, 0);
    assert_false(planned.plan->has_base);
    planned_finish(&planned);

    /* Asked for: also where only the base has the tensor; integers keep theirs. */
    planned_parse(&planned, recipe(arithmetic));
    planned.options.has_out_dtype = true;
    planned.options.out_dtype = ONEFOLD_DTYPE_F16;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(planned.plan->tensors[planned_step(&planned, "x")].dtype, ONEFOLD_DTYPE_F16);
    assert_int_equal(planned.plan->tensors[planned_step(&planned, "n")].dtype, ONEFOLD_DTYPE_I64);
    step = planned_step(&planned, "o");
    assert_int_equal(planned.plan->steps[step].kind, OF_STEP_MERGE);
    assert_true(planned.plan->steps[step].delta);
    assert_true(planned_row(&planned, "o")->coefs[0] == 0.0F);
    planned_finish(&planned);
}

static void codes_with_scales_are_refused(void **state)
{
    static const struct mk_tensor a[] = {TENSOR("w.weight", F8_E4M3, 2, 2),
                                         TENSOR("w.weight_scale_inv", F32, 1, 1)};
    static const struct mk_tensor plain[] = {TENSOR("w.weight", F8_E4M3, 2, 2)};
    struct planned planned;

    (void)state;
    make("a", a, 2);
    make("b", a, 2);
    fail_plan(&planned, linear_two, ONEFOLD_E_UNSUPPORTED);
    assert_true(planned_found(&planned, "error unsupported-quantised", "\"w.weight\""));
    planned_finish(&planned);
    planned_good(&planned, recipe("merge_method: passthrough\nmodels: [{model: @a}]\n"));
    planned_finish(&planned);
    make("a", plain, 1);
    make("b", plain, 1);
    planned_good(&planned, recipe(linear_two));
    planned_finish(&planned);
    config("a", "{\"quantization_config\": {\"quant_method\": \"fp8\"}}");
    fail_plan(&planned, linear_two, ONEFOLD_E_UNSUPPORTED);
    planned_finish(&planned);
}

static void a_tied_model_lends_its_embedding(void **state)
{
    static const struct mk_tensor both[] = {TENSOR("lm_head.weight", BF16, 4, 2),
                                            TENSOR("model.embed_tokens.weight", BF16, 4, 2)};
    static const struct mk_tensor one[] = {TENSOR("model.embed_tokens.weight", BF16, 4, 2)};
    static const char tied[] = "{\"tie_word_embeddings\": true}";
    struct planned planned;
    uint32_t head;

    (void)state;
    make("a", both, 2);
    make("b", one, 1);
    fail_plan(&planned, linear_two, ONEFOLD_E_MISMATCH);
    planned_finish(&planned);

    config("b", tied);
    planned_good(&planned, recipe(linear_two));
    head = planned_step(&planned, "lm_head.weight");
    assert_int_equal(planned.plan->steps[head].kind, OF_STEP_MERGE);
    assert_int_equal(planned.plan->inputs[1].layout->offsets[head],
                     planned.plan->inputs[1]
                         .layout->offsets[planned_step(&planned, "model.embed_tokens.weight")]);
    assert_false(planned.plan->config_patch.set_tied);
    planned_finish(&planned);

    /* The donor's config said tied, the output is not. */
    planned_good(&planned, recipe("merge_method: linear\nbase_model: @b\n"
                                  "models: [{model: @a}, {model: @b}]\nparameters: {weight: 1}\n"));
    assert_true(planned.plan->config_patch.set_tied);
    assert_false(planned.plan->config_patch.tied);
    planned_finish(&planned);

    config("a", tied);
    planned_good(&planned, recipe(linear_two));
    assert_int_equal(planned.plan->step_count, 1);
    assert_true(planned_found(&planned, "note mismatch-tied", "is not written"));
    planned_finish(&planned);
}

static void the_base_among_the_models_is_no_input(void **state)
{
    static const struct mk_tensor a[] = {TENSOR("x", F32, 2, 2)};
    struct planned planned;

    (void)state;
    make("base", a, 1);
    make("a", a, 1);
    tmpdir_link(tmpdir_join(dir.path, "base").text, tmpdir_join(dir.path, "other").text);
    planned_good(&planned, recipe("merge_method: task_arithmetic\nbase_model: @base\n"
                                  "models: [{model: @base}, {model: @a}, {model: @other}]\n"
                                  "parameters: {weight: 1}\n"));
    assert_int_equal(planned.plan->input_count, 1);
    assert_string_equal(planned.plan->inputs[0].label, "a");
    assert_true(planned.plan->inputs[1].is_base);
    assert_true(planned_found(&planned, "warning input-same", "other is the base"));
    planned_finish(&planned);
    planned_good(&planned, recipe("merge_method: linear\nbase_model: @base\n"
                                  "models: [{model: @a}, {model: @a}]\nparameters: {weight: 1}\n"));
    assert_int_equal(planned.plan->input_count, 2);
    assert_false(planned.plan->has_base);
    assert_string_equal(planned.plan->donor->path, tmpdir_join(dir.path, "base").text);
    assert_true(planned_found(&planned, "warning recipe-repeat", "two inputs"));
    planned_finish(&planned);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_that_does_not_fit_is_named_at_once, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_million_findings_are_twenty_lines, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(union_and_intersection, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_base_decides_set_and_order, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(every_input_has_an_order_of_its_own, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(types_of_the_result, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(codes_with_scales_are_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_tied_model_lends_its_embedding, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_base_among_the_models_is_no_input, make_dir,
                                        remove_dir),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
