/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan hash: SHA-256 over everything that decides a byte of the output, and nothing that does
 * not (docs/formats/plan.md): not paths, threads, memory or backend. Numbers are little-endian,
 * text has its length in front, so that no two plans run together into the same bytes.
 */
#include "plan/build.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

/* Numbers and words are collected here: a step is a dozen of them, and a call of the hash takes
 * longer than to add one. */
struct hashing {
    struct of_hash *hash;
    size_t used;
    uint8_t buffer[4096];
};

static void flush(struct hashing *hashing)
{
    of_hash_update(hashing->hash, hashing->buffer, hashing->used);
    hashing->used = 0;
}

static void add_bytes(struct hashing *hashing, const void *data, size_t length)
{
    if (length > sizeof(hashing->buffer) - hashing->used) {
        flush(hashing);
    }
    if (length > sizeof(hashing->buffer)) {
        of_hash_update(hashing->hash, data, length);
    } else if (length > 0) {
        memcpy(hashing->buffer + hashing->used, data, length);
        hashing->used += length;
    }
}

static void add_u32(struct hashing *hashing, uint32_t value)
{
    uint8_t bytes[4];

    of_bytes_store32(bytes, value);
    add_bytes(hashing, bytes, sizeof(bytes));
}

static void add_u64(struct hashing *hashing, uint64_t value)
{
    uint8_t bytes[8];

    of_bytes_store64(bytes, value);
    add_bytes(hashing, bytes, sizeof(bytes));
}

static void add_double(struct hashing *hashing, double value)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000); /* one NaN for all: "not given" */

    if (!isnan(value)) {
        memcpy(&bits, &value, sizeof(bits));
    }
    add_u64(hashing, bits);
}

static void add_float(struct hashing *hashing, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    add_u32(hashing, bits);
}

static void add_str(struct hashing *hashing, struct of_str text)
{
    add_u64(hashing, text.length);
    add_bytes(hashing, text.data, text.length);
}

static void add_text(struct hashing *hashing, const char *text)
{
    add_str(hashing, text != NULL ? of_str_from(text) : OF_STR(""));
}

static void add_fact(struct hashing *hashing, const struct of_fact *fact)
{
    add_u32(hashing, fact->given);
    add_double(hashing, fact->given ? fact->value : 0.0);
}

/* Who an input is: as the recipe names it, and by the bytes of its headers, not by its path. */
static void add_input(struct hashing *hashing, const struct of_plan_input *input)
{
    add_text(hashing, input->label);
    add_str(hashing, input->reference);
    add_text(hashing, input->revision);
    add_u32(hashing, input->is_base);
    add_fact(hashing, &input->samples);
    add_fact(hashing, &input->steps);
    add_fact(hashing, &input->lr_sum);
    add_u32(hashing, input->checkpoint->shard_count);
    for (uint32_t i = 0; i < input->checkpoint->shard_count; i++) {
        const struct of_shard *shard = &input->checkpoint->shards[i];

        add_text(hashing, shard->name);
        add_u64(hashing, shard->identity.size_bytes);
        add_bytes(hashing, shard->header_sha256.bytes, sizeof(shard->header_sha256.bytes));
    }
}

static void add_row(struct hashing *hashing, const struct of_row *row, const struct of_plan *plan)
{
    for (uint32_t i = 0; i < plan->input_count; i++) {
        add_float(hashing, row->coefs[i]);
    }
    for (uint32_t p = 0; row->global != NULL && p < plan->method->param_count; p++) {
        add_double(hashing, row->global[p]);
    }
    add_u32(hashing, row->has_divisor);
    add_float(hashing, row->divisor);
    add_u32(hashing, row->has_factor);
    add_float(hashing, row->factor);
}

/* What a rule makes of the statistics; rows hold nothing of it. */
static void add_params(struct hashing *hashing, const struct of_plan *plan)
{
    const struct of_params *params = &plan->params;

    add_u32(hashing, (uint32_t)of_method_need(plan->method, params));
    for (uint32_t p = 0; p < plan->method->param_count; p++) {
        add_text(hashing, plan->method->params[p].name);
        add_double(hashing, params->global[p]);
        for (uint32_t i = 0; params->per_input[p] != NULL && i < params->input_count; i++) {
            add_double(hashing, params->per_input[p][i]);
        }
    }
}

static void add_step(struct hashing *hashing, const struct of_step *step,
                     const struct of_tensor *tensor)
{
    add_str(hashing, tensor->name);
    add_text(hashing, onefold_dtype_name((onefold_dtype)tensor->dtype));
    add_u32(hashing, tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        add_u64(hashing, tensor->shape[i]);
    }
    add_u32(hashing, tensor->shard_index);
    add_u64(hashing, tensor->offset);
    add_u32(hashing, step->kind);
    add_u32(hashing, step->delta);
    add_u32(hashing, step->kind == OF_STEP_COPY ? step->source : step->row);
}

static void add_output(struct hashing *hashing, const struct of_plan *plan)
{
    add_u32(hashing, plan->output.metadata_count);
    for (uint32_t i = 0; i < plan->output.metadata_count; i++) {
        add_str(hashing, plan->output.metadata[i].key);
        add_str(hashing, plan->output.metadata[i].value);
    }
    add_u32(hashing, plan->output.shard_count);
    for (uint32_t i = 0; i < plan->output.shard_count; i++) {
        add_text(hashing, plan->output.shards[i].name);
        add_u64(hashing, plan->output.shards[i].header_bytes);
        add_u64(hashing, plan->output.shards[i].file_bytes);
    }
    add_text(hashing, plan->config_patch.dtype);
    add_u32(hashing, plan->config_patch.set_tied);
    add_u32(hashing, plan->config_patch.tied);
    add_u32(hashing, plan->config_patch.drop_quantization);
    add_u32(hashing, plan->side.count);
    for (uint32_t i = 0; i < plan->side.count; i++) {
        add_text(hashing, plan->side.files[i].name);
        add_u64(hashing, plan->side.files[i].size_bytes);
    }
    add_u32(hashing, plan->sums);
    add_u32(hashing, plan->write_card);
    add_u32(hashing, plan->nonfinite);
}

onefold_status of_plan_hash_make(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    struct hashing hashing;

    hashing.hash = of_hash_create(OF_HASH_SHA256);
    if (hashing.hash == NULL) {
        return of_err_set(err, "memory", "no memory for the plan hash");
    }
    hashing.used = 0;
    add_text(&hashing, "onefold-plan-1");
    add_text(&hashing, plan->method->name);
    add_str(&hashing, plan->recipe->text);
    add_u32(&hashing, plan->input_count);
    add_u32(&hashing, plan->has_base);
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        add_input(&hashing, &plan->inputs[i]);
    }
    add_u32(&hashing, plan->row_count);
    for (uint32_t i = 0; i < plan->row_count; i++) {
        add_row(&hashing, &plan->rows[i], plan);
    }
    if (plan->method->solve != NULL) {
        add_params(&hashing, plan);
    }
    add_u32(&hashing, plan->step_count);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        add_step(&hashing, &plan->steps[i], &plan->tensors[i]);
    }
    add_output(&hashing, plan);
    flush(&hashing);
    of_hash_finish(hashing.hash, plan->hash.bytes);
    of_hash_destroy(hashing.hash);
    return ONEFOLD_OK;
}
