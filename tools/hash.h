/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of onefold-hash share: kinds of digests, lines of lists, jobs, the report. */
#ifndef TOOLS_HASH_H
#define TOOLS_HASH_H

#include <onefold/digest.h>
#include <onefold/status.h>
#include <onefold/text.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- Kinds ---- */

enum hash_kind { HASH_XXH32, HASH_XXH64, HASH_XXH128, HASH_SHA256, HASH_KIND_COUNT };

struct hash_kind_row {
    const char *tag;
    uint32_t mask; /* ONEFOLD_HASH_* */
    uint32_t bytes;
};
extern const struct hash_kind_row hash_kinds[HASH_KIND_COUNT];

const uint8_t *hash_digest_of(const onefold_sums *sums, enum hash_kind kind);
/* Lower-case hex. */
void hash_print_hex(FILE *to, const uint8_t *digest, uint32_t bytes);

/* ---- Lines (hash_list.c) ---- */

enum { HASH_NAME_MAX = 4096, HASH_LINE_MAX = 2 * HASH_NAME_MAX + 256 };

struct hash_line {
    enum hash_kind kind;
    uint8_t digest[32];
    char name[HASH_NAME_MAX]; /* unescaped, terminated */
};

enum hash_line_result { HASH_LINE_GOOD, HASH_LINE_BLANK, HASH_LINE_MALFORMED };

/* One line without its newline; a carriage return at its end is ignored. */
enum hash_line_result hash_parse_line(const char *line, size_t length, struct hash_line *ret_line);

/* True when coreutils would escape the name: the line then begins with a backslash. */
bool hash_name_is_odd(const char *name);
/* The name, with backslash, newline and carriage return escaped. */
void hash_print_name(FILE *to, const char *name);
/* A whole line: "HEX  NAME", or "TAG (NAME) = HEX". */
void hash_print_line(FILE *to, enum hash_kind kind, const uint8_t *digest, const char *name,
                     bool with_tag);

/* ---- Jobs (hash_jobs.c): files are read on several threads, results taken in order ---- */

struct hash_job {
    /* Set by the caller. */
    const char *name;
    uint32_t kinds;
    /* Set when done. */
    bool done;
    onefold_status status;
    onefold_sums sums;
    const char *id; /* of the error */
    char *message;  /* of the error; of the job */
};

struct hash_jobs {
    struct hash_job *items;
    size_t count;
    size_t next; /* under the mutex */
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    pthread_t *threads;
    uint32_t thread_count;
};

/* `items` stay the caller's, their messages are the jobs'. Ends the program without memory. */
void hash_jobs_start(struct hash_jobs *jobs, struct hash_job *items, size_t count,
                     uint32_t thread_count);
/* Waits until the job is done. */
const struct hash_job *hash_jobs_wait(struct hash_jobs *jobs, size_t index);
void hash_jobs_finish(struct hash_jobs *jobs);

/* ---- The report ---- */

struct hash_options {
    enum hash_kind kind;
    bool check;
    bool tensors;
    bool tag;
    bool quiet;
    bool status;
    bool strict;
    bool warn;
    bool ignore_missing;
    bool json;
    uint32_t thread_count; /* 0 = usable CPUs */
    char **names;
    size_t name_count;
};

struct hash_report {
    bool json;
    bool silent;    /* nothing but the exit code */
    bool failed;    /* the answer is no */
    const char *id; /* of the first failure */
    FILE *data;     /* JSON: the value of "data" */
    FILE *notices;  /* JSON: objects with commas between them */
    uint64_t notice_count;
};

/* Says on standard error (JSON: in the notices) what went wrong with a file, and makes the exit
 * code
 * 1. `file` may be NULL. */
void hash_say_error(struct hash_report *report, const char *id, const char *file,
                    const char *message);
/* The same without a consequence for the exit code. */
void hash_say_warning(struct hash_report *report, const char *id, const char *file,
                      const char *message);

/* Checks lists (hash_check.c). */
void hash_check(const struct hash_options *options, struct hash_report *report);

/* malloc that ends the program when there is no memory. Zeroed. */
void *hash_get(size_t count, size_t size);
char *hash_copy(const char *text);

#endif
