/* SPDX-License-Identifier: Apache-2.0 */
/* The naive merge. Everything here is the shortest way to say it, never the fast one. */
#include "support/oracle.h"

#include "support/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct type_row {
    const char *name;
    uint32_t bits;
    int fraction_bits; /* 0 = takes no part in arithmetic */
    int exponent_bits;
    int bias;
    bool has_infinity;
};

static const struct type_row type_rows[ONEFOLD_DTYPE_COUNT] = {
    [ONEFOLD_DTYPE_BOOL] = {"BOOL", 8, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F4] = {"F4", 4, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F6_E2M3] = {"F6_E2M3", 6, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F6_E3M2] = {"F6_E3M2", 6, 0, 0, 0, false},
    [ONEFOLD_DTYPE_U8] = {"U8", 8, 0, 0, 0, false},
    [ONEFOLD_DTYPE_I8] = {"I8", 8, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F8_E5M2] = {"F8_E5M2", 8, 2, 5, 15, true},
    [ONEFOLD_DTYPE_F8_E4M3] = {"F8_E4M3", 8, 3, 4, 7, false},
    [ONEFOLD_DTYPE_F8_E8M0] = {"F8_E8M0", 8, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8, 0, 0, 0, false},
    [ONEFOLD_DTYPE_I16] = {"I16", 16, 0, 0, 0, false},
    [ONEFOLD_DTYPE_U16] = {"U16", 16, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F16] = {"F16", 16, 10, 5, 15, true},
    [ONEFOLD_DTYPE_BF16] = {"BF16", 16, 7, 8, 127, true},
    [ONEFOLD_DTYPE_I32] = {"I32", 32, 0, 0, 0, false},
    [ONEFOLD_DTYPE_U32] = {"U32", 32, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F32] = {"F32", 32, 23, 8, 127, true},
    [ONEFOLD_DTYPE_C64] = {"C64", 64, 0, 0, 0, false},
    [ONEFOLD_DTYPE_F64] = {"F64", 64, 52, 11, 1023, true},
    [ONEFOLD_DTYPE_I64] = {"I64", 64, 0, 0, 0, false},
    [ONEFOLD_DTYPE_U64] = {"U64", 64, 0, 0, 0, false},
};

static void die(const char *what, const char *path)
{
    printf("Bail out! oracle: %s %s\n", what, path);
    fflush(stdout);
    exit(99);
}

/* --- Element types --- */

const char *oracle_dtype_name(onefold_dtype dtype)
{
    return type_rows[dtype].name;
}

uint32_t oracle_dtype_bits(onefold_dtype dtype)
{
    return type_rows[dtype].bits;
}

bool oracle_dtype_is_numeric(onefold_dtype dtype)
{
    return type_rows[dtype].fraction_bits > 0;
}

double oracle_decode(onefold_dtype dtype, const void *elem)
{
    const struct type_row *type = &type_rows[dtype];
    uint64_t bits = 0;
    uint64_t fraction;
    int exponent;
    int exponent_max = (1 << type->exponent_bits) - 1;
    double sign;

    memcpy(&bits, elem, type->bits / 8);
    fraction = bits & ((UINT64_C(1) << type->fraction_bits) - 1);
    exponent = (int)((bits >> type->fraction_bits) & (uint64_t)exponent_max);
    sign = (bits >> (type->bits - 1)) != 0 ? -1.0 : 1.0;
    if (type->has_infinity && exponent == exponent_max) {
        return fraction == 0 ? sign * (double)INFINITY : (double)NAN;
    }
    /* F8_E4M3 has one NaN, all ones, and uses the rest of its last exponent for numbers. */
    if (!type->has_infinity && exponent == exponent_max &&
        fraction == (UINT64_C(1) << type->fraction_bits) - 1) {
        return (double)NAN;
    }
    if (exponent == 0) {
        return sign * ldexp((double)fraction, 1 - type->bias - type->fraction_bits);
    }
    fraction |= UINT64_C(1) << type->fraction_bits;
    return sign * ldexp((double)fraction, exponent - type->bias - type->fraction_bits);
}

double oracle_spacing(onefold_dtype dtype, double value)
{
    const struct type_row *type = &type_rows[dtype];
    int exponent = value == 0.0 ? 1 - type->bias : ilogb(value);

    if (exponent < 1 - type->bias) {
        exponent = 1 - type->bias;
    }
    return ldexp(1.0, exponent - type->fraction_bits);
}

void oracle_encode(onefold_dtype dtype, double value, void *elem)
{
    const struct type_row *type = &type_rows[dtype];
    uint64_t exponent_max = (UINT64_C(1) << type->exponent_bits) - 1;
    uint64_t fraction_all = (UINT64_C(1) << type->fraction_bits) - 1;
    uint64_t sign = signbit(value) != 0 ? UINT64_C(1) << (type->bits - 1) : 0;
    uint64_t bits;
    double spacing;
    double steps;

    if (dtype == ONEFOLD_DTYPE_F64) {
        memcpy(elem, &value, sizeof(value));
        return;
    }
    if (isnan(value)) {
        bits = (exponent_max << type->fraction_bits) |
               (type->has_infinity ? (fraction_all + 1) / 2 : fraction_all);
    } else if (isinf(value)) {
        bits = (exponent_max << type->fraction_bits) | (type->has_infinity ? 0 : fraction_all);
    } else {
        /* In units of the spacing the value is below 2^(fraction bits + 1), so this is exact, and
         * a carry into the next exponent comes out right because the encoding is monotonous. */
        spacing = oracle_spacing(dtype, value);
        steps = nearbyint(fabs(value) / spacing);
        bits = (uint64_t)steps;
        if (bits > fraction_all) {
            int exponent = ilogb(spacing) + type->fraction_bits + type->bias;

            bits += (uint64_t)(exponent - 1) << type->fraction_bits;
        }
        if (bits > (exponent_max << type->fraction_bits) && type->has_infinity) {
            bits = exponent_max << type->fraction_bits;
        } else if (bits > ((exponent_max << type->fraction_bits) | fraction_all)) {
            bits = (exponent_max << type->fraction_bits) | fraction_all;
        }
    }
    bits |= sign;
    memcpy(elem, &bits, type->bits / 8);
}

/* --- Models --- */

/* Position in a header. */
struct cursor {
    const char *at;
    const char *end;
    const char *path;
};

static void skip_space(struct cursor *cursor)
{
    while (cursor->at < cursor->end && strchr(" \t\r\n,:", *cursor->at) != NULL) {
        cursor->at++;
    }
}

static void expect(struct cursor *cursor, char c)
{
    skip_space(cursor);
    if (cursor->at >= cursor->end || *cursor->at != c) {
        die("unexpected header in", cursor->path);
    }
    cursor->at++;
}

/* A string, unescaped as far as names of tests need it; the caller frees. */
static char *take_string(struct cursor *cursor)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    if (out == NULL) {
        die("memory", cursor->path);
    }
    expect(cursor, '"');
    while (cursor->at < cursor->end && *cursor->at != '"') {
        char c = *cursor->at++;

        if (c == '\\') {
            c = *cursor->at++;
            if (strchr("\"\\/", c) == NULL) {
                die("escape in", cursor->path);
            }
        }
        fputc(c, out);
    }
    expect(cursor, '"');
    fclose(out);
    return text;
}

static uint64_t take_number(struct cursor *cursor)
{
    uint64_t value = 0;

    skip_space(cursor);
    if (cursor->at >= cursor->end || *cursor->at < '0' || *cursor->at > '9') {
        die("number expected in", cursor->path);
    }
    while (cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9') {
        value = value * 10 + (uint64_t)(*cursor->at++ - '0');
    }
    return value;
}

static bool at_close(struct cursor *cursor, char c)
{
    skip_space(cursor);
    if (cursor->at < cursor->end && *cursor->at == c) {
        cursor->at++;
        return true;
    }
    return false;
}

static onefold_dtype dtype_of(const char *name, const char *path)
{
    for (uint32_t i = 0; i < ONEFOLD_DTYPE_COUNT; i++) {
        if (strcmp(type_rows[i].name, name) == 0) {
            return (onefold_dtype)i;
        }
    }
    die("element type in", path);
    return ONEFOLD_DTYPE_COUNT;
}

static void take_tensor(struct cursor *cursor, const uint8_t *data, struct oracle_tensor *tensor)
{
    uint64_t begin = 0;
    uint64_t end = 0;

    tensor->elem_count = 1;
    expect(cursor, '{');
    while (!at_close(cursor, '}')) {
        char *key = take_string(cursor);

        if (strcmp(key, "dtype") == 0) {
            char *name = take_string(cursor);

            tensor->dtype = dtype_of(name, cursor->path);
            free(name);
        } else if (strcmp(key, "shape") == 0) {
            expect(cursor, '[');
            while (!at_close(cursor, ']') && tensor->rank < ORACLE_RANK_MAX) {
                tensor->shape[tensor->rank] = take_number(cursor);
                tensor->elem_count *= tensor->shape[tensor->rank++];
            }
        } else {
            expect(cursor, '[');
            begin = take_number(cursor);
            end = take_number(cursor);
            expect(cursor, ']');
        }
        free(key);
    }
    tensor->byte_count = end - begin;
    tensor->data = data + begin;
}

static void skip_metadata(struct cursor *cursor)
{
    expect(cursor, '{');
    while (!at_close(cursor, '}')) {
        free(take_string(cursor));
    }
}

static void read_file(const char *path, struct oracle_model *model)
{
    size_t length;
    char *file = tmpdir_read(path, &length);
    uint64_t header_bytes;
    struct cursor cursor = {.at = file + 8, .path = path};

    model->files = realloc(model->files, (model->file_count + 1) * sizeof(*model->files));
    if (length < 8 || model->files == NULL) {
        die("too short:", path);
    }
    model->files[model->file_count++] = file;
    memcpy(&header_bytes, file, 8);
    if (header_bytes > length - 8) {
        die("too short:", path);
    }
    cursor.end = cursor.at + header_bytes;
    expect(&cursor, '{');
    while (!at_close(&cursor, '}')) {
        char *name = take_string(&cursor);
        struct oracle_tensor tensor = {.name = name};

        if (strcmp(name, "__metadata__") == 0) {
            skip_metadata(&cursor);
            free(name);
            continue;
        }
        take_tensor(&cursor, (const uint8_t *)file + 8 + header_bytes, &tensor);
        model->tensors =
            realloc(model->tensors, (model->tensor_count + 1) * sizeof(*model->tensors));
        if (model->tensors == NULL) {
            die("memory", path);
        }
        model->tensors[model->tensor_count++] = tensor;
    }
}

static bool is_weight_file(const char *name)
{
    size_t length = strlen(name);

    return length > 12 && strcmp(name + length - 12, ".safetensors") == 0;
}

void oracle_read(const char *path, struct oracle_model *ret_model)
{
    struct stat status;
    DIR *folder;

    memset(ret_model, 0, sizeof(*ret_model));
    if (stat(path, &status) != 0) {
        die("no such file:", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        read_file(path, ret_model);
        return;
    }
    folder = opendir(path);
    if (folder == NULL) {
        die("open", path);
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (is_weight_file(entry->d_name)) {
            read_file(tmpdir_join(path, entry->d_name).text, ret_model);
        }
    }
    closedir(folder);
}

void oracle_free(struct oracle_model *model)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        free(model->tensors[i].name);
    }
    for (size_t i = 0; i < model->file_count; i++) {
        free(model->files[i]);
    }
    free(model->tensors);
    free(model->files);
    memset(model, 0, sizeof(*model));
}

const struct oracle_tensor *oracle_find(const struct oracle_model *model, const char *name)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        if (strcmp(model->tensors[i].name, name) == 0) {
            return &model->tensors[i];
        }
    }
    return NULL;
}

double oracle_get(const struct oracle_tensor *tensor, uint64_t index)
{
    return oracle_decode(tensor->dtype, tensor->data + index * (type_rows[tensor->dtype].bits / 8));
}

/* --- Merges --- */

/* The same tensor in all models of a merge. */
struct sources {
    const struct oracle_tensor *base;
    const struct oracle_tensor **inputs;
};

static const struct oracle_tensor *must_find(const struct oracle_model *model, const char *name)
{
    const struct oracle_tensor *tensor = oracle_find(model, name);

    if (tensor == NULL) {
        die("no such tensor:", name);
    }
    return tensor;
}

static struct sources sources_of(const struct oracle_merge *merge, const char *name)
{
    struct sources sources = {0};

    sources.inputs = calloc(merge->input_count, sizeof(*sources.inputs));
    if (sources.inputs == NULL) {
        die("memory", name);
    }
    for (size_t i = 0; i < merge->input_count; i++) {
        sources.inputs[i] = must_find(merge->inputs[i], name);
    }
    if (merge->rule != ORACLE_LINEAR) {
        sources.base = must_find(merge->base, name);
    }
    return sources;
}

static double value_at(const struct oracle_merge *merge, const struct sources *sources,
                       uint64_t index, double *ret_scale)
{
    double base = sources->base != NULL ? oracle_get(sources->base, index) : 0.0;
    double sum = 0.0;
    double weight_sum = 0.0;
    double magnitudes = 0.0;

    for (size_t i = 0; i < merge->input_count; i++) {
        double weight = merge->weights != NULL ? merge->weights[i] : 1.0;
        double x = oracle_get(sources->inputs[i], index);

        sum += weight * (x - base);
        magnitudes += fabs(weight) * (fabs(x) + fabs(base));
        weight_sum += weight;
    }
    if (merge->normalize || merge->rule == ORACLE_FEDAVG) {
        sum /= weight_sum;
        magnitudes /= fabs(weight_sum);
    }
    if (sources->base != NULL) {
        sum = base + merge->factor * sum;
        magnitudes = fabs(base) + fabs(merge->factor) * magnitudes;
    }
    *ret_scale = magnitudes;
    return sum;
}

double oracle_value(const struct oracle_merge *merge, const char *name, uint64_t index,
                    double *ret_scale)
{
    struct sources sources = sources_of(merge, name);
    double scale;
    double value = value_at(merge, &sources, index, &scale);

    free(sources.inputs);
    if (ret_scale != NULL) {
        *ret_scale = scale;
    }
    return value;
}

static bool tensor_agrees(const struct oracle_merge *merge, const struct oracle_tensor *output,
                          char *message, size_t message_size)
{
    /* Each f32 step (subtract, multiply, add per input; scale and add at the end; the coefficient
     * itself) errs by at most half a spacing of its own result. */
    double step_error = (4.0 * (double)merge->input_count + 4.0) * 0x1p-24;
    struct sources sources = sources_of(merge, output->name);
    bool agrees = true;

    for (uint64_t i = 0; i < output->elem_count && agrees; i++) {
        double scale;
        double exact = value_at(merge, &sources, i, &scale);
        double got = oracle_get(output, i);
        double tolerance = step_error * scale + 0x1p-149;
        double limit = 0.5 * oracle_spacing(output->dtype, fabs(exact) + tolerance) + tolerance;

        if (isnan(exact)) {
            agrees = isnan(got);
        } else {
            agrees = fabs(got - exact) <= limit || got == exact;
        }
        if (!agrees) {
            snprintf(message, message_size,
                     "%s[%" PRIu64 "]: got %.17g, exact %.17g, tolerance %.3g", output->name, i,
                     got, exact, limit);
        }
    }
    free(sources.inputs);
    return agrees;
}

bool oracle_agrees(const struct oracle_merge *merge, const struct oracle_model *output,
                   char *message, size_t message_size)
{
    const struct oracle_model *source = merge->base != NULL ? merge->base : merge->inputs[0];

    if (output->tensor_count != source->tensor_count) {
        snprintf(message, message_size, "%zu tensors, expected %zu", output->tensor_count,
                 source->tensor_count);
        return false;
    }
    for (size_t i = 0; i < output->tensor_count; i++) {
        const struct oracle_tensor *tensor = &output->tensors[i];
        const struct oracle_tensor *old = oracle_find(source, tensor->name);

        if (old == NULL || old->rank != tensor->rank ||
            memcmp(old->shape, tensor->shape, sizeof(old->shape)) != 0) {
            snprintf(message, message_size, "%s: unknown, or another shape", tensor->name);
            return false;
        }
        if (oracle_dtype_is_numeric(tensor->dtype)) {
            if (!tensor_agrees(merge, tensor, message, message_size)) {
                return false;
            }
        } else if (old->dtype != tensor->dtype || old->byte_count != tensor->byte_count ||
                   memcmp(old->data, tensor->data, tensor->byte_count) != 0) {
            snprintf(message, message_size, "%s: not a copy", tensor->name);
            return false;
        }
    }
    return true;
}
