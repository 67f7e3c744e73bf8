/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel bench names every kernel under every instruction set of this CPU. How fast they are is
 * not asserted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kern/cpu.h"
#include "kern/kern.h"
#include "onefold/bench.h"

enum { KERNELS = 6 + 6 + 3 + 18 };

struct seen {
    uint64_t row_count;
    uint64_t scalar_count;
    uint64_t bad_count;
    uint64_t fused_count;
};

static void see(void *context, const onefold_bench_row *row)
{
    struct seen *seen = context;

    seen->row_count++;
    seen->scalar_count += strcmp(row->isa, "scalar") == 0 ? 1 : 0;
    seen->fused_count += strcmp(row->kernel, "sum_bf16") == 0 ? 1 : 0;
    seen->bad_count += row->bytes < 65536 || !(row->best_ns > 0) ? 1 : 0;
}

static void test_rows(void **state)
{
    struct seen seen = {0};
    uint64_t isa_count = 0;
    onefold_error err;

    (void)state;
    for (uint64_t i = 0; i < of_kern_isa_count(); i++) {
        isa_count += (of_kern_isa_at(i)->cpu_bits & ~of_cpu_bits()) == 0 ? 1 : 0;
    }
    assert_int_equal(onefold_bench_kernels(1, see, &seen, &err), ONEFOLD_OK);
    assert_int_equal(seen.scalar_count, KERNELS);
    assert_int_equal(seen.row_count, KERNELS * isa_count);
    assert_int_equal(seen.fused_count, isa_count);
    assert_int_equal(seen.bad_count, 0);
}

static void test_refusals(void **state)
{
    struct seen seen = {0};
    onefold_error err;

    (void)state;
    assert_int_equal(onefold_bench_kernels(0, see, &seen, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_bench_kernels(1, NULL, &seen, &err), ONEFOLD_E_ARGUMENT);
    assert_int_equal(onefold_bench_kernels(1, NULL, &seen, NULL), ONEFOLD_E_ARGUMENT);
    assert_int_equal(seen.row_count, 0);
}

static void test_host(void **state)
{
    (void)state;
    assert_true(onefold_host_cpu_count() >= 1);
    assert_true(onefold_host_memory_limit() > 0);
    assert_true(onefold_host_memory_peak() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
