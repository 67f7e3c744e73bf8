/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of all windows of the process, read by the SIGBUS handler. A handler may take no lock, so
 * each row carries a sequence number: odd while its range changes. The row of the faulting window
 * cannot change (its reader is in the handler), so a row that does change is not the one looked
 * for.
 */
#include "sys/window.h"

#include "base/check.h"
#include "base/num.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older headers lack it; an older kernel answers EINVAL and the pages are touched by hand. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* The kernel allows 65,530 mappings of a process by default; rows that were never used stay
 * untouched zero pages. */
enum { WINDOWS_MAX = 65536 };

static struct row {
    atomic_uint sequence;
    atomic_uint lost;
    atomic_uintptr_t start; /* 0 = no window */
    atomic_uintptr_t end;
    int32_t next_free; /* under the mutex: row + 1, 0 = none */
} rows[WINDOWS_MAX];

/* Rows at and above this were never used. */
static atomic_int row_count;
static int32_t first_free; /* under the mutex, as next_free */
static pthread_mutex_t rows_mutex = PTHREAD_MUTEX_INITIALIZER;

static pthread_once_t handler_once = PTHREAD_ONCE_INIT;
static struct sigaction old_action;
static uintptr_t page_bytes; /* written before the handler is installed */

/* --- The handler: only atomics, system calls, and errno is kept. --- */

/* The row whose window holds the address, and the window's end; NULL when the fault is foreign. */
static struct row *find_row(uintptr_t address, uintptr_t *ret_end)
{
    const int count = atomic_load(&row_count);

    for (int i = 0; i < count; i++) {
        struct row *row = &rows[i];
        const unsigned before = atomic_load(&row->sequence);
        const uintptr_t start = atomic_load(&row->start);
        const uintptr_t end = atomic_load(&row->end);

        if (before % 2 == 0 && start != 0 && address >= start && address < end &&
            atomic_load(&row->sequence) == before) {
            *ret_end = end;
            return row;
        }
    }
    return NULL;
}

/* What would have happened without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};

    if ((old_action.sa_flags & SA_SIGINFO) != 0) {
        old_action.sa_sigaction(number, info, context);
        return;
    }
    if (old_action.sa_handler != SIG_DFL && old_action.sa_handler != SIG_IGN) {
        old_action.sa_handler(number);
        return;
    }
    if (info->si_code <= 0 && old_action.sa_handler == SIG_IGN) {
        return; /* sent by somebody, and ignored */
    }
    /* A fault comes again as soon as we return; a signal that was sent has to be sent again. It is
     * delivered when this handler has returned. */
    (void)sigaction(number, &plain, NULL);
    if (info->si_code <= 0) {
        (void)raise(number);
    }
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    const int saved_errno = errno;
    const uintptr_t address = (uintptr_t)info->si_addr;
    struct row *row = NULL;
    uintptr_t end = 0;

    /* Only faults of ours have an address: past the end or unreadable, or a broken page of memory.
     */
    if (info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR) {
        row = find_row(address, &end);
    }
    if (row != NULL) {
        const uintptr_t page = address & ~(page_bytes - 1);

        atomic_store(&row->lost, 1);
        /* Zeros over the rest: the reader goes on, page by page it would come back here. The raw
         * call, because nothing may stand in between that takes a lock. */
        if (syscall(SYS_mmap, page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                    -1, 0) >= 0) {
            errno = saved_errno;
            return;
        }
    }
    pass_on(number, info, context);
    errno = saved_errno;
}

static void install_handler(void)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)sigemptyset(&action.sa_mask);
    /* The old one is known before ours can run. */
    of_assert(sigaction(SIGBUS, NULL, &old_action) == 0);
    of_assert(sigaction(SIGBUS, &action, NULL) == 0);
}

/* --- Rows --- */

static void set_range(struct row *row, uintptr_t start, uintptr_t end)
{
    atomic_fetch_add(&row->sequence, 1);
    atomic_store(&row->start, start);
    atomic_store(&row->end, end);
    atomic_fetch_add(&row->sequence, 1);
}

/* -1 when the table is full. */
static int32_t take_row(void)
{
    int32_t entry = -1;

    of_assert(pthread_mutex_lock(&rows_mutex) == 0);
    if (first_free != 0) {
        entry = first_free - 1;
        first_free = rows[entry].next_free;
    } else if (atomic_load(&row_count) < WINDOWS_MAX) {
        entry = atomic_fetch_add(&row_count, 1);
    }
    of_assert(pthread_mutex_unlock(&rows_mutex) == 0);
    return entry;
}

static void give_row(int32_t entry)
{
    of_assert(pthread_mutex_lock(&rows_mutex) == 0);
    rows[entry].next_free = first_free;
    first_free = entry + 1;
    of_assert(pthread_mutex_unlock(&rows_mutex) == 0);
}

/* --- Panes --- */

/* Addresses only: nothing can be read there. */
static void *reserve(void *at, uint64_t size_bytes)
{
    return mmap(at, size_bytes, PROT_NONE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at != NULL ? MAP_FIXED : 0), -1, 0);
}

onefold_status of_panes_open(struct of_panes *panes, uint64_t size_bytes, onefold_error *err)
{
    void *map;

    (void)pthread_once(&handler_once, install_handler);
    *panes = (struct of_panes){.entry = take_row()};
    if (panes->entry < 0) {
        return of_err_set(err, "memory", "more than %d windows are open", WINDOWS_MAX);
    }
    map = reserve(NULL, size_bytes);
    if (map == MAP_FAILED) {
        const int failure = errno;

        give_row(panes->entry);
        return of_err_set_sys(err, "memory", failure, "no addresses for windows of %llu bytes",
                              (unsigned long long)size_bytes);
    }
    panes->map = map;
    panes->size_bytes = size_bytes;
    atomic_store(&rows[panes->entry].lost, 0);
    set_range(&rows[panes->entry], (uintptr_t)map, (uintptr_t)map + size_bytes);
    return ONEFOLD_OK;
}

uint64_t of_panes_length(const struct of_panes *panes, uint32_t count)
{
    const uint64_t each = of_num_align_down(panes->size_bytes / count, page_bytes);

    return each > page_bytes ? each - page_bytes : 0;
}

const uint8_t *of_panes_add(struct of_panes *panes, int fd, uint64_t offset, uint64_t length)
{
    const uint64_t skip_bytes = offset % page_bytes;
    uint8_t *at = panes->map + panes->used_bytes;

    if (length > panes->size_bytes || offset > INT64_MAX - length ||
        of_num_align_up(skip_bytes + length, page_bytes) > panes->size_bytes - panes->used_bytes ||
        mmap(at, skip_bytes + length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd,
             (off_t)(offset - skip_bytes)) == MAP_FAILED) {
        return NULL;
    }
    panes->used_bytes += of_num_align_up(skip_bytes + length, page_bytes);
    return at + skip_bytes;
}

void of_panes_load(struct of_panes *panes)
{
    if (panes->used_bytes > 0) {
        /* What cannot be had, or not like this, is found by the reader. */
        (void)madvise(panes->map, panes->used_bytes, MADV_POPULATE_READ);
    }
}

bool of_panes_clear(struct of_panes *panes)
{
    struct row *row = &rows[panes->entry];
    const bool lost = atomic_exchange(&row->lost, 0) != 0;

    if (panes->used_bytes > 0 || lost) {
        /* Should it fail, the next windows are put over these. */
        (void)reserve(panes->map, lost ? panes->size_bytes : panes->used_bytes);
        panes->used_bytes = 0;
    }
    return !lost;
}

void of_panes_close(struct of_panes *panes)
{
    if (panes->map != NULL) {
        set_range(&rows[panes->entry], 0, 0);
        (void)munmap(panes->map, panes->size_bytes);
        give_row(panes->entry);
    }
    *panes = (struct of_panes){0};
}

/* --- Windows --- */

/* Loads all pages. A page that cannot be had is found by the reader. */
static void load_pages(const struct of_window *window, int fd, uint64_t offset)
{
    int result;

    /* One request for the whole range first: faults alone read ahead in small steps. */
    (void)posix_fadvise(fd, (off_t)offset, (off_t)window->map_bytes, POSIX_FADV_WILLNEED);
    do {
        result = madvise(window->map, window->map_bytes, MADV_POPULATE_READ);
    } while (result != 0 && (errno == EINTR || errno == EAGAIN));
    if (result == 0 || (errno != EINVAL && errno != ENOSYS)) {
        return;
    }
    for (uint64_t at = 0; at < window->map_bytes; at += page_bytes) {
        (void)((const volatile uint8_t *)window->map)[at];
    }
}

onefold_status of_window_open(struct of_window *window, int fd, uint64_t offset, uint64_t length,
                              bool populate, onefold_error *err)
{
    static const uint8_t nothing;
    uint64_t skip_bytes;
    uint64_t end;

    (void)pthread_once(&handler_once, install_handler);
    *window = (struct of_window){.data = &nothing, .length_bytes = length, .entry = -1};
    if (length == 0) {
        return ONEFOLD_OK;
    }
    if (!of_num_add(offset, length, &end) || end > INT64_MAX - page_bytes) {
        return of_err_set_sys(err, "input-io", EOVERFLOW, "cannot map %llu bytes at byte %llu",
                              (unsigned long long)length, (unsigned long long)offset);
    }
    skip_bytes = offset % page_bytes;
    window->map_bytes = of_num_align_up(skip_bytes + length, page_bytes);
    window->entry = take_row();
    if (window->entry < 0) {
        of_window_close(window);
        return of_err_set(err, "memory", "more than %d windows are open", WINDOWS_MAX);
    }
    window->map =
        mmap(NULL, window->map_bytes, PROT_READ, MAP_PRIVATE, fd, (off_t)(offset - skip_bytes));
    if (window->map == MAP_FAILED) {
        const int failure = errno;

        window->map = NULL;
        of_window_close(window);
        return of_err_set_sys(err, failure == ENOMEM ? "memory" : "input-io", failure,
                              "cannot map %llu bytes at byte %llu", (unsigned long long)length,
                              (unsigned long long)offset);
    }
    window->data = (const uint8_t *)window->map + skip_bytes;
    atomic_store(&rows[window->entry].lost, 0);
    set_range(&rows[window->entry], (uintptr_t)window->map,
              (uintptr_t)window->map + window->map_bytes);
    if (populate) {
        load_pages(window, fd, offset - skip_bytes);
    }
    return ONEFOLD_OK;
}

bool of_window_is_lost(const struct of_window *window)
{
    return window->map_bytes > 0 && atomic_load(&rows[window->entry].lost) != 0;
}

void of_window_drop(struct of_window *window, uint64_t upto_bytes)
{
    uint64_t skip_bytes;
    uint64_t drop_bytes;

    if (window->map == NULL) {
        return;
    }
    skip_bytes = (uint64_t)(window->data - (const uint8_t *)window->map);
    drop_bytes = of_num_min(upto_bytes, window->length_bytes) + skip_bytes;
    drop_bytes = of_num_align_down(drop_bytes, page_bytes);
    if (drop_bytes > 0) {
        (void)madvise(window->map, drop_bytes, MADV_DONTNEED);
    }
}

void of_window_close(struct of_window *window)
{
    if (window->map != NULL) {
        /* Out of the table first: the addresses may be somebody else's right after. */
        set_range(&rows[window->entry], 0, 0);
        (void)munmap(window->map, window->map_bytes);
    }
    if (window->map_bytes > 0 && window->entry >= 0) {
        give_row(window->entry);
    }
    *window = (struct of_window){.entry = -1};
}
