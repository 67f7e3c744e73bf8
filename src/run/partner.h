/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes the bytes of one file in a thread of its own, while the thread that read them looks at the
 * same bytes in its way. SHA-256 is slower than all else that verify does together, so a file goes
 * at the speed of SHA-256 and not at that of the sum. Neither waits for the other until one is
 * OF_PARTNER_PIECES ahead. All calls come from the thread that gives.
 */
#ifndef OF_RUN_PARTNER_H
#define OF_RUN_PARTNER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/hash.h"
#include "sys/crew.h"
#include "sys/queue.h"

#include <stdbool.h>
#include <stdint.h>

/* Pieces are given back in order, so whoever gives reads ahead of the partner by as many; a few
 * even out what each of them waits for, more would be missing among the reads underway. */
enum { OF_PARTNER_PIECES = 4 };

struct of_partner_piece {
    const void *data;
    uint64_t length;
};

/* Zero is a partner that was not started. */
struct of_partner {
    struct of_hash *hash; /* the partner's alone until it is stopped */
    struct of_thread thread;
    struct of_queue todo;
    struct of_queue done;
    struct of_partner_piece pieces[OF_PARTNER_PIECES]; /* piece i in place i mod that */
    uint64_t given_count;
    uint64_t taken_count;
};

/* Goes on with a hash at any state of it. A failure leaves nothing behind and the hash untouched.
 * Ids: memory, thread. */
OF_NODISCARD onefold_status of_partner_start(struct of_partner *partner, struct of_hash *hash,
                                             onefold_error *err);
bool of_partner_is_running(const struct of_partner *partner);
/* Fewer than OF_PARTNER_PIECES may be with the partner. The bytes stay until the piece is taken. */
void of_partner_give(struct of_partner *partner, const void *data, uint64_t length);
/* True when the oldest piece that is with the partner has been hashed; it is taken back. `wait`
 * makes it true, if there is a piece. */
bool of_partner_take(struct of_partner *partner, bool wait);
/* Waits until all that was given is hashed and ends the thread; the hash is the caller's again. Any
 * state. */
void of_partner_stop(struct of_partner *partner);

#endif
