/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raw limit of onefold bench: the bytes that a merge reads and writes, read and written with
 * direct I/O from and to huge pages, several requests in flight, the output allocated before and
 * synced at the end, and nothing computed. Threads with one request each and not io_uring: they
 * reach what fio reaches (docs/performance.md) and work wherever io_uring is forbidden.
 *
 * Nothing computed is less than any program does that uses what it reads. The same limit "looked
 * at" hands every place that was filled to another thread, which loads each of its cache lines
 * once. And what a disk likes differs: "short" makes requests half as long.
 */
#include "bench.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* As many requests as fio had when it was fastest on the machines this was tried on; more of them
 * or larger ones changed nothing on most. */
enum { READERS = 16, WRITERS = 4 };
/* Who looks, and places for reads then. More of both were slower where it was tried last: the
 * memory of all places has to stay in some cache, and two that look at the same time disturb the
 * disk (docs/decisions/021-as-few-workers-as-keep-up.md). */
enum { LOOKERS = 1, PLACES = 24 };
#define REQUEST_BYTES_MAX (UINT64_C(1) << 20)
#define HUGE_BYTES        (UINT64_C(2) << 20)
/* A cache line, in words. */
enum { LINE_WORDS = 8 };

static const char target_name[] = "raw.out";

/* What the process reports. */
struct raw_found {
    double seconds;
    int error; /* errno */
    bool direct;
};

/* Places on their way from some threads to others, first in, first out. */
struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint32_t places[PLACES];
    uint32_t first;
    uint32_t count;
    bool closed;
};

struct raw {
    const struct bench *bench;
    const struct bench_job *job;
    uint64_t request_bytes;
    bool looks;
    uint32_t file_count;
    uint64_t file_bytes;    /* each of them, a multiple of BENCH_ALIGN */
    uint64_t written_bytes; /* rounded up to BENCH_ALIGN */
    int *files;
    int target;
    unsigned char *buffers; /* a request each: of the writers, then places of reads */
    struct queue unused;    /* these two only where it is looked at what was read */
    struct queue filled;
    _Atomic uint64_t seen; /* so that looking is not left out */
    _Atomic uint64_t next_read;
    _Atomic uint64_t next_write;
    _Atomic int error;
    bool direct;
};

enum role { READS, WRITES, LOOKS };

struct raw_thread {
    struct raw *raw;
    pthread_t thread;
    uint32_t place; /* a reader's own, where nobody looks; a writer's */
    enum role role;
};

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Carries one request out, in as many calls as it takes. */
static bool transfer(int fd, unsigned char *buffer, uint64_t bytes, uint64_t offset, bool writes)
{
    while (bytes > 0) {
        const ssize_t done = writes ? pwrite(fd, buffer, (size_t)bytes, (off_t)offset)
                                    : pread(fd, buffer, (size_t)bytes, (off_t)offset);

        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            errno = done == 0 ? EIO : errno;
            return false;
        }
        buffer += done;
        offset += (uint64_t)done;
        bytes -= (uint64_t)done;
    }
    return true;
}

static uint64_t length_at(const struct raw *raw, uint64_t size, uint64_t offset)
{
    return size - offset < raw->request_bytes ? size - offset : raw->request_bytes;
}

/* ---- Places ---- */

static unsigned char *writer_place(const struct raw *raw, uint32_t place)
{
    return raw->buffers + place * raw->request_bytes;
}

static unsigned char *reader_place(const struct raw *raw, uint32_t place)
{
    return raw->buffers + (WRITERS + place) * raw->request_bytes;
}

static void queue_init(struct queue *queue)
{
    memset(queue, 0, sizeof(*queue));
    (void)pthread_mutex_init(&queue->mutex, NULL);
    (void)pthread_cond_init(&queue->changed, NULL);
}

static void queue_put(struct queue *queue, uint32_t place)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->places[(queue->first + queue->count) % PLACES] = place;
    queue->count++;
    (void)pthread_cond_signal(&queue->changed);
    (void)pthread_mutex_unlock(&queue->mutex);
}

/* Waits for a place; false when there is none and none will come. */
static bool queue_take(struct queue *queue, uint32_t *ret_place)
{
    bool found;

    (void)pthread_mutex_lock(&queue->mutex);
    while (queue->count == 0 && !queue->closed) {
        (void)pthread_cond_wait(&queue->changed, &queue->mutex);
    }
    found = queue->count > 0;
    if (found) {
        *ret_place = queue->places[queue->first];
        queue->first = (queue->first + 1) % PLACES;
        queue->count--;
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return found;
}

static void queue_close(struct queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->changed);
    (void)pthread_mutex_unlock(&queue->mutex);
}

/* ---- Threads ---- */

static void look_at_some(struct raw_thread *self)
{
    struct raw *raw = self->raw;
    uint64_t seen = 0;
    uint32_t place;

    while (queue_take(&raw->filled, &place)) {
        const uint64_t *words = (const uint64_t *)(const void *)reader_place(raw, place);

        for (uint64_t i = 0; i < raw->request_bytes / sizeof(*words); i += LINE_WORDS) {
            seen += words[i];
        }
        queue_put(&raw->unused, place);
    }
    atomic_fetch_add(&raw->seen, seen);
}

static void write_some(struct raw_thread *self)
{
    struct raw *raw = self->raw;

    for (;;) {
        const uint64_t offset = atomic_fetch_add(&raw->next_write, 1) * raw->request_bytes;

        if (offset >= raw->written_bytes || atomic_load(&raw->error) != 0) {
            return;
        }
        if (!transfer(raw->target, writer_place(raw, self->place),
                      length_at(raw, raw->written_bytes, offset), offset, true)) {
            atomic_store(&raw->error, errno);
        }
    }
}

/* All files go forward together, as in a merge. */
static void read_some(struct raw_thread *self)
{
    struct raw *raw = self->raw;

    for (;;) {
        const uint64_t index = atomic_fetch_add(&raw->next_read, 1);
        const uint64_t offset = index / raw->file_count * raw->request_bytes;
        uint32_t place = self->place;

        if (offset >= raw->file_bytes || atomic_load(&raw->error) != 0 ||
            (raw->looks && !queue_take(&raw->unused, &place))) {
            return;
        }
        if (!transfer(raw->files[index % raw->file_count], reader_place(raw, place),
                      length_at(raw, raw->file_bytes, offset), offset, false)) {
            atomic_store(&raw->error, errno);
        }
        if (raw->looks) {
            queue_put(&raw->filled, place);
        }
    }
}

static void *run_thread(void *context)
{
    struct raw_thread *self = context;

    switch (self->role) {
    case READS:
        read_some(self);
        break;
    case WRITES:
        write_some(self);
        break;
    case LOOKS:
        look_at_some(self);
        break;
    }
    return NULL;
}

static uint32_t start_threads(struct raw *raw, enum role role, uint32_t count,
                              struct raw_thread *threads)
{
    for (uint32_t i = 0; i < count; i++) {
        int problem;

        threads[i] = (struct raw_thread){.raw = raw, .place = i, .role = role};
        problem = pthread_create(&threads[i].thread, NULL, run_thread, &threads[i]);
        if (problem != 0) {
            atomic_store(&raw->error, problem);
            return i;
        }
    }
    return count;
}

static void join_threads(const struct raw_thread *threads, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i].thread, NULL);
    }
}

/* Reads everything once; the last pass writes as well. */
static void run_pass(struct raw *raw, bool writes)
{
    struct raw_thread lookers[LOOKERS];
    struct raw_thread readers[READERS];
    struct raw_thread writers[WRITERS];
    uint32_t looker_count = 0;
    uint32_t reader_count;
    uint32_t writer_count;

    atomic_store(&raw->next_read, 0);
    if (raw->looks) {
        queue_init(&raw->unused);
        queue_init(&raw->filled);
        for (uint32_t i = 0; i < PLACES; i++) {
            queue_put(&raw->unused, i);
        }
        looker_count = start_threads(raw, LOOKS, LOOKERS, lookers);
    }
    reader_count = start_threads(raw, READS, READERS, readers);
    writer_count = writes ? start_threads(raw, WRITES, WRITERS, writers) : 0;
    join_threads(readers, reader_count);
    join_threads(writers, writer_count);
    if (raw->looks) {
        queue_close(&raw->filled);
        join_threads(lookers, looker_count);
    }
}

/* Direct where the file system takes it; some take the flag and refuse the read. */
static int open_input(struct raw *raw, const char *name)
{
    int fd = openat(raw->bench->folder, name, O_RDONLY | O_CLOEXEC | O_DIRECT);

    if (fd >= 0 && pread(fd, raw->buffers, (size_t)BENCH_ALIGN, 0) < 0 && errno == EINVAL) {
        (void)close(fd);
        fd = -1;
        errno = EINVAL;
    }
    if (fd < 0 && errno == EINVAL) {
        raw->direct = false;
        fd = openat(raw->bench->folder, name, O_RDONLY | O_CLOEXEC);
    }
    return fd;
}

static int open_target(struct raw *raw)
{
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
    int fd = openat(raw->bench->folder, target_name, flags | (raw->direct ? O_DIRECT : 0), 0666);

    if (fd < 0 && errno == EINVAL) {
        raw->direct = false;
        fd = openat(raw->bench->folder, target_name, flags, 0666);
    }
    return fd;
}

/* One mapping, aligned to huge pages and touched before the clock starts. */
static unsigned char *make_buffers(const struct raw *raw)
{
    const uint64_t bytes =
        (WRITERS + (uint64_t)(raw->looks ? PLACES : READERS)) * raw->request_bytes;
    unsigned char *area = mmap(NULL, (size_t)(bytes + HUGE_BYTES), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED) {
        return NULL;
    }
    area += (HUGE_BYTES - (uintptr_t)area % HUGE_BYTES) % HUGE_BYTES;
    (void)madvise(area, (size_t)bytes, MADV_HUGEPAGE);
    memset(area, 1, (size_t)bytes);
    return area;
}

static int measure(struct raw *raw, double *ret_seconds)
{
    const double start = now();

    if (fallocate(raw->target, 0, 0, (off_t)raw->written_bytes) != 0 && errno == ENOSPC) {
        return errno;
    }
    for (uint32_t pass = 1; pass <= raw->job->passes; pass++) {
        run_pass(raw, pass == raw->job->passes);
    }
    if (atomic_load(&raw->error) == 0 && fsync(raw->target) != 0) {
        return errno;
    }
    *ret_seconds = now() - start;
    return atomic_load(&raw->error);
}

/* In a process of its own; what it opened and mapped goes with it. */
static void work(const void *context, void *result)
{
    struct raw raw = *(const struct raw *)context;
    struct raw_found *found = result;
    const uint32_t first = raw.job->with_base ? 0 : 1;

    found->error = ENOMEM;
    raw.buffers = make_buffers(&raw);
    raw.files = calloc(raw.file_count, sizeof(*raw.files));
    if (raw.buffers == NULL || raw.files == NULL) {
        free(raw.files);
        return;
    }
    for (uint32_t i = 0; i < raw.file_count; i++) {
        char name[BENCH_NAME_MAX];

        bench_model_name(first + i, name, sizeof(name));
        raw.files[i] = open_input(&raw, name);
        if (raw.files[i] < 0) {
            found->error = errno;
            free(raw.files);
            return;
        }
    }
    raw.target = open_target(&raw);
    found->error = raw.target < 0 ? errno : measure(&raw, &found->seconds);
    found->direct = raw.direct;
    free(raw.files);
}

uint64_t bench_raw_request_bytes(const struct bench_job *job)
{
    return job->raw_way == BENCH_RAW_SHORT ? REQUEST_BYTES_MAX / 2 : REQUEST_BYTES_MAX;
}

onefold_status bench_raw(const struct bench *bench, const struct bench_group *group,
                         const struct bench_job *job, struct bench_run *ret_run, onefold_error *err)
{
    struct raw raw = {.bench = bench,
                      .job = job,
                      .request_bytes = bench_raw_request_bytes(job),
                      .looks = job->raw_way == BENCH_RAW_LOOKED_AT,
                      .file_count = group->model_count + (job->with_base ? 1 : 0),
                      .file_bytes = group->model_bytes,
                      .written_bytes =
                          (job->written_bytes + BENCH_ALIGN - 1) / BENCH_ALIGN * BENCH_ALIGN,
                      .direct = true};
    struct raw_found found = {.seconds = 0};
    struct bench_child child;
    onefold_status status = bench_fork(bench, work, &raw, &found, sizeof(found), &child, err);

    bench_remove(bench, target_name);
    if (status != ONEFOLD_OK) {
        return status;
    }
    if (child.code != 0 || found.error != 0) {
        errno = child.code != 0 ? EIO : found.error;
        return bench_failed(err, "run", "the raw limit");
    }
    ret_run->seconds = found.seconds;
    ret_run->cpu_seconds = child.cpu_seconds;
    ret_run->peak_bytes = child.peak_bytes;
    ret_run->read_bytes = raw.file_bytes * raw.file_count * job->passes;
    ret_run->written_bytes = raw.written_bytes;
    ret_run->direct = found.direct;
    return ONEFOLD_OK;
}
