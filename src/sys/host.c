/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc and the cgroup trees say. A limit may stand at any level above the process, so every
 * ancestor is read and the smallest counts. Nothing here allocates; a file that cannot be read is
 * no limit.
 */
#include "sys/host.h"

#include "base/attr.h"
#include "base/num.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Lines of a file in /proc through a buffer; a longer line is cut, which loses a mount point that
 * nobody has. */
struct lines {
    int fd;
    size_t length;
    size_t at;
    char bytes[8192];
};

static bool lines_open(struct lines *lines, const char *path)
{
    lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    lines->length = 0;
    lines->at = 0;
    return lines->fd >= 0;
}

/* The next line without its end, valid until the next call; NULL at the end of the file. */
static char *lines_next(struct lines *lines)
{
    for (;;) {
        char *start = lines->bytes + lines->at;
        char *end = memchr(start, '\n', lines->length - lines->at);
        ssize_t got;

        if (end != NULL) {
            *end = '\0';
            lines->at = (size_t)(end - lines->bytes) + 1;
            return start;
        }
        memmove(lines->bytes, start, lines->length - lines->at);
        lines->length -= lines->at;
        lines->at = 0;
        if (lines->length == sizeof(lines->bytes) - 1) {
            lines->length = 0; /* not a line for us */
        }
        got =
            read(lines->fd, lines->bytes + lines->length, sizeof(lines->bytes) - 1 - lines->length);
        if (got <= 0) {
            return NULL;
        }
        lines->length += (size_t)got;
    }
}

static void lines_close(struct lines *lines)
{
    (void)close(lines->fd);
}

/* First line of a small file into `text`. */
static bool read_line(const char *path, char *text, size_t text_bytes)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0) {
        return false;
    }
    got = read(fd, text, text_bytes - 1);
    (void)close(fd);
    if (got <= 0) {
        return false;
    }
    text[got] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}

/* --- cgroups --- */

/* A controller's hierarchy: where it is mounted, and the folder of this process in it. */
struct cgroup {
    char path[PATH_MAX];
    size_t mount_length; /* of the mount point, in path */
    bool is_v2;
};

/* Is `word` one of the comma-separated words of `list`? */
static bool has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);

    while (list != NULL && *list != '\0') {
        const size_t here = strcspn(list, ",");

        if (here == length && memcmp(list, word, length) == 0) {
            return true;
        }
        list += here + (list[here] == ',' ? 1 : 0);
    }
    return false;
}

/* Folder of this process as /proc/self/cgroup has it: "4:memory:/a/b" (v1) or "0::/a/b" (v2). */
static bool find_membership(const char *controller, bool is_v2, char *text, size_t text_bytes)
{
    struct lines lines;
    bool found = false;
    char *line;

    if (!lines_open(&lines, "/proc/self/cgroup")) {
        return false;
    }
    while (!found && (line = lines_next(&lines)) != NULL) {
        char *list = strchr(line, ':');
        char *path = list != NULL ? strchr(list + 1, ':') : NULL;

        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        list++;
        found = is_v2 ? *list == '\0' && line[0] == '0' : has_word(list, controller);
        if (found) {
            (void)snprintf(text, text_bytes, "%s", path);
        }
    }
    lines_close(&lines);
    return found;
}

/* Cuts the next word off *rest. */
static char *next_word(char **rest)
{
    char *word = *rest;
    char *end = word != NULL ? strchr(word, ' ') : NULL;

    if (end != NULL) {
        *end++ = '\0';
    }
    *rest = end;
    return word;
}

/* One line of mountinfo: "31 23 0:28 ROOT POINT OPTIONS ... - TYPE SOURCE SUPER". True when it is
 * the hierarchy looked for. */
static bool is_mount_of(char *line, const char *controller, bool is_v2, const char **ret_root,
                        const char **ret_point)
{
    char *rest = strstr(line, " - ");
    const char *type;
    const char *super;

    if (rest == NULL) {
        return false;
    }
    *rest = '\0';
    rest += strlen(" - ");
    type = next_word(&rest);
    (void)next_word(&rest);
    super = next_word(&rest);
    if (strcmp(type, is_v2 ? "cgroup2" : "cgroup") != 0 ||
        (!is_v2 && !has_word(super, controller))) {
        return false;
    }
    rest = line;
    (void)next_word(&rest);
    (void)next_word(&rest);
    (void)next_word(&rest);
    *ret_root = next_word(&rest);
    *ret_point = next_word(&rest);
    return *ret_root != NULL && *ret_point != NULL;
}

/* Folder of this process in the tree of `controller`. In a container the mount may show only a part
 * of the tree: its root is taken off the path, and a path outside it means the mount itself. */
static bool find_cgroup(const char *controller, bool is_v2, struct cgroup *ret_cgroup)
{
    char member[PATH_MAX];
    struct lines lines;
    bool found = false;
    char *line;

    if (!find_membership(controller, is_v2, member, sizeof(member)) ||
        !lines_open(&lines, "/proc/self/mountinfo")) {
        return false;
    }
    while (!found && (line = lines_next(&lines)) != NULL) {
        const char *root;
        const char *point;
        const char *below = member;
        int length;

        if (!is_mount_of(line, controller, is_v2, &root, &point)) {
            continue;
        }
        if (strcmp(root, "/") != 0) {
            const size_t root_length = strlen(root);
            const bool inside = strncmp(member, root, root_length) == 0 &&
                                (member[root_length] == '/' || member[root_length] == '\0');

            below = inside ? member + root_length : "";
        }
        if (strstr(below, "..") != NULL) {
            below = ""; /* another namespace's path */
        }
        length = snprintf(ret_cgroup->path, sizeof(ret_cgroup->path), "%s%s", point, below);
        found = length > 0 && (size_t)length < sizeof(ret_cgroup->path);
        ret_cgroup->mount_length = strlen(point);
        ret_cgroup->is_v2 = is_v2;
    }
    lines_close(&lines);
    return found;
}

/* Reads FOLDER/name at the current level. */
static bool read_level(const struct cgroup *cgroup, const char *name, char *text, size_t text_bytes)
{
    char path[PATH_MAX + 64];

    (void)snprintf(path, sizeof(path), "%s/%s", cgroup->path, name);
    return read_line(path, text, text_bytes);
}

/* Goes to the folder above; false when the mount point was the last. */
static bool go_up(struct cgroup *cgroup)
{
    char *slash = strrchr(cgroup->path, '/');

    if (slash == NULL || strlen(cgroup->path) <= cgroup->mount_length) {
        return false;
    }
    if ((size_t)(slash - cgroup->path) < cgroup->mount_length) {
        return false;
    }
    *slash = '\0';
    return true;
}

/* Bytes a level allows; v1 says "no limit" by a number near 2^63. */
static uint64_t memory_of_level(const struct cgroup *cgroup)
{
    char text[64];
    uint64_t value;

    if (!read_level(cgroup, cgroup->is_v2 ? "memory.max" : "memory.limit_in_bytes", text,
                    sizeof(text)) ||
        !of_str_to_u64(of_str_from(text), &value) || value >= (UINT64_C(1) << 62)) {
        return UINT64_MAX;
    }
    return value;
}

/* CPUs a level allows, rounded up; UINT64_MAX = no limit. */
static uint64_t cpus_of_level(const struct cgroup *cgroup)
{
    char text[64];
    char period_text[64] = "";
    uint64_t quota;
    uint64_t period;

    if (!read_level(cgroup, cgroup->is_v2 ? "cpu.max" : "cpu.cfs_quota_us", text, sizeof(text))) {
        return UINT64_MAX;
    }
    if (cgroup->is_v2) {
        char *rest = text;

        (void)next_word(&rest); /* "max 100000" or "150000 100000" */
        (void)snprintf(period_text, sizeof(period_text), "%s", rest != NULL ? rest : "100000");
    } else if (!read_level(cgroup, "cpu.cfs_period_us", period_text, sizeof(period_text))) {
        return UINT64_MAX;
    }
    if (!of_str_to_u64(of_str_from(text), &quota) ||
        !of_str_to_u64(of_str_from(period_text), &period) || quota == 0 || period == 0) {
        return UINT64_MAX; /* "max", "-1" */
    }
    return of_num_div_ceil(quota, period);
}

/* The smallest answer of `fn` over all levels of both kinds of hierarchy. */
static uint64_t smallest(const char *controller, uint64_t (*fn)(const struct cgroup *cgroup))
{
    uint64_t least = UINT64_MAX;

    for (int is_v2 = 0; is_v2 <= 1; is_v2++) {
        struct cgroup cgroup;

        if (!find_cgroup(controller, is_v2 != 0, &cgroup)) {
            continue;
        }
        do {
            least = of_num_min(least, fn(&cgroup));
        } while (go_up(&cgroup));
    }
    return least;
}

/* --- Public --- */

/* CPUs of the affinity mask, also on machines with more than the 1,024 of cpu_set_t. */
static uint64_t affinity_count(void)
{
    enum { CPUS_MAX = 8192 }; /* the kernel's own limit */
    struct {
        OF_ALIGNED(8) uint8_t bytes[CPUS_MAX / 8];
    } mask = {{0}};
    long online;

    if (sched_getaffinity(0, sizeof(mask), (cpu_set_t *)(void *)&mask) == 0) {
        return (uint64_t)CPU_COUNT_S(sizeof(mask), (const cpu_set_t *)(const void *)&mask);
    }
    online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (uint64_t)online : 1;
}

uint32_t of_host_cpu_count(void)
{
    const uint64_t count = of_num_min(affinity_count(), smallest("cpu", cpus_of_level));

    return (uint32_t)of_num_max(count, 1);
}

uint64_t of_host_memory_limit(void)
{
    return smallest("memory", memory_of_level);
}

/* "VmHWM:      1234 kB" of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *key)
{
    struct lines lines;
    uint64_t value = 0;
    char *line;

    if (!lines_open(&lines, "/proc/self/status")) {
        return 0;
    }
    while ((line = lines_next(&lines)) != NULL) {
        const size_t key_length = strlen(key);

        if (strncmp(line, key, key_length) == 0) {
            char *number = line + key_length;

            number += strspn(number, ": \t");
            number[strcspn(number, " ")] = '\0';
            if (!of_str_to_u64(of_str_from(number), &value)) {
                value = 0;
            }
            break;
        }
    }
    lines_close(&lines);
    return value * 1024;
}

uint64_t of_host_memory_peak(void)
{
    return status_bytes("VmHWM");
}

uint64_t of_host_memory_now(void)
{
    return status_bytes("VmRSS");
}

uint64_t of_host_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 1024;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    return limit.rlim_cur;
}

double of_host_cpu_seconds(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) != 0) {
        return 0.0;
    }
    return (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec +
           ((double)used.ru_utime.tv_usec + (double)used.ru_stime.tv_usec) * 1e-6;
}
