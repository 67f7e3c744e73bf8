/* SPDX-License-Identifier: Apache-2.0 */
/* A small buffer in front of the caller's write function; used by plan_text.c and plan_json.c. */
#ifndef OF_PLAN_PLAN_PRINT_H
#define OF_PLAN_PLAN_PRINT_H

#include "plan/plan.h"

#include <stdio.h>

/* A piece of the plan never grows past this by much, whatever the number of tensors. */
enum { OF_PLAN_PIECE_BYTES = 16384 };

struct of_plan_sink {
    const struct of_plan *plan;
    of_plan_write_fn *write;
    void *context;
    bool stopped; /* the caller has enough */
};

/* Hands the text over and empties it, once it has `at_least` bytes. */
static inline void of_plan_sink_flush(struct of_plan_sink *sink, struct of_text *text,
                                      uint64_t at_least)
{
    if (text->length == 0 || text->length < at_least) {
        return;
    }
    if (!sink->stopped && !text->failed) {
        sink->stopped = !sink->write(sink->context, text->data, text->length);
    }
    text->length = 0;
}

/* "[4096, 1024]" of a tensor. */
static inline void of_plan_add_shape(struct of_text *text, const struct of_tensor *tensor,
                                     const char *comma)
{
    of_text_add_char(text, '[');
    for (uint32_t i = 0; i < tensor->rank; i++) {
        of_text_print(text, "%s%llu", i > 0 ? comma : "", (unsigned long long)tensor->shape[i]);
    }
    of_text_add_char(text, ']');
}

static inline uint32_t of_plan_reader_count(const struct of_plan *plan)
{
    return plan->input_count + (plan->has_base ? 1 : 0);
}

/* False where the coefficients are known after the statistics only. */
static inline bool of_plan_has_coefs(const struct of_plan *plan, const struct of_row *row)
{
    return plan->method->solve == NULL || row->is_alone;
}

static inline const char *of_plan_direct_name(enum of_direct direct)
{
    switch (direct) {
    case OF_DIRECT_ON:
        return "on";
    case OF_DIRECT_OFF:
        return "off";
    case OF_DIRECT_AUTO:
        break;
    }
    return "auto";
}

/* All steps, those of one group together (plan_groups.c); an of_mem block of the caller's. */
OF_NODISCARD onefold_status of_plan_groups_order(const struct of_plan *plan, uint32_t **ret_order,
                                                 onefold_error *err);

OF_NODISCARD onefold_status of_plan_write_json(struct of_plan_sink *sink, onefold_error *err);

#endif
