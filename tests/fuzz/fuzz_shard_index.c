/* SPDX-License-Identifier: Apache-2.0 */
/* Shard indexes: only plain file names come out, sorted, each tensor once; written again, they say
 * the same. */
#include "driver.h"

#include "base/check.h"
#include "base/limits.h"
#include "fmt/shard_index.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES (16 * OF_MIB)

static void check_index(const struct of_shard_index *index)
{
    onefold_error err;

    of_assert(index->file_count > 0 && index->file_count <= OF_SHARDS_MAX);
    of_assert(index->entry_count >= index->file_count);
    for (uint64_t i = 0; i < index->file_count; i++) {
        of_assert(of_shard_name_check(index->files[i], &err) == ONEFOLD_OK);
        of_assert(memchr(index->files[i].data, '/', index->files[i].length) == NULL);
        of_assert(i == 0 || of_str_compare(index->files[i - 1], index->files[i]) < 0);
    }
    for (uint64_t i = 0; i < index->entry_count; i++) {
        of_assert(index->entries[i].file_index < index->file_count);
        of_assert(index->entries[i].tensor_name.length > 0);
    }
}

static onefold_status add_piece(void *context, struct of_str piece, onefold_error *err)
{
    (void)err;
    of_text_add(context, piece);
    return ONEFOLD_OK;
}

static void check_round_trip(const struct of_shard_index *index, struct of_arena *arena)
{
    const char **files = OF_ARENA_NEW(arena, const char *, index->file_count);
    struct of_tensor *tensors = OF_ARENA_NEW(arena, struct of_tensor, index->entry_count);
    struct of_shard_index again = {0};
    struct of_report report = {0};
    struct of_shard_index_text from;
    struct of_text text = {0};
    onefold_error err;

    if (files == NULL || tensors == NULL) {
        return;
    }
    for (uint64_t i = 0; i < index->file_count; i++) {
        files[i] = index->files[i].data; /* the arena's copies are terminated */
    }
    for (uint64_t i = 0; i < index->entry_count; i++) {
        tensors[i].name = index->entries[i].tensor_name;
        tensors[i].shard_index = index->entries[i].file_index;
    }
    from = (struct of_shard_index_text){tensors, index->entry_count, files, index->total_size};
    of_assert(of_shard_index_emit(&from, add_piece, &text, &err) == ONEFOLD_OK);
    if (of_shard_index_parse((struct of_str){text.data, text.length}, "again", arena, &report,
                             &again, &err) == ONEFOLD_OK) {
        of_assert(again.entry_count == index->entry_count);
        of_assert(again.file_count == index->file_count);
        of_assert(again.total_size == index->total_size);
    } else {
        of_assert(err.status == ONEFOLD_E_MEMORY);
    }
    of_text_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct of_shard_index index = {0};
    struct of_report report = {0};
    struct of_arena arena;
    onefold_error err;

    of_arena_init(&arena, ARENA_BYTES);
    if (of_shard_index_parse((struct of_str){(const char *)data, size}, "fuzz.json", &arena,
                             &report, &index, &err) == ONEFOLD_OK) {
        check_index(&index);
        check_round_trip(&index, &arena);
    } else {
        of_assert(index.entry_count == 0 && err.message[0] != '\0');
        of_assert(!of_str_has_control(of_str_from(err.message)));
    }
    of_arena_finish(&arena);
    return 0;
}
