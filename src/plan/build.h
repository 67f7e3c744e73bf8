/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this floor share while a plan is built; nobody above includes it. The order of
 * work is the order of the functions below: refuse what the recipe alone shows, open, match, order,
 * resolve, budget, hash.
 */
#ifndef OF_PLAN_BUILD_H
#define OF_PLAN_BUILD_H

#include "base/limits.h"
#include "base/num.h"
#include "plan/plan.h"

enum { OF_VARIANT_NONE = 0xffffffffu };

/* One input, or the base, while it is planned. */
struct of_origin {
    const struct of_recipe_input *entry; /* NULL for the base */
    const struct of_model_ref *model;
    const char *label;
    struct of_checkpoint *checkpoint;
    struct of_config config;
    uint32_t variant;
};

/* All inputs that find the tensors of every step at the same place. */
struct of_variant {
    const struct of_table *table;
    bool lends; /* tied: its input embedding stands in for an LM head it does not store */
    bool is_base;
    uint32_t input_count; /* inputs that share it */
    uint32_t guess;       /* table index behind the tensor that was found last */
    struct of_layout *layout;
};

/* What becomes of one output tensor, before the order of the output is known. */
struct of_pick {
    uint8_t kind; /* enum of_step_kind */
    bool delta;
    bool compare;
    bool from_base; /* needs the base's bytes although the rule itself has no use for a base */
    uint32_t source;
    uint32_t order_index; /* in the table of reference, or OF_MAP_NONE */
};

struct of_build {
    struct of_plan *plan;
    const struct of_recipe *recipe;
    const struct of_plan_options *options;
    struct of_report *report;
    const struct of_method *method;
    struct of_arena scratch; /* for what the finished plan does not need */
    uint64_t memory_bytes;   /* the bound in force */

    struct of_origin *origins; /* [T], then the base if the recipe has one */
    uint32_t input_count;
    bool has_base;
    struct of_variant *variants;
    uint32_t variant_count;
    uint32_t base_variant; /* OF_VARIANT_NONE: the rule and the output have no use for it */
    bool base_is_used;
    struct of_pick *picks; /* in order of steps once of_match is done */

    /* Findings (plan_findings.c). */
    uint64_t error_count;
    onefold_error worst;
    struct of_plan_notice *notices;
    uint32_t notice_count;
    uint32_t notice_capacity;
};

/* ---- plan_findings.c ---- */

/* Counts findings of one kind, so that a million of them make twenty lines and a number. */
struct of_tally {
    uint64_t count;
};

/* An error with its place in the recipe (line 0: none) and perhaps a better hint than the id's. */
void of_build_error(struct of_build *build, const char *id, struct of_mark mark, const char *hint,
                    const char *format, ...) OF_PRINTF(5, 6);
/* An error about inputs; the first OF_FINDINGS_SHOWN_MAX of the tally are shown. */
void of_build_error_tally(struct of_build *build, struct of_tally *tally, const char *id,
                          const char *hint, const char *format, ...) OF_PRINTF(5, 6);
/* Says how many findings of the tally were not shown. */
void of_build_tally_close(struct of_build *build, const struct of_tally *tally, const char *id,
                          const char *what);
void of_build_warning(struct of_build *build, const char *id, struct of_mark mark,
                      const char *format, ...) OF_PRINTF(4, 5);
/* Goes to the report (twenty of a tally) and stays in the plan for its text and the manifest. */
void of_build_notice(struct of_build *build, struct of_tally *tally, onefold_level level,
                     const char *id, const char *format, ...) OF_PRINTF(5, 6);
void of_build_notice_close(struct of_build *build, const struct of_tally *tally, const char *id,
                           const char *what);
/* Shaped as an onefold_notice_fn for a report of its own: what a rule reports is kept in the plan.
 */
void of_build_keep_notice(void *context, const onefold_notice *notice);
/* Fails with the worst finding, or a count of them, when there was any. */
OF_NODISCARD onefold_status of_build_check(const struct of_build *build, onefold_error *err);
/* "memory", or "memory-bound" when it was the bound that said no. */
onefold_status of_build_no_memory(const struct of_build *build, onefold_error *err);

/* ---- refuse.c: what the recipe alone shows ---- */

/* Reports forms, keys and methods that this version does not have, and finds the method. False when
 * there is nothing to go on with. */
bool of_refuse_form(struct of_build *build);
/* Reports what is wrong with parameters and facts. */
void of_refuse_settings(struct of_build *build);

/* ---- origins.c: the inputs ---- */

/* Takes the entries that contribute and the base; opens nothing. */
OF_NODISCARD onefold_status of_origins_select(struct of_build *build, onefold_error *err);
/* Opens them, sorts out entries that turn out to be the base, and finds the variants. */
OF_NODISCARD onefold_status of_origins_open(struct of_build *build, onefold_error *err);
const struct of_origin *of_origins_donor(const struct of_build *build);

/* ---- match.c ---- */

/* Which tensors there are, in which order and type, and where each input keeps them. */
OF_NODISCARD onefold_status of_match(struct of_build *build, onefold_error *err);
/* The tensor a variant gives for a name of the output, or NULL. `order` is the table of reference
 * and has that name at `order_index` (OF_MAP_NONE = not). */
const struct of_tensor *of_match_find(struct of_variant *variant, const struct of_tensor *want,
                                      const struct of_table *order, uint32_t order_index);

/* ---- heads.c: tied LM heads ---- */

bool of_head_is(struct of_str name);
/* Input embedding of the same shape that a tied model uses as its head. */
const struct of_tensor *of_head_embedding(const struct of_table *table,
                                          const struct of_tensor *head);

/* ---- metadata.c: __metadata__ of the output, config.json ---- */

OF_NODISCARD onefold_status of_metadata_make(struct of_build *build,
                                             const struct of_pair **ret_pairs, uint32_t *ret_count,
                                             onefold_error *err);
void of_metadata_patch_config(struct of_build *build, bool has_head);

/* ---- layers.c ---- */

/* The place t of every step's layer in its stack; reports stacks with holes. */
OF_NODISCARD onefold_status of_layers_assign(struct of_build *build, onefold_error *err);

/* ---- factor.c: lambda and beta ---- */

struct of_factor {
    double lambda; /* of the sum form */
    double beta;   /* of the mean form */
    double native; /* of what the rule makes */
};
struct of_factor_place {
    struct of_str name;
    double t;
    uint32_t input_count; /* that have the tensor */
};
/* As the recipe says, or the rule's standard. `normalised`: a sum was made a mean. */
struct of_factor of_factor_find(const struct of_build *build, const struct of_method *method,
                                bool normalised, const struct of_factor_place *place);
/* As the rule itself sets it; NaN where it does not, or the form is its own. */
void of_factor_set(const struct of_method *method, const struct of_linear *linear,
                   uint32_t input_count, struct of_factor *ret_factor);

/* ---- resolve.c ---- */

/* The number behind a value; false for a word the parameter does not have. */
bool of_resolve_number(const struct of_param *param, const struct of_value *value,
                       double *ret_number);
/* Asks the rule once, where nothing depends on the tensor: senseless values are found before any
 * input is opened. */
OF_NODISCARD onefold_status of_resolve_early(struct of_build *build, onefold_error *err);
OF_NODISCARD onefold_status of_resolve(struct of_build *build, onefold_error *err);

/* ---- compare.c: a plan that only looks at its inputs ---- */

/* Stands in for the recipe's rule: every task vector counts, nothing is written. */
extern const struct of_method of_compare_method;
/* The step that the recipe plans, for the one row of the plan. */
struct of_factor of_compare_factor(const struct of_build *build);

/* ---- statistics.c ---- */

/* Keeps in the plan what solve is asked with. */
OF_NODISCARD onefold_status of_statistics_keep_params(struct of_build *build,
                                                      const struct of_params *params,
                                                      onefold_error *err);
/* What is gathered before the blend, and whether saved statistics take its place. */
OF_NODISCARD onefold_status of_statistics_choose(struct of_build *build, onefold_error *err);

/* ---- order.c ---- */

/* Limits of one visit, in bytes; `out` includes plane and slack. */
struct of_tile_caps {
    uint64_t read_bytes;
    uint64_t out_bytes;
    bool plane;               /* sums may have to wait in the slot */
    bool scatter;             /* steps of a bundle may lie anywhere in an input */
    uint64_t grains_max;      /* of a visit, for its partial sums; 0 = no limit */
    uint32_t tile_grains_max; /* 0 = no wish */
};
/* What the visits really need. */
struct of_tile_need {
    uint64_t read_bytes;
    uint64_t base_bytes;
    uint64_t out_bytes;
    uint64_t unit_count;
    uint64_t visit_count;
    uint64_t grains_max; /* of one visit */
    uint32_t steps_max;
};
/* Room for so many bytes from anywhere in a file: they are read in whole blocks, which may be more
 * on both sides. */
static inline uint64_t of_order_room(uint64_t byte_count)
{
    return byte_count == 0
               ? 0
               : of_num_align_up(byte_count + OF_DIRECT_ALIGN_MAX - 1, OF_DIRECT_ALIGN_MAX);
}
/* Cuts all steps into units. `units` may be NULL to count only. */
void of_order_cut(const struct of_build *build, const struct of_tile_caps *caps,
                  struct of_unit *units, struct of_tile_need *ret_need);

/* ---- budget.c ---- */

/* The bound in force, from the wishes and the machine. */
OF_NODISCARD onefold_status of_budget_begin(struct of_build *build, onefold_error *err);
/* What records of inputs may take. */
uint64_t of_budget_records_max(const struct of_build *build);
/* Chooses tile, inputs per round and slots; makes the units. */
OF_NODISCARD onefold_status of_budget_choose(struct of_build *build, onefold_error *err);

/* ---- plan_hash.c ---- */

OF_NODISCARD onefold_status of_plan_hash_make(struct of_build *build, onefold_error *err);

#endif
