/* SPDX-License-Identifier: Apache-2.0 */
/* Files of our own that are written over time: reopening, sharing, write-behind. Advice never fails
 * a run. */
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
/* The file will be read from front to back. */
void of_outfile_advise_sequential(int fd);
/* Reads on from a pipe, a socket or a file: *ret_length bytes, 0 at the end. Ids: input-io. */
OF_NODISCARD onefold_status of_outfile_read_next(int fd, void *to, uint64_t length,
                                                 uint64_t *ret_length, onefold_error *err);
/* True when the open folder belongs to the user we run as. */
bool of_outfile_is_own(int fd);
/* Process number, for the line that says who holds a lock. */
uint64_t of_outfile_process_id(void);

#endif
