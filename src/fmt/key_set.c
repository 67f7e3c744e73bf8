/* SPDX-License-Identifier: Apache-2.0 */
/* A list that is searched from the start: its length is bounded, so that is fast enough. */
#include "fmt/key_set.h"

onefold_status of_key_set_add(struct of_key_set *set, struct of_arena *arena, struct of_str key,
                              const char *id_twice, const char *id_limit, onefold_error *err)
{
    const char *copy;

    for (uint32_t i = 0; i < set->count; i++) {
        if (of_str_equal(set->keys[i], key)) {
            return of_err_set(err, id_twice, "key \"%s\" stands twice", of_str_escape(key).text);
        }
    }
    if (set->count == OF_KEY_SET_MAX) {
        return of_err_set(err, id_limit, "an object of more than %d keys", OF_KEY_SET_MAX);
    }
    copy = of_arena_copy(arena, key.data, key.length);
    if (copy == NULL) {
        return of_err_set(err, "memory", "no memory for the keys of an object");
    }
    set->keys[set->count++] = (struct of_str){copy, key.length};
    return ONEFOLD_OK;
}
