/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters of every tensor, looked up where recipes.md says, then the rule's coefficients and the
 * factor, all in double and rounded to f32 once. Equal results share a row. A rule that solves gets
 * its coefficients from statistics: what it needs for that is looked up for the whole model.
 */
#include "plan/build.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"

#include <math.h>
#include <string.h>

/* Rows found for one t, so that tensors that differ in nothing else ask the rule once. */
enum { MEMO_SIZE = 1024 };

struct memo {
    double t;
    uint32_t row;
    bool used;
};

/* A row as it is compared and hashed: no padding, so that equal rows are equal bytes. */
struct row_head {
    double lambda;
    double beta;
    float divisor;
    float factor;
    uint32_t has_divisor;
    uint32_t has_factor;
    uint32_t is_alone;
    uint32_t has_global;
};
_Static_assert(sizeof(struct row_head) == 40, "a row's bytes are its values");

struct resolve {
    struct of_build *build;
    uint32_t input_count;

    /* What the rule is asked with. */
    bool *present;      /* [input] */
    double **per_input; /* [param][input] */
    double *global;     /* [param] */
    double *coefs;      /* [input] */
    struct of_params params;

    /* What it answered. */
    uint8_t *blob; /* row_head, then global values of an element-wise rule, then T floats */
    uint64_t blob_bytes;
    uint64_t coefs_at;
    uint8_t **blobs; /* [row], in the plan's arena */
    uint32_t row_count;
    uint32_t row_capacity;
    struct of_map rows;

    bool is_quiet; /* missing values are no findings now */
    bool by_name;  /* some filter looks at names */
    bool by_t;     /* some gradient looks at layers */
    struct memo memo[MEMO_SIZE];
    struct of_tally missing;
    struct of_tally refused;
};

/* ---- One value ---- */

bool of_resolve_number(const struct of_param *param, const struct of_value *value,
                       double *ret_number)
{
    if (param->kind != OF_PARAM_WORD) {
        *ret_number = value->number;
        return value->kind != OF_VALUE_WORD;
    }
    for (uint32_t i = 0; param->words != NULL && param->words[i] != NULL; i++) {
        if (of_str_is(value->word, param->words[i])) {
            *ret_number = i;
            return true;
        }
    }
    return false;
}

static double find_value(const struct of_build *build, const struct of_recipe_input *entry,
                         const struct of_param *param, struct of_str name, double t)
{
    const struct of_settings *levels[] = {entry != NULL ? &entry->parameters : NULL,
                                          &build->recipe->parameters};
    struct of_value value;
    double number;

    if (of_setting_find(levels, OF_LENGTH(levels), param->name, name, t, &value) &&
        of_resolve_number(param, &value, &number)) {
        return number;
    }
    return param->standard;
}

static double find_fact(const struct of_recipe_input *entry, const char *name)
{
    const struct of_fact *fact = strcmp(name, "samples") == 0 ? &entry->samples
                                 : strcmp(name, "steps") == 0 ? &entry->steps
                                                              : &entry->lr_sum;

    return fact->given ? fact->value : OF_PARAM_NOT_GIVEN;
}

/* ---- All values of one tensor ---- */

static void miss(struct resolve *resolve, const struct of_param *param, const char *label,
                 struct of_str name)
{
    if (resolve->is_quiet) {
        return;
    }
    of_build_error_tally(resolve->build, &resolve->missing, "recipe-param", NULL,
                         "missing parameter \"%s\" for %s%stensor \"%s\": no filter matches under "
                         "its entry or the top level's parameters",
                         param->name, label != NULL ? of_str_escape(of_str_from(label)).text : "",
                         label != NULL ? ", " : "", of_str_escape(name).text);
}

static bool gather_values(struct resolve *resolve, struct of_str name, double t)
{
    const struct of_build *build = resolve->build;
    bool complete = true;

    for (uint32_t p = 0; p < build->method->param_count; p++) {
        const struct of_param *param = &build->method->params[p];

        if (!param->per_input && !param->is_fact) {
            resolve->global[p] = find_value(build, NULL, param, name, t);
            if (param->required && isnan(resolve->global[p])) {
                miss(resolve, param, NULL, name);
                complete = false;
            }
            continue;
        }
        for (uint32_t i = 0; i < resolve->input_count; i++) {
            const struct of_origin *origin = &build->origins[i];
            double *value = &resolve->per_input[p][i];

            *value = param->is_fact ? find_fact(origin->entry, param->name)
                                    : find_value(build, origin->entry, param, name, t);
            if (param->required && resolve->present[i] && isnan(*value)) {
                miss(resolve, param, origin->label, name);
                complete = false;
            }
        }
    }
    return complete;
}

static bool is_normalised(const struct resolve *resolve)
{
    const struct of_method *method = resolve->build->method;
    const struct of_param *param = of_method_param(method, "normalize");

    return param != NULL && resolve->global[param - method->params] != 0.0;
}

/* ---- Rows ---- */

static struct of_str blob_key(const void *context, uint32_t index)
{
    const struct resolve *resolve = context;

    return (struct of_str){(const char *)resolve->blobs[index], resolve->blob_bytes};
}

static onefold_status grow_rows(struct resolve *resolve, onefold_error *err)
{
    const uint32_t capacity = resolve->row_capacity == 0 ? 64 : 2 * resolve->row_capacity;
    uint8_t **blobs = of_mem_resize(resolve->blobs, of_mem_array_bytes(capacity, sizeof(blobs[0])));

    if (blobs == NULL) {
        return of_build_no_memory(resolve->build, err);
    }
    resolve->blobs = blobs;
    resolve->row_capacity = capacity;
    return ONEFOLD_OK;
}

static onefold_status put_row(struct resolve *resolve, uint32_t *ret_row, onefold_error *err)
{
    const struct of_str key = {(const char *)resolve->blob, resolve->blob_bytes};
    uint32_t row = of_map_find(&resolve->rows, key);

    if (row == OF_MAP_NONE) {
        uint8_t *copy =
            of_arena_get(&resolve->build->plan->arena, resolve->blob_bytes, _Alignof(double));

        if (copy == NULL) {
            return of_build_no_memory(resolve->build, err);
        }
        if (resolve->row_count == resolve->row_capacity) {
            OF_TRY(grow_rows(resolve, err));
        }
        memcpy(copy, resolve->blob, resolve->blob_bytes);
        row = resolve->row_count++;
        resolve->blobs[row] = copy;
        of_assert(of_map_put(&resolve->rows, row) == OF_MAP_NONE);
    }
    *ret_row = row;
    return ONEFOLD_OK;
}

static void write_blob(struct resolve *resolve, const struct of_linear *linear,
                       const struct of_factor *factor)
{
    const struct of_method *method = resolve->build->method;
    const bool takes_lambda = method->takes_lambda;
    struct row_head head = {.lambda = factor->lambda,
                            .beta = factor->beta,
                            .has_divisor = linear->has_divisor,
                            .has_factor = takes_lambda || linear->has_factor,
                            .is_alone = method->class == OF_CLASS_COPY,
                            .has_global = method->class == OF_CLASS_ELEMENT};

    head.divisor = linear->has_divisor ? (float)linear->divisor : 0.0F;
    if (head.has_factor != 0) {
        head.factor = (float)(takes_lambda ? factor->native : linear->factor);
    }
    memcpy(resolve->blob, &head, sizeof(head));
    if (head.has_global != 0) {
        memcpy(resolve->blob + sizeof(head), resolve->global,
               method->param_count * sizeof(resolve->global[0]));
    }
    for (uint32_t i = 0; i < resolve->input_count; i++) {
        const float coef = (float)linear->coefs[i];

        memcpy(resolve->blob + resolve->coefs_at + i * sizeof(coef), &coef, sizeof(coef));
    }
}

/* Inputs to f32 were checked one by one; products and quotients of them may still overflow. */
static bool is_finite_row(const struct resolve *resolve, const struct of_linear *linear,
                          const struct of_factor *factor)
{
    bool finite = !linear->has_divisor || isfinite((float)linear->divisor);

    finite = finite && (!linear->has_factor || isfinite((float)linear->factor));
    finite = finite && (!resolve->build->method->takes_lambda || isfinite((float)factor->native));
    for (uint32_t i = 0; i < resolve->input_count; i++) {
        finite = finite && isfinite((float)linear->coefs[i]);
    }
    return finite;
}

/* Without a name the recipe alone was asked about, and its list of models is the place. */
static void refuse_answer(struct resolve *resolve, struct of_str name, const onefold_error *found)
{
    if (name.length == 0) {
        of_build_error(resolve->build, found->id, resolve->build->recipe->form_mark, found->hint,
                       "%s", found->message);
        return;
    }
    of_build_error_tally(resolve->build, &resolve->refused, found->id, found->hint,
                         "tensor \"%s\": %s", of_str_escape(name).text, found->message);
}

/* Coefficients that wait for statistics are 0 here. */
static onefold_status prepare(const struct resolve *resolve, uint32_t present_count,
                              struct of_linear *linear, onefold_error *err)
{
    const struct of_method *method = resolve->build->method;

    if (method->prepare != NULL) {
        OF_TRY(method->prepare(&resolve->params, linear, err));
    }
    for (uint32_t i = 0; i < resolve->input_count; i++) {
        if (method->solve != NULL) {
            linear->coefs[i] = 0.0;
        } else if (method->prepare == NULL) {
            linear->coefs[i] = resolve->present[i] ? 1.0 / present_count : 0.0;
        }
    }
    return ONEFOLD_OK;
}

/* Asks the rule. *ret_ok is false when the answer was a finding. */
static onefold_status ask(struct resolve *resolve, struct of_str name, double t,
                          struct of_factor *ret_factor, struct of_linear *linear, bool *ret_ok)
{
    struct of_build *build = resolve->build;
    uint32_t present_count = 0;
    onefold_error found;

    *ret_ok = false;
    if (!gather_values(resolve, name, t)) {
        return ONEFOLD_OK;
    }
    for (uint32_t i = 0; i < resolve->input_count; i++) {
        present_count += resolve->present[i] ? 1 : 0;
    }
    memset(resolve->coefs, 0, resolve->input_count * sizeof(resolve->coefs[0]));
    *linear = (struct of_linear){.coefs = resolve->coefs};
    of_err_clear(&found);
    if (prepare(resolve, present_count, linear, &found) != ONEFOLD_OK) {
        refuse_answer(resolve, name, &found);
        return found.status;
    }
    if (build->options->compare) {
        *ret_factor = of_compare_factor(build);
        *ret_ok = true;
        return ONEFOLD_OK;
    }
    *ret_factor = of_factor_find(build, build->method, is_normalised(resolve),
                                 &(struct of_factor_place){name, t, present_count});
    if (!build->method->takes_lambda) {
        of_factor_set(build->method, linear, present_count, ret_factor);
    }
    if (!is_finite_row(resolve, linear, ret_factor)) {
        of_build_error_tally(build, &resolve->refused, "recipe-range", NULL,
                             "tensor \"%s\": a coefficient is past the range of F32",
                             of_str_escape(name).text);
        return ONEFOLD_E_RECIPE;
    }
    *ret_ok = true;
    return ONEFOLD_OK;
}

/* ---- Set-up ---- */

static void look_at_setting(struct resolve *resolve, const struct of_setting *setting)
{
    for (uint32_t i = 0; setting != NULL && i < setting->case_count; i++) {
        resolve->by_name = resolve->by_name || setting->cases[i].filter.length > 0;
        resolve->by_t = resolve->by_t || setting->cases[i].value_count > 1;
    }
}

static void look_at_level(struct resolve *resolve, const struct of_settings *level)
{
    const struct of_method *method = resolve->build->method;

    for (uint32_t p = 0; p < method->param_count; p++) {
        look_at_setting(resolve, of_setting_get(level, method->params[p].name));
    }
    if (method->takes_lambda) {
        look_at_setting(resolve, of_setting_get(level, "lambda"));
        look_at_setting(resolve, of_setting_get(level, "beta"));
    }
}

static onefold_status init(struct resolve *resolve, struct of_build *build, onefold_error *err)
{
    struct of_arena *scratch = &build->scratch;
    const uint32_t param_count = build->method->param_count;
    const uint32_t count = build->input_count;

    resolve->build = build;
    resolve->input_count = count;
    resolve->coefs_at = sizeof(struct row_head);
    if (build->method->class == OF_CLASS_ELEMENT) {
        resolve->coefs_at += param_count * sizeof(double);
    }
    resolve->blob_bytes = resolve->coefs_at + (uint64_t)count * sizeof(float);
    resolve->present = OF_ARENA_NEW(scratch, bool, (uint64_t)count + 1);
    resolve->per_input = OF_ARENA_NEW(scratch, double *, (uint64_t)param_count + 1);
    resolve->global = OF_ARENA_NEW(scratch, double, (uint64_t)param_count + 1);
    resolve->coefs = OF_ARENA_NEW(scratch, double, (uint64_t)count + 1);
    resolve->blob = OF_ARENA_NEW(scratch, uint8_t, resolve->blob_bytes);
    if (resolve->present == NULL || resolve->per_input == NULL || resolve->global == NULL ||
        resolve->coefs == NULL || resolve->blob == NULL) {
        return of_build_no_memory(build, err);
    }
    for (uint32_t p = 0; p < param_count; p++) {
        resolve->global[p] = OF_PARAM_NOT_GIVEN;
        if (build->method->params[p].per_input || build->method->params[p].is_fact) {
            resolve->per_input[p] = OF_ARENA_NEW(scratch, double, (uint64_t)count + 1);
            if (resolve->per_input[p] == NULL) {
                return of_build_no_memory(build, err);
            }
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        resolve->present[i] = true;
        look_at_level(resolve, &build->origins[i].entry->parameters);
    }
    look_at_level(resolve, &build->recipe->parameters);
    resolve->params = (struct of_params){.input_count = count,
                                         .present = resolve->present,
                                         .per_input = (const double *const *)resolve->per_input,
                                         .global = resolve->global};
    return ONEFOLD_OK;
}

onefold_status of_resolve_early(struct of_build *build, onefold_error *err)
{
    struct resolve *resolve = OF_ARENA_NEW(&build->scratch, struct resolve, 1);
    struct of_linear linear;
    struct of_factor factor;
    bool ok;

    if (resolve == NULL) {
        return of_build_no_memory(build, err);
    }
    OF_TRY(init(resolve, build, err));
    if (!resolve->by_name && !resolve->by_t) {
        /* Findings are counted in build; the caller looks there. */
        (void)ask(resolve, OF_STR(""), 0.0, &factor, &linear, &ok);
    }
    return ONEFOLD_OK;
}

/* ---- Every step ---- */

/* False when one is absent. */
static bool mark_present(struct resolve *resolve, uint32_t step)
{
    const struct of_build *build = resolve->build;
    bool all = true;

    for (uint32_t i = 0; i < resolve->input_count; i++) {
        const struct of_variant *variant = &build->variants[build->origins[i].variant];

        /* A tensor without elements has no place that could say so. */
        resolve->present[i] = variant->layout->shards[step] != OF_PLACE_ABSENT ||
                              build->plan->tensors[step].elem_count == 0;
        all = all && resolve->present[i];
    }
    return all;
}

static struct memo *memo_of(struct resolve *resolve, double t)
{
    uint64_t bits;

    memcpy(&bits, &t, sizeof(bits));
    return &resolve->memo[(bits * UINT64_C(0x9e3779b97f4a7c15)) >> 54];
}
_Static_assert(MEMO_SIZE == 1 << 10, "the hash above keeps ten bits");

/* Copying rules: bytes stay bytes unless something is to be computed. */
static bool stays_copy(const struct resolve *resolve, uint32_t step, const struct of_linear *linear)
{
    const struct of_build *build = resolve->build;
    const struct of_step *planned = &build->plan->steps[step];
    const struct of_variant *variant = &build->variants[build->origins[planned->source].variant];

    return build->method->class == OF_CLASS_COPY && linear->coefs[planned->source] == 1.0 &&
           variant->layout->dtypes[step] == build->plan->tensors[step].dtype;
}

/* scale * x has the sign of its operands also where it is zero; 0 + scale * x would lose it. The
 * sum of the one input starts at -0 (is_alone), so that it is x to the bit. */
static void scale_at_the_end(struct of_linear *linear, uint32_t source)
{
    linear->has_factor = true;
    linear->factor = linear->coefs[source];
    linear->coefs[source] = 1.0;
}

static onefold_status resolve_step(struct resolve *resolve, uint32_t index, onefold_error *err)
{
    struct of_plan *plan = resolve->build->plan;
    struct of_step *step = &plan->steps[index];
    const struct of_str name = plan->tensors[index].name;
    const bool all = mark_present(resolve, index);
    const double t = resolve->by_t ? step->t : 0.0;
    const bool may_keep =
        all && !resolve->by_name && resolve->build->method->class != OF_CLASS_COPY;
    struct memo *memo = memo_of(resolve, t);
    struct of_linear linear;
    struct of_factor factor;
    bool ok;

    if (may_keep && memo->used && memo->t == t) {
        step->row = memo->row;
        return ONEFOLD_OK;
    }
    if (ask(resolve, name, step->t, &factor, &linear, &ok) != ONEFOLD_OK || !ok) {
        return ONEFOLD_OK; /* counted */
    }
    if (stays_copy(resolve, index, &linear)) {
        step->kind = OF_STEP_COPY;
        return ONEFOLD_OK;
    }
    if (resolve->build->method->class == OF_CLASS_COPY) {
        scale_at_the_end(&linear, step->source);
    }
    write_blob(resolve, &linear, &factor);
    OF_TRY(put_row(resolve, &step->row, err));
    if (may_keep) {
        *memo = (struct memo){.t = t, .row = step->row, .used = true};
    }
    return ONEFOLD_OK;
}

/* The base alone, in another type: base + 1 * -0. */
static onefold_status resolve_base_only(struct resolve *resolve, struct of_step *step,
                                        onefold_error *err)
{
    const struct row_head head = {
        .lambda = OF_PARAM_NOT_GIVEN, .beta = OF_PARAM_NOT_GIVEN, .is_alone = true};

    memset(resolve->blob, 0, resolve->blob_bytes);
    memcpy(resolve->blob, &head, sizeof(head));
    return put_row(resolve, &step->row, err);
}

static onefold_status resolve_steps(struct resolve *resolve, onefold_error *err)
{
    struct of_build *build = resolve->build;
    struct of_plan *plan = build->plan;

    for (uint32_t i = 0; i < plan->step_count; i++) {
        if (plan->steps[i].kind == OF_STEP_COPY) {
            continue;
        }
        if (build->picks[i].from_base) {
            OF_TRY(resolve_base_only(resolve, &plan->steps[i], err));
        } else {
            OF_TRY(resolve_step(resolve, i, err));
        }
    }
    of_build_tally_close(build, &resolve->missing, "recipe-param", "missing parameters");
    of_build_tally_close(build, &resolve->refused, "recipe-range", "tensors like that");
    return of_build_check(build, err);
}

static onefold_status publish(struct resolve *resolve, onefold_error *err)
{
    struct of_plan *plan = resolve->build->plan;

    plan->has_row_lambda = resolve->build->method->takes_lambda;
    plan->row_count = resolve->row_count;
    plan->rows = OF_ARENA_NEW(&plan->arena, struct of_row, of_num_max(resolve->row_count, 1));
    if (plan->rows == NULL) {
        return of_build_no_memory(resolve->build, err);
    }
    for (uint32_t i = 0; i < resolve->row_count; i++) {
        struct row_head head;

        memcpy(&head, resolve->blobs[i], sizeof(head));
        plan->rows[i] = (struct of_row){
            .coefs = (const float *)(const void *)(resolve->blobs[i] + resolve->coefs_at),
            .has_divisor = head.has_divisor != 0,
            .divisor = head.divisor,
            .has_factor = head.has_factor != 0,
            .factor = head.factor,
            .is_alone = head.is_alone != 0,
            .lambda = head.lambda,
            .beta = head.beta};
        if (head.has_global != 0) {
            plan->rows[i].global = (const double *)(const void *)(resolve->blobs[i] + sizeof(head));
        }
        plan->has_row_lambda = plan->has_row_lambda || !isnan(head.lambda);
    }
    return ONEFOLD_OK;
}

/* ---- The whole model ---- */

/* Parameters of the whole model: of rules that solve, and for words of caution. */
static onefold_status resolve_whole(struct resolve *resolve, onefold_error *err)
{
    struct of_build *build = resolve->build;
    const struct of_method *method = build->method;
    bool complete;

    for (uint32_t i = 0; i < resolve->input_count; i++) {
        resolve->present[i] = true;
    }
    /* A filter that matches no name of a whole model was not allowed where this counts. */
    resolve->is_quiet = true;
    complete = gather_values(resolve, OF_STR(""), 0.0);
    resolve->is_quiet = false;
    if (complete && method->caution != NULL) {
        struct of_report report = {.fn = of_build_keep_notice, .context = build};

        method->caution(&resolve->params, &report);
    }
    return method->solve != NULL ? of_statistics_keep_params(build, &resolve->params, err)
                                 : ONEFOLD_OK;
}

onefold_status of_resolve(struct of_build *build, onefold_error *err)
{
    struct resolve *resolve = OF_ARENA_NEW(&build->scratch, struct resolve, 1);
    onefold_status status;

    if (resolve == NULL) {
        return of_build_no_memory(build, err);
    }
    OF_TRY(init(resolve, build, err));
    if (!of_map_init(&resolve->rows, &build->scratch, build->plan->step_count, blob_key, resolve)) {
        return of_build_no_memory(build, err);
    }
    status = resolve_steps(resolve, err);
    if (status == ONEFOLD_OK) {
        status = publish(resolve, err);
    }
    if (status == ONEFOLD_OK) {
        status = resolve_whole(resolve, err);
    }
    of_mem_free(resolve->blobs);
    return status;
}
