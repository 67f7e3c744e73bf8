/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold.json from a plan and what the run found: canonical JSON, keys sorted, nothing in it that
 * depends on time, host or how the plan was carried out. Written piece by piece: the text of a
 * hundred thousand tensors never stands in memory as a whole.
 */
#include "fmt/manifest.h"
#include "onefold/version.h"
#include "run/outputs.h"

#include <math.h>

/* The writer's text is handed on whenever it has grown past this. */
enum { FLUSH_BYTES = 32768 };

struct manifest {
    struct of_writer *file;
    struct of_json_writer json;
    const struct of_plan *plan;
    const struct of_findings_of_run *found;
};

static onefold_status hand_on(struct manifest *manifest, uint64_t at_least, onefold_error *err)
{
    struct of_text *text = &manifest->json.text;
    onefold_status status;

    if (text->failed) {
        return of_err_set(err, "memory", "no memory to write onefold.json");
    }
    if (text->length < at_least || text->length == 0) {
        return ONEFOLD_OK;
    }
    status = of_writer_add(manifest->file, text->data, text->length, err);
    text->length = 0;
    return status;
}

static void add_fact(struct of_json_writer *json, const char *key, const struct of_fact *fact)
{
    if (fact->given) {
        of_json_key(json, key);
        of_json_add_double(json, fact->value);
    }
}

static onefold_status add_input(struct manifest *manifest, uint32_t index, onefold_error *err)
{
    const struct of_plan_input *input = &manifest->plan->inputs[index];
    const struct of_checkpoint *checkpoint = input->checkpoint;
    struct of_json_writer *json = &manifest->json;

    of_json_begin_object(json);
    of_json_key(json, "files");
    of_json_begin_array(json);
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        const struct of_manifest_input_file file = {
            .name = of_str_from(checkpoint->shards[i].name),
            .size_bytes = checkpoint->shards[i].identity.size_bytes,
            .header_sha256 = checkpoint->shards[i].header_sha256};

        of_manifest_emit_input_file(json, &file);
        OF_TRY(hand_on(manifest, FLUSH_BYTES, err));
    }
    of_json_end_array(json);
    of_json_key(json, "label");
    of_json_add_string(json, input->label);
    add_fact(json, "lr_sum", &input->lr_sum);
    of_json_key(json, "reference");
    of_json_add_str(json, input->reference);
    if (input->revision != NULL && input->revision[0] != '\0') {
        of_json_key(json, "revision");
        of_json_add_string(json, input->revision);
    }
    of_json_key(json, "role");
    of_json_add_string(json, index == manifest->plan->input_count ? "base" : "model");
    add_fact(json, "samples", &input->samples);
    add_fact(json, "steps", &input->steps);
    of_json_end_object(json);
    return hand_on(manifest, FLUSH_BYTES, err);
}

static void add_factor(struct of_json_writer *json, const char *key, bool given, double value)
{
    if (given && isfinite(value)) {
        of_json_key(json, key);
        of_json_add_double(json, value);
    }
}

/* Distinct rows of coefficients, as they went into the arithmetic. */
static onefold_status add_rows(struct manifest *manifest, onefold_error *err)
{
    const struct of_plan *plan = manifest->plan;
    struct of_json_writer *json = &manifest->json;

    of_json_key(json, "rows");
    of_json_begin_array(json);
    for (uint32_t i = 0; i < plan->row_count; i++) {
        const struct of_row *row = &manifest->found->solved->rows[i];

        of_json_begin_object(json);
        add_factor(json, "beta", true, row->beta);
        of_json_key(json, "coefs");
        of_json_begin_array(json);
        for (uint32_t k = 0; k < plan->input_count; k++) {
            of_json_add_double(json, (double)row->coefs[k]);
        }
        of_json_end_array(json);
        add_factor(json, "divisor", row->has_divisor, (double)row->divisor);
        add_factor(json, "factor", row->has_factor, (double)row->factor);
        add_factor(json, "lambda", true, row->lambda);
        of_json_end_object(json);
        OF_TRY(hand_on(manifest, FLUSH_BYTES, err));
    }
    of_json_end_array(json);
    return ONEFOLD_OK;
}

static void add_doubles(struct of_json_writer *json, const char *key, const double *values,
                        uint32_t count)
{
    of_json_key(json, key);
    of_json_begin_array(json);
    for (uint32_t i = 0; i < count; i++) {
        of_json_add_double(json, values[i]);
    }
    of_json_end_array(json);
}

/* What the rule found in the statistics of the inputs: coefficients before they were rounded,
 * norms, which inputs it chose. */
static onefold_status add_solution(struct manifest *manifest, onefold_error *err)
{
    const struct of_solved *solved = manifest->found->solved;
    const struct of_plan *plan = manifest->plan;
    struct of_json_writer *json = &manifest->json;

    if (solved->coefs == NULL) {
        return ONEFOLD_OK;
    }
    of_json_key(json, "solution");
    of_json_begin_object(json);
    add_doubles(json, "coefs", solved->coefs, plan->input_count);
    if (plan->extra != NULL) {
        add_factor(json, "extra", true, solved->coefs[plan->input_count]);
    }
    add_doubles(json, "norms", solved->norms, plan->input_count);
    add_factor(json, "radius", solved->has_radius, solved->radius);
    if (solved->some_left_out) {
        of_json_key(json, "selected");
        of_json_begin_array(json);
        for (uint32_t i = 0; i < plan->input_count; i++) {
            if (solved->selected[i]) {
                of_json_add_string(json, plan->inputs[i].label);
            }
        }
        of_json_end_array(json);
    }
    of_json_end_object(json);
    return hand_on(manifest, FLUSH_BYTES, err);
}

static onefold_status add_parameters(struct manifest *manifest, onefold_error *err)
{
    static const char *const scale_names[] = {
        [OF_SCALE_OF_SUM] = "sum", [OF_SCALE_OF_MEAN] = "mean", [OF_SCALE_OF_OWN] = "own"};
    static const char *const chosen_names[] = {[OF_SCALE_SUM] = "sum", [OF_SCALE_MEAN] = "mean"};
    const struct of_recipe *recipe = manifest->plan->recipe;
    struct of_json_writer *json = &manifest->json;

    of_json_key(json, "parameters");
    of_json_begin_object(json);
    OF_TRY(add_rows(manifest, err));
    of_json_key(json, "scale");
    of_json_add_string(json, recipe->scale == OF_SCALE_DEFAULT
                                 ? scale_names[manifest->plan->method->scale]
                                 : chosen_names[recipe->scale]);
    if (recipe->has_seed) {
        of_json_key(json, "seed");
        of_json_add_u64(json, recipe->seed);
    }
    OF_TRY(add_solution(manifest, err));
    of_json_end_object(json);
    return ONEFOLD_OK;
}

static onefold_status add_outputs(struct manifest *manifest, onefold_error *err)
{
    const struct of_out_file *files = manifest->found->files;
    struct of_json_writer *json = &manifest->json;
    const uint32_t sums = manifest->plan->sums;

    of_json_key(json, "outputs");
    of_json_begin_array(json);
    for (uint32_t i = 0; i < manifest->found->file_count; i++) {
        const struct of_manifest_file file = {.name = of_str_from(files[i].name),
                                              .size_bytes = files[i].size_bytes,
                                              .has_sha256 = (sums & OF_SUM_SHA256) != 0,
                                              .sha256 = files[i].hashes.sha256,
                                              .has_xxh128 = (sums & OF_SUM_XXH128) != 0,
                                              .xxh128 = files[i].hashes.xxh128};

        of_manifest_emit_file(json, &file);
        OF_TRY(hand_on(manifest, FLUSH_BYTES, err));
    }
    of_json_end_array(json);
    return ONEFOLD_OK;
}

static onefold_status add_tensors(struct manifest *manifest, onefold_error *err)
{
    const struct of_retire *retire = manifest->found->retire;
    const struct of_plan *plan = manifest->plan;
    struct of_json_writer *json = &manifest->json;

    of_json_key(json, "tensors");
    of_json_begin_array(json);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        struct of_manifest_tensor tensor = {
            .tensor = &plan->tensors[i],
            .file = of_str_from(plan->output.shards[plan->tensors[i].shard_index].name),
            .digest = retire->digests[i]};

        if (retire->counts != NULL) {
            tensor.nan_in = retire->counts[i].nan_in;
            tensor.inf_in = retire->counts[i].inf_in;
            tensor.nan_out = retire->counts[i].nan_out;
            tensor.inf_out = retire->counts[i].inf_out;
            tensor.overflow_count = retire->counts[i].overflow_count;
        }
        of_manifest_emit_tensor(json, &tensor);
        OF_TRY(hand_on(manifest, FLUSH_BYTES, err));
    }
    of_json_end_array(json);
    return ONEFOLD_OK;
}

static onefold_status add_notices(struct manifest *manifest, onefold_error *err)
{
    struct of_json_writer *json = &manifest->json;

    of_json_key(json, "notices");
    of_json_begin_array(json);
    for (uint32_t i = 0; i < manifest->plan->notice_count; i++) {
        of_json_begin_object(json);
        of_json_key(json, "id");
        of_json_add_string(json, manifest->plan->notices[i].id);
        of_json_key(json, "text");
        of_json_add_string(json, manifest->plan->notices[i].text);
        of_json_end_object(json);
        OF_TRY(hand_on(manifest, FLUSH_BYTES, err));
    }
    of_json_end_array(json);
    return ONEFOLD_OK;
}

static onefold_status add_recipe_hash(struct manifest *manifest, onefold_error *err)
{
    const struct of_recipe *recipe = manifest->plan->recipe;
    struct of_sha256_digest hash;

    if (!of_hash_sha256(recipe->text.data, recipe->text.length, &hash)) {
        return of_err_set(err, "memory", "no memory for the digest of the recipe");
    }
    of_json_key(&manifest->json, "recipe");
    of_manifest_emit_digest(&manifest->json, hash.bytes, sizeof(hash.bytes));
    return ONEFOLD_OK;
}

static void add_tool(struct of_json_writer *json)
{
    of_json_key(json, "tool");
    of_json_begin_object(json);
    of_json_key(json, "name");
    of_json_add_string(json, "onefold");
    of_json_key(json, "version");
    of_json_add_string(json, ONEFOLD_VERSION);
    of_json_end_object(json);
}

/* The keys of the top level come in the order of their bytes. */
static onefold_status add_all(struct manifest *manifest, onefold_error *err)
{
    const struct of_digest *checkpoint = manifest->found->checkpoint;
    const struct of_plan *plan = manifest->plan;
    struct of_json_writer *json = &manifest->json;

    of_json_begin_object(json);
    of_json_key(json, "checkpoint");
    of_manifest_emit_digest(json, checkpoint->bytes, sizeof(checkpoint->bytes));
    of_json_key(json, "inputs");
    of_json_begin_array(json);
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        OF_TRY(add_input(manifest, i, err));
    }
    of_json_end_array(json);
    of_json_key(json, "manifest_version");
    of_json_add_u64(json, OF_MANIFEST_VERSION);
    of_json_key(json, "method");
    of_json_add_string(json, plan->method->name);
    OF_TRY(add_notices(manifest, err));
    OF_TRY(add_outputs(manifest, err));
    OF_TRY(add_parameters(manifest, err));
    of_json_key(json, "plan_hash");
    of_manifest_emit_digest(json, plan->hash.bytes, sizeof(plan->hash.bytes));
    OF_TRY(add_recipe_hash(manifest, err));
    OF_TRY(add_tensors(manifest, err));
    add_tool(json);
    of_json_end_object(json);
    of_text_add_char(&json->text, '\n');
    return hand_on(manifest, 0, err);
}

onefold_status of_manifest_write(struct of_writer *writer, const struct of_plan *plan,
                                 const struct of_findings_of_run *found, onefold_error *err)
{
    struct manifest manifest = {.file = writer, .plan = plan, .found = found};
    const onefold_status status = add_all(&manifest, err);

    of_text_finish(&manifest.json.text);
    return status;
}
