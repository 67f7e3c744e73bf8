/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leaf -> tensor -> checkpoint. Bytes that go into each hash (docs/formats/digest.md):
 *   leaf        XXH3-128 of the grain's bytes as stored
 *   tensor      XXH3-128 of "onefold-tensor-1" (16 bytes), dtype name padded with NUL to 16 bytes,
 *               rank as u32, dimensions as u64 each, then the leaves in order, 16 bytes each
 *   checkpoint  XXH3-128 of "onefold-chkpnt-1" (16 bytes), number of tensors as u64, then per
 * tensor in order of names (bytes): length of the name as u32, the name, the tensor digest Numbers
 * are little-endian, digests canonical (high 64 bits first). The tags keep the levels apart.
 */
#ifndef OF_CKPT_DIGEST_H
#define OF_CKPT_DIGEST_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "fmt/format.h"

#include <stdint.h>

/* Grains of a tensor: 0 for an empty one. */
uint64_t of_digest_grain_count(uint64_t elem_count);
/* Bytes of the grain that starts at `first_elem`. Types below 8 bits: a grain of 65,536 elements is
 * whole bytes too. */
uint64_t of_digest_grain_bytes(const struct of_tensor *tensor, uint64_t grain_index);

/* A tensor digest that is fed leaf by leaf, in order. `hash` is an XXH128 state, restarted here. */
void of_digest_tensor_begin(struct of_hash *hash, const struct of_tensor *tensor);
void of_digest_tensor_leaves(struct of_hash *hash, const struct of_digest *leaves, uint64_t count);
void of_digest_tensor_end(struct of_hash *hash, struct of_digest *ret_digest);

/* `digests[i]` belongs to `tensors[i]`; any order. Needs 8 bytes a tensor from the arena. */
OF_NODISCARD onefold_status of_digest_checkpoint(const struct of_tensor *tensors,
                                                 const struct of_digest *digests, uint32_t count,
                                                 struct of_arena *arena,
                                                 struct of_digest *ret_digest, onefold_error *err);

#endif
