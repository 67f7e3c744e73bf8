/* SPDX-License-Identifier: Apache-2.0 */
/* Exit codes, last messages, signals. The codes are frozen: scripts branch on them. */
#include "exit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct code_row {
    onefold_status status;
    int code;
};

static const struct code_row codes[] = {
    {ONEFOLD_OK, 0},       {ONEFOLD_E_DIFFERS, 1},  {ONEFOLD_E_ARGUMENT, 2},
    {ONEFOLD_E_RECIPE, 2}, {ONEFOLD_E_EXISTS, 2},   {ONEFOLD_E_MISSING, 3},
    {ONEFOLD_E_FORMAT, 3}, {ONEFOLD_E_MISMATCH, 3}, {ONEFOLD_E_UNSUPPORTED, 3},
    {ONEFOLD_E_VALUE, 3},  {ONEFOLD_E_SPACE, 4},    {ONEFOLD_E_MEMORY, 4},
    {ONEFOLD_E_IO, 5},     {ONEFOLD_E_INTERNAL, 6},
};

static const char *const state_sentences[] = {
    [ONEFOLD_STATE_NONE] = "nothing was written",
    [ONEFOLD_STATE_KEEP] = "the staging folder is left, and the same command starts over in it",
    [ONEFOLD_STATE_DROP] = "nothing was kept",
    [ONEFOLD_STATE_READY] =
        "what it lacks is its name: rename it by hand, or run the same command again",
    [ONEFOLD_STATE_DONE] = "the output is complete",
    [ONEFOLD_STATE_SAME] = "what was there was not touched",
};

static onefold_cancel cancel;
static volatile sig_atomic_t is_listening;

/* ---- Error values ---- */

onefold_status exit_set(onefold_error *err, onefold_status status, const char *id, const char *hint,
                        const char *format, ...)
{
    va_list args;

    memset(err, 0, sizeof(*err));
    err->status = status;
    err->id = id;
    err->hint = hint;
    err->offset = UINT64_MAX;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return status;
}

onefold_status exit_prefix(onefold_error *err, const char *format, ...)
{
    char text[sizeof(err->message)];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length >= 0 && (size_t)length + 2 < sizeof(text)) {
        (void)snprintf(text + length, sizeof(text) - (size_t)length, ": %.400s", err->message);
        memcpy(err->message, text, sizeof(text));
    }
    return err->status;
}

/* ---- Signals and streams ---- */

static void on_stop(int signal_number)
{
    if (!is_listening || cancel.signal_number != 0) {
        _exit(128 + signal_number);
    }
    onefold_cancel_request(&cancel, signal_number);
}

/* The library has said on standard error which invariant broke. */
static void on_abort(int signal_number)
{
    static const char text[] = "onefold: error: internal error, please report it [internal]\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)ignored;
    (void)signal_number;
    _exit(6);
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(signal_number, &action, NULL);
}

/* nohup ignores SIGHUP for us, and so it stays. SIGINT is another matter: a shell ignores it for
 * every job it starts in the background, and somebody who sends it there by hand means it. */
static bool is_ignored(int signal_number)
{
    struct sigaction old;

    return sigaction(signal_number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
}

void exit_prepare(void)
{
    /* A closed standard stream would lend its number to the first file we open, and messages would
     * end up inside an output. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        struct stat seen;

        if (fstat(fd, &seen) != 0 && open("/dev/null", O_RDWR) < 0) {
            _exit(6);
        }
    }
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    if (!is_ignored(SIGHUP)) {
        handle(SIGHUP, on_stop);
    }
    handle(SIGABRT, on_abort);
    /* A closed pipe and a file-size limit are errors of one write, not the end of a merge. */
    handle(SIGPIPE, SIG_IGN);
    handle(SIGXFSZ, SIG_IGN);
}

const onefold_cancel *exit_listen(void)
{
    is_listening = 1;
    return &cancel;
}

void exit_stop_listening(void)
{
    is_listening = 0;
}

/* ---- The end ---- */

int exit_code(onefold_status status)
{
    if (status == ONEFOLD_E_CANCELLED) {
        return 128 + (cancel.signal_number != 0 ? cancel.signal_number : SIGINT);
    }
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return 6;
}

/* "nothing was written; fetch the file again". What is on disk is said only by verbs that write. */
static void make_hint(const struct out *out, const onefold_error *err, char *ret_hint, size_t size)
{
    const char *sentence = state_sentences[err->state];
    const char *hint = err->hint != NULL ? err->hint : "";

    if (!out->writes || err->status == ONEFOLD_E_INTERNAL ||
        (err->id != NULL && strncmp(err->id, "usage-", 6) == 0) ||
        strstr(err->message, sentence) != NULL || strstr(hint, sentence) != NULL) {
        sentence = "";
    }
    (void)snprintf(ret_hint, size, "%s%s%s", sentence,
                   sentence[0] != '\0' && hint[0] != '\0' ? "; " : "", hint);
}

int exit_finish(struct out *out, const onefold_error *err)
{
    const int code = exit_code(err->status);
    char hint[512];

    if (err->status == ONEFOLD_OK) {
        return out_finish(out) ? 0 : exit_code(ONEFOLD_E_IO);
    }
    make_hint(out, err, hint, sizeof(hint));
    out_finish_error(out, err, code, hint);
    return code;
}
