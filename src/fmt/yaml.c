/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML document as a bounded tree, built from libyaml's events without recursion. Aliases are
 * copied, counted against the same limit as everything else, so that no document can grow beyond
 * it.
 */
#include "fmt/yaml.h"

#include "base/limits.h"
#include "base/map.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* Anchors of one document; a recipe has a handful. */
enum { ANCHORS_MAX = 256 };

struct anchor {
    struct of_str name;
    struct of_yaml_node *node;
};

/* A list or mapping whose end has not come yet. */
struct level {
    struct of_yaml_node *node;
    struct of_yaml_node *key; /* of a mapping: waits for its value */
    uint32_t capacity;        /* of keys and values */
};

struct build {
    const char *label;
    struct of_arena *arena;
    struct of_report *report;
    onefold_error *err;
    struct of_yaml_node *root;
    uint32_t node_count;
    uint32_t depth;
    struct level levels[OF_RECIPE_DEPTH_MAX];
    uint32_t anchor_count;
    struct anchor anchors[ANCHORS_MAX];
};

static struct of_mark mark_of(yaml_mark_t mark)
{
    return (struct of_mark){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

/* Reports a finding and makes it the error of the call. */
static onefold_status refuse(const struct build *build, const char *id, struct of_mark mark,
                             const char *what)
{
    of_report_at(build->report, ONEFOLD_LEVEL_ERROR, id, build->label, mark, NULL, "%s", what);
    (void)of_err_set(build->err, id, "%s:%u:%u: %s", build->label, mark.line, mark.column, what);
    return build->err->status;
}

static onefold_status no_memory(const struct build *build)
{
    return of_err_set(build->err, "memory", "%s: no memory for the document", build->label);
}

/* NULL when there is no room; the error is set then. */
static struct of_yaml_node *new_node(struct build *build, enum of_yaml_kind kind,
                                     struct of_mark mark)
{
    struct of_yaml_node *node;

    if (build->node_count >= OF_RECIPE_NODES_MAX) {
        (void)refuse(build, "recipe-limit", mark, "more than 10,000 nodes, aliases included");
        return NULL;
    }
    node = OF_ARENA_NEW(build->arena, struct of_yaml_node, 1);
    if (node == NULL) {
        (void)no_memory(build);
        return NULL;
    }
    build->node_count++;
    node->kind = kind;
    node->mark = mark;
    return node;
}

/* Makes room for one more entry; the arena keeps the old arrays, which doubling bounds. */
static bool grow(struct build *build, struct level *level)
{
    struct of_yaml_node *node = level->node;
    uint32_t capacity = level->capacity > 0 ? level->capacity * 2 : 8;
    struct of_yaml_node **keys = NULL;
    struct of_yaml_node **values;

    if (node->count < level->capacity) {
        return true;
    }
    values = OF_ARENA_NEW(build->arena, struct of_yaml_node *, capacity);
    if (values == NULL) {
        return false;
    }
    if (node->kind == OF_YAML_MAPPING) {
        keys = OF_ARENA_NEW(build->arena, struct of_yaml_node *, capacity);
        if (keys == NULL) {
            return false;
        }
    }
    if (node->count > 0) {
        memcpy(values, node->values, node->count * sizeof(struct of_yaml_node *));
        if (keys != NULL) {
            memcpy(keys, node->keys, node->count * sizeof(struct of_yaml_node *));
        }
    }
    node->values = values;
    node->keys = keys;
    level->capacity = capacity;
    return true;
}

/* Puts a finished or just opened node where it belongs. */
static onefold_status place(struct build *build, struct of_yaml_node *node)
{
    struct level *level;

    if (build->depth == 0) {
        build->root = node;
        return ONEFOLD_OK;
    }
    level = &build->levels[build->depth - 1];
    if (level->node->kind == OF_YAML_MAPPING && level->key == NULL) {
        if (node->kind != OF_YAML_SCALAR) {
            return refuse(build, "recipe-syntax", node->mark, "a key has to be a word");
        }
        level->key = node;
        return ONEFOLD_OK;
    }
    if (!grow(build, level)) {
        return no_memory(build);
    }
    if (level->node->kind == OF_YAML_MAPPING) {
        level->node->keys[level->node->count] = level->key;
        level->key = NULL;
    }
    level->node->values[level->node->count++] = node;
    return ONEFOLD_OK;
}

static onefold_status set_anchor(struct build *build, const yaml_char_t *anchor,
                                 struct of_yaml_node *node)
{
    struct of_str name;

    if (anchor == NULL) {
        return ONEFOLD_OK;
    }
    if (build->anchor_count == ANCHORS_MAX) {
        return refuse(build, "recipe-limit", node->mark, "more than 256 anchors");
    }
    name.length = strlen((const char *)anchor);
    name.data = of_arena_copy(build->arena, (const char *)anchor, name.length);
    if (name.data == NULL) {
        return no_memory(build);
    }
    build->anchors[build->anchor_count++] = (struct anchor){name, node};
    return ONEFOLD_OK;
}

/* Only the core tags, and only where they say what the node is anyway. */
static onefold_status check_tag(const struct build *build, const yaml_char_t *tag,
                                enum of_yaml_kind kind, struct of_mark mark)
{
    static const char *const core[] = {YAML_NULL_TAG, YAML_BOOL_TAG, YAML_STR_TAG, YAML_INT_TAG,
                                       YAML_FLOAT_TAG};
    const char *text = (const char *)tag;

    if (tag == NULL || (kind == OF_YAML_LIST && strcmp(text, YAML_SEQ_TAG) == 0) ||
        (kind == OF_YAML_MAPPING && strcmp(text, YAML_MAP_TAG) == 0)) {
        return ONEFOLD_OK;
    }
    for (size_t i = 0; kind == OF_YAML_SCALAR && i < OF_LENGTH(core); i++) {
        if (strcmp(text, core[i]) == 0) {
            return ONEFOLD_OK;
        }
    }
    return refuse(build, "recipe-tag", mark, "a tag that is not allowed here");
}

static onefold_status add_scalar(struct build *build, const yaml_event_t *event)
{
    struct of_mark mark = mark_of(event->start_mark);
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    const yaml_char_t *tag = event->data.scalar.tag;
    struct of_yaml_node *node;

    OF_TRY(check_tag(build, tag, OF_YAML_SCALAR, mark));
    if (length > 0 && memchr(text, '\0', length) != NULL) {
        return refuse(build, "recipe-encoding", mark, "a NUL character");
    }
    node = new_node(build, OF_YAML_SCALAR, mark);
    if (node == NULL) {
        return build->err->status;
    }
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE ||
                   (tag != NULL && strcmp((const char *)tag, YAML_STR_TAG) == 0);
    node->text.length = length;
    node->text.data = of_arena_copy(build->arena, text, length);
    if (node->text.data == NULL) {
        return no_memory(build);
    }
    OF_TRY(set_anchor(build, event->data.scalar.anchor, node));
    return place(build, node);
}

/* Opens a list or mapping. It is placed when it ends: an alias inside its own anchor must not find
 * it, and its parent's array may still grow. */
static onefold_status open_level(struct build *build, enum of_yaml_kind kind,
                                 const yaml_char_t *tag, const yaml_char_t *anchor,
                                 struct of_mark mark)
{
    struct of_yaml_node *node;

    OF_TRY(check_tag(build, tag, kind, mark));
    if (build->depth == OF_RECIPE_DEPTH_MAX) {
        return refuse(build, "recipe-limit", mark, "nesting of more than 32 levels");
    }
    if (build->depth > 0 && build->levels[build->depth - 1].node->kind == OF_YAML_MAPPING &&
        build->levels[build->depth - 1].key == NULL) {
        return refuse(build, "recipe-syntax", mark, "a key has to be a word");
    }
    node = new_node(build, kind, mark);
    if (node == NULL) {
        return build->err->status;
    }
    OF_TRY(set_anchor(build, anchor, node));
    build->levels[build->depth++] = (struct level){.node = node};
    return ONEFOLD_OK;
}

static bool is_merge_key(const struct of_yaml_node *key)
{
    return !key->quoted && of_str_is(key->text, "<<");
}

static struct of_str key_of(const void *context, uint32_t index)
{
    return ((const struct of_yaml_node *)context)->keys[index]->text;
}

static onefold_status refuse_repeated(const struct build *build, const struct of_yaml_node *again,
                                      const struct of_yaml_node *first)
{
    char what[OF_TEXT_BUFFER + 64];

    (void)snprintf(what, sizeof(what), "key \"%s\" stands twice, first in line %u column %u",
                   of_str_escape(again->text).text, first->mark.line, first->mark.column);
    return refuse(build, "recipe-duplicate", again->mark, what);
}

/* Refuses repeated keys of the mapping as it was written; a merge key may not stand twice either.
 */
static onefold_status check_keys(struct build *build, const struct of_yaml_node *node)
{
    struct of_arena scratch;
    struct of_map map;
    onefold_status status = ONEFOLD_OK;

    if (node->count < 2) {
        return ONEFOLD_OK;
    }
    of_arena_init(&scratch, 0);
    if (!of_map_init(&map, &scratch, node->count, key_of, node)) {
        status = no_memory(build);
    }
    for (uint32_t i = 0; status == ONEFOLD_OK && i < node->count; i++) {
        uint32_t first = of_map_put(&map, i);

        if (first != OF_MAP_NONE) {
            status = refuse_repeated(build, node->keys[i], node->keys[first]);
        }
    }
    of_arena_finish(&scratch);
    return status;
}

/* Adds what `from` has and the mapping lacks: the mapping's own keys win, then earlier sources. */
static onefold_status merge_from(struct build *build, struct level *level,
                                 const struct of_yaml_node *from)
{
    struct of_arena scratch;
    struct of_map map;
    onefold_status status = ONEFOLD_OK;
    struct of_yaml_node *node = level->node;
    uint32_t before = node->count;

    of_arena_init(&scratch, 0);
    for (uint32_t i = 0; status == ONEFOLD_OK && i < from->count; i++) {
        if (!grow(build, level) || node->keys == NULL) {
            status = no_memory(build);
            break;
        }
        node->keys[node->count] = from->keys[i];
        node->values[node->count] = from->values[i];
        node->count++;
    }
    /* One map over all of them; an entry whose key is there already is dropped again. */
    if (status == ONEFOLD_OK && !of_map_init(&map, &scratch, node->count + 1, key_of, node)) {
        status = no_memory(build);
    }
    if (status == ONEFOLD_OK) {
        uint32_t kept = before;
        uint32_t all = node->count;

        for (uint32_t i = 0; i < before; i++) {
            (void)of_map_put(&map, i);
        }
        for (uint32_t i = before; i < all; i++) {
            node->keys[kept] = node->keys[i];
            node->values[kept] = node->values[i];
            if (of_map_put(&map, kept) == OF_MAP_NONE) {
                kept++;
            }
        }
        node->count = kept;
    }
    of_arena_finish(&scratch);
    return status;
}

/* Takes "<<" out of the mapping and merges what it names. */
static onefold_status resolve_merge(struct build *build, struct level *level)
{
    struct of_yaml_node *node = level->node;
    struct of_yaml_node *source = NULL;
    struct of_mark mark = node->mark;

    for (uint32_t i = 0; i < node->count; i++) {
        if (!is_merge_key(node->keys[i])) {
            continue;
        }
        source = node->values[i];
        mark = node->keys[i]->mark;
        for (uint32_t after = i + 1; after < node->count; after++) {
            node->keys[after - 1] = node->keys[after];
            node->values[after - 1] = node->values[after];
        }
        node->count--;
        break;
    }
    if (source == NULL) {
        return ONEFOLD_OK;
    }
    if (source->kind == OF_YAML_MAPPING) {
        return merge_from(build, level, source);
    }
    for (uint32_t i = 0; source->kind == OF_YAML_LIST && i < source->count; i++) {
        if (source->values[i]->kind != OF_YAML_MAPPING) {
            return refuse(build, "recipe-syntax", mark, "'<<' merges mappings only");
        }
        OF_TRY(merge_from(build, level, source->values[i]));
    }
    if (source->kind != OF_YAML_LIST) {
        return refuse(build, "recipe-syntax", mark, "'<<' merges mappings only");
    }
    return ONEFOLD_OK;
}

static onefold_status close_level(struct build *build)
{
    struct level *level = &build->levels[build->depth - 1];
    struct of_yaml_node *node = level->node;

    if (node->kind == OF_YAML_MAPPING) {
        OF_TRY(check_keys(build, node));
        OF_TRY(resolve_merge(build, level));
    }
    build->depth--;
    return place(build, node);
}

/* What an alias copies: a finished node, copied level by level with a stack of its own. */
struct copying {
    const struct of_yaml_node *from;
    struct of_yaml_node *to;
    uint32_t next; /* entry to copy next; keys and values in turn for a mapping */
};

/* The node itself with room for its entries; NULL when there is no room, with the error set. */
static struct of_yaml_node *copy_flat(struct build *build, const struct of_yaml_node *from)
{
    struct of_yaml_node *copy = new_node(build, from->kind, from->mark);

    if (copy == NULL) {
        return NULL;
    }
    copy->quoted = from->quoted;
    copy->text = from->text;
    copy->count = from->count;
    if (from->kind == OF_YAML_SCALAR || from->count == 0) {
        return copy;
    }
    copy->values = OF_ARENA_NEW(build->arena, struct of_yaml_node *, from->count);
    if (from->kind == OF_YAML_MAPPING) {
        copy->keys = OF_ARENA_NEW(build->arena, struct of_yaml_node *, from->count);
    }
    if (copy->values == NULL || (from->kind == OF_YAML_MAPPING && copy->keys == NULL)) {
        (void)no_memory(build);
        return NULL;
    }
    return copy;
}

/* A copy of the whole; NULL with the error set. */
static struct of_yaml_node *copy_node(struct build *build, const struct of_yaml_node *from,
                                      struct of_mark mark)
{
    struct copying stack[OF_RECIPE_DEPTH_MAX + 1];
    uint32_t depth = 1;
    struct of_yaml_node *root = copy_flat(build, from);

    stack[0] = (struct copying){from, root, 0};
    while (root != NULL && depth > 0) {
        struct copying *top = &stack[depth - 1];
        const struct of_yaml_node *value;
        struct of_yaml_node *copy;

        if (top->from->kind == OF_YAML_SCALAR || top->next == top->from->count) {
            depth--;
            continue;
        }
        value = top->from->values[top->next];
        if (value->kind != OF_YAML_SCALAR && build->depth + depth >= OF_RECIPE_DEPTH_MAX) {
            (void)refuse(build, "recipe-limit", mark, "nesting of more than 32 levels");
            return NULL;
        }
        if (top->from->kind == OF_YAML_MAPPING) {
            top->to->keys[top->next] = copy_flat(build, top->from->keys[top->next]);
            if (top->to->keys[top->next] == NULL) {
                return NULL;
            }
        }
        copy = copy_flat(build, value);
        if (copy == NULL) {
            return NULL;
        }
        top->to->values[top->next] = copy;
        top->next++;
        stack[depth++] = (struct copying){value, copy, 0};
    }
    return root;
}

static onefold_status add_alias(struct build *build, const yaml_event_t *event)
{
    struct of_mark mark = mark_of(event->start_mark);
    const char *name = (const char *)event->data.alias.anchor;
    struct of_yaml_node *found = NULL;
    struct of_yaml_node *copy;

    for (uint32_t i = build->anchor_count; i > 0 && found == NULL; i--) {
        if (of_str_is(build->anchors[i - 1].name, name)) {
            found = build->anchors[i - 1].node; /* the latest of that name counts */
        }
    }
    if (found == NULL) {
        return refuse(build, "recipe-alias", mark, "an alias without an anchor before it");
    }
    for (uint32_t i = 0; i < build->depth; i++) {
        if (build->levels[i].node == found) {
            return refuse(build, "recipe-alias", mark, "an alias inside its own anchor");
        }
    }
    if (found->kind != OF_YAML_SCALAR && build->depth == OF_RECIPE_DEPTH_MAX) {
        return refuse(build, "recipe-limit", mark, "nesting of more than 32 levels");
    }
    copy = copy_node(build, found, mark);
    return copy == NULL ? build->err->status : place(build, copy);
}

static onefold_status take_event(struct build *build, const yaml_event_t *event,
                                 bool *seen_document)
{
    struct of_mark mark = mark_of(event->start_mark);

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (*seen_document) {
            return refuse(build, "recipe-document", mark, "a second document in the file");
        }
        *seen_document = true;
        return ONEFOLD_OK;
    case YAML_ALIAS_EVENT:
        return add_alias(build, event);
    case YAML_SCALAR_EVENT:
        return add_scalar(build, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_level(build, OF_YAML_LIST, event->data.sequence_start.tag,
                          event->data.sequence_start.anchor, mark);
    case YAML_MAPPING_START_EVENT:
        return open_level(build, OF_YAML_MAPPING, event->data.mapping_start.tag,
                          event->data.mapping_start.anchor, mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_level(build);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    default:
        return ONEFOLD_OK;
    }
}

/* What the scanner or parser of libyaml says, in its own fixed words: they quote nothing. */
static onefold_status refuse_syntax(const struct build *build, const yaml_parser_t *parser)
{
    struct of_mark mark = mark_of(parser->problem_mark);
    const char *problem = parser->problem != NULL ? parser->problem : "this is not valid YAML";
    char what[256];

    if (parser->error == YAML_MEMORY_ERROR) {
        return no_memory(build);
    }
    if (parser->error == YAML_READER_ERROR) {
        return refuse(build, "recipe-encoding", mark, problem);
    }
    if (strstr(problem, "undefined tag") != NULL) {
        return refuse(build, "recipe-tag", mark, "a tag that is not allowed here");
    }
    (void)snprintf(what, sizeof(what), "%s%s%s", parser->context != NULL ? parser->context : "",
                   parser->context != NULL ? ": " : "", problem);
    return refuse(build, "recipe-syntax", mark, what);
}

static onefold_status run_parser(struct build *build, yaml_parser_t *parser)
{
    bool seen_document = false;

    for (;;) {
        yaml_event_t event;
        yaml_event_type_t type;
        onefold_status status;

        if (yaml_parser_parse(parser, &event) != 1) {
            return refuse_syntax(build, parser);
        }
        type = event.type;
        status = take_event(build, &event, &seen_document);
        yaml_event_delete(&event);
        if (status != ONEFOLD_OK || type == YAML_STREAM_END_EVENT) {
            return status;
        }
    }
}

/* The whole text must be UTF-8 without control characters; libyaml would also take UTF-16. Places
 * are counted here because there is no parser yet. */
static onefold_status check_encoding(const struct build *build, struct of_str text)
{
    struct of_mark mark = {1, 1};
    size_t at = 0;

    while (at < text.length) {
        uint32_t code = 0;
        size_t taken = of_str_decode((struct of_str){text.data + at, text.length - at}, &code);

        if (taken == 0) {
            return refuse(build, "recipe-encoding", mark, "a byte that is not UTF-8");
        }
        if ((code < 0x20 && code != '\n' && code != '\r' && code != '\t') ||
            (code >= 0x7f && code < 0xa0)) {
            return refuse(build, "recipe-encoding", mark, "a control character");
        }
        at += taken;
        mark.column++;
        if (code == '\n') {
            mark.line++;
            mark.column = 1;
        }
    }
    return ONEFOLD_OK;
}

onefold_status of_yaml_parse(struct of_str text, const char *label, struct of_arena *arena,
                             struct of_report *report, struct of_yaml_node **ret_root,
                             onefold_error *err)
{
    struct build *build;
    yaml_parser_t parser;
    onefold_status status;

    if (of_str_starts(text, "\xef\xbb\xbf")) {
        text = (struct of_str){text.data + 3, text.length - 3};
    }
    build = of_mem_get(sizeof(*build)); /* 10 KB: not for the stack of a host's thread */
    if (build == NULL) {
        return of_err_set(err, "memory", "%s: no memory for the document", label);
    }
    build->label = label;
    build->arena = arena;
    build->report = report;
    build->err = err;
    if (text.length > OF_RECIPE_BYTES_MAX) {
        status = refuse(build, "recipe-limit", (struct of_mark){1, 1}, "more than 1 MiB of text");
    } else {
        status = check_encoding(build, text);
    }
    if (status == ONEFOLD_OK && yaml_parser_initialize(&parser) != 1) {
        status = no_memory(build);
    } else if (status == ONEFOLD_OK) {
        yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.length);
        status = run_parser(build, &parser);
        yaml_parser_delete(&parser);
    }
    if (status == ONEFOLD_OK) {
        *ret_root = build->root;
    }
    of_mem_free(build);
    return status;
}

bool of_yaml_is_null(const struct of_yaml_node *node)
{
    if (node == NULL) {
        return true;
    }
    return node->kind == OF_YAML_SCALAR && !node->quoted &&
           (node->text.length == 0 || of_str_is(node->text, "~") || of_str_is(node->text, "null") ||
            of_str_is(node->text, "Null") || of_str_is(node->text, "NULL"));
}
