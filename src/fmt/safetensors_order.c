/* SPDX-License-Identifier: Apache-2.0 */
/* The tensors of one file together: sorted, their ranges cover the data without hole and overlap.
 */
#include "fmt/safetensors_parts.h"

#include "base/sort.h"

static uint64_t end_of(const struct of_tensor *tensor)
{
    return tensor->offset + tensor->byte_count;
}

static bool tensor_less(const struct of_tensor *a, const struct of_tensor *b)
{
    if (a->offset != b->offset) {
        return a->offset < b->offset;
    }
    if (a->byte_count != b->byte_count) {
        return a->byte_count < b->byte_count;
    }
    return of_str_compare(a->name, b->name) < 0;
}

static bool index_less(const void *context, uint32_t a, uint32_t b)
{
    const struct of_tensor *tensors = context;

    return tensor_less(&tensors[a], &tensors[b]);
}

static bool is_sorted(const struct of_header *header)
{
    for (uint64_t i = 1; i < header->tensor_count; i++) {
        if (!tensor_less(&header->tensors[i - 1], &header->tensors[i])) {
            return false;
        }
    }
    return true;
}

/* Moves each record to its place, cycle by cycle; order[i] is where the i-th comes from and is used
 * up on the way. */
static void permute(struct of_tensor *tensors, uint32_t *order, uint64_t count)
{
    for (uint32_t start = 0; start < count; start++) {
        struct of_tensor held = tensors[start];
        uint32_t at = start;

        while (order[at] != start) {
            uint32_t from = order[at];

            tensors[at] = tensors[from];
            order[at] = at;
            at = from;
        }
        tensors[at] = held;
        order[at] = at;
    }
}

uint32_t *of_st_indices(uint64_t count)
{
    uint32_t *indices = of_mem_get(of_mem_array_bytes(count, 2 * sizeof(uint32_t)));

    for (uint32_t i = 0; indices != NULL && i < count; i++) {
        indices[i] = i;
    }
    return indices;
}

static onefold_status sort_tensors(const struct of_header *header, onefold_error *err)
{
    uint32_t *order;

    if (is_sorted(header)) {
        return ONEFOLD_OK;
    }
    order = of_st_indices(header->tensor_count);
    if (order == NULL) {
        return of_err_set(err, "memory", "no memory to sort tensors");
    }
    of_sort_indices(order, order + header->tensor_count, header->tensor_count, index_less,
                    header->tensors);
    permute(header->tensors, order, header->tensor_count);
    of_mem_free(order);
    return ONEFOLD_OK;
}

/* The tensor begins before the end of the one before it. */
static onefold_status refuse_overlap(const struct of_tensor *before, const struct of_tensor *tensor,
                                     onefold_error *err)
{
    uint64_t end = end_of(tensor) < end_of(before) ? end_of(tensor) : end_of(before);

    if (tensor->byte_count == 0) {
        return of_err_set(err, "st-zero-size",
                          "\"%s\" has no bytes but lies at %llu of the data, inside \"%s\"",
                          of_str_escape(tensor->name).text, (unsigned long long)tensor->offset,
                          of_str_escape(before->name).text);
    }
    return of_err_set(err, "st-overlap", "\"%s\" and \"%s\" share bytes %llu..%llu of the data",
                      of_str_escape(before->name).text, of_str_escape(tensor->name).text,
                      (unsigned long long)tensor->offset, (unsigned long long)end);
}

/* The tensor begins behind the end of the one before it, or the first does not begin at 0. */
static onefold_status refuse_hole(const struct of_tensor *before, const struct of_tensor *tensor,
                                  uint64_t data_bytes, onefold_error *err)
{
    uint64_t edge = before != NULL ? end_of(before) : 0;

    if (tensor->byte_count == 0) {
        return of_err_set(err, "st-zero-size",
                          "\"%s\" has no bytes but lies at %llu, not at the edge of another tensor "
                          "(the data has %llu bytes)",
                          of_str_escape(tensor->name).text, (unsigned long long)tensor->offset,
                          (unsigned long long)data_bytes);
    }
    if (tensor->offset > data_bytes) {
        return of_err_set(err, "st-offset-end",
                          "tensor \"%s\": data_offsets begin %llu is past the data (%llu bytes)",
                          of_str_escape(tensor->name).text, (unsigned long long)tensor->offset,
                          (unsigned long long)data_bytes);
    }
    if (before == NULL) {
        return of_err_set(err, "st-hole",
                          "bytes 0..%llu of the data belong to no tensor, \"%s\" is the first",
                          (unsigned long long)tensor->offset, of_str_escape(tensor->name).text);
    }
    return of_err_set(
        err, "st-hole",
        "bytes %llu..%llu of the data, between \"%s\" and \"%s\", belong to no tensor",
        (unsigned long long)edge, (unsigned long long)tensor->offset,
        of_str_escape(before->name).text, of_str_escape(tensor->name).text);
}

static onefold_status check_cover(const struct of_header *header, uint64_t data_bytes,
                                  onefold_error *err)
{
    const struct of_tensor *before = NULL; /* the last that has bytes */
    uint64_t edge = 0;

    for (uint64_t i = 0; i < header->tensor_count; i++) {
        const struct of_tensor *tensor = &header->tensors[i];
        onefold_status status = ONEFOLD_OK;

        if (before != NULL && tensor->offset < edge) {
            status = refuse_overlap(before, tensor, err);
        } else if (tensor->offset > edge) {
            status = refuse_hole(before, tensor, data_bytes, err);
        }
        if (status != ONEFOLD_OK) {
            err->offset = tensor->offset;
            return status;
        }
        if (tensor->byte_count > 0) {
            before = tensor;
            edge = end_of(tensor);
        }
    }
    if (edge > data_bytes) {
        return of_err_set(
            err, "st-truncated",
            "%llu bytes short, truncated download? (the header describes %llu bytes of "
            "data, the file has %llu)",
            (unsigned long long)(edge - data_bytes), (unsigned long long)edge,
            (unsigned long long)data_bytes);
    }
    if (header->tensor_count == 0 && data_bytes > 0) {
        return of_err_set(err, "st-empty", "the header names no tensors, but %llu bytes follow it",
                          (unsigned long long)data_bytes);
    }
    if (edge < data_bytes) {
        (void)of_err_set(err, "st-trailing", "%llu bytes follow the last tensor",
                         (unsigned long long)(data_bytes - edge));
        err->offset = edge;
        return err->status;
    }
    return ONEFOLD_OK;
}

onefold_status of_st_order(const struct of_header *header, uint64_t data_bytes, onefold_error *err)
{
    OF_TRY(sort_tensors(header, err));
    return check_cover(header, data_bytes, err);
}
