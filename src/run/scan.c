/* SPDX-License-Identifier: Apache-2.0 */
/* One worker reads one file. The bytes of a tensor come in pieces that end anywhere; a walk carries
 * what is unfinished, an element or a grain, from piece to piece. Once there are fewer files left
 * than threads, those to spare compute SHA-256 for those that read. */
#include "run/scan.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "ckpt/digest.h"
#include "run/partner.h"
#include "run/reader.h"
#include "sys/clock.h"
#include "sys/crew.h"
#include "sys/file.h"

#include <string.h>

/* Leaves read from onefold.leaves at a time. */
enum { LEAVES_AHEAD = 256 };
/* Between two looks of the waiting thread. */
#define LOOK_NS UINT64_C(1000000)
enum { ELEM_BYTES_MAX = 8 };
/* Starting a thread takes as long as SHA-256 of some 64 KiB: for less than this it does not pay. */
#define PARTNER_BYTES_MIN OF_READER_CHUNK_BYTES
_Static_assert((int)OF_PARTNER_PIECES < (int)OF_READER_HELD_MAX,
               "others are read while the partner has its");

/* What a worker keeps from file to file. */
struct worker {
    struct of_reader reader;
    bool has_reader;
    struct of_hash *sha256;
    struct of_hash *xxh128;
    struct of_hash *leaf;
    struct of_hash *tensor;
    float *values;              /* OF_BLOCK_ELEMS, 64-byte aligned */
    struct of_digest *expected; /* LEAVES_AHEAD of them */
};

/* Where in the file's tensors the reading is. */
struct walk {
    struct of_scan *scan;
    struct of_scan_file *file;
    struct worker *worker;
    struct of_partner partner; /* has the worker's sha256 while it runs */
    bool partner_refused;
    uint32_t tensor;      /* table index of the current one */
    uint64_t done_bytes;  /* of it */
    uint64_t grain_index; /* in it */
    uint64_t grain_left;  /* bytes of the current grain to come */
    uint64_t grain_bytes;
    uint8_t carry[ELEM_BYTES_MAX]; /* a cut element */
    uint32_t carry_bytes;
    uint64_t leaf_number;    /* of the current grain, over all leaves */
    uint64_t expected_first; /* leaf number of expected[0] */
    uint64_t expected_count;
};

/* ---- Worker memory ---- */

uint64_t of_scan_thread_bytes(uint32_t read_count)
{
    /* Workers that found no more files still have their stacks when partners take their place; and
     * a reader has a thread. */
    const uint64_t stack_bytes = 3 * OF_STACK_BYTES;

    return read_count * OF_READER_READ_BYTES + stack_bytes + OF_BLOCK_ELEMS * sizeof(float) +
           LEAVES_AHEAD * sizeof(struct of_digest) + 64 * OF_KIB;
}

static onefold_status init_worker(struct worker *worker, const struct of_scan *scan,
                                  struct of_arena *arena, onefold_error *err)
{
    *worker = (struct worker){0};
    worker->sha256 = of_hash_create(OF_HASH_SHA256);
    worker->xxh128 = of_hash_create(OF_HASH_XXH128);
    worker->leaf = of_hash_create(OF_HASH_XXH128);
    worker->tensor = of_hash_create(OF_HASH_XXH128);
    worker->values = of_arena_get(arena, OF_BLOCK_ELEMS * sizeof(float), 64);
    worker->expected = OF_ARENA_NEW(arena, struct of_digest, LEAVES_AHEAD);
    if (worker->sha256 == NULL || worker->xxh128 == NULL || worker->leaf == NULL ||
        worker->tensor == NULL || worker->values == NULL || worker->expected == NULL) {
        return of_err_set(err, "memory", "no memory to read the files");
    }
    worker->has_reader = true;
    return of_reader_init(&worker->reader, scan->io_name, scan->direct, scan->read_count, err);
}

static void finish_worker(struct worker *worker)
{
    if (worker->has_reader) {
        of_reader_finish(&worker->reader);
    }
    of_hash_destroy(worker->sha256);
    of_hash_destroy(worker->xxh128);
    of_hash_destroy(worker->leaf);
    of_hash_destroy(worker->tensor);
}

/* ---- Values ---- */

static void count_elems(const struct walk *walk, const uint8_t *data, uint64_t elem_count)
{
    const struct of_tensor *tensor = &walk->scan->table->tensors[walk->tensor];
    struct of_scan_tensor *found = &walk->scan->tensors[walk->tensor];
    const uint32_t size = of_dtype_size((onefold_dtype)tensor->dtype);

    for (uint64_t at = 0; at < elem_count; at += OF_BLOCK_ELEMS) {
        const uint64_t count = of_num_min(OF_BLOCK_ELEMS, elem_count - at);
        uint64_t nan = 0;
        uint64_t inf = 0;

        walk->scan->kern->unpack[tensor->dtype](walk->worker->values, data + at * size, count);
        walk->scan->kern->count_nonfinite(walk->worker->values, count, &nan, &inf);
        found->nan_count += nan;
        found->inf_count += inf;
    }
}

static void count_piece(struct walk *walk, const uint8_t *data, uint64_t length)
{
    const struct of_tensor *tensor = &walk->scan->table->tensors[walk->tensor];
    const uint32_t size = of_dtype_size((onefold_dtype)tensor->dtype);
    uint64_t whole;

    if (!onefold_dtype_is_numeric((onefold_dtype)tensor->dtype)) {
        return;
    }
    if (walk->carry_bytes > 0) {
        const uint64_t part = of_num_min(size - walk->carry_bytes, length);

        memcpy(walk->carry + walk->carry_bytes, data, part);
        walk->carry_bytes += (uint32_t)part;
        data += part;
        length -= part;
        if (walk->carry_bytes < size) {
            return;
        }
        count_elems(walk, walk->carry, 1);
        walk->carry_bytes = 0;
    }
    whole = length / size;
    count_elems(walk, data, whole);
    walk->carry_bytes = (uint32_t)(length - whole * size);
    memcpy(walk->carry, data + whole * size, walk->carry_bytes);
}

/* ---- Leaves ---- */

/* The recorded leaf of the current grain. */
static onefold_status expect_leaf(struct walk *walk, const struct of_digest **ret_leaf,
                                  onefold_error *err)
{
    const struct of_scan_file *file = walk->file;

    if (walk->expected_count == 0 ||
        walk->leaf_number >= walk->expected_first + walk->expected_count) {
        uint64_t left = 0;

        for (uint32_t i = walk->tensor; i < file->first_tensor + file->tensor_count; i++) {
            left += of_digest_grain_count(walk->scan->table->tensors[i].elem_count);
            if (left >= LEAVES_AHEAD + walk->grain_index) {
                break;
            }
        }
        walk->expected_first = walk->leaf_number;
        walk->expected_count = of_num_min(LEAVES_AHEAD, left - walk->grain_index);
        if (of_file_read_at(walk->scan->leaves_fd, walk->worker->expected,
                            walk->expected_count * sizeof(struct of_digest),
                            walk->leaf_number * sizeof(struct of_digest), err) != ONEFOLD_OK) {
            return of_err_prefix(err, "onefold.leaves");
        }
    }
    *ret_leaf = &walk->worker->expected[walk->leaf_number - walk->expected_first];
    return ONEFOLD_OK;
}

static void note_damage(const struct walk *walk)
{
    struct of_scan_file *file = walk->file;
    struct of_damage *last;

    of_assert(file->damage != NULL);
    last = file->damage_count > 0 ? &file->damage[file->damage_count - 1] : NULL;

    file->damaged_grain_count++;
    if (last != NULL && last->tensor == walk->tensor &&
        last->first_grain + last->grain_count == walk->grain_index) {
        last->grain_count++;
    } else if (file->damage_count < OF_DAMAGE_KEPT_MAX) {
        file->damage[file->damage_count++] = (struct of_damage){walk->tensor, walk->grain_index, 1};
    }
}

static void begin_grain(struct walk *walk)
{
    walk->grain_bytes =
        of_digest_grain_bytes(&walk->scan->table->tensors[walk->tensor], walk->grain_index);
    walk->grain_left = walk->grain_bytes;
}

static onefold_status end_grain(struct walk *walk, const struct of_digest *leaf, onefold_error *err)
{
    of_digest_tensor_leaves(walk->worker->tensor, leaf, 1);
    if (walk->scan->leaves_fd >= 0 && walk->file->damage != NULL) {
        const struct of_digest *expected = NULL;

        OF_TRY(expect_leaf(walk, &expected, err));
        of_assert(expected != NULL);
        if (memcmp(expected, leaf, sizeof(*leaf)) != 0) {
            note_damage(walk);
        }
    }
    walk->grain_index++;
    walk->leaf_number++;
    return ONEFOLD_OK;
}

/* At most to the end of the grain. */
static onefold_status hash_piece(struct walk *walk, const uint8_t *data, uint64_t length,
                                 onefold_error *err)
{
    struct of_digest leaf;

    if (length == walk->grain_bytes) {
        leaf = walk->scan->kern->hash(data, length);
    } else {
        if (walk->grain_left == walk->grain_bytes) {
            of_hash_restart(walk->worker->leaf);
        }
        of_hash_update(walk->worker->leaf, data, length);
        walk->grain_left -= length;
        if (walk->grain_left > 0) {
            return ONEFOLD_OK;
        }
        of_hash_finish(walk->worker->leaf, leaf.bytes);
    }
    walk->grain_left = 0;
    return end_grain(walk, &leaf, err);
}

/* ---- Tensors ---- */

static bool is_past_last(const struct walk *walk)
{
    return walk->tensor == walk->file->first_tensor + walk->file->tensor_count;
}

static void begin_tensor(struct walk *walk)
{
    walk->done_bytes = 0;
    walk->grain_index = 0;
    walk->carry_bytes = 0;
    if (!is_past_last(walk)) {
        const struct of_tensor *tensor = &walk->scan->table->tensors[walk->tensor];

        of_digest_tensor_begin(walk->worker->tensor, tensor);
        if (tensor->byte_count > 0) {
            begin_grain(walk);
        }
    }
}

/* Ends the current tensor and those without bytes behind it. */
static void end_tensors(struct walk *walk)
{
    while (!is_past_last(walk) &&
           walk->done_bytes == walk->scan->table->tensors[walk->tensor].byte_count) {
        of_digest_tensor_end(walk->worker->tensor, &walk->scan->tensors[walk->tensor].digest);
        walk->tensor++;
        begin_tensor(walk);
    }
}

/* A piece of the file at `offset`, in order. Tensors cover the data of the file without a hole. */
static onefold_status walk_piece(struct walk *walk, uint64_t offset, const uint8_t *data,
                                 uint64_t length, onefold_error *err)
{
    end_tensors(walk);
    while (length > 0 && !is_past_last(walk)) {
        const struct of_tensor *tensor = &walk->scan->table->tensors[walk->tensor];
        const uint64_t want = tensor->offset + walk->done_bytes;
        uint64_t part;

        if (offset < want) {
            part = of_num_min(want - offset, length); /* header */
        } else {
            of_assert(offset == want);
            part = of_num_min(walk->grain_left, length);
            count_piece(walk, data, part);
            OF_TRY(hash_piece(walk, data, part, err));
            walk->done_bytes += part;
            if (walk->grain_left == 0 && walk->done_bytes < tensor->byte_count) {
                begin_grain(walk);
            }
            end_tensors(walk);
        }
        offset += part;
        data += part;
        length -= part;
    }
    return ONEFOLD_OK;
}

/* ---- The partner ---- */

/* spare_count is threads less files not read yet less partners at work: as long as there is one to
 * spare, no more than thread_count are busy, whatever is begun next. */
static bool take_spare_thread(struct of_scan *scan)
{
    int_fast64_t spare_count = atomic_load_explicit(&scan->spare_count, memory_order_relaxed);

    while (spare_count > 0) {
        if (atomic_compare_exchange_weak(&scan->spare_count, &spare_count, spare_count - 1)) {
            return true;
        }
    }
    return false;
}

/* In the middle of a file too: most threads come free when others end. */
static void call_partner(struct walk *walk, uint64_t left_bytes)
{
    onefold_error refusal;

    if (!walk->file->want_sha256 || walk->partner_refused || left_bytes < PARTNER_BYTES_MIN ||
        of_partner_is_running(&walk->partner) || !take_spare_thread(walk->scan)) {
        return;
    }
    if (of_partner_start(&walk->partner, walk->worker->sha256, &refusal) == ONEFOLD_OK) {
        walk->file->had_partner = true;
    } else {
        walk->partner_refused = true; /* it only takes longer */
        atomic_fetch_add(&walk->scan->spare_count, 1);
    }
}

static void dismiss_partner(struct walk *walk)
{
    if (of_partner_is_running(&walk->partner)) {
        of_partner_stop(&walk->partner);
        atomic_fetch_add(&walk->scan->spare_count, 1);
    }
}

/* ---- Files ---- */

static onefold_status take_chunk(struct walk *walk, uint64_t offset, const uint8_t *data,
                                 uint64_t length, onefold_error *err)
{
    const struct of_scan_file *file = walk->file;

    call_partner(walk, file->size_bytes - offset);
    if (of_partner_is_running(&walk->partner)) {
        of_partner_give(&walk->partner, data, length);
    } else if (file->want_sha256) {
        of_hash_update(walk->worker->sha256, data, length);
    }
    if (file->want_xxh128) {
        of_hash_update(walk->worker->xxh128, data, length);
    }
    return file->want_tree ? walk_piece(walk, offset, data, length, err) : ONEFOLD_OK;
}

/* What the walk is done with, and the partner too if there is one, goes back to the reader. Waits
 * for the partner only where more than `held_max` chunks would stay. */
static onefold_status release_chunks(struct walk *walk, uint32_t held_max, onefold_error *err)
{
    struct of_reader *reader = &walk->worker->reader;

    while (reader->held_count > 0) {
        if (of_partner_is_running(&walk->partner) &&
            !of_partner_take(&walk->partner, reader->held_count > held_max)) {
            break;
        }
        OF_TRY(of_reader_release(reader, err));
    }
    return ONEFOLD_OK;
}

static onefold_status read_through(struct walk *walk, onefold_error *err)
{
    struct of_scan *scan = walk->scan;
    uint64_t offset = 0;

    for (;;) {
        const uint8_t *data = NULL;
        uint64_t length = 0;

        OF_TRY(of_reader_next(&walk->worker->reader, &data, &length, err));
        if (length == 0) {
            return release_chunks(walk, 0, err);
        }
        if (scan->cancel != NULL && *scan->cancel != 0) {
            return of_err_set(err, "cancelled", "stopped while the files were read");
        }
        OF_TRY(take_chunk(walk, offset, data, length, err));
        OF_TRY(release_chunks(walk, OF_PARTNER_PIECES - 1, err));
        offset += length;
        atomic_fetch_add_explicit(&scan->read_bytes, length, memory_order_relaxed);
    }
}

static onefold_status scan_file(struct of_scan *scan, struct of_scan_file *file,
                                struct worker *worker, onefold_error *err)
{
    struct walk walk = {.scan = scan, .file = file, .worker = worker};
    struct of_identity identity;
    onefold_status status;
    int fd = -1;

    OF_TRY(of_file_open_read(scan->folder_fd, file->name, scan->no_links ? OF_FILE_NO_LINKS : 0,
                             &fd, &identity, err));
    file->size_bytes = identity.size_bytes;
    file->had_partner = false;
    of_hash_restart(worker->sha256);
    of_hash_restart(worker->xxh128);
    walk.tensor = file->first_tensor;
    walk.leaf_number = file->first_leaf;
    if (file->want_tree) {
        begin_tensor(&walk);
        end_tensors(&walk);
    }
    status = of_reader_open(&worker->reader, fd, identity.size_bytes, err);
    if (status == ONEFOLD_OK) {
        status = read_through(&walk, err);
    }
    dismiss_partner(&walk); /* before the bytes it looks at go */
    of_reader_close(&worker->reader);
    of_file_close(&fd);
    if (status == ONEFOLD_OK && file->want_tree && !is_past_last(&walk)) {
        status = of_err_set(err, "input-changed", "the file ends before its tensors do");
    }
    if (status == ONEFOLD_OK && file->want_sha256) {
        of_hash_finish(worker->sha256, file->hashes.sha256.bytes);
    }
    if (status == ONEFOLD_OK && file->want_xxh128) {
        of_hash_finish(worker->xxh128, file->hashes.xxh128.bytes);
    }
    return status;
}

/* Crew shape. A cancelled scan goes through the rest of its files without reading them. */
static void work(void *context, void *item, void *scratch)
{
    struct of_scan *scan = context;
    struct of_scan_file *file = item;

    of_err_clear(&file->error);
    if (scan->cancel != NULL && *scan->cancel != 0) {
        of_err_set(&file->error, "cancelled", "stopped while the files were read");
        return;
    }
    file->error.status = scan_file(scan, file, scratch, &file->error);
    atomic_fetch_add(&scan->spare_count, 1);
}

static void wait_for_all(struct of_scan *scan, struct of_crew *crew)
{
    struct of_meter meter;
    uint32_t left = scan->file_count;

    of_meter_init(&meter, scan->progress, scan->progress_context, scan->total_bytes);
    while (left > 0) {
        while (of_crew_take(crew) != NULL) {
            left--;
        }
        of_meter_show(&meter, atomic_load(&scan->read_bytes), NULL, left == 0);
        if (left > 0) {
            of_clock_sleep_ns(LOOK_NS);
        }
    }
}

static onefold_status run_crew(struct of_scan *scan, struct worker *workers, uint32_t count,
                               onefold_error *err)
{
    const struct of_crew_options options = {.worker_count = count,
                                            .item_count = scan->file_count,
                                            .work = work,
                                            .context = scan,
                                            .scratch = (uint8_t *)workers,
                                            .scratch_bytes = sizeof(*workers)};
    struct of_crew crew;

    OF_TRY(of_crew_init(&crew, &options, err));
    for (uint32_t i = 0; i < scan->file_count; i++) {
        of_crew_give(&crew, 0, &scan->files[i]);
    }
    wait_for_all(scan, &crew);
    of_crew_finish(&crew);
    return ONEFOLD_OK;
}

onefold_status of_scan_run(struct of_scan *scan, onefold_error *err)
{
    const uint32_t count = (uint32_t)of_num_max(
        1, of_num_min(of_num_min(scan->thread_count, scan->file_count), OF_WORKERS_MAX));
    struct of_arena arena;
    struct worker *workers;
    onefold_status status = ONEFOLD_OK;
    uint32_t made = 0;

    atomic_store(&scan->read_bytes, 0);
    atomic_store(&scan->spare_count, (int_fast64_t)scan->thread_count - scan->file_count);
    if (scan->file_count == 0) {
        return ONEFOLD_OK;
    }
    of_arena_init(&arena, 0);
    workers = of_arena_get(&arena, of_mem_array_bytes(count, sizeof(*workers)), 64);
    if (workers == NULL) {
        status = of_err_set(err, "memory", "no memory for %u threads", count);
    }
    while (status == ONEFOLD_OK && workers != NULL && made < count) {
        status = init_worker(&workers[made], scan, &arena, err);
        made++;
    }
    if (status == ONEFOLD_OK) {
        status = run_crew(scan, workers, count, err);
    }
    for (uint32_t i = 0; i < made; i++) {
        finish_worker(&workers[i]);
    }
    of_arena_finish(&arena);
    if (status == ONEFOLD_OK && scan->cancel != NULL && *scan->cancel != 0) {
        status = of_err_set(err, "cancelled", "stopped while the files were read");
    }
    return status;
}
