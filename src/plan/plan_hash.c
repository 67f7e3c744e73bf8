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

static void add_bytes(struct of_hash *hash, const void *data, size_t length)
{
    of_hash_update(hash, data, length);
}

static void add_u32(struct of_hash *hash, uint32_t value)
{
    uint8_t bytes[4];

    of_bytes_store32(bytes, value);
    add_bytes(hash, bytes, sizeof(bytes));
}

static void add_u64(struct of_hash *hash, uint64_t value)
{
    uint8_t bytes[8];

    of_bytes_store64(bytes, value);
    add_bytes(hash, bytes, sizeof(bytes));
}

static void add_double(struct of_hash *hash, double value)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000); /* one NaN for all: "not given" */

    if (!isnan(value)) {
        memcpy(&bits, &value, sizeof(bits));
    }
    add_u64(hash, bits);
}

static void add_float(struct of_hash *hash, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    add_u32(hash, bits);
}

static void add_str(struct of_hash *hash, struct of_str text)
{
    add_u64(hash, text.length);
    add_bytes(hash, text.data, text.length);
}

static void add_text(struct of_hash *hash, const char *text)
{
    add_str(hash, text != NULL ? of_str_from(text) : OF_STR(""));
}

static void add_fact(struct of_hash *hash, const struct of_fact *fact)
{
    add_u32(hash, fact->given);
    add_double(hash, fact->given ? fact->value : 0.0);
}

/* Who an input is: as the recipe names it, and by the bytes of its headers, not by its path. */
static void add_input(struct of_hash *hash, const struct of_plan_input *input)
{
    add_text(hash, input->label);
    add_str(hash, input->reference);
    add_text(hash, input->revision);
    add_u32(hash, input->is_base);
    add_fact(hash, &input->samples);
    add_fact(hash, &input->steps);
    add_fact(hash, &input->lr_sum);
    add_u32(hash, input->checkpoint->shard_count);
    for (uint32_t i = 0; i < input->checkpoint->shard_count; i++) {
        const struct of_shard *shard = &input->checkpoint->shards[i];

        add_text(hash, shard->name);
        add_u64(hash, shard->identity.size_bytes);
        add_bytes(hash, shard->header_sha256.bytes, sizeof(shard->header_sha256.bytes));
    }
}

static void add_row(struct of_hash *hash, const struct of_row *row, const struct of_plan *plan)
{
    for (uint32_t i = 0; i < plan->input_count; i++) {
        add_float(hash, row->coefs[i]);
    }
    for (uint32_t p = 0; row->global != NULL && p < plan->method->param_count; p++) {
        add_double(hash, row->global[p]);
    }
    add_u32(hash, row->has_divisor);
    add_float(hash, row->divisor);
    add_u32(hash, row->has_factor);
    add_float(hash, row->factor);
}

/* What a rule makes of the statistics; rows hold nothing of it. */
static void add_params(struct of_hash *hash, const struct of_plan *plan)
{
    const struct of_params *params = &plan->params;

    add_u32(hash, (uint32_t)of_method_need(plan->method, params));
    for (uint32_t p = 0; p < plan->method->param_count; p++) {
        add_text(hash, plan->method->params[p].name);
        add_double(hash, params->global[p]);
        for (uint32_t i = 0; params->per_input[p] != NULL && i < params->input_count; i++) {
            add_double(hash, params->per_input[p][i]);
        }
    }
}

static void add_step(struct of_hash *hash, const struct of_step *step,
                     const struct of_tensor *tensor)
{
    add_str(hash, tensor->name);
    add_text(hash, onefold_dtype_name((onefold_dtype)tensor->dtype));
    add_u32(hash, tensor->rank);
    for (uint32_t i = 0; i < tensor->rank; i++) {
        add_u64(hash, tensor->shape[i]);
    }
    add_u32(hash, tensor->shard_index);
    add_u64(hash, tensor->offset);
    add_u32(hash, step->kind);
    add_u32(hash, step->delta);
    add_u32(hash, step->kind == OF_STEP_COPY ? step->source : step->row);
}

static void add_output(struct of_hash *hash, const struct of_plan *plan)
{
    add_u32(hash, plan->output.metadata_count);
    for (uint32_t i = 0; i < plan->output.metadata_count; i++) {
        add_str(hash, plan->output.metadata[i].key);
        add_str(hash, plan->output.metadata[i].value);
    }
    add_u32(hash, plan->output.shard_count);
    for (uint32_t i = 0; i < plan->output.shard_count; i++) {
        add_text(hash, plan->output.shards[i].name);
        add_u64(hash, plan->output.shards[i].header_bytes);
        add_u64(hash, plan->output.shards[i].file_bytes);
    }
    add_text(hash, plan->config_patch.dtype);
    add_u32(hash, plan->config_patch.set_tied);
    add_u32(hash, plan->config_patch.tied);
    add_u32(hash, plan->config_patch.drop_quantization);
    add_u32(hash, plan->side.count);
    for (uint32_t i = 0; i < plan->side.count; i++) {
        add_text(hash, plan->side.files[i].name);
        add_u64(hash, plan->side.files[i].size_bytes);
    }
    add_u32(hash, plan->sums);
    add_u32(hash, plan->write_card);
    add_u32(hash, plan->nonfinite);
}

onefold_status of_plan_hash_make(struct of_build *build, onefold_error *err)
{
    struct of_plan *plan = build->plan;
    struct of_hash *hash = of_hash_create(OF_HASH_SHA256);

    if (hash == NULL) {
        return of_err_set(err, "memory", "no memory for the plan hash");
    }
    of_hash_restart(hash);
    add_text(hash, "onefold-plan-1");
    add_text(hash, plan->method->name);
    add_str(hash, plan->recipe->text);
    add_u32(hash, plan->input_count);
    add_u32(hash, plan->has_base);
    for (uint32_t i = 0; i < plan->input_count + (plan->has_base ? 1 : 0); i++) {
        add_input(hash, &plan->inputs[i]);
    }
    add_u32(hash, plan->row_count);
    for (uint32_t i = 0; i < plan->row_count; i++) {
        add_row(hash, &plan->rows[i], plan);
    }
    if (plan->method->solve != NULL) {
        add_params(hash, plan);
    }
    add_u32(hash, plan->step_count);
    for (uint32_t i = 0; i < plan->step_count; i++) {
        add_step(hash, &plan->steps[i], &plan->tensors[i]);
    }
    add_output(hash, plan);
    of_hash_finish(hash, plan->hash.bytes);
    of_hash_destroy(hash);
    return ONEFOLD_OK;
}
