/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes that go into the digests of tensors and checkpoints. Fixed: a change here makes every
 * manifest ever written wrong. */
#include "ckpt/digest.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/sort.h"

#include <string.h>

enum { TAG_BYTES = 16, DTYPE_NAME_BYTES = 16 };

/* Sixteen bytes each, without the terminator. */
static const char tensor_tag[] = "onefold-tensor-1";
static const char checkpoint_tag[] = "onefold-chkpnt-1";
_Static_assert(sizeof(tensor_tag) == TAG_BYTES + 1, "the tag fills its field");
_Static_assert(sizeof(checkpoint_tag) == TAG_BYTES + 1, "the tag fills its field");

uint64_t of_digest_grain_count(uint64_t elem_count)
{
    return of_num_div_ceil(elem_count, OF_GRAIN_ELEMS);
}

uint64_t of_digest_grain_bytes(const struct of_tensor *tensor, uint64_t grain_index)
{
    uint64_t bits = onefold_dtype_bits((onefold_dtype)tensor->dtype);
    uint64_t whole = OF_GRAIN_ELEMS / 8 * bits;
    uint64_t first = grain_index * whole;

    of_assert(grain_index < of_digest_grain_count(tensor->elem_count));
    return of_num_min(whole, tensor->byte_count - first);
}

void of_digest_tensor_begin(struct of_hash *hash, const struct of_tensor *tensor)
{
    const struct of_str name = of_str_from(onefold_dtype_name((onefold_dtype)tensor->dtype));
    uint8_t head[TAG_BYTES + DTYPE_NAME_BYTES + 4] = {0};
    uint8_t dimension[8];

    of_assert(name.length <= DTYPE_NAME_BYTES);
    memcpy(head, tensor_tag, TAG_BYTES);
    memcpy(head + TAG_BYTES, name.data, name.length);
    of_bytes_store32(head + TAG_BYTES + DTYPE_NAME_BYTES, tensor->rank);
    of_hash_restart(hash);
    of_hash_update(hash, head, sizeof(head));
    for (uint32_t i = 0; i < tensor->rank; i++) {
        of_bytes_store64(dimension, tensor->shape[i]);
        of_hash_update(hash, dimension, sizeof(dimension));
    }
}

void of_digest_tensor_leaves(struct of_hash *hash, const struct of_digest *leaves, uint64_t count)
{
    _Static_assert(sizeof(struct of_digest) == 16, "an array of leaves is hashed as it lies");
    if (count > 0) {
        of_hash_update(hash, leaves, count * sizeof(*leaves));
    }
}

void of_digest_tensor_end(struct of_hash *hash, struct of_digest *ret_digest)
{
    of_hash_finish(hash, ret_digest->bytes);
}

static bool name_less(const void *context, uint32_t a, uint32_t b)
{
    const struct of_tensor *tensors = context;

    return of_str_compare(tensors[a].name, tensors[b].name) < 0;
}

onefold_status of_digest_checkpoint(const struct of_tensor *tensors,
                                    const struct of_digest *digests, uint32_t count,
                                    struct of_arena *arena, struct of_digest *ret_digest,
                                    onefold_error *err)
{
    struct of_hash *hash = of_hash_create(OF_HASH_XXH128);
    uint32_t *order = OF_ARENA_NEW(arena, uint32_t, 2 * (uint64_t)count);
    uint8_t number[8];

    if (hash == NULL || order == NULL) {
        of_hash_destroy(hash);
        return of_err_set(err, "memory", "no memory for the digest of %u tensors", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        order[i] = i;
    }
    /* Most files are sorted already, which costs a comparison a name. */
    of_sort_indices(order, order + count, count, name_less, tensors);
    of_hash_update(hash, checkpoint_tag, TAG_BYTES);
    of_bytes_store64(number, count);
    of_hash_update(hash, number, 8);
    for (uint32_t i = 0; i < count; i++) {
        const struct of_str name = tensors[order[i]].name;

        of_bytes_store32(number, (uint32_t)name.length);
        of_hash_update(hash, number, 4);
        of_hash_update(hash, name.data, name.length);
        of_hash_update(hash, digests[order[i]].bytes, sizeof(digests->bytes));
    }
    of_hash_finish(hash, ret_digest->bytes);
    of_hash_destroy(hash);
    return ONEFOLD_OK;
}
