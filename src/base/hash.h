/* SPDX-License-Identifier: Apache-2.0 */
/* Digests of bytes: XXH3-128, XXH64, XXH32, SHA-256. The only file that sees libcrypto. */
#ifndef OF_BASE_HASH_H
#define OF_BASE_HASH_H

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* XXH3-128 in canonical byte order (high 64 bits first). */
struct of_digest {
    uint8_t bytes[16];
};

struct of_sha256_digest {
    uint8_t bytes[32];
};

struct of_digest of_hash_xxh128(const void *data, size_t length);
uint64_t of_hash_xxh64(const void *data, size_t length);

enum of_hash_kind { OF_HASH_XXH32, OF_HASH_XXH64, OF_HASH_XXH128, OF_HASH_SHA256 };

/* Bytes of a digest of that kind: 4, 8, 16, 32. */
uint32_t of_hash_size(enum of_hash_kind kind);

/* A running digest. create allocates (NULL without memory); update, finish and restart do not. One
 * thread at a time. */
struct of_hash;
OF_NODISCARD struct of_hash *of_hash_create(enum of_hash_kind kind);
void of_hash_restart(struct of_hash *hash);
void of_hash_update(struct of_hash *hash, const void *data, size_t length);
/* Writes of_hash_size() bytes in canonical (big-endian) order. Restart before further use. */
void of_hash_finish(struct of_hash *hash, uint8_t *ret_digest);
void of_hash_destroy(struct of_hash *hash);

/* One shot. Allocates inside libcrypto; false without memory. */
OF_NODISCARD bool of_hash_sha256(const void *data, size_t length,
                                 struct of_sha256_digest *ret_digest);

/* Lower-case hex with terminator: ret_text has 2 * length + 1 bytes. */
void of_hash_hex(const uint8_t *digest, size_t length, char *ret_text);
/* Reads 2 * length hex digits of either case. False otherwise. */
OF_NODISCARD bool of_hash_from_hex(const char *text, size_t length, uint8_t *ret_digest);

#endif
