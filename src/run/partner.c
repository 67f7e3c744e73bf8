/* SPDX-License-Identifier: Apache-2.0 */
/* Two queues between a thread that reads a file and one that hashes it. Both are in the order of
 * the file, so what comes back needs no name: it is the oldest piece. */
#include "run/partner.h"

#include "base/check.h"

static void hash_pieces(void *context)
{
    struct of_partner *partner = context;
    struct of_partner_piece *piece;

    while ((piece = of_queue_pop(&partner->todo)) != NULL) {
        of_hash_update(partner->hash, piece->data, piece->length);
        of_queue_push(&partner->done, piece);
    }
}

onefold_status of_partner_start(struct of_partner *partner, struct of_hash *hash,
                                onefold_error *err)
{
    onefold_status status;

    *partner = (struct of_partner){.hash = hash};
    status = of_queue_init(&partner->todo, OF_PARTNER_PIECES, err);
    if (status == ONEFOLD_OK) {
        status = of_queue_init(&partner->done, OF_PARTNER_PIECES, err);
    }
    if (status == ONEFOLD_OK) {
        status = of_thread_start(&partner->thread, hash_pieces, partner, err);
    }
    if (status != ONEFOLD_OK) {
        of_partner_stop(partner);
    }
    return status;
}

bool of_partner_is_running(const struct of_partner *partner)
{
    return partner->thread.running;
}

void of_partner_give(struct of_partner *partner, const void *data, uint64_t length)
{
    struct of_partner_piece *piece = &partner->pieces[partner->given_count % OF_PARTNER_PIECES];

    of_assert(partner->given_count - partner->taken_count < OF_PARTNER_PIECES);
    *piece = (struct of_partner_piece){data, length};
    partner->given_count++;
    of_queue_push(&partner->todo, piece);
}

bool of_partner_take(struct of_partner *partner, bool wait)
{
    const void *piece;

    if (partner->taken_count == partner->given_count) {
        return false;
    }
    piece = wait ? of_queue_pop(&partner->done) : of_queue_try_pop(&partner->done);
    if (piece == NULL) {
        return false;
    }
    of_assert(piece == &partner->pieces[partner->taken_count % OF_PARTNER_PIECES]);
    partner->taken_count++;
    return true;
}

void of_partner_stop(struct of_partner *partner)
{
    of_queue_close(&partner->todo);
    of_thread_join(&partner->thread);
    of_queue_finish(&partner->todo);
    of_queue_finish(&partner->done);
    *partner = (struct of_partner){0};
}
