/* SPDX-License-Identifier: Apache-2.0 */
/* Files by folder descriptor and relative name: the system calls, and which error each failure is.
 * Folder walks and file system facts: file_tree.c. */
#include "sys/file.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/str.h"
#include "sys/pagecache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Declared here because <sys/file.h> is, on our include path, the header of this very file. */
int flock(int fd, int operation);

const int of_file_here = AT_FDCWD;

/* A transfer of more is cut by the kernel; asking for less keeps ssize_t and size_t out of doubt.
 */
#define TRANSFER_BYTES_MAX OF_GIB

static struct of_shown shown(const char *name)
{
    return of_str_escape(of_str_from(name));
}

static void fill_identity(struct of_identity *ret_identity, const struct stat *seen)
{
    *ret_identity = (struct of_identity){.device = seen->st_dev,
                                         .inode = seen->st_ino,
                                         .size_bytes = (uint64_t)seen->st_size,
                                         .mtime_sec = seen->st_mtim.tv_sec,
                                         .ctime_sec = seen->st_ctim.tv_sec,
                                         .mtime_nsec = (uint32_t)seen->st_mtim.tv_nsec,
                                         .ctime_nsec = (uint32_t)seen->st_ctim.tv_nsec};
}

static int open_again(int folder, const char *name, int flags, mode_t mode)
{
    int fd;

    do {
        fd = openat(folder, name, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static bool is_space_error(int sys_errno)
{
    return sys_errno == ENOSPC || sys_errno == EDQUOT || sys_errno == EFBIG;
}

/* --- Opening what exists --- */

static onefold_status open_failed(const char *name, int sys_errno, onefold_error *err)
{
    switch (sys_errno) {
    case ENOENT:
    case ENAMETOOLONG:
        return of_err_set_sys(err, "input-missing", sys_errno, "%s: does not exist",
                              shown(name).text);
    case EACCES:
    case EPERM:
        return of_err_set_sys(err, "input-access", sys_errno, "%s: may not be read",
                              shown(name).text);
    case ENOTDIR:
        return of_err_set_sys(err, "input-kind", sys_errno,
                              "%s: it, or a part of its path, is not a folder", shown(name).text);
    case ELOOP:
        return of_err_set_sys(err, "input-kind", sys_errno,
                              "%s: is a symbolic link that is not followed", shown(name).text);
    case ENXIO:
    case ENODEV:
        return of_err_set_sys(err, "input-kind", sys_errno, "%s: is not a regular file",
                              shown(name).text);
    default:
        return of_err_set_sys(err, "input-io", sys_errno, "%s: cannot be opened", shown(name).text);
    }
}

onefold_status of_file_open_folder(int folder, const char *name, int *ret_fd, onefold_error *err)
{
    const int fd = open_again(folder, name, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0) {
        return open_failed(name, errno, err);
    }
    *ret_fd = fd;
    return ONEFOLD_OK;
}

bool of_file_is_shortage(const onefold_error *err)
{
    return err->sys_errno == EMFILE || err->sys_errno == ENFILE || err->sys_errno == ENOMEM;
}

static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode)) {
        return "a folder";
    }
    if (S_ISFIFO(mode)) {
        return "a pipe";
    }
    if (S_ISCHR(mode) || S_ISBLK(mode)) {
        return "a device";
    }
    return "a socket or the like";
}

onefold_status of_file_open_read(int folder, const char *name, uint32_t flags, int *ret_fd,
                                 struct of_identity *ret_identity, onefold_error *err)
{
    const int open_flags =
        O_RDONLY | O_NONBLOCK | O_NOCTTY | ((flags & OF_FILE_NO_LINKS) != 0 ? O_NOFOLLOW : 0);
    int fd = open_again(folder, name, open_flags, 0);
    struct stat seen;

    if (fd < 0) {
        return open_failed(name, errno, err);
    }
    if (fstat(fd, &seen) != 0) {
        const int failure = errno;

        of_file_close(&fd);
        return of_err_set_sys(err, "input-io", failure, "%s: cannot be looked at",
                              shown(name).text);
    }
    if (!S_ISREG(seen.st_mode)) {
        of_file_close(&fd);
        return of_err_set(err, "input-kind", "%s: is %s, not a regular file", shown(name).text,
                          kind_name(seen.st_mode));
    }
    /* O_NONBLOCK was for pipes and devices; a ring would answer EAGAIN on a file that has it.
     * Direct I/O is set only now, so that its refusal is told from a wrong name. */
    if (fcntl(fd, F_SETFL, (flags & OF_FILE_DIRECT) != 0 ? O_DIRECT : 0) != 0) {
        const int failure = errno;

        of_file_close(&fd);
        return of_err_set_sys(err, "input-io", failure, "%s: cannot be opened for %s",
                              shown(name).text,
                              (flags & OF_FILE_DIRECT) != 0 ? "direct reading" : "reading");
    }
    if ((flags & OF_FILE_NO_AHEAD) != 0) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    }
    *ret_fd = fd;
    if (ret_identity != NULL) {
        fill_identity(ret_identity, &seen);
    }
    return ONEFOLD_OK;
}

bool of_file_probe(int folder, const char *name, enum of_file_kind *ret_kind,
                   struct of_identity *ret_identity)
{
    struct stat seen;

    if (fstatat(folder, name, &seen, 0) != 0) {
        return false;
    }
    if (ret_kind != NULL) {
        *ret_kind = S_ISREG(seen.st_mode)   ? OF_FILE_REGULAR
                    : S_ISDIR(seen.st_mode) ? OF_FILE_FOLDER
                                            : OF_FILE_OTHER;
    }
    if (ret_identity != NULL) {
        fill_identity(ret_identity, &seen);
    }
    return true;
}

bool of_file_is_link(int folder, const char *name)
{
    struct stat seen;

    return fstatat(folder, name, &seen, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(seen.st_mode);
}

onefold_status of_file_identity(int fd, struct of_identity *ret_identity, onefold_error *err)
{
    struct stat seen;

    if (fstat(fd, &seen) != 0) {
        return of_err_set_sys(err, "input-io", errno, "an open file cannot be looked at");
    }
    fill_identity(ret_identity, &seen);
    return ONEFOLD_OK;
}

bool of_identity_equal(const struct of_identity *a, const struct of_identity *b)
{
    return of_identity_is_same_file(a, b) && a->size_bytes == b->size_bytes &&
           a->mtime_sec == b->mtime_sec && a->mtime_nsec == b->mtime_nsec &&
           a->ctime_sec == b->ctime_sec && a->ctime_nsec == b->ctime_nsec;
}

bool of_identity_is_same_file(const struct of_identity *a, const struct of_identity *b)
{
    return a->device == b->device && a->inode == b->inode;
}

/* --- Making --- */

static onefold_status create_failed(const char *name, const char *what, int sys_errno,
                                    onefold_error *err)
{
    const char *id = "output-io";

    switch (sys_errno) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENAMETOOLONG:
    case ELOOP:
        id = "target-path";
        break;
    default:
        if (is_space_error(sys_errno)) {
            id = "space-reserve"; /* no inode, or no block for the folder */
        }
        break;
    }
    return of_err_set_sys(err, id, sys_errno, "%s: cannot make the %s", shown(name).text, what);
}

onefold_status of_file_create(int folder, const char *name, uint32_t flags, int *ret_fd,
                              onefold_error *err)
{
    int fd = open_again(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);

    if (fd < 0) {
        return create_failed(name, "file", errno, err);
    }
    /* Not at opening: there, a refusal of direct I/O leaves the new file behind. */
    if ((flags & OF_FILE_DIRECT) != 0 && fcntl(fd, F_SETFL, O_DIRECT) != 0) {
        const int failure = errno;

        of_file_close(&fd);
        (void)unlinkat(folder, name, 0);
        return of_err_set_sys(err, "output-io", failure, "%s: cannot be opened for direct writing",
                              shown(name).text);
    }
    *ret_fd = fd;
    return ONEFOLD_OK;
}

onefold_status of_file_create_folder(int folder, const char *name, onefold_error *err)
{
    if (mkdirat(folder, name, 0777) != 0) {
        return create_failed(name, "folder", errno, err);
    }
    return ONEFOLD_OK;
}

onefold_status of_file_resize(int fd, uint64_t size_bytes, onefold_error *err)
{
    int result;

    if (size_bytes > INT64_MAX) {
        return of_err_set_sys(err, "space-reserve", EFBIG, "cannot set a size of %llu bytes",
                              (unsigned long long)size_bytes);
    }
    do {
        result = ftruncate(fd, (off_t)size_bytes);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return of_err_set_sys(err, is_space_error(errno) ? "space-reserve" : "output-io", errno,
                              "cannot set a size of %llu bytes", (unsigned long long)size_bytes);
    }
    return ONEFOLD_OK;
}

/* "; 1234 bytes are available", or nothing. */
static void available_text(int fd, char *text, size_t text_bytes)
{
    struct statvfs seen;

    text[0] = '\0';
    if (fstatvfs(fd, &seen) == 0) {
        (void)snprintf(text, text_bytes, "; %llu bytes are available",
                       (unsigned long long)seen.f_bavail * seen.f_frsize);
    }
}

onefold_status of_file_reserve(int fd, uint64_t size_bytes, onefold_error *err)
{
    char available[64];
    int result = 0;

    if (size_bytes > 0 && size_bytes <= INT64_MAX) {
        /* Never posix_fallocate: its emulation writes zeros where the file system cannot reserve.
         */
        do {
            result = fallocate(fd, 0, 0, (off_t)size_bytes);
        } while (result != 0 && errno == EINTR);
    }
    if (result != 0 && is_space_error(errno)) {
        const int failure = errno;

        available_text(fd, available, sizeof(available));
        return of_err_set_sys(err, "space-reserve", failure, "cannot reserve %llu bytes%s",
                              (unsigned long long)size_bytes, available);
    }
    if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return of_err_set_sys(err, "output-io", errno, "cannot reserve %llu bytes",
                              (unsigned long long)size_bytes);
    }
    return of_file_resize(fd, size_bytes, err);
}

void of_file_expect(int fd, uint64_t offset, uint64_t length)
{
    (void)posix_fadvise(fd, (off_t)offset, (off_t)length, POSIX_FADV_WILLNEED);
}

/* --- Positional transfers --- */

onefold_status of_file_read_at(int fd, void *to, uint64_t length, uint64_t offset,
                               onefold_error *err)
{
    const uint64_t end = offset + length;
    uint64_t at = offset;
    bool repeated = false;

    while (at < end) {
        const uint64_t want = of_num_min(end - at, TRANSFER_BYTES_MAX);
        const ssize_t got = pread(fd, (uint8_t *)to + (at - offset), want, (off_t)at);

        if (got > 0) {
            at += (uint64_t)got;
        } else if (got == 0) {
            of_err_set(err, "input-changed",
                       "the file ends at byte %llu, bytes up to %llu were expected",
                       (unsigned long long)at, (unsigned long long)end);
            err->offset = at;
            return err->status;
        } else if (errno == EIO && !repeated) {
            repeated = true; /* a path that just failed over answers the second time */
        } else if (errno != EINTR) {
            of_err_set_sys(err, "input-io", errno, "cannot read bytes %llu to %llu",
                           (unsigned long long)at, (unsigned long long)end);
            err->offset = at;
            return err->status;
        }
    }
    return ONEFOLD_OK;
}

static onefold_status write_failed(int fd, uint64_t from, uint64_t to, int sys_errno,
                                   onefold_error *err)
{
    char available[64] = "";

    if (is_space_error(sys_errno)) {
        available_text(fd, available, sizeof(available));
    }
    of_err_set_sys(err, is_space_error(sys_errno) ? "space-run" : "output-io", sys_errno,
                   "cannot write bytes %llu to %llu%s", (unsigned long long)from,
                   (unsigned long long)to, available);
    err->offset = from;
    return err->status;
}

onefold_status of_file_write_at(int fd, const void *from, uint64_t length, uint64_t offset,
                                onefold_error *err)
{
    uint64_t done = 0;

    while (done < length) {
        const uint64_t want = of_num_min(length - done, TRANSFER_BYTES_MAX);
        const ssize_t put = pwrite(fd, (const uint8_t *)from + done, want, (off_t)(offset + done));

        if (put > 0) {
            done += (uint64_t)put;
        } else if (put == 0) {
            /* Never asked for nothing: a disk that takes nothing would be asked for ever. */
            return write_failed(fd, offset + done, offset + length, EIO, err);
        } else if (errno != EINTR) {
            return write_failed(fd, offset + done, offset + length, errno, err);
        }
    }
    return ONEFOLD_OK;
}

static onefold_status sync_failed(const char *what, int sys_errno, onefold_error *err)
{
    return of_err_set_sys(err, is_space_error(sys_errno) ? "space-run" : "output-sync", sys_errno,
                          "cannot %s what was written", what);
}

onefold_status of_file_sync(int fd, onefold_error *err)
{
    int result;

    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? ONEFOLD_OK : sync_failed("sync", errno, err);
}

onefold_status of_file_close_written(int *fd, onefold_error *err)
{
    const int closing = *fd;

    *fd = -1;
    /* After EINTR the descriptor is gone on Linux; the sync before has told what there is to tell.
     */
    if (closing >= 0 && close(closing) != 0 && errno != EINTR) {
        return sync_failed("close", errno, err);
    }
    return ONEFOLD_OK;
}

void of_file_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
    }
    *fd = -1;
}

/* --- Names --- */

/* The file system, or the kernel, does not know the flag: what it cannot do in one step is done in
 * two, with the check first. */
static bool is_flag_refused(int sys_errno)
{
    return sys_errno == EINVAL || sys_errno == ENOSYS || sys_errno == EOPNOTSUPP;
}

static onefold_status exists(const char *name, onefold_error *err)
{
    return of_err_set_sys(err, "target-exists", EEXIST, "%s: exists", shown(name).text);
}

static onefold_status rename_failed(const char *from, const char *to, int sys_errno,
                                    onefold_error *err)
{
    return of_err_set_sys(err, "commit-rename", sys_errno, "cannot rename %s to %s",
                          shown(from).text, shown(to).text);
}

onefold_status of_file_rename(int folder, const char *from, const char *to, onefold_error *err)
{
    struct stat seen;

    if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0) {
        return ONEFOLD_OK;
    }
    if (errno == EEXIST) {
        return exists(to, err);
    }
    if (!is_flag_refused(errno)) {
        return rename_failed(from, to, errno, err);
    }
    if (fstatat(folder, to, &seen, AT_SYMLINK_NOFOLLOW) == 0) {
        return exists(to, err);
    }
    if (errno != ENOENT || renameat(folder, from, folder, to) != 0) {
        return rename_failed(from, to, errno, err);
    }
    return ONEFOLD_OK;
}

/* In three steps: b out of the way, a in its place, the old b under a's name. Between the first two
 * no b exists; a complete one exists before and after. */
static onefold_status exchange_in_steps(int folder, const char *a, const char *b,
                                        onefold_error *err)
{
    char aside[4096];
    const int length = snprintf(aside, sizeof(aside), "%s.onefold-old", b);

    if (length < 0 || (size_t)length >= sizeof(aside)) {
        return rename_failed(a, b, ENAMETOOLONG, err);
    }
    OF_TRY(of_file_rename(folder, b, aside, err));
    if (renameat(folder, a, folder, b) != 0) {
        const int failure = errno;

        (void)renameat(folder, aside, folder, b);
        return rename_failed(a, b, failure, err);
    }
    if (renameat(folder, aside, folder, a) != 0) {
        return rename_failed(aside, a, errno, err);
    }
    return ONEFOLD_OK;
}

onefold_status of_file_exchange(int folder, const char *a, const char *b, onefold_error *err)
{
    if (renameat2(folder, a, folder, b, RENAME_EXCHANGE) == 0) {
        return ONEFOLD_OK;
    }
    if (!is_flag_refused(errno)) {
        return of_err_set_sys(err, "commit-rename", errno, "cannot exchange %s and %s",
                              shown(a).text, shown(b).text);
    }
    return exchange_in_steps(folder, a, b, err);
}

onefold_status of_file_remove(int folder, const char *name, onefold_error *err)
{
    int result = unlinkat(folder, name, 0);

    if (result != 0 && errno == EISDIR) {
        result = unlinkat(folder, name, AT_REMOVEDIR);
    }
    if (result != 0) {
        return of_err_set_sys(err, "output-io", errno, "%s: cannot be removed", shown(name).text);
    }
    return ONEFOLD_OK;
}

onefold_status of_file_lock(int fd, bool *ret_locked, onefold_error *err)
{
    struct of_space space = {.type_name = "unknown"};
    onefold_error ignored;
    int result;

    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0 || errno == EWOULDBLOCK) {
        *ret_locked = result == 0;
        return ONEFOLD_OK;
    }
    result = errno;
    (void)!of_file_space(fd, &space, &ignored);
    return of_err_set_sys(err, "target-lock", result, "the file system (%s) cannot lock a file",
                          space.type_name);
}

onefold_status of_file_slurp(int folder, const char *name, uint32_t flags, uint64_t max_bytes,
                             char **ret_data, uint64_t *ret_length, onefold_error *err)
{
    struct of_identity identity = {0};
    onefold_status status;
    char *data = NULL;
    bool warm;
    int fd = -1;

    OF_TRY(of_file_open_read(folder, name, flags, &fd, &identity, err));
    if (identity.size_bytes > max_bytes) {
        status = of_err_set(err, "input-size", "%s: is %llu bytes long, at most %llu are read",
                            shown(name).text, (unsigned long long)identity.size_bytes,
                            (unsigned long long)max_bytes);
        goto out;
    }
    data = of_mem_get(identity.size_bytes + 1);
    if (data == NULL) {
        status = of_err_set(err, "memory", "%s: no memory for %llu bytes", shown(name).text,
                            (unsigned long long)identity.size_bytes);
        goto out;
    }
    warm = of_pagecache_is_warm(fd, 0, identity.size_bytes);
    status = of_file_read_at(fd, data, identity.size_bytes, 0, err);
    if (!warm) {
        of_pagecache_drop(fd, 0, identity.size_bytes);
    }
    if (status != ONEFOLD_OK) {
        of_err_prefix(err, "%s", shown(name).text);
        goto out;
    }
    data[identity.size_bytes] = '\0';
    *ret_data = data;
    *ret_length = identity.size_bytes;
    data = NULL;
out:
    of_mem_free(data);
    of_file_close(&fd);
    return status;
}
