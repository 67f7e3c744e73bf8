/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: the sum of the parts stays inside the bound, whatever the number of inputs; what cannot
 * be met is refused with the amount that would do. */
#include "base/num.h"
#include "planned.h"

static struct tmpdir dir;

static int make_dir(void **state)
{
    /* More than one slot holds, in one tensor; and small ones. */
    static const struct mk_tensor tensors[] = {
        {.name = "embed", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {32000, 4096}},
        {.name = "norm", .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {4096}},
        {.name = "proj", .dtype = ONEFOLD_DTYPE_BF16, .rank = 2, .shape = {4096, 4096}}};

    (void)state;
    dir = tmpdir_make();
    planned_sparse(tmpdir_join(dir.path, "m").text, tensors, 3);
    planned_sparse(tmpdir_join(dir.path, "base").text, tensors, 3);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

/* `count` inputs; the one checkpoint stands in for all of them. */
static void parse(struct planned *planned, const char *method, uint32_t count)
{
    static char text[400000];
    size_t at;

    at =
        (size_t)snprintf(text, sizeof(text), "merge_method: %s\nparameters: {weight: 1}\n", method);
    at += (size_t)snprintf(text + at, sizeof(text) - at, "models:\n");
    for (uint32_t i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "- {model: %s/m, name: m%u}\n",
                               dir.path, i);
    }
    planned_parse(planned, text);
}

static uint64_t total(const struct of_plan *plan)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < plan->how.line_count; i++) {
        bytes += plan->how.lines[i].bytes;
    }
    return bytes;
}

static uint64_t line(const struct of_plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->how.line_count; i++) {
        if (strcmp(plan->how.lines[i].name, name) == 0) {
            return plan->how.lines[i].bytes;
        }
    }
    fail_msg("no line \"%s\"", name);
    return 0;
}

/* As long as they may be where there are few inputs or some, shorter where there are many. */
static void reads_are_long(void **state)
{
    static const struct {
        uint32_t input_count;
        uint64_t read_bytes;
    } cases[] = {{1, OF_MIB}, {4, OF_MIB}, {9, OF_MIB}, {12, OF_MIB / 2}};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(cases); i++) {
        struct planned planned;

        parse(&planned, "linear", cases[i].input_count);
        planned.options.worker_count = 2;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_OK);
        assert_int_equal(planned.plan->how.area_count, cases[i].input_count);
        assert_int_equal(planned.plan->how.area_bytes, cases[i].read_bytes + 4096);
        assert_true(planned.plan->how.slot_count >= 8);
        planned_finish(&planned);
    }
}

static void few_inputs_are_gathered(void **state)
{
    struct planned planned;
    const struct of_how *how;

    (void)state;
    parse(&planned, "linear", 3);
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    how = &planned.plan->how;
    assert_int_equal(how->memory_bytes, OF_MEMORY_DEFAULT);
    assert_int_equal(how->area_count, 3);
    assert_int_equal(how->area_bytes, OF_MIB + 4096);
    assert_int_equal(how->base_area_bytes, 0);
    assert_int_equal(how->worker_count, 3);
    assert_true(how->slot_count >= 4);
    assert_true(total(planned.plan) <= how->memory_bytes);
    assert_int_equal(line(planned.plan, "outputs"), how->slot_count * how->out_area_bytes);
    assert_int_equal(line(planned.plan, "pool"),
                     how->set_count * (how->slot_bytes - how->out_area_bytes));
    assert_int_equal(line(planned.plan, "tables"), planned.plan->arena.used_bytes);
    planned_finish(&planned);
}

/* Where every tile is read from the disk. */
static uint32_t few_slots(uint64_t memory_bytes)
{
    struct planned planned;
    uint32_t count;

    parse(&planned, "linear", 3);
    planned.options.direct = OF_DIRECT_ON;
    planned.options.memory_bytes = memory_bytes;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    count = planned.plan->how.slot_count;
    planned_finish(&planned);
    return count;
}

/* There are read areas for what may be underway and what the workers have, and slots for tiles that
 * are hashed and written besides; more of these where the page cache is asked, because tiles of
 * cached inputs need no areas. */
static void there_are_slots_for_cached_inputs(void **state)
{
    static const struct {
        const char *io_name;
        enum of_direct direct;
        uint64_t memory_bytes;
        bool more;
    } cases[] = {
        {NULL, OF_DIRECT_AUTO, OF_MEMORY_DEFAULT, true},
        {NULL, OF_DIRECT_AUTO, OF_MEMORY_MIN, false}, /* no room */
        {NULL, OF_DIRECT_ON, OF_MEMORY_DEFAULT, false},
        {"uring", OF_DIRECT_AUTO, OF_MEMORY_DEFAULT, false},
        {"mmap", OF_DIRECT_AUTO, OF_MEMORY_DEFAULT, false},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(cases); i++) {
        struct planned planned;
        const struct of_how *how;

        parse(&planned, "linear", 3);
        planned.options.io_name = cases[i].io_name;
        planned.options.direct = cases[i].direct;
        planned.options.memory_bytes = cases[i].memory_bytes;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_OK);
        how = &planned.plan->how;
        assert_true(total(planned.plan) <= how->memory_bytes);
        assert_int_equal(how->slot_count > few_slots(cases[i].memory_bytes), cases[i].more);
        assert_true(how->set_count <= how->slot_count && how->set_count > how->worker_count);
        assert_true(how->set_count == how->slot_count ||
                    (how->set_count - how->worker_count) *
                            (how->slot_bytes - how->out_area_bytes) >=
                        how->flight_bytes);
        planned_finish(&planned);
    }
}

/* Parts of tiles take sets, too: there are as many as are underway, with half of the bytes, as the
 * workers have, and one more; fewer only where no memory is left. */
static void there_are_sets_for_parts(void **state)
{
    static const uint64_t bounds[] = {OF_MEMORY_DEFAULT, 100 * OF_MIB, OF_MEMORY_MIN};

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(bounds); i++) {
        for (uint32_t inputs = 3; inputs <= 12; inputs++) {
            struct planned planned;
            const struct of_how *how;
            uint64_t set_bytes;
            uint64_t wanted;

            parse(&planned, "linear", inputs);
            planned.options.worker_count = 2;
            planned.options.memory_bytes = bounds[i];
            planned_build(&planned);
            assert_int_equal(planned.status, ONEFOLD_OK);
            how = &planned.plan->how;
            set_bytes = how->slot_bytes - how->out_area_bytes;
            wanted =
                of_num_div_ceil(how->flight_bytes / 2, set_bytes / of_plan_part_count(set_bytes)) +
                how->worker_count + 1;
            assert_true(total(planned.plan) <= how->memory_bytes);
            if (how->set_count < of_num_min(wanted, how->slot_count)) {
                /* Another one would have been too much; windows take what is left. */
                assert_true(bounds[i] < OF_MEMORY_DEFAULT);
                assert_true(total(planned.plan) - how->worker_count * how->pane_bytes + set_bytes >
                            how->memory_bytes - 2 * OF_MIB);
            }
            planned_finish(&planned);
        }
    }
}

static void any_number_of_inputs_fits_64_mebibytes(void **state)
{
    static const uint32_t counts[] = {1, 2, 3, 8, 20, 64, 200, 1000};
    static const char *const backends[] = {NULL, "uring", "threads", "mmap"};
    static const uint32_t workers[] = {1, 4, 200};

    (void)state;
    for (size_t i = 0; i < 8 * 4 * 3; i++) {
        struct planned planned;
        const uint32_t count = counts[i % 8];
        const struct of_how *how;

        parse(&planned, "linear", count);
        planned.options.memory_bytes = OF_MEMORY_MIN;
        planned.options.io_name = backends[i / 8 % 4];
        planned.options.worker_count = workers[i / 32];
        planned_build(&planned);
        if (planned.status != ONEFOLD_OK) {
            fail_msg("%u inputs: %s", count, planned.err.message);
        }
        how = &planned.plan->how;
        assert_true(total(planned.plan) <= OF_MEMORY_MIN);
        assert_true(how->area_count >= 1 && how->area_count <= count);
        assert_true(how->slot_count >= 2);
        if (how->worker_count == 1 && i / 8 % 4 != 3) {
            assert_true(how->area_count == count ? count <= 20 : count > 4);
        }
        if (how->worker_count == 1) {
            assert_true(how->slot_count >= 4);
            assert_true(how->area_bytes >= 512 * OF_KIB);
        }
        planned_finish(&planned);
    }
}

/* Never at the cost of a worker: what a worker copies at a time grows only where all have room. */
static void workers_copy_more_where_all_have_room(void **state)
{
    static const struct {
        uint64_t memory_bytes;
        uint32_t wanted;
        uint32_t workers;
        uint64_t fetch_bytes;
    } rows[] = {{OF_MEMORY_MIN, 1, 1, OF_FETCH_BYTES_MAX},
                {OF_MEMORY_MIN, 5, 5, OF_FETCH_BYTES_MAX},
                {OF_MEMORY_MIN, 8, 8, OF_FETCH_BYTES_MIN},
                {OF_MEMORY_MIN, 200, 9, OF_FETCH_BYTES_MIN},
                {OF_MEMORY_DEFAULT, 16, 16, OF_FETCH_BYTES_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct planned planned;

        parse(&planned, "linear", 3);
        planned.options.memory_bytes = rows[i].memory_bytes;
        planned.options.worker_count = rows[i].wanted;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_OK);
        assert_int_equal(planned.plan->how.worker_count, rows[i].workers);
        assert_int_equal(planned.plan->how.fetch_bytes, rows[i].fetch_bytes);
        assert_true(planned.plan->how.scratch_bytes > rows[i].fetch_bytes);
        assert_true(total(planned.plan) <= rows[i].memory_bytes);
        planned_finish(&planned);
    }
}

/* Few workers map cached inputs, from memory that nothing else wants: slots and areas stay as they
 * are without. */
static void few_workers_map_what_is_cached(void **state)
{
    static const struct {
        uint64_t memory_bytes;
        uint32_t workers;
        const char *io_name;
        enum of_direct direct;
        bool maps;
    } rows[] = {
        {OF_MEMORY_DEFAULT, 1, NULL, OF_DIRECT_AUTO, true},
        {OF_MEMORY_DEFAULT, OF_PANE_WORKERS_MAX, NULL, OF_DIRECT_AUTO, true},
        {OF_MEMORY_DEFAULT, OF_PANE_WORKERS_MAX + 1, NULL, OF_DIRECT_AUTO, false},
        {OF_MEMORY_DEFAULT, 2, "uring", OF_DIRECT_AUTO, false},
        {OF_MEMORY_DEFAULT, 2, "mmap", OF_DIRECT_AUTO, false},
        {OF_MEMORY_DEFAULT, 2, NULL, OF_DIRECT_ON, false},
        {OF_MEMORY_DEFAULT, 2, NULL, OF_DIRECT_OFF, false},
        {OF_MEMORY_MIN, 4, NULL, OF_DIRECT_AUTO, false},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct planned planned;
        const struct of_how *how;

        parse(&planned, "linear", 3);
        planned.options.memory_bytes = rows[i].memory_bytes;
        planned.options.worker_count = rows[i].workers;
        planned.options.io_name = rows[i].io_name;
        planned.options.direct = rows[i].direct;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_OK);
        how = &planned.plan->how;
        if ((how->pane_bytes > 0) != rows[i].maps) {
            fail_msg("row %zu: windows of %llu bytes", i, (unsigned long long)how->pane_bytes);
        }
        if (rows[i].maps) {
            assert_int_equal(line(planned.plan, "windows"), rows[i].workers * how->pane_bytes);
            assert_true(how->pane_bytes >= (how->area_count + 1) * OF_PANE_BYTES_MIN);
        }
        assert_true(total(planned.plan) <= rows[i].memory_bytes);
        planned_finish(&planned);
    }
}

/* Half of the CPUs, as many as shards, as the bound has stacks for; one where SHA-256 is not made.
 * Threads of their own if they were asked for or there are CPUs besides those of the workers. */
static void hash_threads_follow_cpus_and_shards(void **state)
{
    static const struct {
        uint32_t cpus;
        uint32_t wish;
        uint32_t workers; /* 0: one per CPU */
        uint32_t sums;
        uint64_t shard_bytes; /* small: one shard for each of the three tensors; 0: one in all */
        uint64_t memory_bytes;
        uint32_t count;
        bool workers_hash;
    } rows[] = {
        {0, 0, 0, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 1, true},
        {2, 0, 0, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 1, true},
        {2, 0, 1, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 1, false},
        {2, 0, 9, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 1, true},
        {4, 0, 0, OF_SUM_SHA256 | OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 2, true},
        {4, 0, 2, OF_SUM_SHA256 | OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 2, false},
        {4, 0, 3, OF_SUM_SHA256 | OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 2, true},
        {1, 0, 0, OF_SUM_SHA256 | OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 1, true},
        {5, 0, 0, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 2, true},
        {96, 0, 0, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 3, false},
        {96, 0, 8, OF_SUM_SHA256 | OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 3, false},
        {96, 0, 0, OF_SUM_SHA256, 0, OF_MEMORY_DEFAULT, 1, false},
        {96, 0, 0, OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 1, false},
        {96, 0, 0, 0, 1000, OF_MEMORY_DEFAULT, 1, false},
        {2, 3, 0, OF_SUM_XXH128, 1000, OF_MEMORY_DEFAULT, 3, false},
        {2, 3, 0, 0, 1000, OF_MEMORY_DEFAULT, 1, false},
        {2, 1000, 0, OF_SUM_SHA256, 1000, OF_MEMORY_MIN, 3, false},
        {96, 1, 0, OF_SUM_SHA256, 1000, OF_MEMORY_DEFAULT, 1, false},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct planned planned;

        parse(&planned, "linear", 3);
        planned.options.machine_cpu_count = rows[i].cpus;
        planned.options.hash_thread_count = rows[i].wish;
        planned.options.worker_count = rows[i].workers;
        planned.options.sums = rows[i].sums;
        planned.options.out_shard_bytes = rows[i].shard_bytes;
        planned.options.memory_bytes = rows[i].memory_bytes;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_OK);
        if (planned.plan->how.hash_thread_count != rows[i].count) {
            fail_msg("row %zu: %u hash threads, not %u", i, planned.plan->how.hash_thread_count,
                     rows[i].count);
        }
        assert_true(total(planned.plan) <= rows[i].memory_bytes);
        if (planned.plan->how.workers_hash != rows[i].workers_hash) {
            fail_msg("row %zu: workers %s", i, rows[i].workers_hash ? "do not hash" : "hash");
        }
        assert_int_equal(planned.plan->how.xxh128_thread_count,
                         rows[i].cpus > 1 && !rows[i].workers_hash &&
                             rows[i].sums == (OF_SUM_SHA256 | OF_SUM_XXH128));
        assert_int_equal(
            line(planned.plan, "stacks"),
            (planned.plan->how.worker_count +
             (rows[i].workers_hash ? 0 : rows[i].count + planned.plan->how.xxh128_thread_count) +
             2 + 16) *
                OF_STACK_BYTES);
        planned_finish(&planned);
    }
}

/* A part of the pool per memory node that has a worker and room, a ring for eight workers and each
 * part; as many rings for each part, or one for all; all of it within the bound. */
static void pools_and_rings_follow_nodes_and_workers(void **state)
{
    static const struct {
        uint32_t cpus;
        uint32_t nodes;
        uint32_t pool_wish;
        uint32_t ring_wish;
        const char *io;
        uint64_t memory_bytes;
        uint32_t pools;
        uint32_t rings;
    } rows[] = {
        {2, 0, 0, 0, NULL, OF_MEMORY_DEFAULT, 1, 1},
        {2, 1, 0, 0, "uring", OF_MEMORY_DEFAULT, 1, 1},
        {8, 1, 0, 0, NULL, OF_MEMORY_DEFAULT, 1, 1},
        {9, 1, 0, 0, "uring", OF_MEMORY_DEFAULT, 1, 2},
        {4, 2, 0, 0, NULL, OF_MEMORY_DEFAULT, 2, 2},
        {32, 2, 0, 0, NULL, OF_GIB, 2, 4},
        {40, 2, 0, 0, NULL, OF_GIB, 2, 4},
        {40, 2, 0, 0, "threads", OF_GIB, 2, 1},
        {40, 2, 0, 0, "mmap", OF_GIB, 2, 1},
        {1, 4, 0, 0, NULL, OF_MEMORY_DEFAULT, 1, 1},
        {8, 8, 0, 0, NULL, OF_MEMORY_MIN, 2, 1},
        {250, 32, 0, 0, NULL, OF_GIB, 16, 16},
        {2, 1, 2, 4, "uring", OF_MEMORY_DEFAULT, 2, 4},
        {2, 1, 2, 5, NULL, OF_MEMORY_DEFAULT, 2, 4},
        {2, 1, 2, 1, NULL, OF_MEMORY_DEFAULT, 2, 1},
        {2, 2, 1, 3, NULL, OF_MEMORY_DEFAULT, 1, 3},
        {2, 1, 99, 99, NULL, OF_GIB, 2, 16},
    };

    (void)state;
    for (size_t i = 0; i < OF_LENGTH(rows); i++) {
        struct planned planned;
        const struct of_how *how;
        uint32_t ring_threads;

        parse(&planned, "linear", 3);
        planned.options.machine_cpu_count = rows[i].cpus;
        planned.options.machine_node_count = rows[i].nodes;
        planned.options.pool_count = rows[i].pool_wish;
        planned.options.ring_count = rows[i].ring_wish;
        planned.options.io_name = rows[i].io;
        planned.options.hash_thread_count = 1;
        planned.options.memory_bytes = rows[i].memory_bytes;
        planned_build(&planned);
        assert_int_equal(planned.status, ONEFOLD_OK);
        how = &planned.plan->how;
        if (how->pool_count != rows[i].pools || how->ring_count != rows[i].rings) {
            fail_msg("row %zu: %u pools, %u rings", i, how->pool_count, how->ring_count);
        }
        assert_true(total(planned.plan) <= rows[i].memory_bytes);
        assert_int_equal(how->pool_bytes % (how->pool_count * 2 * OF_MIB), 0);
        ring_threads = rows[i].io == NULL || strcmp(rows[i].io, "uring") != 0 ? 16
                       : how->ring_count > 1                                  ? how->ring_count
                                                                              : 0;
        assert_int_equal(line(planned.plan, "stacks"),
                         (how->worker_count + 1 + how->xxh128_thread_count + 2 + ring_threads) *
                             OF_STACK_BYTES);
        planned_finish(&planned);
    }
}

static void the_machine_bounds_the_default(void **state)
{
    struct planned planned;

    (void)state;
    parse(&planned, "linear", 3);
    planned.options.machine_memory_bytes = 100 * OF_MIB;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_int_equal(planned.plan->how.memory_bytes, 100 * OF_MIB);
    assert_true(planned_found(&planned, "note memory-shrunk", "100 MiB"));
    planned_finish(&planned);

    parse(&planned, "linear", 3);
    planned.options.machine_memory_bytes = 100 * OF_MIB;
    planned.options.memory_bytes = 128 * OF_MIB;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_MEMORY);
    assert_string_equal(planned.err.id, "memory-cgroup");
    assert_non_null(strstr(planned.err.message, "128 MiB"));
    assert_non_null(strstr(planned.err.message, "100 MiB"));
    planned_finish(&planned);

    parse(&planned, "linear", 3);
    planned.options.machine_memory_bytes = OF_MEMORY_MIN - 1;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_MEMORY);
    assert_string_equal(planned.err.id, "memory-cgroup");
    assert_non_null(strstr(planned.err.message, "63 MiB"));
    planned_finish(&planned);

    parse(&planned, "linear", 3);
    planned.options.memory_bytes = OF_MEMORY_MIN - 1;
    planned_build(&planned);
    assert_string_equal(planned.err.id, "memory-bound");
    planned_finish(&planned);
}

/* Tables so large that tiles do not fit: the message names the least amount, and that works. */
static void the_least_amount_is_named(void **state)
{
    enum { MANY = 210000 };
    struct mk_tensor *tensors = calloc(MANY, sizeof(*tensors));
    char(*names)[48] = calloc(MANY, sizeof(*names));
    struct planned planned;
    char pattern[128];
    unsigned long long least = 0;
    const char *at;

    (void)state;
    assert_non_null(tensors);
    assert_non_null(names);
    for (uint32_t i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "model.layers.%u.experts.%u.weight", i / 1000,
                       i % 1000);
        tensors[i] = (struct mk_tensor){
            .name = names[i], .dtype = ONEFOLD_DTYPE_BF16, .rank = 1, .shape = {8}};
    }
    planned_sparse(tmpdir_join(dir.path, "many").text, tensors, MANY);
    (void)snprintf(pattern, sizeof(pattern),
                   "merge_method: linear\nmodels: [{model: @many}]\nparameters: {weight: 1}\n");
    planned_parse(&planned, planned_text(&dir, pattern));
    planned.options.memory_bytes = OF_MEMORY_MIN;
    planned_build(&planned);
    assert_int_equal(planned.status, ONEFOLD_E_MEMORY);
    assert_string_equal(planned.err.id, "memory-bound");
    at = strstr(planned.err.message, "at least ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "at least %llu MiB", &least), 1);
    assert_in_range(least, 65, 128);
    planned_finish(&planned);

    planned_parse(&planned, planned_text(&dir, pattern));
    planned.options.memory_bytes = least * OF_MIB;
    planned_build(&planned);
    if (planned.status != ONEFOLD_OK) {
        /* Two limits stand in a row; the second names what suffices for both. */
        at = strstr(planned.err.message, "at least ");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "at least %llu MiB", &least), 1);
        planned_finish(&planned);
        planned_parse(&planned, planned_text(&dir, pattern));
        planned.options.memory_bytes = least * OF_MIB;
        planned_build(&planned);
    }
    assert_int_equal(planned.status, ONEFOLD_OK);
    assert_true(total(planned.plan) <= least * OF_MIB);
    planned_finish(&planned);
    free(names);
    free(tensors);
}

/* ---- Rules that need all inputs of a tile at once ---- */

/* `count` inputs beside a base; `lines` are the rule and its parameters. */
static void parse_rule(struct planned *planned, const char *lines, uint32_t count)
{
    static char text[400000];
    size_t at =
        (size_t)snprintf(text, sizeof(text), "%sbase_model: %s/base\nmodels:\n", lines, dir.path);

    for (uint32_t i = 0; i < count; i++) {
        at += (size_t)snprintf(text + at, sizeof(text) - at, "- {model: %s/m, name: m%u}\n",
                               dir.path, i);
    }
    planned_parse(planned, text);
}

static const char *const together[] = {"merge_method: median\n", "merge_method: geometric_median\n",
                                       "merge_method: bulyan\nparameters: {f: 3}\n",
                                       "merge_method: fedgma\nparameters: {rho: 0.5}\n",
                                       "merge_method: trimmed_mean\nparameters: {trim: 2}\n"};
enum { TOGETHER = 5 };

static void check_together(const struct of_plan *plan)
{
    const struct of_how *how = &plan->how;

    assert_true(plan->gather);
    assert_int_equal(how->area_count, plan->input_count);
    assert_true(how->slot_count >= 2 && how->worker_count >= 1);
    assert_true(total(plan) <= how->memory_bytes);
    assert_true(how->scratch_bytes >= OF_BLOCK_CHUNK * sizeof(float) * plan->input_count);
    if (plan->survey.need != OF_GRAM_NONE) {
        assert_int_equal(line(plan, "survey"), how->slot_count * how->survey_bytes);
        assert_true(how->survey_bytes >= plan->survey.sum_count * sizeof(double));
        assert_int_equal(line(plan, "sums"), how->statistics_bytes);
    }
}

static void sixty_four_inputs_together_fit_64_mebibytes(void **state)
{
    static const char *const backends[] = {NULL, "uring", "threads", "mmap"};
    static const uint32_t workers[] = {1, 2, 4};

    (void)state;
    for (size_t i = 0; i < TOGETHER * 4 * 3; i++) {
        struct planned planned;

        parse_rule(&planned, together[i % TOGETHER], 64);
        planned.options.memory_bytes = OF_MEMORY_MIN;
        planned.options.io_name = backends[i / TOGETHER % 4];
        planned.options.worker_count = workers[i / TOGETHER / 4];
        planned_build(&planned);
        if (planned.status != ONEFOLD_OK) {
            fail_msg("%s: %s", together[i % TOGETHER], planned.err.message);
        }
        check_together(planned.plan);
        planned_finish(&planned);
    }
}

static void norms_of_any_number_of_inputs_fit_64_mebibytes(void **state)
{
    static const uint32_t counts[] = {1, 8, 64, 200, 500};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct planned planned;

        parse_rule(&planned, "merge_method: cclip\nparameters: {radius: 1}\n", counts[i]);
        planned.options.memory_bytes = OF_MEMORY_MIN;
        planned.options.worker_count = 2;
        planned_build(&planned);
        if (planned.status != ONEFOLD_OK) {
            fail_msg("%u: %s", counts[i], planned.err.message);
        }
        assert_false(planned.plan->gather);
        assert_int_equal(planned.plan->survey.sum_count, counts[i]);
        assert_true(total(planned.plan) <= OF_MEMORY_MIN);
        planned_finish(&planned);
    }
}

static bool fits(const char *lines, uint32_t count, uint32_t workers, uint64_t mebibytes,
                 unsigned long long *ret_least)
{
    struct planned planned;
    const char *at;
    bool good;

    parse_rule(&planned, lines, count);
    planned.options.memory_bytes = mebibytes * OF_MIB;
    planned.options.worker_count = workers;
    planned_build(&planned);
    good = planned.status == ONEFOLD_OK;
    if (good) {
        check_together(planned.plan);
    } else {
        assert_string_equal(planned.err.id, "memory-bound");
        at = strstr(planned.err.message, "at least ");
        assert_non_null(at);
        assert_int_equal(sscanf(at, "at least %llu MiB", ret_least), 1);
        assert_non_null(strstr(planned.err.message, "tiles of all inputs together"));
    }
    planned_finish(&planned);
    return good;
}

/* Tiles of one grain in two slots are the least; the message names it, and it is the least. */
static void the_smallest_bound_that_works_is_named(void **state)
{
    static const uint32_t workers[] = {1, 8, 200};

    (void)state;
    for (size_t i = 0; i < TOGETHER * 3; i++) {
        const char *lines = together[i % TOGETHER];
        const uint32_t count = i % 2 == 0 ? 256 : 200;
        unsigned long long least = 0;
        unsigned long long ignored;

        assert_false(fits(lines, count, workers[i / TOGETHER], 64, &least));
        assert_in_range(least, 65, 1000);
        if (!fits(lines, count, workers[i / TOGETHER], least, &ignored)) {
            fail_msg("row %zu: %llu MiB were named, then %llu", i, least, ignored);
        }
        if (workers[i / TOGETHER] == 1) {
            assert_false(fits(lines, count, 1, least - 1, &ignored));
            assert_int_equal(ignored, least);
        }
    }
}

static void a_comparison_fits_too(void **state)
{
    struct planned planned;

    (void)state;
    parse_rule(&planned, "merge_method: linear\n", 64);
    planned.options.compare = true;
    planned.options.memory_bytes = OF_MEMORY_MIN;
    planned_build(&planned);
    if (planned.status != ONEFOLD_OK) {
        fail_msg("%s", planned.err.message);
    }
    check_together(planned.plan);
    assert_int_equal(planned.plan->survey.sum_count, 64 * 65 / 2 + 2);
    planned_finish(&planned);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_are_long),
        cmocka_unit_test(few_inputs_are_gathered),
        cmocka_unit_test(there_are_slots_for_cached_inputs),
        cmocka_unit_test(there_are_sets_for_parts),
        cmocka_unit_test(any_number_of_inputs_fits_64_mebibytes),
        cmocka_unit_test(workers_copy_more_where_all_have_room),
        cmocka_unit_test(few_workers_map_what_is_cached),
        cmocka_unit_test(hash_threads_follow_cpus_and_shards),
        cmocka_unit_test(pools_and_rings_follow_nodes_and_workers),
        cmocka_unit_test(the_machine_bounds_the_default),
        cmocka_unit_test(the_least_amount_is_named),
        cmocka_unit_test(sixty_four_inputs_together_fit_64_mebibytes),
        cmocka_unit_test(norms_of_any_number_of_inputs_fit_64_mebibytes),
        cmocka_unit_test(the_smallest_bound_that_works_is_named),
        cmocka_unit_test(a_comparison_fits_too),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
