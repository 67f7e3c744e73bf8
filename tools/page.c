/* SPDX-License-Identifier: Apache-2.0 */
/* The file of an HTML page: beside what stands there, and renamed when it is complete. */
#include "page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes, makes durable when asked, closes. Returns 0 or an errno. */
static int write_and_close(int fd, page_fn *put, const void *context, bool sync)
{
    FILE *to = fdopen(fd, "w");
    int code = 0;

    if (to == NULL) {
        code = errno;
        (void)close(fd);
        return code;
    }
    errno = 0;
    put(to, context);
    if (fflush(to) != 0 || ferror(to) != 0 || (sync && fsync(fd) != 0)) {
        code = errno != 0 ? errno : EIO;
    }
    if (fclose(to) != 0 && code == 0) {
        code = errno != 0 ? errno : EIO;
    }
    return code;
}

static int write_beside(const char *path, page_fn *put, const void *context)
{
    enum { TRIES_MAX = 100 };
    char name[PATH_MAX + 40];
    int fd = -1;
    int code;

    for (int i = 0; i < TRIES_MAX && fd < 0; i++) {
        const int length = snprintf(name, sizeof(name), "%s.%ld-%d.tmp", path, (long)getpid(), i);

        if (length < 0 || (size_t)length >= sizeof(name)) {
            return ENAMETOOLONG;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0666);
        if (fd < 0 && errno != EEXIST) {
            return errno;
        }
    }
    if (fd < 0) {
        return EEXIST;
    }
    code = write_and_close(fd, put, context, true);
    if (code == 0 && rename(name, path) != 0) {
        code = errno;
    }
    if (code != 0) {
        (void)unlink(name);
    }
    return code;
}

int page_write(const char *path, page_fn *put, const void *context)
{
    char *real;
    struct stat about;
    int code;
    int fd;

    if (stat(path, &about) != 0) {
        return errno == ENOENT ? write_beside(path, put, context) : errno;
    }
    if (S_ISDIR(about.st_mode)) {
        return EISDIR;
    }
    if (!S_ISREG(about.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? errno : write_and_close(fd, put, context, false);
    }
    /* A link stays a link: its target is what gets replaced. */
    real = realpath(path, NULL);
    if (real == NULL) {
        return errno;
    }
    code = write_beside(real, put, context);
    free(real);
    return code;
}
