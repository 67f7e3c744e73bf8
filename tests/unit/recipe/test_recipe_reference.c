/* SPDX-License-Identifier: Apache-2.0 */
#include "parsed.h"

#define MODEL(reference) "merge_method: m\nmodels: [{model: " reference "}]\n"

struct wanted {
    const char *path;
    const char *revision;
    const char *lora_path;
    const char *lora_revision;
    const char *text;
};

static void expect(const char *text, struct wanted wanted)
{
    struct parsed parsed;
    const struct of_model_ref *ref;

    parsed_good(&parsed, text);
    ref = &parsed.recipe->inputs[0].model;
    assert_string_equal(ref->path, wanted.path);
    assert_string_equal(ref->revision, wanted.revision);
    assert_string_equal(ref->lora_path, wanted.lora_path);
    assert_string_equal(ref->lora_revision, wanted.lora_revision);
    assert_true(of_str_is(ref->text, wanted.text));
    assert_int_equal(ref->mark.line, 2);
    assert_int_equal(ref->mark.column, 18);
    parsed_finish(&parsed);
}

static void test_text_form(void **state)
{
    (void)state;
    expect(MODEL("org/name"), (struct wanted){"org/name", "", "", "", "org/name"});
    expect(MODEL("~/a"), (struct wanted){"~/a", "", "", "", "~/a"});
    expect(MODEL("a@main"), (struct wanted){"a", "main", "", "", "a@main"});
    expect(MODEL("a+b"), (struct wanted){"a", "", "b", "", "a+b"});
    expect(MODEL("a@r+b@s"), (struct wanted){"a", "r", "b", "s", "a@r+b@s"});
    expect(MODEL("\"a b\""), (struct wanted){"a b", "", "", "", "a b"});
    expect(MODEL("123"), (struct wanted){"123", "", "", "", "123"});
    expect(MODEL("\"null\""), (struct wanted){"null", "", "", "", "null"});
}

static void test_mapping_form(void **state)
{
    (void)state;
    expect(MODEL("{model: {path: a+b@c, revision: r}}"),
           (struct wanted){"a+b@c", "r", "", "", "a+b@c@r"});
    expect(MODEL("{model: a@r, lora: {path: b}, override_architecture: X}"),
           (struct wanted){"a", "r", "b", "", "a@r+b"});
    expect(MODEL("{model: x+y}"), (struct wanted){"x+y", "", "", "", "x+y"});
    expect(MODEL("{model: {path: a, revision: ~}, lora: ~}"),
           (struct wanted){"a", "", "", "", "a"});
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused(MODEL("\"\""), "2:18 error recipe-path: path is empty");
    assert_refused(MODEL("a+x+y"), "2:18 error recipe-model: more than one \"+\" in \"a+x+y\"");
    assert_refused(MODEL("a@b@c"), "2:18 error recipe-model: more than one \"@\"");
    assert_refused(MODEL("a@"), "2:18 error recipe-path: revision is empty");
    assert_refused(MODEL("+b"), "2:18 error recipe-path: path is empty");
    assert_refused(MODEL("a+"), "2:18 error recipe-path: path is empty");
    assert_refused(MODEL("\"a\\u0007b\""),
                   "2:18 error recipe-path: path \"a\\x07b\" holds a control");
    assert_refused(MODEL("[a]"), "2:18 error recipe-model: models[0]: model reference expected, "
                                 "not a list");
    assert_refused(MODEL("{lora: b}"), "2:18 error recipe-missing: models[0] has no \"model\"");
    assert_refused(MODEL("{model: {revision: b}}"),
                   "2:26 error recipe-missing: model of models[0] has no \"path\"");
    assert_refused(MODEL("{model: a, path: b}"), "2:29 error recipe-key: unknown key \"path\"");
    assert_refused(MODEL("{model: {path: [a]}}"), "2:33 error recipe-kind: path expected");
    assert_refused("merge_method: m\nbase_model: [a]\nmodels: [{model: a}]\n",
                   "2:13 error recipe-model: base_model: model reference expected, not a list");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_form),
        cmocka_unit_test(test_mapping_form),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
