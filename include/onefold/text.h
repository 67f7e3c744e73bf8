/* SPDX-License-Identifier: Apache-2.0 */
/* Small help with text, so that programs show names and guess at typos as the library does. */
#ifndef ONEFOLD_TEXT_H
#define ONEFOLD_TEXT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct onefold_shown {
    char text[224];
} onefold_shown;

/* Text of unknown origin (a path, a tensor name) as messages show it: control characters, bytes
 * that are not UTF-8 and bidirectional controls are escaped, and what is long is cut. Any thread.
 */
onefold_shown onefold_text_show(const char *text, uint64_t length);

/* The candidate nearest to `word`, or NULL when none is near enough to be meant. NULL entries are
 * skipped. Any thread. */
const char *onefold_text_nearest(const char *word, const char *const *candidates, uint64_t count);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
