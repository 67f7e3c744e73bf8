/* SPDX-License-Identifier: Apache-2.0 */
/* Files hashed on several threads. Results are taken in the order of the command line, whatever the
 * threads do. Each reader of the library has a few buffers of fixed size, so memory is bounded by
 * the number of threads. */
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *hash_get(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL) {
        (void)fputs("onefold-hash: no memory [memory]\n", stderr);
        exit(1);
    }
    return memory;
}

char *hash_copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = hash_get(size, 1);

    memcpy(copy, text, size);
    return copy;
}

/* A pipe, a device: nothing the library opens by name. */
static bool is_stream(const char *name)
{
    struct stat seen;

    return strcmp(name, "-") != 0 && stat(name, &seen) == 0 && !S_ISREG(seen.st_mode) &&
           !S_ISDIR(seen.st_mode);
}

static onefold_status sum_stream(struct hash_job *job, onefold_error *err)
{
    onefold_status status;
    int fd = open(job->name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        memset(err, 0, sizeof(*err));
        err->id = "input-access";
        (void)snprintf(err->message, sizeof(err->message), "%s: %s",
                       onefold_text_show(job->name, strlen(job->name)).text, strerror(errno));
        return ONEFOLD_E_MISSING;
    }
    status = onefold_sum_fd(fd, job->kinds, NULL, &job->sums, err);
    (void)close(fd);
    return status;
}

/* Touches only fields that nobody reads before `done`. */
static void run_job(struct hash_job *job)
{
    onefold_error err;

    if (is_stream(job->name)) {
        job->status = sum_stream(job, &err);
    } else {
        job->status = onefold_sum_file(job->name, job->kinds, NULL, &job->sums, &err);
    }
    if (job->status != ONEFOLD_OK) {
        job->id = err.id;
        job->message = hash_copy(err.message);
    }
}

static void *run_jobs(void *context)
{
    struct hash_jobs *jobs = context;

    (void)pthread_mutex_lock(&jobs->mutex);
    while (jobs->next < jobs->count) {
        struct hash_job *job = &jobs->items[jobs->next++];

        (void)pthread_mutex_unlock(&jobs->mutex);
        run_job(job);
        (void)pthread_mutex_lock(&jobs->mutex);
        job->done = true;
        (void)pthread_cond_broadcast(&jobs->finished);
    }
    (void)pthread_mutex_unlock(&jobs->mutex);
    return NULL;
}

void hash_jobs_start(struct hash_jobs *jobs, struct hash_job *items, size_t count,
                     uint32_t thread_count)
{
    memset(jobs, 0, sizeof(*jobs));
    jobs->items = items;
    jobs->count = count;
    (void)pthread_mutex_init(&jobs->mutex, NULL);
    (void)pthread_cond_init(&jobs->finished, NULL);
    if (thread_count > count) {
        thread_count = (uint32_t)count;
    }
    jobs->threads = hash_get(thread_count, sizeof(*jobs->threads));
    while (jobs->thread_count < thread_count &&
           pthread_create(&jobs->threads[jobs->thread_count], NULL, run_jobs, jobs) == 0) {
        jobs->thread_count++;
    }
    if (jobs->thread_count == 0) {
        (void)run_jobs(jobs); /* no thread to be had: all of them here and now */
    }
}

const struct hash_job *hash_jobs_wait(struct hash_jobs *jobs, size_t index)
{
    (void)pthread_mutex_lock(&jobs->mutex);
    while (!jobs->items[index].done) {
        (void)pthread_cond_wait(&jobs->finished, &jobs->mutex);
    }
    (void)pthread_mutex_unlock(&jobs->mutex);
    return &jobs->items[index];
}

void hash_jobs_finish(struct hash_jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->thread_count; i++) {
        (void)pthread_join(jobs->threads[i], NULL);
    }
    for (size_t i = 0; i < jobs->count; i++) {
        free(jobs->items[i].message);
    }
    free(jobs->threads);
    (void)pthread_cond_destroy(&jobs->finished);
    (void)pthread_mutex_destroy(&jobs->mutex);
}
