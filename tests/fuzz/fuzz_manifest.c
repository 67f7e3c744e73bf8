/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests: whatever they say, only plain names, known types and checked numbers come out. */
#include "driver.h"

#include "base/check.h"
#include "base/dtype.h"
#include "base/limits.h"
#include "fmt/manifest.h"

#include <string.h>

#define ARENA_BYTES (4 * OF_MIB)

struct counts {
    uint64_t outputs;
    uint64_t tensors;
};

static void check_name(struct of_str name)
{
    of_assert(name.length > 0 && name.length <= OF_FILE_NAME_BYTES_MAX);
    of_assert(memchr(name.data, '/', name.length) == NULL && !of_str_is(name, ".."));
    of_assert(!of_str_has_control(name));
}

static onefold_status take_output(void *context, const struct of_manifest_file *file,
                                  onefold_error *err)
{
    struct counts *counts = context;

    (void)err;
    counts->outputs++;
    check_name(file->name);
    of_assert(file->size_bytes <= INT64_MAX);
    return ONEFOLD_OK;
}

static onefold_status take_tensor(void *context, const struct of_manifest_tensor *recorded,
                                  onefold_error *err)
{
    struct counts *counts = context;
    const struct of_tensor *tensor = recorded->tensor;
    uint64_t bytes = 0;

    (void)err;
    counts->tensors++;
    check_name(recorded->file);
    of_assert(tensor->name.length > 0 && !of_str_has_control(tensor->name));
    of_assert(tensor->dtype < ONEFOLD_DTYPE_COUNT && tensor->rank <= OF_TENSOR_RANK_MAX);
    of_assert(of_dtype_bytes((onefold_dtype)tensor->dtype, tensor->elem_count, &bytes));
    of_assert(bytes == tensor->byte_count);
    return ONEFOLD_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counts counts = {0};
    const struct of_manifest_reader reader = {take_output, take_tensor, &counts};
    struct of_manifest_head head = {0};
    struct of_arena arena;
    onefold_error err;

    of_arena_init(&arena, ARENA_BYTES);
    if (of_manifest_parse((struct of_str){(const char *)data, size}, &arena, &reader, &head,
                          &err) == ONEFOLD_OK) {
        of_assert(head.version == OF_MANIFEST_VERSION);
        of_assert(head.output_count == counts.outputs && head.tensor_count == counts.tensors);
    } else {
        of_assert(head.version == 0 && err.message[0] != '\0');
        of_assert(!of_str_has_control(of_str_from(err.message)));
    }
    of_arena_finish(&arena);
    return 0;
}
