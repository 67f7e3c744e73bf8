/* SPDX-License-Identifier: Apache-2.0 */
/* The crew: every item comes back, in a clean floating-point environment and with signals blocked.
 */
#include "sys/crew.h"

#include "base/mem.h"
#include "support/skip.h"
#include "sys/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <fenv.h>
#include <float.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { WORKERS = 3, ITEMS = 500, SCRATCH_BYTES = 128 };

struct item {
    uint8_t *scratch;
    int times;
    float tiny; /* half of the smallest normal number: zero under flush-to-zero */
    float third;
    sigset_t blocked;
};

static float smallest = FLT_MIN;
static float one = 1.0F;

static void work(void *context, void *item_pointer, void *scratch)
{
    struct item *item = item_pointer;
    volatile float tiny = smallest;
    volatile float third = one;

    atomic_fetch_add((atomic_int *)context, 1);
    tiny = tiny * 0.5F;
    third = third / 3.0F;
    item->tiny = tiny;
    item->third = third;
    item->scratch = scratch;
    item->times++;
    memset(scratch, 0xAB, SCRATCH_BYTES);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &item->blocked);
}

static atomic_int done_calls;

static void done(void *context)
{
    (void)context;
    atomic_fetch_add(&done_calls, 1);
}

/* Gives the first ones of these to a crew, and takes them all back. */
static void do_items(struct of_crew *crew, struct item *items, size_t count)
{
    size_t taken = 0;

    for (size_t i = 0; i < count; i++) {
        of_crew_give(crew, 0, &items[i]);
    }
    while (taken < count) {
        if (of_crew_take(crew) != NULL) {
            taken++;
        } else {
            of_clock_sleep_ns(100000);
        }
    }
}

/* What a careless host program does. */
static void spoil_float(void)
{
    (void)fesetround(FE_UPWARD);
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
}

static void test_items_come_back(void **state)
{
    static struct item items[ITEMS];
    static atomic_int work_calls;
    static _Alignas(64) uint8_t scratch[WORKERS * SCRATCH_BYTES];
    const struct of_crew_options options = {.worker_count = WORKERS,
                                            .item_count = ITEMS,
                                            .work = work,
                                            .done = done,
                                            .context = &work_calls,
                                            .scratch = scratch,
                                            .scratch_bytes = SCRATCH_BYTES};
    struct of_crew crew;
    onefold_error err;
    fenv_t own;
    onefold_status status;

    (void)state;
    assert_int_equal(fegetenv(&own), 0);
    spoil_float();
    status = of_crew_init(&crew, &options, &err);
    (void)fesetenv(&own);
    assert_int_equal(status, ONEFOLD_OK);
    assert_int_equal(crew.thread_count, WORKERS);
    assert_null(of_crew_take(&crew));
    do_items(&crew, items, ITEMS);
    of_crew_finish(&crew);
    assert_int_equal(atomic_load(&work_calls), ITEMS);
    assert_int_equal(atomic_load(&done_calls), ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(items[i].times, 1);
        assert_true(items[i].scratch >= scratch && items[i].scratch < scratch + sizeof(scratch));
        assert_int_equal((items[i].scratch - scratch) % SCRATCH_BYTES, 0);
        assert_true(items[i].tiny > 0.0F);
        assert_true(items[i].third == one / 3.0F);
        assert_true(sigismember(&items[i].blocked, SIGINT) == 1);
        assert_true(sigismember(&items[i].blocked, SIGTERM) == 1);
        assert_true(sigismember(&items[i].blocked, SIGBUS) == 0);
        assert_true(sigismember(&items[i].blocked, SIGABRT) == 1);
    }
}

static void test_finish_processes_what_is_queued(void **state)
{
    static struct item items[ITEMS];
    static atomic_int work_calls;
    static _Alignas(64) uint8_t scratch[SCRATCH_BYTES];
    const struct of_crew_options options = {.worker_count = 1,
                                            .item_count = ITEMS,
                                            .work = work,
                                            .context = &work_calls,
                                            .scratch = scratch,
                                            .scratch_bytes = SCRATCH_BYTES};
    struct of_crew crew;
    onefold_error err;

    (void)state;
    assert_int_equal(of_crew_init(&crew, &options, &err), ONEFOLD_OK);
    for (size_t i = 0; i < ITEMS; i++) {
        of_crew_give(&crew, 0, &items[i]);
    }
    of_crew_finish(&crew);
    assert_int_equal(atomic_load(&work_calls), ITEMS);
    of_crew_finish(&crew); /* finished is fine */
}

/* An item goes to a worker of its group, and to its group's scratch. Groups without a worker are
 * served by those that have some. */
static void test_groups(void **state)
{
    enum { GROUPS = 3, EACH = 2, GROUP_BYTES = EACH * SCRATCH_BYTES + 64 };
    static _Alignas(64) uint8_t scratch[GROUPS * GROUP_BYTES];

    (void)state;
    for (uint32_t workers = 1; workers <= GROUPS * EACH; workers++) {
        static struct item items[ITEMS];
        static atomic_int work_calls;
        const uint32_t served = workers < GROUPS ? workers : GROUPS;
        const struct of_crew_options options = {.worker_count = workers,
                                                .group_count = GROUPS,
                                                .item_count = ITEMS,
                                                .work = work,
                                                .context = &work_calls,
                                                .scratch = scratch,
                                                .scratch_bytes = SCRATCH_BYTES,
                                                .group_bytes = GROUP_BYTES};
        struct of_crew crew;
        onefold_error err;

        memset(items, 0, sizeof(items));
        atomic_store(&work_calls, 0);
        assert_int_equal(of_crew_init(&crew, &options, &err), ONEFOLD_OK);
        for (uint32_t i = 0; i < ITEMS; i++) {
            of_crew_give(&crew, i % GROUPS, &items[i]);
        }
        of_crew_finish(&crew);
        assert_int_equal(atomic_load(&work_calls), ITEMS);
        for (uint32_t i = 0; i < ITEMS; i++) {
            const uint64_t at = (uint64_t)(items[i].scratch - scratch);

            assert_int_equal(items[i].times, 1);
            assert_int_equal(at / GROUP_BYTES, i % GROUPS % served);
            assert_int_equal(at % GROUP_BYTES % SCRATCH_BYTES, 0);
            assert_true(at % GROUP_BYTES < EACH * SCRATCH_BYTES);
        }
    }
}

/* What a worker had done when an errand came to it. */
struct errand_log {
    atomic_int *work_calls;
    atomic_int calls;
    atomic_int items_before; /* the last errand */
};

static void run_errand(void *context)
{
    struct errand_log *log = context;

    atomic_store(&log->items_before, atomic_load(log->work_calls));
    atomic_fetch_add(&log->calls, 1);
}

/* Holds the one worker until it may go on. */
static void wait_for(void *context)
{
    while (!atomic_load((atomic_bool *)context)) {
        of_clock_sleep_ns(100000);
    }
}

/* Errands come before the items that wait, none is lost at the end, and none comes back. */
static void test_errands(void **state)
{
    enum { ERRANDS = 3 };
    static struct item items[ITEMS];
    static atomic_int work_calls;
    static atomic_bool may_go;
    static _Alignas(64) uint8_t scratch[SCRATCH_BYTES];
    const struct of_crew_options options = {.worker_count = 1,
                                            .item_count = ITEMS,
                                            .errand_count = ERRANDS,
                                            .work = work,
                                            .context = &work_calls,
                                            .scratch = scratch,
                                            .scratch_bytes = SCRATCH_BYTES};
    struct errand_log log = {.work_calls = &work_calls};
    struct of_errand held = {.fn = wait_for, .context = &may_go};
    struct of_errand errands[ERRANDS - 1];
    struct of_crew crew;
    onefold_error err;

    (void)state;
    assert_int_equal(of_crew_init(&crew, &options, &err), ONEFOLD_OK);
    of_crew_send(&crew, 0, &held);
    for (size_t i = 0; i < ITEMS; i++) {
        of_crew_give(&crew, 0, &items[i]);
    }
    for (size_t i = 0; i < OF_LENGTH(errands); i++) {
        errands[i] = (struct of_errand){.fn = run_errand, .context = &log};
        of_crew_send(&crew, 0, &errands[i]);
    }
    atomic_store(&may_go, true);
    of_crew_finish(&crew);
    assert_int_equal(atomic_load(&log.calls), ERRANDS - 1);
    assert_int_equal(atomic_load(&log.items_before), 0);
    assert_int_equal(atomic_load(&work_calls), ITEMS);
}

enum { SLOW_NS = 200000 };

/* How many workers are to meet in items of theirs, and how many are there. */
static atomic_int meeting_size;
static atomic_int met_count;

/* Takes a while, so that others are free for the next item; as long as it takes in a meeting. */
static void work_slowly(void *context, void *item, void *scratch)
{
    of_clock_sleep_ns(SLOW_NS);
    atomic_fetch_add(&met_count, 1);
    while (atomic_load(&met_count) < atomic_load(&meeting_size)) {
        of_clock_sleep_ns(SLOW_NS);
    }
    work(context, item, scratch);
}

/* Ends only where each of the workers takes an item. */
static void meet(struct of_crew *crew, struct item *items)
{
    atomic_store(&met_count, 0);
    atomic_store(&meeting_size, WORKERS);
    do_items(crew, items, WORKERS);
    atomic_store(&meeting_size, 0);
}

static uint32_t count_of_others(const struct item *items, const uint8_t *scratch)
{
    uint32_t count = 0;

    for (size_t i = 0; i < ITEMS; i++) {
        count += items[i].scratch != scratch;
    }
    return count;
}

static void start_slow_crew(struct of_crew *crew, atomic_int *work_calls, uint8_t *scratch)
{
    const struct of_crew_options options = {.worker_count = WORKERS,
                                            .item_count = ITEMS,
                                            .work = work_slowly,
                                            .context = work_calls,
                                            .scratch = scratch,
                                            .scratch_bytes = SCRATCH_BYTES};
    onefold_error err;

    assert_int_equal(of_crew_init(crew, &options, &err), ONEFOLD_OK);
}

/* One works alone, but for the item that each of the others was waiting for; then all do; and those
 * that wait do not keep the crew from its end. */
static void test_some_are_used(void **state)
{
    static struct item items[ITEMS];
    static atomic_int work_calls;
    static _Alignas(64) uint8_t scratch[WORKERS * SCRATCH_BYTES];
    struct of_crew crew;

    (void)state;
    start_slow_crew(&crew, &work_calls, scratch);
    of_crew_use(&crew, 1);
    do_items(&crew, items, ITEMS);
    assert_in_range(count_of_others(items, scratch), 0, WORKERS - 1);
    of_crew_use(&crew, WORKERS);
    meet(&crew, items);
    of_crew_use(&crew, 1);
    do_items(&crew, items, ITEMS);
    assert_in_range(count_of_others(items, scratch), 0, WORKERS - 1);
    of_crew_finish(&crew);
    assert_int_equal(atomic_load(&work_calls), 2 * ITEMS + WORKERS);
    assert_true(atomic_load(&crew.busy_ns) >= UINT64_C(2) * ITEMS * SLOW_NS);
}

/* Those that are not used until the end are idle until the end. */
static void test_unused_are_idle(void **state)
{
    static struct item items[ITEMS];
    static atomic_int work_calls;
    static _Alignas(64) uint8_t scratch[WORKERS * SCRATCH_BYTES];
    struct of_crew crew;
    uint64_t alone_ns;

    (void)state;
    start_slow_crew(&crew, &work_calls, scratch);
    meet(&crew, items); /* all are there */
    alone_ns = of_clock_ns();
    of_crew_use(&crew, 1);
    do_items(&crew, items, ITEMS);
    alone_ns = of_clock_ns() - alone_ns;
    of_crew_finish(&crew);
    assert_true(atomic_load(&crew.busy_ns) + crew.idle_ns >= (WORKERS - 1) * alone_ns);
}

static void test_signals_are_restored(void **state)
{
    const struct of_crew_options options = {.worker_count = 1, .item_count = 1, .work = work};
    struct of_crew crew;
    onefold_error err;
    sigset_t mask;

    (void)state;
    assert_int_equal(of_crew_init(&crew, &options, &err), ONEFOLD_OK);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    assert_int_equal(sigismember(&mask, SIGINT), 0);
    of_crew_finish(&crew);
}

static void test_no_memory(void **state)
{
    const struct of_crew_options options = {.worker_count = 2, .item_count = 2, .work = work};
    struct of_crew crew;
    onefold_error err;

    (void)state;
    for (uint64_t nth = 1; nth <= 5; nth++) {
        of_mem_fail_at(nth, false);
        assert_int_equal(of_crew_init(&crew, &options, &err), ONEFOLD_E_MEMORY);
        assert_string_equal(err.id, "memory");
    }
    of_mem_fail_at(0, false);
}

/* A user who may start no thread. */
static int few_threads(void)
{
    const struct of_crew_options options = {.worker_count = 64, .item_count = 1, .work = work};
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};
    struct of_crew crew;
    struct of_thread thread;
    onefold_error err;

    if (setrlimit(RLIMIT_NPROC, &none) != 0 ||
        (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0)) {
        return 77;
    }
    if (of_crew_init(&crew, &options, &err) == ONEFOLD_OK) {
        return 77; /* a privileged user is not limited */
    }
    if (strcmp(err.id, "thread") != 0 || err.sys_errno == 0) {
        return 1;
    }
    return of_thread_start(&thread, done, NULL, &err) == ONEFOLD_OK ? 2 : 0;
}

static void test_thread_limit(void **state)
{
    const pid_t child = fork();
    int result = 0;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        _exit(few_threads());
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) {
        SKIP_TEST("the limit of threads does not hold here");
    }
    assert_int_equal(WEXITSTATUS(result), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_come_back),
        cmocka_unit_test(test_finish_processes_what_is_queued),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_errands),
        cmocka_unit_test(test_some_are_used),
        cmocka_unit_test(test_unused_are_idle),
        cmocka_unit_test(test_signals_are_restored),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_thread_limit),
    };

    return cmocka_run_group_tests_name("sys_crew", tests, NULL, NULL);
}
