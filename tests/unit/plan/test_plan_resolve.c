/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters per tensor, gradients over stacks, and the factor in its two forms. */
#include "planned.h"

static struct tmpdir dir;

#define TENSOR(n)                                                          \
    {                                                                      \
        .name = (n), .dtype = ONEFOLD_DTYPE_F32, .rank = 1, .shape = { 4 } \
    }

static const struct mk_tensor tensors[] = {
    TENSOR("lm_head.weight"),       TENSOR("model.layers.0.mlp.w"), TENSOR("model.layers.0.attn.w"),
    TENSOR("model.layers.1.mlp.w"), TENSOR("model.layers.2.mlp.w"), TENSOR("model.layers.4.mlp.w"),
    TENSOR("tower.blocks.0.mlp.w")};

static int make_dir(void **state)
{
    static const char *const folders[] = {"base", "a", "b", "c"};

    (void)state;
    dir = tmpdir_make();
    for (size_t i = 0; i < 4; i++) {
        planned_sparse(tmpdir_join(dir.path, folders[i]).text, tensors,
                       sizeof(tensors) / sizeof(tensors[0]));
    }
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static void plan(struct planned *planned, const char *pattern)
{
    planned_good(planned, planned_text(&dir, pattern));
}

static void check(float found, double wanted)
{
    if (found != (float)wanted) {
        fail_msg("%.9g is not %.9g", (double)found, wanted);
    }
}

static void gradients_run_over_each_stack(void **state)
{
    struct planned planned;

    (void)state;
    plan(&planned, "merge_method: linear\nmodels:\n"
                   "- {model: @a, parameters: {weight: [1, 2, 3]}}\n- {model: @b}\n"
                   "parameters: {weight: 0.5, normalize: false}\n");
    check(planned_row(&planned, "model.layers.0.mlp.w")->coefs[0], 1.0);
    check(planned_row(&planned, "model.layers.1.mlp.w")->coefs[0], 1.5);
    check(planned_row(&planned, "model.layers.2.mlp.w")->coefs[0], 2.0);
    check(planned_row(&planned, "model.layers.4.mlp.w")->coefs[0], 3.0);
    /* Loose tensors are at t = 0, a stack of one layer at t = 1. */
    check(planned_row(&planned, "lm_head.weight")->coefs[0], 1.0);
    check(planned_row(&planned, "tower.blocks.0.mlp.w")->coefs[0], 3.0);
    check(planned_row(&planned, "lm_head.weight")->coefs[1], 0.5);
    assert_false(planned_row(&planned, "lm_head.weight")->has_divisor);
    assert_false(planned_row(&planned, "lm_head.weight")->has_factor);
    /* 1, 1.5, 2 and 3: equal rows are one row. */
    assert_int_equal(planned.plan->row_count, 4);
    assert_true(planned_found(&planned, "warning plan-holes", "4 layers are numbered up to 4"));
    planned_finish(&planned);
}

/* As a file has them whose writer sorted names as texts: 10 before 2. */
static void stacks_may_be_in_any_order(void **state)
{
    static const struct mk_tensor mixed[] = {
        TENSOR("m.layers.0.w"),  TENSOR("m.layers.1.w"), TENSOR("m.layers.10.w"),
        TENSOR("n.layers.1.w"),  TENSOR("m.layers.2.w"), TENSOR("m.layers.5.w"),
        TENSOR("m.layers.10.v"), TENSOR("n.layers.0.w"), TENSOR("m.layers.2.v")};
    struct planned planned;

    (void)state;
    planned_sparse(tmpdir_join(dir.path, "mixed").text, mixed, sizeof(mixed) / sizeof(mixed[0]));
    plan(&planned, "merge_method: linear\nmodels:\n"
                   "- {model: @mixed, parameters: {weight: [0, 10]}}\n- {model: @mixed}\n"
                   "parameters: {weight: 0.5, normalize: false}\n");
    check(planned_row(&planned, "m.layers.0.w")->coefs[0], 0.0);
    check(planned_row(&planned, "m.layers.10.w")->coefs[0], 10.0);
    check(planned_row(&planned, "m.layers.2.w")->coefs[0], 2.0);
    check(planned_row(&planned, "m.layers.5.w")->coefs[0], 5.0);
    check(planned_row(&planned, "m.layers.10.v")->coefs[0], 10.0);
    check(planned_row(&planned, "m.layers.2.v")->coefs[0], 2.0);
    check(planned_row(&planned, "n.layers.1.w")->coefs[0], 10.0);
    check(planned_row(&planned, "n.layers.0.w")->coefs[0], 0.0);
    assert_true(planned_found(&planned, "warning plan-holes",
                              "stack \"m.layers\": 5 layers are numbered up to 10"));
    planned_finish(&planned);
}

static void filters_look_at_names_and_fall_through(void **state)
{
    struct planned planned;

    (void)state;
    plan(&planned, "merge_method: linear\nmodels:\n"
                   "- model: @a\n  parameters:\n    weight: [{filter: attn, value: 7}]\n"
                   "- {model: @b}\n"
                   "parameters:\n  weight: [{filter: mlp, value: [4, 8]}, {value: 2}]\n");
    check(planned_row(&planned, "model.layers.0.attn.w")->coefs[0], 7.0);
    check(planned_row(&planned, "model.layers.0.attn.w")->coefs[1], 2.0);
    check(planned_row(&planned, "model.layers.1.mlp.w")->coefs[0], 5.0);
    check(planned_row(&planned, "model.layers.4.mlp.w")->coefs[0], 8.0);
    check(planned_row(&planned, "lm_head.weight")->coefs[0], 2.0);
    planned_finish(&planned);
}

static void no_filter_that_matches_is_a_missing_parameter(void **state)
{
    struct planned planned;

    (void)state;
    planned_parse(&planned,
                  planned_text(&dir, "merge_method: linear\nmodels: [{model: @a}, {model: @b}]\n"
                                     "parameters: {weight: [{filter: mlp, value: 1}]}\n"));
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_RECIPE);
    assert_int_equal(planned.report.error_count, 4);
    assert_true(planned_found(&planned, "error recipe-param",
                              "\"weight\" for a, tensor \"lm_head.weight\""));
    assert_true(planned_found(&planned, "error recipe-param", "tensor \"model.layers.0.attn.w\""));
    planned_finish(&planned);
}

static void lambda_and_beta_are_one_factor(void **state)
{
    static const struct {
        const char *lines;
        double lambda;
        double beta;
        double factor;
    } rows[] = {
        {"merge_method: task_arithmetic\nparameters: {weight: 1, lambda: 0.4}\n", 0.4, 1.2, 0.4},
        {"merge_method: task_arithmetic\nparameters: {weight: 1}\n", 1.0, 3.0, 1.0},
        {"merge_method: task_arithmetic\nparameters: {weight: 1, beta: 0.9}\n", 0.3, 0.9, 0.3},
        {"merge_method: task_arithmetic\nscale: mean\nparameters: {weight: 1, lambda: 0.9}\n", 0.3,
         0.9, 0.3},
        {"merge_method: task_arithmetic\nparameters: {weight: 1, lambda: 0.9, normalize: true}\n",
         0.3, 0.9, 0.9},
        {"merge_method: fedavg\n", 1.0 / 3.0, 1.0, 1.0},
        {"merge_method: fedavg\nparameters: {lambda: 0.6}\n", 0.2, 0.6, 0.6},
        {"merge_method: fedavg\nscale: sum\nparameters: {lambda: 0.2}\n", 0.2, 0.6, 0.6},
        {"merge_method: fedavg\nparameters: {beta: 0.6}\n", 0.2, 0.6, 0.6},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct planned planned;
        const struct of_row *row;
        char pattern[400];

        (void)snprintf(pattern, sizeof(pattern),
                       "%sbase_model: @base\nmodels: [{model: @a}, {model: @b}, {model: @c}]\n",
                       rows[i].lines);
        plan(&planned, pattern);
        row = planned_row(&planned, "lm_head.weight");
        assert_true(planned.plan->has_row_lambda && row->has_factor);
        assert_true(row->lambda > rows[i].lambda - 1e-15 && row->lambda < rows[i].lambda + 1e-15);
        assert_true(row->beta > rows[i].beta - 1e-15 && row->beta < rows[i].beta + 1e-15);
        check(row->factor, rows[i].factor);
        assert_int_equal(planned.plan->row_count, 1);
        planned_finish(&planned);
    }
}

static void factors_may_have_gradients_and_filters(void **state)
{
    struct planned planned;

    (void)state;
    plan(&planned, "merge_method: fedavg\nbase_model: @base\n"
                   "models: [{model: @a, samples: 1}, {model: @b, samples: 3}]\n"
                   "parameters: {beta: [{filter: mlp, value: [0, 2]}, {value: 1}]}\n");
    check(planned_row(&planned, "model.layers.0.mlp.w")->factor, 0.0);
    check(planned_row(&planned, "model.layers.2.mlp.w")->factor, 1.0);
    check(planned_row(&planned, "model.layers.4.mlp.w")->factor, 2.0);
    check(planned_row(&planned, "lm_head.weight")->factor, 1.0);
    check(planned_row(&planned, "lm_head.weight")->coefs[1] /
              planned_row(&planned, "lm_head.weight")->coefs[0],
          3.0);
    planned_finish(&planned);
}

static void passthrough_copies_unless_scaled(void **state)
{
    struct planned planned;
    uint32_t step;

    (void)state;
    plan(&planned, "merge_method: passthrough\nmodels:\n- model: @a\n  parameters:\n"
                   "    scale: [{filter: mlp, value: [1, 2]}, {value: 1}]\n");
    step = planned_step(&planned, "model.layers.0.mlp.w");
    assert_int_equal(planned.plan->steps[step].kind, OF_STEP_COPY);
    check(planned_row(&planned, "model.layers.2.mlp.w")->coefs[0], 1.0);
    check(planned_row(&planned, "model.layers.2.mlp.w")->factor, 1.5);
    assert_false(planned.plan->steps[planned_step(&planned, "model.layers.2.mlp.w")].delta);
    planned_finish(&planned);

    planned_parse(&planned,
                  planned_text(&dir, "merge_method: passthrough\nmodels: [{model: @a}]\n"));
    planned.options.has_dtype = true;
    planned.options.dtype = ONEFOLD_DTYPE_BF16;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    check(planned_row(&planned, "lm_head.weight")->coefs[0], 1.0);
    planned_finish(&planned);
}

static void senseless_sums_are_found_per_tensor(void **state)
{
    struct planned planned;

    (void)state;
    planned_parse(&planned, planned_text(&dir, "merge_method: linear\nmodels:\n"
                                               "- {model: @a, parameters: {weight: [-1, 1]}}\n"
                                               "- {model: @b, parameters: {weight: 0.5}}\n"));
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_RECIPE);
    /* t = 1/4 gives -0.5. */
    assert_int_equal(planned.report.error_count, 1);
    assert_true(planned_found(&planned, "error recipe-", "tensor \"model.layers.1.mlp.w\""));
    planned_finish(&planned);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_run_over_each_stack),
        cmocka_unit_test(stacks_may_be_in_any_order),
        cmocka_unit_test(filters_look_at_names_and_fall_through),
        cmocka_unit_test(no_filter_that_matches_is_a_missing_parameter),
        cmocka_unit_test(lambda_and_beta_are_one_factor),
        cmocka_unit_test(factors_may_have_gradients_and_filters),
        cmocka_unit_test(passthrough_copies_unless_scaled),
        cmocka_unit_test(senseless_sums_are_found_per_tensor),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
