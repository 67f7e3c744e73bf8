/* SPDX-License-Identifier: Apache-2.0 */
/* onefold bench: which machine and which disk this is. What cannot be found out stays empty. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 4096 };

/* First line of a file, without its end; false when there is none. */
static bool read_line(const char *path, char *ret_line, size_t size)
{
    FILE *from = fopen(path, "re");
    bool good = from != NULL && fgets(ret_line, (int)size, from) != NULL;

    if (from != NULL) {
        (void)fclose(from);
    }
    if (!good) {
        ret_line[0] = '\0';
        return false;
    }
    good = ret_line[0] != '\n';
    ret_line[strcspn(ret_line, "\n")] = '\0';
    for (size_t length = strlen(ret_line); length > 0 && ret_line[length - 1] == ' ';) {
        ret_line[--length] = '\0';
    }
    return good;
}

static void describe_cpu(struct bench_machine *machine, const struct utsname *about)
{
    FILE *from = fopen("/proc/cpuinfo", "re");
    char line[LINE_BYTES_MAX];

    (void)snprintf(machine->cpu, sizeof(machine->cpu), "%.100s", about->machine);
    while (from != NULL && fgets(line, sizeof(line), from) != NULL) {
        const char *value = strchr(line, ':');

        if (strncmp(line, "model name", 10) == 0 && value != NULL) {
            value += strspn(value, ": \t");
            (void)snprintf(machine->cpu, sizeof(machine->cpu), "%.*s",
                           (int)(strcspn(value, "\n") % 120), value);
            break;
        }
    }
    if (from != NULL) {
        (void)fclose(from);
    }
}

/* The line of mountinfo for this device: "36 35 98:0 /root /mount options - TYPE SOURCE options".
 */
static void describe_mount(const struct stat *about, struct bench_machine *machine)
{
    FILE *from = fopen("/proc/self/mountinfo", "re");
    char line[LINE_BYTES_MAX];
    char device[32];

    (void)snprintf(device, sizeof(device), " %u:%u ", major(about->st_dev), minor(about->st_dev));
    while (from != NULL && fgets(line, sizeof(line), from) != NULL) {
        const char *kind = strstr(line, " - ");

        if (kind != NULL && strstr(line, device) != NULL && strstr(line, device) < kind) {
            (void)sscanf(kind, " - %31s %127s", machine->file_system, machine->device);
            break;
        }
    }
    if (from != NULL) {
        (void)fclose(from);
    }
}

/* What the kernel says about the block device; a partition stands below its disk. */
static void describe_disk(const struct stat *about, struct bench_machine *machine)
{
    char path[256];
    char model[64];
    char turns[8];
    char size[32];
    bool part;

    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(about->st_dev),
                   minor(about->st_dev));
    part = access(path, F_OK) == 0;
#define DISK(end)                                                                           \
    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s" end, major(about->st_dev), \
                   minor(about->st_dev), part ? "../" : "")
    DISK("size");
    if (!read_line(path, size, sizeof(size))) {
        return;
    }
    DISK("queue/rotational");
    (void)read_line(path, turns, sizeof(turns));
    DISK("device/model");
    (void)read_line(path, model, sizeof(model));
#undef DISK
    (void)snprintf(machine->disk, sizeof(machine->disk), "%s%s%s, %s",
                   out_bytes(strtoull(size, NULL, 10) * 512).text, model[0] != '\0' ? " " : "",
                   model, turns[0] == '1' ? "said to rotate" : "no moving parts");
}

void bench_describe(const char *path, struct bench_machine *ret_machine)
{
    const time_t seconds = time(NULL);
    struct utsname names;
    struct stat about;
    struct tm parts;

    memset(ret_machine, 0, sizeof(*ret_machine));
    (void)uname(&names);
    describe_cpu(ret_machine, &names);
    (void)snprintf(ret_machine->system, sizeof(ret_machine->system), "%.60s %.120s", names.sysname,
                   names.release);
    ret_machine->cpu_count = onefold_host_cpu_count();
    ret_machine->memory_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    ret_machine->limit_bytes = onefold_host_memory_limit();
    if (gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(ret_machine->when, sizeof(ret_machine->when), "%Y-%m-%dT%H:%M:%SZ", &parts);
    }
    if (path != NULL && stat(path, &about) == 0) {
        describe_mount(&about, ret_machine);
        describe_disk(&about, ret_machine);
    }
}
