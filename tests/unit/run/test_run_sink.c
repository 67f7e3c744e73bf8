/* SPDX-License-Identifier: Apache-2.0 */
/* Output files: whole blocks directly, edges through the page cache, and the bytes are the same. */
#include "run/sink.h"

#include "base/limits.h"
#include "sys/file.h"

#include "support/prng.h"
#include "support/tmpdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ELEMS = 300001, AREA_BYTES = 512 * 1024 };

struct fixture {
    struct tmpdir dir;
    struct of_arena arena;
    struct of_plan plan;
    struct of_tensor tensor;
    uint64_t shape[1];
    uint32_t order[1];
    struct of_sink sink;
    uint64_t header_bytes; /* seen by the header function */
    int folder;
};

static void take_header(void *context, uint32_t shard_index, const char *data, uint64_t length)
{
    struct fixture *fixture = context;

    assert_int_equal(shard_index, 0);
    assert_non_null(data);
    fixture->header_bytes += length;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    const struct of_layout_wish wish = {.shard_bytes_max = 0};
    onefold_error err;

    assert_non_null(fixture);
    fixture->dir = tmpdir_make();
    of_arena_init(&fixture->arena, 0);
    fixture->shape[0] = ELEMS;
    fixture->tensor = (struct of_tensor){.name = OF_STR("w"),
                                         .shape = fixture->shape,
                                         .elem_count = ELEMS,
                                         .byte_count = ELEMS,
                                         .rank = 1,
                                         .dtype = ONEFOLD_DTYPE_U8};
    fixture->plan.tensors = &fixture->tensor;
    fixture->plan.step_count = 1;
    assert_int_equal(of_layout_make(&fixture->tensor, 1, &wish, &fixture->arena, fixture->order,
                                    &fixture->plan.output, &err),
                     ONEFOLD_OK);
    fixture->folder = open(fixture->dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fixture->folder >= 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    of_sink_finish(&fixture->sink);
    assert_int_equal(close(fixture->folder), 0);
    of_arena_finish(&fixture->arena);
    tmpdir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

/* Writes the tensor in pieces of random sizes, in random order, each from a buffer that lies at the
 * same place in its block as in the file. Returns how many bytes went through requests. */
static uint64_t write_pieces(struct fixture *fixture, const uint8_t *bytes, struct prng *prng)
{
    const uint64_t start = fixture->plan.output.shards[0].header_bytes;
    uint64_t ends[64];
    bool written[64] = {false};
    uint32_t count = 0;
    uint64_t requested = 0;
    uint8_t *area = aligned_alloc(OF_DIRECT_ALIGN_MAX, AREA_BYTES);
    onefold_error err;

    assert_non_null(area);
    for (uint64_t at = 0; at < ELEMS && count < 63; count++) {
        at += prng_between(prng, 1, 20000);
        ends[count] = at < ELEMS ? at : ELEMS;
    }
    ends[count - 1] = ELEMS;
    for (uint32_t left = count; left > 0; left--) {
        uint32_t i = (uint32_t)prng_below(prng, count);
        struct of_io_req req;
        uint64_t first;
        uint8_t *data;

        while (written[i]) {
            i = (i + 1) % count;
        }
        written[i] = true;
        first = i == 0 ? 0 : ends[i - 1];
        data = area + (start + first) % OF_DIRECT_ALIGN_MAX;
        memcpy(data, bytes + first, ends[i] - first);
        assert_int_equal(of_sink_begin_write(&fixture->sink, 0, start + first, data,
                                             ends[i] - first, &req, &err),
                         ONEFOLD_OK);
        if (req.length > 0) {
            /* Whole blocks of the file system, whatever the disk would take. */
            assert_true(fixture->sink.align == 1 || fixture->sink.align == OF_DIRECT_ALIGN_MAX);
            assert_int_equal(req.offset % fixture->sink.align, 0);
            assert_int_equal(req.length % fixture->sink.align, 0);
            assert_int_equal((uintptr_t)req.buffer % fixture->sink.align, 0);
            assert_int_equal(pwrite(req.fd, req.buffer, req.length, (off_t)req.offset), req.length);
            requested += req.length;
        }
        assert_int_equal(of_sink_end_write(&fixture->sink, 0, start + first, ends[i] - first, &err),
                         ONEFOLD_OK);
        assert_true(fixture->sink.files[0].synced == (left == 1));
    }
    free(area);
    return requested;
}

static void check(struct fixture *fixture, enum of_direct direct, uint64_t seed)
{
    uint8_t *bytes = malloc(ELEMS);
    struct prng prng = prng_make(seed);
    onefold_error err;
    size_t length;
    char *found;

    assert_non_null(bytes);
    prng_fill(&prng, bytes, ELEMS);
    fixture->plan.how.direct = direct;
    fixture->header_bytes = 0;
    assert_int_equal(
        of_sink_init(&fixture->sink, &fixture->plan, fixture->folder, &fixture->arena, &err),
        ONEFOLD_OK);
    assert_int_equal(of_sink_create(&fixture->sink, take_header, fixture, &err), ONEFOLD_OK);
    assert_int_equal(fixture->header_bytes, fixture->plan.output.shards[0].header_bytes);
    if (direct == OF_DIRECT_OFF) {
        assert_int_equal(fixture->sink.align, 1);
        assert_int_equal(write_pieces(fixture, bytes, &prng), ELEMS);
    } else {
        (void)write_pieces(fixture, bytes, &prng);
    }
    assert_int_equal(of_sink_sync(&fixture->sink, &err), ONEFOLD_OK);
    of_sink_finish(&fixture->sink);
    found = tmpdir_read(tmpdir_join(fixture->dir.path, "model.safetensors").text, &length);
    assert_int_equal(length, fixture->plan.output.shards[0].file_bytes);
    assert_memory_equal(found + fixture->plan.output.shards[0].header_bytes, bytes, ELEMS);
    free(found);
    free(bytes);
    assert_int_equal(unlink(tmpdir_join(fixture->dir.path, "model.safetensors").text), 0);
}

static void test_pieces_in_any_order(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        check(*state, seed % 2 == 0 ? OF_DIRECT_OFF : OF_DIRECT_AUTO, seed);
    }
}

static void test_existing_shard_is_refused(void **state)
{
    struct fixture *fixture = *state;
    onefold_error err;

    tmpdir_write_text(tmpdir_join(fixture->dir.path, "model.safetensors").text, "mine");
    assert_int_equal(
        of_sink_init(&fixture->sink, &fixture->plan, fixture->folder, &fixture->arena, &err),
        ONEFOLD_OK);
    assert_int_not_equal(of_sink_create(&fixture->sink, NULL, NULL, &err), ONEFOLD_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_existing_shard_is_refused, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("run_sink", tests, NULL, NULL);
}
