/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of ours, and a crew of workers between two queues. */
#include "sys/crew.h"

#include "base/check.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/num.h"
#include "sys/clock.h"

#include <fenv.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* A new thread inherits flush-to-zero, denormals-are-zero and the rounding mode from whoever made
 * it; a careless host program would change result bits. libc resets what it knows of, the control
 * register is written in full besides. */
static void reset_float(void)
{
    (void)fesetenv(FE_DFL_ENV);
#if defined(__x86_64__)
    _mm_setcsr(0x1f80); /* all exceptions masked, round to nearest, no FTZ, no DAZ */
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(UINT64_C(0)));
#endif
}

/* All signals but those a thread raises itself by what it executes: a blocked SIGBUS would kill the
 * process where the handler of sys/window can save it. abort() lets its own through, so a SIGABRT
 * from outside is for the thread that the host program runs, and never comes while that is making
 * another one. */
static void block_signals(sigset_t *ret_old)
{
    static const int kept[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP, SIGSYS};
    sigset_t all;

    (void)sigfillset(&all);
    for (size_t i = 0; i < OF_LENGTH(kept); i++) {
        (void)sigdelset(&all, kept[i]);
    }
    of_assert(pthread_sigmask(SIG_BLOCK, &all, ret_old) == 0);
}

/* The mask is set before the thread exists, so that no signal can reach it in between. Returns the
 * errno of pthread_create. */
static int create_thread(pthread_t *ret_thread, void *(*fn)(void *), void *argument)
{
    const size_t stack_min = (size_t)PTHREAD_STACK_MIN;
    const size_t stack_bytes = OF_STACK_BYTES > stack_min ? OF_STACK_BYTES : stack_min;
    pthread_attr_t attributes;
    sigset_t old;
    int result;

    result = pthread_attr_init(&attributes);
    if (result != 0) {
        return result;
    }
    (void)pthread_attr_setstacksize(&attributes, stack_bytes);
    block_signals(&old);
    result = pthread_create(ret_thread, &attributes, fn, argument);
    of_assert(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    (void)pthread_attr_destroy(&attributes);
    return result;
}

static void *run_thread(void *argument)
{
    const struct of_thread *thread = argument;

    reset_float();
    thread->fn(thread->context);
    return NULL;
}

onefold_status of_thread_start(struct of_thread *thread, of_crew_thread_fn *fn, void *context,
                               onefold_error *err)
{
    int result;

    *thread = (struct of_thread){.fn = fn, .context = context};
    result = create_thread(&thread->thread, run_thread, thread);
    if (result != 0) {
        return of_err_set_sys(err, "thread", result, "cannot start a thread");
    }
    thread->running = true;
    return ONEFOLD_OK;
}

void of_thread_join(struct of_thread *thread)
{
    if (thread->running) {
        of_assert(pthread_join(thread->thread, NULL) == 0);
        thread->running = false;
    }
}

/* One worker: set by init, times by the worker until it has been joined. */
struct member {
    struct of_crew *crew;
    uint32_t group;
    uint32_t rank; /* in the group */
    uint8_t *scratch;
    uint64_t idle_ns;
    uint64_t taken_ns; /* when it took what it does */
};

static void wait_until_used(struct of_crew *crew, uint32_t rank)
{
    if (rank == 0) {
        return; /* always */
    }
    of_assert(pthread_mutex_lock(&crew->mutex) == 0);
    while (rank >= crew->used_count) {
        (void)pthread_cond_wait(&crew->used_more, &crew->mutex);
    }
    of_assert(pthread_mutex_unlock(&crew->mutex) == 0);
}

void of_crew_use(struct of_crew *crew, uint32_t worker_count)
{
    of_assert(worker_count > 0);
    of_assert(pthread_mutex_lock(&crew->mutex) == 0);
    crew->used_count = worker_count;
    (void)pthread_cond_broadcast(&crew->used_more);
    of_assert(pthread_mutex_unlock(&crew->mutex) == 0);
}

/* The next item for a worker of the group, NULL at the end; errands are done on the way. What
 * stands for one in `todo` is the crew itself. */
static void *next_item(struct of_crew *crew, struct member *member)
{
    const struct of_errand *errand;

    for (;;) {
        const uint64_t ended_ns = of_clock_ns();
        uint64_t used_ns;
        void *item;

        atomic_fetch_add(&crew->busy_ns, ended_ns - member->taken_ns);
        wait_until_used(crew, member->rank);
        used_ns = of_clock_ns();
        member->idle_ns += used_ns - ended_ns;
        item = of_queue_pop(&crew->todo[member->group]);
        if (item == NULL) {
            return NULL; /* to be used and to wait for the end of the run is not idleness */
        }
        member->taken_ns = of_clock_ns();
        member->idle_ns += member->taken_ns - used_ns;
        if (item != crew) {
            return item;
        }
        errand = of_queue_try_pop(&crew->errands);
        errand->fn(errand->context);
    }
}

static void *run_member(void *argument)
{
    struct member *member = argument;
    struct of_crew *crew = member->crew;
    const struct of_crew_options *options = &crew->options;
    void *item;

    reset_float();
    (void)of_node_enter(options->nodes, member->group);
    member->taken_ns = of_clock_ns();
    while ((item = next_item(crew, member)) != NULL) {
        options->work(options->context, item, member->scratch);
        of_queue_push(&crew->done, item);
        if (options->done != NULL) {
            options->done(options->context);
        }
    }
    return NULL;
}

uint8_t *of_crew_scratch(const struct of_crew_options *options, uint32_t i)
{
    const uint32_t groups = (uint32_t)of_num_max(options->group_count, 1);

    return options->scratch != NULL ? options->scratch + i % groups * options->group_bytes +
                                          i / groups * options->scratch_bytes
                                    : NULL;
}

static onefold_status start_members(struct of_crew *crew, onefold_error *err)
{
    struct member *members = crew->members;
    const struct of_crew_options *options = &crew->options;

    for (uint32_t i = 0; i < options->worker_count; i++) {
        int result;

        members[i] = (struct member){.crew = crew,
                                     .group = i % options->group_count,
                                     .rank = i / options->group_count,
                                     .scratch = of_crew_scratch(options, i)};
        result = create_thread(&crew->threads[i], run_member, &members[i]);
        if (result != 0 && i == 0) {
            return of_err_set_sys(err, "thread", result, "cannot start a worker thread");
        }
        if (result != 0) {
            break; /* fewer work too */
        }
        crew->thread_count++;
    }
    return ONEFOLD_OK;
}

static onefold_status make_queues(struct of_crew *crew, onefold_error *err)
{
    while (crew->todo_count < crew->options.group_count) {
        OF_TRY(of_queue_init(&crew->todo[crew->todo_count],
                             crew->options.item_count + crew->options.errand_count, err));
        crew->todo_count++;
    }
    OF_TRY(of_queue_init(&crew->errands, crew->options.errand_count, err));
    return of_queue_init(&crew->done, crew->options.item_count, err);
}

onefold_status of_crew_init(struct of_crew *crew, const struct of_crew_options *options,
                            onefold_error *err)
{
    const uint64_t count = of_num_max(options->worker_count, 1);
    const uint64_t groups = of_num_max(options->group_count, 1);
    onefold_status status;

    *crew = (struct of_crew){.options = *options, .used_count = UINT32_MAX};
    crew->options.worker_count = (uint32_t)count;
    crew->options.group_count = (uint32_t)groups;
    of_assert(pthread_mutex_init(&crew->mutex, NULL) == 0);
    of_assert(pthread_cond_init(&crew->used_more, NULL) == 0);
    crew->can_wait = true;
    crew->threads = of_mem_get(of_mem_array_bytes(count, sizeof(pthread_t)));
    crew->members = of_mem_get(of_mem_array_bytes(count, sizeof(struct member)));
    crew->todo = of_mem_get(of_mem_array_bytes(groups, sizeof(struct of_queue)));
    if (crew->threads == NULL || crew->members == NULL || crew->todo == NULL) {
        of_crew_finish(crew);
        return of_err_set(err, "memory", "no memory for %u workers", (unsigned)count);
    }
    status = make_queues(crew, err);
    if (status == ONEFOLD_OK) {
        status = start_members(crew, err);
    }
    if (status != ONEFOLD_OK) {
        of_crew_finish(crew);
    }
    return status;
}

/* The queue of a group, or of one that serves it. */
static struct of_queue *todo_of(struct of_crew *crew, uint32_t group)
{
    return &crew->todo[group % of_num_min(crew->options.group_count, crew->thread_count)];
}

void of_crew_give(struct of_crew *crew, uint32_t group, void *item)
{
    of_queue_push(todo_of(crew, group), item);
}

void of_crew_send(struct of_crew *crew, uint32_t group, struct of_errand *errand)
{
    of_queue_push(&crew->errands, errand);
    of_queue_push_first(todo_of(crew, group), crew);
}

void *of_crew_take(struct of_crew *crew)
{
    return of_queue_try_pop(&crew->done);
}

void of_crew_finish(struct of_crew *crew)
{
    const struct member *members = crew->members;
    const uint32_t count = members != NULL && crew->threads != NULL ? crew->thread_count : 0;

    for (uint32_t i = 0; i < crew->todo_count; i++) {
        of_queue_close(&crew->todo[i]);
    }
    if (crew->can_wait) {
        of_crew_use(crew, UINT32_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        of_assert(pthread_join(crew->threads[i], NULL) == 0);
        crew->idle_ns += members[i].idle_ns;
    }
    crew->thread_count = 0;
    of_mem_free(crew->threads);
    of_mem_free(crew->members);
    crew->threads = NULL;
    crew->members = NULL;
    for (uint32_t i = 0; i < crew->todo_count; i++) {
        of_queue_finish(&crew->todo[i]);
    }
    of_mem_free(crew->todo);
    crew->todo = NULL;
    crew->todo_count = 0;
    of_queue_finish(&crew->errands);
    of_queue_finish(&crew->done);
    if (crew->can_wait) {
        (void)pthread_cond_destroy(&crew->used_more);
        (void)pthread_mutex_destroy(&crew->mutex);
        crew->can_wait = false;
    }
}

void of_float_enter(struct of_float_env *env)
{
    (void)fegetenv(&env->saved);
    reset_float();
}

void of_float_leave(const struct of_float_env *env)
{
    (void)fesetenv(&env->saved);
}
