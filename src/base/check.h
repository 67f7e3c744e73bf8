/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions about ourselves, also in release builds. Bytes from a file never reach one: what a
 * file says is checked with `if` and answered with an error.
 */
#ifndef OF_BASE_CHECK_H
#define OF_BASE_CHECK_H

#include "base/attr.h"

/* Prints file, line and condition to standard error and aborts. The only output of the library. */
OF_NORETURN void of_check_failed(const char *file, int line, const char *condition);

#define of_assert(condition) \
    (OF_LIKELY(condition) ? (void)0 : of_check_failed(__FILE__, __LINE__, #condition))

/* For inner loops: compiled out unless OF_DEBUG is defined. */
#ifdef OF_DEBUG
#define of_debug_assert(condition) of_assert(condition)
#else
#define of_debug_assert(condition) ((void)sizeof(!(condition)))
#endif

#endif
