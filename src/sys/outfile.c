/* SPDX-License-Identifier: Apache-2.0 */
/* Thin wraps of the calls that write files of ours over time. */
#include "sys/outfile.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

onefold_status of_outfile_reopen(int folder, const char *name, bool direct, int *ret_fd,
                                 onefold_error *err)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (direct ? O_DIRECT : 0);
    int fd;

    do {
        fd = openat(folder, name, flags);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0 && direct && errno == EINVAL) {
        return of_err_set(err, "io-backend", "%s: the file system has no direct I/O",
                          of_str_escape(of_str_from(name)).text);
    }
    if (fd < 0) {
        return of_err_set_sys(err, "output-io", errno, "%s: cannot open for writing",
                              of_str_escape(of_str_from(name)).text);
    }
    *ret_fd = fd;
    return ONEFOLD_OK;
}

bool of_outfile_share(int fd, uint64_t offset, int from_fd, uint64_t from_offset, uint64_t length,
                      bool *ret_ever)
{
    struct file_clone_range range = {
        .src_fd = from_fd, .src_offset = from_offset, .src_length = length, .dest_offset = offset};
    int result;

    do {
        result = ioctl(fd, FICLONERANGE, &range);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        return true;
    }
    /* Another file may lie on the same file system; what is full now need not be later. */
    *ret_ever = errno == EXDEV || errno == ENOSPC || errno == EDQUOT;
    return false;
}

void of_outfile_write_behind(int fd, uint64_t offset, uint64_t length)
{
    (void)sync_file_range(fd, (off64_t)offset, (off64_t)length, SYNC_FILE_RANGE_WRITE);
}

void of_outfile_advise_sequential(int fd)
{
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

onefold_status of_outfile_read_next(int fd, void *to, uint64_t length, uint64_t *ret_length,
                                    onefold_error *err)
{
    ssize_t got;

    do {
        got = read(fd, to, length);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return of_err_set_sys(err, "input-io", errno, "cannot read on");
    }
    *ret_length = (uint64_t)got;
    return ONEFOLD_OK;
}

bool of_outfile_is_own(int fd)
{
    struct stat seen;

    return fstat(fd, &seen) == 0 && seen.st_uid == geteuid();
}

uint64_t of_outfile_process_id(void)
{
    return (uint64_t)getpid();
}
