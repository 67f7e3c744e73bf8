/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of an object that has a handful of them, to find one that stands twice; for `fmt` only.
 */
#ifndef OF_FMT_KEY_SET_H
#define OF_FMT_KEY_SET_H

#include "base/attr.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum { OF_KEY_SET_MAX = 64 };

struct of_key_set {
    uint32_t count;
    struct of_str keys[OF_KEY_SET_MAX];
};

/* Remembers a copy of the key. A repeated one is id_twice; more keys than a genuine object has are
 * id_limit. */
OF_NODISCARD onefold_status of_key_set_add(struct of_key_set *set, struct of_arena *arena,
                                           struct of_str key, const char *id_twice,
                                           const char *id_limit, onefold_error *err);

#endif
