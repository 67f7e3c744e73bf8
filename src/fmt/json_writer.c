/* SPDX-License-Identifier: Apache-2.0 */
/* Writes JSON in the order it is given. The text is the writer's only memory, so that a caller may
 * flush it between any two calls. */
#include "fmt/json.h"

#include <math.h>

static void new_line(struct of_json_writer *writer)
{
    uint64_t spaces = (uint64_t)writer->indent * writer->depth;

    if (writer->indent == 0) {
        return;
    }
    of_text_add_char(&writer->text, '\n');
    for (uint64_t i = 0; i < spaces; i++) {
        of_text_add_char(&writer->text, ' ');
    }
}

/* What stands before a key, or before a value that has none. */
static void begin_item(struct of_json_writer *writer)
{
    if (writer->after_key) {
        writer->after_key = false;
        return;
    }
    if (writer->depth == 0) {
        return;
    }
    if (!writer->first) {
        of_text_add_char(&writer->text, ',');
    }
    writer->first = false;
    new_line(writer);
}

static void begin_container(struct of_json_writer *writer, char bracket)
{
    begin_item(writer);
    of_text_add_char(&writer->text, bracket);
    writer->depth++;
    writer->first = true;
}

static void end_container(struct of_json_writer *writer, char bracket)
{
    bool was_empty = writer->first;

    writer->depth--;
    if (!was_empty) {
        new_line(writer);
    }
    of_text_add_char(&writer->text, bracket);
    writer->first = false;
}

void of_json_begin_object(struct of_json_writer *writer)
{
    begin_container(writer, '{');
}

void of_json_end_object(struct of_json_writer *writer)
{
    end_container(writer, '}');
}

void of_json_begin_array(struct of_json_writer *writer)
{
    begin_container(writer, '[');
}

void of_json_end_array(struct of_json_writer *writer)
{
    end_container(writer, ']');
}

static void add_escape(struct of_text *text, unsigned char c)
{
    switch (c) {
    case '"':
        of_text_add(text, OF_STR("\\\""));
        break;
    case '\\':
        of_text_add(text, OF_STR("\\\\"));
        break;
    case '\n':
        of_text_add(text, OF_STR("\\n"));
        break;
    case '\r':
        of_text_add(text, OF_STR("\\r"));
        break;
    case '\t':
        of_text_add(text, OF_STR("\\t"));
        break;
    case '\b':
        of_text_add(text, OF_STR("\\b"));
        break;
    case '\f':
        of_text_add(text, OF_STR("\\f"));
        break;
    default:
        of_text_print(text, "\\u%04x", (unsigned)c);
        break;
    }
}

/* Runs that need no escape are added as one piece. */
void of_json_quote(struct of_text *text, struct of_str value)
{
    size_t run = 0;
    size_t at = 0;

    of_text_add_char(text, '"');
    while ((at = of_str_skip_plain(value, at)) < value.length) {
        unsigned char c = (unsigned char)value.data[at];
        uint32_t code;
        size_t taken =
            c < 0x80 ? 1
                     : of_str_decode((struct of_str){value.data + at, value.length - at}, &code);

        if (taken > 0 && c >= 0x20 && c != '"' && c != '\\') {
            at += taken;
            continue;
        }
        of_text_add(text, (struct of_str){value.data + run, at - run});
        if (taken == 0) {
            of_text_add(text, OF_STR("\xef\xbf\xbd"));
        } else {
            add_escape(text, c);
        }
        at++;
        run = at;
    }
    of_text_add(text, (struct of_str){value.data + run, at - run});
    of_text_add_char(text, '"');
}

void of_json_key_str(struct of_json_writer *writer, struct of_str key)
{
    begin_item(writer);
    of_json_quote(&writer->text, key);
    of_text_add(&writer->text, writer->indent > 0 ? OF_STR(": ") : OF_STR(":"));
    writer->after_key = true;
}

void of_json_key(struct of_json_writer *writer, const char *key)
{
    of_json_key_str(writer, of_str_from(key));
}

void of_json_add_str(struct of_json_writer *writer, struct of_str value)
{
    begin_item(writer);
    of_json_quote(&writer->text, value);
}

void of_json_add_string(struct of_json_writer *writer, const char *value)
{
    of_json_add_str(writer, of_str_from(value));
}

void of_json_add_u64(struct of_json_writer *writer, uint64_t value)
{
    begin_item(writer);
    of_text_add_u64(&writer->text, value);
}

void of_json_add_double(struct of_json_writer *writer, double value)
{
    begin_item(writer);
    if (isfinite(value)) {
        of_text_add_double(&writer->text, value);
    } else {
        of_text_add(&writer->text, OF_STR("null")); /* JSON has no other word for it */
    }
}

void of_json_add_bool(struct of_json_writer *writer, bool value)
{
    begin_item(writer);
    of_text_add(&writer->text, value ? OF_STR("true") : OF_STR("false"));
}

void of_json_add_null(struct of_json_writer *writer)
{
    begin_item(writer);
    of_text_add(&writer->text, OF_STR("null"));
}

void of_json_add_raw(struct of_json_writer *writer, struct of_str value)
{
    begin_item(writer);
    of_text_add(&writer->text, value);
}
