/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench and the page cache: what is in it, taking files out and bringing them in. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Looked at at a time: mincore wants a byte for each page. */
#define WINDOW_BYTES (UINT64_C(64) << 20)
#define PAGE_MIN     UINT64_C(4096)
#define READ_BYTES   (UINT64_C(1) << 20)
#define NS_PER_S     UINT64_C(1000000000)

static uint64_t cached_of(int fd)
{
    static unsigned char pages[WINDOW_BYTES / PAGE_MIN];
    const uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    struct stat about;
    uint64_t size;
    uint64_t count = 0;

    if (fstat(fd, &about) != 0) {
        return 0;
    }
    size = (uint64_t)about.st_size;
    for (uint64_t offset = 0; offset < size; offset += WINDOW_BYTES) {
        const uint64_t bytes = size - offset < WINDOW_BYTES ? size - offset : WINDOW_BYTES;
        void *window = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, (off_t)offset);

        if (window == MAP_FAILED) {
            return 0;
        }
        if (mincore(window, (size_t)bytes, pages) == 0) {
            for (uint64_t i = 0; i < (bytes + page_bytes - 1) / page_bytes; i++) {
                count += pages[i] & 1;
            }
        }
        (void)munmap(window, (size_t)bytes);
    }
    /* The last page counts no further than the file goes. */
    return count * page_bytes < size ? count * page_bytes : size;
}

static uint64_t cached_of_folder(int folder)
{
    DIR *names = fdopendir(folder);
    const struct dirent *entry;
    uint64_t sum = 0;

    if (names == NULL) {
        (void)close(folder);
        return 0;
    }
    while ((entry = readdir(names)) != NULL) {
        const int fd =
            entry->d_type == DT_REG ? openat(folder, entry->d_name, O_RDONLY | O_CLOEXEC) : -1;

        if (fd >= 0) {
            sum += cached_of(fd);
            (void)close(fd);
        }
    }
    (void)closedir(names);
    return sum;
}

uint64_t bench_cached(const struct bench *bench, const char *name)
{
    const int fd = openat(bench->folder, name, O_RDONLY | O_CLOEXEC);
    struct stat about;
    uint64_t sum;

    if (fd < 0 || fstat(fd, &about) != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return 0;
    }
    if (S_ISDIR(about.st_mode)) {
        return cached_of_folder(fd);
    }
    sum = cached_of(fd);
    (void)close(fd);
    return sum;
}

/* Into the page cache, without a copy that anybody keeps. */
static bool read_through(int fd)
{
    static unsigned char buffer[READ_BYTES];
    uint64_t offset = 0;

    for (;;) {
        const ssize_t got = pread(fd, buffer, sizeof(buffer), (off_t)offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got == 0;
        }
        offset += (uint64_t)got;
    }
}

static onefold_status prepare_file(const char *name, int fd, uint64_t size, enum bench_cache cache,
                                   uint64_t *ret_cached, onefold_error *err)
{
    if (cache == BENCH_COLD) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    } else if (cached_of(fd) < size && !read_through(fd)) {
        return bench_failed(err, "read", name);
    }
    *ret_cached = cached_of(fd);
    return ONEFOLD_OK;
}

/* The disk may be told of what was removed for a while yet (mount option discard), and nothing
 * waits for that: for as long as a fast disk takes to write it, then. */
void bench_settle(const struct bench *bench, uint64_t removed_bytes)
{
    enum { BYTES_PER_NS = 4 };
    const uint64_t ns = removed_bytes / BYTES_PER_NS;
    const struct timespec pause = {.tv_sec = (time_t)(ns / NS_PER_S),
                                   .tv_nsec = (long)(ns % NS_PER_S)};

    (void)syncfs(bench->folder);
    (void)nanosleep(&pause, NULL);
}

onefold_status bench_prepare(const struct bench *bench, uint32_t first, uint32_t count,
                             enum bench_cache cache, uint64_t *ret_wrong_bytes,
                             uint64_t *ret_cached_bytes, onefold_error *err)
{
    uint64_t wrong = 0;
    uint64_t cached = 0;

    (void)syncfs(bench->folder); /* of the models, the first time */
    for (uint32_t i = first; i < first + count; i++) {
        char name[BENCH_NAME_MAX];
        struct stat about;
        uint64_t here = 0;
        onefold_status status;
        int fd;

        if (bench_check_cancel(bench, err) != ONEFOLD_OK) {
            return err->status;
        }
        bench_model_name(i, name, sizeof(name));
        fd = openat(bench->folder, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            return bench_failed(err, "open", name);
        }
        if (fstat(fd, &about) != 0) {
            status = bench_failed(err, "look at", name);
        } else {
            status = prepare_file(name, fd, (uint64_t)about.st_size, cache, &here, err);
        }
        (void)close(fd);
        if (status != ONEFOLD_OK) {
            return status;
        }
        cached += here;
        wrong += cache == BENCH_COLD ? here : (uint64_t)about.st_size - here;
    }
    *ret_wrong_bytes = wrong;
    *ret_cached_bytes = cached;
    return ONEFOLD_OK;
}
