/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of sys/file.h: walking folders without recursion, and facts about file systems. */
#include "sys/file.h"

#include "base/limits.h"
#include "base/num.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* getdents64 into a buffer of ours: readdir would allocate. */
enum { ENTRIES_BYTES = 8192 };
struct entries {
    OF_ALIGNED(8) uint8_t bytes[ENTRIES_BYTES];
    size_t length;
    size_t at;
};

/* The next name of the batch, without "." and ".."; NULL at its end. */
static const char *next_name(struct entries *entries)
{
    while (entries->at < entries->length) {
        const struct dirent64 *entry =
            (const struct dirent64 *)(const void *)(entries->bytes + entries->at);

        entries->at += entry->d_reclen;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            return entry->d_name;
        }
    }
    return NULL;
}

/* Bytes read, 0 at the end, -1 with errno. */
static ssize_t next_batch(int fd, struct entries *entries)
{
    const ssize_t got = getdents64(fd, entries->bytes, sizeof(entries->bytes));

    entries->length = got > 0 ? (size_t)got : 0;
    entries->at = 0;
    return got;
}

onefold_status of_file_list(int folder_fd, of_file_name_fn *fn, void *context, onefold_error *err)
{
    struct entries entries;
    onefold_status status = ONEFOLD_OK;
    ssize_t got = 0;
    /* A descriptor of its own has a position of its own. */
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return of_err_set_sys(err, "input-io", errno, "cannot list the folder");
    }
    while ((got = next_batch(fd, &entries)) > 0) {
        const char *name;

        while ((name = next_name(&entries)) != NULL) {
            if (!fn(context, name)) {
                goto out;
            }
        }
    }
    if (got < 0) {
        status = of_err_set_sys(err, "input-io", errno, "cannot list the folder");
    }
out:
    of_file_close(&fd);
    return status;
}

/* One folder on the way down. */
struct level {
    int fd;
    char name[OF_FILE_NAME_BYTES_MAX + 1];
};

/* The way down, and the entries of its last folder. */
struct walk {
    struct level levels[OF_FILE_TREE_DEPTH_MAX];
    uint32_t depth;
    dev_t device;
    struct entries entries;
};

static onefold_status remove_failed(const char *name, int sys_errno, onefold_error *err)
{
    return of_err_set_sys(err, "output-io", sys_errno, "%s: cannot be removed",
                          of_str_escape(of_str_from(name)).text);
}

/* Opens the folder `name` of the current level and makes it the current level. */
static onefold_status go_down(struct walk *walk, int parent_fd, const char *name,
                              onefold_error *err)
{
    struct level *level = &walk->levels[walk->depth];
    struct stat seen;
    int fd;

    if (walk->depth == OF_FILE_TREE_DEPTH_MAX) {
        return remove_failed(name, ENAMETOOLONG, err);
    }
    fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &seen) != 0) {
        const int failure = errno;

        of_file_close(&fd);
        return remove_failed(name, failure, err);
    }
    if (walk->depth == 0) {
        walk->device = seen.st_dev;
    } else if (seen.st_dev != walk->device) {
        of_file_close(&fd);
        return remove_failed(name, EXDEV, err); /* something is mounted there: not ours */
    }
    level->fd = fd;
    /* Below the top a name is one entry and fits; the top's is the caller's. */
    (void)memcpy(level->name, name, of_num_min(strlen(name), sizeof(level->name) - 1) + 1);
    level->name[sizeof(level->name) - 1] = '\0';
    walk->depth++;
    return ONEFOLD_OK;
}

/* Removes the plain entries of one batch. Stops at the first folder and goes down into it. */
static onefold_status clear_batch(struct walk *walk, bool *ret_any, bool *ret_went_down,
                                  onefold_error *err)
{
    const int fd = walk->levels[walk->depth - 1].fd;
    const char *name;

    *ret_went_down = false;
    while ((name = next_name(&walk->entries)) != NULL) {
        *ret_any = true;
        if (unlinkat(fd, name, 0) == 0 || errno == ENOENT) {
            continue;
        }
        /* Linux says EISDIR for a folder, POSIX EPERM. */
        if (errno != EISDIR && errno != EPERM) {
            return remove_failed(name, errno, err);
        }
        *ret_went_down = true;
        return go_down(walk, fd, name, err);
    }
    return ONEFOLD_OK;
}

/* Empties the current level until it goes down, or is empty and removed from its parent. */
static onefold_status step(struct walk *walk, int folder, const char *top, onefold_error *err)
{
    struct level *level = &walk->levels[walk->depth - 1];
    bool went_down = false;
    bool any;
    ssize_t got;

    /* Again until a pass finds nothing: a list that is changed while it is read may skip names. */
    do {
        any = false;
        (void)lseek(level->fd, 0, SEEK_SET);
        while ((got = next_batch(level->fd, &walk->entries)) > 0) {
            OF_TRY(clear_batch(walk, &any, &went_down, err));
            if (went_down) {
                return ONEFOLD_OK;
            }
        }
        if (got < 0) {
            return remove_failed(level->name, errno, err);
        }
    } while (any);
    of_file_close(&level->fd);
    walk->depth--;
    if (walk->depth > 0) {
        folder = walk->levels[walk->depth - 1].fd;
        top = level->name;
    }
    if (unlinkat(folder, top, AT_REMOVEDIR) != 0) {
        return remove_failed(top, errno, err);
    }
    return ONEFOLD_OK;
}

onefold_status of_file_remove_tree(int folder, const char *name, onefold_error *err)
{
    struct walk walk;
    onefold_status status;

    walk.depth = 0;
    status = go_down(&walk, folder, name, err);
    while (status == ONEFOLD_OK && walk.depth > 0) {
        status = step(&walk, folder, name, err);
    }
    while (walk.depth > 0) {
        of_file_close(&walk.levels[--walk.depth].fd);
    }
    return status;
}

/* --- Facts --- */

/* Whether the descriptor takes O_DIRECT, for file systems that do not state an alignment. */
static bool takes_direct(int fd)
{
    const int flags = fcntl(fd, F_GETFL);

    if (flags < 0) {
        return false;
    }
    if ((flags & O_DIRECT) != 0) {
        return true;
    }
    if (fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) {
        return false;
    }
    (void)fcntl(fd, F_SETFL, flags);
    return true;
}

uint32_t of_file_direct_align(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx seen;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &seen) == 0 &&
        (seen.stx_mask & STATX_DIOALIGN) != 0) {
        return seen.stx_dio_mem_align == 0                          ? 0
               : seen.stx_dio_mem_align > seen.stx_dio_offset_align ? seen.stx_dio_mem_align
                                                                    : seen.stx_dio_offset_align;
    }
#endif
    return takes_direct(fd) ? OF_DIRECT_ALIGN_DEFAULT : 0;
}

/* By the magic number of statfs. Only where it matters, and the common ones for messages. */
static const struct space_row {
    uint64_t magic;
    const char *name;
    bool is_memory;
    bool is_network;
} space_rows[] = {
    {0x01021994, "tmpfs", true, false},     {0x858458F6, "ramfs", true, false},
    {0x958458F6, "hugetlbfs", true, false}, {0x6969, "nfs", false, true},
    {0x517B, "smb", false, true},           {0xFF534D42, "cifs", false, true},
    {0xFE534D42, "smb2", false, true},      {0x65735546, "fuse", false, true},
    {0x01021997, "9p", false, true},        {0x00C36400, "ceph", false, true},
    {0x5346414F, "afs", false, true},       {0x0BD00BD0, "lustre", false, true},
    {0x47504653, "gpfs", false, true},      {0x7461636F, "ocfs2", false, true},
    {0x01161970, "gfs2", false, true},      {0x19830326, "beegfs", false, true},
    {0xEF53, "ext4", false, false},         {0x58465342, "xfs", false, false},
    {0x9123683E, "btrfs", false, false},    {0x794C7630, "overlay", false, false},
    {0x2FC12FC1, "zfs", false, false},      {0xF2F52010, "f2fs", false, false},
    {0xCA451A4E, "bcachefs", false, false}, {0x4D44, "vfat", false, false},
    {0x2011BAB0, "exfat", false, false},
};

onefold_status of_file_space(int folder_fd, struct of_space *ret_space, onefold_error *err)
{
    struct of_space space = {0};
    struct statfs kind;
    struct statvfs room;
    uint64_t magic;

    if (fstatfs(folder_fd, &kind) != 0 || fstatvfs(folder_fd, &room) != 0) {
        return of_err_set_sys(err, "output-io", errno, "cannot ask the file system for its space");
    }
    /* The type is a long and some magic numbers have the highest of 32 bits set. */
    magic = (uint64_t)kind.f_type & UINT32_MAX;
    (void)snprintf(space.type_name, sizeof(space.type_name), "0x%08llx", (unsigned long long)magic);
    for (size_t i = 0; i < OF_LENGTH(space_rows); i++) {
        const struct space_row *row = &space_rows[i];

        if (row->magic == magic) {
            (void)snprintf(space.type_name, sizeof(space.type_name), "%s", row->name);
            space.is_memory = row->is_memory;
            space.is_network = row->is_network;
        }
    }
    if (!of_num_mul(room.f_bavail, room.f_frsize, &space.available_bytes)) {
        space.available_bytes = UINT64_MAX;
    }
    space.available_inodes = room.f_files == 0 ? UINT64_MAX : room.f_favail;
    space.block_bytes = (uint32_t)room.f_frsize;
    *ret_space = space;
    return ONEFOLD_OK;
}
