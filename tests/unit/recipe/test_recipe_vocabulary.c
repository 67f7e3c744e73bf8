/* SPDX-License-Identifier: Apache-2.0 */
#include "parsed.h"

#define WITH(lines) "merge_method: m\nmodels: [{model: a}]\n" lines "\n"

static void test_wishes(void **state)
{
    struct parsed parsed;

    (void)state;
    parsed_good(&parsed, WITH("tokenizer:\n"
                              "  source: union\n"
                              "  pad_to_multiple_of: 64\n"
                              "  tokens:\n"
                              "    <a>: {source: a, force: true}\n"
                              "    <b>: {source: {kind: model_token, model: a, token: x}}\n"
                              "    <c>: {source: {kind: zero}}\n"
                              "chat_template: chatml"));
    assert_true(parsed.recipe->tokenizer.given);
    assert_int_equal(parsed.recipe->tokenizer.mark.line, 4);
    assert_true(of_str_is(parsed.recipe->chat_template.text, "chatml"));
    assert_false(parsed.recipe->tokenizer_source.given);
    parsed_finish(&parsed);
    parsed_good(&parsed, WITH("tokenizer_source: base\n"
                              "chat_template: \"{{ messages }} and more text\""));
    assert_true(of_str_is(parsed.recipe->tokenizer_source.text, "base"));
    parsed_finish(&parsed);
}

static void test_refusals(void **state)
{
    (void)state;
    assert_refused(WITH("tokenizer_source: base\ntokenizer: {source: base}"),
                   "4:12 error recipe-tokenizer: \"tokenizer\" and \"tokenizer_source\" (at 3:19)");
    assert_refused(WITH("tokenizer: base"), "3:12 error recipe-kind: tokenizer: a mapping");
    assert_refused(WITH("tokenizer: {sauce: base}"),
                   "3:13 error recipe-key: unknown key \"sauce\"");
    assert_refused(WITH("tokenizer: {pad_to_multiple_of: 0}"), "3:33 error recipe-range");
    assert_refused(WITH("tokenizer: {tokens: {x: {source: {kind: model_token, model: a}}}}"),
                   "3:34 error recipe-value: source of tokens.x needs exactly one");
    assert_refused(WITH("tokenizer: {tokens: {x: {source: {kind: one}}}}"),
                   "3:41 error recipe-value: model_token or zero expected");
    assert_refused(WITH("chat_template: chatlm"),
                   "3:16 error recipe-value: \"chatlm\" is no chat template; did you mean "
                   "\"chatml\"?");
    assert_refused(WITH("chat_template: this is long but no template"), "3:16 error recipe-value");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
