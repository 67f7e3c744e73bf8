/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench: how fast memory is read and copied, by one core and by all of them together. */
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Of all threads together; larger than most caches. A copy takes twice that, so a control group
 * with little memory gets less. */
#define AREA_BYTES  (UINT64_C(256) << 20)
#define ALIGN_BYTES UINT64_C(4096)

enum { THREADS_MAX = 256, TURNS = 3 };
enum { WAIT, GO, GIVE_UP };
enum { FILLING = 1 };

struct area {
    unsigned char *from;
    unsigned char *to;
    uint64_t bytes;
};

struct reader {
    struct area area;
    bool copies;
    _Atomic int *order;
    pthread_t thread;
    uint64_t sum; /* kept, so that reading is not left out */
};

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A search for a byte that is not there: the C library reads as fast as this machine can. */
static uint64_t read_area(const struct area *area)
{
    return memchr(area->from, FILLING + 1, (size_t)area->bytes) != NULL ? 1 : 0;
}

static void *run_thread(void *context)
{
    struct reader *reader = context;

    while (atomic_load(reader->order) == WAIT) {
        (void)sched_yield();
    }
    for (int i = 0; i < TURNS && atomic_load(reader->order) == GO; i++) {
        if (reader->copies) {
            memcpy(reader->area.to, reader->area.from, (size_t)reader->area.bytes);
            __asm__ volatile("" : : "r"(reader->area.to) : "memory");
        } else {
            reader->sum += read_area(&reader->area);
        }
    }
    return NULL;
}

/* GB/s of `count` threads, each with its part of the area; 0 when they cannot be had. */
static double measure(const struct area *area, uint32_t count, bool copies)
{
    static struct reader readers[THREADS_MAX];
    const uint64_t bytes = area->bytes / count / ALIGN_BYTES * ALIGN_BYTES;
    _Atomic int order = WAIT;
    uint32_t started = 1; /* this thread is one of them */
    double start;
    double seconds;

    for (uint32_t i = 0; i < count; i++) {
        readers[i] = (struct reader){
            .area = {.from = area->from + i * bytes, .to = area->to + i * bytes, .bytes = bytes},
            .copies = copies,
            .order = &order};
    }
    while (started < count &&
           pthread_create(&readers[started].thread, NULL, run_thread, &readers[started]) == 0) {
        started++;
    }
    start = now();
    atomic_store(&order, started == count ? GO : GIVE_UP);
    (void)run_thread(&readers[0]);
    for (uint32_t i = 1; i < started; i++) {
        (void)pthread_join(readers[i].thread, NULL);
    }
    seconds = now() - start;
    return started == count && seconds > 0 ? (double)bytes * count * TURNS / seconds / 1e9 : 0;
}

void bench_measure_memory(uint32_t cpu_count, uint32_t repeats, struct bench_memory *ret_memory)
{
    const uint32_t all = cpu_count < THREADS_MAX ? cpu_count : THREADS_MAX;
    const uint64_t limit = onefold_host_memory_limit() / 8 / ALIGN_BYTES * ALIGN_BYTES;
    const uint64_t bytes = limit < AREA_BYTES ? limit : AREA_BYTES;
    double *const best[4] = {&ret_memory->read_one, &ret_memory->read_all, &ret_memory->copy_one,
                             &ret_memory->copy_all};
    struct area area = {.bytes = bytes};

    memset(ret_memory, 0, sizeof(*ret_memory));
    area.from = mmap(NULL, bytes * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area.from == MAP_FAILED) {
        return;
    }
    area.to = area.from + bytes;
    (void)madvise(area.from, bytes * 2, MADV_HUGEPAGE);
    memset(area.from, FILLING, bytes * 2);
    for (uint32_t i = 0; i < repeats; i++) {
        for (int k = 0; k < 4; k++) {
            const double speed = measure(&area, k % 2 == 0 ? 1 : all, k >= 2);

            *best[k] = speed > *best[k] ? speed : *best[k];
        }
    }
    (void)munmap(area.from, bytes * 2);
}
