/* SPDX-License-Identifier: Apache-2.0 */
/* Where the HTML pages of compare and bench are written. */
#ifndef TOOLS_PAGE_H
#define TOOLS_PAGE_H

#include <stdio.h>

/* Writes a page to a stream; whoever closes the stream looks at its errors. */
typedef void page_fn(FILE *to, const void *context);

/* Writes the page under a temporary name and renames it; what stood at `path` stays until then. A
 * path that is no regular file (a pipe, /dev/stdout) is written to. Returns 0 or an errno. */
int page_write(const char *path, page_fn *put, const void *context);

#endif
