/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes pages of made-up measurements for test_html.py.
 *
 * usage: make_bench_page FILE plain|odd|bare
 * odd: hostile names, one round, jobs that were skipped, ratios far apart; bare: kernels alone.
 */
#include "bench.h"
#include "page.h"

#include <stdlib.h>
#include <string.h>

enum { RULES = 3, JOBS_MAX = 64, ROUNDS_MAX = 3 };

static const char *const isas[] = {"scalar", "avx2", "avx512"};
static const char *const kernels[] = {"unpack_bf16",     "pack_f8_e4m3", "fold_delta_bf16",
                                      "count_nonfinite", "sum_bf16",     "hash",
                                      "add_products",    "order_pair",   "finish_delta"};
static const char *const ios[] = {"uring", "threads", "mmap"};

static struct bench_wish wish;
static struct bench_result result;
static struct bench_job jobs[2][JOBS_MAX];
static struct bench_run runs[2][JOBS_MAX][ROUNDS_MAX];
static struct bench_group groups[2];

static void add_job(struct bench_group *group, int g, enum bench_kind kind, enum bench_cache cache,
                    double seconds)
{
    struct bench_job *job = &jobs[g][group->job_count];

    *job = (struct bench_job){.kind = kind,
                              .cache = cache,
                              .with_base = true,
                              .passes = 1,
                              .raw = kind == BENCH_RAW ? UINT32_MAX : 0,
                              .cat = UINT32_MAX,
                              .runs = runs[g][group->job_count]};
    for (int k = 0; k < ROUNDS_MAX; k++) {
        const double spread = 1 + 0.05 * k;

        job->runs[k] = (struct bench_run){.seconds = seconds * spread,
                                          .cpu_seconds = seconds / 2,
                                          .peak_bytes = UINT64_C(50) << 20,
                                          .cache_bytes = cache == BENCH_WARM ? 0 : 1 << 20,
                                          .read_bytes = 1000000000,
                                          .written_bytes = 250000000,
                                          .run_seconds = seconds * 0.95,
                                          .io_wait_seconds = seconds * 0.6,
                                          .worker_idle_seconds = seconds * 1.2,
                                          .hash_busy_seconds = seconds * 0.2,
                                          .direct = true};
    }
    group->job_count++;
}

static void make_group(int g, bool odd)
{
    struct bench_group *group = &groups[g];

    *group = (struct bench_group){.dtype = g == 0 ? ONEFOLD_DTYPE_BF16 : ONEFOLD_DTYPE_F32,
                                  .model_count = g == 0 ? 3 : 1,
                                  .model_bytes = 250000000,
                                  .jobs = jobs[g]};
    add_job(group, g, BENCH_RAW, BENCH_COLD, 0.5);
    add_job(group, g, BENCH_RAW, BENCH_COLD, 0.53);
    jobs[g][1].raw_way = BENCH_RAW_LOOKED_AT;
    jobs[g][1].raw = 0;
    for (int cache = BENCH_COLD; cache <= BENCH_WARM; cache++) {
        add_job(group, g, BENCH_CAT, (enum bench_cache)cache, cache == BENCH_COLD ? 0.9 : 0.1);
        add_job(group, g, BENCH_CAT_CP, (enum bench_cache)cache, 0.3);
        add_job(group, g, BENCH_NUMPY, (enum bench_cache)cache, odd ? 250 : 4);
        for (int rule = 0; rule < RULES; rule++) {
            for (int io = 0; io < 3; io++) {
                add_job(group, g, BENCH_MERGE, (enum bench_cache)cache,
                        odd && io == 2 ? 40 : 0.55 + 0.1 * io + 0.3 * rule);
                jobs[g][group->job_count - 1].rule = &wish.rules[rule];
                jobs[g][group->job_count - 1].io = ios[io];
                if (odd && rule == 1) {
                    (void)snprintf(jobs[g][group->job_count - 1].skipped, BENCH_NOTE_MAX,
                                   "<b>no</b> & \"no\": %s, and-a-long-word-that-cannot-be-broken-"
                                   "and-goes-on-and-on-and-on-and-on-and-on-and-on",
                                   ios[io]);
                }
            }
        }
    }
}

static void make_machine(bool odd)
{
    struct bench_machine *machine = &result.machine;

    (void)snprintf(machine->cpu, sizeof(machine->cpu), "%s",
                   odd ? "<script>alert(1)</script> & \"CPU\" ]]> -->" : "AMD EPYC 9R14");
    (void)snprintf(machine->system, sizeof(machine->system), "Linux 6.1.0");
    (void)snprintf(machine->file_system, sizeof(machine->file_system), "ext4");
    (void)snprintf(machine->device, sizeof(machine->device), "%s",
                   odd ? "/dev/mapper/a-very-long-name-that-somebody-gave-to-a-volume-because-they-"
                         "could-and-nobody-minded"
                       : "/dev/nvme0n1p2");
    (void)snprintf(machine->disk, sizeof(machine->disk), "512 GB, no moving parts");
    (void)snprintf(machine->when, sizeof(machine->when), "2026-01-02T03:04:05Z");
    machine->cpu_count = odd ? 1 : 16;
    machine->memory_bytes = UINT64_C(64000000000);
    machine->limit_bytes = odd ? UINT64_C(1000000000) : UINT64_MAX;
}

int main(int argc, char **argv)
{
    const bool odd = argc == 3 && strcmp(argv[2], "odd") == 0;
    const bool bare = argc == 3 && strcmp(argv[2], "bare") == 0;

    if (argc != 3) {
        return 2;
    }
    make_machine(odd);
    if (!odd) {
        result.memory = (struct bench_memory){
            .read_one = 21.5, .read_all = 88, .copy_one = 12.25, .copy_all = 41};
    }
    for (uint32_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]) * 3; i++) {
        result.kernels[result.kernel_count++] = (struct bench_kernel){
            .name = kernels[i / 3], .isa = isas[i % 3], .speed = 0.3 + 4.7 * i};
    }
    for (uint64_t i = 0; i < RULES && onefold_method_at(i, &wish.rules[i]); i++) {
        wish.rule_count++;
    }
    wish.run_count = odd ? 1 : ROUNDS_MAX;
    result.wish = bare ? NULL : &wish;
    result.sums = "sha256,xxh128";
    result.worker_count = 2;
    result.memory_bound_bytes = odd ? UINT64_C(64) << 20 : 0;
    result.groups = groups;
    result.group_count = bare ? 0 : 2;
    make_group(0, odd);
    make_group(1, odd);
    return page_write(argv[1], bench_html_page, &result) == 0 ? 0 : 1;
}
