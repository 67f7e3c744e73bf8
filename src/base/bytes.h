/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian loads and stores at any address. Files are little-endian, and so is every machine
 * this builds for; the assertion is what a port to another byte order has to remove. */
#ifndef OF_BASE_BYTES_H
#define OF_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "kernels load elements as they lie");

/* Of every CPU this builds for, or a multiple of theirs. */
enum { OF_BYTES_CACHE_LINE = 64 };

/* Has bytes that will be needed soon brought nearer. They need not exist: nothing is loaded that
 * cannot be, and nobody waits. */
static inline void of_bytes_ask_ahead(const void *data, size_t length)
{
    for (size_t line = 0; line < length; line += OF_BYTES_CACHE_LINE) {
        __builtin_prefetch((const uint8_t *)data + line);
    }
}

static inline uint16_t of_bytes_load16(const void *from)
{
    uint16_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint32_t of_bytes_load32(const void *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline uint64_t of_bytes_load64(const void *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return value;
}

static inline void of_bytes_store16(void *to, uint16_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void of_bytes_store32(void *to, uint32_t value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void of_bytes_store64(void *to, uint64_t value)
{
    memcpy(to, &value, sizeof(value));
}

#endif
