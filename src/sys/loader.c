/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that loads the pool. */
#include "sys/loader.h"

#include "base/check.h"

static void lock(struct of_loader *loader)
{
    of_assert(pthread_mutex_lock(&loader->mutex) == 0);
}

static void unlock(struct of_loader *loader)
{
    of_assert(pthread_mutex_unlock(&loader->mutex) == 0);
}

static void load_piece(struct of_loader *loader)
{
    onefold_error error;

    if (of_pool_load(loader->pool, loader->part, loader->offset, loader->size_bytes, &error) ==
        ONEFOLD_OK) {
        of_err_clear(&error);
    }
    lock(loader);
    loader->error = error;
    loader->busy = false;
    if (loader->done != NULL) {
        loader->done(loader->context);
    }
    unlock(loader);
}

static void serve(void *context)
{
    struct of_loader *loader = context;

    for (;;) {
        bool ends;

        lock(loader);
        while (!loader->busy && !loader->ending) {
            of_assert(pthread_cond_wait(&loader->changed, &loader->mutex) == 0);
        }
        ends = loader->ending;
        unlock(loader);
        if (ends) {
            return;
        }
        load_piece(loader);
    }
}

void of_loader_start(struct of_loader *loader, const struct of_pool *pool)
{
    onefold_error ignored;

    *loader = (struct of_loader){.pool = pool};
    of_assert(pthread_mutex_init(&loader->mutex, NULL) == 0);
    of_assert(pthread_cond_init(&loader->changed, NULL) == 0);
    loader->has_thread = of_thread_start(&loader->thread, serve, loader, &ignored) == ONEFOLD_OK;
}

void of_loader_tell(struct of_loader *loader, of_crew_done_fn *done, void *context)
{
    lock(loader);
    loader->done = done;
    loader->context = context;
    unlock(loader);
}

void of_loader_ask(struct of_loader *loader, uint32_t part, uint64_t offset, uint64_t size_bytes)
{
    of_assert(!loader->asked);
    loader->asked = true;
    lock(loader);
    loader->part = part;
    loader->offset = offset;
    loader->size_bytes = size_bytes;
    loader->busy = true;
    of_assert(pthread_cond_signal(&loader->changed) == 0);
    unlock(loader);
    if (!loader->has_thread) {
        load_piece(loader);
    }
}

bool of_loader_take(struct of_loader *loader, onefold_error *err)
{
    bool is_there;

    if (!loader->asked) {
        return false;
    }
    lock(loader);
    is_there = !loader->busy;
    if (is_there) {
        *err = loader->error;
    }
    unlock(loader);
    loader->asked = !is_there;
    return is_there;
}

void of_loader_finish(struct of_loader *loader)
{
    if (loader->pool == NULL) {
        return;
    }
    lock(loader);
    loader->ending = true;
    of_assert(pthread_cond_signal(&loader->changed) == 0);
    unlock(loader);
    of_thread_join(&loader->thread);
    of_assert(pthread_cond_destroy(&loader->changed) == 0);
    of_assert(pthread_mutex_destroy(&loader->mutex) == 0);
    *loader = (struct of_loader){0};
}
