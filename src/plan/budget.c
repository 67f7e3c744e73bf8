/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory as a sum of named parts, fixed before the run. What is left after everything else goes to
 * slots; wanted are, in this order: slots enough to keep workers and disk busy, reads of 1 MiB, and
 * as many inputs together as fit (all of them: gather; fewer: their sum waits in the slot while
 * inputs come and go). So the number of inputs never decides whether a merge fits, unless the rule
 * needs them all at once: then tiles shrink, down to one grain.
 */
#include "plan/build.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "fmt/shard_index.h"

#include <stdio.h>
#include <string.h>

/* Three f32 blocks of a worker and what it knows of its windows (run/job.h). */
#define BLOCKS_BYTES (UINT64_C(3) * OF_BLOCK_ELEMS * sizeof(float) + OF_DIRECT_ALIGN_MAX)
/* Pool pages are huge ones. */
#define POOL_ALIGN   (2 * OF_MIB)
/* Threads of an I/O backend that has them (sys/io.h). */
enum { IO_THREADS_MAX = 16 };
/* Control state of one read area, and of one slot besides areas, leaves and counts. */
enum { AREA_STATE_BYTES = 256, SLOT_STATE_BYTES = 1024 };
enum { LEAF_BYTES = 16, COUNT_BYTES = 64 };
/* Queues, completions, descriptors of open files and their tables. */
#define RING_BYTES (512 * OF_KIB)
/* Workers that one ring serves: with many on a fast device the thread that talks to the kernel
 * would be next to run out of time (docs/decisions/011-rings-and-pools.md). */
enum { RING_WORKERS = 8 };
/* Every part of the pool is rounded up to whole huge pages: not in less memory than this for each.
 */
#define POOL_PART_MEMORY_MIN (32 * OF_MIB)
/* One output shard: name, descriptors, two running digests. */
enum { SHARD_STATE_BYTES = 2048 };
/* One input: descriptors, identity checks. */
enum { INPUT_STATE_BYTES = 256 };
/* A parsed recipe in relation to its text, and what the smallest costs. */
enum { RECIPE_FACTOR = 16 };
#define RECIPE_BYTES_MIN (256 * OF_KIB)
/* Buffers of the writers of small files. */
#define WRITER_BYTES     (512 * OF_KIB)

/* Smallest tile that is tried, in bytes per input; where all inputs must be there at once, a grain
 * of the narrowest type. */
#define READ_BYTES_MIN        (128 * OF_KIB)
#define READ_BYTES_GATHER_MIN (64 * OF_KIB)
/* Fewer slots than this leave disk or workers idle; more than the upper aim gains nothing. */
enum { SLOTS_WANTED_MIN = 4, SLOTS_AIM_MIN = 16, SLOTS_POSSIBLE_MIN = 2 };
/* For each worker, two at least: reads of more bytes than that underway together made cold merges
 * slower. Slots of more bytes together than the aim, of which a part is read while others are
 * worked on, hashed or written, gain little; but most of them wait for their write, so twice as
 * many as must be are worth their memory, up to the second aim. Where that is too much, reads are
 * made smaller, to AIM_MIN, for fewer slots (docs/decisions/010-bytes-in-flight.md). */
#define FLIGHT_BYTES_AIM     (10 * OF_MIB)
#define SLOTS_BYTES_AIM      (24 * OF_MIB)
#define SLOTS_BYTES_AIM_MORE (48 * OF_MIB)
#define READ_BYTES_AIM_MIN   (512 * OF_KIB)

/* ---- The bound ---- */

onefold_status of_budget_begin(struct of_build *build, onefold_error *err)
{
    const struct of_plan_options *options = build->options;
    const uint64_t machine =
        options->machine_memory_bytes != 0 ? options->machine_memory_bytes : UINT64_MAX;

    build->memory_bytes = options->memory_bytes;
    if (build->memory_bytes == 0) {
        build->memory_bytes = OF_MEMORY_DEFAULT;
        if (machine < OF_MEMORY_MIN) {
            return of_err_set(err, "memory-cgroup",
                              "the container leaves %llu MiB; at least %llu MiB are needed",
                              (unsigned long long)(machine / OF_MIB),
                              (unsigned long long)(OF_MEMORY_MIN / OF_MIB));
        }
        if (machine < build->memory_bytes) {
            build->memory_bytes = machine;
            of_report_note(build->report, "memory-shrunk", NULL,
                           "--memory is %llu MiB here instead of %llu MiB: the container leaves no "
                           "more",
                           (unsigned long long)(build->memory_bytes / OF_MIB),
                           (unsigned long long)(OF_MEMORY_DEFAULT / OF_MIB));
        }
        return ONEFOLD_OK;
    }
    if (build->memory_bytes < OF_MEMORY_MIN) {
        return of_err_set(
            err, "memory-bound", "--memory is %llu bytes; at least %llu MiB are needed",
            (unsigned long long)build->memory_bytes, (unsigned long long)(OF_MEMORY_MIN / OF_MIB));
    }
    if (build->memory_bytes > machine) {
        return of_err_set(err, "memory-cgroup",
                          "--memory is %llu MiB, but the container leaves %llu MiB",
                          (unsigned long long)(build->memory_bytes / OF_MIB),
                          (unsigned long long)(machine / OF_MIB));
    }
    return ONEFOLD_OK;
}

uint64_t of_budget_records_max(const struct of_build *build)
{
    return build->memory_bytes - OF_MEMORY_PROGRAM - OF_MEMORY_RESERVE - 4 * OF_MIB;
}

/* ---- The parts ---- */

struct budget {
    struct of_build *build;
    uint64_t memory_bytes;  /* the bound that is tried */
    uint64_t worker_count;  /* of as many as are wanted, what the bound allows */
    uint64_t fetch_bytes;   /* per worker, of scratch_bytes */
    uint64_t scratch_bytes; /* per worker */
    uint64_t hash_thread_count;
    uint64_t xxh128_thread_count;
    bool workers_hash;
    uint64_t pool_count;
    uint64_t ring_count;
    struct of_budget_line lines[OF_BUDGET_LINES_MAX];
    uint32_t line_count;
    uint64_t fixed_bytes; /* everything but slots */
    bool maps;            /* the backend maps windows beside the pool */
};

static void add_line(struct budget *budget, const char *name, uint64_t count, uint64_t each_bytes,
                     const char *why)
{
    of_assert(budget->line_count < OF_BUDGET_LINES_MAX);
    budget->lines[budget->line_count++] = (struct of_budget_line){.name = name,
                                                                  .count = count,
                                                                  .each_bytes = each_bytes,
                                                                  .bytes = count * each_bytes,
                                                                  .why = why};
    budget->fixed_bytes += count * each_bytes;
}

static bool is_backend(const struct budget *budget, const char *name)
{
    const char *io = budget->build->options->io_name;

    return io != NULL && strcmp(io, name) == 0;
}

/* One ring is the control thread's own; several have a thread each. */
static uint64_t ring_thread_count(const struct budget *budget)
{
    return budget->ring_count > 1 ? budget->ring_count : 0;
}

static uint64_t thread_count(const struct budget *budget)
{
    /* Where nothing is said, the ring may be refused yet. */
    const uint64_t of_backend =
        is_backend(budget, "uring") ? ring_thread_count(budget) : IO_THREADS_MAX;
    const uint64_t hashing =
        budget->workers_hash ? 0 : budget->hash_thread_count + budget->xxh128_thread_count;

    /* Those that hash, the one that wakes the loop, the one that loads buffers, and the backend's.
     */
    return budget->worker_count + hashing + 2 + of_backend;
}

static bool has_chunks(const struct of_plan *plan)
{
    return plan->gather || plan->survey.need != OF_GRAM_NONE;
}

static uint64_t cpu_count(const struct of_plan_options *options)
{
    return options->machine_cpu_count != 0 ? options->machine_cpu_count : 2;
}

/* An eighth of the bound at most for workers and their blocks, because more of them than that could
 * feed would only cost; but always one. */
static void settle_workers(struct budget *budget)
{
    const struct of_plan *plan = budget->build->plan;
    const struct of_plan_options *options = budget->build->options;
    const uint64_t wanted = options->worker_count != 0 ? options->worker_count : cpu_count(options);
    const uint64_t room = budget->memory_bytes / 8;
    const uint64_t more_bytes = OF_FETCH_BYTES_MAX - OF_FETCH_BYTES_MIN;

    budget->fetch_bytes = OF_FETCH_BYTES_MIN;
    budget->scratch_bytes = BLOCKS_BYTES + OF_FETCH_BYTES_MIN;
    if (has_chunks(plan)) {
        budget->scratch_bytes += of_num_align_up(
            of_chunk_scratch_bytes(&plan->survey, of_plan_vector_count(plan)), OF_DIRECT_ALIGN_MAX);
    }
    budget->worker_count = of_num_min(of_num_min(wanted, OF_WORKERS_MAX),
                                      room / (OF_STACK_BYTES + budget->scratch_bytes));
    budget->worker_count = of_num_max(budget->worker_count, 1);
    if (budget->worker_count * (OF_STACK_BYTES + budget->scratch_bytes + more_bytes) <= room) {
        budget->fetch_bytes += more_bytes;
        budget->scratch_bytes += more_bytes;
    }
}

/* A part of the pool for each memory node, with workers of its own. */
static void settle_pools(struct budget *budget)
{
    const struct of_plan_options *options = budget->build->options;
    uint64_t count = options->pool_count != 0 ? options->pool_count : options->machine_node_count;

    count = of_num_min(count, of_num_min(budget->worker_count, OF_POOLS_MAX));
    count = of_num_min(count, budget->memory_bytes / POOL_PART_MEMORY_MIN);
    budget->pool_count = of_num_max(count, 1);
}

/* As many for every part of the pool, or one for all. */
static void settle_rings(struct budget *budget)
{
    const uint64_t pools = budget->pool_count;
    uint64_t count = budget->build->options->ring_count;

    if (count == 0) {
        count = of_num_max(of_num_div_ceil(budget->worker_count, RING_WORKERS), pools);
    }
    count = of_num_min(count, OF_RINGS_MAX);
    /* Of a small bound one sixty-fourth. */
    count = of_num_min(count, budget->memory_bytes / 64 / (OF_STACK_BYTES + RING_BYTES));
    if (is_backend(budget, "threads") || is_backend(budget, "mmap") || count < pools) {
        count = 1;
    }
    budget->ring_count = count > 1 ? count - count % pools : 1;
}

/* SHA-256 of the output takes about as much time as all else that is computed for it (0.55 s and,
 * with base and three inputs, 0.4 s of a core for a GB), so half the CPUs; XXH128 alone is ten
 * times faster than any disk. One output file takes one thread. */
static void settle_hash_threads(struct budget *budget)
{
    const struct of_plan_options *options = budget->build->options;
    const struct of_plan *plan = budget->build->plan;
    uint64_t count = options->hash_thread_count;

    if (count == 0) {
        count = (plan->sums & OF_SUM_SHA256) != 0 ? options->machine_cpu_count / 2 : 1;
        /* Every lane is at another place of all inputs: their shards shall stay open. */
        count = of_num_min(count, OF_OPEN_FILES_MAX / ((uint64_t)plan->input_count + 1));
    }
    if (plan->sums == 0 || plan->compare) {
        count = 1;
    }
    count = of_num_min(count, of_num_min(plan->output.shard_count, OF_HASH_THREADS_MAX));
    /* Of a small bound one sixty-fourth for their stacks. */
    count = of_num_min(count, budget->memory_bytes / 64 / OF_STACK_BYTES);
    budget->hash_thread_count = of_num_max(count, 1);
    budget->workers_hash = options->hash_thread_count == 0 && plan->sums != 0 && !plan->compare &&
                           budget->worker_count + budget->hash_thread_count > cpu_count(options);
    /* One serves as many files as there are threads for SHA-256. */
    budget->xxh128_thread_count = plan->sums == (OF_SUM_SHA256 | OF_SUM_XXH128) && !plan->compare &&
                                  !budget->workers_hash && cpu_count(options) > 1;
}

/* A step's sums and the total, the matrix, what solve works with, and rows of coefficients. */
static uint64_t statistics_bytes(const struct of_plan *plan)
{
    const uint64_t count = of_plan_vector_count(plan);
    const uint64_t matrix = count * count * sizeof(double);
    uint64_t bytes = 2 * of_survey_slot_bytes(&plan->survey, 1, 1);

    if (plan->method->solve != NULL || plan->compare) {
        bytes += (1 + OF_SOLVE_MATRICES) * matrix + 16 * count * sizeof(double) + 4096;
    }
    if (plan->method->solve != NULL) {
        bytes += plan->row_count * (sizeof(struct of_row) + count * sizeof(float));
    }
    return bytes;
}

static uint64_t step_state_bytes(const struct of_build *build)
{
    return LEAF_BYTES + (build->options->nonfinite == OF_NONFINITE_KEEP ? COUNT_BYTES : 0);
}

static void add_fixed(struct budget *budget, uint64_t memory_bytes)
{
    const struct of_build *build = budget->build;
    const struct of_plan *plan = build->plan;
    const uint64_t inputs = (uint64_t)plan->input_count + 1;

    budget->memory_bytes = memory_bytes;
    budget->line_count = 0;
    budget->fixed_bytes = 0;
    settle_workers(budget);
    settle_pools(budget);
    settle_rings(budget);
    settle_hash_threads(budget);
    add_line(budget, "program", 1, OF_MEMORY_PROGRAM, "code, libraries, C library");
    add_line(budget, "stacks", thread_count(budget), OF_STACK_BYTES,
             "workers, hash threads, timer, loader, I/O threads");
    add_line(budget, "recipe", 1,
             of_num_max(RECIPE_BYTES_MIN, RECIPE_FACTOR * build->recipe->text.length),
             "the recipe's text and its parsed form");
    add_line(budget, "tables", 1, plan->arena.used_bytes,
             "tensors, layouts, coefficients; shared layouts once");
    add_line(budget, "units", plan->step_count, sizeof(struct of_unit), "tiles and bundles");
    add_line(budget, "results", plan->step_count, step_state_bytes(build),
             "digest of every output tensor");
    add_line(budget, "inputs", inputs, INPUT_STATE_BYTES, "descriptors of input files");
    add_line(budget, "hash", plan->output.shard_count, SHARD_STATE_BYTES,
             "running sums of the output files");
    add_line(budget, "writer", 1, WRITER_BYTES, "manifest, lists, leaves");
    add_line(budget, "ring", budget->ring_count, RING_BYTES, "queues of the I/O backend");
    if (statistics_bytes(plan) > 0) {
        add_line(budget, "sums", 1, statistics_bytes(plan),
                 "sums over all tensors, and what is solved from them");
    }
    add_line(budget, "reserve", 1, OF_MEMORY_RESERVE, "page tables, late messages");
}

/* ---- Sizes of a slot ---- */

/* One way to cut the work. */
struct shape {
    struct of_tile_caps caps;
    struct of_tile_need need;
    uint64_t area_bytes;
    uint64_t base_area_bytes;
    uint64_t out_area_bytes;
    uint32_t area_count;
    uint64_t sets;  /* of read areas */
    uint64_t slots; /* as many, or more: those that need none, for inputs in the page cache */
};

/* Partial sums of one visit take about as much as the bytes of one input that they are made of. */
static uint64_t grains_allowed(const struct of_survey_shape *survey, uint64_t read_bytes)
{
    const uint64_t each = of_survey_slot_bytes(survey, 1, 1);

    return survey->need == OF_GRAM_NONE ? 0 : of_num_max(read_bytes / each, 1);
}

static void cut(const struct budget *budget, uint64_t read_bytes, bool plane, struct shape *shape)
{
    const struct of_build *build = budget->build;

    shape->caps =
        (struct of_tile_caps){.read_bytes = read_bytes,
                              /* sums of an input of one byte per element */
                              .out_bytes = 4 * read_bytes + UINT64_C(3) * OF_DIRECT_ALIGN_MAX,
                              .plane = plane,
                              .scatter = !budget->maps, /* a window is one range */
                              .grains_max = grains_allowed(&build->plan->survey, read_bytes),
                              .tile_grains_max = build->options->tile_grains_max};
    of_order_cut(build, &shape->caps, NULL, &shape->need);
    /* An area of nothing would leave a slot without addresses for its areas. */
    shape->area_bytes = of_num_max(of_order_room(shape->need.read_bytes), OF_DIRECT_ALIGN_MAX);
    shape->base_area_bytes = of_order_room(shape->need.base_bytes);
    shape->out_area_bytes = of_num_align_up(shape->need.out_bytes, OF_DIRECT_ALIGN_MAX);
}

static uint64_t set_bytes(const struct shape *shape, uint64_t area_count)
{
    return area_count * shape->area_bytes + shape->base_area_bytes;
}

static uint64_t slot_bytes(const struct shape *shape, uint64_t area_count)
{
    return set_bytes(shape, area_count) + shape->out_area_bytes;
}

/* Windows take what the areas would, and the rest of a page on both sides. */
static uint64_t tile_windows_bytes(const struct shape *shape, uint64_t area_count)
{
    return area_count * shape->area_bytes + shape->base_area_bytes +
           2 * (area_count + 1) * OF_DIRECT_ALIGN_MAX;
}

static uint64_t window_bytes(const struct budget *budget, const struct shape *shape,
                             uint64_t area_count)
{
    return budget->maps ? tile_windows_bytes(shape, area_count) : 0;
}

static uint64_t survey_bytes(const struct budget *budget, const struct shape *shape)
{
    return of_survey_slot_bytes(&budget->build->plan->survey, shape->need.grains_max,
                                shape->need.steps_max);
}

static uint64_t state_bytes(const struct shape *shape, uint64_t area_count)
{
    return SLOT_STATE_BYTES + (area_count + 1) * AREA_STATE_BYTES +
           shape->need.grains_max * LEAF_BYTES + (uint64_t)shape->need.steps_max * COUNT_BYTES;
}

static uint64_t pool_bytes(const struct budget *budget, const struct shape *shape,
                           uint64_t area_count, uint64_t slots, uint64_t sets)
{
    const uint64_t parts = budget->pool_count;
    const uint64_t workers = of_num_div_ceil(budget->worker_count, parts);

    return parts * of_num_align_up(of_num_div_ceil(slots, parts) * shape->out_area_bytes +
                                       of_num_div_ceil(sets, parts) * set_bytes(shape, area_count) +
                                       workers * budget->scratch_bytes,
                                   POOL_ALIGN);
}

static uint64_t total_bytes_of(const struct budget *budget, const struct shape *shape,
                               uint64_t area_count, uint64_t slots, uint64_t sets)
{
    return budget->fixed_bytes +
           slots * (state_bytes(shape, area_count) + survey_bytes(budget, shape) +
                    window_bytes(budget, shape, area_count)) +
           pool_bytes(budget, shape, area_count, slots, sets);
}

/* With a set of areas for every slot. */
static uint64_t total_bytes(const struct budget *budget, const struct shape *shape,
                            uint64_t area_count, uint64_t slots)
{
    return total_bytes_of(budget, shape, area_count, slots, slots);
}

/* How many slots fit, up to `wanted`. */
static uint64_t slots_that_fit(const struct budget *budget, const struct shape *shape,
                               uint64_t area_count, uint64_t wanted)
{
    uint64_t slots = wanted;

    while (slots > 0 && total_bytes(budget, shape, area_count, slots) > budget->memory_bytes) {
        slots--;
    }
    return slots;
}

/* ---- The choice ---- */

static uint64_t cap_slots(const struct budget *budget, const struct shape *shape, uint64_t slots)
{
    const uint32_t wish = budget->build->options->slot_count_max;

    slots = of_num_min(slots, of_num_max(shape->need.visit_count, 1));
    return wish > 0 ? of_num_min(slots, wish) : slots;
}

static uint64_t slots_least(const struct budget *budget)
{
    const uint64_t lanes = budget->hash_thread_count; /* one slot is hashed, the next one made */
    const uint64_t least = of_num_max(SLOTS_WANTED_MIN, budget->worker_count + 2);

    return of_num_min(of_num_max(least, 2 * lanes), OF_SLOTS_MAX);
}

static uint64_t slots_wanted(const struct budget *budget, const struct shape *shape)
{
    return cap_slots(budget, shape, slots_least(budget));
}

static uint64_t for_workers(const struct budget *budget, uint64_t each_bytes)
{
    return each_bytes * of_num_max(budget->worker_count, 2);
}

static uint64_t slots_aim(const struct budget *budget, const struct shape *shape)
{
    const uint64_t each = slot_bytes(shape, shape->area_count);
    const uint64_t least = slots_least(budget);
    const uint64_t most = of_num_max(SLOTS_AIM_MIN, 2 * budget->worker_count + 4);
    const uint64_t few = of_num_min(for_workers(budget, SLOTS_BYTES_AIM) / each, most);
    const uint64_t twice = of_num_min(for_workers(budget, SLOTS_BYTES_AIM_MORE) / each, 2 * least);

    return cap_slots(budget, shape,
                     of_num_min(of_num_max(least, of_num_max(few, twice)), OF_SLOTS_MAX));
}

/* Bytes of one read, were memory no matter: small enough for twice the slots there have to be. */
static uint64_t read_bytes_aim(const struct budget *budget)
{
    const struct of_plan *plan = budget->build->plan;
    const uint64_t areas = (uint64_t)plan->input_count + (plan->has_base ? 1 : 0) + 1;
    uint64_t read_bytes = OF_READ_BYTES_AIM;

    while (read_bytes > READ_BYTES_AIM_MIN &&
           2 * slots_least(budget) * areas * read_bytes > for_workers(budget, SLOTS_BYTES_AIM)) {
        read_bytes /= 2;
    }
    return read_bytes;
}

/* The largest number of inputs up to `most` with which that many slots fit; 0 when not even one. */
static uint32_t areas_that_fit(const struct budget *budget, const struct shape *shape,
                               uint32_t most, uint64_t slots)
{
    uint32_t low = 0;
    uint32_t high = most;

    while (low < high) {
        const uint32_t middle = low + (high - low + 1) / 2;

        if (total_bytes(budget, shape, middle, slots) <= budget->memory_bytes) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static uint32_t areas_allowed(const struct budget *budget)
{
    const uint32_t wish = budget->build->options->area_count_max;
    const uint32_t inputs = budget->build->plan->input_count;

    if (budget->build->plan->gather) {
        return inputs;
    }
    return wish > 0 && wish < inputs ? wish : inputs;
}

/* Tries the longest reads in twice the slots there have to be, all inputs together. */
static bool try_roomy(const struct budget *budget, struct shape *shape)
{
    const uint32_t inputs = budget->build->plan->input_count;
    const uint64_t slots = 2 * slots_least(budget);

    if (areas_allowed(budget) != inputs) {
        return false;
    }
    cut(budget, OF_READ_BYTES_AIM, false, shape);
    shape->area_count = inputs;
    return slots * slot_bytes(shape, inputs) <= for_workers(budget, SLOTS_BYTES_AIM_MORE) &&
           total_bytes(budget, shape, inputs, cap_slots(budget, shape, slots)) <=
               budget->memory_bytes;
}

/* Tries one tile size. */
static bool try_size(const struct budget *budget, uint64_t read_bytes, uint64_t slots_min,
                     struct shape *shape)
{
    const uint32_t inputs = budget->build->plan->input_count;
    const uint32_t allowed = areas_allowed(budget);
    uint64_t wanted;

    if (allowed == inputs) {
        cut(budget, read_bytes, false, shape);
        wanted = slots_min > 0 ? cap_slots(budget, shape, slots_min) : slots_wanted(budget, shape);
        if (total_bytes(budget, shape, inputs, wanted) <= budget->memory_bytes) {
            shape->area_count = inputs;
            return true;
        }
        if (inputs == 1 || budget->build->plan->gather) {
            return false;
        }
    }
    cut(budget, read_bytes, true, shape);
    wanted = slots_min > 0 ? cap_slots(budget, shape, slots_min) : slots_wanted(budget, shape);
    shape->area_count =
        areas_that_fit(budget, shape, allowed == inputs ? inputs - 1 : allowed, wanted);
    return shape->area_count > 0;
}

static uint64_t read_bytes_min(const struct of_plan *plan)
{
    return plan->gather ? READ_BYTES_GATHER_MIN : READ_BYTES_MIN;
}

/* What the smallest way to do it takes under the budget's bound. */
static uint64_t least_bytes(const struct budget *budget)
{
    const struct of_plan *plan = budget->build->plan;
    struct shape shape = {0};

    cut(budget, read_bytes_min(plan), plan->input_count > 1 && !plan->gather, &shape);
    return total_bytes(budget, &shape, plan->gather ? plan->input_count : 1,
                       cap_slots(budget, &shape, SLOTS_POSSIBLE_MIN));
}

static onefold_status refuse(struct budget *budget, onefold_error *err)
{
    const struct of_plan *plan = budget->build->plan;
    uint64_t bound = budget->memory_bytes;
    uint64_t least = least_bytes(budget);

    /* A larger bound lets more workers in, of which some would be wanted. */
    while (least > bound) {
        bound = of_num_align_up(least, OF_MIB);
        add_fixed(budget, bound);
        least = least_bytes(budget);
    }
    return of_err_set(err, "memory-bound",
                      "--memory is %llu MiB; this %s needs at least %llu MiB (tables %llu, "
                      "threads %llu, program and reserve %llu, tiles%s %llu)",
                      (unsigned long long)(budget->build->memory_bytes / OF_MIB),
                      plan->compare ? "comparison" : "merge", (unsigned long long)(bound / OF_MIB),
                      (unsigned long long)(plan->arena.used_bytes / OF_MIB),
                      (unsigned long long)(thread_count(budget) * OF_STACK_BYTES / OF_MIB),
                      (unsigned long long)((OF_MEMORY_PROGRAM + OF_MEMORY_RESERVE) / OF_MIB),
                      plan->gather ? " of all inputs together" : "",
                      (unsigned long long)(bound / OF_MIB - budget->fixed_bytes / OF_MIB));
}

/* Headers and index of the output are written in portions, before pool and threads are there. */
static onefold_status check_texts(const struct budget *budget, onefold_error *err)
{
    const struct of_build *build = budget->build;
    const struct of_out_layout *output = &build->plan->output;
    uint64_t texts = of_layout_emit_bytes(output);
    uint64_t headers = 0;
    uint64_t needed;

    for (uint32_t i = 0; i < output->shard_count; i++) {
        headers += output->shards[i].header_bytes;
    }
    if (output->shard_count > 1) {
        texts = of_num_max(texts, of_shard_index_emit_bytes(build->plan->step_count));
        /* An entry of the index is no longer than that of a header. */
        if (headers > OF_INDEX_BYTES_MAX) {
            return of_err_set(
                err, "plan-limit",
                "the headers of the output need %llu MiB, and an index of that size could "
                "not be read again; at most %llu MiB are handled",
                (unsigned long long)of_num_div_ceil(headers, OF_MIB),
                (unsigned long long)(OF_INDEX_BYTES_MAX / OF_MIB));
        }
    }
    needed = budget->fixed_bytes - thread_count(budget) * OF_STACK_BYTES -
             budget->ring_count * RING_BYTES + texts;
    if (needed > build->memory_bytes) {
        return of_err_set(err, "memory-bound",
                          "--memory is %llu MiB; headers and index of the output need at least "
                          "%llu MiB",
                          (unsigned long long)(build->memory_bytes / OF_MIB),
                          (unsigned long long)of_num_div_ceil(needed, OF_MIB));
    }
    return ONEFOLD_OK;
}

/* More slots, without areas: tiles of which the page cache holds all inputs need none, and write
 * faster than they are read; in that many the disk always has something to write
 * (docs/decisions/014-slots-without-read-areas.md). As many again, in an eighth of the bound. */
static uint64_t slots_with_more(const struct budget *budget, const struct shape *shape)
{
    const struct of_plan_options *options = budget->build->options;
    const uint64_t room = budget->memory_bytes / 8 / of_num_max(shape->out_area_bytes, 1);
    const uint64_t few = shape->slots;
    uint64_t slots = few + of_num_min(few, room);

    if (options->io_name != NULL || options->direct != OF_DIRECT_AUTO ||
        budget->build->plan->compare || few < budget->pool_count) {
        return few;
    }
    slots = of_num_min(cap_slots(budget, shape, slots), OF_SLOTS_MAX);
    while (slots > few && total_bytes_of(budget, shape, shape->area_count, slots, shape->sets) >
                              budget->memory_bytes) {
        slots--;
    }
    return of_num_max(slots, few);
}

/* Sets for the reads that may be underway, for what the workers have, and one for the next one:
 * memory that is not needed is not only saved, a virtual machine may have to wait for it. */
static uint64_t sets_for(const struct budget *budget, uint64_t flight_bytes, uint64_t each_bytes)
{
    return of_num_div_ceil(for_workers(budget, flight_bytes), of_num_max(each_bytes, 1)) +
           budget->worker_count + 1;
}

static uint64_t sets_aim(const struct budget *budget, const struct shape *shape)
{
    const uint64_t sets = sets_for(budget, FLIGHT_BYTES_AIM, set_bytes(shape, shape->area_count));

    return of_num_min(shape->slots, of_num_max(sets, budget->pool_count));
}

/* A part of a tile takes a set as well, and with half of the bytes underway there are more of them:
 * sets for these, as far as memory is left. */
static uint64_t sets_with_parts(const struct budget *budget, const struct shape *shape)
{
    const uint64_t tile_bytes = set_bytes(shape, shape->area_count);
    const uint64_t aim =
        of_num_min(shape->slots, sets_for(budget, FLIGHT_BYTES_AIM / 2,
                                          tile_bytes / of_plan_part_count(tile_bytes)));
    uint64_t sets = shape->sets;

    while (sets < aim && total_bytes_of(budget, shape, shape->area_count, shape->slots, sets + 1) <=
                             budget->memory_bytes) {
        sets++;
    }
    return sets;
}

/* Windows over cached inputs, of each worker, from what is left: those of a tile, or less. */
static uint64_t pane_bytes(const struct budget *budget, const struct shape *shape)
{
    const struct of_plan_options *options = budget->build->options;
    const uint64_t used_bytes =
        total_bytes_of(budget, shape, shape->area_count, shape->slots, shape->sets);
    const uint64_t least =
        (shape->area_count + 1) * (OF_PANE_BYTES_MIN + UINT64_C(2) * OF_DIRECT_ALIGN_MAX);
    const uint64_t each = of_num_align_down(
        of_num_min((budget->memory_bytes - used_bytes) / budget->worker_count,
                   of_num_max(tile_windows_bytes(shape, shape->area_count), least)),
        OF_DIRECT_ALIGN_MAX);

    return options->io_name == NULL && options->direct == OF_DIRECT_AUTO &&
                   budget->worker_count <= OF_PANE_WORKERS_MAX && each >= least
               ? each
               : 0;
}

/* ---- The result ---- */

static onefold_status make_units(struct budget *budget, const struct shape *shape,
                                 onefold_error *err)
{
    struct of_build *build = budget->build;
    struct of_plan *plan = build->plan;
    struct of_tile_need need;

    plan->units = OF_ARENA_NEW(&plan->arena, struct of_unit, shape->need.unit_count);
    if (plan->units == NULL) {
        return of_build_no_memory(build, err);
    }
    of_order_cut(build, &shape->caps, plan->units, &need);
    plan->unit_count = (uint32_t)need.unit_count;
    plan->visit_count = need.visit_count;
    return ONEFOLD_OK;
}

static void fill_how(struct budget *budget, const struct shape *shape)
{
    struct of_build *build = budget->build;
    struct of_how *how = &build->plan->how;
    const uint64_t slots = shape->slots;
    const uint64_t scratch = budget->worker_count * budget->scratch_bytes;

    how->memory_bytes = build->memory_bytes;
    how->io_name = build->options->io_name;
    how->direct = build->options->direct;
    how->worker_count = (uint32_t)budget->worker_count;
    how->hash_thread_count = (uint32_t)budget->hash_thread_count;
    how->xxh128_thread_count = (uint32_t)budget->xxh128_thread_count;
    how->workers_hash = budget->workers_hash;
    how->pool_count = (uint32_t)budget->pool_count;
    how->ring_count = (uint32_t)budget->ring_count;
    how->slot_count = (uint32_t)slots;
    how->set_count = (uint32_t)shape->sets;
    how->area_count = shape->area_count;
    how->area_bytes = shape->area_bytes;
    how->base_area_bytes = shape->base_area_bytes;
    how->out_area_bytes = shape->out_area_bytes;
    how->slot_bytes = slot_bytes(shape, shape->area_count);
    how->survey_bytes = survey_bytes(budget, shape);
    how->fetch_bytes = budget->fetch_bytes;
    how->pane_bytes = pane_bytes(budget, shape);
    how->scratch_bytes = budget->scratch_bytes;
    how->statistics_bytes = statistics_bytes(build->plan);
    how->pool_bytes = pool_bytes(budget, shape, shape->area_count, slots, shape->sets);
    how->flight_bytes = FLIGHT_BYTES_AIM * of_num_max(budget->worker_count, 2);
    add_line(budget, "slots", slots, state_bytes(shape, shape->area_count),
             "requests, leaves and counts of a tile");
    if (how->survey_bytes > 0) {
        add_line(budget, "survey", slots, how->survey_bytes, "partial sums of a tile's grains");
    }
    add_line(budget, "outputs", slots, how->out_area_bytes, "output of a tile");
    add_line(budget, "pool", shape->sets, set_bytes(shape, shape->area_count),
             shape->area_count == build->plan->input_count
                 ? "tiles: all inputs of a tile together"
                 : "tiles: inputs one round after the other");
    add_line(budget, "scratch", budget->worker_count, budget->scratch_bytes, "blocks of a worker");
    add_line(budget, "rounding", 1,
             how->pool_bytes - slots * how->out_area_bytes -
                 shape->sets * set_bytes(shape, shape->area_count) - scratch,
             "the pool is whole huge pages");
    if (budget->maps) {
        add_line(budget, "windows", slots, window_bytes(budget, shape, shape->area_count),
                 "mapped parts of the inputs");
    }
    if (how->pane_bytes > 0) {
        add_line(budget, "windows", budget->worker_count, how->pane_bytes,
                 "mapped parts of cached inputs");
    }
    memcpy(how->lines, budget->lines, sizeof(how->lines));
    how->line_count = budget->line_count;
    of_assert(budget->fixed_bytes <= build->memory_bytes);
}

onefold_status of_budget_choose(struct of_build *build, onefold_error *err)
{
    const char *io = build->options->io_name;
    struct budget budget = {.build = build, .maps = io != NULL && strcmp(io, "mmap") == 0};
    struct shape shape = {0};
    const uint64_t least = read_bytes_min(build->plan);
    uint64_t read_bytes;
    bool found;

    add_fixed(&budget, build->memory_bytes);
    OF_TRY(check_texts(&budget, err));
    found = try_roomy(&budget, &shape);
    read_bytes = read_bytes_aim(&budget);
    while (!found && read_bytes >= least) {
        found = try_size(&budget, read_bytes, 0, &shape);
        read_bytes /= 2;
    }
    if (!found && !try_size(&budget, least, SLOTS_POSSIBLE_MIN, &shape)) {
        return refuse(&budget, err);
    }
    shape.slots = slots_that_fit(&budget, &shape, shape.area_count, slots_aim(&budget, &shape));
    shape.sets = sets_aim(&budget, &shape);
    shape.slots = slots_with_more(&budget, &shape);
    shape.sets = sets_with_parts(&budget, &shape);
    OF_TRY(make_units(&budget, &shape, err));
    fill_how(&budget, &shape);
    return ONEFOLD_OK;
}
