/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wraps of the calls that write files of ours over time. */
#include "sys/outfile.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

onefold_status of_outfile_reopen(int folder, const char *name, bool direct, int *ret_fd,
                                 onefold_error *err)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (direct ? O_DIRECT : 0);
    int fd;

    do {
        fd = openat(folder, name, flags);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0 && direct && errno == EINVAL) {
        return of_err_set(err, "io-backend", "%s: the file system has no direct I/O",
                          of_str_escape(of_str_from(name)).text);
    }
    if (fd < 0) {
        return of_err_set_sys(err, "output-io", errno, "%s: cannot open for writing",
                              of_str_escape(of_str_from(name)).text);
    }
    *ret_fd = fd;
    return ONEFOLD_OK;
}

void of_outfile_write_behind(int fd, uint64_t offset, uint64_t length)
{
    (void)sync_file_range(fd, (off64_t)offset, (off64_t)length, SYNC_FILE_RANGE_WRITE);
}

void of_outfile_drop(int fd, uint64_t offset, uint64_t length)
{
    (void)posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
}

/* Places looked at, and pages at each: enough to tell a file that was just read or written from one
 * that was not. */
enum { CACHE_PLACES = 8, CACHE_PAGES = 4 };

bool of_outfile_is_cached(int fd, uint64_t size_bytes)
{
    const uint64_t page_bytes = of_outfile_page_bytes();
    const uint64_t look_bytes = CACHE_PAGES * page_bytes;
    unsigned char pages[CACHE_PAGES];
    uint32_t cached_count = 0;

    if (size_bytes < CACHE_PLACES * look_bytes) {
        return true; /* too small to matter */
    }
    for (uint64_t i = 0; i < CACHE_PLACES; i++) {
        const uint64_t at = (size_bytes - look_bytes) / (CACHE_PLACES - 1) * i;
        const uint64_t offset = at - at % page_bytes;
        void *map =
            mmap(NULL, look_bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);

        if (map == MAP_FAILED) {
            return false;
        }
        if (mincore(map, look_bytes, pages) == 0 && (pages[0] & 1) != 0 &&
            (pages[CACHE_PAGES - 1] & 1) != 0) {
            cached_count++;
        }
        (void)munmap(map, look_bytes);
    }
    return cached_count > CACHE_PLACES / 2;
}

void of_outfile_advise_sequential(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

onefold_status of_outfile_read_next(int fd, void *to, uint64_t length, uint64_t *ret_length,
                                    onefold_error *err)
{
    ssize_t got;

    do {
        got = read(fd, to, length);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return of_err_set_sys(err, "input-io", errno, "cannot read on");
    }
    *ret_length = (uint64_t)got;
    return ONEFOLD_OK;
}

uint64_t of_outfile_page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

bool of_outfile_is_own(int fd)
{
    struct stat seen;

    return fstat(fd, &seen) == 0 && seen.st_uid == geteuid();
}

uint64_t of_outfile_process_id(void)
{
    return (uint64_t)getpid();
}
