/* SPDX-License-Identifier: Apache-2.0 */
/* The mapping is made 2 MiB longer than needed and trimmed to a 2 MiB border: only then can the
 * kernel back all of it with huge pages. */
#include "sys/pool.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "sys/crew.h"
#include "sys/host.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Older headers lack it; an older kernel answers EINVAL and the pages are touched by hand. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_BYTES (2 * OF_MIB)

/* Threads that load pages, and how much is worth one. */
enum { LOADERS_MAX = 4 };
#define LOADER_BYTES_MIN HUGE_BYTES

/* madvise says yes even where the administrator has switched huge pages off. */
static bool system_has_huge_pages(void)
{
    char text[64] = {0};
    const int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0) {
        return false;
    }
    got = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    return got > 0 && strstr(text, "[never]") == NULL;
}

static uint8_t *map_aligned(uint64_t size_bytes)
{
    const uint64_t map_bytes = size_bytes + HUGE_BYTES;
    uint8_t *map =
        mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t head;

    if (map == MAP_FAILED) {
        return NULL;
    }
    head = of_num_align_up((uintptr_t)map, HUGE_BYTES) - (uintptr_t)map;
    if (head > 0) {
        (void)munmap(map, head);
    }
    (void)munmap(map + head + size_bytes, HUGE_BYTES - head);
    return map + head;
}

/* A stretch of the pool, and what became of loading it: 0 or the errno. */
struct stretch {
    uint8_t *data;
    uint64_t size_bytes;
    int failure;
};

static void load(void *context)
{
    struct stretch *stretch = context;
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    int result;

    do {
        result = madvise(stretch->data, stretch->size_bytes, MADV_POPULATE_WRITE);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    stretch->failure = 0;
    if (result == 0) {
        return;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        stretch->failure = errno;
        return;
    }
    for (uint64_t at = 0; at < stretch->size_bytes; at += page_bytes) {
        ((volatile uint8_t *)stretch->data)[at] = 0;
    }
}

/* In several threads: in a virtual machine whose host gives memory only then, 100 MiB take a tenth
 * of a second in one. No huge page is shared out to two. 0, or the errno. */
static int touch(const struct of_pool *pool, struct stretch whole)
{
    const uintptr_t first = (uintptr_t)whole.data;
    const uint64_t count =
        of_num_max(of_num_min(pool->loader_count, whole.size_bytes / LOADER_BYTES_MIN), 1);
    struct stretch stretches[LOADERS_MAX] = {{0}};
    struct of_thread threads[LOADERS_MAX] = {{0}};
    onefold_error ignored;
    uint64_t at = 0;
    int failure = 0;

    for (uint64_t i = 0; i < count; i++) {
        const uint64_t share_end = first + whole.size_bytes * (i + 1) / count;
        const uint64_t end =
            i + 1 == count ? whole.size_bytes : of_num_align_down(share_end, HUGE_BYTES) - first;

        stretches[i] = (struct stretch){.data = whole.data + at, .size_bytes = end - at};
        at = end;
    }
    for (uint64_t i = 1; i < count; i++) {
        if (of_thread_start(&threads[i], load, &stretches[i], &ignored) != ONEFOLD_OK) {
            load(&stretches[i]);
        }
    }
    load(&stretches[0]);
    for (uint64_t i = 0; i < count; i++) {
        of_thread_join(&threads[i]);
        failure = stretches[i].failure != 0 ? stretches[i].failure : failure;
    }
    return failure;
}

onefold_status of_pool_init_parts(struct of_pool *pool, uint64_t size_bytes, uint32_t part_count,
                                  const struct of_nodes *nodes, onefold_error *err)
{
    const uint64_t part_bytes = of_num_align_up(size_bytes, HUGE_BYTES);
    uint64_t whole_bytes;
    uint64_t mapped_bytes;

    *pool = (struct of_pool){0};
    /* A size that cannot be rounded up has become none. */
    if (part_bytes == 0 || !of_num_mul(part_bytes, part_count, &whole_bytes) ||
        !of_num_add(whole_bytes, HUGE_BYTES, &mapped_bytes)) {
        return of_err_set(err, "memory", "no buffers of %u times %llu bytes can be had", part_count,
                          (unsigned long long)size_bytes);
    }
    pool->part_bytes = part_bytes;
    pool->data = map_aligned(whole_bytes);
    if (pool->data == NULL) {
        return of_err_set_sys(err, "memory", errno, "cannot map %llu bytes of buffers",
                              (unsigned long long)whole_bytes);
    }
    pool->size_bytes = whole_bytes;
    pool->part_count = part_count;
    pool->loader_count = (uint32_t)of_num_min(of_host_cpu_count(), LOADERS_MAX);
    pool->huge = system_has_huge_pages() && madvise(pool->data, whole_bytes, MADV_HUGEPAGE) == 0;
    for (uint32_t i = 0; i < part_count; i++) {
        (void)of_node_place(nodes, i, pool->data + i * pool->part_bytes, pool->part_bytes);
    }
    return ONEFOLD_OK;
}

onefold_status of_pool_load(const struct of_pool *pool, uint32_t part, uint64_t offset,
                            uint64_t size_bytes, onefold_error *err)
{
    int failure;

    of_assert(part < pool->part_count);
    of_assert(offset <= pool->part_bytes && size_bytes <= pool->part_bytes - offset);
    failure = touch(pool, (struct stretch){.data = pool->data + part * pool->part_bytes + offset,
                                           .size_bytes = size_bytes});
    if (failure != 0) {
        return of_err_set_sys(err, "memory", failure, "cannot load %llu bytes of buffers",
                              (unsigned long long)size_bytes);
    }
    return ONEFOLD_OK;
}

onefold_status of_pool_init(struct of_pool *pool, uint64_t size_bytes, onefold_error *err)
{
    onefold_status status;

    OF_TRY(of_pool_init_parts(pool, size_bytes, 1, NULL, err));
    status = of_pool_load(pool, 0, 0, pool->part_bytes, err);
    if (status != ONEFOLD_OK) {
        of_pool_finish(pool);
        return status;
    }
    pool->loaded = true;
    return status;
}

void of_pool_finish(struct of_pool *pool)
{
    if (pool->data != NULL) {
        (void)munmap(pool->data, pool->size_bytes);
    }
    *pool = (struct of_pool){0};
}
