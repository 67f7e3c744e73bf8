/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors and reports. Low floors say what is wrong, higher floors prefix where; nobody rewrites a
 * message. Ids live in one table in err.c; an id that is not in the table is an internal error, so
 * add the row first. Text from files goes through of_str_escape before it enters a message.
 */
#ifndef OF_BASE_ERR_H
#define OF_BASE_ERR_H

#include "base/attr.h"
#include "onefold/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

/* Passes a failure upwards where nothing needs undoing. */
#define OF_TRY(expr)                                    \
    do {                                                \
        onefold_status of_try_status = (expr);          \
        if (OF_UNLIKELY(of_try_status != ONEFOLD_OK)) { \
            return of_try_status;                       \
        }                                               \
    } while (0)

/* Fills *err from the table row of `id` (status, hint) and the message; state becomes "none",
 * offset UINT64_MAX. Returns the row's status, so that `return of_err_set(err, ...)` reads well. */
onefold_status of_err_set(onefold_error *err, const char *id, const char *format, ...)
    OF_PRINTF(3, 4);

/* The same for a failed system call: appends ": " and the name of the errno ("ENOSPC, No
 * space..."). */
onefold_status of_err_set_sys(onefold_error *err, const char *id, int sys_errno, const char *format,
                              ...) OF_PRINTF(4, 5);

/* Puts "TEXT: " in front of the message. Returns err->status. */
onefold_status of_err_prefix(onefold_error *err, const char *format, ...) OF_PRINTF(2, 3);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time, and there a failure might be ONEFOLD_OK. It never is. */
static inline onefold_status of_err_failed(onefold_status status)
{
    return status != ONEFOLD_OK ? status : ONEFOLD_E_INTERNAL;
}
#define of_err_set(...)     of_err_failed((of_err_set)(__VA_ARGS__))
#define of_err_set_sys(...) of_err_failed((of_err_set_sys)(__VA_ARGS__))
#define of_err_prefix(...)  of_err_failed((of_err_prefix)(__VA_ARGS__))
#endif

/* Empties *err: status OK, no message. */
void of_err_clear(onefold_error *err);

/* Hint of an id, or NULL; status of an id. The id must be in the table. */
const char *of_err_hint(const char *id);
onefold_status of_err_status(const char *id);

/* Where findings go: one per planning or verifying call, passed down. fn may be NULL. */
struct of_report {
    onefold_notice_fn *fn;
    void *context;
    uint64_t error_count;
    uint64_t warning_count;
    uint64_t note_count;
    /* The first error reported, so that a caller can end with it if it was the only one. */
    onefold_error first_error;
};

/* A place in a text file; line 0 = no place. */
struct of_mark {
    uint32_t line;
    uint32_t column;
};

/* Counts the finding and hands it to fn. `file` may be NULL. The hint comes from the id's row. */
void of_report_note(struct of_report *report, const char *id, const char *file, const char *format,
                    ...) OF_PRINTF(4, 5);
void of_report_warning(struct of_report *report, const char *id, const char *file,
                       const char *format, ...) OF_PRINTF(4, 5);
void of_report_error(struct of_report *report, const char *id, const char *file, const char *format,
                     ...) OF_PRINTF(4, 5);
/* With a place; level as given. `hint` overrides the row's when it is not NULL. */
void of_report_at(struct of_report *report, onefold_level level, const char *id, const char *file,
                  struct of_mark mark, const char *hint, const char *format, ...) OF_PRINTF(7, 8);
/* Reports an error value as a finding of level error. */
void of_report_err(struct of_report *report, const char *file, const onefold_error *err);

#endif
