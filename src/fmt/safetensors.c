/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers of safetensors files. One walk over the members makes the records; then names are checked
 * to be unique, and the ranges, sorted, to cover the data exactly. Memory is the records, whatever
 * the header says: they are collected in pieces that are freed while they move to their final
 * place.
 */
#include "fmt/format.h"

#include "base/bytes.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/num.h"
#include "base/sort.h"
#include "fmt/json.h"
#include "fmt/safetensors_parts.h"

/* Records of one piece: about 230 KiB, which the C library maps and unmaps on its own, so that
 * freed pieces are not resident any more while the final array fills. */
enum { PIECE_TENSORS = 4096, PIECE_PAIRS = 256 };

struct tensor_piece {
    struct tensor_piece *next;
    uint32_t count;
    struct of_tensor tensors[PIECE_TENSORS];
};

struct pair_piece {
    struct pair_piece *next;
    uint32_t count;
    struct of_pair pairs[PIECE_PAIRS];
};

/* One parse. */
struct parse {
    const struct of_parse_in *in;
    uint64_t header_bytes;
    struct tensor_piece *first_piece;
    struct tensor_piece *last_piece;
    uint64_t tensor_count;
    struct pair_piece *first_pairs;
    struct pair_piece *last_pairs;
    uint64_t pair_count;
    bool has_metadata; /* the key stood there, with whatever value */
    bool has_pairs;    /* and it was an object */
    bool warned_field;
    bool in_visitor;        /* that is where it failed */
    uint64_t member_offset; /* of the member that is read, in the JSON text */
    struct of_st_entry entry;
    struct of_text scratch;
};

/* The records do not fit. Names the size that a header like its first part would need. */
static onefold_status no_room(const struct parse *parse, onefold_error *err)
{
    const struct of_arena *arena = parse->in->arena;
    /* Records, their names and shapes, and the map that compares names. */
    uint64_t used = arena->used_bytes + parse->tensor_count * (sizeof(struct of_tensor) + 8);
    uint64_t seen = parse->member_offset > 0 ? parse->member_offset : 1;
    double need = (double)used * ((double)parse->header_bytes / (double)seen);

    if (arena->limit_bytes == 0) {
        return of_err_set(err, "memory", "no memory for the tensors of the header");
    }
    return of_err_set(err, "memory-header",
                      "the header of %llu bytes needs about %.0f MiB for its tensors, %llu MiB are "
                      "allowed for that",
                      (unsigned long long)parse->header_bytes, need / (double)OF_MIB + 1.0,
                      (unsigned long long)(arena->limit_bytes / OF_MIB));
}

static onefold_status header_need(struct of_str first, uint64_t file_bytes, uint64_t *ret_bytes,
                                  onefold_error *err)
{
    uint64_t length;
    uint64_t swapped;

    if (file_bytes < 8 || first.length < 8) {
        return of_err_set(err, "st-short",
                          "the file has %llu bytes, less than the 8 of the header length",
                          (unsigned long long)file_bytes);
    }
    length = of_bytes_load64(first.data);
    swapped = __builtin_bswap64(length);
    if (length == 0) {
        return of_err_set(err, "st-header-zero", "the header length is 0 in a file of %llu bytes",
                          (unsigned long long)file_bytes);
    }
    if (length <= OF_ST_HEADER_BYTES_MAX && length <= file_bytes - 8) {
        *ret_bytes = 8 + length;
        return ONEFOLD_OK;
    }
    if (swapped > 1 && swapped <= OF_ST_HEADER_BYTES_MAX && swapped <= file_bytes - 8) {
        return of_err_set(err, "st-byte-order",
                          "the header length is %llu, or %llu in the other byte order",
                          (unsigned long long)length, (unsigned long long)swapped);
    }
    if (length > OF_ST_HEADER_BYTES_MAX) {
        return of_err_set(err, "st-header-limit",
                          "the header length is %llu, above the limit of %llu (file of %llu bytes)",
                          (unsigned long long)length, (unsigned long long)OF_ST_HEADER_BYTES_MAX,
                          (unsigned long long)file_bytes);
    }
    return of_err_set(err, "st-header-end",
                      "the header of %llu bytes is longer than the file of %llu bytes",
                      (unsigned long long)length, (unsigned long long)file_bytes);
}

static onefold_status add_pair(void *context, const struct of_json_member *member,
                               onefold_error *err)
{
    struct parse *parse = context;
    struct pair_piece *piece = parse->last_pairs;
    struct of_str value;
    struct of_pair pair;

    if (member->kind != OF_JSON_STRING) {
        OF_TRY(of_json_check(member->text, "st-json", err));
        return of_err_set(err, "st-metadata", "the value of \"%s\" is not a string",
                          of_str_escape(member->key).text);
    }
    OF_TRY(of_json_decode_string(member->text, "st-json", &parse->scratch, &value, err));
    if (piece == NULL || piece->count == PIECE_PAIRS) {
        piece = of_mem_get(sizeof(*piece));
        if (piece == NULL) {
            return of_err_set(err, "memory", "no memory for the metadata of the header");
        }
        if (parse->last_pairs == NULL) {
            parse->first_pairs = piece;
        } else {
            parse->last_pairs->next = piece;
        }
        parse->last_pairs = piece;
    }
    pair.key.length = member->key.length;
    pair.key.data = of_arena_copy(parse->in->arena, member->key.data, member->key.length);
    pair.value.length = value.length;
    pair.value.data = of_arena_copy(parse->in->arena, value.data, value.length);
    if (pair.key.data == NULL || pair.value.data == NULL) {
        return no_room(parse, err);
    }
    piece->pairs[piece->count++] = pair;
    parse->pair_count++;
    return ONEFOLD_OK;
}

static onefold_status read_metadata(struct parse *parse, const struct of_json_member *member,
                                    onefold_error *err)
{
    const struct of_json_walk walk = {.id_syntax = "st-json",
                                      .id_top = "st-metadata",
                                      .base_offset = member->value_offset,
                                      .member = add_pair,
                                      .context = parse};
    const struct of_parse_in *in = parse->in;

    if (parse->has_metadata) {
        return of_err_set(err, "st-metadata-twice", "__metadata__ stands twice");
    }
    parse->has_metadata = true;
    if (member->kind == OF_JSON_NULL) {
        OF_TRY(of_json_check(member->text, "st-json", err));
        of_report_warning(in->report, "st-metadata-null", in->file, "__metadata__ is null");
        return ONEFOLD_OK;
    }
    if (of_json_walk(member->text, &walk, err) != ONEFOLD_OK) {
        return of_err_prefix(err, "__metadata__");
    }
    parse->has_pairs = true;
    return ONEFOLD_OK;
}

/* A place for one more record, counted against the arena though it lies outside for now. */
static struct of_tensor *new_tensor(struct parse *parse)
{
    struct tensor_piece *piece = parse->last_piece;
    const struct of_arena *arena = parse->in->arena;

    if (piece == NULL || piece->count == PIECE_TENSORS) {
        uint64_t after = (parse->tensor_count + PIECE_TENSORS) * sizeof(struct of_tensor);

        if (arena->limit_bytes != 0 && after > arena->limit_bytes - arena->used_bytes &&
            parse->tensor_count > 0) {
            return NULL;
        }
        piece = of_mem_get(sizeof(*piece));
        if (piece == NULL) {
            return NULL;
        }
        if (parse->last_piece == NULL) {
            parse->first_piece = piece;
        } else {
            parse->last_piece->next = piece;
        }
        parse->last_piece = piece;
    }
    return &piece->tensors[piece->count];
}

static bool store_shape(struct parse *parse, const struct of_st_entry *entry,
                        const struct of_tensor *before, struct of_tensor *tensor)
{
    uint64_t *shape;

    if (before != NULL && before->rank == entry->rank &&
        (entry->rank == 0 ||
         memcmp(before->shape, entry->shape, entry->rank * sizeof(uint64_t)) == 0)) {
        tensor->shape = before->shape;
        return true;
    }
    shape = OF_ARENA_NEW(parse->in->arena, uint64_t, entry->rank > 0 ? entry->rank : 1);
    if (shape == NULL) {
        return false;
    }
    memcpy(shape, entry->shape, entry->rank * sizeof(uint64_t));
    tensor->shape = shape;
    return true;
}

static onefold_status add_tensor(struct parse *parse, struct of_str name, onefold_error *err)
{
    const struct of_st_entry *entry = &parse->entry;
    struct tensor_piece *piece = parse->last_piece;
    const struct of_tensor *before = piece != NULL ? &piece->tensors[piece->count - 1] : NULL;
    struct of_tensor *tensor;

    tensor = new_tensor(parse);
    if (tensor == NULL) {
        return no_room(parse, err);
    }
    tensor->name.length = name.length;
    tensor->name.data = of_arena_copy(parse->in->arena, name.data, name.length);
    if (tensor->name.data == NULL || !store_shape(parse, entry, before, tensor)) {
        return no_room(parse, err);
    }
    tensor->elem_count = entry->elem_count;
    tensor->byte_count = entry->end - entry->begin;
    tensor->offset = entry->begin; /* from the start of the data, until all is checked */
    tensor->rank = entry->rank;
    tensor->dtype = (uint8_t)entry->dtype;
    parse->last_piece->count++;
    parse->tensor_count++;
    return ONEFOLD_OK;
}

static size_t take_entry(void *context, struct of_str rest)
{
    struct parse *parse = context;

    return of_st_entry_take(rest, &parse->entry);
}

static onefold_status read_member(void *context, const struct of_json_member *member,
                                  onefold_error *err)
{
    struct parse *parse = context;
    const struct of_parse_in *in = parse->in;
    onefold_status status;

    parse->member_offset = member->key_offset - 8;
    if (of_str_is(member->key, "__metadata__")) {
        status = read_metadata(parse, member, err);
    } else {
        status = of_st_name_check(member->key, err);
        if (status != ONEFOLD_OK) {
            err->offset = member->key_offset;
        } else {
            status = of_st_entry_parse(member, in->file_bytes - in->bytes.length, &parse->scratch,
                                       &parse->entry, err);
        }
        if (status == ONEFOLD_OK) {
            status = add_tensor(parse, member->key, err);
        }
        if (status == ONEFOLD_OK && parse->entry.unknown_field && !parse->warned_field) {
            parse->warned_field = true; /* once: every entry of a file tends to have it */
            of_report_warning(in->report, "st-field-unknown", in->file,
                              "tensor \"%s\" has a field besides dtype, shape and data_offsets; "
                              "such fields are skipped",
                              of_str_escape(member->key).text);
        }
    }
    parse->in_visitor = status != ONEFOLD_OK;
    return status;
}

static void release_text(void *context, uint64_t upto_offset)
{
    const struct parse *parse = context;

    parse->in->release(parse->in->release_context, upto_offset);
}

/* Moves the records to one array in the arena, piece by piece, so that they exist hardly more than
 * once. */
static onefold_status gather_tensors(struct parse *parse, struct of_header *header,
                                     onefold_error *err)
{
    uint64_t at = 0;

    header->tensors = OF_ARENA_NEW(parse->in->arena, struct of_tensor,
                                   parse->tensor_count > 0 ? parse->tensor_count : 1);
    header->metadata = OF_ARENA_NEW(parse->in->arena, struct of_pair,
                                    parse->pair_count > 0 ? parse->pair_count : 1);
    if (header->tensors == NULL || header->metadata == NULL) {
        return no_room(parse, err);
    }
    while (parse->first_piece != NULL) {
        struct tensor_piece *piece = parse->first_piece;

        memcpy(header->tensors + at, piece->tensors, piece->count * sizeof(struct of_tensor));
        at += piece->count;
        parse->first_piece = piece->next;
        of_mem_free(piece);
    }
    header->tensor_count = at;
    at = 0;
    for (const struct pair_piece *piece = parse->first_pairs; piece != NULL; piece = piece->next) {
        memcpy(header->metadata + at, piece->pairs, piece->count * sizeof(struct of_pair));
        at += piece->count;
    }
    header->metadata_count = at;
    header->has_metadata = parse->has_pairs;
    return ONEFOLD_OK;
}

static struct of_str pair_key(const void *context, uint32_t index)
{
    return ((const struct of_header *)context)->metadata[index].key;
}

static struct of_str tensor_key(const void *context, uint32_t index)
{
    return ((const struct of_header *)context)->tensors[index].name;
}

/* Index of an entry whose key stood before, or OF_MAP_NONE. False without memory. */
static bool find_repeated(const struct of_header *header, uint64_t count, uint64_t limit_bytes,
                          of_map_key_fn *key, uint32_t *ret_index)
{
    struct of_arena scratch;
    struct of_map map;
    bool ok;

    of_arena_init(&scratch, limit_bytes);
    ok = of_map_init(&map, &scratch, count, key, header);
    *ret_index = OF_MAP_NONE;
    for (uint32_t i = 0; ok && i < count && *ret_index == OF_MAP_NONE; i++) {
        if (of_map_put(&map, i) != OF_MAP_NONE) {
            *ret_index = i;
        }
    }
    of_arena_finish(&scratch);
    return ok;
}

static onefold_status check_unique(const struct parse *parse, const struct of_header *header,
                                   onefold_error *err)
{
    const struct of_arena *arena = parse->in->arena;
    uint64_t left = arena->limit_bytes == 0 ? 0 : arena->limit_bytes - arena->used_bytes;
    uint32_t index;

    if (arena->limit_bytes != 0 && left == 0) {
        return no_room(parse, err);
    }

    if (!find_repeated(header, header->tensor_count, left, tensor_key, &index)) {
        return no_room(parse, err);
    }
    if (index != OF_MAP_NONE) {
        return of_err_set(err, "st-duplicate", "duplicate name: tensor \"%s\" stands twice",
                          of_str_escape(header->tensors[index].name).text);
    }
    if (!find_repeated(header, header->metadata_count, left, pair_key, &index)) {
        return no_room(parse, err);
    }
    if (index != OF_MAP_NONE) {
        return of_err_set(err, "st-metadata-duplicate", "__metadata__: key \"%s\" stands twice",
                          of_str_escape(header->metadata[index].key).text);
    }
    return ONEFOLD_OK;
}

/* A distributed checkpoint's ranks hold parts of tensors under the names of whole ones. */
static onefold_status check_whole(const struct of_header *header, onefold_error *err)
{
    for (uint64_t i = 0; i < header->metadata_count; i++) {
        if (of_str_is(header->metadata[i].key, "DCP_SHARDING_INFO")) {
            return of_err_set(err, "unsupported-dcp",
                              "__metadata__ has DCP_SHARDING_INFO: the file holds one rank's parts "
                              "of tensors");
        }
    }
    return ONEFOLD_OK;
}

static onefold_status parse_header(struct parse *parse, struct of_header *header,
                                   onefold_error *err)
{
    const struct of_parse_in *in = parse->in;
    struct of_str text = {in->bytes.data + 8, in->bytes.length - 8};
    const struct of_json_walk walk = {.id_syntax = "st-json",
                                      .id_top = "st-top",
                                      .id_depth = "st-depth",
                                      .id_nul = "st-name-nul",
                                      .base_offset = 8,
                                      .take = take_entry,
                                      .member = read_member,
                                      .release = in->release != NULL ? release_text : NULL,
                                      .context = parse};
    bool leading_space;

    parse->header_bytes = text.length;
    leading_space = text.length > 0 && text.data[0] != '{';
    if (of_json_walk(text, &walk, err) != ONEFOLD_OK) {
        if (err->status == ONEFOLD_E_MEMORY) {
            err->offset = UINT64_MAX; /* no fault of any byte */
            return err->status;
        }
        /* The walk's own messages name the byte already. */
        return parse->in_visitor && err->offset != UINT64_MAX
                   ? of_err_prefix(err, "header byte %llu", (unsigned long long)err->offset)
                   : of_err_prefix(err, "header");
    }
    if (leading_space) {
        of_report_warning(in->report, "st-leading-space", in->file,
                          "white space stands before the header's '{'");
    }
    OF_TRY(gather_tensors(parse, header, err));
    OF_TRY(check_unique(parse, header, err));
    OF_TRY(check_whole(header, err));
    header->data_offset = in->bytes.length;
    if (of_st_order(header, in->file_bytes - in->bytes.length, err) != ONEFOLD_OK) {
        err->offset = err->offset == UINT64_MAX ? UINT64_MAX : err->offset + header->data_offset;
        return err->status;
    }
    for (uint64_t i = 0; i < header->tensor_count; i++) {
        header->tensors[i].offset += header->data_offset;
    }
    of_st_warn_names(header, in->report, in->file);
    return ONEFOLD_OK;
}

static onefold_status parse(const struct of_parse_in *in, struct of_header *ret_header,
                            onefold_error *err)
{
    struct parse state = {.in = in};
    struct of_header header = {0};
    onefold_status status;
    uint64_t need = 0;

    OF_TRY(header_need(in->bytes, in->file_bytes, &need, err));
    if (need != in->bytes.length) {
        return of_err_set(err, "st-header-end", "the header length changed while it was read");
    }
    status = parse_header(&state, &header, err);
    while (state.first_piece != NULL) {
        struct tensor_piece *piece = state.first_piece;

        state.first_piece = piece->next;
        of_mem_free(piece);
    }
    while (state.first_pairs != NULL) {
        struct pair_piece *piece = state.first_pairs;

        state.first_pairs = piece->next;
        of_mem_free(piece);
    }
    of_text_finish(&state.scratch);
    if (status == ONEFOLD_OK) {
        *ret_header = header;
    }
    return status;
}

const struct of_format of_format_safetensors = {
    .name = "safetensors", .suffix = ".safetensors", .header_need = header_need, .parse = parse};
