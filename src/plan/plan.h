/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 3, `plan`: recipe + tables -> one immutable plan that decides every byte before a tensor
 * byte is read; includes base, fmt, ckpt, recipe, method. Pure apart from opening the inputs'
 * headers.
 *
 *   match    which input tensors feed which output          -> steps, layouts
 *   resolve  parameters per tensor, coefficients            -> rows
 *   survey   what a pass before the blend gathers           -> shape of the sums
 *   budget   memory as a sum of named parts                 -> slot size, slot count, k
 *   order    units (a large step, or a bundle of small ones) and their visits
 *   text     prints it
 */
#ifndef OF_PLAN_PLAN_H
#define OF_PLAN_PLAN_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "ckpt/checkpoint.h"
#include "ckpt/layout.h"
#include "ckpt/sidefile.h"
#include "fmt/stats_file.h"
#include "method/method.h"
#include "recipe/recipe.h"

#include <stdbool.h>
#include <stdint.h>

enum { OF_SUM_SHA256 = 1 << 0, OF_SUM_XXH128 = 1 << 1 };
enum of_direct { OF_DIRECT_AUTO, OF_DIRECT_ON, OF_DIRECT_OFF };
enum of_nonfinite { OF_NONFINITE_FAIL, OF_NONFINITE_KEEP };

struct of_plan_options {
    uint64_t memory_bytes;      /* 0 = default, shrunk to what the cgroup leaves */
    uint32_t worker_count;      /* 0 = as many as there are usable CPUs */
    uint32_t hash_thread_count; /* 0 = by CPUs (budget.c) */
    uint32_t pool_count;        /* 0 = by memory nodes */
    uint32_t ring_count;        /* 0 = by workers and pools */
    const char *io_name;        /* NULL = uring, else threads */
    enum of_direct direct;
    uint64_t out_shard_bytes; /* 0 = one file */
    bool has_dtype;           /* overrides the recipe's */
    onefold_dtype dtype;
    bool has_out_dtype;
    onefold_dtype out_dtype;
    bool tensor_union;
    bool tensor_intersection;
    enum of_nonfinite nonfinite;
    bool copy_tokenizer;
    bool write_card;
    uint32_t sums; /* OF_SUM_* */
    bool no_links;
    const char *hf_cache; /* NULL = environment */
    /* Tests: a smaller tile or fewer slots than the budget would choose; 0 = no wish. */
    uint32_t tile_grains_max;
    uint32_t slot_count_max;
    uint32_t area_count_max; /* inputs per round */
    /* What the machine allows. This floor may not ask the system: whoever builds a plan does. */
    bool compare;                      /* nothing is written; the survey gathers everything */
    const struct of_stats_file *stats; /* saved inner products: no scan; NULL = none */
    uint32_t machine_cpu_count;        /* 0 = unknown */
    uint32_t machine_node_count;       /* memory nodes with CPUs of ours; 0 = unknown */
    uint64_t machine_memory_bytes;     /* what cgroups leave; 0 = unknown */
};
void of_plan_options_init(struct of_plan_options *options);

/* Where one input keeps the tensor of each step. One layout serves all inputs that share it. */
enum { OF_PLACE_ABSENT = 0xffff };
struct of_layout {
    uint64_t *offsets; /* [step], in the file */
    uint16_t *shards;  /* [step]; OF_PLACE_ABSENT: this input has no such tensor */
    uint8_t *dtypes;   /* [step] */
};

/* inputs[0 .. T-1] contribute, in recipe order. The base, if the method reads one, is inputs[T]. */
struct of_plan_input {
    const struct of_checkpoint *checkpoint;
    const struct of_layout *layout;
    const char *label;
    struct of_str reference; /* as the recipe names it */
    const char *revision;
    bool is_base;
    struct of_fact samples;
    struct of_fact steps;
    struct of_fact lr_sum;
};

/* One distinct set of coefficients; steps share rows. */
struct of_row {
    /* [T]. Class GRAM, and ELEMENT with gram != NONE: zeros here, the run makes its own from the
     * solution, which is the same for all rows that are not alone. */
    const float *coefs;
    bool has_divisor;
    float divisor;
    bool has_factor; /* multiply v before adding the base (plain frame: before storing) */
    float factor;
    bool is_alone; /* one tensor, nothing is summed: the sum starts at -0, and zeros keep their sign
                    */
    double lambda; /* for print: sum form; NAN where the method has none */
    double beta;   /* mean form */
    /* ELEMENT: [param], global settings of these tensors. NULL: the tensor is summed as with a
     * linear rule, also where an element-wise rule meets a tensor that only the base has. */
    const double *global;
};

enum of_step_kind {
    OF_STEP_MERGE, /* arithmetic */
    OF_STEP_COPY   /* bytes of the source; other inputs are compared */
};

struct of_step {
    uint8_t kind;
    bool delta;      /* frame of a merge step */
    bool compare;    /* copy: the other inputs have the tensor too, and their bytes are compared */
    uint32_t row;    /* merge: index into rows */
    uint32_t source; /* copy: input whose bytes are taken */
    double t;        /* place of its layer in [0, 1] */
    uint64_t first_grain; /* over the whole output, in output order */
};

/* What is visited together: one step cut into tiles of k grains, or a bundle of whole small steps.
 */
struct of_unit {
    uint32_t first_step;
    uint32_t step_count;  /* > 1: bundle, one visit */
    uint32_t tile_grains; /* single step: grains per tile */
    bool scattered;       /* bundle: in some input the steps lie anywhere */
    uint64_t first_visit;
};

/* One passage of a tile, or of a part of it, through a slot. Computed, never stored. */
struct of_visit {
    uint64_t number; /* of the tile */
    bool is_part;    /* not all of it */
    uint32_t first_step;
    uint32_t step_count;
    bool scattered;       /* as the unit, also of a part that is one step */
    uint64_t first_elem;  /* in the step; 0 for a bundle */
    uint64_t elem_count;  /* of the step that is covered; for a bundle of all its steps together */
    uint64_t first_grain; /* over the whole output */
    uint64_t grain_count;
    uint32_t out_shard;
    uint64_t out_offset; /* in the file */
    uint64_t out_bytes;
};

struct of_range {
    uint16_t shard;  /* OF_PLACE_ABSENT when the input has nothing to give */
    uint64_t offset; /* in the file */
    uint64_t byte_count;
    /* 0: the bytes lie one behind the other from offset on. Else the steps of a bundle lie anywhere
     * in the file: each is read alone, whole blocks of it, to a place of so many bytes. */
    uint64_t place_bytes;
};

struct of_budget_line {
    const char *name;
    uint64_t count;
    uint64_t each_bytes;
    uint64_t bytes;
    const char *why;
};
enum { OF_BUDGET_LINES_MAX = 20 };
/* Matrices T x T of doubles that the arena of solve may take. */
enum { OF_SOLVE_MATRICES = 4 };

/*
 * Statistics of the task vectors, gathered by a pass of its own before the blend (or alone, for
 * compare). Per grain and step a worker fills `sum_count` doubles and `count_count` integers; they
 * are added in the order lanes, grains, steps in plan order, so no choice of memory, threads or
 * tiles changes a bit.
 *
 *   sums    inner products <d_s, d_t>, s <= t, row by row of the upper triangle (FULL), or
 *           <d_t, d_t> (NORMS); with `elementwise` then: sum of overlap, sum of the tail statistic
 *   counts  with `elementwise`: exact zeros [T], agreement |s| = 0..T [T + 1], elements that count
 *           in overlap [1], elements that count in tails [1]; NaN [T + 1] and infinities [T + 1] of
 *           inputs and base. Without: none (what is not finite ends the run)
 *
 * Only merge steps count that every input has (of_plan_is_surveyed).
 */
struct of_survey_shape {
    enum of_gram_need need;
    bool elementwise;
    uint32_t input_count; /* T; with an extra vector of the rule (struct of_extra) T + 1 */
    uint32_t sum_count;
    uint32_t count_count;
};
void of_survey_shape_make(enum of_gram_need need, bool elementwise, uint32_t input_count,
                          struct of_survey_shape *ret_shape);
/* Index in sums of <d_s, d_t>, in either order; with NORMS s and t are the same. */
uint32_t of_survey_pair(const struct of_survey_shape *shape, uint32_t s, uint32_t t);
/* Where the two sums and the groups of counts of an elementwise survey start. */
uint32_t of_survey_overlap(const struct of_survey_shape *shape); /* in sums; the tail is next */
enum of_survey_group {
    OF_SURVEY_ZEROS,      /* [T] */
    OF_SURVEY_AGREEMENT,  /* [T + 1] */
    OF_SURVEY_IN_OVERLAP, /* [1] */
    OF_SURVEY_IN_TAIL,    /* [1] */
    OF_SURVEY_NAN,        /* [T + 1] */
    OF_SURVEY_INF         /* [T + 1] */
};
uint32_t of_survey_counts(const struct of_survey_shape *shape, enum of_survey_group group);

/* Memory that the run takes for all this, so that the budget can count it. A slot keeps sums per
 * grain and counts per step of its visit. */
static inline uint64_t of_survey_slot_bytes(const struct of_survey_shape *shape, uint64_t grains,
                                            uint64_t steps)
{
    return (grains * shape->sum_count + steps * shape->count_count) * sizeof(double);
}
/* Of one worker, behind its three blocks: chunks of all inputs, their addresses and coefficients
 * for a block of an element-wise rule or for the survey, and eight lanes for each sum. */
static inline uint64_t of_chunk_scratch_bytes(const struct of_survey_shape *shape,
                                              uint32_t input_count)
{
    const uint64_t of_input =
        OF_BLOCK_CHUNK * sizeof(float) + sizeof(float *) + sizeof(float) + 4 * sizeof(double);

    return (uint64_t)input_count * of_input + shape->sum_count * 8 * sizeof(double) + 1024;
}

/* How the plan is carried out; not hashed. Sizes of one slot's parts: area_count + 1 read areas
 * (the last is the base's) and one area that holds the plane and, in the end, the output bytes. */
struct of_how {
    uint64_t memory_bytes;
    const char *io_name; /* NULL = choose */
    enum of_direct direct;
    uint32_t worker_count;
    uint32_t hash_thread_count;   /* output shards in the making at a time; 1 without sums */
    uint32_t xxh128_thread_count; /* 1: not the threads above compute XXH128 but one more */
    bool workers_hash;            /* no thread is made for that: workers do it between tiles */
    uint32_t pool_count; /* parts of the pool: slot and worker i are of part i modulo this */
    uint32_t ring_count; /* a multiple of pool_count, or 1 */
    uint32_t slot_count;
    uint32_t set_count;  /* sets of read areas: as many slots read from the disk at a time */
    uint32_t area_count; /* inputs read together in one round; = T: gather, 1: fold one by one */
    uint64_t area_bytes; /* of one read area, slack for alignment on both sides included */
    uint64_t base_area_bytes; /* 0 when nothing reads a base */
    uint64_t out_area_bytes;
    uint64_t slot_bytes;    /* area_count * area_bytes + base_area_bytes + out_area_bytes */
    uint64_t pool_bytes;    /* of all parts; each of whole huge pages: out areas of its slots, its
                             * sets of read areas, then scratch of its workers */
    uint64_t flight_bytes;  /* of reads, underway together */
    uint64_t survey_bytes;  /* per slot, not in the pool: of_survey_slot_bytes of any visit */
    uint64_t fetch_bytes;   /* what a worker copies from the page cache at a time, */
    uint64_t pane_bytes;    /* or maps; 0 = it copies everything */
    uint64_t scratch_bytes; /* per worker: of_job_scratch, fetch_bytes, of_chunk_scratch_bytes */
    /* What the run may take besides for statistics: a step and the total of the survey, the whole
     * matrix (struct of_gram), coefficients of every row, and the arena of solve
     * (OF_SOLVE_MATRICES matrices T x T and some vectors). 0 where nothing is surveyed or solved.
     */
    uint64_t statistics_bytes;
    struct of_budget_line lines[OF_BUDGET_LINES_MAX];
    uint32_t line_count;
};

struct of_plan {
    /* Life: everything below lies in these two, owned by the plan. */
    struct of_arena arena;
    struct of_checkpoint_set set;

    const struct of_recipe *recipe;
    const struct of_method *method;
    const struct of_checkpoint *donor;
    struct of_plan_input *inputs; /* input_count + has_base */
    uint32_t input_count;         /* T */
    bool has_base;                /* inputs[T] is read */
    bool has_row_lambda;          /* the method has lambda/beta */

    struct of_tensor *tensors; /* output tensors in output order: [step] */
    struct of_step *steps;
    uint32_t step_count;
    struct of_row *rows;
    uint32_t row_count;
    struct of_out_layout output;
    uint64_t grain_count;

    struct of_unit *units;
    uint32_t unit_count;
    uint64_t visit_count;

    struct of_config donor_config;
    struct of_config_patch config_patch;
    struct of_side_list side;
    uint32_t sums;
    bool write_card;
    enum of_nonfinite nonfinite;

    /* What was left out, copied, tied, padded, ignored: kept for plan text and manifest. */
    struct of_plan_notice {
        const char *id;
        const char *text;
    } * notices;
    uint32_t notice_count;

    uint64_t read_bytes;           /* of all passes; a rule may leave some out */
    uint64_t write_bytes;          /* tensor data and headers */
    struct of_survey_shape survey; /* need NONE: one pass */
    uint32_t pass_count;           /* reads of the inputs: 1, or 2 with a survey before the blend */
    bool gather;                   /* all inputs of a tile must be in the slot together */
    const struct of_extra *extra;  /* of the rule, if its parameters want it; else NULL */
    bool compare;                  /* survey only: there is nothing to blend or to write */
    /* Inner products instead of the survey, of exactly these inputs; NULL = none, or no use. */
    const struct of_stats_file *stats;
    struct of_params params; /* rules that solve: settings and facts of the whole model */
    struct of_how how;
    struct of_sha256_digest hash; /* plan hash */
};

/* Vectors that take part in inner products and, with coefficients, in v. */
static inline uint32_t of_plan_vector_count(const struct of_plan *plan)
{
    return plan->input_count + (plan->extra != NULL ? 1 : 0);
}

/*
 * Builds a plan. The recipe must stay valid as long as the plan. All findings go to `report`; with
 * several kinds of error the status with the smallest exit code is returned. What the recipe alone
 * shows is found before any checkpoint is opened.
 */
OF_NODISCARD onefold_status of_plan_build(const struct of_recipe *recipe,
                                          const struct of_plan_options *options,
                                          struct of_report *report, struct of_plan **ret_plan,
                                          onefold_error *err);
/* NULL is fine. */
void of_plan_free(struct of_plan *plan);

/* Visit `number` < visit_count; cheap (binary search over units). Visits follow output order. */
void of_plan_visit(const struct of_plan *plan, uint64_t number, struct of_visit *ret_visit);
/* The parts that a tile is visited in, when it is, by the bytes of all its inputs together. */
uint32_t of_plan_part_count(uint64_t tile_bytes);
/* Makes of a whole visit that of the part of its tile which begins `from_grain` grains behind its
 * start and is about a `part_count`th of it: whole grains, or whole tensors of a bundle. Returns
 * whether the tile ends there. Of what has to be whole for the same results and messages, that is
 * all. */
bool of_plan_split(const struct of_plan *plan, uint64_t from_grain, uint32_t part_count,
                   struct of_visit *visit);
/* The bytes of input `input` (input_count = the base) that the visit needs. */
void of_plan_visit_range(const struct of_plan *plan, const struct of_visit *visit, uint32_t input,
                         struct of_range *ret_range);
/* Those of one whole step. */
void of_plan_step_range(const struct of_plan *plan, uint32_t step, uint32_t input,
                        struct of_range *ret_range);

/* Does the step take part in the survey? Tensors with arithmetic that every input has. */
static inline bool of_plan_is_surveyed(const struct of_plan *plan, uint32_t step)
{
    bool all = plan->steps[step].kind == OF_STEP_MERGE && plan->tensors[step].elem_count > 0;

    for (uint32_t i = 0; all && i < plan->input_count; i++) {
        all = plan->inputs[i].layout->shards[step] != OF_PLACE_ABSENT;
    }
    return all;
}

/* Who the inputs are, for saved statistics: all of the file but its sums (gram is NULL). Ids:
 * memory. */
OF_NODISCARD onefold_status of_plan_stats_identity(const struct of_plan *plan,
                                                   struct of_arena *arena,
                                                   struct of_stats_file **ret_stats,
                                                   onefold_error *err);

enum of_plan_form { OF_PLAN_TEXT, OF_PLAN_TEXT_ALL, OF_PLAN_JSON };
/* Returns false to stop. */
typedef bool of_plan_write_fn(void *context, const char *data, uint64_t length);
/* Prints the plan: grouped by stack and role, or every tensor (TEXT_ALL), or one canonical object.
 * Needs little memory whatever the number of tensors. */
OF_NODISCARD onefold_status of_plan_write(const struct of_plan *plan, enum of_plan_form form,
                                          of_plan_write_fn *write, void *context,
                                          onefold_error *err);

#endif
