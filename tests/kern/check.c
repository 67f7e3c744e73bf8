/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver: tests times instruction sets, as TAP.
 *
 *     check_kern [--list] [--test NAME] [--isa NAME] [--seed N] [--bench]
 */
#include "check.h"

#include "base/attr.h"
#include "exact.h"
#include "kern/cpu.h"
#include "onefold/bench.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PATTERN = 0xa5, AROUND = 256, FAILURES_SHOWN = 10, LONG_CASES = 60, BENCH_REPEATS = 200 };

struct test {
    const char *name;
    check_fn *fn;
};

static const struct test tests[] = {
    {"unpack", check_unpack},     {"pack", check_pack},         {"fold", check_fold},
    {"sum", check_sum},           {"subtract", check_subtract}, {"order", check_order},
    {"products", check_products}, {"stats", check_stats},       {"votes", check_votes},
    {"near", check_near},         {"finish", check_finish},     {"nonfinite", check_nonfinite},
    {"hash", check_hash},
};

/* Entries that the tests above cover, in their order; a new kernel needs a check first. */
enum { COVERED = 3 * ONEFOLD_DTYPE_COUNT + 4 + 2 + 1 + 2 + 1 + 2 + 1 + 3 + 1 + 4 };
_Static_assert(sizeof(struct of_kern) == COVERED * sizeof(void (*)(void)),
               "every kernel has a check");

/* Written before each call, read by the handler of a crash. */
static char doing[160];

static void on_crash(int number)
{
    static const char text[] = "Bail out! touched memory outside the arrays in ";

    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ||
        write(STDOUT_FILENO, doing, strlen(doing)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0) {
        _exit(1);
    }
    _exit(128 + number);
}

void check_doing(const char *what, size_t length, size_t place)
{
    (void)snprintf(doing, sizeof(doing), "%s, %zu elements, placement %zu", what, length, place);
}

void check_fail(struct check *check, const char *format, ...)
{
    va_list args;

    check->failure_count++;
    if (check->failure_count > FAILURES_SHOWN) {
        return;
    }
    printf("# ");
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
}

static struct check_area make_area(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *map = mmap(NULL, CHECK_AREA_BYTES + 2 * page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map == MAP_FAILED || mprotect(map, page, PROT_NONE) != 0 ||
        mprotect(map + page + CHECK_AREA_BYTES, page, PROT_NONE) != 0) {
        perror("check_kern: mmap");
        exit(1);
    }
    return (struct check_area){map + page};
}

static size_t bounded(size_t value, size_t bound)
{
    return value < bound ? value : bound;
}

uint8_t *check_put(const struct check_area *area, size_t bytes, size_t place)
{
    uint8_t *end = area->data + CHECK_AREA_BYTES;
    uint8_t *at = place == CHECK_AT_END ? end - bytes : area->data + place;
    size_t before = bounded((size_t)(at - area->data), AROUND);
    size_t after = bounded((size_t)(end - at) - bytes, AROUND);

    memset(at - before, PATTERN, before + bytes + after);
    return at;
}

bool check_around(const struct check_area *area, const void *array, size_t bytes)
{
    const uint8_t *at = array;
    const uint8_t *end = area->data + CHECK_AREA_BYTES;
    size_t before = bounded((size_t)(at - area->data), AROUND);
    size_t after = bounded((size_t)(end - at) - bytes, AROUND);

    for (size_t i = 0; i < before; i++) {
        if (at[-(ptrdiff_t)i - 1] != PATTERN) {
            return false;
        }
    }
    for (size_t i = 0; i < after; i++) {
        if (at[bytes + i] != PATTERN) {
            return false;
        }
    }
    return true;
}

uint32_t check_bits(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

float check_float(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool check_same_value(float a, float b)
{
    return check_bits(a) == check_bits(b) || (isnan(a) && isnan(b));
}

bool check_same(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!check_same_value(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

/* At, just below or just above half way between two neighbours of a narrow type. */
static float near_tie(struct prng *prng)
{
    const struct exact_type *type = exact_type_at(prng_below(prng, exact_type_count()));
    uint32_t magnitude = (uint32_t)prng_below(prng, (uint64_t)type->top);
    float value = (float)exact_midpoint(type, magnitude);
    uint32_t bits = check_bits(value) + (uint32_t)prng_below(prng, 3) - 1;

    return check_float(bits | (uint32_t)prng_below(prng, 2) << 31);
}

float check_value(struct prng *prng)
{
    static const uint32_t edges[] = {
        0x00000000, 0x00000001, 0x00000002, 0x007fffff, 0x00800000, 0x00800001, 0x3f800000,
        0x3f7fffff, 0x3f800001, 0x7f7fffff, 0x7f7f8000, 0x7f7f7fff, 0x7f800000, 0x7f800001,
        0x7fbfffff, 0x7fc00000, 0x7fc12345, 0x7fffffff, 0x477fe000, 0x477fefff, 0x477ff000,
        0x43e00000, 0x43e80000, 0x43e80001, 0x43f00000, 0x47600000, 0x47700000, 0x476fffff,
        0x33000000, 0x33000001, 0x38800000, 0x387fffff, 0x37800000, 0x3a800000, 0x3c800000,
    };
    uint64_t draw = prng_below(prng, 100);

    if (draw < 20) {
        return check_float(edges[prng_below(prng, OF_LENGTH(edges))] | (uint32_t)prng_below(prng, 2)
                                                                           << 31);
    }
    if (draw < 40) {
        return near_tie(prng);
    }
    if (draw < 60) {
        return check_float((uint32_t)prng_next(prng));
    }
    return (float)(prng_bell(prng) * 0.03);
}

void check_values(struct prng *prng, float *to, size_t count)
{
    /* Some arrays of ordinary numbers only: there the rare branches are not taken. */
    bool plain = prng_below(prng, 4) == 0;

    for (size_t i = 0; i < count; i++) {
        to[i] = plain ? (float)prng_bell(prng) : check_value(prng);
    }
}

float check_weight(struct prng *prng)
{
    static const float weights[] = {1.0F, 0.5F, 0.1F, -0.3F, 0.0F, 3.0F, 1.0e-20F, 1.0e20F};
    uint64_t draw = prng_below(prng, OF_LENGTH(weights) + 4);

    return draw < OF_LENGTH(weights) ? weights[draw] : (float)prng_bell(prng);
}

void check_each(struct check *check, check_case_fn *fn, void *context)
{
    for (size_t length = 0; length <= CHECK_SHORT_MAX; length++) {
        for (size_t place = 0; place < CHECK_PLACE_COUNT; place++) {
            fn(check, length, place, context);
        }
    }
    for (size_t i = 0; i < LONG_CASES; i++) {
        size_t length = prng_between(&check->prng, CHECK_SHORT_MAX + 1, CHECK_ELEMS_MAX);

        fn(check, length, prng_below(&check->prng, CHECK_PLACE_COUNT), context);
    }
}

/* --- Running --- */

struct options {
    bool list;
    bool bench;
    const char *test;
    const char *isa;
    uint64_t seed;
};

static void *get_memory(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

    if (memory == NULL) {
        perror("check_kern");
        exit(1);
    }
    memset(memory, 0, (bytes + 63) / 64 * 64);
    return memory;
}

static bool run_test(struct check *check, const struct test *test, const struct options *options)
{
    check->failure_count = 0;
    check->prng = prng_make(options->seed);
    test->fn(check);
    if (check->failure_count > 0) {
        printf("# %llu failures in all; repeat with --seed %llu\n",
               (unsigned long long)check->failure_count, (unsigned long long)options->seed);
    }
    return check->failure_count == 0;
}

static int run_all(const struct options *options)
{
    struct of_kern law;
    struct of_kern kern;
    struct check check = {.law = &law, .kern = &kern};
    unsigned number = 0;
    bool good = true;

    (void)of_kern_init(&law, "scalar");
    for (size_t i = 0; i < OF_LENGTH(check.area); i++) {
        check.area[i] = make_area();
        check.values[i] = get_memory((CHECK_ELEMS_MAX + 64) * sizeof(float));
    }
    check.codes = get_memory((CHECK_ELEMS_MAX + 64) * sizeof(double));
    for (uint64_t row = 0; row < of_kern_isa_count(); row++) {
        const char *isa = of_kern_isa_at(row)->name;
        const char *used = of_kern_init(&kern, isa);
        bool have = used != NULL && strcmp(used, isa) == 0;

        for (size_t t = 0; t < OF_LENGTH(tests); t++) {
            if ((options->isa != NULL && strcmp(options->isa, isa) != 0) ||
                (options->test != NULL && strcmp(options->test, tests[t].name) != 0)) {
                continue;
            }
            number++;
            if (!have) {
                printf("ok %u - %s %s # SKIP not on this CPU\n", number, isa, tests[t].name);
            } else if (run_test(&check, &tests[t], options)) {
                printf("ok %u - %s %s\n", number, isa, tests[t].name);
            } else {
                printf("not ok %u - %s %s\n", number, isa, tests[t].name);
                good = false;
            }
            (void)fflush(stdout);
        }
    }
    printf("1..%u\n", number);
    for (size_t i = 0; i < OF_LENGTH(check.values); i++) {
        free(check.values[i]);
    }
    free(check.codes);
    return good && number > 0 ? 0 : 1;
}

static void print_row(void *context, const onefold_bench_row *row)
{
    const struct options *options = context;

    if (options->isa == NULL || strcmp(options->isa, row->isa) == 0) {
        printf("%-20s %-8s %8.2f GB/s\n", row->kernel, row->isa, (double)row->bytes / row->best_ns);
    }
}

static int run_bench(struct options *options)
{
    onefold_error err;

    if (onefold_bench_kernels(BENCH_REPEATS, print_row, options, &err) != ONEFOLD_OK) {
        (void)fprintf(stderr, "check_kern: %s [%s]\n", err.message, err.id);
        return 1;
    }
    return 0;
}

static int usage(void)
{
    (void)fputs("usage: check_kern [--list] [--test NAME] [--isa NAME] [--seed N] [--bench]\n",
                stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct options options = {.seed = 1};

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (strcmp(word, "--list") == 0) {
            options.list = true;
        } else if (strcmp(word, "--bench") == 0) {
            options.bench = true;
        } else if (strcmp(word, "--test") == 0 && i + 1 < argc) {
            options.test = argv[++i];
        } else if (strcmp(word, "--isa") == 0 && i + 1 < argc) {
            options.isa = argv[++i];
        } else if (strcmp(word, "--seed") == 0 && i + 1 < argc) {
            options.seed = strtoull(argv[++i], NULL, 10);
        } else {
            return usage();
        }
    }
    if (options.list) {
        for (size_t t = 0; t < OF_LENGTH(tests); t++) {
            printf("%s\n", tests[t].name);
        }
        return 0;
    }
    if (options.bench) {
        return run_bench(&options);
    }
    (void)signal(SIGSEGV, on_crash);
    (void)signal(SIGBUS, on_crash);
    (void)signal(SIGILL, on_crash);
    return run_all(&options);
}
