/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer: every seed of the folders named, then so many mutations of
 * them, the same for one seed number. usage: fuzz_TARGET [-n COUNT] FOLDER...
 * What breaks is named by file, number of the mutation and seed, and so can be run again.
 */
#include "driver.h"

#include "support/prng.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEEDS_MAX = 4096, SEED_BYTES_MAX = 1 << 20, COUNT_STANDARD = 3000, CHANGES_MAX = 6 };

struct seed {
    char *name;
    uint8_t *data;
    size_t size;
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;

/* What runs now, ready to be written by a signal handler. */
static char now[512];

static void on_crash(int number)
{
    ssize_t ignored = write(STDERR_FILENO, now, strlen(now));

    (void)ignored;
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void add_seed(const char *folder, const char *name)
{
    char path[4096];
    struct stat info;
    struct seed *seed;
    size_t got = 0;
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path) ||
        seed_count == SEEDS_MAX) {
        return;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
        info.st_size > SEED_BYTES_MAX) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    seed = &seeds[seed_count++];
    seed->name = strdup(path);
    seed->size = (size_t)info.st_size;
    seed->data = malloc(seed->size + 1);
    while (seed->data != NULL && got < seed->size) {
        ssize_t length = read(fd, seed->data + got, seed->size - got);

        if (length <= 0) {
            break;
        }
        got += (size_t)length;
    }
    (void)close(fd);
    if (seed->name == NULL || seed->data == NULL || got != seed->size) {
        (void)fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct seed *)a)->name, ((const struct seed *)b)->name);
}

static void add_folder(const char *folder)
{
    DIR *listing = opendir(folder);

    if (listing == NULL) {
        (void)fprintf(stderr, "cannot open %s\n", folder);
        exit(1);
    }
    for (;;) {
        const struct dirent *entry = readdir(listing);

        if (entry == NULL) {
            break;
        }
        add_seed(folder, entry->d_name);
    }
    (void)closedir(listing);
}

/* A copy of just the right size, so that a sanitizer sees every byte read too far. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);

    if (exact == NULL) {
        (void)fprintf(stderr, "no memory\n");
        exit(1);
    }
    if (size > 0) {
        memcpy(exact, data, size);
    }
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static size_t remove_range(struct prng *prng, uint8_t *data, size_t size)
{
    size_t from = (size_t)prng_below(prng, size);
    size_t length = (size_t)prng_between(prng, 1, size - from < 16 ? size - from : 16);

    memmove(data + from, data + from + length, size - from - length);
    return size - length;
}

static size_t insert_range(struct prng *prng, uint8_t *data, size_t size, const uint8_t *from,
                           size_t from_size)
{
    size_t at = (size_t)prng_below(prng, size + 1);
    size_t start = (size_t)prng_below(prng, from_size);
    size_t length = (size_t)prng_between(prng, 1, from_size - start < 24 ? from_size - start : 24);

    memmove(data + at + length, data + at, size - at);
    memcpy(data + at, from + start, length);
    return size + length;
}

/* One change in place; `data` has room for 64 bytes more than `size`. */
static size_t change(struct prng *prng, uint8_t *data, size_t size)
{
    static const uint8_t tokens[] = "{}[]\",:\\\\u0000\\ud8000-1.5e99NaN~*&!|>%#<<: \t\r\n"
                                    "9223372036854775808281474976710656__metadata__"
                                    "\"data_offsets\"null\xff\xc0\xe2\x80\xae\xf0\x9f\x98\x80";
    size_t at = size > 0 ? (size_t)prng_below(prng, size) : 0;

    if (size == 0) {
        return insert_range(prng, data, size, tokens, sizeof(tokens) - 1);
    }
    switch (prng_below(prng, 6)) {
    case 0:
        data[at] ^= (uint8_t)(1u << prng_below(prng, 8));
        return size;
    case 1:
        data[at] = (uint8_t)prng_next(prng);
        return size;
    case 2:
        return remove_range(prng, data, size);
    case 3: {
        const struct seed *other = &seeds[prng_below(prng, seed_count)];

        return other->size > 0 ? insert_range(prng, data, size, other->data, other->size) : size;
    }
    case 4:
        return prng_below(prng, 4) == 0 ? at : size; /* cut off, now and then */
    default:
        return insert_range(prng, data, size, tokens, sizeof(tokens) - 1);
    }
}

static void run_mutations(uint64_t seed_number, uint64_t count)
{
    uint8_t *data = malloc(SEED_BYTES_MAX + 64 * CHANGES_MAX);

    if (data == NULL) {
        (void)fprintf(stderr, "no memory\n");
        exit(1);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct prng prng = prng_make(seed_number + i * UINT64_C(0x9e3779b97f4a7c15));
        const struct seed *seed = &seeds[prng_below(&prng, seed_count)];
        size_t size = seed->size;
        uint64_t changes = prng_between(&prng, 1, CHANGES_MAX);

        (void)snprintf(now, sizeof(now), "mutation %llu of %s, ONEFOLD_SEED=%llu\n",
                       (unsigned long long)i, seed->name, (unsigned long long)seed_number);
        memcpy(data, seed->data, size);
        for (uint64_t k = 0; k < changes; k++) {
            size = change(&prng, data, size);
        }
        run(data, size);
    }
    free(data);
}

int main(int argc, char **argv)
{
    uint64_t count = COUNT_STANDARD;
    uint64_t seed_number = prng_seed(1);
    int option;

    while ((option = getopt(argc, argv, "n:")) != -1) {
        if (option != 'n') {
            return 2;
        }
        count = strtoull(optarg, NULL, 10);
    }
    for (int i = optind; i < argc; i++) {
        add_folder(argv[i]);
    }
    if (seed_count == 0) {
        (void)fprintf(stderr, "usage: fuzz_TARGET [-n COUNT] FOLDER...\n");
        return 2;
    }
    qsort(seeds, seed_count, sizeof(seeds[0]), by_name);
    (void)signal(SIGABRT, on_crash);
    (void)signal(SIGSEGV, on_crash);
    (void)signal(SIGBUS, on_crash);
    for (size_t i = 0; i < seed_count; i++) {
        (void)snprintf(now, sizeof(now), "seed file %s\n", seeds[i].name);
        run(seeds[i].data, seeds[i].size);
    }
    run(NULL, 0);
    run_mutations(seed_number, count);
    printf("%zu seed files, %llu mutations\n", seed_count, (unsigned long long)count);
    for (size_t i = 0; i < seed_count; i++) {
        free(seeds[i].name);
        free(seeds[i].data);
    }
    return 0;
}
