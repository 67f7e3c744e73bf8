/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that measures the files in order; they come back in the same order through a queue. */
#include "ckpt/ahead.h"

#include "base/check.h"
#include "ckpt/shard_header.h"
#include "sys/crew.h"
#include "sys/queue.h"

#include <stdatomic.h>
#include <string.h>

static const char usual_name[] = "model.safetensors";

/* A path, and what the thread found; the thread's until the entry has come back. */
struct entry {
    const char *path;
    bool found; /* and not handed out yet */
    struct of_shard shard;
};

struct of_ahead {
    struct entry *entries;
    uint32_t count;
    uint32_t taken_count; /* come back so far */
    uint32_t file_flags;
    atomic_bool stopping;
    struct of_queue done;
    struct of_thread thread;
};

/* Folder to look in and name to look for: the path is that of the file, or of a folder with a file
 * of the usual name. The folder is to be closed. */
static int find_folder(const struct entry *entry, const char **ret_name)
{
    onefold_error ignored;
    int folder_fd = of_file_here;

    *ret_name = entry->path;
    if (of_file_open_folder(of_file_here, entry->path, &folder_fd, &ignored) == ONEFOLD_OK) {
        *ret_name = usual_name;
    }
    return folder_fd;
}

static void measure_entry(struct entry *entry, uint32_t file_flags)
{
    const char *name;
    int folder_fd = find_folder(entry, &name);
    onefold_error ignored;

    entry->found =
        of_shard_measure(folder_fd, name, file_flags, &entry->shard, &ignored) == ONEFOLD_OK;
    of_file_close(&folder_fd);
}

/* Gives back what was read of a file that nobody came for. */
static void leave_entry(struct entry *entry)
{
    int folder_fd = find_folder(entry, &entry->shard.name);

    of_shard_leave(folder_fd, &entry->shard);
    of_file_close(&folder_fd);
}

static void measure_all(void *context)
{
    struct of_ahead *ahead = context;

    for (uint32_t i = 0; i < ahead->count; i++) {
        struct entry *entry = &ahead->entries[i];

        if (!atomic_load(&ahead->stopping)) {
            measure_entry(entry, ahead->file_flags);
        }
        of_queue_push(&ahead->done, entry);
    }
}

struct of_ahead *of_ahead_start(const char *const *paths, uint32_t path_count, uint32_t file_flags)
{
    struct of_ahead *ahead = of_mem_get(sizeof(*ahead));
    onefold_error ignored;

    if (ahead == NULL) {
        return NULL;
    }
    ahead->count = path_count;
    ahead->file_flags = file_flags;
    ahead->entries = of_mem_get(of_mem_array_bytes(path_count, sizeof(*ahead->entries)));
    for (uint32_t i = 0; ahead->entries != NULL && i < path_count; i++) {
        ahead->entries[i].path = paths[i];
    }
    if (ahead->entries == NULL || of_queue_init(&ahead->done, path_count, &ignored) != ONEFOLD_OK ||
        of_thread_start(&ahead->thread, measure_all, ahead, &ignored) != ONEFOLD_OK) {
        of_ahead_stop(ahead);
        return NULL;
    }
    return ahead;
}

bool of_ahead_take(struct of_ahead *ahead, const char *path, struct of_shard *ret_shard)
{
    const struct entry *entry = NULL;
    uint32_t at;

    if (ahead == NULL) {
        return false;
    }
    at = ahead->taken_count;
    while (at < ahead->count && strcmp(ahead->entries[at].path, path) != 0) {
        at++;
    }
    if (at == ahead->count) {
        return false;
    }
    while (ahead->taken_count <= at) {
        entry = of_queue_pop(&ahead->done);
        ahead->taken_count++;
    }
    of_assert(entry == &ahead->entries[at]);
    if (!entry->found) {
        return false;
    }
    *ret_shard = entry->shard;
    ret_shard->name = NULL;
    ahead->entries[at].found = false;
    return true;
}

void of_ahead_stop(struct of_ahead *ahead)
{
    if (ahead == NULL) {
        return;
    }
    atomic_store(&ahead->stopping, true);
    of_thread_join(&ahead->thread);
    of_queue_finish(&ahead->done);
    for (uint32_t i = 0; ahead->entries != NULL && i < ahead->count; i++) {
        if (ahead->entries[i].found) {
            leave_entry(&ahead->entries[i]);
        }
    }
    of_mem_free(ahead->entries);
    of_mem_free(ahead);
}
