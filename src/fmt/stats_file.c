/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saved statistics. Only the upper triangle of the matrix is written, row by row, so that what is
 * read is symmetric whatever the file says. The one text that is accepted for a number is the one
 * that is written for it.
 */
#include "fmt/stats_file.h"

#include "base/limits.h"
#include "fmt/json.h"

#include <math.h>
#include <string.h>

/* ---- Numbers ---- */

enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023, EXPONENT_CODES = 2047, MANTISSA_DIGITS = 13 };
#define MANTISSA_MASK ((UINT64_C(1) << MANTISSA_BITS) - 1)

/* As the C library's %a writes it, but with a point in every locale. The value is finite. */
static void add_hex_double(struct of_text *text, double value)
{
    uint64_t bits;
    uint64_t mantissa;
    int code;
    int exponent;

    memcpy(&bits, &value, sizeof(bits));
    mantissa = bits & MANTISSA_MASK;
    code = (int)(bits >> MANTISSA_BITS & EXPONENT_CODES);
    exponent = code != 0 ? code - EXPONENT_BIAS : mantissa != 0 ? 1 - EXPONENT_BIAS : 0;
    of_text_print(text, "%s0x%d", bits >> 63 != 0 ? "-" : "", code != 0);
    if (mantissa != 0) {
        int digits = MANTISSA_DIGITS;

        while ((mantissa & 0xf) == 0) {
            mantissa >>= 4;
            digits--;
        }
        of_text_print(text, ".%0*llx", digits, (unsigned long long)mantissa);
    }
    of_text_print(text, "p%+d", exponent);
}

static bool take_char(struct of_str *text, char wanted)
{
    if (text->length == 0 || text->data[0] != wanted) {
        return false;
    }
    text->data++;
    text->length--;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ".8" and the like, as the upper bits of the mantissa. */
static bool take_fraction(struct of_str *text, uint64_t *ret_mantissa)
{
    uint64_t mantissa = 0;
    int digits = 0;

    *ret_mantissa = 0;
    if (!take_char(text, '.')) {
        return true;
    }
    while (text->length > 0 && hex_digit(text->data[0]) >= 0 && digits < MANTISSA_DIGITS) {
        mantissa = mantissa << 4 | (uint64_t)hex_digit(text->data[0]);
        digits++;
        text->data++;
        text->length--;
    }
    *ret_mantissa = mantissa << 4 * (MANTISSA_DIGITS - digits);
    return digits > 0 && (mantissa & 0xf) != 0;
}

/* "p+3" to the end of the text. */
static bool take_exponent(struct of_str *text, int *ret_exponent)
{
    const bool marked = take_char(text, 'p');
    const bool negative = take_char(text, '-');
    int exponent = 0;

    if (!marked || (!negative && !take_char(text, '+')) || text->length == 0 || text->length > 4 ||
        (text->data[0] == '0' && (text->length > 1 || negative))) {
        return false;
    }
    for (size_t i = 0; i < text->length; i++) {
        if (text->data[i] < '0' || text->data[i] > '9') {
            return false;
        }
        exponent = 10 * exponent + (text->data[i] - '0');
    }
    *ret_exponent = negative ? -exponent : exponent;
    return true;
}

static bool parse_hex_double(struct of_str text, double *ret_value)
{
    const bool negative = take_char(&text, '-');
    const bool prefixed = take_char(&text, '0') && take_char(&text, 'x');
    const bool normal = prefixed && take_char(&text, '1');
    uint64_t mantissa;
    uint64_t bits = 0;
    int exponent;

    if (!prefixed || (!normal && !take_char(&text, '0')) || !take_fraction(&text, &mantissa) ||
        !take_exponent(&text, &exponent)) {
        return false;
    }
    if (normal) {
        if (exponent < 1 - EXPONENT_BIAS || exponent > EXPONENT_BIAS) {
            return false;
        }
        bits = (uint64_t)(exponent + EXPONENT_BIAS) << MANTISSA_BITS;
    } else if (exponent != (mantissa != 0 ? 1 - EXPONENT_BIAS : 0)) {
        return false;
    }
    bits |= mantissa | (uint64_t)negative << 63;
    memcpy(ret_value, &bits, sizeof(bits));
    return true;
}

/* ---- Reading ---- */

enum {
    SEEN_BASE = 1,
    SEEN_GRAM = 2,
    SEEN_INPUTS = 4,
    SEEN_VERSION = 8,
    SEEN_TENSORS = 16,
    SEEN_ALL = 31
};

struct reading {
    struct of_arena *arena;
    struct of_stats_file *stats;
    struct of_text scratch;
    unsigned seen;
    /* The two lists wait until all members are known: the length of one bounds the other. */
    struct of_json_member inputs;
    struct of_json_member gram;
    uint64_t count; /* elements of the list so far */
    uint32_t row;   /* of the next number */
    uint32_t column;
};

static onefold_status field_error(const char *key, const char *what, onefold_error *err)
{
    return of_err_set(err, "stats-field", "\"%s\" %s", key, what);
}

static onefold_status read_string(struct reading *reading, const struct of_json_member *member,
                                  const char *key, struct of_str *ret_text, onefold_error *err)
{
    if (member->kind != OF_JSON_STRING) {
        OF_TRY(of_json_check(member->text, "stats-json", err));
        return field_error(key, "is not a string", err);
    }
    return of_json_decode_string(member->text, "stats-json", &reading->scratch, ret_text, err);
}

static onefold_status read_digest(struct reading *reading, const struct of_json_member *member,
                                  const char *key, struct of_sha256_digest *ret_digest,
                                  onefold_error *err)
{
    struct of_str hex = {0};

    OF_TRY(read_string(reading, member, key, &hex, err));
    if (hex.length != 2 * sizeof(ret_digest->bytes) ||
        !of_hash_from_hex(hex.data, sizeof(ret_digest->bytes), ret_digest->bytes)) {
        return of_err_set(err, "stats-digest", "\"%s\" is not 64 hex digits", key);
    }
    return ONEFOLD_OK;
}

static onefold_status read_version(const struct of_json_member *member, onefold_error *err)
{
    uint64_t version = 0;

    OF_TRY(of_json_decode_u63(member->text, "stats-json", "stats-number", &version, err));
    if (version != OF_STATS_VERSION) {
        return of_err_set(err, "stats-version", "stats_version is %llu, %d is known",
                          (unsigned long long)version, OF_STATS_VERSION);
    }
    return ONEFOLD_OK;
}

static onefold_status read_top(void *context, const struct of_json_member *member,
                               onefold_error *err)
{
    static const char *const keys[] = {"base", "gram", "inputs", "stats_version", "tensors"};
    struct reading *reading = context;
    unsigned bit = 0;

    for (unsigned i = 0; i < OF_LENGTH(keys); i++) {
        bit |= of_str_is(member->key, keys[i]) ? 1U << i : 0;
    }
    if (bit == 0) {
        return of_err_set(err, "stats-field", "\"%s\" is no key of a file of statistics",
                          of_str_escape(member->key).text);
    }
    if ((reading->seen & bit) != 0) {
        return field_error(of_str_escape(member->key).text, "stands twice", err);
    }
    reading->seen |= bit;
    switch (bit) {
    case SEEN_BASE:
        return read_digest(reading, member, "base", &reading->stats->base, err);
    case SEEN_GRAM:
        reading->gram = *member;
        return ONEFOLD_OK;
    case SEEN_INPUTS:
        reading->inputs = *member;
        return ONEFOLD_OK;
    case SEEN_VERSION:
        return read_version(member, err);
    default:
        return read_digest(reading, member, "tensors", &reading->stats->tensors, err);
    }
}

static onefold_status count_element(void *context, const struct of_json_member *member,
                                    onefold_error *err)
{
    struct reading *reading = context;

    (void)member;
    if (++reading->count > OF_INPUTS_MAX) {
        return of_err_set(err, "stats-limit", "more than %d inputs", OF_INPUTS_MAX);
    }
    return ONEFOLD_OK;
}

static onefold_status read_input(void *context, const struct of_json_member *member,
                                 onefold_error *err)
{
    struct reading *reading = context;

    return read_digest(reading, member, "inputs", &reading->stats->inputs[reading->count++], err);
}

static onefold_status read_product(void *context, const struct of_json_member *member,
                                   onefold_error *err)
{
    struct reading *reading = context;
    const struct of_stats_file *stats = reading->stats;
    const uint64_t count = stats->input_count;
    struct of_str text = {0};
    double value;

    if (reading->row == count) {
        return field_error("gram", "holds more than the upper triangle", err);
    }
    OF_TRY(read_string(reading, member, "gram", &text, err));
    if (!parse_hex_double(text, &value)) {
        return of_err_set(err, "stats-number", "\"%s\" is not a number as it is written here",
                          of_str_escape(text).text);
    }
    if (reading->row == reading->column && value < 0.0) {
        return of_err_set(err, "stats-number", "a squared norm is negative");
    }
    stats->gram[reading->row * count + reading->column] = value;
    stats->gram[reading->column * count + reading->row] = value;
    reading->column++;
    if (reading->column == count) {
        reading->row++;
        reading->column = reading->row;
    }
    return ONEFOLD_OK;
}

static onefold_status walk_list(struct reading *reading, const struct of_json_member *list,
                                of_json_member_fn *visit, onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "stats-json",
                                      .id_top = "stats-field",
                                      .base_offset = list->value_offset,
                                      .member = visit,
                                      .context = reading};

    reading->count = 0;
    return of_json_walk_array(list->text, &walk, err);
}

static onefold_status read_lists(struct reading *reading, onefold_error *err)
{
    struct of_stats_file *stats = reading->stats;

    OF_TRY(walk_list(reading, &reading->inputs, count_element, err));
    if (reading->count == 0) {
        return field_error("inputs", "is empty", err);
    }
    stats->input_count = (uint32_t)reading->count;
    stats->inputs = OF_ARENA_NEW(reading->arena, struct of_sha256_digest, reading->count);
    stats->gram = OF_ARENA_NEW(reading->arena, double, reading->count * reading->count);
    if (stats->inputs == NULL || stats->gram == NULL) {
        return of_err_set(err, "memory", "no memory for the statistics of %u inputs",
                          stats->input_count);
    }
    OF_TRY(walk_list(reading, &reading->inputs, read_input, err));
    OF_TRY(walk_list(reading, &reading->gram, read_product, err));
    if (reading->row != stats->input_count) {
        return field_error("gram", "holds less than the upper triangle", err);
    }
    return ONEFOLD_OK;
}

onefold_status of_stats_parse(struct of_str text, struct of_arena *arena,
                              struct of_stats_file **ret_stats, onefold_error *err)
{
    struct reading reading = {.arena = arena};
    const struct of_json_walk walk = {
        .id_syntax = "stats-json", .id_top = "stats-json", .member = read_top, .context = &reading};
    onefold_status status;

    reading.stats = OF_ARENA_NEW(arena, struct of_stats_file, 1);
    if (reading.stats == NULL) {
        return of_err_set(err, "memory", "no memory for saved statistics");
    }
    status = of_json_walk(text, &walk, err);
    if (status == ONEFOLD_OK && reading.seen != SEEN_ALL) {
        status = of_err_set(err, "stats-field",
                            "base, gram, inputs, stats_version and tensors are needed");
    }
    if (status == ONEFOLD_OK) {
        status = read_lists(&reading, err);
    }
    of_text_finish(&reading.scratch);
    if (status == ONEFOLD_OK) {
        *ret_stats = reading.stats;
    }
    return status;
}

/* ---- Writing ---- */

static void add_digest(struct of_json_writer *writer, const struct of_sha256_digest *digest)
{
    char hex[2 * sizeof(digest->bytes) + 1];

    of_hash_hex(digest->bytes, sizeof(digest->bytes), hex);
    of_json_add_string(writer, hex);
}

static void add_gram(struct of_json_writer *writer, const struct of_stats_file *stats)
{
    const uint64_t count = stats->input_count;

    of_json_key(writer, "gram");
    of_json_begin_array(writer);
    for (uint64_t s = 0; s < count; s++) {
        for (uint64_t t = s; t < count; t++) {
            struct of_text number = {0};

            add_hex_double(&number, stats->gram[s * count + t]);
            if (number.failed) {
                writer->text.failed = true;
            } else {
                of_json_add_string(writer, number.data);
            }
            of_text_finish(&number);
        }
    }
    of_json_end_array(writer);
}

void of_stats_emit(const struct of_stats_file *stats, struct of_text *text)
{
    struct of_json_writer writer = {.text = *text};

    of_json_begin_object(&writer);
    of_json_key(&writer, "base");
    add_digest(&writer, &stats->base);
    add_gram(&writer, stats);
    of_json_key(&writer, "inputs");
    of_json_begin_array(&writer);
    for (uint32_t i = 0; i < stats->input_count; i++) {
        add_digest(&writer, &stats->inputs[i]);
    }
    of_json_end_array(&writer);
    of_json_key(&writer, "stats_version");
    of_json_add_u64(&writer, OF_STATS_VERSION);
    of_json_key(&writer, "tensors");
    add_digest(&writer, &stats->tensors);
    of_json_end_object(&writer);
    of_text_add_char(&writer.text, '\n');
    *text = writer.text;
}
