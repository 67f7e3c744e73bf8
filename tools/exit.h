/* SPDX-License-Identifier: Apache-2.0 */
/* How a program of ours starts and ends: streams, signals, exit codes, the last message. */
#ifndef TOOLS_EXIT_H
#define TOOLS_EXIT_H

#include "out.h"

#include <onefold/merge.h>
#include <onefold/status.h>

#include <stdint.h>

/* Fills *err as the library does; `hint` is static or NULL. Returns `status`. */
onefold_status exit_set(onefold_error *err, onefold_status status, const char *id, const char *hint,
                        const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Puts "TEXT: " in front of the message. Returns err->status. */
onefold_status exit_prefix(onefold_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* First thing in main: gives closed standard streams a place, installs the handlers of SIGINT,
 * SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ and SIGABRT. */
void exit_prepare(void);

/* From here on the first signal only sets the flag of the returned struct, and the second one ends
 * the program; before, and after exit_stop_listening(), the first one ends it. */
const onefold_cancel *exit_listen(void);
void exit_stop_listening(void);

/* Exit code of a status; 128 + signal for ONEFOLD_E_CANCELLED. */
int exit_code(onefold_status status);

/* Says how the program ends: the error, what is on disk and what to do on standard error, and in
 * JSON mode the one object on standard output. ONEFOLD_OK is fine, too. Returns the exit code. */
int exit_finish(struct out *out, const onefold_error *err);

#endif
