/* SPDX-License-Identifier: Apache-2.0 */
/* Findings of planning: all of them are reported, the worst decides the status. */
#include "plan/build.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

/* Notices kept in the plan for each kind; the rest is a number. */
enum { NOTICES_KEPT_MAX = 1000 };

enum { MESSAGE_BYTES = sizeof(((onefold_error *)NULL)->message) };

/* Exit code of the tools: the smallest of several wins. */
static int exit_class(onefold_status status)
{
    switch (status) {
    case ONEFOLD_E_ARGUMENT:
    case ONEFOLD_E_RECIPE:
    case ONEFOLD_E_EXISTS:
        return 2;
    case ONEFOLD_E_MISSING:
    case ONEFOLD_E_FORMAT:
    case ONEFOLD_E_MISMATCH:
    case ONEFOLD_E_UNSUPPORTED:
    case ONEFOLD_E_VALUE:
        return 3;
    case ONEFOLD_E_SPACE:
    case ONEFOLD_E_MEMORY:
        return 4;
    case ONEFOLD_E_IO:
        return 5;
    case ONEFOLD_OK:
    case ONEFOLD_E_DIFFERS:
    case ONEFOLD_E_INTERNAL:
    case ONEFOLD_E_CANCELLED:
        break;
    }
    return 6;
}

static void count_error(struct of_build *build, const char *id, const char *message)
{
    const onefold_status status = of_err_status(id);

    build->error_count++;
    if (build->error_count == 1 || exit_class(status) < exit_class(build->worst.status)) {
        of_err_set(&build->worst, id, "%s", message);
    }
}

void of_build_error(struct of_build *build, const char *id, struct of_mark mark, const char *hint,
                    const char *format, ...)
{
    const char *file = mark.line > 0 ? build->recipe->label : NULL;
    char text[MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    of_report_at(build->report, ONEFOLD_LEVEL_ERROR, id, file, mark, hint, "%s", text);
    if (file != NULL) {
        char placed[MESSAGE_BYTES + 64];

        (void)snprintf(placed, sizeof(placed), "%u:%u: %s", mark.line, mark.column, text);
        count_error(build, id, placed);
        return;
    }
    count_error(build, id, text);
}

void of_build_error_tally(struct of_build *build, struct of_tally *tally, const char *id,
                          const char *hint, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (++tally->count <= OF_FINDINGS_SHOWN_MAX) {
        of_report_at(build->report, ONEFOLD_LEVEL_ERROR, id, NULL, (struct of_mark){0}, hint, "%s",
                     text);
    }
    count_error(build, id, text);
}

void of_build_tally_close(struct of_build *build, const struct of_tally *tally, const char *id,
                          const char *what)
{
    if (tally->count > OF_FINDINGS_SHOWN_MAX) {
        of_report_error(build->report, id, NULL, "%llu more %s",
                        (unsigned long long)(tally->count - OF_FINDINGS_SHOWN_MAX), what);
    }
}

void of_build_warning(struct of_build *build, const char *id, struct of_mark mark,
                      const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    of_report_at(build->report, ONEFOLD_LEVEL_WARNING, id,
                 mark.line > 0 ? build->recipe->label : NULL, mark, NULL, "%s", text);
}

/* Keeps the notice in the plan. Without memory it is only not kept: planning fails elsewhere. */
static void keep(struct of_build *build, const char *id, const char *text)
{
    char *copy = of_arena_copy(&build->plan->arena, text, strlen(text));

    if (build->notice_count == build->notice_capacity) {
        const uint32_t capacity = build->notice_capacity == 0 ? 16 : 2 * build->notice_capacity;
        struct of_plan_notice *grown =
            of_mem_resize(build->notices, of_mem_array_bytes(capacity, sizeof(*grown)));

        if (grown == NULL) {
            return;
        }
        build->notices = grown;
        build->notice_capacity = capacity;
    }
    if (copy != NULL) {
        build->notices[build->notice_count++] = (struct of_plan_notice){.id = id, .text = copy};
    }
}

void of_build_notice(struct of_build *build, struct of_tally *tally, onefold_level level,
                     const char *id, const char *format, ...)
{
    char text[MESSAGE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    tally->count++;
    if (tally->count <= OF_FINDINGS_SHOWN_MAX) {
        of_report_at(build->report, level, id, NULL, (struct of_mark){0}, NULL, "%s", text);
    }
    if (tally->count <= NOTICES_KEPT_MAX) {
        keep(build, id, text);
    }
}

void of_build_notice_close(struct of_build *build, const struct of_tally *tally, const char *id,
                           const char *what)
{
    char text[MESSAGE_BYTES];

    if (tally->count > OF_FINDINGS_SHOWN_MAX) {
        of_report_note(build->report, id, NULL, "%llu more %s",
                       (unsigned long long)(tally->count - OF_FINDINGS_SHOWN_MAX), what);
    }
    if (tally->count > NOTICES_KEPT_MAX) {
        (void)snprintf(text, sizeof(text), "%llu more %s",
                       (unsigned long long)(tally->count - NOTICES_KEPT_MAX), what);
        keep(build, id, text);
    }
}

void of_build_keep_notice(void *context, const onefold_notice *notice)
{
    struct of_tally one = {0};

    of_build_notice(context, &one, notice->level, notice->id, "%s", notice->message);
}

onefold_status of_build_check(const struct of_build *build, onefold_error *err)
{
    if (build->error_count == 0) {
        return ONEFOLD_OK;
    }
    if (build->error_count == 1) {
        *err = build->worst;
        return err->status;
    }
    of_err_set(err, build->worst.id, "%llu errors, nothing was written; the first: %s",
               (unsigned long long)build->error_count, build->worst.message);
    return err->status;
}

onefold_status of_build_no_memory(const struct of_build *build, onefold_error *err)
{
    if (!build->plan->arena.limit_hit && !build->scratch.limit_hit) {
        return of_err_set(err, "memory", "no memory for the plan");
    }
    return of_err_set(err, "memory-bound",
                      "the records of the tensors do not fit %llu MiB; --memory %lluMiB is likely "
                      "enough",
                      (unsigned long long)(build->memory_bytes / OF_MIB),
                      (unsigned long long)(2 * build->memory_bytes / OF_MIB));
}
