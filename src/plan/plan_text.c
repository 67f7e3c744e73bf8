/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan for people: inputs, tensors (grouped by stack and role, or all), factors, differences,
 * output, memory, work. Golden tests read it, so nothing in it depends on machine or time but the
 * block "memory".
 */
#include "plan/plan_print.h"

#include <math.h>
#include <string.h>

/* Rows and inputs shown before only their number goes on; --json has them all. */
enum { ROWS_SHOWN_MAX = 20, COEFS_SHOWN_MAX = 16 };

struct page {
    struct of_plan_sink *sink;
    struct of_text text;
};

static void flush(struct page *page)
{
    of_plan_sink_flush(page->sink, &page->text, OF_PLAN_PIECE_BYTES);
}

static void add_size(struct of_text *text, uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024.0 && unit + 1 < OF_LENGTH(units)) {
        value /= 1024.0;
        unit++;
    }
    of_text_print(text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

/* ---- Inputs ---- */

/* Types of a checkpoint, most bytes first would need sorting; the order of the types is enough. */
static void add_types(struct of_text *text, const struct of_table *table)
{
    const char *comma = "";

    for (uint32_t i = ONEFOLD_DTYPE_COUNT; i > 0; i--) {
        if (table->dtypes >> (i - 1) & 1U) {
            of_text_print(text, "%s%s", comma, onefold_dtype_name((onefold_dtype)(i - 1)));
            comma = "+";
        }
    }
}

static void add_facts(struct of_text *text, const struct of_plan_input *input)
{
    const struct of_fact *facts[] = {&input->samples, &input->steps, &input->lr_sum};
    static const char *const names[] = {"samples", "steps", "lr_sum"};

    for (size_t i = 0; i < OF_LENGTH(facts); i++) {
        if (facts[i]->given) {
            of_text_print(text, ", %s ", names[i]);
            of_text_add_double(text, facts[i]->value);
        }
    }
}

static void add_input(struct page *page, const struct of_plan_input *input, bool is_donor)
{
    const struct of_checkpoint *checkpoint = input->checkpoint;

    of_text_print(&page->text, "  %-5s %s: %s", input->is_base ? "base" : "model",
                  of_str_escape(of_str_from(input->label)).text,
                  of_str_escape(input->reference).text);
    of_text_print(&page->text, ", %u file%s, ", checkpoint->shard_count,
                  checkpoint->shard_count == 1 ? "" : "s");
    add_size(&page->text, checkpoint->table->byte_count);
    of_text_add(&page->text, OF_STR(", "));
    add_types(&page->text, checkpoint->table);
    add_facts(&page->text, input);
    of_text_print(&page->text, "%s\n", is_donor ? ", donor" : "");
    flush(page);
}

static void add_inputs(struct page *page)
{
    const struct of_plan *plan = page->sink->plan;
    bool donor_shown = false;

    of_text_print(&page->text, "method    %s, %u input%s\ninputs\n", plan->method->name,
                  plan->input_count, plan->input_count == 1 ? "" : "s");
    for (uint32_t n = 0; n < of_plan_reader_count(plan); n++) {
        /* The base first. */
        const uint32_t i = !plan->has_base ? n : n == 0 ? plan->input_count : n - 1;
        const bool is_donor = !donor_shown && plan->inputs[i].checkpoint == plan->donor;

        donor_shown = donor_shown || is_donor;
        add_input(page, &plan->inputs[i], is_donor);
    }
    if (!donor_shown) {
        of_text_print(&page->text, "  donor %s (not read)\n",
                      of_str_escape(of_str_from(plan->donor->path)).text);
    }
}

/* ---- Tensors ---- */

static void add_in_types(struct of_text *text, const struct of_plan *plan, uint32_t step)
{
    uint32_t seen = 0;
    const char *comma = "";

    for (uint32_t i = 0; i < of_plan_reader_count(plan); i++) {
        const struct of_layout *layout = plan->inputs[i].layout;
        const uint32_t bit = UINT32_C(1) << layout->dtypes[step];

        if (layout->shards[step] != OF_PLACE_ABSENT && (seen & bit) == 0) {
            seen |= bit;
            of_text_print(text, "%s%s", comma,
                          onefold_dtype_name((onefold_dtype)layout->dtypes[step]));
            comma = "+";
        }
    }
}

static uint32_t count_sources(const struct of_plan *plan, uint32_t step)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < plan->input_count; i++) {
        count += plan->inputs[i].layout->shards[step] != OF_PLACE_ABSENT ? 1 : 0;
    }
    return count;
}

static void add_what(struct of_text *text, const struct of_plan *plan, uint32_t step)
{
    const struct of_step *planned = &plan->steps[step];
    const uint32_t sources = count_sources(plan, step);

    of_text_add_char(text, ' ');
    of_plan_add_shape(text, &plan->tensors[step], ", ");
    of_text_add_char(text, ' ');
    add_in_types(text, plan, step);
    of_text_print(text, " -> %s", onefold_dtype_name((onefold_dtype)plan->tensors[step].dtype));
    if (planned->kind == OF_STEP_COPY) {
        of_text_print(text, ", copied from %s",
                      of_str_escape(of_str_from(plan->inputs[planned->source].label)).text);
    } else if (sources < plan->input_count) {
        of_text_print(text, ", from %u of %u inputs", sources, plan->input_count);
    }
}

static void add_tensor(struct page *page, uint32_t step)
{
    const struct of_plan *plan = page->sink->plan;
    const struct of_step *planned = &plan->steps[step];

    of_text_print(&page->text, "  %s", of_str_escape(plan->tensors[step].name).text);
    add_what(&page->text, plan, step);
    of_text_add(&page->text, OF_STR(", t "));
    of_text_add_double(&page->text, planned->t);
    if (planned->kind == OF_STEP_MERGE) {
        of_text_print(&page->text, ", row %u", planned->row);
    }
    of_text_add_char(&page->text, '\n');
    flush(page);
}

static bool same_group(const struct of_plan *plan, uint32_t a, uint32_t b)
{
    const struct of_tensor *left = &plan->tensors[a];
    const struct of_tensor *right = &plan->tensors[b];
    const struct of_name_parts one = of_name_split(left->name);
    const struct of_name_parts two = of_name_split(right->name);

    return one.is_layer && two.is_layer && of_str_equal(one.stack, two.stack) &&
           of_str_equal(one.role, two.role) && left->dtype == right->dtype &&
           left->rank == right->rank &&
           memcmp(left->shape, right->shape, left->rank * sizeof(left->shape[0])) == 0 &&
           plan->steps[a].kind == plan->steps[b].kind &&
           count_sources(plan, a) == count_sources(plan, b);
}

static void add_group(struct page *page, const uint32_t *steps, uint32_t count)
{
    const struct of_plan *plan = page->sink->plan;
    const uint32_t first = steps[0];
    const uint32_t last = steps[count - 1];
    const struct of_name_parts from = of_name_split(plan->tensors[first].name);
    const struct of_name_parts to = of_name_split(plan->tensors[last].name);
    bool one_row = true;

    if (count == 1) {
        add_tensor(page, first);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        one_row = one_row && plan->steps[steps[i]].row == plan->steps[first].row;
    }
    of_text_print(&page->text, "  %s.{%u..%u}.%s x %u", of_str_escape(from.stack).text, from.layer,
                  to.layer, of_str_escape(from.role).text, count);
    add_what(&page->text, plan, first);
    of_text_add(&page->text, OF_STR(", t "));
    of_text_add_double(&page->text, plan->steps[first].t);
    of_text_add(&page->text, OF_STR(".."));
    of_text_add_double(&page->text, plan->steps[last].t);
    if (plan->steps[first].kind == OF_STEP_MERGE) {
        if (one_row) {
            of_text_print(&page->text, ", row %u", plan->steps[first].row);
        } else {
            of_text_print(&page->text, ", rows %u..%u", plan->steps[first].row,
                          plan->steps[last].row);
        }
    }
    of_text_add_char(&page->text, '\n');
    flush(page);
}

static onefold_status add_groups(struct page *page, onefold_error *err)
{
    const struct of_plan *plan = page->sink->plan;
    uint32_t *order;
    uint32_t at = 0;

    OF_TRY(of_plan_groups_order(plan, &order, err));
    while (at < plan->step_count && !page->sink->stopped) {
        uint32_t end = at + 1;

        while (end < plan->step_count && same_group(plan, order[at], order[end])) {
            end++;
        }
        add_group(page, &order[at], end - at);
        at = end;
    }
    of_mem_free(order);
    return ONEFOLD_OK;
}

static onefold_status add_tensors(struct page *page, bool all, onefold_error *err)
{
    const struct of_plan *plan = page->sink->plan;

    of_text_print(&page->text, "tensors   %u\n", plan->step_count);
    if (!all) {
        return add_groups(page, err);
    }
    for (uint32_t i = 0; i < plan->step_count && !page->sink->stopped; i++) {
        add_tensor(page, i);
    }
    return ONEFOLD_OK;
}

/* ---- Factors ---- */

static void add_coefs(struct page *page, const struct of_row *row, uint32_t shown)
{
    const struct of_plan *plan = page->sink->plan;

    for (uint32_t i = 0; i < shown; i++) {
        of_text_print(&page->text, "%s%s ", i > 0 ? ", " : " ",
                      of_str_escape(of_str_from(plan->inputs[i].label)).text);
        of_text_add_float(&page->text, row->coefs[i]);
    }
    if (shown < plan->input_count) {
        of_text_print(&page->text, ", %u more", plan->input_count - shown);
    }
}

/* An element-wise rule's own settings; tensors of one row have the same. */
static void add_settings(struct page *page, const struct of_row *row)
{
    const struct of_method *method = page->sink->plan->method;

    for (uint32_t p = 0; row->global != NULL && p < method->param_count; p++) {
        const struct of_param *param = &method->params[p];

        if (param->per_input || param->is_fact || isnan(row->global[p])) {
            continue;
        }
        of_text_print(&page->text, "; %s ", param->name);
        if (param->kind == OF_PARAM_WORD) {
            of_text_print(&page->text, "%s", param->words[(size_t)row->global[p]]);
        } else {
            of_text_add_rounded(&page->text, row->global[p]);
        }
    }
}

static void add_row(struct page *page, uint32_t index, bool all)
{
    const struct of_plan *plan = page->sink->plan;
    const struct of_row *row = &plan->rows[index];
    const uint32_t shown =
        all || plan->input_count <= COEFS_SHOWN_MAX ? plan->input_count : COEFS_SHOWN_MAX;

    of_text_print(&page->text, "  row %u:", index);
    if (of_plan_has_coefs(plan, row)) {
        add_coefs(page, row, shown);
    } else {
        of_text_print(&page->text, " %s follow from the %s",
                      plan->method->class == OF_CLASS_ELEMENT ? "the inputs that go on"
                                                              : "coefficients",
                      plan->stats != NULL ? "saved statistics" : "statistics");
    }
    if (row->has_divisor) {
        of_text_add(&page->text, OF_STR("; divided by "));
        of_text_add_float(&page->text, row->divisor);
    }
    add_settings(page, row);
    if (row->has_factor && isnan(row->lambda)) {
        of_text_add(&page->text, OF_STR("; times "));
        of_text_add_float(&page->text, row->factor);
    }
    if (plan->has_row_lambda && !isnan(row->lambda)) {
        of_text_add(&page->text, OF_STR("; lambda "));
        of_text_add_rounded(&page->text, row->lambda);
        of_text_add(&page->text, OF_STR(", beta "));
        of_text_add_rounded(&page->text, row->beta);
    } else if (plan->method->solve != NULL && !row->is_alone && !plan->has_row_lambda) {
        of_text_add(&page->text, OF_STR("; lambda and beta as well"));
    }
    of_text_add_char(&page->text, '\n');
    flush(page);
}

static void add_factors(struct page *page, bool all)
{
    static const char *const scales[] = {[OF_SCALE_OF_SUM] = "sum: base + lambda * sum",
                                         [OF_SCALE_OF_MEAN] = "mean: base + beta * mean",
                                         [OF_SCALE_OF_OWN] = "own"};
    const struct of_plan *plan = page->sink->plan;
    const uint32_t shown =
        all || plan->row_count <= ROWS_SHOWN_MAX ? plan->row_count : ROWS_SHOWN_MAX;

    of_text_print(&page->text, "factors   scale %s\n", scales[plan->method->scale]);
    for (uint32_t i = 0; i < shown && !page->sink->stopped; i++) {
        add_row(page, i, all);
    }
    if (shown < plan->row_count) {
        of_text_print(&page->text, "  %u more rows\n", plan->row_count - shown);
    }
}

/* ---- The rest ---- */

static void add_notices(struct page *page)
{
    const struct of_plan *plan = page->sink->plan;

    if (plan->notice_count > 0) {
        of_text_add(&page->text, OF_STR("differences\n"));
    }
    for (uint32_t i = 0; i < plan->notice_count && !page->sink->stopped; i++) {
        of_text_print(&page->text, "  %s\n", plan->notices[i].text);
        flush(page);
    }
}

static void add_output(struct page *page)
{
    const struct of_plan *plan = page->sink->plan;
    const struct of_out_layout *output = &plan->output;

    of_text_print(&page->text, "output    %u file%s, ", output->shard_count,
                  output->shard_count == 1 ? "" : "s");
    add_size(&page->text, output->total_bytes);
    of_text_print(&page->text, " of tensors (total_size %llu)\n",
                  (unsigned long long)output->total_bytes);
    for (uint32_t i = 0; i < output->shard_count; i++) {
        of_text_print(&page->text, "  %s: %u tensors, header %llu, %llu bytes\n",
                      output->shards[i].name, output->shards[i].tensor_count,
                      (unsigned long long)output->shards[i].header_bytes,
                      (unsigned long long)output->shards[i].file_bytes);
        flush(page);
    }
    for (uint32_t i = 0; i < plan->side.count; i++) {
        of_text_print(&page->text, "  %s: copied, %llu bytes\n",
                      of_str_escape(of_str_from(plan->side.files[i].name)).text,
                      (unsigned long long)plan->side.files[i].size_bytes);
    }
    if (plan->donor_config.present) {
        of_text_print(&page->text, "  config.json: %s%s%s%s\n",
                      plan->config_patch.dtype != NULL ? "dtype becomes " : "",
                      plan->config_patch.dtype != NULL ? plan->config_patch.dtype : "",
                      plan->config_patch.set_tied ? " tie_word_embeddings becomes false" : "",
                      plan->config_patch.dtype == NULL && !plan->config_patch.set_tied
                          ? "copied as it is"
                          : "");
    }
}

static void add_memory(struct page *page)
{
    const struct of_how *how = &page->sink->plan->how;
    uint64_t total = 0;

    of_text_add(&page->text, OF_STR("memory    bound "));
    add_size(&page->text, how->memory_bytes);
    of_text_add_char(&page->text, '\n');
    for (uint32_t i = 0; i < how->line_count; i++) {
        const struct of_budget_line *line = &how->lines[i];

        of_text_print(&page->text, "  %-9s %11llu = %6llu x %-9llu %s\n", line->name,
                      (unsigned long long)line->bytes, (unsigned long long)line->count,
                      (unsigned long long)line->each_bytes, line->why);
        total += line->bytes;
    }
    of_text_print(&page->text, "  %-9s %11llu\n", "total", (unsigned long long)total);
}

/* What is gathered, and where from. */
static void add_statistics(struct page *page)
{
    const struct of_plan *plan = page->sink->plan;
    const struct of_survey_shape *survey = &plan->survey;
    uint32_t count = 0;

    for (uint32_t i = 0; i < plan->step_count; i++) {
        count += of_plan_is_surveyed(plan, i) ? 1 : 0;
    }
    if (plan->stats != NULL) {
        of_text_print(&page->text,
                      "survey    saved inner products of these %u inputs over %u tensors\n",
                      plan->input_count, count);
    } else if (survey->need != OF_GRAM_NONE) {
        of_text_print(&page->text, "survey    %s of %u task vectors%s over %u tensors%s\n",
                      survey->need == OF_GRAM_NORMS ? "norms" : "inner products", plan->input_count,
                      plan->extra != NULL ? " and one made of them" : "", count,
                      survey->elementwise ? ", agreement of signs, zeros, tails" : "");
    }
}

static void add_work(struct page *page)
{
    const struct of_plan *plan = page->sink->plan;
    const struct of_how *how = &plan->how;
    char hex[2 * sizeof(plan->hash.bytes) + 1];

    of_text_print(&page->text, "work      %u pass%s, reads %llu bytes (", plan->pass_count,
                  plan->pass_count == 1 ? "" : "es", (unsigned long long)plan->read_bytes);
    add_size(&page->text, plan->read_bytes);
    of_text_print(&page->text, "), writes %llu bytes (", (unsigned long long)plan->write_bytes);
    add_size(&page->text, plan->write_bytes);
    of_text_print(&page->text,
                  ")\n  %llu tiles in %u slots, %u worker%s, %u %s%s, I/O %s, direct %s\n",
                  (unsigned long long)plan->visit_count, how->slot_count, how->worker_count,
                  how->worker_count == 1 ? "" : "s", how->hash_thread_count,
                  how->workers_hash ? "hashing worker" : "hash thread",
                  how->hash_thread_count == 1 ? "" : "s",
                  how->io_name != NULL ? how->io_name : "uring, else threads",
                  of_plan_direct_name(how->direct));
    if (how->pool_count > 1 || how->ring_count > 1) {
        of_text_print(&page->text, "  %u part%s of the buffers, %u ring%s\n", how->pool_count,
                      how->pool_count == 1 ? "" : "s", how->ring_count,
                      how->ring_count == 1 ? "" : "s");
    }
    of_text_print(&page->text, "  %u of %u inputs of a tile at a time: %s\n", how->area_count,
                  plan->input_count,
                  plan->gather ? "they are needed together"
                  : how->area_count == plan->input_count
                      ? "they fit together"
                      : "their sum waits in the slot while inputs come and go");
    of_hash_hex(plan->hash.bytes, sizeof(plan->hash.bytes), hex);
    of_text_print(&page->text, "plan hash %s\n", hex);
}

static onefold_status write_text(struct of_plan_sink *sink, bool all, onefold_error *err)
{
    struct page page = {.sink = sink};
    onefold_status status;

    add_inputs(&page);
    status = add_tensors(&page, all, err);
    add_factors(&page, all);
    add_statistics(&page);
    add_notices(&page);
    if (!sink->plan->compare) {
        add_output(&page);
    }
    add_memory(&page);
    add_work(&page);
    of_plan_sink_flush(sink, &page.text, 0);
    if (page.text.failed && status == ONEFOLD_OK) {
        status = of_err_set(err, "memory", "no memory to print the plan");
    }
    of_text_finish(&page.text);
    return status;
}

onefold_status of_plan_write(const struct of_plan *plan, enum of_plan_form form,
                             of_plan_write_fn *write, void *context, onefold_error *err)
{
    struct of_plan_sink sink = {.plan = plan, .write = write, .context = context};

    switch (form) {
    case OF_PLAN_JSON:
        return of_plan_write_json(&sink, err);
    case OF_PLAN_TEXT:
    case OF_PLAN_TEXT_ALL:
        break;
    }
    return write_text(&sink, form == OF_PLAN_TEXT_ALL, err);
}
