/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of onefold bench and the checkpoints in it: a base with normally distributed weights
 * and models a little away from it, as fine-tunes are. One pool of numbers is drawn per model;
 * every chunk written is that pool with other low bits, so that no two chunks are alike and writing
 * keeps up with the disk. Needs the memory of two chunks, whatever the size.
 */
#include "bench.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define CHUNK_BYTES   (UINT64_C(4) << 20)
/* For headers, small files of the output and what a file system keeps for itself. */
#define ROOM_BYTES    (UINT64_C(16) << 20)
/* Spread of the weights, and of what a fine-tune adds, as of a trained model. */
#define WEIGHT_SPREAD 0.02F
#define DELTA_SPREAD  0.001F

enum { HEADER_TEXT_MAX = 256 };

onefold_status bench_failed(onefold_error *err, const char *what, const char *name)
{
    const int error = errno;

    return exit_set(err, ONEFOLD_E_IO, error == ENOSPC ? "space-run" : "output-io",
                    "look at the disk, or choose a smaller --size", "bench: %s %s: %s", what,
                    onefold_text_show(name, strlen(name)).text, strerror(error));
}

onefold_status bench_check_cancel(const struct bench *bench, onefold_error *err)
{
    if (bench->cancel->signal_number != 0) {
        return exit_set(err, ONEFOLD_E_CANCELLED, "cancelled", NULL, "stopped by signal %d",
                        bench->cancel->signal_number);
    }
    return ONEFOLD_OK;
}

void bench_model_name(uint32_t index, char *ret_name, size_t size)
{
    if (index == 0) {
        (void)snprintf(ret_name, size, "base.safetensors");
    } else {
        (void)snprintf(ret_name, size, "tuned-%u.safetensors", index);
    }
}

/* ---- The folder ---- */

static onefold_status check_room(const struct bench *bench, const char *dir, onefold_error *err)
{
    const uint64_t need = bench->wish.size_bytes + 2 * bench->model_bytes + ROOM_BYTES;
    struct statvfs about;
    uint64_t have;

    if (statvfs(dir, &about) != 0) {
        return bench_failed(err, "look at", dir);
    }
    have = (uint64_t)about.f_bavail * about.f_frsize;
    if (have < need) {
        return exit_set(err, ONEFOLD_E_SPACE, "space-before",
                        "nothing was written; make room there, or choose a smaller --size",
                        "bench: %s needed in %s for inputs and outputs, %s free",
                        out_bytes(need).text, onefold_text_show(dir, strlen(dir)).text,
                        out_bytes(have).text);
    }
    return ONEFOLD_OK;
}

onefold_status bench_folder_make(struct bench *bench, const char *dir, onefold_error *err)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < bench->wish.model_count; i++) {
        most = bench->wish.models[i] > most ? bench->wish.models[i] : most;
    }
    bench->folder = -1;
    bench->files = most + 1;
    bench->model_bytes = bench->wish.size_bytes / bench->files / BENCH_ALIGN * BENCH_ALIGN;
    if (check_room(bench, dir, err) != ONEFOLD_OK) {
        return err->status;
    }
    if (snprintf(bench->path, sizeof(bench->path), "%s/onefold-bench.XXXXXX", dir) >=
            (int)sizeof(bench->path) ||
        mkdtemp(bench->path) == NULL) {
        bench->path[0] = '\0';
        return bench_failed(err, "make a folder in", dir);
    }
    bench->folder = open(bench->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return bench->folder >= 0 ? ONEFOLD_OK : bench_failed(err, "open", bench->path);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *place)
{
    (void)about;
    (void)type;
    (void)place;
    (void)remove(path);
    return 0;
}

static void remove_tree(const char *path)
{
    enum { OPEN_FOLDERS_MAX = 8 };

    (void)nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
}

void bench_remove(const struct bench *bench, const char *name)
{
    char path[sizeof(bench->path) + BENCH_NAME_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", bench->path, name);
    remove_tree(path);
}

void bench_folder_remove(struct bench *bench)
{
    if (bench->path[0] != '\0') {
        remove_tree(bench->path);
        bench->path[0] = '\0';
    }
    if (bench->folder >= 0) {
        (void)close(bench->folder);
        bench->folder = -1;
    }
}

/* ---- Numbers ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* About normal with a spread of 1: a sum of four even ones. */
static float next_normal(uint64_t *state)
{
    const uint64_t word = next_random(state);
    const float sum = (float)(word & 0xffff) + (float)(word >> 16 & 0xffff) +
                      (float)(word >> 32 & 0xffff) + (float)(word >> 48);

    return (sum - 131070.0F) / 37837.0F;
}

static uint16_t to_bf16(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* For numbers well below 65504; what f16 has no full precision for becomes its least ordinary
 * number. */
static uint16_t to_f16(float value)
{
    uint32_t bits;
    uint32_t size;

    memcpy(&bits, &value, sizeof(bits));
    size = bits & 0x7fffffff;
    if (size < 0x38800000) {
        size = 0x38800000;
    }
    size = (size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13;
    return (uint16_t)((bits >> 16 & 0x8000) | size);
}

/* The pool of a model; index 0 is the base. */
static void fill_pool(unsigned char *pool, onefold_dtype dtype, uint32_t index)
{
    const size_t elem_bytes = dtype == ONEFOLD_DTYPE_F32 ? 4 : 2;
    uint64_t base_state = UINT64_C(88172645463325252);
    uint64_t own_state = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < CHUNK_BYTES / elem_bytes; i++) {
        float value = next_normal(&base_state) * WEIGHT_SPREAD;
        uint16_t half;

        if (index > 0) {
            value += next_normal(&own_state) * DELTA_SPREAD;
        }
        if (dtype == ONEFOLD_DTYPE_F32) {
            memcpy(pool + i * 4, &value, 4);
            continue;
        }
        half = dtype == ONEFOLD_DTYPE_BF16 ? to_bf16(value) : to_f16(value);
        memcpy(pool + i * 2, &half, 2);
    }
}

/* Changes the lowest bits only, the same ones in every model: numbers stay what they were, and
 * fine-tunes near their base. */
static void fill_chunk(unsigned char *chunk, const unsigned char *pool, onefold_dtype dtype,
                       uint64_t number)
{
    const uint64_t mask = dtype == ONEFOLD_DTYPE_BF16  ? UINT64_C(0x0003000300030003)
                          : dtype == ONEFOLD_DTYPE_F16 ? UINT64_C(0x001f001f001f001f)
                                                       : UINT64_C(0x00000fff00000fff);
    uint64_t state = (number + 1) * UINT64_C(0xd1342543de82ef95);

    for (size_t i = 0; i < CHUNK_BYTES; i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, pool + i, sizeof(word));
        word ^= next_random(&state) & mask;
        memcpy(chunk + i, &word, sizeof(word));
    }
}

/* ---- Files ---- */

static const char *header_dtype(onefold_dtype dtype)
{
    return dtype == ONEFOLD_DTYPE_BF16 ? "BF16" : dtype == ONEFOLD_DTYPE_F16 ? "F16" : "F32";
}

/* Length, JSON, spaces: the data starts at a multiple of BENCH_ALIGN. */
static bool write_header(const struct bench *bench, int fd, onefold_dtype dtype)
{
    const uint64_t elem_bytes = dtype == ONEFOLD_DTYPE_F32 ? 4 : 2;
    const int copy = dup(fd);
    FILE *to = copy >= 0 ? fdopen(copy, "w") : NULL;
    uint64_t offset = 0;
    uint64_t length = 9;
    bool good;

    if (to == NULL) {
        if (copy >= 0) {
            (void)close(copy);
        }
        return false;
    }
    (void)fwrite("\0\0\0\0\0\0\0\0{", 1, 9, to);
    for (unsigned i = 0; offset < bench->model_bytes; i++) {
        const uint64_t left = bench->model_bytes - offset;
        const uint64_t bytes = left < bench->wish.tensor_bytes ? left : bench->wish.tensor_bytes;
        const uint64_t end = offset + bytes;
        char text[HEADER_TEXT_MAX];
        const int used = snprintf(
            text, sizeof(text),
            "%s\"model.layers.%u.mlp.weight\":{\"dtype\":\"%s\",\"shape\":[%llu],"
            "\"data_offsets\":[%llu,%llu]}",
            i > 0 ? "," : "", i, header_dtype(dtype), (unsigned long long)(bytes / elem_bytes),
            (unsigned long long)offset, (unsigned long long)end);

        (void)fwrite(text, 1, (size_t)used, to);
        length += (uint64_t)used;
        offset = end;
    }
    (void)putc('}', to);
    for (length++; length % BENCH_ALIGN != 0; length++) {
        (void)putc(' ', to);
    }
    length -= sizeof(length);
    good = fflush(to) == 0 && pwrite(fd, &length, sizeof(length), 0) == (ssize_t)sizeof(length);
    return fclose(to) == 0 && good;
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

static onefold_status write_data(const struct bench *bench, int fd, onefold_dtype dtype,
                                 unsigned char *area, const char *name, onefold_error *err)
{
    for (uint64_t done = 0; done < bench->model_bytes;) {
        const uint64_t left = bench->model_bytes - done;
        const uint64_t bytes = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        if (bench_check_cancel(bench, err) != ONEFOLD_OK) {
            return err->status;
        }
        fill_chunk(area + CHUNK_BYTES, area, dtype, done / CHUNK_BYTES);
        if (!write_all(fd, area + CHUNK_BYTES, bytes)) {
            return bench_failed(err, "write", name);
        }
        done += bytes;
    }
    return fsync(fd) == 0 ? ONEFOLD_OK : bench_failed(err, "sync", name);
}

static onefold_status make_model(const struct bench *bench, uint32_t index, onefold_dtype dtype,
                                 unsigned char *area, onefold_error *err)
{
    char name[BENCH_NAME_MAX];
    onefold_status status;
    int fd;

    bench_model_name(index, name, sizeof(name));
    bench_remove(bench, name);
    fd = openat(bench->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        return bench_failed(err, "create", name);
    }
    fill_pool(area, dtype, index);
    status = write_header(bench, fd, dtype) ? write_data(bench, fd, dtype, area, name, err)
                                            : bench_failed(err, "write", name);
    (void)close(fd);
    return status;
}

onefold_status bench_make_models(struct bench *bench, onefold_dtype dtype, onefold_error *err)
{
    /* A mapping and not the heap: a process that this one starts must not count it as its own. */
    unsigned char *area =
        mmap(NULL, CHUNK_BYTES * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    onefold_status status = ONEFOLD_OK;

    if (area == MAP_FAILED) {
        return exit_set(err, ONEFOLD_E_MEMORY, "memory", NULL, "bench: no memory for a chunk");
    }
    for (uint32_t i = 0; status == ONEFOLD_OK && i < bench->files; i++) {
        status = make_model(bench, i, dtype, area, err);
    }
    (void)munmap(area, CHUNK_BYTES * 2);
    return status;
}
