/* SPDX-License-Identifier: Apache-2.0 */
/*
 * safetensors: a file that is accepted has tensors with unique names that cover its data exactly,
 * and writing them gives a header that says the same. Records stay within a bound.
 */
#include "driver.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "fmt/format.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (16 * OF_MIB)

static void check_header(const struct of_header *header, uint64_t file_bytes)
{
    uint64_t edge = header->data_offset;

    for (uint64_t i = 0; i < header->tensor_count; i++) {
        const struct of_tensor *tensor = &header->tensors[i];
        uint64_t bytes = 0;

        of_assert(tensor->offset == edge);
        of_assert(tensor->name.length > 0 && tensor->name.length <= OF_TENSOR_NAME_BYTES_MAX);
        of_assert(of_str_is_utf8(tensor->name) && !of_str_has_control(tensor->name));
        of_assert(tensor->rank <= OF_TENSOR_RANK_MAX);
        of_assert(of_dtype_bytes((onefold_dtype)tensor->dtype, tensor->elem_count, &bytes));
        of_assert(bytes == tensor->byte_count);
        edge += bytes;
    }
    of_assert(edge == file_bytes);
    of_assert(header->has_metadata || header->metadata_count == 0);
}

static onefold_status parse(struct of_str bytes, uint64_t file_bytes, struct of_arena *arena,
                            struct of_header *header, onefold_error *err)
{
    struct of_report report = {0};
    const struct of_parse_in in = {.bytes = bytes,
                                   .file_bytes = file_bytes,
                                   .arena = arena,
                                   .report = &report,
                                   .file = "fuzz.safetensors"};

    return of_format_safetensors.parse(&in, header, err);
}

/* Writes the header again and reads that. */
static void check_round_trip(const struct of_header *header, uint64_t data_bytes)
{
    struct of_header again = {0};
    struct of_text text = {0};
    struct of_arena arena;
    onefold_error err;

    for (uint64_t i = 0; i < header->tensor_count; i++) {
        header->tensors[i].offset -= header->data_offset;
    }
    of_safetensors_emit(header->tensors, header->tensor_count, header->metadata,
                        header->metadata_count, &text);
    of_assert(!text.failed && text.length % OF_ST_DATA_ALIGN == 0);
    of_arena_init(&arena, 0);
    of_assert(parse((struct of_str){text.data, text.length}, text.length + data_bytes, &arena,
                    &again, &err) == ONEFOLD_OK);
    of_assert(again.tensor_count == header->tensor_count);
    of_assert(again.metadata_count == header->metadata_count);
    for (uint64_t i = 0; i < header->tensor_count; i++) {
        const struct of_tensor *a = &header->tensors[i];
        const struct of_tensor *b = &again.tensors[i];

        of_assert(of_str_equal(a->name, b->name) && a->dtype == b->dtype && a->rank == b->rank);
        of_assert(a->offset + again.data_offset == b->offset && a->byte_count == b->byte_count);
        of_assert(a->rank == 0 || memcmp(a->shape, b->shape, a->rank * sizeof(*a->shape)) == 0);
    }
    of_arena_finish(&arena);
    of_text_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct of_str first = {(const char *)data, size < 512 ? size : 512};
    struct of_header header = {0};
    struct of_arena arena;
    uint64_t need = 0;
    onefold_error err;

    if (of_format_recognise(first, size, &err) != ONEFOLD_OK) {
        of_assert(err.status == ONEFOLD_E_UNSUPPORTED && err.hint != NULL);
    }
    if (of_format_safetensors.header_need(first, size, &need, &err) != ONEFOLD_OK) {
        return 0;
    }
    of_assert(need >= 9 && need <= size);
    of_arena_init(&arena, ARENA_BYTES);
    if (parse((struct of_str){(const char *)data, need}, size, &arena, &header, &err) ==
        ONEFOLD_OK) {
        check_header(&header, size);
        check_round_trip(&header, size - need);
    } else {
        of_assert(err.id != NULL && err.message[0] != '\0');
        of_assert(of_str_is_utf8(of_str_from(err.message)));
        of_assert(!of_str_has_control(of_str_from(err.message)));
    }
    of_arena_finish(&arena);
    return 0;
}
