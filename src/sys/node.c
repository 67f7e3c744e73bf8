/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes as /sys/devices/system/node describes them: has_cpu holds those with CPUs, nodeN/cpulist
 * the CPUs, both as "0-3,8-11". */
#include "sys/node.h"

#include "base/attr.h"
#include "base/num.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char system_folder[] = "/sys/devices/system/node";

enum { CPUS_MAX = 8192 }; /* the kernel's own limit */
enum { PATH_BYTES = 512 };
enum { LIST_BYTES = 4096 };    /* a page: the kernel writes no more */
enum { POLICY_PREFERRED = 1 }; /* MPOL_PREFERRED of linux/mempolicy.h */

struct cpus {
    OF_ALIGNED(8) uint8_t bytes[CPUS_MAX / 8];
};

static cpu_set_t *set_of(struct cpus *cpus)
{
    return (cpu_set_t *)(void *)cpus;
}

/* A decimal number at *text, which moves behind it. */
static bool take_number(const char **text, uint64_t *ret_number)
{
    const char *at = *text;
    uint64_t number = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (number < CPUS_MAX) { /* larger ones are all alike */
            number = number * 10 + (uint64_t)(*at - '0');
        }
    }
    if (at == *text) {
        return false;
    }
    *text = at;
    *ret_number = number;
    return true;
}

/* "0-3,8-11"; what is no such list ends it. */
static void parse_list(const char *text, struct cpus *cpus)
{
    uint64_t first;

    CPU_ZERO_S(sizeof(*cpus), set_of(cpus));
    while (take_number(&text, &first)) {
        uint64_t last = first;

        if (*text == '-') {
            text++;
            if (!take_number(&text, &last)) {
                return;
            }
        }
        for (uint64_t cpu = first; cpu <= last && cpu < CPUS_MAX; cpu++) {
            CPU_SET_S(cpu, sizeof(*cpus), set_of(cpus));
        }
        if (*text != ',') {
            return;
        }
        text++;
    }
}

/* A list of the description; false where there is none. */
static bool read_list(const char *path, struct cpus *ret_cpus)
{
    char list[LIST_BYTES];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    if (fd < 0) {
        return false;
    }
    got = read(fd, list, sizeof(list) - 1);
    (void)close(fd);
    if (got <= 0) {
        return false;
    }
    list[got] = '\0';
    parse_list(list, ret_cpus);
    return true;
}

/* CPUs of a node that the calling thread may use; false when there are none. */
static bool find_cpus(const char *folder, uint32_t id, struct cpus *ret_cpus)
{
    char path[PATH_BYTES];
    struct cpus allowed = {{0}};

    (void)snprintf(path, sizeof(path), "%s/node%u/cpulist", folder, id);
    if (!read_list(path, ret_cpus) ||
        sched_getaffinity(0, sizeof(allowed), set_of(&allowed)) != 0) {
        return false;
    }
    CPU_AND_S(sizeof(*ret_cpus), set_of(ret_cpus), set_of(ret_cpus), set_of(&allowed));
    return CPU_COUNT_S(sizeof(*ret_cpus), set_of(ret_cpus)) > 0;
}

void of_nodes_find(struct of_nodes *nodes, const char *folder)
{
    char path[PATH_BYTES];
    struct cpus with_cpus; /* nodes, not CPUs: a list of the same form */
    struct cpus cpus;

    *nodes = (struct of_nodes){.folder = folder != NULL ? folder : system_folder};
    (void)snprintf(path, sizeof(path), "%s/has_cpu", nodes->folder);
    if (!read_list(path, &with_cpus)) {
        return;
    }
    for (uint32_t id = 0; id < OF_NODES_MAX; id++) {
        if (CPU_ISSET_S(id, sizeof(with_cpus), set_of(&with_cpus)) &&
            find_cpus(nodes->folder, id, &cpus)) {
            nodes->ids[nodes->count++] = id;
        }
    }
}

bool of_node_enter(const struct of_nodes *nodes, uint32_t index)
{
    struct cpus cpus;

    return nodes != NULL && nodes->count > 1 &&
           find_cpus(nodes->folder, nodes->ids[index % nodes->count], &cpus) &&
           sched_setaffinity(0, sizeof(cpus), set_of(&cpus)) == 0;
}

bool of_node_place(const struct of_nodes *nodes, uint32_t index, void *memory, uint64_t size_bytes)
{
    enum { WORD_BITS = 8 * sizeof(unsigned long) };
    unsigned long mask[OF_NODES_MAX / WORD_BITS + 1] = {0};
    uint32_t id;

    if (nodes == NULL || nodes->count < 2) {
        return false;
    }
    id = nodes->ids[index % nodes->count];
    mask[id / WORD_BITS] = 1UL << id % WORD_BITS;
    return syscall(SYS_mbind, memory, size_bytes, POLICY_PREFERRED, mask,
                   (unsigned long)OF_NODES_MAX + 1, 0) == 0;
}
