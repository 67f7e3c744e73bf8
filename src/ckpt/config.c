/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json: the few facts planning needs, and the few values a merge changes. The text is never
 * written anew: values are replaced where they stand, so that a diff shows what changed and nothing
 * else. Some models keep the facts of their language part one level down, in text_config.
 */
#include "base/limits.h"
#include "base/num.h"
#include "ckpt/sidefile.h"
#include "fmt/json.h"

#include <string.h>

/* One member; id2label of a large classifier has half a megabyte. */
#define MEMBER_BYTES_MAX OF_MIB

enum key { KEY_TORCH_DTYPE, KEY_DTYPE, KEY_TIED, KEY_QUANTIZATION, KEY_VOCAB, KEY_TEXT, KEY_COUNT };

static const char *const key_names[KEY_COUNT] = {
    [KEY_TORCH_DTYPE] = "torch_dtype",  [KEY_DTYPE] = "dtype",
    [KEY_TIED] = "tie_word_embeddings", [KEY_QUANTIZATION] = "quantization_config",
    [KEY_VOCAB] = "vocab_size",         [KEY_TEXT] = "text_config",
};

/* Where a member stands in the text. Offsets are the whole document's. */
struct span {
    bool present;
    uint64_t key_offset;
    uint64_t value_offset;
    uint64_t value_end;
    uint64_t before_end; /* end of the member before it, 0 = it is the first */
    uint64_t next_key;   /* start of the member after it, 0 = it is the last */
    struct of_str text;
};

/* One object: the document, or text_config in it. */
struct level {
    struct span spans[KEY_COUNT];
    uint64_t member_count;
    uint64_t first_key;
    uint64_t open; /* just behind its opening brace */
};

struct scan {
    struct of_arena *arena;
    uint64_t base; /* offset of the level's text in the document */
    struct level *level;
    struct of_str *keys; /* all of the level, to find duplicates */
    struct of_map map;
    uint64_t at;
    uint64_t before_end;
    struct span *open_span; /* waits for the key behind it */
};

static struct of_str key_at(const void *context, uint32_t index)
{
    const struct of_str *keys = context;

    return keys[index];
}

static onefold_status count_member(void *context, const struct of_json_member *member,
                                   onefold_error *err)
{
    struct scan *scan = context;

    scan->level->member_count++;
    return of_json_check(member->text, "config-invalid", err);
}

static onefold_status keep_key(struct scan *scan, struct of_str key, onefold_error *err)
{
    const char *copy = of_arena_copy(scan->arena, key.data, key.length);

    if (copy == NULL) {
        return of_err_set(err, "memory", "no memory for config.json");
    }
    scan->keys[scan->at] = (struct of_str){copy, key.length};
    if (of_map_put(&scan->map, (uint32_t)scan->at) != OF_MAP_NONE) {
        return of_err_set(err, "config-invalid", "key \"%s\" stands twice",
                          of_str_escape(key).text);
    }
    scan->at++;
    return ONEFOLD_OK;
}

static onefold_status note_member(void *context, const struct of_json_member *member,
                                  onefold_error *err)
{
    struct scan *scan = context;
    uint64_t key_offset = scan->base + member->key_offset;
    uint64_t value_offset = scan->base + member->value_offset;

    OF_TRY(keep_key(scan, member->key, err));
    if (scan->open_span != NULL) {
        scan->open_span->next_key = key_offset;
        scan->open_span = NULL;
    }
    if (scan->at == 1) {
        scan->level->first_key = key_offset;
    }
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct span *span = &scan->level->spans[i];

        if (!of_str_is(member->key, key_names[i])) {
            continue;
        }
        *span = (struct span){.present = true,
                              .key_offset = key_offset,
                              .value_offset = value_offset,
                              .value_end = value_offset + member->text.length,
                              .before_end = scan->before_end,
                              .text = member->text};
        scan->open_span = span;
    }
    scan->before_end = value_offset + member->text.length;
    return ONEFOLD_OK;
}

/* Notes the members of one object: strict, no duplicates. */
static onefold_status scan_level(struct of_str text, uint64_t base, struct of_arena *arena,
                                 struct level *ret_level, onefold_error *err)
{
    struct scan scan = {.arena = arena, .base = base, .level = ret_level};
    struct of_json_walk walk = {.id_syntax = "config-invalid",
                                .id_top = "config-invalid",
                                .member_bytes_max = MEMBER_BYTES_MAX,
                                .member = count_member,
                                .context = &scan};
    const char *brace = memchr(text.data, '{', text.length);

    *ret_level = (struct level){0};
    OF_TRY(of_json_walk(text, &walk, err));
    scan.keys = OF_ARENA_NEW(arena, struct of_str, ret_level->member_count);
    if (scan.keys == NULL ||
        !of_map_init(&scan.map, arena, ret_level->member_count, key_at, scan.keys)) {
        return of_err_set(err, "memory", "no memory for config.json");
    }
    /* An object was walked, so there is a brace. */
    ret_level->open = base + (brace != NULL ? (uint64_t)(brace - text.data) + 1 : 0);
    walk.member = note_member;
    return of_json_walk(text, &walk, err);
}

/* Both levels. text_config is empty when it is absent or no object. */
static onefold_status scan_config(struct of_str text, struct of_arena *arena,
                                  struct level ret_levels[2], onefold_error *err)
{
    const struct span *inner = &ret_levels[0].spans[KEY_TEXT];

    ret_levels[1] = (struct level){0};
    OF_TRY(scan_level(text, 0, arena, &ret_levels[0], err));
    if (!inner->present || inner->text.length == 0 || inner->text.data[0] != '{') {
        return ONEFOLD_OK;
    }
    return scan_level(inner->text, inner->value_offset, arena, &ret_levels[1], err);
}

/* --- Reading --- */

static onefold_status copy_text(struct of_str from, struct of_arena *arena, struct of_str *ret_text,
                                onefold_error *err)
{
    const char *copy = of_arena_copy(arena, from.data, from.length);

    if (copy == NULL) {
        return of_err_set(err, "memory", "no memory for config.json");
    }
    *ret_text = (struct of_str){copy, from.length};
    return ONEFOLD_OK;
}

/* Takes one value of one level, unless the level above gave it. */
static onefold_status take_value(enum key key, const struct of_json *value, struct of_arena *arena,
                                 struct of_config *config, onefold_error *err)
{
    struct of_str text;
    int64_t number;
    bool flag;

    if ((key == KEY_TORCH_DTYPE || key == KEY_DTYPE) && config->dtype.length == 0 &&
        of_json_string(value, &text)) {
        return copy_text(text, arena, &config->dtype, err);
    }
    if (key == KEY_TIED && of_json_bool(value, &flag)) {
        config->tied = config->tied || flag;
    }
    if (key == KEY_VOCAB && !config->has_vocab_size && of_json_integer(value, &number) &&
        number >= 0) {
        config->has_vocab_size = true;
        config->vocab_size = (uint64_t)number;
    }
    if (key == KEY_QUANTIZATION && !config->has_quantization &&
        of_json_kind(value) != OF_JSON_NULL) {
        config->has_quantization = true;
        if (!of_json_string(of_json_get(value, "quant_method"), &text)) {
            text = of_str_from(key_names[KEY_QUANTIZATION]);
        }
        return copy_text(text, arena, &config->quantization, err);
    }
    return ONEFOLD_OK;
}

static onefold_status take_level(const struct level *level, struct of_arena *arena,
                                 struct of_config *config, onefold_error *err)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        struct of_json *value = NULL;
        onefold_status status;

        if (!level->spans[i].present || i == KEY_TEXT) {
            continue;
        }
        OF_TRY(of_json_parse(level->spans[i].text, "config-invalid", &value, err));
        status = take_value((enum key)i, value, arena, config, err);
        of_json_free(value);
        if (status != ONEFOLD_OK) {
            return status;
        }
    }
    return ONEFOLD_OK;
}

static onefold_status read_facts(struct of_str text, struct of_arena *arena,
                                 struct of_config *config, onefold_error *err)
{
    struct of_arena work;
    struct level levels[2];
    onefold_status status;

    of_arena_init(&work, 0);
    status = scan_config(text, &work, levels, err);
    for (uint32_t i = 0; i < 2 && status == ONEFOLD_OK; i++) {
        status = take_level(&levels[i], arena, config, err);
    }
    of_arena_finish(&work);
    return status;
}

onefold_status of_config_read(const struct of_checkpoint *checkpoint, struct of_arena *arena,
                              struct of_report *report, struct of_config *ret_config,
                              onefold_error *err)
{
    struct of_config config = {0};
    struct of_shown folder = of_str_escape(of_str_from(checkpoint->folder_path));
    char *text = NULL;
    uint64_t length = 0;
    onefold_error problem;

    *ret_config = config;
    if (checkpoint->is_file) {
        return ONEFOLD_OK;
    }
    if (of_file_slurp(checkpoint->folder_fd, "config.json",
                      checkpoint->no_links ? OF_FILE_NO_LINKS : 0, OF_CONFIG_BYTES_MAX, &text,
                      &length, &problem) != ONEFOLD_OK) {
        if (problem.status == ONEFOLD_E_MEMORY) {
            *err = problem;
            return problem.status;
        }
        ret_config->present = strcmp(problem.id, "input-missing") != 0;
        if (ret_config->present) {
            /* One that is too large to look into can still be copied. */
            ret_config->problem_id = strcmp(problem.id, "input-size") != 0 ? problem.id : NULL;
            of_report_warning(report, problem.id, folder.text, "%s", problem.message);
        }
        return ONEFOLD_OK;
    }
    config.present = true;
    config.strict = true;
    if (read_facts((struct of_str){text, (size_t)length}, arena, &config, &problem) != ONEFOLD_OK) {
        of_mem_free(text);
        if (problem.status == ONEFOLD_E_MEMORY) {
            *err = problem;
            return problem.status;
        }
        of_report_warning(report, "config-invalid", folder.text,
                          "config.json is copied as it is: %s", problem.message);
        ret_config->present = true;
        return ONEFOLD_OK;
    }
    of_mem_free(text);
    *ret_config = config;
    return ONEFOLD_OK;
}

/* --- Changing --- */

struct edit {
    uint64_t start;
    uint64_t end;
    struct of_str with;
    struct of_str then; /* behind `with` */
};
/* Two levels: two types, one tie, one removal each; and one insertion. */
enum { EDITS_MAX = 12 };
struct edits {
    struct edit rows[EDITS_MAX];
    uint32_t count;
};

/* Keeps rows in order of their start; of two with one start the earlier added comes first. */
static void add_edit(struct edits *edits, struct edit edit)
{
    uint32_t at = edits->count;

    while (at > 0 && edits->rows[at - 1].start > edit.start) {
        edits->rows[at] = edits->rows[at - 1];
        at--;
    }
    edits->rows[at] = edit;
    edits->count++;
}

static void replace(struct edits *edits, const struct span *span, struct of_str with)
{
    if (span->present) {
        add_edit(edits,
                 (struct edit){.start = span->value_offset, .end = span->value_end, .with = with});
    }
}

/* Takes a member out together with one comma. */
static void take_out(struct edits *edits, const struct span *span)
{
    struct edit edit = {.start = span->key_offset, .end = span->value_end};

    if (!span->present) {
        return;
    }
    if (span->next_key != 0) {
        edit.end = span->next_key;
    } else if (span->before_end != 0) {
        edit.start = span->before_end;
    }
    add_edit(edits, edit);
}

/* Adds tie_word_embeddings as first member of the document, spaced like the member it stands
 * before. */
static void insert_tied(struct edits *edits, struct of_str text, const struct level *level,
                        bool tied, bool drop_quantization)
{
    bool alone = level->member_count == 0 || (level->member_count == 1 && drop_quantization &&
                                              level->spans[KEY_QUANTIZATION].present);
    uint64_t at = level->member_count > 0 ? level->first_key : level->open;
    struct edit edit = {.start = at, .end = at};

    if (alone) {
        edit.with = tied ? OF_STR("\"tie_word_embeddings\": true")
                         : OF_STR("\"tie_word_embeddings\": false");
    } else {
        edit.with = tied ? OF_STR("\"tie_word_embeddings\": true,")
                         : OF_STR("\"tie_word_embeddings\": false,");
        edit.then = (struct of_str){text.data + level->open, (size_t)(at - level->open)};
    }
    add_edit(edits, edit);
}

static void collect(struct of_str text, const struct level levels[2],
                    const struct of_config_patch *patch, struct of_str dtype, struct edits *edits)
{
    struct of_str tied = patch->tied ? OF_STR("true") : OF_STR("false");

    if (patch->set_tied && !levels[0].spans[KEY_TIED].present &&
        !levels[1].spans[KEY_TIED].present) {
        insert_tied(edits, text, &levels[0], patch->tied, patch->drop_quantization);
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (patch->dtype != NULL) {
            replace(edits, &levels[i].spans[KEY_TORCH_DTYPE], dtype);
            replace(edits, &levels[i].spans[KEY_DTYPE], dtype);
        }
        if (patch->set_tied) {
            replace(edits, &levels[i].spans[KEY_TIED], tied);
        }
        if (patch->drop_quantization) {
            take_out(edits, &levels[i].spans[KEY_QUANTIZATION]);
        }
    }
}

static void apply(struct of_str text, const struct edits *edits, struct of_text *ret_text)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < edits->count; i++) {
        const struct edit *edit = &edits->rows[i];

        of_text_add(ret_text, (struct of_str){text.data + at, (size_t)(edit->start - at)});
        of_text_add(ret_text, edit->with);
        of_text_add(ret_text, edit->then);
        at = edit->end;
    }
    of_text_add(ret_text, (struct of_str){text.data + at, (size_t)(text.length - at)});
}

onefold_status of_config_patch_text(struct of_str donor_text, const struct of_config_patch *patch,
                                    struct of_text *ret_text, bool *ret_untouched,
                                    onefold_error *err)
{
    struct of_arena work;
    struct level levels[2];
    struct edits edits = {0};
    struct of_text dtype = {0};
    onefold_error problem = {.status = ONEFOLD_OK};
    onefold_status status;

    of_arena_init(&work, 0);
    status = scan_config(donor_text, &work, levels, &problem);
    of_arena_finish(&work);
    if (status == ONEFOLD_E_MEMORY) {
        *err = problem;
        return status;
    }
    if (status == ONEFOLD_OK) {
        of_text_print(&dtype, "\"%s\"", patch->dtype != NULL ? patch->dtype : "");
        collect(donor_text, levels, patch, (struct of_str){dtype.data, dtype.length}, &edits);
    }
    apply(donor_text, &edits, ret_text);
    *ret_untouched = status != ONEFOLD_OK;
    ret_text->failed = ret_text->failed || dtype.failed;
    of_text_finish(&dtype);
    if (ret_text->failed) {
        return of_err_set(err, "memory", "no memory for config.json");
    }
    return ONEFOLD_OK;
}
