/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of descriptions made for the test, and that advice which cannot be followed does no harm.
 */
#include "sys/node.h"

#include "base/limits.h"
#include "support/skip.h"
#include "support/tmpdir.h"
#include "sys/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A CPU list for node `id`, and, once, which nodes there may be. */
static void describe(const char *folder, uint32_t id, const char *list)
{
    static const char all[] = "0-4,6-63\n";
    char path[TMPDIR_PATH_MAX + 64];

    (void)snprintf(path, sizeof(path), "%s/has_cpu", folder);
    tmpdir_write(path, all, strlen(all));
    (void)snprintf(path, sizeof(path), "%s/node%u", folder, id);
    assert_int_equal(mkdir(path, 0777), 0);
    (void)snprintf(path, sizeof(path), "%s/node%u/cpulist", folder, id);
    tmpdir_write(path, list, strlen(list));
}

/* The first CPU that this thread may use, and the second, or -1. */
static void find_own(int *ret_first, int *ret_second)
{
    cpu_set_t own;

    *ret_first = -1;
    *ret_second = -1;
    if (sched_getaffinity(0, sizeof(own), &own) != 0) {
        return;
    }
    for (int cpu = 0; cpu < CPU_SETSIZE && *ret_second < 0; cpu++) {
        if (CPU_ISSET((size_t)cpu, &own)) {
            *(*ret_first < 0 ? ret_first : ret_second) = cpu;
        }
    }
}

static void test_lists(void **state)
{
    /* A CPU of ours between the two, where `after` is not NULL. */
    static const struct {
        const char *before;
        const char *after;
        bool has_us;
    } rows[] = {
        {"", "", true},
        {"", "\n", true},
        {"0-8191\n", NULL, true},
        {"8000,0-4095\n", NULL, true},
        {"99999999999,", "\n", true},
        {"\n", NULL, false},
        {"", NULL, false},
        {"8191\n", NULL, false},
        {"-3\n", NULL, false},
        {"5-2\n", NULL, false},
        {"x", "\n", false},
        {"8191-,", "\n", false},
        {"8191 ", "\n", false},
        {"8190-999999999999999999999\n", NULL, false},
    };
    int first;
    int second;

    (void)state;
    find_own(&first, &second);
    if (first < 0) {
        SKIP_TEST("CPUs of this machine cannot be told");
    }
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct tmpdir dir = tmpdir_make();
        struct of_nodes nodes;
        char list[128];

        if (rows[i].after != NULL) {
            (void)snprintf(list, sizeof(list), "%s%d%s", rows[i].before, first, rows[i].after);
        } else {
            (void)snprintf(list, sizeof(list), "%s", rows[i].before);
        }
        describe(dir.path, 3, list);
        of_nodes_find(&nodes, dir.path);
        if (nodes.count != (rows[i].has_us ? 1 : 0) || (nodes.count == 1 && nodes.ids[0] != 3)) {
            fail_msg("row %zu: \"%s\": %u nodes", i, list, nodes.count);
        }
        tmpdir_remove(&dir);
    }
}

struct entered {
    const struct of_nodes *nodes;
    uint32_t index;
    bool done;
    int cpu; /* the only one of the thread, or -1 */
};

static void enter(void *context)
{
    struct entered *entered = context;
    cpu_set_t own;

    entered->done = of_node_enter(entered->nodes, entered->index);
    entered->cpu = -1;
    if (sched_getaffinity(0, sizeof(own), &own) == 0 && CPU_COUNT(&own) == 1) {
        entered->cpu = sched_getcpu();
    }
}

/* In a thread of its own, whose place does not matter to other tests. */
static void enter_there(struct entered *entered)
{
    struct of_thread thread;
    onefold_error err;

    assert_int_equal(of_thread_start(&thread, enter, entered, &err), ONEFOLD_OK);
    of_thread_join(&thread);
}

static void test_two_nodes(void **state)
{
    struct tmpdir dir;
    struct of_nodes nodes;
    char list[32];
    int cpus[2];

    (void)state;
    find_own(&cpus[0], &cpus[1]);
    if (cpus[1] < 0) {
        SKIP_TEST("one CPU");
    }
    dir = tmpdir_make();
    for (uint32_t i = 0; i < 2; i++) {
        (void)snprintf(list, sizeof(list), "%d\n", cpus[i]);
        describe(dir.path, 2 + 5 * i, list);
    }
    describe(dir.path, 9, "8191\n"); /* nothing of ours */
    describe(dir.path, 5, list);     /* not said to have CPUs */
    of_nodes_find(&nodes, dir.path);
    assert_int_equal(nodes.count, 2);
    assert_int_equal(nodes.ids[0], 2);
    assert_int_equal(nodes.ids[1], 7);
    for (uint32_t index = 0; index < 5; index++) {
        struct entered entered = {.nodes = &nodes, .index = index};

        enter_there(&entered);
        assert_true(entered.done);
        assert_int_equal(entered.cpu, cpus[index % 2]);
    }
    tmpdir_remove(&dir);
}

/* No description, one node, none at all: nothing is moved. */
static void test_nothing_to_choose(void **state)
{
    struct of_nodes nodes;
    struct tmpdir dir = tmpdir_make();
    struct entered entered = {.nodes = &nodes};

    (void)state;
    of_nodes_find(&nodes, "/nonexistent/folder");
    assert_int_equal(nodes.count, 0);
    enter_there(&entered);
    assert_false(entered.done);
    describe(dir.path, 0, "0-8191\n");
    of_nodes_find(&nodes, dir.path);
    assert_int_equal(nodes.count, 1);
    enter_there(&entered);
    assert_false(entered.done);
    assert_false(of_node_place(&nodes, 0, &nodes, 1));
    assert_false(of_node_place(NULL, 0, &nodes, 1));
    assert_false(of_node_enter(NULL, 0));
    tmpdir_remove(&dir);
}

/* Where the kernel can tell, pages are where they were sent; a node that is not there is refused.
 */
static void test_place(void **state)
{
    const struct of_nodes nodes = {.count = 2, .ids = {0, OF_NODES_MAX - 1}};
    const uint64_t bytes = 64 * OF_KIB;
    uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long mask[16] = {0};
    int policy = -1;

    (void)state;
    assert_true(memory != MAP_FAILED);
    if (!of_node_place(&nodes, 2, memory, bytes)) {
        (void)munmap(memory, bytes);
        SKIP_TEST("the kernel takes no advice on where pages shall lie");
    }
    assert_int_equal(syscall(SYS_get_mempolicy, &policy, mask, 8 * sizeof(mask), memory, 2), 0);
    assert_int_equal(policy, 1); /* MPOL_PREFERRED */
    assert_int_equal(mask[0], 1);
    memset(memory, 1, bytes);
    assert_false(of_node_place(&nodes, 1, memory, bytes));
    (void)munmap(memory, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_nothing_to_choose),
        cmocka_unit_test(test_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
