/* SPDX-License-Identifier: Apache-2.0 */
/* The small files that travel with a model: which of the donor's are taken, which are named as left
 * behind, and the model card. What config.json says and how it is changed: config.c. */
#include "ckpt/sidefile.h"

#include "base/limits.h"
#include "base/num.h"

#include <string.h>

/* Names of a donor's folder that are looked at; a folder with more is not a model's own. */
enum { FOLDER_NAMES_MAX = 10000 };

static const char *const tokenizer_names[] = {"added_tokens.json",
                                              "chat_template.jinja",
                                              "chat_template.json",
                                              "generation_config.json",
                                              "merges.txt",
                                              "special_tokens_map.json",
                                              "tokenizer.json",
                                              "tokenizer.model",
                                              "tokenizer_config.json",
                                              "video_preprocessor_config.json",
                                              "vocab.json"};
static const char *const companion_names[] = {"normalizer.json", "preprocessor_config.json",
                                              "processor_config.json", "vocab.json"};
/* Weights, and what lists them: never named as left behind. */
static const char *const weight_suffixes[] = {".safetensors", ".bin",     ".pt",        ".pth",
                                              ".ckpt",        ".gguf",    ".h5",        ".npz",
                                              ".onnx",        ".msgpack", ".index.json"};

static onefold_status no_memory(onefold_error *err)
{
    return of_err_set(err, "memory", "no memory for the list of side files");
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* True when the donor has the file and it can be taken along. What is there and cannot is reported;
 * it then shows up among the files left out. */
static bool can_take(const struct of_checkpoint *donor, const char *name, struct of_report *report,
                     uint64_t *ret_size)
{
    struct of_identity identity;
    onefold_error err;
    int fd = -1;

    if (of_file_open_read(donor->folder_fd, name, donor->no_links ? OF_FILE_NO_LINKS : 0, &fd,
                          &identity, &err) != ONEFOLD_OK) {
        if (strcmp(err.id, "input-missing") != 0) {
            of_report_warning(report, "side-skipped", donor->folder_path, "not copied: %s",
                              err.message);
        }
        return false;
    }
    of_file_close(&fd);
    if (identity.size_bytes > OF_SIDE_FILE_BYTES_MAX) {
        of_report_warning(report, "side-size", donor->folder_path,
                          "not copied: %s has more than 256 MiB", name);
        return false;
    }
    *ret_size = identity.size_bytes;
    return true;
}

/* Walks the donor's folder twice: once to count names, once to keep them. */
struct gather {
    const struct of_checkpoint *donor;
    const struct of_side_list *list;
    struct of_arena *arena; /* NULL while counting */
    const char **names;
    uint32_t count;
    uint32_t capacity;
    uint32_t looked;
    bool failed;
};

static bool is_left_out(const struct gather *gather, const char *name)
{
    struct of_str text = of_str_from(name);
    enum of_file_kind kind;
    struct of_identity identity;

    if (name[0] == '.' || strcmp(name, "config.json") == 0) {
        return false;
    }
    for (size_t i = 0; i < OF_LENGTH(weight_suffixes); i++) {
        if (of_str_ends(text, weight_suffixes[i])) {
            return false;
        }
    }
    if (of_str_contains(text, OF_STR(".safetensors.index."))) {
        return false;
    }
    for (uint32_t i = 0; i < gather->list->count; i++) {
        if (strcmp(gather->list->files[i].name, name) == 0) {
            return false;
        }
    }
    return of_file_probe(gather->donor->folder_fd, name, &kind, &identity) &&
           kind != OF_FILE_FOLDER;
}

static bool gather_name(void *context, const char *name)
{
    struct gather *gather = context;

    gather->looked++;
    if (is_left_out(gather, name)) {
        if (gather->arena != NULL) {
            const char *copy = of_arena_copy(gather->arena, name, strlen(name));

            if (copy == NULL) {
                gather->failed = true;
                return false;
            }
            gather->names[gather->count] = copy;
        }
        gather->count++;
    }
    /* The folder may grow between the two walks. */
    return gather->looked < FOLDER_NAMES_MAX &&
           (gather->arena == NULL || gather->count < gather->capacity);
}

/* Shell sort by bytes: the order of a folder is the file system's. */
static void sort_names(const char **names, uint32_t count)
{
    for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < count; i++) {
            const char *name = names[i];
            uint32_t at = i;

            while (at >= gap && strcmp(names[at - gap], name) > 0) {
                names[at] = names[at - gap];
                at -= gap;
            }
            names[at] = name;
        }
    }
}

static onefold_status list_left_out(const struct of_checkpoint *donor, struct of_arena *arena,
                                    struct of_side_list *list, onefold_error *err)
{
    struct gather gather = {.donor = donor, .list = list};

    OF_TRY(of_file_list(donor->folder_fd, gather_name, &gather, err));
    if (gather.count == 0) {
        return ONEFOLD_OK;
    }
    gather.capacity = gather.count;
    gather.names = OF_ARENA_NEW(arena, const char *, gather.capacity);
    gather.arena = arena;
    gather.count = 0;
    gather.looked = 0;
    if (gather.names == NULL) {
        return no_memory(err);
    }
    OF_TRY(of_file_list(donor->folder_fd, gather_name, &gather, err));
    if (gather.failed) {
        return no_memory(err);
    }
    sort_names(gather.names, gather.count);
    list->left_out = gather.names;
    list->left_out_count = gather.count;
    return ONEFOLD_OK;
}

/* Adds the name at its place in the order of names. */
static void insert(struct of_side_list *list, struct of_side_file file)
{
    uint32_t at = list->count;

    while (at > 0 && strcmp(list->files[at - 1].name, file.name) > 0) {
        list->files[at] = list->files[at - 1];
        at--;
    }
    list->files[at] = file;
    list->count++;
}

onefold_status of_side_list_make(const struct of_checkpoint *donor, bool copy_tokenizer,
                                 struct of_arena *arena, struct of_report *report,
                                 struct of_side_list *ret_list, onefold_error *err)
{
    struct of_side_list list = {0};
    struct of_side_file file;

    if (donor->is_file) {
        *ret_list = list;
        return ONEFOLD_OK;
    }
    list.files = OF_ARENA_NEW(arena, struct of_side_file,
                              OF_LENGTH(tokenizer_names) + OF_LENGTH(companion_names));
    if (list.files == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; copy_tokenizer && i < OF_LENGTH(tokenizer_names); i++) {
        file = (struct of_side_file){.name = tokenizer_names[i], .kind = OF_SIDE_TOKENIZER};
        if (can_take(donor, file.name, report, &file.size_bytes)) {
            insert(&list, file);
        }
    }
    for (size_t i = 0; i < OF_LENGTH(companion_names); i++) {
        file = (struct of_side_file){.name = companion_names[i], .kind = OF_SIDE_COMPANION};
        if (!(copy_tokenizer && is_among(file.name, tokenizer_names, OF_LENGTH(tokenizer_names))) &&
            can_take(donor, file.name, report, &file.size_bytes)) {
            insert(&list, file);
        }
    }
    OF_TRY(list_left_out(donor, arena, &list, err));
    *ret_list = list;
    return ONEFOLD_OK;
}

/* --- The model card --- */

/* ORG/NAME of plain characters: the only references front matter may hold. Whether the Hub knows it
 * is not asked; a local path such as models/a looks the same and does no harm. */
static bool is_hub_like(struct of_str label)
{
    uint32_t slashes = 0;

    if (label.length == 0) {
        return false;
    }
    for (size_t i = 0; i < label.length; i++) {
        char c = label.data[i];
        bool starts = i == 0 || label.data[i - 1] == '/';

        slashes += c == '/';
        if (c != '/' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') &&
            (starts || strchr("-_.", c) == NULL)) {
            return false;
        }
    }
    return slashes == 1 && label.data[0] != '/' && label.data[label.length - 1] != '/';
}

/* As code, so that nothing in a label is markup. */
static void add_label(struct of_text *text, struct of_str label)
{
    struct of_shown shown = of_str_escape(label);

    for (char *c = strchr(shown.text, '`'); c != NULL; c = strchr(c, '`')) {
        *c = '\'';
    }
    of_text_print(text, "`%s`", shown.text);
}

static void add_front_matter(struct of_text *text, const struct of_card_input *inputs,
                             uint32_t input_count)
{
    bool any = false;

    of_text_add(text, OF_STR("---\n"));
    for (uint32_t i = 0; i < input_count; i++) {
        if (is_hub_like(inputs[i].label)) {
            of_text_add(text, any ? OF_STR("- ") : OF_STR("base_model:\n- "));
            of_text_add(text, inputs[i].label);
            of_text_add_char(text, '\n');
            any = true;
        }
    }
    of_text_add(text, OF_STR("library_name: transformers\ntags:\n- merge\n- onefold\n---\n\n"));
}

/* Longest run of back quotes, so that the fence around the recipe is longer. */
static uint64_t longest_fence(struct of_str recipe)
{
    uint64_t longest = 0;
    uint64_t run = 0;

    for (size_t i = 0; i < recipe.length; i++) {
        run = recipe.data[i] == '`' ? run + 1 : 0;
        longest = of_num_max(longest, run);
    }
    return longest;
}

static void add_fence(struct of_text *text, uint64_t length)
{
    for (uint64_t i = 0; i < length; i++) {
        of_text_add_char(text, '`');
    }
}

void of_card_emit(struct of_str method, const struct of_card_input *inputs, uint32_t input_count,
                  struct of_str recipe_text, struct of_text *text)
{
    uint64_t fence = of_num_max(3, longest_fence(recipe_text) + 1);

    add_front_matter(text, inputs, input_count);
    of_text_add(text, OF_STR("# Merged model\n\nMade by merging checkpoints with onefold.\n\n"
                             "## Method\n\n"));
    add_label(text, method);
    for (uint32_t i = 0; i < input_count; i++) {
        if (inputs[i].is_base) {
            of_text_add(text, OF_STR(", with "));
            add_label(text, inputs[i].label);
            of_text_add(text, OF_STR(" as the base"));
        }
    }
    of_text_add(text, OF_STR("\n\n## Models\n\n"));
    for (uint32_t i = 0; i < input_count; i++) {
        if (!inputs[i].is_base) {
            of_text_add(text, OF_STR("* "));
            add_label(text, inputs[i].label);
            of_text_add_char(text, '\n');
        }
    }
    of_text_add(text, OF_STR("\n## Recipe\n\n"));
    add_fence(text, fence);
    of_text_add(text, OF_STR("yaml\n"));
    of_text_add(text, recipe_text);
    if (recipe_text.length > 0 && recipe_text.data[recipe_text.length - 1] != '\n') {
        of_text_add_char(text, '\n');
    }
    add_fence(text, fence);
    of_text_add_char(text, '\n');
}
