/* SPDX-License-Identifier: Apache-2.0 */
/* The printed forms: what must stand in them, that JSON is canonical, and that the reader may stop.
 */
#include "fmt/json.h"
#include "planned.h"

static struct tmpdir dir;
static struct planned planned;

#define TENSOR(n, d)                                                       \
    {                                                                      \
        .name = (n), .dtype = ONEFOLD_DTYPE_##d, .rank = 1, .shape = { 6 } \
    }

static int make_plan(void **state)
{
    static const struct mk_tensor tensors[] = {
        TENSOR("lm_head.weight", BF16), TENSOR("model.layers.0.mlp.w", BF16),
        TENSOR("model.layers.1.mlp.w", BF16), TENSOR("model.layers.2.mlp.w", BF16),
        TENSOR("steps", I64)};
    static const char *const folders[] = {"base", "a", "b"};

    (void)state;
    dir = tmpdir_make();
    for (size_t i = 0; i < 3; i++) {
        planned_sparse(tmpdir_join(dir.path, folders[i]).text, tensors, 5);
    }
    planned_good(&planned, planned_text(&dir, "merge_method: task_arithmetic\nbase_model: @base\n"
                                              "models: [{model: @a, name: north}, {model: @b}]\n"
                                              "parameters: {weight: [0.1, 0.3], lambda: 0.4}\n"));
    return 0;
}

static int remove_plan(void **state)
{
    (void)state;
    planned_finish(&planned);
    tmpdir_remove(&dir);
    return 0;
}

struct output {
    char text[65536];
    size_t length;
    uint32_t calls;
    uint32_t calls_max;
};

static bool collect(void *context, const char *data, uint64_t length)
{
    struct output *output = context;

    assert_true(output->length + length < sizeof(output->text));
    memcpy(output->text + output->length, data, length);
    output->length += length;
    output->text[output->length] = '\0';
    return ++output->calls < output->calls_max;
}

static void print(enum of_plan_form form, struct output *output)
{
    onefold_error err;

    output->length = 0;
    output->calls = 0;
    output->calls_max = 1000;
    assert_int_equal(of_plan_write(planned.plan, form, collect, output, &err), ONEFOLD_OK);
}

static void assert_has(const struct output *output, const char *part)
{
    if (strstr(output->text, part) == NULL) {
        fail_msg("\"%s\" is not in\n%s", part, output->text);
    }
}

static void groups_and_factors(void **state)
{
    static struct output output;

    (void)state;
    print(OF_PLAN_TEXT, &output);
    assert_has(&output, "method    task_arithmetic, 2 inputs");
    assert_has(&output, "  base  base: ");
    assert_has(&output, "  model north: ");
    assert_has(&output, "model.layers.{0..2}.mlp.w x 3 [6] BF16 -> BF16, t 0..1, rows 0..2");
    assert_has(&output, "lm_head.weight [6] BF16 -> BF16, t 0, row 0");
    assert_has(&output, "steps [6] I64 -> I64, copied from base");
    assert_has(&output, "row 0: north 0.1, b 0.1; lambda 0.4, beta 0.8");
    assert_has(&output, "row 1: north 0.2, b 0.2; lambda 0.4, beta 0.8");
    assert_has(&output, "  program      12582912");
    assert_has(&output, "1 pass, reads ");
    assert_has(&output, "plan hash ");
    assert_has(&output, "tensor \"steps\" is I64: copied from base, not merged");
}

static void every_tensor_on_request(void **state)
{
    static struct output output;

    (void)state;
    print(OF_PLAN_TEXT_ALL, &output);
    assert_has(&output, "  model.layers.1.mlp.w [6] BF16 -> BF16, t 0.5, row 1\n");
    assert_null(strstr(output.text, "{0..2}"));
}

static void json_is_one_canonical_object(void **state)
{
    static struct output output;
    struct of_json *value = NULL;
    struct of_str last = OF_STR("");
    struct of_str key;
    onefold_error err;
    double lambda = 0.0;

    (void)state;
    print(OF_PLAN_JSON, &output);
    assert_int_equal(output.text[output.length - 1], '\n');
    assert_null(strstr(output.text, "\": "));
    assert_int_equal(of_json_parse((struct of_str){output.text, output.length - 1}, "manifest-json",
                                   &value, &err),
                     ONEFOLD_OK);
    for (uint64_t i = 0; of_json_member_at(value, i, &key) != NULL; i++) {
        assert_true(of_str_compare(last, key) < 0);
        last = key;
        assert_true(i < 100);
    }
    assert_int_equal(of_json_size(of_json_get(value, "tensors")), 5);
    assert_int_equal(of_json_size(of_json_get(value, "inputs")), 3);
    assert_true(
        of_json_number(of_json_get(of_json_at(of_json_get(value, "rows"), 0), "lambda"), &lambda));
    assert_true(lambda == 0.4);
    of_json_free(value);
}

/* ---- Rules that solve, rules that compare elements, plans that only look ---- */

static void print_of(const char *lines, bool compare, enum of_plan_form form, struct output *output)
{
    struct planned other;
    char pattern[400];
    onefold_error err;

    (void)snprintf(pattern, sizeof(pattern),
                   "%sbase_model: @base\nmodels: [{model: @a, name: north}, {model: @b}]\n", lines);
    planned_parse(&other, planned_text(&dir, pattern));
    other.options.compare = compare;
    planned_build(&other);
    assert_int_equal(other.status, ONEFOLD_OK);
    output->length = 0;
    output->calls = 0;
    output->calls_max = 1000;
    assert_int_equal(of_plan_write(other.plan, form, collect, output, &err), ONEFOLD_OK);
    planned_finish(&other);
}

static void statistics_and_passes_are_said(void **state)
{
    static struct output output;

    (void)state;
    print_of("merge_method: cclip\nparameters: {radius: 2, lambda: 0.6}\n", false, OF_PLAN_TEXT,
             &output);
    assert_has(&output, "row 0: coefficients follow from the statistics; lambda 0.3, beta 0.6");
    assert_has(&output, "survey    norms of 2 task vectors over 4 tensors\n");
    assert_has(&output, "work      2 passes, reads ");

    print_of("merge_method: geometric_median\n", false, OF_PLAN_TEXT, &output);
    assert_has(&output, "survey    inner products of 2 task vectors over 4 tensors\n");
    assert_has(&output, "2 of 2 inputs of a tile at a time: they are needed together");

    print_of("merge_method: fedexp\n", false, OF_PLAN_TEXT, &output);
    assert_has(&output, "row 0: coefficients follow from the statistics; lambda and beta as well");

    print_of("merge_method: fedgma\nparameters: {rho: 0.7}\n", false, OF_PLAN_TEXT, &output);
    assert_has(&output, "; rho 0.7; voters all; lambda 0.5, beta 1\n");
    assert_has(&output, "work      1 pass, reads ");

    print_of("merge_method: ties\n", true, OF_PLAN_TEXT, &output);
    assert_has(&output, "survey    inner products of 2 task vectors over 4 tensors, agreement of "
                        "signs, zeros, tails\n");
    assert_null(strstr(output.text, "output    "));
}

static void assert_sorted(const struct of_json *value)
{
    struct of_str last = OF_STR("");
    struct of_str key;

    for (uint64_t i = 0; of_json_member_at(value, i, &key) != NULL; i++) {
        assert_true(of_str_compare(last, key) < 0);
        last = key;
    }
}

static void json_of_rules_that_look_at_values(void **state)
{
    static struct output output;
    struct of_json *value = NULL;
    const struct of_json *row;
    struct of_str word;
    onefold_error err;
    double number = 0.0;

    (void)state;
    print_of("merge_method: fedgma\nparameters: {rho: 0.7}\n", false, OF_PLAN_JSON, &output);
    assert_int_equal(of_json_parse((struct of_str){output.text, output.length - 1}, "manifest-json",
                                   &value, &err),
                     ONEFOLD_OK);
    assert_sorted(value);
    row = of_json_at(of_json_get(value, "rows"), 0);
    assert_sorted(row);
    assert_sorted(of_json_get(row, "parameters"));
    assert_int_equal(of_json_size(of_json_get(row, "coefs")), 2);
    assert_true(of_json_number(of_json_get(of_json_get(row, "parameters"), "rho"), &number));
    assert_true(number == 0.7);
    assert_true(of_json_string(of_json_get(of_json_get(row, "parameters"), "voters"), &word));
    assert_true(of_str_is(word, "all"));
    of_json_free(value);

    print_of("merge_method: cclip\nparameters: {radius: 2}\n", false, OF_PLAN_JSON, &output);
    assert_has(&output, "\"rows\":[{\"beta\":1,\"factor\":0.5,\"lambda\":0.5}]");
    assert_has(&output,
               "\"statistics\":{\"elementwise\":false,\"need\":\"norms\",\"saved\":false}");
    assert_has(&output, "\"work\":{\"passes\":2,");
}

static void the_reader_may_stop(void **state)
{
    static struct output output;
    onefold_error err;

    (void)state;
    output.length = 0;
    output.calls = 0;
    output.calls_max = 1;
    assert_int_equal(of_plan_write(planned.plan, OF_PLAN_TEXT_ALL, collect, &output, &err),
                     ONEFOLD_OK);
    assert_int_equal(output.calls, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_factors),
        cmocka_unit_test(every_tensor_on_request),
        cmocka_unit_test(json_is_one_canonical_object),
        cmocka_unit_test(statistics_and_passes_are_said),
        cmocka_unit_test(json_of_rules_that_look_at_values),
        cmocka_unit_test(the_reader_may_stop),
    };

    return cmocka_run_group_tests(tests, make_plan, remove_plan);
}
