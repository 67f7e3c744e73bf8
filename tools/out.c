/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, progress, units, and the JSON envelope. */
#include "out.h"

#include "exit.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A line now and then where nobody watches; often enough for a watcher where somebody does. */
#define LINE_NS     UINT64_C(10000000000)
#define TERMINAL_NS UINT64_C(200000000)

/* Findings kept for the JSON object; the rest is only counted. */
enum { NOTICES_KEPT_MAX = 10000 };

static const char *const level_words[] = {[ONEFOLD_LEVEL_NOTE] = "note",
                                          [ONEFOLD_LEVEL_WARNING] = "warning",
                                          [ONEFOLD_LEVEL_ERROR] = "error"};

void out_init(struct out *out)
{
    memset(out, 0, sizeof(*out));
    out->verb = "";
    out->terminal = isatty(STDERR_FILENO) == 1 && getenv("NO_COLOR") == NULL;
}

void out_close(struct out *out)
{
    if (out->notices != NULL) {
        (void)fclose(out->notices);
        free(out->notices_text);
        out->notices = NULL;
    }
    if (out->data != NULL) {
        (void)fclose(out->data);
        free(out->data_text);
        out->data = NULL;
    }
}

/* ---- Units ---- */

struct out_size out_bytes(uint64_t bytes)
{
    static const char *const names[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    struct out_size result;
    double value = (double)bytes;
    int unit = -1;

    while (value >= 999.5 && unit < 5) {
        value /= 1000;
        unit++;
    }
    if (unit < 0) {
        (void)snprintf(result.text, sizeof(result.text), "%u bytes", (unsigned)bytes);
    } else {
        (void)snprintf(result.text, sizeof(result.text), "%.*f %s",
                       value < 9.995   ? 2
                       : value < 99.95 ? 1
                                       : 0,
                       value, names[unit]);
    }
    return result;
}

/* ---- JSON ---- */

/* Length of the UTF-8 character at `text`, 0 when there is none. */
static uint64_t character_length(const unsigned char *text, uint64_t left)
{
    const uint64_t length = text[0] < 0x80   ? 1
                            : text[0] < 0xc2 ? 0
                            : text[0] < 0xe0 ? 2
                            : text[0] < 0xf0 ? 3
                            : text[0] < 0xf5 ? 4
                                             : 0;

    if (length == 0 || length > left) {
        return 0;
    }
    for (uint64_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f)) {
        return 0;
    }
    return length;
}

void out_json_text(FILE *to, const char *text, uint64_t length)
{
    const unsigned char *at = (const unsigned char *)text;

    (void)putc('"', to);
    while (length > 0) {
        uint64_t step = character_length(at, length);

        if (step == 0) {
            (void)fputs("\\ufffd", to);
            step = 1;
        } else if (*at == '"' || *at == '\\') {
            (void)fprintf(to, "\\%c", *at);
        } else if (*at == '\n') {
            (void)fputs("\\n", to);
        } else if (*at < 0x20 || *at == 0x7f) {
            (void)fprintf(to, "\\u%04x", *at);
        } else {
            (void)fwrite(at, 1, (size_t)step, to);
        }
        at += step;
        length -= step;
    }
    (void)putc('"', to);
}

void out_json_member(FILE *to, const char *key, const char *text)
{
    (void)fprintf(to, "\"%s\":", key);
    if (text == NULL) {
        (void)fputs("null", to);
    } else {
        out_json_text(to, text, strlen(text));
    }
}

FILE *out_data(struct out *out)
{
    if (out->data == NULL) {
        out->data = open_memstream(&out->data_text, &out->data_length);
        if (out->data == NULL) {
            abort(); /* without memory for a few lines there is no answer to give */
        }
    }
    return out->data;
}

FILE *out_stream(struct out *out)
{
    printf("{\"schema_version\":\"1\",\"status\":\"ok\",\"verb\":\"%s\",\"data\":", out->verb);
    out->streamed = true;
    return stdout;
}

static void keep_notice(struct out *out, const onefold_notice *notice)
{
    if (!out->json || out->notice_count++ >= NOTICES_KEPT_MAX) {
        return;
    }
    if (out->notices == NULL) {
        out->notices = open_memstream(&out->notices_text, &out->notices_length);
        if (out->notices == NULL) {
            abort();
        }
    } else {
        (void)putc(',', out->notices);
    }
    (void)fprintf(out->notices, "{\"level\":\"%s\",", level_words[notice->level]);
    out_json_member(out->notices, "id", notice->id);
    (void)putc(',', out->notices);
    out_json_member(out->notices, "file", notice->file);
    if (notice->line != 0) {
        (void)fprintf(out->notices, ",\"line\":%u,\"column\":%u", notice->line, notice->column);
    }
    (void)putc(',', out->notices);
    out_json_member(out->notices, "message", notice->message);
    (void)putc(',', out->notices);
    out_json_member(out->notices, "hint", notice->hint);
    (void)putc('}', out->notices);
}

static void print_notices(struct out *out)
{
    printf(",\"notices\":[");
    if (out->notices != NULL) {
        (void)fflush(out->notices);
        (void)fwrite(out->notices_text, 1, out->notices_length, stdout);
    }
    printf("]}\n");
}

/* ---- Messages ---- */

static void clear_line(struct out *out)
{
    if (out->line_open) {
        (void)fputs("\r\033[K", stderr);
        out->line_open = false;
    }
}

static void release_held(struct out *out)
{
    if (out->held.full) {
        clear_line(out);
        (void)fprintf(stderr, "%s\n", out->held.line);
        out->held.full = false;
    }
}

static void make_line(const onefold_notice *notice, char *line, size_t size)
{
    const char *word = level_words[notice->level];
    const char *hint = notice->hint != NULL ? notice->hint : "";
    const char *file = notice->file != NULL ? notice->file : "";
    const size_t length = strlen(file);

    if (notice->line != 0) {
        (void)snprintf(line, size, "%s:%u:%u: %s: %s%s%s [%s]", file, notice->line, notice->column,
                       word, notice->message, hint[0] != '\0' ? "; " : "", hint, notice->id);
        return;
    }
    /* Some messages already begin with the file. */
    if (length == 0 || strncmp(notice->message, file, length) == 0) {
        (void)snprintf(line, size, "onefold: %s: %s [%s]", word, notice->message, notice->id);
    } else {
        (void)snprintf(line, size, "onefold: %s: %s: %s [%s]", word, file, notice->message,
                       notice->id);
    }
}

void out_notice(void *context, const onefold_notice *notice)
{
    struct out *out = context;
    char line[1024];

    keep_notice(out, notice);
    make_line(notice, line, sizeof(line));
    if (notice->level != ONEFOLD_LEVEL_ERROR) {
        if (!out->quiet) {
            release_held(out);
            clear_line(out);
            (void)fprintf(stderr, "%s\n", line);
        }
        return;
    }
    if (out->findings) {
        if (!out->json) {
            clear_line(out);
            printf("%s\n", line + (strncmp(line, "onefold: error: ", 16) == 0 ? 16 : 0));
        }
        return;
    }
    /* The only error of a call comes back as the call's own error: it is not said twice. */
    release_held(out);
    out->held.full = true;
    (void)snprintf(out->held.id, sizeof(out->held.id), "%s", notice->id);
    (void)snprintf(out->held.message, sizeof(out->held.message), "%s", notice->message);
    memcpy(out->held.line, line, sizeof(line));
    out->held.place[0] = '\0';
    if (notice->line != 0 && notice->file != NULL) {
        (void)snprintf(out->held.place, sizeof(out->held.place), "%.255s:%u:%u: ", notice->file,
                       notice->line, notice->column);
    }
}

void out_note(struct out *out, const char *id, const char *format, ...)
{
    char text[480];
    onefold_notice notice = {.level = ONEFOLD_LEVEL_NOTE, .id = id, .message = text};
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    out_notice(out, &notice);
}

void out_say(struct out *out, const char *format, ...)
{
    va_list args;

    if (out->quiet) {
        return;
    }
    clear_line(out);
    (void)fputs("onefold: ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)putc('\n', stderr);
}

/* ---- Progress ---- */

static void make_progress(const onefold_progress *progress, char *text, size_t size)
{
    const double seconds = (double)progress->elapsed_ns / 1e9;
    const double speed = seconds > 0 ? (double)progress->done_bytes / seconds : 0;
    const uint64_t total =
        progress->total_bytes > progress->done_bytes ? progress->total_bytes : progress->done_bytes;
    const uint64_t left = total - progress->done_bytes;
    const double share = total > 0 ? 100.0 * (double)progress->done_bytes / (double)total : 0;
    uint64_t eta = speed > 0 ? (uint64_t)((double)left / speed + 0.5) : 0;
    char pass[48] = "";
    char time[48] = "";

    if (progress->pass_count > 1) {
        (void)snprintf(pass, sizeof(pass), ", pass %u of %u", progress->pass, progress->pass_count);
    }
    if (speed > 0) {
        eta = eta < 360000000 ? eta : 359999999;
        (void)snprintf(time, sizeof(time), ", %u:%02u:%02u left", (unsigned)(eta / 3600),
                       (unsigned)(eta / 60 % 60), (unsigned)(eta % 60));
    }
    (void)snprintf(text, size, "%5.1f%%  %s of %s, %.2f GB/s%s%s", share,
                   out_bytes(progress->done_bytes).text, out_bytes(total).text, speed / 1e9, time,
                   pass);
}

void out_progress(void *context, const onefold_progress *progress)
{
    struct out *out = context;
    char text[200];

    if (out->quiet || !out->progress) {
        return;
    }
    if (progress->waiting_for == NULL) {
        out->waiting[0] = '\0';
    } else if (strncmp(out->waiting, progress->waiting_for, sizeof(out->waiting) - 1) != 0) {
        (void)snprintf(out->waiting, sizeof(out->waiting), "%s", progress->waiting_for);
        out_say(out, "still waiting for %s", out->waiting);
    }
    if (progress->elapsed_ns - out->line_ns < (out->terminal ? TERMINAL_NS : LINE_NS) ||
        progress->elapsed_ns < out->line_ns) {
        return;
    }
    out->line_ns = progress->elapsed_ns;
    make_progress(progress, text, sizeof(text));
    if (out->terminal) {
        (void)fprintf(stderr, "\r%s\033[K", text);
        (void)fflush(stderr);
        out->line_open = true;
    } else {
        (void)fprintf(stderr, "onefold: %s\n", text);
    }
}

/* ---- The end ---- */

/* A reader that went away is not worth a word; a full disk under the result is. Where the result
 * lies on disk and standard output only names it, the loss is a warning. */
static bool flush_result(const struct out *out)
{
    const bool lost_before = ferror(stdout) != 0;
    const char *reason;

    errno = 0;
    if ((fflush(stdout) == 0 && !lost_before) || errno == EPIPE) {
        return true;
    }
    reason = errno != 0 ? strerror(errno) : "a part of it is lost";
    if (!out->lies_on_disk) {
        (void)fprintf(stderr,
                      "onefold: error: standard output could not be written: %s [output-io]\n",
                      reason);
    } else if (!out->quiet) {
        (void)fprintf(stderr, "onefold: warning: standard output could not be written: %s\n",
                      reason);
    }
    return out->lies_on_disk;
}

static void print_data(struct out *out)
{
    if (out->data == NULL) {
        printf("{}");
        return;
    }
    (void)fflush(out->data);
    (void)fwrite(out->data_text, 1, out->data_length, stdout);
}

bool out_finish(struct out *out)
{
    release_held(out);
    clear_line(out);
    if (out->json) {
        if (!out->streamed) {
            (void)out_stream(out);
            print_data(out);
        }
        print_notices(out);
    }
    return flush_result(out);
}

/* The id in capitals with '_', as JSON spells it. */
static void print_error_code(const char *id)
{
    (void)putchar('"');
    for (; *id != '\0'; id++) {
        (void)putchar(*id == '-' ? '_' : toupper((unsigned char)*id));
    }
    (void)putchar('"');
}

static void print_error_object(struct out *out, const onefold_error *err, const char *message,
                               int code, const char *hint)
{
    printf("{\"schema_version\":\"1\",\"status\":\"error\",\"verb\":\"%s\",\"exit_code\":%d,"
           "\"error_code\":",
           out->verb, code);
    print_error_code(err->id != NULL ? err->id : "internal");
    printf(",\"state\":\"%s\",", onefold_state_name(err->state));
    out_json_member(stdout, "message", message);
    (void)putchar(',');
    out_json_member(stdout, "hint", hint[0] != '\0' ? hint : NULL);
    printf(",\"data\":");
    if (out->data == NULL && err->offset != UINT64_MAX) {
        printf("{\"offset\":%llu}", (unsigned long long)err->offset);
    } else {
        print_data(out);
    }
    print_notices(out);
}

/* The text of the last message. Where the one finding is the error, it is said once, with its
 * place. */
static void make_message(struct out *out, const onefold_error *err, char *message, size_t size)
{
    const struct out_held *held = &out->held;

    (void)snprintf(message, size, "%s", err->message);
    if (!held->full || strcmp(held->id, err->id != NULL ? err->id : "") != 0 ||
        strstr(err->message, held->message) == NULL) {
        return;
    }
    if (held->place[0] != '\0' && strstr(err->message, held->place) == NULL) {
        (void)snprintf(message, size, "%s%s", held->place, held->message);
    }
    out->held.full = false;
}

void out_finish_error(struct out *out, const onefold_error *err, int code, const char *hint)
{
    char message[1024];

    make_message(out, err, message, sizeof(message));
    release_held(out);
    clear_line(out);
    if (out->json) {
        print_error_object(out, err, message, code, hint);
    }
    (void)flush_result(out);
    (void)fprintf(stderr, "onefold: error: %s [%s]\n", message,
                  err->id != NULL ? err->id : "internal");
    if (hint[0] != '\0') {
        (void)fprintf(stderr, "onefold: hint: %s\n", hint);
    }
    (void)fflush(stderr);
}
