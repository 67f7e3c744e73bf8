/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 1, `sys`: the only folder with system headers and threads; includes only `base`. This file:
 * files by folder descriptor and relative name. Every function sets an error that says what failed
 * and on which name (escaped); callers prefix the folder.
 */
#ifndef OF_SYS_FILE_H
#define OF_SYS_FILE_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Who a file is and in which state it was seen. */
struct of_identity {
    uint64_t device;
    uint64_t inode;
    uint64_t size_bytes;
    int64_t mtime_sec;
    int64_t ctime_sec;
    uint32_t mtime_nsec;
    uint32_t ctime_nsec;
};

enum of_file_kind { OF_FILE_REGULAR, OF_FILE_FOLDER, OF_FILE_OTHER };

enum of_file_flags {
    OF_FILE_NO_LINKS = 1 << 0, /* refuse a symbolic link as last component */
    OF_FILE_DIRECT = 1 << 1,   /* O_DIRECT; fails with EINVAL where refused */
    /* Open to read: the kernel is to load what is asked for and not what lies behind it. What is
     * behind a header would look like a file that the page cache holds. */
    OF_FILE_NO_AHEAD = 1 << 2
};

/* Working-directory descriptor for the calls below (AT_FDCWD). */
extern const int of_file_here;

/* Opens a folder for use as `folder` below. Ids: input-missing, input-access, input-kind. */
OF_NODISCARD onefold_status of_file_open_folder(int folder, const char *name, int *ret_fd,
                                                onefold_error *err);
/* Opens an existing regular file for reading, never blocking, following a link only as last
 * component and only to a regular file. Ids: input-missing, input-access, input-kind. */
OF_NODISCARD onefold_status of_file_open_read(int folder, const char *name, uint32_t flags,
                                              int *ret_fd, struct of_identity *ret_identity,
                                              onefold_error *err);
/* The machine or the process lacked descriptors or memory: the error says nothing about the file.
 */
OF_NODISCARD bool of_file_is_shortage(const onefold_error *err);
/* What stands under the name, following links: false when nothing does (or it cannot be reached).
 */
OF_NODISCARD bool of_file_probe(int folder, const char *name, enum of_file_kind *ret_kind,
                                struct of_identity *ret_identity);
/* Whether the name itself is a symbolic link, wherever that leads. */
OF_NODISCARD bool of_file_is_link(int folder, const char *name);
/* Identity of an open file. Ids: input-io. */
OF_NODISCARD onefold_status of_file_identity(int fd, struct of_identity *ret_identity,
                                             onefold_error *err);
bool of_identity_equal(const struct of_identity *a, const struct of_identity *b);
/* Same device and inode: the same file, whatever its state. */
bool of_identity_is_same_file(const struct of_identity *a, const struct of_identity *b);

/* Makes a new file (O_EXCL | O_NOFOLLOW, mode 0666 less umask) for reading and writing. Ids:
 * output-io (err->sys_errno EEXIST when the name is taken), target-path, space-reserve. */
OF_NODISCARD onefold_status of_file_create(int folder, const char *name, uint32_t flags,
                                           int *ret_fd, onefold_error *err);
OF_NODISCARD onefold_status of_file_create_folder(int folder, const char *name, onefold_error *err);
/* Reserves blocks and sets the size. A file system without fallocate gets the size only. Ids:
 * space-reserve (ENOSPC, EDQUOT, EFBIG), output-io. */
OF_NODISCARD onefold_status of_file_reserve(int fd, uint64_t size_bytes, onefold_error *err);
OF_NODISCARD onefold_status of_file_resize(int fd, uint64_t size_bytes, onefold_error *err);
/* The range is about to be read: the kernel may load it, in requests as large as it likes and many
 * at a time, and nothing else. Advice; never fails. */
void of_file_expect(int fd, uint64_t offset, uint64_t length);
/* Positional, whole or error; EINTR and short transfers are handled. Ids: input-io (and
 * input-changed at end of file), output-io, space-run. */
OF_NODISCARD onefold_status of_file_read_at(int fd, void *to, uint64_t length, uint64_t offset,
                                            onefold_error *err);
OF_NODISCARD onefold_status of_file_write_at(int fd, const void *from, uint64_t length,
                                             uint64_t offset, onefold_error *err);
/* Ids: output-sync; space-run when the space ended only now. A failed sync is final for the file.
 */
OF_NODISCARD onefold_status of_file_sync(int fd, onefold_error *err);
/* Closes; ids as of_file_sync. Sets *fd to -1 in any case; -1 is fine. */
OF_NODISCARD onefold_status of_file_close_written(int *fd, onefold_error *err);
/* Closes something read only. -1 is fine. */
void of_file_close(int *fd);

/* Renames without replacing. Ids: target-exists, commit-rename. */
OF_NODISCARD onefold_status of_file_rename(int folder, const char *from, const char *to,
                                           onefold_error *err);
/* Exchanges two names in one step. Ids: commit-rename. */
OF_NODISCARD onefold_status of_file_exchange(int folder, const char *a, const char *b,
                                             onefold_error *err);
/* A file, a link, or an empty folder. Ids: output-io. */
OF_NODISCARD onefold_status of_file_remove(int folder, const char *name, onefold_error *err);
/* Removes a folder and all below it without following links or leaving its file system; at most
 * OF_FILE_TREE_DEPTH_MAX folders deep. Ids: output-io. */
enum { OF_FILE_TREE_DEPTH_MAX = 64 };
OF_NODISCARD onefold_status of_file_remove_tree(int folder, const char *name, onefold_error *err);

/* flock(LOCK_EX) without blocking: *ret_locked tells. Ids: target-lock where not supported. */
OF_NODISCARD onefold_status of_file_lock(int fd, bool *ret_locked, onefold_error *err);

/* Names in a folder, without "." and "..", in no particular order; fn returns false to stop. Ids:
 * input-io. */
typedef bool of_file_name_fn(void *context, const char *name);
OF_NODISCARD onefold_status of_file_list(int folder_fd, of_file_name_fn *fn, void *context,
                                         onefold_error *err);

/* Whole small file (at most max_bytes, else input-size) into a new of_mem block, terminated; free
 * with of_mem_free. Ids: as of_file_open_read, input-io, input-size, memory. */
OF_NODISCARD onefold_status of_file_slurp(int folder, const char *name, uint32_t flags,
                                          uint64_t max_bytes, char **ret_data, uint64_t *ret_length,
                                          onefold_error *err);

/* Alignment that direct I/O on this file needs for memory and offsets (statx), 0 when the file
 * system refuses direct I/O, OF_DIRECT_ALIGN_DEFAULT when it accepts O_DIRECT and does not say. */
uint32_t of_file_direct_align(int fd);

struct of_space {
    uint64_t available_bytes;  /* to an ordinary user */
    uint64_t available_inodes; /* UINT64_MAX where the file system does not count */
    uint32_t block_bytes;
    bool is_memory;  /* tmpfs, ramfs: pages of the target are memory */
    bool is_network; /* nfs, cifs, fuse and the like */
    char type_name[16];
};
OF_NODISCARD onefold_status of_file_space(int folder_fd, struct of_space *ret_space,
                                          onefold_error *err);

#endif
