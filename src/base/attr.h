/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floor 0, `base`: no I/O, no threads; every other folder may use it, it uses only itself and the
 * vocabulary of <onefold/...>. This file: compiler attributes and two small macros.
 */
#ifndef OF_BASE_ATTR_H
#define OF_BASE_ATTR_H

#define OF_NODISCARD       __attribute__((warn_unused_result))
#define OF_PRINTF(fmt, at) __attribute__((format(printf, fmt, at)))
#define OF_NORETURN        __attribute__((noreturn))
#define OF_LIKELY(x)       __builtin_expect(!!(x), 1)
#define OF_UNLIKELY(x)     __builtin_expect(!!(x), 0)
#define OF_ALIGNED(n)      __attribute__((aligned(n)))
/* For a large local array that is written before it is read: our builds clear local variables, and
 * that is a pass over all of it. */
#define OF_NOT_CLEARED     __attribute__((uninitialized))
/* For a function whose constant arguments choose its instructions. */
#define OF_ALWAYS_INLINE   inline __attribute__((always_inline))

#define OF_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#endif
