/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and files of tests. Plain libc, nothing of ours, so that a test does not judge a module
 * by itself. */
#include "support/tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *path)
{
    printf("Bail out! %s %s: %s\n", what, path, strerror(errno));
    fflush(stdout);
    exit(99);
}

struct tmpdir tmpdir_make(void)
{
    struct tmpdir dir;
    const char *root = getenv("TMPDIR");

    if (root == NULL || root[0] != '/') {
        root = "/tmp";
    }
    snprintf(dir.path, sizeof(dir.path), "%s/onefold-test-XXXXXX", root);
    if (mkdtemp(dir.path) == NULL) {
        die("mkdtemp", dir.path);
    }
    return dir;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    if (remove(path) != 0) {
        die("remove", path);
    }
    return 0;
}

void tmpdir_remove(const struct tmpdir *dir)
{
    if (nftw(dir->path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        die("nftw", dir->path);
    }
}

struct tmpdir_name tmpdir_join(const char *dir, const char *name)
{
    struct tmpdir_name path;
    int length = snprintf(path.text, sizeof(path.text), "%s/%s", dir, name);

    if (length < 0 || (size_t)length >= sizeof(path.text)) {
        errno = ENAMETOOLONG;
        die("join", dir);
    }
    return path;
}

void tmpdir_folder(const char *path)
{
    if (mkdir(path, 0777) != 0) {
        die("mkdir", path);
    }
}

void tmpdir_write(const char *path, const void *data, size_t length)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || (length > 0 && fwrite(data, 1, length, file) != length) ||
        fclose(file) != 0) {
        die("write", path);
    }
}

void tmpdir_write_text(const char *path, const char *text)
{
    tmpdir_write(path, text, strlen(text));
}

void tmpdir_link(const char *target, const char *path)
{
    if (symlink(target, path) != 0) {
        die("symlink", path);
    }
}

char *tmpdir_read(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    struct stat status;
    size_t length;
    char *data;

    if (file == NULL || fstat(fileno(file), &status) != 0) {
        die("open", path);
    }
    length = (size_t)status.st_size;
    data = malloc(length + 1);
    if (data == NULL || fread(data, 1, length, file) != length) {
        die("read", path);
    }
    data[length] = '\0';
    fclose(file);
    if (ret_length != NULL) {
        *ret_length = length;
    }
    return data;
}

bool tmpdir_exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

uint64_t tmpdir_count(const char *path)
{
    DIR *folder = opendir(path);
    uint64_t count = 0;

    if (folder == NULL) {
        die("opendir", path);
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(folder);
    return count;
}
