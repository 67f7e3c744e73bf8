/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of the host: the real ones are plausible, made-up cgroup trees are read level by level. */
#include "sys/host.h"

#include "support/skip.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_plausible(void **state)
{
    struct rlimit limit;

    (void)state;
    assert_true(of_host_cpu_count() >= 1);
    assert_true((long)of_host_cpu_count() <= sysconf(_SC_NPROCESSORS_CONF));
    assert_true(of_host_memory_limit() > 0);
    assert_true(of_host_memory_now() > 100000);
    assert_true(of_host_memory_peak() >= of_host_memory_now() / 2);
    assert_true(of_host_cpu_seconds() >= 0.0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(of_host_raise_descriptors(), limit.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max);
}

static void test_memory_moves(void **state)
{
    const size_t bytes = (size_t)32 * 1024 * 1024;
    const uint64_t before = of_host_memory_now();
    volatile uint8_t *block = malloc(bytes);

    (void)state;
    assert_non_null(block);
    for (size_t i = 0; i < bytes; i += 4096) {
        block[i] = 1;
    }
    assert_true(of_host_memory_now() >= before + bytes / 2);
    assert_true(of_host_memory_peak() >= before + bytes / 2);
    free((void *)(uintptr_t)block);
}

static void test_cpu_seconds(void **state)
{
    const double before = of_host_cpu_seconds();
    volatile uint64_t sum = 0;

    (void)state;
    for (uint64_t i = 0; of_host_cpu_seconds() == before && i < 1000000; i++) {
        for (uint64_t k = 0; k < 10000; k++) {
            sum = sum + k;
        }
    }
    assert_true(of_host_cpu_seconds() > before);
}

static void test_affinity(void **state)
{
    cpu_set_t all;
    cpu_set_t one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all)) {
            CPU_SET(i, &one);
            break;
        }
    }
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(of_host_cpu_count(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

/* --- Made-up trees: in a mount namespace of its own, files of ours cover those in /proc. --- */

struct tree {
    const char *cgroup;    /* /proc/self/cgroup */
    const char *mountinfo; /* %s = the folder of the test */
    const char *files[6][2];
    uint64_t memory;
    uint64_t cpus; /* upper bound; the real ones bound it as well */
};

static const struct tree trees[] = {
    /* v2, limits at the leaf and above. */
    {.cgroup = "0::/a/b\n",
     .mountinfo = "30 20 0:26 / %s/v2 rw,nosuid - cgroup2 cgroup2 rw\n",
     .files = {{"v2/a/b/memory.max", "max\n"},
               {"v2/a/memory.max", "300000000\n"},
               {"v2/a/b/cpu.max", "max 100000\n"},
               {"v2/a/cpu.max", "100000 100000\n"}},
     .memory = 300000000,
     .cpus = 1},
    /* v2, the leaf is the smaller. */
    {.cgroup = "0::/a/b\n",
     .mountinfo = "30 20 0:26 / %s/v2 rw shared:4 master:2 - cgroup2 none rw\n",
     .files = {{"v2/a/b/memory.max", "100\n"},
               {"v2/a/memory.max", "300\n"},
               {"v2/a/b/cpu.max", "50000 100000\n"}},
     .memory = 100,
     .cpus = 1},
    /* v2 in a container: the mount shows a part of the tree. */
    {.cgroup = "0::/docker/abc/x\n",
     .mountinfo = "30 20 0:26 /docker/abc %s/v2 rw - cgroup2 cgroup rw\n",
     .files = {{"v2/x/memory.max", "500\n"}, {"v2/memory.max", "400\n"}},
     .memory = 400},
    /* v2, a path of another namespace: the mount itself counts. */
    {.cgroup = "0::/../../x\n",
     .mountinfo = "30 20 0:26 / %s/v2 rw - cgroup2 cgroup rw\n",
     .files = {{"v2/memory.max", "700\n"}},
     .memory = 700},
    /* v1 beside an empty v2. */
    {.cgroup = "12:cpuset:/\n5:cpu,cpuacct:/job/7\n4:memory:/job/7\n1:name=systemd:/\n0::/\n",
     .mountinfo = "30 20 0:26 / %s/v2 rw - cgroup2 cgroup2 rw\n"
                  "31 20 0:27 / %s/other rw - cgroup cgroup rw,cpuset\n"
                  "32 20 0:28 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
                  "33 20 0:29 / %s/memory rw - cgroup cgroup rw,memory\n",
     .files = {{"memory/job/7/memory.limit_in_bytes", "9223372036854771712\n"},
               {"memory/job/memory.limit_in_bytes", "64000000\n"},
               {"memory/memory.limit_in_bytes", "9223372036854771712\n"},
               {"cpu/job/7/cpu.cfs_quota_us", "-1\n"},
               {"cpu/job/cpu.cfs_quota_us", "20000\n"},
               {"cpu/job/cpu.cfs_period_us", "100000\n"}},
     .memory = 64000000,
     .cpus = 1},
    /* No limit anywhere, nonsense in the files, nothing mounted. */
    {.cgroup = "0::/a\n",
     .mountinfo = "30 20 0:26 / %s/v2 rw - cgroup2 cgroup2 rw\n",
     .files = {{"v2/a/memory.max", "max\n"}, {"v2/a/cpu.max", "max 100000\n"}},
     .memory = UINT64_MAX},
    {.cgroup = "0::/a\n",
     .mountinfo = "30 20 0:26 / %s/v2 rw - cgroup2 cgroup2 rw\n",
     .files = {{"v2/a/memory.max", "\n"}, {"v2/a/cpu.max", "0 0\n"}},
     .memory = UINT64_MAX},
    {.cgroup = "nonsense\n:\n::\n",
     .mountinfo = "a b c\n - \n1 2 - cgroup2\n",
     .memory = UINT64_MAX},
};

static void make_folders(const char *dir, const char *file)
{
    struct tmpdir_name path = tmpdir_join(dir, file);

    for (char *at = path.text + strlen(dir) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (!tmpdir_exists(path.text)) {
            tmpdir_folder(path.text);
        }
        *at = '/';
    }
}

static bool cover(const char *path, const char *with)
{
    return mount(with, path, NULL, MS_BIND, NULL) == 0;
}

/* In a child. 0 = as expected, 77 = namespaces are not allowed here. */
static int check_tree(const struct tree *tree, const char *dir)
{
    struct tmpdir_name cgroup = tmpdir_join(dir, "cgroup");
    struct tmpdir_name mountinfo = tmpdir_join(dir, "mountinfo");
    char text[20000] = "";
    const char *rest = tree->mountinfo;
    const char *here;

    while ((here = strstr(rest, "%s")) != NULL) {
        strncat(text, rest, (size_t)(here - rest));
        strcat(text, dir);
        rest = here + 2;
    }
    strcat(text, rest);
    tmpdir_write_text(mountinfo.text, text);
    tmpdir_write_text(cgroup.text, tree->cgroup);
    for (size_t i = 0; i < 6 && tree->files[i][0] != NULL; i++) {
        make_folders(dir, tree->files[i][0]);
        tmpdir_write_text(tmpdir_join(dir, tree->files[i][0]).text, tree->files[i][1]);
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        !cover("/proc/self/cgroup", cgroup.text) ||
        !cover("/proc/self/mountinfo", mountinfo.text)) {
        return 77;
    }
    if (of_host_memory_limit() != tree->memory) {
        return 1;
    }
    if (tree->cpus != 0 && of_host_cpu_count() > tree->cpus) {
        return 2;
    }
    return of_host_cpu_count() >= 1 ? 0 : 3;
}

static void test_trees(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        const struct tmpdir dir = tmpdir_make();
        const pid_t child = fork();
        int result = 0;

        assert_true(child >= 0);
        if (child == 0) {
            _exit(check_tree(&trees[i], dir.path));
        }
        assert_int_equal(waitpid(child, &result, 0), child);
        tmpdir_remove(&dir);
        assert_true(WIFEXITED(result));
        if (WEXITSTATUS(result) == 77) {
            SKIP_TEST("no mount namespace here");
        }
        if (WEXITSTATUS(result) != 0) {
            fail_msg("tree %zu: %d", i, WEXITSTATUS(result));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plausible),   cmocka_unit_test(test_memory_moves),
        cmocka_unit_test(test_cpu_seconds), cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_trees),
    };

    return cmocka_run_group_tests_name("sys_host", tests, NULL, NULL);
}
