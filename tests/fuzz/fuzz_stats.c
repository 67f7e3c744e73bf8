/* SPDX-License-Identifier: Apache-2.0 */
/* Saved statistics: what is accepted is whole, finite and symmetric, and is written as it was read.
 */
#include "driver.h"

#include "base/check.h"
#include "base/limits.h"
#include "fmt/stats_file.h"

#include <math.h>
#include <string.h>

#define ARENA_BYTES (4 * OF_MIB)

static void check_stats(const struct of_stats_file *stats, struct of_arena *arena)
{
    const uint64_t count = stats->input_count;
    struct of_stats_file *again = NULL;
    struct of_text text = {0};
    onefold_error err;

    of_assert(count > 0 && count <= OF_INPUTS_MAX);
    for (uint64_t i = 0; i < count * count; i++) {
        of_assert(isfinite(stats->gram[i]));
        of_assert(memcmp(&stats->gram[i], &stats->gram[i % count * count + i / count],
                         sizeof(stats->gram[i])) == 0);
    }
    of_stats_emit(stats, &text);
    of_assert(!text.failed);
    if (of_stats_parse((struct of_str){text.data, text.length}, arena, &again, &err) ==
        ONEFOLD_OK) {
        of_assert(again->input_count == count);
        of_assert(memcmp(again->gram, stats->gram, count * count * sizeof(double)) == 0);
        of_assert(memcmp(again->inputs, stats->inputs, count * sizeof(stats->inputs[0])) == 0);
    } else {
        of_assert(err.status == ONEFOLD_E_MEMORY);
    }
    of_text_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct of_stats_file *stats = NULL;
    struct of_arena arena;
    onefold_error err;

    of_arena_init(&arena, ARENA_BYTES);
    if (of_stats_parse((struct of_str){(const char *)data, size}, &arena, &stats, &err) ==
        ONEFOLD_OK) {
        check_stats(stats, &arena);
    } else {
        of_assert(stats == NULL && err.message[0] != '\0');
        of_assert(!of_str_has_control(of_str_from(err.message)));
    }
    of_arena_finish(&arena);
    return 0;
}
