/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3-128 in the instructions of the file that includes this, which says in XXH_VECTOR which of
 * xxHash's ways it wants. Private to this folder. */
#ifndef OF_KERN_KERN_HASH_H
#define OF_KERN_KERN_HASH_H

#include "kern/kern.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

_Static_assert(sizeof(XXH3_state_t) <= OF_KERN_HASH_BYTES &&
                   _Alignof(XXH3_state_t) <= OF_KERN_HASH_ALIGN,
               "the state of a hash in pieces fits where callers keep it");

static struct of_digest canonical_hash(XXH128_hash_t value)
{
    struct of_digest digest;
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, value);
    memcpy(digest.bytes, canonical.digest, sizeof(digest.bytes));
    return digest;
}

static struct of_digest hash(const void *data, size_t length)
{
    return canonical_hash(XXH3_128bits(data, length));
}

static void hash_start(void *state)
{
    (void)XXH3_128bits_reset(state);
}

static void hash_more(void *state, const void *data, size_t length)
{
    (void)XXH3_128bits_update(state, data, length);
}

static struct of_digest hash_end(const void *state)
{
    return canonical_hash(XXH3_128bits_digest(state));
}

static void fill_hash(struct of_kern *kern)
{
    kern->hash = hash;
    kern->hash_start = hash_start;
    kern->hash_more = hash_more;
    kern->hash_end = hash_end;
}

#endif
