/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for a test, below TMPDIR (else /tmp), and small helpers for files in it. All
 * of them end the program with a message when they fail: a test cannot go on then. */
#ifndef OF_TESTS_TMPDIR_H
#define OF_TESTS_TMPDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TMPDIR_PATH_MAX = 4096 };

struct tmpdir {
    char path[TMPDIR_PATH_MAX];
};
struct tmpdir_name {
    char text[TMPDIR_PATH_MAX];
};

struct tmpdir tmpdir_make(void);
/* Removes the folder and everything in it; links are removed, not followed. */
void tmpdir_remove(const struct tmpdir *dir);

/* "DIR/NAME". */
struct tmpdir_name tmpdir_join(const char *dir, const char *name);
void tmpdir_folder(const char *path);
/* Writes a new file (or replaces one). */
void tmpdir_write(const char *path, const void *data, size_t length);
void tmpdir_write_text(const char *path, const char *text);
void tmpdir_link(const char *target, const char *path);
/* Reads a whole file into malloc'ed memory with a terminator; the caller frees. */
char *tmpdir_read(const char *path, size_t *ret_length);
bool tmpdir_exists(const char *path);
/* Entries of a folder, without "." and "..". */
uint64_t tmpdir_count(const char *path);

#endif
