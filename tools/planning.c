/* SPDX-License-Identifier: Apache-2.0 */
/* From options to a plan: what merge, plan and compare share. */
#include "exit.h"
#include "verbs.h"

#include <stdlib.h>
#include <string.h>

/* What messages call the recipe that stands for options. */
#define LABEL "(options)"

/* More workers than any machine has only cost memory; the library has its own, lower limit. */
enum { THREADS_MAX = 65536 };

static uint32_t count_of(const struct opt_size *size)
{
    return (uint32_t)(size->value < THREADS_MAX ? size->value : THREADS_MAX);
}

uint32_t planning_threads(const struct opts *opts)
{
    const char *text = getenv("OMP_NUM_THREADS");
    unsigned long count;

    if (opts->threads.given) {
        return count_of(&opts->threads);
    }
    /* May be a list, one number per level of nesting; the first is ours. */
    count = text != NULL ? strtoul(text, NULL, 10) : 0;
    return (uint32_t)(count < THREADS_MAX ? count : 0);
}

const char *planning_cpu(void)
{
    const char *cpu = getenv("ONEFOLD_CPU");

    return cpu != NULL && cpu[0] != '\0' ? cpu : NULL;
}

const char *planning_io(const struct opts *opts)
{
    /* One of them, but for bench, which makes its own list. The first word leaves the choice to us.
     */
    for (int i = 1; opt_io_words[i] != NULL; i++) {
        if (opts->io & (1U << i)) {
            return opt_io_words[i];
        }
    }
    return NULL;
}

int planning_direct(const struct opts *opts)
{
    /* Words and constants have one order: auto, on, off. */
    return opts->direct != 0 ? opts->direct - 1 : ONEFOLD_DIRECT_AUTO;
}

onefold_status planning_sums(const char *list, uint32_t *ret_sums, onefold_error *err)
{
    const char *at = list;
    uint32_t sums = 0;

    if (strcmp(list, "none") == 0) {
        *ret_sums = 0;
        return ONEFOLD_OK;
    }
    do {
        const size_t length = strcspn(at, ",");

        if (length == 6 && memcmp(at, "sha256", 6) == 0) {
            sums |= ONEFOLD_SUM_SHA256;
        } else if (length == 6 && memcmp(at, "xxh128", 6) == 0) {
            sums |= ONEFOLD_SUM_XXH128;
        } else {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                            "--sums: \"%s\" is not sha256,xxh128, one of them, or none",
                            onefold_text_show(list, strlen(list)).text);
        }
        at += length + (at[length] == ',' ? 1 : 0);
    } while (*at != '\0');
    *ret_sums = sums;
    return ONEFOLD_OK;
}

static onefold_status make_options(const struct opts *opts, struct out *out,
                                   onefold_plan_options *ret_options, onefold_error *err)
{
    onefold_plan_options_init(ret_options);
    ret_options->memory_bytes = opts->memory.value;
    ret_options->worker_count = planning_threads(opts);
    ret_options->hash_thread_count = count_of(&opts->hash_threads);
    ret_options->pool_count = count_of(&opts->pools);
    ret_options->ring_count = count_of(&opts->rings);
    ret_options->io = planning_io(opts);
    ret_options->direct = planning_direct(opts);
    if (opts->out_shard_size.given) {
        ret_options->out_shard_bytes = opts->out_shard_size.value;
    }
    ret_options->dtype_given = opts->dtype.given;
    ret_options->dtype = opts->dtype.value;
    ret_options->out_dtype_given = opts->out_dtype.given;
    ret_options->out_dtype = opts->out_dtype.value;
    ret_options->tensor_union = opts->tensor_union;
    ret_options->tensor_intersection = opts->tensor_intersection;
    ret_options->nonfinite = opts->nonfinite == 2 ? ONEFOLD_NONFINITE_KEEP : ONEFOLD_NONFINITE_FAIL;
    ret_options->copy_tokenizer = opts->copy_tokenizer;
    ret_options->write_model_card = opts->write_model_card;
    ret_options->no_symlinks = opts->no_symlinks;
    ret_options->hf_cache = opts->hf_cache;
    ret_options->stats_path = opts->stats;
    ret_options->notice = out_notice;
    ret_options->notice_context = out;
    if (opts->tensor_union && opts->tensor_intersection) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL,
                        "--tensor-union and --tensor-intersection exclude each other");
    }
    if (opts->memory.given && opts->memory.value == 0) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL, "--memory cannot be 0");
    }
    if (opts->random_seed.given) {
        out_note(out, "option-ignored", "--random-seed: no rule of this version draws");
    }
    return opts->sums != NULL ? planning_sums(opts->sums, &ret_options->sums, err) : ONEFOLD_OK;
}

/* Options that only mean something together with --method. */
static onefold_status refuse_loose(const struct opts *opts, onefold_error *err)
{
    const char *name = opts->base != NULL      ? "base"
                       : opts->lambda != NULL  ? "lambda"
                       : opts->beta != NULL    ? "beta"
                       : opts->weight != NULL  ? "weight"
                       : opts->samples != NULL ? "samples"
                       : opts->steps != NULL   ? "steps"
                       : opts->lr_sum != NULL  ? "lr-sum"
                       : opts->scale != 0      ? "scale"
                       : opts->set.count != 0  ? "set"
                                               : NULL;

    if (name != NULL) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL,
                        "--%s goes with --method; in a recipe file it is a key", name);
    }
    return ONEFOLD_OK;
}

/* The first `input_count` arguments are models. */
static onefold_status make_recipe(const struct opts *opts, struct out *out, uint32_t input_count,
                                  struct planning *planning, onefold_error *err)
{
    char *text = NULL;
    size_t length = 0;
    onefold_status status = recipe_text_make(opts, input_count, &text, &length, err);

    if (status == ONEFOLD_OK) {
        status = onefold_recipe_parse(text, length, LABEL, out_notice, out, &planning->recipe, err);
        free(text);
    }
    return status;
}

static onefold_status load_recipe(const struct opts *opts, struct out *out, int need_target,
                                  struct planning *planning, onefold_error *err)
{
    const uint32_t count = opts->argument_count;

    if (opts->method == NULL) {
        if (refuse_loose(opts, err) != ONEFOLD_OK) {
            return err->status;
        }
        if (count > 2 || count < (need_target ? 2U : 1U)) {
            return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                            "%s: RECIPE %s expected, %u arguments given", out->verb,
                            need_target ? "OUT" : "[OUT]", count);
        }
        planning->target = count == 2 ? opts->arguments[1] : NULL;
        return onefold_recipe_load(opts->arguments[0], out_notice, out, &planning->recipe, err);
    }
    if (count < 2) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "%s --method: at least one input and OUT expected", out->verb);
    }
    planning->target = opts->arguments[count - 1];
    return make_recipe(opts, out, count - 1, planning, err);
}

static onefold_status load_compared(const struct opts *opts, struct out *out,
                                    struct planning *planning, onefold_error *err)
{
    if (opts->base != NULL) {
        return opts->argument_count > 0
                   ? make_recipe(opts, out, opts->argument_count, planning, err)
                   : exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                              "compare --base: at least one model expected");
    }
    if (opts->lambda != NULL || opts->beta != NULL) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-option", NULL,
                        "--%s goes with --base; in a recipe file it is a key",
                        opts->lambda != NULL ? "lambda" : "beta");
    }
    if (opts->argument_count != 1) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "compare: RECIPE, or --base MODEL and models expected");
    }
    return onefold_recipe_load(opts->arguments[0], out_notice, out, &planning->recipe, err);
}

onefold_status planning_make(const struct opts *opts, struct out *out, int need_target,
                             struct planning *ret_planning, onefold_error *err)
{
    onefold_plan_options options;
    onefold_status status;

    memset(ret_planning, 0, sizeof(*ret_planning));
    status = make_options(opts, out, &options, err);
    if (status == ONEFOLD_OK) {
        status = load_recipe(opts, out, need_target, ret_planning, err);
    }
    if (status == ONEFOLD_OK) {
        status = onefold_plan_build(ret_planning->recipe, &options, &ret_planning->plan, err);
    }
    return status;
}

onefold_status planning_make_comparison(const struct opts *opts, struct out *out,
                                        struct planning *ret_planning, onefold_error *err)
{
    onefold_plan_options options;
    onefold_status status;

    memset(ret_planning, 0, sizeof(*ret_planning));
    status = make_options(opts, out, &options, err);
    options.compare = 1;
    if (status == ONEFOLD_OK) {
        status = load_compared(opts, out, ret_planning, err);
    }
    if (status == ONEFOLD_OK) {
        status = onefold_plan_build(ret_planning->recipe, &options, &ret_planning->plan, err);
    }
    return status;
}

void planning_finish(struct planning *planning)
{
    onefold_plan_free(planning->plan);
    onefold_recipe_free(planning->recipe);
    memset(planning, 0, sizeof(*planning));
}

void planning_run_options(const struct opts *opts, struct out *out,
                          onefold_run_options *ret_options)
{
    onefold_run_options_init(ret_options);
    ret_options->force = opts->force;
    ret_options->restart = opts->restart;
    ret_options->notice = out_notice;
    ret_options->notice_context = out;
    ret_options->progress = out_progress;
    ret_options->progress_context = out;
    ret_options->cpu = planning_cpu();
}

/* ---- Printing ---- */

struct printer {
    struct out *out;
    FILE *to; /* NULL until the first piece: what fails before it can still be an error object */
    bool newline_due; /* the last byte was a newline, which the envelope does not want */
};

static int print_piece(void *context, const char *data, uint64_t length)
{
    struct printer *printer = context;

    if (length == 0) {
        return 1;
    }
    if (printer->to == NULL) {
        printer->to = printer->out->json ? out_stream(printer->out) : stdout;
    }
    if (printer->newline_due) {
        (void)putc('\n', printer->to);
    }
    printer->newline_due = data[length - 1] == '\n';
    (void)fwrite(data, 1, (size_t)length - (printer->newline_due ? 1 : 0), printer->to);
    return 1; /* a full or closed stream changes nothing; it is reported at the end */
}

onefold_status planning_print(const struct planning *planning, const struct opts *opts,
                              struct out *out, onefold_error *err)
{
    struct printer printer = {.out = out};
    const int form = out->json       ? ONEFOLD_PLAN_JSON
                     : opts->verbose ? ONEFOLD_PLAN_TEXT_ALL
                                     : ONEFOLD_PLAN_TEXT;
    onefold_run_options options;
    onefold_status status;

    if (planning->target != NULL) {
        planning_run_options(opts, out, &options);
        status = onefold_run_check(planning->plan, planning->target, &options, err);
        if (status != ONEFOLD_OK) {
            return status;
        }
    }
    status = onefold_plan_write(planning->plan, form, print_piece, &printer, err);
    if (!out->json && printer.newline_due) {
        (void)putc('\n', printer.to);
    }
    return status;
}
