/* SPDX-License-Identifier: Apache-2.0 */
/* Writes headers of safetensors files: compact, in the order given, padded so that data is aligned.
 */
#include "fmt/format.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/sort.h"
#include "fmt/json.h"

static bool pair_less(const void *context, uint32_t a, uint32_t b)
{
    const struct of_pair *pairs = context;

    return of_str_compare(pairs[a].key, pairs[b].key) < 0;
}

static void emit_metadata(struct of_json_writer *writer, const struct of_pair *metadata,
                          uint64_t count)
{
    uint32_t *order = of_mem_get(of_mem_array_bytes(count, 2 * sizeof(uint32_t)));

    if (order == NULL) {
        writer->text.failed = true;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    of_sort_indices(order, order + count, count, pair_less, metadata);
    of_json_key(writer, "__metadata__");
    of_json_begin_object(writer);
    for (uint64_t i = 0; i < count; i++) {
        of_json_key_str(writer, metadata[order[i]].key);
        of_json_add_str(writer, metadata[order[i]].value);
    }
    of_json_end_object(writer);
    of_mem_free(order);
}

/* Of an entry behind its name: what is always there, a dtype and two numbers. */
enum { ENTRY_BYTES_MAX = 96 };
/* Of each dimension: a comma and a number. */
enum { DIMENSION_BYTES_MAX = 1 + OF_PEN_U64_BYTES };

/* What stands between name, dtype and numbers is always the same and is added as it is: a header
 * may have a hundred thousand entries. */
static void emit_tensor(struct of_json_writer *writer, const struct of_tensor *tensor)
{
    struct of_pen pen;

    of_json_key_str(writer, tensor->name);
    writer->after_key = false;
    if (!of_pen_begin(&pen, &writer->text,
                      ENTRY_BYTES_MAX + (size_t)tensor->rank * DIMENSION_BYTES_MAX)) {
        return;
    }
    of_pen_add(&pen, OF_STR("{\"dtype\":\""));
    of_pen_add(&pen, of_str_from(onefold_dtype_name((onefold_dtype)tensor->dtype)));
    of_pen_add(&pen, OF_STR("\",\"shape\":["));
    for (uint32_t i = 0; i < tensor->rank; i++) {
        if (i > 0) {
            of_pen_add(&pen, OF_STR(","));
        }
        of_pen_add_u64(&pen, tensor->shape[i]);
    }
    of_pen_add(&pen, OF_STR("],\"data_offsets\":["));
    of_pen_add_u64(&pen, tensor->offset);
    of_pen_add(&pen, OF_STR(","));
    of_pen_add_u64(&pen, tensor->offset + tensor->byte_count);
    of_pen_add(&pen, OF_STR("]}"));
    of_pen_end(&pen);
}

void of_safetensors_emit(const struct of_tensor *tensors, uint64_t tensor_count,
                         const struct of_pair *metadata, uint64_t metadata_count,
                         struct of_text *text)
{
    struct of_json_writer writer = {.text = *text};
    size_t start = text->length;
    uint64_t used;

    of_text_add(&writer.text, (struct of_str){"\0\0\0\0\0\0\0\0", 8});
    of_json_begin_object(&writer);
    if (metadata_count > 0) {
        emit_metadata(&writer, metadata, metadata_count);
    }
    for (uint64_t i = 0; i < tensor_count; i++) {
        emit_tensor(&writer, &tensors[i]);
    }
    of_json_end_object(&writer);
    used = writer.text.length - start;
    for (uint64_t pad = of_num_align_up(used, OF_ST_DATA_ALIGN) - used; pad > 0; pad--) {
        of_text_add_char(&writer.text, ' ');
    }
    if (!writer.text.failed) {
        of_bytes_store64(writer.text.data + start, writer.text.length - start - 8);
    }
    *text = writer.text;
}

void of_safetensors_emit_entry(const struct of_tensor *tensor, struct of_text *text)
{
    struct of_json_writer writer = {.text = *text, .depth = 1, .first = true};

    emit_tensor(&writer, tensor);
    *text = writer.text;
}

uint64_t of_safetensors_entry_bytes(const struct of_tensor *tensor)
{
    /* Quotes, colons, brackets, keys, a dtype of at most 11 letters, two offsets of at most 20
     * digits, and a comma: 102 bytes at most; one more comma and 20 digits for each dimension. */
    uint64_t bytes = 112 + (uint64_t)tensor->rank * 21;

    for (size_t at = 0;;) {
        const size_t end = of_str_skip_plain(tensor->name, at);
        unsigned char c;

        bytes += end - at;
        if (end == tensor->name.length) {
            return bytes;
        }
        c = (unsigned char)tensor->name.data[end];
        if (c < 0x20) {
            bytes += 6;
        } else if (c == '"' || c == '\\') {
            bytes += 2;
        } else {
            bytes += c < 0x80 ? 1 : 3; /* a byte that is not UTF-8 becomes one character of three */
        }
        at = end + 1;
    }
}
