/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wraps of the calls that write files of ours over time. */
#include "sys/outfile.h"

#include "base/limits.h"
#include "base/num.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
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

bool of_outfile_share(int fd, uint64_t offset, int from_fd, uint64_t from_offset, uint64_t length,
                      bool *ret_ever)
{
    struct file_clone_range range = {
        .src_fd = from_fd, .src_offset = from_offset, .src_length = length, .dest_offset = offset};
    int result;

    do {
        result = ioctl(fd, FICLONERANGE, &range);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return true;
    }
    /* Another file may lie on the same file system; what is full now need not be later. */
    *ret_ever = errno == EXDEV || errno == ENOSPC || errno == EDQUOT;
    return false;
}

void of_outfile_write_behind(int fd, uint64_t offset, uint64_t length)
{
    (void)sync_file_range(fd, (off64_t)offset, (off64_t)length, SYNC_FILE_RANGE_WRITE);
}

void of_outfile_drop(int fd, uint64_t offset, uint64_t length)
{
    (void)posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
}

/* Pages looked at in each place. */
enum { PLACE_PAGES = 4 };
/* Pages that one call asks about. */
enum { PAGES_ASKED_MAX = 512 };

/* Are all pages of a range of whole pages there? At most PAGES_ASKED_MAX. */
static bool are_pages_cached(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t page_bytes = of_outfile_page_bytes();
    unsigned char pages[PAGES_ASKED_MAX];
    bool all = true;
    void *map;

    map = mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    if (map == MAP_FAILED) {
        return false;
    }
    if (mincore(map, length, pages) != 0) {
        all = false;
    }
    for (uint64_t i = 0; all && i < length / page_bytes; i++) {
        all = (pages[i] & 1) != 0;
    }
    (void)munmap(map, length);
    return all;
}

/* Of files that we may not write the kernel says that every page is there: also one behind the end,
 * by which such an answer is known. It lies so far behind that no large folio with the end of the
 * file in it reaches there. */
static bool tells_cached(int fd, uint64_t size_bytes)
{
    const uint64_t behind = of_num_align_up(size_bytes + 1, OF_GIB);

    return !are_pages_cached(fd, behind, of_outfile_page_bytes());
}

uint32_t of_outfile_count_cached(int fd, uint64_t size_bytes)
{
    const uint64_t page_bytes = of_outfile_page_bytes();
    const uint64_t look_bytes = PLACE_PAGES * page_bytes;
    uint32_t cached_count = 0;

    if (!tells_cached(fd, size_bytes)) {
        return 0;
    }
    if (size_bytes < OF_OUTFILE_PLACES * look_bytes) {
        return OF_OUTFILE_PLACES; /* too small to matter */
    }
    for (uint64_t i = 0; i < OF_OUTFILE_PLACES; i++) {
        const uint64_t at = (size_bytes - look_bytes) / (OF_OUTFILE_PLACES - 1) * i;

        if (are_pages_cached(fd, of_num_align_down(at, page_bytes), look_bytes)) {
            cached_count++;
        }
    }
    return cached_count;
}

bool of_outfile_is_range_cached(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t page_bytes = of_outfile_page_bytes();
    const uint64_t end = of_num_align_up(offset + length, page_bytes);
    const uint64_t step = PAGES_ASKED_MAX * page_bytes;

    for (uint64_t at = of_num_align_down(offset, page_bytes); at < end; at += step) {
        if (!are_pages_cached(fd, at, of_num_min(step, end - at))) {
            return false;
        }
    }
    return true;
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
