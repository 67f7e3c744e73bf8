/* SPDX-License-Identifier: Apache-2.0 */
/* An index is written apart from its shards, so the two can disagree: after a partial copy, an
 * edit, or on purpose. Then it is not clear which tensor a merge would read, and it is refused. */
#include "ckpt/index_check.h"

#include "base/limits.h"

#include <inttypes.h>

/* Names of a folder that are looked at for strays; a folder with more is not a model's own. */
enum { STRAY_NAMES_MAX = 10000 };

static struct of_shown shown(struct of_str text)
{
    return of_str_escape(text);
}

uint64_t of_index_find_file(const struct of_shard_index *index, struct of_str name)
{
    uint64_t low = 0;
    uint64_t high = index->file_count;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        int order = of_str_compare(index->files[middle], name);

        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return UINT64_MAX;
}

static void check_entry(const struct of_shard_index *index, const struct of_index_entry *entry,
                        const struct of_table *table, uint8_t *seen, struct of_findings *findings)
{
    uint32_t at = of_table_find(table, entry->tensor_name);
    const struct of_tensor *tensor;
    onefold_error problem;

    if (at == OF_MAP_NONE) {
        (void)of_err_set(&problem, "index-tensor-missing", "%s does not hold tensor \"%s\"",
                         shown(index->files[entry->file_index]).text,
                         shown(entry->tensor_name).text);
        of_findings_add(findings, &problem);
        return;
    }
    seen[at / 8] = (uint8_t)(seen[at / 8] | 1U << at % 8);
    tensor = &table->tensors[at];
    if (tensor->shard_index != entry->file_index) {
        (void)of_err_set(&problem, "index-tensor-missing",
                         "tensor \"%s\" is listed in %s and lies in %s", shown(tensor->name).text,
                         shown(index->files[entry->file_index]).text,
                         shown(index->files[tensor->shard_index]).text);
        of_findings_add(findings, &problem);
    }
}

onefold_status of_index_check_tensors(const struct of_shard_index *index,
                                      const struct of_table *table, struct of_findings *findings,
                                      onefold_error *err)
{
    uint8_t *seen = of_mem_get(table->tensor_count / 8 + 1);
    onefold_error problem;

    if (seen == NULL) {
        return of_err_set(err, "memory", "no memory to check an index");
    }
    for (uint64_t i = 0; i < index->entry_count; i++) {
        check_entry(index, &index->entries[i], table, seen, findings);
    }
    for (uint32_t i = 0; i < table->tensor_count; i++) {
        if ((seen[i / 8] >> i % 8 & 1) == 0) {
            (void)of_err_set(&problem, "index-tensor-extra",
                             "tensor \"%s\" of %s is not in the index",
                             shown(table->tensors[i].name).text,
                             shown(index->files[table->tensors[i].shard_index]).text);
            of_findings_add(findings, &problem);
        }
    }
    of_mem_free(seen);
    return of_findings_end(findings, err);
}

/* N of "-of-N" in a shard's name. False when there is none. */
static bool total_in_name(struct of_str name, uint64_t *ret_total)
{
    for (size_t i = 0; i + 4 < name.length; i++) {
        struct of_str rest = {name.data + i, name.length - i};
        struct of_str digits = {name.data + i + 4, 0};

        if (!of_str_starts(rest, "-of-")) {
            continue;
        }
        while (digits.length + 4 < rest.length && digits.data[digits.length] >= '0' &&
               digits.data[digits.length] <= '9') {
            digits.length++;
        }
        return of_str_to_u64(digits, ret_total);
    }
    return false;
}

struct strays {
    const struct of_shard_index *index;
    struct of_report *report;
    const char *file;
    uint32_t looked;
    uint32_t found;
};

static bool look_at_name(void *context, const char *name)
{
    struct strays *strays = context;
    struct of_str text = of_str_from(name);
    uint64_t total;

    strays->looked++;
    if (of_str_ends(text, ".incomplete")) {
        of_report_warning(strays->report, "checkpoint-incomplete", strays->file,
                          "an unfinished download lies beside the shards: %s", shown(text).text);
        strays->found++;
    } else if (of_str_ends(text, ".safetensors") && total_in_name(text, &total) &&
               of_index_find_file(strays->index, text) == UINT64_MAX) {
        of_report_warning(strays->report, "checkpoint-shard-stale", strays->file,
                          "a shard lies here that the index does not name: %s", shown(text).text);
        strays->found++;
    }
    return strays->looked < STRAY_NAMES_MAX && strays->found < OF_FINDINGS_SHOWN_MAX;
}

void of_index_check_names(const struct of_shard_index *index, const struct of_table *table,
                          int folder_fd, struct of_report *report, const char *file)
{
    struct strays strays = {.index = index, .report = report, .file = file};
    uint64_t total;
    onefold_error ignored;

    for (uint64_t i = 0; i < index->file_count; i++) {
        if (total_in_name(index->files[i], &total) && total != index->file_count) {
            of_report_warning(report, "checkpoint-shard-total", file,
                              "%s counts %" PRIu64 " shards, the index names %" PRIu64,
                              shown(index->files[i]).text, total, index->file_count);
            break;
        }
    }
    if (index->has_total_size && index->total_size != table->byte_count) {
        of_report_warning(report, "index-total", file,
                          "total_size says %" PRIu64 ", the tensors have %" PRIu64 " bytes",
                          index->total_size, table->byte_count);
    }
    /* Only warnings come from this, so a folder that cannot be listed is no reason to stop. */
    (void)!of_file_list(folder_fd, look_at_name, &strays, &ignored);
}
