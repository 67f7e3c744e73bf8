/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status codes, the error value, and notices.
 *
 * Every function that can fail returns an onefold_status and takes a pointer to an onefold_error as
 * its last parameter (NULL is allowed in public calls). The error is a plain value: nothing to
 * free.
 */
#ifndef ONEFOLD_STATUS_H
#define ONEFOLD_STATUS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* The numbers are pinned: they are never reused or changed. The comment is the exit code of tools.
 */
typedef enum onefold_status {
    ONEFOLD_OK = 0,             /* 0: done, durable, and checked as asked */
    ONEFOLD_E_DIFFERS = 1,      /* 1: the answer is no: damage found, things differ */
    ONEFOLD_E_ARGUMENT = 10,    /* 2: an argument or option makes no sense */
    ONEFOLD_E_RECIPE = 11,      /* 2: the recipe is wrong */
    ONEFOLD_E_EXISTS = 12,      /* 2: the target exists, is in use, or belongs to another run */
    ONEFOLD_E_MISSING = 20,     /* 3: an input is not there or not readable */
    ONEFOLD_E_FORMAT = 21,      /* 3: an input is malformed */
    ONEFOLD_E_MISMATCH = 22,    /* 3: inputs do not fit each other, or changed during the run */
    ONEFOLD_E_UNSUPPORTED = 23, /* 3: an input is of a kind this version does not merge */
    ONEFOLD_E_VALUE = 24,       /* 3: a value is not finite */
    ONEFOLD_E_SPACE = 30,       /* 4: not enough space on the target */
    ONEFOLD_E_MEMORY = 31,      /* 4: the memory bound cannot be met */
    ONEFOLD_E_IO = 40,          /* 5: an operation of the file system failed while running */
    ONEFOLD_E_INTERNAL = 50,    /* 6: an invariant broke */
    ONEFOLD_E_CANCELLED = 60    /* 128 + signal: stopped from outside */
} onefold_status;

/* What a failed call left on disk. */
typedef enum onefold_state {
    ONEFOLD_STATE_NONE = 0, /* nothing of ours */
    ONEFOLD_STATE_KEEP,     /* staging folder, resumable */
    ONEFOLD_STATE_DROP,     /* staging folder was removed, nothing was kept */
    ONEFOLD_STATE_READY,    /* staging folder complete, only the rename is missing */
    ONEFOLD_STATE_DONE,     /* the output is complete */
    ONEFOLD_STATE_SAME      /* whatever was there is untouched */
} onefold_state;

typedef struct onefold_error {
    onefold_status status;
    onefold_state state;
    int sys_errno;     /* 0 when no system call was involved */
    const char *id;    /* stable short name of this refusal, e.g. "st-overlap"; static storage */
    const char *hint;  /* what to do about it, or NULL; static storage */
    uint64_t offset;   /* byte offset in the named file, or UINT64_MAX */
    char message[480]; /* one line, no newline, no prefix of the program */
} onefold_error;

typedef enum onefold_level {
    ONEFOLD_LEVEL_NOTE = 0,
    ONEFOLD_LEVEL_WARNING = 1,
    ONEFOLD_LEVEL_ERROR = 2
} onefold_level;

/* One finding. Calls that may have several report each of them through a callback; the call itself
 * then fails with one error that counts them. Pointers are valid during the callback only. */
typedef struct onefold_notice {
    onefold_level level;
    const char *id;      /* stable short name */
    const char *file;    /* file the finding is about, or NULL */
    uint32_t line;       /* 1-based, 0 = none */
    uint32_t column;     /* 1-based, 0 = none */
    const char *message; /* one line; text from files is escaped */
    const char *hint;    /* what to do, or NULL */
} onefold_notice;

typedef void onefold_notice_fn(void *context, const onefold_notice *notice);

/* "ok", "E_FORMAT", ... Never NULL. Any thread. */
const char *onefold_status_name(onefold_status status);

/* "none", "keep", "drop", "ready", "done", "same". Never NULL. Any thread. */
const char *onefold_state_name(onefold_state state);

/* Every error and notice id of the library, for manuals and tests. `index` from 0; returns NULL
 * past the end. *ret_status may be NULL; a notice that is never an error has ONEFOLD_OK. Any
 * thread. */
const char *onefold_error_id_at(uint64_t index, onefold_status *ret_status);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
