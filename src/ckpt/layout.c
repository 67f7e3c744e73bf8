/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output shards. The exact length of a header is the sum of its parts: each entry is emitted alone
 * and measured, so that no header is ever built twice or kept; of_layout_emit_header asserts that
 * the real one, which is made in portions, came out the same.
 */
#include "ckpt/layout.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/num.h"

#include <inttypes.h>
#include <string.h>

enum { LENGTH_FIELD_BYTES = 8 };
/* Of a header, emitted at a time, and one entry more. An entry is a name, at most six bytes of text
 * for each of its own, and numbers. */
enum { PORTION_BYTES = 65536, ENTRY_BYTES_MAX = 6 * OF_TENSOR_NAME_BYTES_MAX + 1024 };

/* Widths in the order tensors of a shard are laid out. */
static const uint32_t widths[] = {64, 32, 16, 8, 6, 4};

/* What filling needs to know while it walks the tensors. */
struct filler {
    const struct of_tensor *tensors;
    uint32_t tensor_count;
    uint64_t shard_bytes_max;
    uint64_t metadata_bytes; /* upper bound of JSON around and before the entries */
};

/* JSON bytes of an emitted header, without its length field and its padding. */
static uint64_t json_bytes(const char *header, uint64_t length)
{
    while (length > LENGTH_FIELD_BYTES && header[length - 1] == ' ') {
        length--;
    }
    return length - of_num_min(length, LENGTH_FIELD_BYTES);
}

/* Emits a header without tensors into the emptied text and measures it. False without memory. */
static bool measure_empty(const struct of_out_layout *layout, struct of_text *text,
                          uint64_t *ret_bytes)
{
    text->length = 0;
    of_safetensors_emit(NULL, 0, layout->metadata, layout->metadata_count, text);
    if (text->failed) {
        return false;
    }
    *ret_bytes = json_bytes(text->data, text->length);
    return true;
}

/* The same for one entry. */
static bool measure_entry(const struct of_tensor *tensor, struct of_text *text, uint64_t *ret_bytes)
{
    text->length = 0;
    of_safetensors_emit_entry(tensor, text);
    *ret_bytes = text->length;
    return !text->failed;
}

/* One past the last tensor of the shard that starts at `first`. */
static uint32_t fill_shard(const struct filler *filler, uint32_t first)
{
    uint64_t data_bytes = 0;
    uint64_t header_bytes = LENGTH_FIELD_BYTES + OF_ST_DATA_ALIGN + filler->metadata_bytes;
    uint32_t at = first;

    for (; at < filler->tensor_count; at++) {
        const struct of_tensor *tensor = &filler->tensors[at];

        /* With the comma before it. */
        header_bytes += of_safetensors_entry_bytes(tensor) + 1;
        if (at > first && filler->shard_bytes_max > 0 &&
            (data_bytes > filler->shard_bytes_max ||
             tensor->byte_count > filler->shard_bytes_max - data_bytes)) {
            break;
        }
        if (at > first && header_bytes > OF_ST_HEADER_BYTES_WRITTEN_MAX) {
            break;
        }
        data_bytes += tensor->byte_count;
    }
    return at;
}

/* Writes the old indices of the shard's tensors in their new order: wider first, else as they were.
 */
static void order_shard(const struct of_tensor *tensors, const struct of_out_shard *shard,
                        uint32_t *order)
{
    uint32_t at = shard->first_tensor;

    for (size_t i = 0; i < OF_LENGTH(widths); i++) {
        for (uint32_t j = 0; j < shard->tensor_count; j++) {
            uint32_t index = shard->first_tensor + j;

            if (onefold_dtype_bits((onefold_dtype)tensors[index].dtype) == widths[i]) {
                order[at++] = index;
            }
        }
    }
    of_assert(at == shard->first_tensor + shard->tensor_count);
}

/* Puts old tensor order[i] at i, along the cycles of the permutation. `moved` has one zero byte a
 * tensor. */
static void permute(struct of_tensor *tensors, const uint32_t *order, uint32_t count,
                    uint8_t *moved)
{
    for (uint32_t start = 0; start < count; start++) {
        struct of_tensor first = tensors[start];
        uint32_t at = start;

        if (moved[start] != 0) {
            continue;
        }
        while (order[at] != start) {
            tensors[at] = tensors[order[at]];
            moved[at] = 1;
            at = order[at];
        }
        tensors[at] = first;
        moved[at] = 1;
    }
}

/* Sets shard_index and offset of the shard's tensors, and its sizes. */
static bool place_shard(struct of_tensor *tensors, const struct of_out_layout *layout,
                        uint32_t shard_index, struct of_text *text, uint64_t *total_bytes)
{
    struct of_out_shard *shard = &layout->shards[shard_index];
    struct of_tensor *first = tensors + shard->first_tensor;
    uint64_t json;
    uint64_t entry;
    uint64_t begin = 0;

    if (!measure_empty(layout, text, &json)) {
        return false;
    }
    for (uint32_t i = 0; i < shard->tensor_count; i++) {
        first[i].shard_index = (uint16_t)shard_index;
        first[i].offset = begin;
        if (!measure_entry(&first[i], text, &entry) ||
            !of_num_add(begin, first[i].byte_count, &begin)) {
            return false;
        }
        /* Braces of an empty header are in `json` already; entries are joined with commas. */
        json += entry + (i > 0 || layout->metadata_count > 0 ? 1 : 0);
    }
    shard->header_bytes = of_num_align_up(LENGTH_FIELD_BYTES + json, OF_ST_DATA_ALIGN);
    for (uint32_t i = 0; i < shard->tensor_count; i++) {
        first[i].offset += shard->header_bytes;
    }
    *total_bytes += begin;
    return of_num_add(shard->header_bytes, begin, &shard->file_bytes);
}

/* Name of shard `index` of `count`; NULL without memory. */
static const char *shard_name(uint32_t index, uint32_t count, struct of_text *text,
                              struct of_arena *arena)
{
    text->length = 0;
    if (count == 1) {
        of_text_add(text, OF_STR("model.safetensors"));
    } else {
        of_text_print(text, "model-%05u-of-%05u.safetensors", index + 1, count);
    }
    return text->failed ? NULL : of_arena_copy(arena, text->data, text->length);
}

/* Cuts the tensors into shards and names them. */
static onefold_status cut(const struct filler *filler, struct of_arena *arena, struct of_text *text,
                          struct of_out_layout *layout, onefold_error *err)
{
    uint32_t shard_count = 0;
    uint32_t at = 0;

    do {
        at = fill_shard(filler, at);
        shard_count++;
    } while (at < filler->tensor_count);
    if (shard_count > OF_SHARDS_MAX) {
        return of_err_set(err, "plan-limit",
                          "a shard size of %" PRIu64
                          " bytes makes %u shards, at most %u are handled",
                          filler->shard_bytes_max, shard_count, (unsigned)OF_SHARDS_MAX);
    }
    layout->shard_count = shard_count;
    layout->shards = OF_ARENA_NEW(arena, struct of_out_shard, shard_count);
    if (layout->shards == NULL) {
        return of_err_set(err, "memory", "no memory for %u output shards", shard_count);
    }
    at = 0;
    for (uint32_t i = 0; i < shard_count; i++) {
        struct of_out_shard *shard = &layout->shards[i];

        shard->first_tensor = at;
        at = fill_shard(filler, at);
        shard->tensor_count = at - shard->first_tensor;
        shard->name = shard_name(i, shard_count, text, arena);
        if (shard->name == NULL) {
            return of_err_set(err, "memory", "no memory for the names of output shards");
        }
    }
    return ONEFOLD_OK;
}

/* Sorts the keys, so that two runs give the same bytes. A handful of pairs: insertion. */
static onefold_status sort_metadata(const struct of_pair *metadata, uint32_t count,
                                    struct of_arena *arena, struct of_out_layout *layout,
                                    onefold_error *err)
{
    struct of_pair *sorted = OF_ARENA_NEW(arena, struct of_pair, count);

    if (sorted == NULL) {
        return of_err_set(err, "memory", "no memory for %u metadata entries", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;

        while (at > 0 && of_str_compare(sorted[at - 1].key, metadata[i].key) > 0) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = metadata[i];
    }
    layout->metadata = sorted;
    layout->metadata_count = count;
    return ONEFOLD_OK;
}

/* Cuts, orders and places; `text` is scratch that the caller frees. */
static onefold_status make(struct of_tensor *tensors, struct filler *filler, struct of_arena *arena,
                           uint32_t *order, struct of_out_layout *layout, struct of_text *text,
                           onefold_error *err)
{
    uint8_t *moved;

    if (!measure_empty(layout, text, &filler->metadata_bytes)) {
        return of_err_set(err, "memory", "no memory for a header");
    }
    layout->start_bytes = filler->metadata_bytes;
    OF_TRY(cut(filler, arena, text, layout, err));
    for (uint32_t i = 0; i < layout->shard_count; i++) {
        order_shard(tensors, &layout->shards[i], order);
    }
    moved = of_mem_get(filler->tensor_count);
    if (moved == NULL) {
        return of_err_set(err, "memory", "no memory to order %u tensors", filler->tensor_count);
    }
    permute(tensors, order, filler->tensor_count, moved);
    of_mem_free(moved);
    for (uint32_t i = 0; i < layout->shard_count; i++) {
        if (!place_shard(tensors, layout, i, text, &layout->total_bytes)) {
            return of_err_set(err, text->failed ? "memory" : "plan-limit",
                              "the header of output shard %u cannot be laid out", i + 1);
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_layout_make(struct of_tensor *tensors, uint32_t tensor_count,
                              const struct of_layout_wish *wish, struct of_arena *arena,
                              uint32_t *order, struct of_out_layout *ret_layout, onefold_error *err)
{
    struct filler filler = {
        .tensors = tensors, .tensor_count = tensor_count, .shard_bytes_max = wish->shard_bytes_max};
    struct of_out_layout layout = {0};
    struct of_text text = {0};
    onefold_status status;

    OF_TRY(sort_metadata(wish->metadata, wish->metadata_count, arena, &layout, err));
    status = make(tensors, &filler, arena, order, &layout, &text, err);
    of_text_finish(&text);
    if (status == ONEFOLD_OK) {
        *ret_layout = layout;
    }
    return status;
}

/* Length field, brace and metadata: a header without tensors, less its end. */
static void begin_header(const struct of_out_layout *layout, uint64_t header_bytes,
                         struct of_text *text)
{
    const size_t start = text->length;

    of_safetensors_emit(NULL, 0, layout->metadata, layout->metadata_count, text);
    if (!text->failed) {
        /* Its braces, at least, are no spaces. */
        text->length =
            start + LENGTH_FIELD_BYTES + json_bytes(text->data + start, text->length - start) - 1;
        of_bytes_store64(text->data + start, header_bytes - LENGTH_FIELD_BYTES);
    }
}

static void end_header(uint64_t bytes_left, struct of_text *text)
{
    of_assert(bytes_left >= 1 && bytes_left <= OF_ST_DATA_ALIGN);
    of_text_add_char(text, '}');
    for (uint64_t i = 1; i < bytes_left; i++) {
        of_text_add_char(text, ' ');
    }
}

bool of_layout_emit_header(const struct of_out_layout *layout, const struct of_tensor *tensors,
                           uint32_t shard_index, struct of_header_cursor *cursor,
                           struct of_text *text)
{
    const struct of_out_shard *shard = &layout->shards[shard_index];
    const size_t before = text->length;

    if (cursor->ended) {
        return false;
    }
    if (cursor->bytes == 0) {
        begin_header(layout, shard->header_bytes, text);
    }
    for (; cursor->tensor_count < shard->tensor_count && text->length - before < PORTION_BYTES;
         cursor->tensor_count++) {
        struct of_tensor tensor = tensors[shard->first_tensor + cursor->tensor_count];

        if (cursor->tensor_count > 0 || layout->metadata_count > 0) {
            of_text_add_char(text, ',');
        }
        tensor.offset -= shard->header_bytes;
        of_safetensors_emit_entry(&tensor, text);
    }
    cursor->bytes += text->length - before;
    if (cursor->tensor_count == shard->tensor_count) {
        cursor->ended = true;
        if (!text->failed) {
            end_header(shard->header_bytes - cursor->bytes, text);
        }
    }
    return true;
}

uint64_t of_layout_emit_bytes(const struct of_out_layout *layout)
{
    /* A text that grows is there twice, the new one with room to spare. */
    return 3 * (layout->start_bytes + PORTION_BYTES + ENTRY_BYTES_MAX);
}
