/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/pagecache.h"

#include "base/limits.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t of_pagecache_page_bytes(void)
{
    return (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Pages looked at in each place. */
enum { PLACE_PAGES = 4 };
/* Pages that one call asks about. */
enum { PAGES_ASKED_MAX = 512 };

/* Linux 6.5 and later count the pages of a range, which takes a tenth of the time of asking about
 * each of them; the headers of Debian 12 do not know it yet. One number on all machines. */
enum { CACHESTAT_NUMBER = 451 };
struct page_range {
    uint64_t offset;
    uint64_t length;
};
struct page_counts {
    uint64_t cached;
    uint64_t others[4]; /* dirty, being written, evicted, evicted lately */
};

/* 0 also where the kernel cannot or will not say. */
static uint64_t ask_count(int fd, uint64_t offset, uint64_t length)
{
    static atomic_bool is_missing;
    struct page_range range = {offset, length};
    struct page_counts counts = {0};

    if (atomic_load_explicit(&is_missing, memory_order_relaxed)) {
        return 0;
    }
    if (syscall(CACHESTAT_NUMBER, fd, &range, &counts, 0) != 0) {
        if (errno == ENOSYS) {
            atomic_store_explicit(&is_missing, true, memory_order_relaxed);
        }
        return 0;
    }
    return counts.cached;
}

/* Of a range of whole pages, at most PAGES_ASKED_MAX. */
static uint64_t count_each(int fd, uint64_t offset, uint64_t length)
{
    unsigned char pages[PAGES_ASKED_MAX];
    uint64_t count = 0;
    void *map;

    map = mmap(NULL, length, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    if (map == MAP_FAILED) {
        return 0;
    }
    if (mincore(map, length, pages) == 0) {
        for (uint64_t i = 0; i < length / of_pagecache_page_bytes(); i++) {
            count += pages[i] & 1;
        }
    }
    (void)munmap(map, length);
    return count;
}

/* How many pages of a range of whole pages, at most PAGES_ASKED_MAX, are there. */
static uint64_t count_pages(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t count = ask_count(fd, offset, length);

    /* Of a file system that lies over others, such as overlayfs, no page is counted: they are the
     * pages of a file below, which a mapping finds. */
    return count > 0 ? count : count_each(fd, offset, length);
}

static bool are_pages_cached(int fd, uint64_t offset, uint64_t length)
{
    return count_pages(fd, offset, length) == length / of_pagecache_page_bytes();
}

/* Of files that we may not write the kernel says that every page is there: also one behind the end,
 * by which such an answer is known. It lies so far behind that no large folio with the end of the
 * file in it reaches there. */
static bool tells_cached(int fd, uint64_t size_bytes)
{
    const uint64_t behind = of_num_align_up(size_bytes + 1, OF_GIB);

    return !are_pages_cached(fd, behind, of_pagecache_page_bytes());
}

uint32_t of_pagecache_count(int fd, uint64_t size_bytes)
{
    const uint64_t page_bytes = of_pagecache_page_bytes();
    const uint64_t look_bytes = PLACE_PAGES * page_bytes;
    uint32_t cached_count = 0;

    if (!tells_cached(fd, size_bytes)) {
        return 0;
    }
    if (size_bytes < OF_PAGECACHE_PLACES * look_bytes) {
        return OF_PAGECACHE_PLACES; /* too small to matter */
    }
    for (uint64_t i = 0; i < OF_PAGECACHE_PLACES; i++) {
        const uint64_t at = (size_bytes - look_bytes) / (OF_PAGECACHE_PLACES - 1) * i;

        if (are_pages_cached(fd, of_num_align_down(at, page_bytes), look_bytes)) {
            cached_count++;
        }
    }
    return cached_count;
}

bool of_pagecache_holds(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t page_bytes = of_pagecache_page_bytes();
    const uint64_t end = of_num_align_up(offset + length, page_bytes);
    const uint64_t step = PAGES_ASKED_MAX * page_bytes;

    for (uint64_t at = of_num_align_down(offset, page_bytes); at < end; at += step) {
        if (!are_pages_cached(fd, at, of_num_min(step, end - at))) {
            return false;
        }
    }
    return true;
}

bool of_pagecache_is_warm(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t page_bytes = of_pagecache_page_bytes();
    const uint64_t first = of_num_align_down(offset, page_bytes);
    const uint64_t end = of_num_align_up(offset + length, page_bytes);
    const uint64_t step = PAGES_ASKED_MAX * page_bytes;
    struct stat seen;
    uint64_t count = 0;

    if (fstat(fd, &seen) != 0 || !tells_cached(fd, (uint64_t)seen.st_size)) {
        return false;
    }
    for (uint64_t at = first; at < end; at += step) {
        count += count_pages(fd, at, of_num_min(step, end - at));
    }
    return count * page_bytes >= (end - first) / 2;
}

void of_pagecache_drop(int fd, uint64_t offset, uint64_t length)
{
    const uint64_t page_bytes = of_pagecache_page_bytes();
    const uint64_t first = of_num_align_down(offset, page_bytes);
    const uint64_t last = of_num_align_up(offset + length, page_bytes);

    /* To the kernel a length of 0 is all of the file. */
    if (length > 0) {
        (void)posix_fadvise(fd, (off_t)first, (off_t)(last - first), POSIX_FADV_DONTNEED);
    }
}
