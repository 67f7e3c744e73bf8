/* SPDX-License-Identifier: Apache-2.0 */
/* What the page cache holds of a file, asked and given back: on a small machine its pages are
 * memory that somebody else needs. Advice; nothing here fails a run. */
#ifndef OF_SYS_PAGECACHE_H
#define OF_SYS_PAGECACHE_H

#include "base/attr.h"

#include <stdbool.h>
#include <stdint.h>

/* Bytes of a page of memory, hence of the page cache. */
uint64_t of_pagecache_page_bytes(void);
/* How many of OF_PAGECACHE_PLACES places all over the file are in the page cache; all of them for a
 * file too small to matter; none where the kernel does not tell. */
enum { OF_PAGECACHE_PLACES = 8 };
OF_NODISCARD uint32_t of_pagecache_count(int fd, uint64_t size_bytes);
/* True when the page cache holds the whole range at the moment. Only for files of which
 * of_pagecache_count found something. */
OF_NODISCARD bool of_pagecache_holds(int fd, uint64_t offset, uint64_t length);
/* True when the page cache holds half of the range or more, of any file; false also where the
 * kernel does not tell. What was there before we read it is read by somebody else too and is not
 * ours to drop; single pages of it may be gone at any time. */
OF_NODISCARD bool of_pagecache_is_warm(int fd, uint64_t offset, uint64_t length);
/* Gives the pages of a clean range back, also those that lie in it in part; what some process has
 * mapped stays. */
void of_pagecache_drop(int fd, uint64_t offset, uint64_t length);

#endif
