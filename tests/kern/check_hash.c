/* SPDX-License-Identifier: Apache-2.0 */
/* hash: the inlined XXH3-128 of each row against the packaged library, at every alignment. */
#include "check.h"

#include <string.h>
#include <xxhash.h>

/* The library's own code paths change at 16, 128, 240 and 1,024 bytes. */
enum { SHORT_BYTES = 1100, LONG_CASES = 100 };

/* Pieces of any length, short ones and none among them; the state has hashed something before. */
static struct of_digest in_pieces(struct check *check, const uint8_t *data, size_t length)
{
    static _Alignas(OF_KERN_HASH_ALIGN) uint8_t state[OF_KERN_HASH_BYTES];
    size_t at = 0;

    check->kern->hash_start(state);
    check->kern->hash_more(state, data, length / 2);
    check->kern->hash_start(state);
    while (at < length) {
        const size_t most = prng_below(&check->prng, 4) == 0 ? length : 300;
        const size_t piece = prng_below(&check->prng, most + 1);

        check->kern->hash_more(state, data + at, piece < length - at ? piece : length - at);
        at += piece < length - at ? piece : length - at;
    }
    (void)check->kern->hash_end(state);
    return check->kern->hash_end(state);
}

static void one_length(struct check *check, size_t length, size_t place)
{
    uint8_t *data = check_put(&check->area[0], length, place);
    XXH128_canonical_t canonical;
    struct of_digest digest;

    prng_fill(&check->prng, data, length);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, length));
    check_doing("hash", length, place);
    digest = check->kern->hash(data, length);
    if (memcmp(digest.bytes, canonical.digest, sizeof(digest.bytes)) != 0) {
        check_fail(check, "hash: %zu bytes, placement %zu", length, place);
    }
    check_doing("hash_more", length, place);
    digest = in_pieces(check, data, length);
    if (memcmp(digest.bytes, canonical.digest, sizeof(digest.bytes)) != 0) {
        check_fail(check, "hash in pieces: %zu bytes, placement %zu", length, place);
    }
}

void check_hash(struct check *check)
{
    static const uint8_t empty[16] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
                                      0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};
    struct of_digest digest = check->kern->hash("", 0);

    /* The published value for no bytes at all. */
    if (memcmp(digest.bytes, empty, sizeof(empty)) != 0) {
        check_fail(check, "hash of nothing");
    }
    for (size_t length = 0; length <= SHORT_BYTES; length++) {
        one_length(check, length, CHECK_AT_END);
        one_length(check, length, prng_below(&check->prng, CHECK_AT_END));
    }
    for (size_t i = 0; i < LONG_CASES; i++) {
        size_t length = prng_between(&check->prng, 1, CHECK_AREA_BYTES - CHECK_PLACE_COUNT);

        one_length(check, length, prng_below(&check->prng, CHECK_PLACE_COUNT));
    }
}
