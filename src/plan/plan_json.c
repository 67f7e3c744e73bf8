/* SPDX-License-Identifier: Apache-2.0 */
/* The plan as one canonical JSON object: keys sorted, no white space, tensors one at a time. */
#include "plan/plan_print.h"

#include "fmt/json.h"

#include <math.h>
#include <string.h>

struct json {
    struct of_plan_sink *sink;
    struct of_json_writer writer;
};

static void flush(struct json *json)
{
    of_plan_sink_flush(json->sink, &json->writer.text, OF_PLAN_PIECE_BYTES);
}

static void add_number(struct of_json_writer *writer, const char *key, uint64_t value)
{
    of_json_key(writer, key);
    of_json_add_u64(writer, value);
}

static void add_string(struct of_json_writer *writer, const char *key, const char *value)
{
    of_json_key(writer, key);
    of_json_add_string(writer, value);
}

static void add_double(struct of_json_writer *writer, const char *key, bool given, double value)
{
    if (given && !isnan(value)) {
        of_json_key(writer, key);
        of_json_add_double(writer, value);
    }
}

static void add_config(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_config_patch *patch = &json->sink->plan->config_patch;

    of_json_key(writer, "config");
    of_json_begin_object(writer);
    if (patch->set_tied) {
        of_json_key(writer, "tie_word_embeddings");
        of_json_add_bool(writer, patch->tied);
    }
    if (patch->dtype != NULL) {
        add_string(writer, "torch_dtype", patch->dtype);
    }
    of_json_end_object(writer);
}

static void add_files(struct json *json, const struct of_checkpoint *checkpoint)
{
    struct of_json_writer *writer = &json->writer;

    of_json_key(writer, "files");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < checkpoint->shard_count; i++) {
        char hex[2 * sizeof(struct of_sha256_digest) + 1];

        of_hash_hex(checkpoint->shards[i].header_sha256.bytes, sizeof(struct of_sha256_digest),
                    hex);
        of_json_begin_object(writer);
        add_string(writer, "header_sha256", hex);
        add_string(writer, "name", checkpoint->shards[i].name);
        add_number(writer, "size", checkpoint->shards[i].identity.size_bytes);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
}

static void add_inputs(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "inputs");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < of_plan_reader_count(plan); i++) {
        const struct of_plan_input *input = &plan->inputs[i];

        of_json_begin_object(writer);
        add_files(json, input->checkpoint);
        add_string(writer, "label", input->label);
        add_double(writer, "lr_sum", input->lr_sum.given, input->lr_sum.value);
        of_json_key(writer, "reference");
        of_json_add_str(writer, input->reference);
        if (input->revision != NULL && input->revision[0] != '\0') {
            add_string(writer, "revision", input->revision);
        }
        add_string(writer, "role", input->is_base ? "base" : "model");
        add_double(writer, "samples", input->samples.given, input->samples.value);
        add_double(writer, "steps", input->steps.given, input->steps.value);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
}

static void add_memory(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_how *how = &json->sink->plan->how;

    of_json_key(writer, "memory");
    of_json_begin_object(writer);
    add_number(writer, "bound", how->memory_bytes);
    of_json_key(writer, "parts");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < how->line_count; i++) {
        const struct of_budget_line *line = &how->lines[i];

        of_json_begin_object(writer);
        add_number(writer, "bytes", line->bytes);
        add_number(writer, "count", line->count);
        add_number(writer, "each", line->each_bytes);
        add_string(writer, "name", line->name);
        add_string(writer, "why", line->why);
        of_json_end_object(writer);
    }
    of_json_end_array(writer);
    of_json_end_object(writer);
}

static void add_notices(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "notices");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < plan->notice_count; i++) {
        of_json_begin_object(writer);
        add_string(writer, "id", plan->notices[i].id);
        add_string(writer, "text", plan->notices[i].text);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
}

static void add_output(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_out_layout *output = &json->sink->plan->output;

    of_json_key(writer, "output");
    of_json_begin_object(writer);
    of_json_key(writer, "metadata");
    of_json_begin_object(writer);
    for (uint32_t i = 0; i < output->metadata_count; i++) {
        of_json_key_str(writer, output->metadata[i].key);
        of_json_add_str(writer, output->metadata[i].value);
    }
    of_json_end_object(writer);
    of_json_key(writer, "shards");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < output->shard_count; i++) {
        of_json_begin_object(writer);
        add_number(writer, "header_bytes", output->shards[i].header_bytes);
        add_string(writer, "name", output->shards[i].name);
        add_number(writer, "size", output->shards[i].file_bytes);
        add_number(writer, "tensor_count", output->shards[i].tensor_count);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
    add_number(writer, "total_size", output->total_bytes);
    of_json_end_object(writer);
}

static void add_coefs(struct of_json_writer *writer, const struct of_plan *plan,
                      const struct of_row *row)
{
    if (!of_plan_has_coefs(plan, row)) {
        return;
    }
    of_json_key(writer, "coefs");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        of_json_add_double(writer, (double)row->coefs[i]);
    }
    of_json_end_array(writer);
}

/* Of an element-wise rule, in the order of names. */
static void add_settings(struct of_json_writer *writer, const struct of_plan *plan,
                         const struct of_row *row)
{
    const struct of_method *method = plan->method;
    const char *last = "";

    if (row->global == NULL) {
        return;
    }
    of_json_key(writer, "parameters");
    of_json_begin_object(writer);
    for (uint32_t n = 0; n < method->param_count; n++) {
        uint32_t next = method->param_count;

        for (uint32_t p = 0; p < method->param_count; p++) {
            if (strcmp(method->params[p].name, last) > 0 &&
                (next == method->param_count ||
                 strcmp(method->params[p].name, method->params[next].name) < 0)) {
                next = p;
            }
        }
        last = method->params[next].name;
        if (isnan(row->global[next]) || method->params[next].per_input) {
            continue;
        }
        if (method->params[next].kind == OF_PARAM_WORD) {
            add_string(writer, last, method->params[next].words[(size_t)row->global[next]]);
        } else {
            add_double(writer, last, true, row->global[next]);
        }
    }
    of_json_end_object(writer);
}

static void add_rows(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "rows");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < plan->row_count; i++) {
        const struct of_row *row = &plan->rows[i];

        of_json_begin_object(writer);
        add_double(writer, "beta", plan->has_row_lambda, row->beta);
        add_coefs(writer, plan, row);
        add_double(writer, "divisor", row->has_divisor, (double)row->divisor);
        add_double(writer, "factor", row->has_factor, (double)row->factor);
        add_double(writer, "lambda", plan->has_row_lambda, row->lambda);
        add_settings(writer, plan, row);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
}

static void add_side_files(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_side_list *side = &json->sink->plan->side;

    of_json_key(writer, "side_files");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < side->count; i++) {
        of_json_begin_object(writer);
        add_string(writer, "name", side->files[i].name);
        add_number(writer, "size", side->files[i].size_bytes);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
}

/* What a pass before the blend gathers, or a file has kept. */
static void add_statistics(struct json *json)
{
    static const char *const needs[] = {
        [OF_GRAM_NONE] = "none", [OF_GRAM_NORMS] = "norms", [OF_GRAM_FULL] = "inner_products"};
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "statistics");
    of_json_begin_object(writer);
    of_json_key(writer, "elementwise");
    of_json_add_bool(writer, plan->survey.elementwise);
    add_string(writer, "need", needs[plan->stats != NULL ? OF_GRAM_FULL : plan->survey.need]);
    of_json_key(writer, "saved");
    of_json_add_bool(writer, plan->stats != NULL);
    of_json_end_object(writer);
}

static void add_sources(struct json *json, uint32_t step)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "sources");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < of_plan_reader_count(plan); i++) {
        if (plan->inputs[i].layout->shards[step] != OF_PLACE_ABSENT) {
            of_json_add_u64(writer, i);
        }
    }
    of_json_end_array(writer);
}

static void add_tensors(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "tensors");
    of_json_begin_array(writer);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        const struct of_tensor *tensor = &plan->tensors[i];
        const struct of_step *step = &plan->steps[i];
        const bool copied = step->kind == OF_STEP_COPY;

        of_json_begin_object(writer);
        add_string(writer, "dtype", onefold_dtype_name((onefold_dtype)tensor->dtype));
        add_string(writer, "file", plan->output.shards[tensor->shard_index].name);
        add_string(writer, "kind", copied ? "copy" : step->delta ? "delta" : "plain");
        of_json_key(writer, "name");
        of_json_add_str(writer, tensor->name);
        add_number(writer, "offset", tensor->offset);
        add_number(writer, copied ? "origin" : "row", copied ? step->source : step->row);
        of_json_key(writer, "shape");
        of_json_begin_array(writer);
        for (uint32_t k = 0; k < tensor->rank; k++) {
            of_json_add_u64(writer, tensor->shape[k]);
        }
        of_json_end_array(writer);
        add_sources(json, i);
        add_double(writer, "t", true, step->t);
        of_json_end_object(writer);
        flush(json);
    }
    of_json_end_array(writer);
}

static void add_tiles(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;
    const struct of_how *how = &plan->how;

    of_json_key(writer, "tiles");
    of_json_begin_object(writer);
    add_number(writer, "area_sets", how->set_count);
    add_string(writer, "direct", of_plan_direct_name(how->direct));
    add_number(writer, "hash_threads", how->hash_thread_count);
    add_number(writer, "inputs_together", how->area_count);
    add_string(writer, "io", how->io_name != NULL ? how->io_name : "auto");
    add_number(writer, "pools", how->pool_count);
    add_number(writer, "rings", how->ring_count);
    add_number(writer, "slot_bytes", how->slot_bytes);
    add_number(writer, "slots", how->slot_count);
    add_number(writer, "units", plan->unit_count);
    add_number(writer, "visits", plan->visit_count);
    add_number(writer, "workers", how->worker_count);
    of_json_end_object(writer);
}

static void add_work(struct json *json)
{
    struct of_json_writer *writer = &json->writer;
    const struct of_plan *plan = json->sink->plan;

    of_json_key(writer, "work");
    of_json_begin_object(writer);
    add_number(writer, "passes", plan->pass_count);
    add_number(writer, "read_bytes", plan->read_bytes);
    add_number(writer, "write_bytes", plan->write_bytes);
    of_json_end_object(writer);
}

static void add_all(struct json *json)
{
    static const char *const scales[] = {
        [OF_SCALE_OF_SUM] = "sum", [OF_SCALE_OF_MEAN] = "mean", [OF_SCALE_OF_OWN] = "own"};
    const struct of_plan *plan = json->sink->plan;
    struct of_json_writer *writer = &json->writer;
    char hex[2 * sizeof(plan->hash.bytes) + 1];

    of_hash_hex(plan->hash.bytes, sizeof(plan->hash.bytes), hex);
    of_json_begin_object(writer);
    add_config(json);
    add_inputs(json);
    add_memory(json);
    add_string(writer, "method", plan->method->name);
    add_notices(json);
    add_output(json);
    add_string(writer, "plan_hash", hex);
    add_number(writer, "plan_version", 1);
    add_rows(json);
    add_string(writer, "scale", scales[plan->method->scale]);
    add_side_files(json);
    add_statistics(json);
    add_tensors(json);
    add_tiles(json);
    add_work(json);
    of_json_end_object(writer);
}

onefold_status of_plan_write_json(struct of_plan_sink *sink, onefold_error *err)
{
    struct json json = {.sink = sink};
    bool failed;

    add_all(&json);
    of_text_add_char(&json.writer.text, '\n');
    of_plan_sink_flush(sink, &json.writer.text, 0);
    failed = json.writer.text.failed;
    of_text_finish(&json.writer.text);
    return failed ? of_err_set(err, "memory", "no memory to print the plan") : ONEFOLD_OK;
}
