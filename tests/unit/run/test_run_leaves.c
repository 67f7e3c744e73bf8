/* SPDX-License-Identifier: Apache-2.0 */
/* The file of leaves: the same bytes and sums whatever lane writes which part when. */
#include "run/leaves.h"

#include "support/prng.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { COUNT = 20000, PARTS = 5, LANES = 3, ROUNDS = 20 };

static struct of_digest leaves_of_all[COUNT];

/* Five shards of unequal size; three lanes take them one after the other, in pieces. */
static void add_all(struct of_leaves *leaves, struct prng *prng)
{
    static const uint64_t starts[PARTS + 1] = {0, 1, 3000, 4024, 15000, COUNT};
    uint64_t at[LANES] = {0};
    uint64_t end[LANES] = {0};
    uint32_t taken = 0;
    uint64_t left = COUNT;
    onefold_error err;

    while (left > 0) {
        const uint32_t lane = (uint32_t)prng_below(prng, LANES);
        uint64_t count;

        if (at[lane] == end[lane] && taken < PARTS) {
            at[lane] = starts[taken];
            end[lane] = starts[taken + 1];
            taken++;
        }
        count = prng_between(prng, 0, 2500);
        count = count < end[lane] - at[lane] ? count : end[lane] - at[lane];
        assert_int_equal(
            of_leaves_add(leaves, lane, at[lane], &leaves_of_all[at[lane]], count, &err),
            ONEFOLD_OK);
        at[lane] += count;
        left -= count;
    }
}

static void any_order_makes_the_same_file(void **state)
{
    struct tmpdir dir = tmpdir_make();
    struct tmpdir_name path = tmpdir_join(dir.path, "onefold.leaves");
    const int folder = open(dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct prng prng = prng_make(prng_seed(1));
    struct of_sha256_digest sha256;
    struct of_digest xxh128;

    (void)state;
    prng_fill(&prng, leaves_of_all, sizeof(leaves_of_all));
    assert_true(of_hash_sha256(leaves_of_all, sizeof(leaves_of_all), &sha256));
    xxh128 = of_hash_xxh128(leaves_of_all, sizeof(leaves_of_all));
    assert_true(folder >= 0);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct of_arena arena;
        struct of_leaves leaves;
        struct of_out_file file;
        onefold_error err;
        size_t length;
        char *bytes;

        of_arena_init(&arena, 0);
        assert_int_equal(
            of_leaves_init(&leaves, folder, OF_SUM_SHA256 | OF_SUM_XXH128, LANES, &arena, &err),
            ONEFOLD_OK);
        assert_int_equal(of_leaves_begin(&leaves, &err), ONEFOLD_OK);
        add_all(&leaves, &prng);
        assert_int_equal(of_leaves_end(&leaves, &file, &err), ONEFOLD_OK);
        of_leaves_finish(&leaves);
        of_arena_finish(&arena);
        bytes = tmpdir_read(path.text, &length);
        assert_int_equal(length, sizeof(leaves_of_all));
        assert_int_equal(file.size_bytes, sizeof(leaves_of_all));
        assert_memory_equal(bytes, leaves_of_all, sizeof(leaves_of_all));
        assert_memory_equal(&file.hashes.sha256, &sha256, sizeof(sha256));
        assert_memory_equal(&file.hashes.xxh128, &xxh128, sizeof(xxh128));
        free(bytes);
        assert_int_equal(unlink(path.text), 0);
    }
    (void)close(folder);
    tmpdir_remove(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_makes_the_same_file),
    };

    return cmocka_run_group_tests_name("run_leaves", tests, NULL, NULL);
}
