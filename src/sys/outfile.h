/* SPDX-License-Identifier: Apache-2.0 */
/* Files of our own that are written over time: reopening, write-behind, and the advice that keeps
 * the page cache of a small machine free. Advice never fails a run. */
#ifndef OF_SYS_OUTFILE_H
#define OF_SYS_OUTFILE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens an existing file of ours for writing, never through a link. `direct` asks for O_DIRECT and
 * is refused with status E_UNSUPPORTED (id io-backend) where the file system has none. Ids:
 * output-io. */
OF_NODISCARD onefold_status of_outfile_reopen(int folder, const char *name, bool direct,
                                              int *ret_fd, onefold_error *err);
/* Lets a range of the open file `fd` share the blocks of another file that holds the same bytes
 * there, instead of writing them; whole blocks. False, with nothing changed, where the file system
 * cannot: *ret_ever is whether it may be able to with another file or range. */
OF_NODISCARD bool of_outfile_share(int fd, uint64_t offset, int from_fd, uint64_t from_offset,
                                   uint64_t length, bool *ret_ever);
/* Starts write-back of a range that was just written through the page cache. */
void of_outfile_write_behind(int fd, uint64_t offset, uint64_t length);
/* Gives the cached pages of a clean range back. */
void of_outfile_drop(int fd, uint64_t offset, uint64_t length);
/* How many of OF_OUTFILE_PLACES places all over the file are in the page cache; all of them for a
 * file too small to matter; none where the kernel does not tell. */
enum { OF_OUTFILE_PLACES = 8 };
OF_NODISCARD uint32_t of_outfile_count_cached(int fd, uint64_t size_bytes);
/* True when the page cache holds the whole range at the moment. Only for files of which
 * of_outfile_count_cached found something. */
OF_NODISCARD bool of_outfile_is_range_cached(int fd, uint64_t offset, uint64_t length);
/* The file will be read from front to back. */
void of_outfile_advise_sequential(int fd);
/* Reads on from a pipe, a socket or a file: *ret_length bytes, 0 at the end. Ids: input-io. */
OF_NODISCARD onefold_status of_outfile_read_next(int fd, void *to, uint64_t length,
                                                 uint64_t *ret_length, onefold_error *err);
/* Bytes of a page of memory, hence of the page cache. */
uint64_t of_outfile_page_bytes(void);
/* True when the open folder belongs to the user we run as. */
bool of_outfile_is_own(int fd);
/* Process number, for the line that says who holds a lock. */
uint64_t of_outfile_process_id(void);

#endif
