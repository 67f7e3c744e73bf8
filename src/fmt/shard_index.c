/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.safetensors.index.json. Read by one walk, the map inside it by another, so that 128 MiB of
 * index cost their entries only. File names are checked before anything else sees them.
 */
#include "fmt/shard_index.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/sort.h"
#include "fmt/json.h"
#include "fmt/key_set.h"

#include <string.h>

enum { PIECE_ENTRIES = 4096 };
/* Of an index that is written, handed over at a time; and what sorting its entries takes of each.
 */
enum { PIECE_BYTES = 65536, ORDER_BYTES = 2 * sizeof(uint32_t) };

struct entry_piece {
    struct entry_piece *next;
    uint32_t count;
    struct of_index_entry entries[PIECE_ENTRIES];
};

struct reading {
    const char *file;
    struct of_arena *arena;
    struct of_arena scratch; /* maps that end with the reading */
    struct of_report *report;
    struct of_shard_index *index;
    struct of_text text; /* decoded strings */
    struct entry_piece *first_piece;
    struct entry_piece *last_piece;
    struct of_map files;
    struct of_str files_seen[OF_SHARDS_MAX];
    bool seen_map;
    struct of_key_set top_keys;
    struct of_key_set metadata_keys;
};

/* True for what begins with the drive of another system, such as "c:". */
static bool is_drive(struct of_str name)
{
    return name.length >= 2 && name.data[1] == ':' &&
           ((name.data[0] >= 'a' && name.data[0] <= 'z') ||
            (name.data[0] >= 'A' && name.data[0] <= 'Z'));
}

onefold_status of_shard_name_check(struct of_str name, onefold_error *err)
{
    struct of_shown shown = of_str_escape(name);

    if (name.length == 0) {
        return of_err_set(err, "index-name-empty", "a shard name is empty");
    }
    if (memchr(name.data, '/', name.length) != NULL || is_drive(name)) {
        return of_err_set(err, "index-path", "shard name \"%s\" is a path, not one plain file name",
                          shown.text);
    }
    if (memchr(name.data, '\\', name.length) != NULL) {
        return of_err_set(err, "index-backslash", "shard name \"%s\" holds a backslash",
                          shown.text);
    }
    if (of_str_is(name, ".") || of_str_is(name, "..")) {
        return of_err_set(err, "index-name-dot", "shard name \"%s\" is a folder", shown.text);
    }
    if (name.length > OF_FILE_NAME_BYTES_MAX) {
        return of_err_set(err, "index-name-long", "shard name \"%s\" has %zu bytes, more than %d",
                          shown.text, name.length, OF_FILE_NAME_BYTES_MAX);
    }
    if (of_str_has_control(name)) {
        return of_err_set(err, "index-control", "shard name \"%s\" holds a control character",
                          shown.text);
    }
    if (!of_str_ends(name, ".safetensors") || name.length == strlen(".safetensors")) {
        return of_err_set(err, "index-name-suffix",
                          "shard name \"%s\" does not end in .safetensors", shown.text);
    }
    return ONEFOLD_OK;
}

static struct of_str file_key(const void *context, uint32_t index)
{
    return ((const struct reading *)context)->files_seen[index];
}

/* The number of a shard, by order of first appearance. */
static onefold_status find_file(struct reading *reading, struct of_str name, uint16_t *ret_index,
                                onefold_error *err)
{
    uint32_t found = of_map_find(&reading->files, name);
    uint64_t count = reading->index->file_count;
    const char *copy;

    if (found != OF_MAP_NONE) {
        *ret_index = (uint16_t)found;
        return ONEFOLD_OK;
    }
    OF_TRY(of_shard_name_check(name, err));
    if (count == OF_SHARDS_MAX) {
        return of_err_set(err, "index-limit", "more than %d shards", OF_SHARDS_MAX);
    }
    copy = of_arena_copy(reading->arena, name.data, name.length);
    if (copy == NULL) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    reading->files_seen[count] = (struct of_str){copy, name.length};
    (void)of_map_put(&reading->files, (uint32_t)count);
    *ret_index = (uint16_t)count;
    reading->index->file_count++;
    return ONEFOLD_OK;
}

static struct of_index_entry *new_entry(struct reading *reading)
{
    struct entry_piece *piece = reading->last_piece;

    if (piece == NULL || piece->count == PIECE_ENTRIES) {
        piece = of_mem_get(sizeof(*piece));
        if (piece == NULL) {
            return NULL;
        }
        if (reading->last_piece == NULL) {
            reading->first_piece = piece;
        } else {
            reading->last_piece->next = piece;
        }
        reading->last_piece = piece;
    }
    reading->index->entry_count++;
    return &piece->entries[piece->count++];
}

static onefold_status read_entry(void *context, const struct of_json_member *member,
                                 onefold_error *err)
{
    struct reading *reading = context;
    struct of_index_entry *entry;
    struct of_str name;
    uint16_t file_index = 0;

    if (member->key.length == 0 || member->key.length > OF_TENSOR_NAME_BYTES_MAX ||
        of_str_has_control(member->key)) {
        return of_err_set(err, "index-tensor-name",
                          "tensor name \"%s\" is empty, too long or holds a control character",
                          of_str_escape(member->key).text);
    }
    if (member->kind != OF_JSON_STRING) {
        OF_TRY(of_json_check(member->text, "index-json", err));
        return of_err_set(err, "index-value", "the file of tensor \"%s\" is not a string",
                          of_str_escape(member->key).text);
    }
    if (of_json_decode_string(member->text, "index-json", &reading->text, &name, err) !=
            ONEFOLD_OK ||
        find_file(reading, name, &file_index, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "tensor \"%s\"", of_str_escape(member->key).text);
    }
    entry = new_entry(reading);
    if (entry == NULL) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    entry->file_index = file_index;
    entry->tensor_name.length = member->key.length;
    entry->tensor_name.data = of_arena_copy(reading->arena, member->key.data, member->key.length);
    if (entry->tensor_name.data == NULL) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    return ONEFOLD_OK;
}

static onefold_status read_map(struct reading *reading, const struct of_json_member *member,
                               onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "index-json",
                                      .id_top = "index-map",
                                      .id_depth = "index-depth",
                                      .base_offset = member->value_offset,
                                      .member_bytes_max = OF_ST_MEMBER_BYTES_MAX,
                                      .member = read_entry,
                                      .context = reading};

    reading->seen_map = true;
    if (of_json_walk(member->text, &walk, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "weight_map");
    }
    return ONEFOLD_OK;
}

static onefold_status read_metadata_member(void *context, const struct of_json_member *member,
                                           onefold_error *err)
{
    struct reading *reading = context;
    struct of_shard_index *index = reading->index;
    onefold_error ignored;

    OF_TRY(of_key_set_add(&reading->metadata_keys, &reading->scratch, member->key,
                          "index-duplicate", "index-limit", err));
    /* Numbers of any size are fine here: nothing is done with them. */
    if (!of_json_is_number(member->text)) {
        OF_TRY(of_json_check(member->text, "index-json", err));
    }
    if (!of_str_is(member->key, "total_size")) {
        return ONEFOLD_OK;
    }
    if (of_json_decode_u63(member->text, "index-json", "index-json", &index->total_size,
                           &ignored) == ONEFOLD_OK) {
        index->has_total_size = true;
    } else {
        of_report_warning(reading->report, "index-total", reading->file,
                          "metadata.total_size is not a plain whole number; it is not used");
    }
    return ONEFOLD_OK;
}

static onefold_status read_metadata(struct reading *reading, const struct of_json_member *member,
                                    onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "index-json",
                                      .id_top = "index-json",
                                      .id_depth = "index-depth",
                                      .base_offset = member->value_offset,
                                      .member_bytes_max = OF_ST_MEMBER_BYTES_MAX,
                                      .member = read_metadata_member,
                                      .context = reading};

    if (member->kind == OF_JSON_OBJECT) {
        if (of_json_walk(member->text, &walk, err) != ONEFOLD_OK) {
            return of_err_prefix(err, "metadata");
        }
        return ONEFOLD_OK;
    }
    OF_TRY(of_json_check(member->text, "index-json", err));
    if (member->kind != OF_JSON_NULL) {
        of_report_warning(reading->report, "index-metadata", reading->file,
                          "metadata is not an object; it is not used");
    }
    return ONEFOLD_OK;
}

static onefold_status read_top(void *context, const struct of_json_member *member,
                               onefold_error *err)
{
    struct reading *reading = context;

    OF_TRY(of_key_set_add(&reading->top_keys, &reading->scratch, member->key, "index-duplicate",
                          "index-limit", err));
    if (of_str_is(member->key, "weight_map")) {
        return read_map(reading, member, err);
    }
    if (member->text.length > OF_ST_MEMBER_BYTES_MAX) {
        return of_err_set(err, "index-limit", "key \"%s\" holds %zu bytes",
                          of_str_escape(member->key).text, member->text.length);
    }
    if (of_str_is(member->key, "metadata")) {
        return read_metadata(reading, member, err);
    }
    return of_json_check(member->text, "index-json", err);
}

static struct of_str entry_key(const void *context, uint32_t index)
{
    return ((const struct of_shard_index *)context)->entries[index].tensor_name;
}

/* Moves the entries to the arena and refuses a tensor that stands twice. */
static onefold_status gather_entries(struct reading *reading, onefold_error *err)
{
    struct of_shard_index *index = reading->index;
    struct of_map names;
    uint64_t at = 0;

    index->entries = OF_ARENA_NEW(reading->arena, struct of_index_entry, index->entry_count);
    if (index->entries == NULL ||
        !of_map_init(&names, &reading->scratch, index->entry_count, entry_key, index)) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    while (reading->first_piece != NULL) {
        struct entry_piece *piece = reading->first_piece;

        memcpy(index->entries + at, piece->entries, piece->count * sizeof(*index->entries));
        at += piece->count;
        reading->first_piece = piece->next;
        of_mem_free(piece);
    }
    for (uint32_t i = 0; i < index->entry_count; i++) {
        if (of_map_put(&names, i) != OF_MAP_NONE) {
            return of_err_set(err, "index-duplicate", "weight_map: tensor \"%s\" stands twice",
                              of_str_escape(index->entries[i].tensor_name).text);
        }
    }
    return ONEFOLD_OK;
}

static bool file_less(const void *context, uint32_t a, uint32_t b)
{
    const struct of_str *files = context;

    return of_str_compare(files[a], files[b]) < 0;
}

/* Puts the files in order of their names, and lets the entries follow. */
static onefold_status sort_files(struct reading *reading, onefold_error *err)
{
    struct of_shard_index *index = reading->index;
    uint64_t count = index->file_count;
    uint32_t *order = OF_ARENA_NEW(&reading->scratch, uint32_t, 3 * count);

    index->files = OF_ARENA_NEW(reading->arena, struct of_str, count);
    if (order == NULL || index->files == NULL) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    of_sort_indices(order, order + count, count, file_less, reading->files_seen);
    for (uint32_t i = 0; i < count; i++) {
        index->files[i] = reading->files_seen[order[i]];
        order[2 * count + order[i]] = i;
    }
    for (uint64_t i = 0; i < index->entry_count; i++) {
        index->entries[i].file_index = (uint16_t)order[2 * count + index->entries[i].file_index];
    }
    return ONEFOLD_OK;
}

static onefold_status read_index(struct reading *reading, struct of_str text, onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "index-json",
                                      .id_top = "index-top",
                                      .id_depth = "index-depth",
                                      .member = read_top,
                                      .context = reading};

    if (text.length > OF_INDEX_BYTES_MAX) {
        return of_err_set(err, "index-size", "the index has %zu bytes, more than 128 MiB",
                          text.length);
    }
    if (!of_map_init(&reading->files, &reading->scratch, OF_SHARDS_MAX, file_key, reading)) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    OF_TRY(of_json_walk(text, &walk, err));
    if (!reading->seen_map) {
        return of_err_set(err, "index-map-missing", "weight_map is missing");
    }
    if (reading->index->entry_count == 0) {
        return of_err_set(err, "index-empty", "weight_map is empty");
    }
    OF_TRY(gather_entries(reading, err));
    return sort_files(reading, err);
}

onefold_status of_shard_index_parse(struct of_str text, const char *file, struct of_arena *arena,
                                    struct of_report *report, struct of_shard_index *ret_index,
                                    onefold_error *err)
{
    struct of_shard_index index = {0};
    struct reading *reading = of_mem_get(sizeof(*reading));
    onefold_status status;

    if (reading == NULL) {
        return of_err_set(err, "memory", "no memory for the index");
    }
    reading->file = file;
    reading->arena = arena;
    reading->report = report;
    reading->index = &index;
    of_arena_init(&reading->scratch, 0);
    status = read_index(reading, text, err);
    while (reading->first_piece != NULL) {
        struct entry_piece *piece = reading->first_piece;

        reading->first_piece = piece->next;
        of_mem_free(piece);
    }
    of_text_finish(&reading->text);
    of_arena_finish(&reading->scratch);
    of_mem_free(reading);
    if (status == ONEFOLD_OK) {
        *ret_index = index;
    }
    return status;
}

static bool name_less(const void *context, uint32_t a, uint32_t b)
{
    const struct of_tensor *tensors = context;

    return of_str_compare(tensors[a].name, tensors[b].name) < 0;
}

/* Hands the text over and empties it, once it has `at_least` bytes. */
static onefold_status hand_over(struct of_text *text, size_t at_least,
                                of_shard_index_piece_fn *piece, void *context, onefold_error *err)
{
    const struct of_str part = {text->data, text->length};

    if (text->failed) {
        return of_err_set(err, "memory", "no memory for the text of the index");
    }
    if (text->length == 0 || text->length < at_least) {
        return ONEFOLD_OK;
    }
    text->length = 0;
    return piece(context, part, err);
}

static onefold_status emit(const struct of_shard_index_text *from, const uint32_t *order,
                           struct of_json_writer *writer, of_shard_index_piece_fn *piece,
                           void *context, onefold_error *err)
{
    of_json_begin_object(writer);
    of_json_key(writer, "metadata");
    of_json_begin_object(writer);
    of_json_key(writer, "total_size");
    of_json_add_u64(writer, from->total_size);
    of_json_end_object(writer);
    of_json_key(writer, "weight_map");
    of_json_begin_object(writer);
    for (uint64_t i = 0; i < from->tensor_count; i++) {
        const struct of_tensor *tensor = &from->tensors[order[i]];

        of_json_key_str(writer, tensor->name);
        of_json_add_string(writer, from->files[tensor->shard_index]);
        OF_TRY(hand_over(&writer->text, PIECE_BYTES, piece, context, err));
    }
    of_json_end_object(writer);
    of_json_end_object(writer);
    of_text_add_char(&writer->text, '\n');
    return hand_over(&writer->text, 0, piece, context, err);
}

onefold_status of_shard_index_emit(const struct of_shard_index_text *from,
                                   of_shard_index_piece_fn *piece, void *context,
                                   onefold_error *err)
{
    struct of_json_writer writer = {.indent = 2};
    const uint64_t count = from->tensor_count;
    uint32_t *order = of_mem_get(of_mem_array_bytes(count, ORDER_BYTES));
    onefold_status status;

    if (order == NULL) {
        return of_err_set(err, "memory", "no memory to sort the index");
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    of_sort_indices(order, order + count, count, name_less, from->tensors);
    status = emit(from, order, &writer, piece, context, err);
    of_text_finish(&writer.text);
    of_mem_free(order);
    return status;
}

uint64_t of_shard_index_emit_bytes(uint64_t tensor_count)
{
    /* A text that grows is there twice, the new one with room to spare. */
    return tensor_count * ORDER_BYTES + 3 * (uint64_t)(PIECE_BYTES + OF_TENSOR_NAME_BYTES_MAX);
}
