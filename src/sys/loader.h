/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that loads pieces of the pool while others work: where a virtual machine's host has to
 * find the memory first, ten MiB take as long as reading forty. One piece at a time; one control
 * thread asks and takes. */
#ifndef OF_SYS_LOADER_H
#define OF_SYS_LOADER_H

#include "base/attr.h"
#include "base/err.h"
#include "sys/crew.h"
#include "sys/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct of_loader {
    const struct of_pool *pool;
    struct of_thread thread;
    bool has_thread;
    bool asked; /* control thread: a piece is with the loader */

    pthread_mutex_t mutex; /* over what follows */
    pthread_cond_t changed;
    bool busy; /* the piece is not loaded yet */
    bool ending;
    uint32_t part;
    uint64_t offset;
    uint64_t size_bytes;
    onefold_error error; /* of the piece; status OK = none */
    of_crew_done_fn *done;
    void *context;
};

/* The pool must outlive the loader. Where no thread can be had, pieces are loaded when asked for.
 */
void of_loader_start(struct of_loader *loader, const struct of_pool *pool);
/* From now on `done` is called after each piece, by the loader's thread. */
void of_loader_tell(struct of_loader *loader, of_crew_done_fn *done, void *context);
/* Asks for bytes of a part of the pool; the piece before must have been taken. */
void of_loader_ask(struct of_loader *loader, uint32_t part, uint64_t offset, uint64_t size_bytes);
/* Is the piece that was asked for there? Never blocks. Then another may be asked for, and *err has
 * what became of this one: status OK, or id memory. */
bool of_loader_take(struct of_loader *loader, onefold_error *err);
/* Waits for a piece underway. Also for a loader that is all zero. */
void of_loader_finish(struct of_loader *loader);

#endif
