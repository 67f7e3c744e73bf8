/* SPDX-License-Identifier: Apache-2.0 */
/*
 * onefold bench DIR: how fast the disk under DIR reads and writes, and how fast a whole merge of
 * generated checkpoints runs there, cold and from the page cache, with the share of time that each
 * part waited, so that the slow one is named. Works in DIR/onefold-bench.XXXXXX and removes it.
 */
#include "exit.h"
#include "verbs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MODEL_COUNT = 4, NAME_BYTES_MAX = 32, HEADER_ALIGN = 4096 };

/* One weight matrix of a middling model, in bf16. */
#define TENSOR_BYTES  (UINT64_C(32) << 20)
#define CHUNK_BYTES   (UINT64_C(8) << 20)
#define SIZE_STANDARD UINT64_C(1000000000)
#define SIZE_MAX_SANE (UINT64_C(1) << 42)

static const char *const model_names[MODEL_COUNT] = {"base.safetensors", "tuned-1.safetensors",
                                                     "tuned-2.safetensors", "tuned-3.safetensors"};

struct bench {
    struct out *out;
    const struct opts *opts;
    const onefold_cancel *cancel;
    char path[4096]; /* the folder of our own */
    int folder;      /* its descriptor */
    unsigned char *chunk;
    uint64_t data_bytes; /* of one model */
    double write_speed;  /* GB/s */
    double read_speed;
    uint64_t result_count;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static double speed_since(uint64_t start, uint64_t bytes)
{
    const uint64_t spent = now_ns() - start;

    return spent > 0 ? (double)bytes / (double)spent : 0.0;
}

static onefold_status failed(onefold_error *err, const char *what, const char *name)
{
    const int error = errno;

    return exit_set(err, ONEFOLD_E_IO, error == ENOSPC ? "space-run" : "output-io",
                    "look at the disk, or choose a smaller --size", "bench: %s %s: %s", what,
                    onefold_text_show(name, strlen(name)).text, strerror(error));
}

static onefold_status check_cancel(const struct bench *bench, onefold_error *err)
{
    if (bench->cancel->signal_number != 0) {
        return exit_set(err, ONEFOLD_E_CANCELLED, "cancelled", NULL, "stopped by signal %d",
                        bench->cancel->signal_number);
    }
    return ONEFOLD_OK;
}

/* ---- Making and removing files ---- */

static void remove_files(int folder)
{
    const int copy = dup(folder);
    DIR *names = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *entry;

    if (names == NULL) {
        if (copy >= 0) {
            (void)close(copy);
        }
        return;
    }
    rewinddir(names);
    while ((entry = readdir(names)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(folder, entry->d_name, 0);
        }
    }
    (void)closedir(names);
}

static void remove_folder(int parent, const char *name)
{
    const int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder >= 0) {
        remove_files(folder);
        (void)close(folder);
        (void)unlinkat(parent, name, AT_REMOVEDIR);
    }
}

/* bf16 numbers between about 2^-15 and 2, of both signs: finite, and so are their sums. */
static void fill_chunk(unsigned char *chunk, uint64_t bytes, uint64_t seed)
{
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

    for (uint64_t i = 0; i + sizeof(state) <= bytes; i += sizeof(state)) {
        uint64_t word;

        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word = (state & UINT64_C(0x87ff87ff87ff87ff)) | UINT64_C(0x3800380038003800);
        memcpy(chunk + i, &word, sizeof(word));
    }
}

/* Length, JSON, spaces: the data starts at a multiple of HEADER_ALIGN. */
static bool make_header(const struct bench *bench, char **ret_header, size_t *ret_bytes)
{
    FILE *to = open_memstream(ret_header, ret_bytes);
    uint64_t offset = 0;
    uint64_t length;
    long at;

    if (to == NULL) {
        return false;
    }
    (void)fwrite("\0\0\0\0\0\0\0\0{", 1, 9, to);
    for (unsigned i = 0; offset < bench->data_bytes; i++) {
        const uint64_t left = bench->data_bytes - offset;
        const uint64_t bytes = left < TENSOR_BYTES ? left : TENSOR_BYTES;
        const uint64_t elems = bytes / sizeof(uint16_t);
        const uint64_t end = offset + bytes;

        (void)fprintf(to,
                      "%s\"model.layers.%u.mlp.weight\":{\"dtype\":\"BF16\",\"shape\":[%llu],"
                      "\"data_offsets\":[%llu,%llu]}",
                      i > 0 ? "," : "", i, (unsigned long long)elems, (unsigned long long)offset,
                      (unsigned long long)end);
        offset = end;
    }
    (void)putc('}', to);
    at = ftell(to);
    for (; at % HEADER_ALIGN != 0; at++) {
        (void)putc(' ', to);
    }
    if (fclose(to) != 0) {
        free(*ret_header);
        return false;
    }
    length = *ret_bytes - sizeof(length);
    memcpy(*ret_header, &length, sizeof(length));
    return true;
}

static bool write_all(int fd, const void *from, uint64_t bytes)
{
    const char *at = from;

    while (bytes > 0) {
        const ssize_t written = write(fd, at, (size_t)bytes);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            errno = written == 0 ? EIO : errno;
            return false;
        }
        at += written;
        bytes -= (uint64_t)written;
    }
    return true;
}

static onefold_status write_data(const struct bench *bench, int fd, const char *name,
                                 onefold_error *err)
{
    for (uint64_t done = 0; done < bench->data_bytes;) {
        const uint64_t left = bench->data_bytes - done;
        const uint64_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        if (check_cancel(bench, err) != ONEFOLD_OK) {
            return err->status;
        }
        if (!write_all(fd, bench->chunk, bytes)) {
            return failed(err, "write", name);
        }
        done += bytes;
    }
    return fdatasync(fd) == 0 ? ONEFOLD_OK : failed(err, "sync", name);
}

static onefold_status make_model(struct bench *bench, uint32_t index, onefold_error *err)
{
    const char *name = model_names[index];
    char *header = NULL;
    size_t header_bytes = 0;
    const int fd = openat(bench->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    onefold_status status = ONEFOLD_OK;
    uint64_t start;
    double speed;

    if (fd < 0) {
        return failed(err, "create", name);
    }
    fill_chunk(bench->chunk, CHUNK_BYTES, index + 1);
    if (!make_header(bench, &header, &header_bytes)) {
        (void)close(fd);
        return exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "bench: no memory for a header");
    }
    start = now_ns();
    if (!write_all(fd, header, header_bytes)) {
        status = failed(err, "write", name);
    }
    free(header);
    if (status == ONEFOLD_OK) {
        status = write_data(bench, fd, name, err);
    }
    speed = speed_since(start, bench->data_bytes);
    bench->write_speed = speed > bench->write_speed ? speed : bench->write_speed;
    (void)close(fd);
    return status;
}

/* ---- Measuring ---- */

/* Reads the file once, past the page cache where the file system allows it. */
static onefold_status read_model(struct bench *bench, const char *name, int direct,
                                 double *ret_speed, onefold_error *err)
{
    int fd = direct ? openat(bench->folder, name, O_RDONLY | O_CLOEXEC | O_DIRECT) : -1;
    uint64_t done = 0;
    uint64_t start;

    if (fd < 0) {
        fd = openat(bench->folder, name, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        return failed(err, "open", name);
    }
    if (direct) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    start = now_ns();
    for (;;) {
        const ssize_t got = read(fd, bench->chunk, CHUNK_BYTES);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            (void)failed(err, "read", name);
            (void)close(fd);
            return err->status;
        }
        if (got == 0 || check_cancel(bench, err) != ONEFOLD_OK) {
            break;
        }
        done += (uint64_t)got;
    }
    *ret_speed = speed_since(start, done);
    (void)close(fd);
    return check_cancel(bench, err);
}

static void drop_cache(const struct bench *bench)
{
    for (uint32_t i = 0; i < MODEL_COUNT; i++) {
        const int fd = openat(bench->folder, model_names[i], O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
            (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
            (void)close(fd);
        }
    }
}

static onefold_status plan_merge(const struct bench *bench, onefold_recipe **ret_recipe,
                                 onefold_plan **ret_plan, onefold_error *err)
{
    onefold_plan_options options;
    char *text = NULL;
    size_t length = 0;
    FILE *to = open_memstream(&text, &length);
    onefold_status status;

    if (to == NULL) {
        return exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "bench: no memory for a recipe");
    }
    (void)fputs("merge_method: task_arithmetic\nparameters: {weight: 1, lambda: 0.4}\n", to);
    for (uint32_t i = 0; i < MODEL_COUNT; i++) {
        char path[sizeof(bench->path) + NAME_BYTES_MAX];

        (void)snprintf(path, sizeof(path), "%s/%s", bench->path, model_names[i]);
        (void)fputs(i == 0 ? "base_model: {model: {path: " : "  - model: {model: {path: ", to);
        out_json_text(to, path, strlen(path));
        (void)fputs(i == 0 ? "}}\nmodels:\n" : "}}\n", to);
    }
    (void)fclose(to);
    status = onefold_recipe_parse(text, length, "(bench)", out_notice, bench->out, ret_recipe, err);
    free(text);
    if (status != ONEFOLD_OK) {
        return status;
    }
    onefold_plan_options_init(&options);
    options.memory_bytes = bench->opts->memory.value;
    options.worker_count = planning_threads(bench->opts);
    options.io = planning_io(bench->opts);
    options.direct = planning_direct(bench->opts);
    options.notice = out_notice;
    options.notice_context = bench->out;
    return onefold_plan_build(*ret_recipe, &options, ret_plan, err);
}

/* What the run mostly waited for. */
static const char *slow_part(const onefold_run_stats *stats)
{
    if ((double)stats->hash_busy_ns > 0.85 * (double)stats->wall_ns) {
        return "whole-file sums";
    }
    if ((double)stats->io_wait_ns > 0.5 * (double)stats->wall_ns) {
        return "disk";
    }
    return "workers and control thread";
}

static void print_run(struct bench *bench, const char *cache, const onefold_run_stats *stats)
{
    const double seconds = (double)stats->wall_ns / 1e9;
    const double speed =
        seconds > 0 ? ((double)stats->read_bytes + (double)stats->written_bytes) / seconds / 1e9
                    : 0;

    if (bench->out->json) {
        (void)fprintf(out_data(bench->out),
                      "%s{\"cache\":\"%s\",\"io\":\"%s\",\"cpu\":\"%s\",\"bytes_read\":%llu,"
                      "\"bytes_written\":%llu,\"seconds\":%.6f,\"gb_per_s\":%.3f,"
                      "\"io_wait_seconds\":%.6f,\"worker_idle_seconds\":%.6f,"
                      "\"hash_busy_seconds\":%.6f,\"cpu_seconds\":%.6f,"
                      "\"slow\":\"%s\"}",
                      bench->result_count++ > 0 ? "," : "", cache, stats->io, stats->cpu,
                      (unsigned long long)stats->read_bytes,
                      (unsigned long long)stats->written_bytes, seconds, speed,
                      (double)stats->io_wait_ns / 1e9, (double)stats->worker_idle_ns / 1e9,
                      (double)stats->hash_busy_ns / 1e9, stats->cpu_seconds, slow_part(stats));
        return;
    }
    printf("merge, %s cache   %8.2f GB/s, %s read, %s written in %.2f s (%s, %s)\n", cache, speed,
           out_bytes(stats->read_bytes).text, out_bytes(stats->written_bytes).text, seconds,
           stats->io, stats->cpu);
    printf("    blocked on I/O %.2f s, workers idle %.2f s, hash thread busy %.2f s; slow: %s\n",
           (double)stats->io_wait_ns / 1e9, (double)stats->worker_idle_ns / 1e9,
           (double)stats->hash_busy_ns / 1e9, slow_part(stats));
}

/* Best of two: the first run also pays for the disk's own housekeeping. */
static onefold_status measure_merge(struct bench *bench, const onefold_plan *plan, int warm,
                                    onefold_error *err)
{
    char target[sizeof(bench->path) + NAME_BYTES_MAX];
    onefold_run_options options;
    onefold_run_stats best;
    onefold_run_stats stats;
    onefold_status status = ONEFOLD_OK;
    double ignored;

    memset(&best, 0, sizeof(best));
    (void)snprintf(target, sizeof(target), "%s/out", bench->path);
    planning_run_options(bench->opts, bench->out, &options);
    options.cancel = bench->cancel;
    for (int i = 0; i < 2; i++) {
        if (!warm) {
            drop_cache(bench);
        }
        for (uint32_t m = 0; warm && status == ONEFOLD_OK && m < MODEL_COUNT; m++) {
            status = read_model(bench, model_names[m], 0, &ignored, err);
        }
        if (status == ONEFOLD_OK) {
            status = onefold_run(plan, target, &options, &stats, err);
        }
        remove_folder(bench->folder, "out");
        if (status != ONEFOLD_OK) {
            return status;
        }
        if (i == 0 || stats.wall_ns < best.wall_ns) {
            best = stats;
        }
    }
    print_run(bench, warm ? "warm" : "cold", &best);
    return ONEFOLD_OK;
}

static onefold_status measure(struct bench *bench, onefold_error *err)
{
    onefold_recipe *recipe = NULL;
    onefold_plan *plan = NULL;
    onefold_status status = ONEFOLD_OK;

    for (uint32_t i = 0; status == ONEFOLD_OK && i < MODEL_COUNT; i++) {
        status = make_model(bench, i, err);
    }
    if (status == ONEFOLD_OK) {
        status = read_model(bench, model_names[0], 1, &bench->read_speed, err);
    }
    if (status != ONEFOLD_OK) {
        return status;
    }
    if (bench->out->json) {
        (void)fprintf(out_data(bench->out),
                      ",\"disk\":{\"write_gb_per_s\":%.3f,\"read_gb_per_s\":%.3f},\"pipeline\":[",
                      bench->write_speed, bench->read_speed);
    } else {
        printf("\ndisk write, synced  %8.2f GB/s\ndisk read, direct   %8.2f GB/s\n",
               bench->write_speed, bench->read_speed);
    }
    status = plan_merge(bench, &recipe, &plan, err);
    for (int warm = 0; status == ONEFOLD_OK && warm < 2; warm++) {
        status = measure_merge(bench, plan, warm, err);
    }
    if (bench->out->json) {
        (void)putc(']', out_data(bench->out));
    }
    onefold_plan_free(plan);
    onefold_recipe_free(recipe);
    return status;
}

onefold_status bench_pipeline(const char *dir, const struct opts *opts, struct out *out,
                              onefold_error *err)
{
    const uint64_t size = opts->size.given ? opts->size.value : SIZE_STANDARD;
    struct bench bench = {.out = out, .opts = opts, .folder = -1};
    onefold_status status;

    if (size < CHUNK_BYTES * 2 * MODEL_COUNT || size > SIZE_MAX_SANE) {
        return exit_set(err, ONEFOLD_E_ARGUMENT, "usage-value", NULL,
                        "--size: from 64MiB to 4TiB for bench");
    }
    bench.data_bytes = size / MODEL_COUNT / HEADER_ALIGN * HEADER_ALIGN;
    if (snprintf(bench.path, sizeof(bench.path), "%s/onefold-bench.XXXXXX", dir) >=
            (int)sizeof(bench.path) ||
        mkdtemp(bench.path) == NULL) {
        return failed(err, "make a folder in", dir);
    }
    bench.cancel = exit_listen();
    bench.folder = open(bench.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bench.chunk =
        mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bench.folder < 0 || bench.chunk == MAP_FAILED) {
        status = failed(err, "open", bench.path);
    } else {
        status = measure(&bench, err);
    }
    if (bench.chunk != MAP_FAILED) {
        (void)munmap(bench.chunk, CHUNK_BYTES);
    }
    if (bench.folder >= 0) {
        remove_files(bench.folder);
        (void)close(bench.folder);
    }
    (void)rmdir(bench.path);
    return status;
}
