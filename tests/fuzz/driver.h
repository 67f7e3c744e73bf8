/* SPDX-License-Identifier: Apache-2.0 */
/* What a fuzz target exports, and the signature libFuzzer calls. */
#ifndef OF_TESTS_FUZZ_DRIVER_H
#define OF_TESTS_FUZZ_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes and returns 0. A broken promise aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
