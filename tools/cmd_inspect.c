/* SPDX-License-Identifier: Apache-2.0 */
/* onefold inspect: what checkpoints hold, from their headers. */
#include "exit.h"
#include "verbs.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

/* Stacks told apart; a model has a handful. What is past them is counted together. */
enum { STACKS_MAX = 64 };
/* Of ORG/NAME; the Hub allows 96 characters for each. */
enum { HUB_NAME_BYTES_MAX = 256 };

/* A run of layers: tensors whose names share what stands before the first number. */
struct stack {
    const char *name; /* not terminated; empty = tensors without a layer number */
    size_t length;
    uint64_t tensor_count;
    uint64_t byte_count;
    uint64_t layer_max;
};

struct summary {
    uint64_t dtype_tensors[ONEFOLD_DTYPE_COUNT];
    uint64_t dtype_bytes[ONEFOLD_DTYPE_COUNT];
    uint64_t elem_count;
    struct stack stacks[STACKS_MAX];
    uint32_t stack_count;
};

/* Splits "model.layers.17.mlp.weight" at its first component of digits only that has a component
 * before and after it. Returns the length of the stack's name, 0 when there is none. */
static size_t split_name(const char *name, uint64_t *ret_layer)
{
    const char *dot = strchr(name, '.');

    while (dot != NULL) {
        const char *next = strchr(dot + 1, '.');
        const size_t length = next != NULL ? (size_t)(next - dot - 1) : 0;

        if (length > 0 && length < 10 && strspn(dot + 1, "0123456789") >= length && dot != name &&
            next[1] != '\0') {
            uint64_t layer = 0;

            for (size_t i = 0; i < length; i++) {
                layer = layer * 10 + (uint64_t)(dot[1 + i] - '0');
            }
            *ret_layer = layer;
            return (size_t)(dot - name);
        }
        dot = next;
    }
    return 0;
}

static struct stack *find_stack(struct summary *summary, const char *name, size_t length)
{
    for (uint32_t i = 0; i < summary->stack_count; i++) {
        struct stack *stack = &summary->stacks[i];

        if (stack->length == length && memcmp(stack->name, name, length) == 0) {
            return stack;
        }
    }
    if (summary->stack_count == STACKS_MAX) {
        return &summary->stacks[STACKS_MAX - 1];
    }
    summary->stacks[summary->stack_count].name = name;
    summary->stacks[summary->stack_count].length = length;
    return &summary->stacks[summary->stack_count++];
}

static void summarise(const onefold_checkpoint *checkpoint, struct summary *ret_summary)
{
    const uint64_t count = onefold_checkpoint_tensor_count(checkpoint);

    memset(ret_summary, 0, sizeof(*ret_summary));
    for (uint64_t i = 0; i < count; i++) {
        onefold_tensor_info info;
        struct stack *stack;
        uint64_t layer = 0;

        onefold_checkpoint_tensor_at(checkpoint, i, &info);
        ret_summary->dtype_tensors[info.dtype]++;
        ret_summary->dtype_bytes[info.dtype] += info.byte_count;
        ret_summary->elem_count += info.elem_count;
        stack = find_stack(ret_summary, info.name, split_name(info.name, &layer));
        stack->tensor_count++;
        stack->byte_count += info.byte_count;
        stack->layer_max = layer > stack->layer_max ? layer : stack->layer_max;
    }
}

/* ---- Text ---- */

static void print_shape(FILE *to, const onefold_tensor_info *info, const char *comma)
{
    (void)putc('[', to);
    for (uint32_t i = 0; i < info->rank; i++) {
        (void)fprintf(to, "%s%llu", i > 0 ? comma : "", (unsigned long long)info->shape[i]);
    }
    (void)putc(']', to);
}

static void print_tensors(const onefold_checkpoint *checkpoint)
{
    const uint64_t count = onefold_checkpoint_tensor_count(checkpoint);

    for (uint64_t i = 0; i < count; i++) {
        onefold_tensor_info info;
        onefold_shard_info shard;

        onefold_checkpoint_tensor_at(checkpoint, i, &info);
        onefold_checkpoint_shard_at(checkpoint, info.shard_index, &shard);
        printf("  %s  %s ", info.name, onefold_dtype_name(info.dtype));
        print_shape(stdout, &info, ", ");
        printf("  %s at %llu, %llu bytes\n", shard.name, (unsigned long long)info.offset,
               (unsigned long long)info.byte_count);
    }
}

static void print_text(const char *path, const onefold_checkpoint *checkpoint, int verbose)
{
    struct summary summary;
    onefold_shard_info shard;
    const uint64_t shard_count = onefold_checkpoint_shard_count(checkpoint);

    summarise(checkpoint, &summary);
    printf("%s\n  tensors   %llu, %llu elements, %s\n", onefold_text_show(path, strlen(path)).text,
           (unsigned long long)onefold_checkpoint_tensor_count(checkpoint),
           (unsigned long long)summary.elem_count,
           out_bytes(onefold_checkpoint_byte_count(checkpoint)).text);
    for (int i = 0; i < ONEFOLD_DTYPE_COUNT; i++) {
        if (summary.dtype_tensors[i] > 0) {
            printf("  %-9s %llu tensors, %s\n", onefold_dtype_name((onefold_dtype)i),
                   (unsigned long long)summary.dtype_tensors[i],
                   out_bytes(summary.dtype_bytes[i]).text);
        }
    }
    for (uint32_t i = 0; i < summary.stack_count; i++) {
        const struct stack *stack = &summary.stacks[i];

        if (stack->length > 0) {
            printf("  stack     %.*s: %llu layers, %llu tensors, %s\n", (int)stack->length,
                   stack->name, (unsigned long long)stack->layer_max + 1,
                   (unsigned long long)stack->tensor_count, out_bytes(stack->byte_count).text);
        } else {
            printf("  loose     %llu tensors, %s\n", (unsigned long long)stack->tensor_count,
                   out_bytes(stack->byte_count).text);
        }
    }
    for (uint64_t i = 0; i < shard_count; i++) {
        onefold_checkpoint_shard_at(checkpoint, i, &shard);
        printf("  shard     %s, %s\n", shard.name, out_bytes(shard.size_bytes).text);
    }
    if (verbose) {
        print_tensors(checkpoint);
    }
}

/* ---- JSON ---- */

static void json_metadata(FILE *to, const onefold_checkpoint *checkpoint)
{
    const char *key;
    const char *value;
    uint64_t key_length;
    uint64_t value_length;

    (void)fputs(",\"metadata\":{", to);
    for (uint64_t i = 0;
         onefold_checkpoint_metadata_at(checkpoint, i, &key, &key_length, &value, &value_length);
         i++) {
        (void)fputs(i > 0 ? "," : "", to);
        out_json_text(to, key, key_length);
        (void)putc(':', to);
        out_json_text(to, value, value_length);
    }
    (void)putc('}', to);
}

static void json_summary(FILE *to, const struct summary *summary)
{
    const char *comma = "";

    (void)fputs(",\"dtypes\":{", to);
    for (int i = 0; i < ONEFOLD_DTYPE_COUNT; i++) {
        if (summary->dtype_tensors[i] > 0) {
            (void)fprintf(to, "%s\"%s\":{\"tensors\":%llu,\"bytes\":%llu}", comma,
                          onefold_dtype_name((onefold_dtype)i),
                          (unsigned long long)summary->dtype_tensors[i],
                          (unsigned long long)summary->dtype_bytes[i]);
            comma = ",";
        }
    }
    (void)fputs("},\"stacks\":[", to);
    comma = "";
    for (uint32_t i = 0; i < summary->stack_count; i++) {
        const struct stack *stack = &summary->stacks[i];

        if (stack->length == 0) {
            continue;
        }
        (void)fprintf(to, "%s{\"name\":", comma);
        out_json_text(to, stack->name, stack->length);
        (void)fprintf(to, ",\"layers\":%llu,\"tensors\":%llu,\"bytes\":%llu}",
                      (unsigned long long)stack->layer_max + 1,
                      (unsigned long long)stack->tensor_count,
                      (unsigned long long)stack->byte_count);
        comma = ",";
    }
    (void)putc(']', to);
}

static void json_shards(FILE *to, const onefold_checkpoint *checkpoint)
{
    const uint64_t count = onefold_checkpoint_shard_count(checkpoint);

    (void)fputs(",\"shards\":[", to);
    for (uint64_t i = 0; i < count; i++) {
        onefold_shard_info shard;

        onefold_checkpoint_shard_at(checkpoint, i, &shard);
        (void)fputs(i > 0 ? ",{" : "{", to);
        out_json_member(to, "name", shard.name);
        (void)fprintf(to, ",\"bytes\":%llu,\"data_offset\":%llu}",
                      (unsigned long long)shard.size_bytes, (unsigned long long)shard.data_offset);
    }
    (void)putc(']', to);
}

static void json_tensors(FILE *to, const onefold_checkpoint *checkpoint)
{
    const uint64_t count = onefold_checkpoint_tensor_count(checkpoint);

    (void)fputs(",\"tensors\":[", to);
    for (uint64_t i = 0; i < count; i++) {
        onefold_tensor_info info;

        onefold_checkpoint_tensor_at(checkpoint, i, &info);
        (void)fputs(i > 0 ? ",{" : "{", to);
        out_json_member(to, "name", info.name);
        (void)fprintf(to, ",\"dtype\":\"%s\",\"shape\":", onefold_dtype_name(info.dtype));
        print_shape(to, &info, ",");
        (void)fprintf(to, ",\"shard\":%u,\"offset\":%llu,\"bytes\":%llu}", info.shard_index,
                      (unsigned long long)info.offset, (unsigned long long)info.byte_count);
    }
    (void)putc(']', to);
}

static void print_json(FILE *to, const char *path, const onefold_checkpoint *checkpoint)
{
    struct summary summary;

    summarise(checkpoint, &summary);
    (void)putc('{', to);
    out_json_member(to, "path", path);
    (void)putc(',', to);
    out_json_member(to, "folder", onefold_checkpoint_folder(checkpoint));
    (void)fprintf(to, ",\"tensor_count\":%llu,\"elements\":%llu,\"bytes\":%llu",
                  (unsigned long long)onefold_checkpoint_tensor_count(checkpoint),
                  (unsigned long long)summary.elem_count,
                  (unsigned long long)onefold_checkpoint_byte_count(checkpoint));
    json_summary(to, &summary);
    json_metadata(to, checkpoint);
    json_shards(to, checkpoint);
    json_tensors(to, checkpoint);
    (void)putc('}', to);
}

/* ---- The verb ---- */

/* Several refusals: the one with the smallest exit code ends the program, the others are said. */
static void keep_error(struct out *out, const onefold_error *seen, onefold_error *kept)
{
    const onefold_error *said = seen;
    onefold_notice notice;

    if (kept->status == ONEFOLD_OK) {
        *kept = *seen;
        return;
    }
    if (exit_code(seen->status) < exit_code(kept->status)) {
        said = kept;
    }
    memset(&notice, 0, sizeof(notice));
    notice.level = ONEFOLD_LEVEL_ERROR;
    notice.id = said->id;
    notice.message = said->message;
    notice.hint = said->hint;
    out_notice(out, &notice);
    if (said == kept) {
        *kept = *seen;
    }
}

/* What is not on disk may be NAME@REVISION of the Hugging Face cache. */
static onefold_status open_path(const char *path, onefold_checkpoint_options *options,
                                onefold_checkpoint **ret_checkpoint, onefold_error *err)
{
    const char *at = strrchr(path, '@');
    char name[HUB_NAME_BYTES_MAX];

    options->revision = NULL;
    if (at == NULL || at == path || at[1] == '\0' || (size_t)(at - path) >= sizeof(name) ||
        access(path, F_OK) == 0) {
        return onefold_checkpoint_open(path, options, ret_checkpoint, err);
    }
    (void)snprintf(name, sizeof(name), "%.*s", (int)(at - path), path);
    options->revision = at + 1;
    return onefold_checkpoint_open(name, options, ret_checkpoint, err);
}

onefold_status cmd_inspect(const struct opts *opts, struct out *out, onefold_error *err)
{
    onefold_checkpoint_options options;
    onefold_error seen;
    uint32_t shown = 0;
    FILE *to = out->json ? out_data(out) : stdout;

    if (opts->argument_count == 0) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-arguments", NULL,
                        "inspect: at least one PATH expected");
    }
    onefold_checkpoint_options_init(&options);
    options.notice = out_notice;
    options.notice_context = out;
    options.memory_bytes = opts->memory.value;
    options.no_symlinks = opts->no_symlinks;
    options.hf_cache = opts->hf_cache;
    (void)exit_set(err, ONEFOLD_OK, "", NULL, "%s", "");
    if (out->json) {
        (void)fputs("{\"checkpoints\":[", to);
    }
    for (uint32_t i = 0; i < opts->argument_count; i++) {
        onefold_checkpoint *checkpoint = NULL;

        if (open_path(opts->arguments[i], &options, &checkpoint, &seen) != ONEFOLD_OK) {
            keep_error(out, &seen, err);
            continue;
        }
        if (out->json) {
            (void)fputs(shown > 0 ? "," : "", to);
            print_json(to, opts->arguments[i], checkpoint);
        } else {
            print_text(opts->arguments[i], checkpoint, opts->verbose);
        }
        shown++;
        onefold_checkpoint_close(checkpoint);
    }
    if (out->json) {
        (void)fputs("]}", to);
    }
    return err->status;
}
