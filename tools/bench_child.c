/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that onefold bench measures: each has CPU time and peak memory of its own. A process
 * that is cloned starts with the resident memory of this one as its peak, so this one stays small.
 */
#include "bench.h"

#include "exit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CODE_NOT_FOUND = 127, ARGUMENTS_MAX = BENCH_MODELS_MAX + 64 };

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds_of(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

/* In the new process: dies with its parent, and a closed pipe ends it as it ends any program. Some
 * copy of the pipe stays open until it ends, which is how its end is seen. */
static void enter(const struct bench *bench, int pipe_fd, int err_fd, bool quiet)
{
    const int out_fd = quiet ? open("/dev/null", O_WRONLY | O_CLOEXEC) : pipe_fd;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (fchdir(bench->folder) != 0 || dup2(out_fd, STDOUT_FILENO) < 0 ||
        dup2(err_fd, STDERR_FILENO) < 0 || (quiet && dup(pipe_fd) < 0)) {
        _exit(CODE_NOT_FOUND);
    }
}

/* Reads until the other end is closed, into at most `size` bytes. When a signal asks to stop, the
 * process is killed: what it wrote goes with our folder. */
static size_t read_all(const struct bench *bench, int fd, pid_t pid, char *to, size_t size)
{
    char rest[4096];
    size_t used = 0;

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        const int ready = poll(&wait, 1, 100);
        ssize_t got;

        if (bench->cancel->signal_number != 0) {
            (void)kill(pid, SIGKILL);
        }
        if (ready <= 0) {
            continue;
        }
        got = used < size ? read(fd, to + used, size - used) : read(fd, rest, sizeof(rest));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return used;
        }
        used += used < size ? (size_t)got : 0;
    }
}

static void keep_complaint(int fd, struct bench_child *child)
{
    char text[2048];
    ssize_t got = pread(fd, text, sizeof(text) - 1, 0);
    char *line;

    if (got <= 0) {
        return;
    }
    while (got > 0 && text[got - 1] == '\n') {
        got--;
    }
    text[got] = '\0';
    /* A hint may follow the error; the error is what tells. */
    line = strstr(text, "error: ");
    if (line == NULL) {
        line = strrchr(text, '\n');
        line = line != NULL ? line + 1 : text;
    }
    (void)snprintf(child->complaint, sizeof(child->complaint), "%.*s",
                   (int)(strcspn(line, "\n") < 280 ? strcspn(line, "\n") : 280), line);
}

static onefold_status finish(const struct bench *bench, pid_t pid, double start,
                             struct bench_child *child, onefold_error *err)
{
    struct rusage usage;
    int status = 0;

    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            return bench_failed(err, "wait for", "a process");
        }
    }
    child->seconds = now() - start;
    child->cpu_seconds = seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
    child->peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    child->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return bench_check_cancel(bench, err);
}

/* What a new process does: a program (`argv`), or `work`, which fills `result`. */
struct task {
    const char *const *argv;
    bool quiet;
    bench_work_fn *work;
    const void *context;
    void *result;
    size_t size;
};

static _Noreturn void run_task(const struct task *task, int pipe_fd)
{
    char *argv[ARGUMENTS_MAX] = {NULL};

    if (task->work != NULL) {
        task->work(task->context, task->result);
        _exit(write(pipe_fd, task->result, task->size) == (ssize_t)task->size ? 0 : CODE_NOT_FOUND);
    }
    /* execvp wants pointers to what may be changed; the process is about to be another one. */
    for (size_t i = 0; task->argv != NULL && task->argv[i] != NULL && i + 1 < ARGUMENTS_MAX; i++) {
        argv[i] = strdup(task->argv[i]);
    }
    if (argv[0] != NULL) {
        (void)execvp(argv[0], argv);
    }
    _exit(CODE_NOT_FOUND);
}

static onefold_status watch(const struct bench *bench, const struct task *task, pid_t pid,
                            int pipe_fd, double began, struct bench_child *child,
                            onefold_error *err)
{
    char *to = task->work != NULL ? task->result : child->text;
    const size_t limit = task->work != NULL ? task->size : sizeof(child->text) - 1;
    const size_t used = read_all(bench, pipe_fd, pid, to, limit);
    const onefold_status status = finish(bench, pid, began, child, err);

    if (task->work != NULL && used != task->size && child->code == 0) {
        child->code = CODE_NOT_FOUND;
    }
    return status;
}

static onefold_status start(const struct bench *bench, const struct task *task,
                            struct bench_child *child, onefold_error *err)
{
    int pipe_fds[2] = {-1, -1};
    const int err_fd = memfd_create("stderr", MFD_CLOEXEC);
    onefold_status status;
    double began;
    pid_t pid;

    memset(child, 0, sizeof(*child));
    (void)fflush(NULL);
    if (err_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
        status = bench_failed(err, "make", "a pipe");
        if (err_fd >= 0) {
            (void)close(err_fd);
        }
        return status;
    }
    began = now();
    pid = fork();
    if (pid == 0) {
        enter(bench, pipe_fds[1], err_fd, task->quiet);
        run_task(task, pipe_fds[1]);
    }
    (void)close(pipe_fds[1]);
    if (pid < 0) {
        status = bench_failed(err, "start", task->argv != NULL ? task->argv[0] : "a process");
    } else {
        status = watch(bench, task, pid, pipe_fds[0], began, child, err);
        keep_complaint(err_fd, child);
    }
    (void)close(pipe_fds[0]);
    (void)close(err_fd);
    return status;
}

onefold_status bench_spawn(const struct bench *bench, const char *const *argv, bool quiet,
                           struct bench_child *ret_child, onefold_error *err)
{
    const struct task task = {.argv = argv, .quiet = quiet};

    return start(bench, &task, ret_child, err);
}

onefold_status bench_fork(const struct bench *bench, bench_work_fn *work, const void *context,
                          void *ret_result, size_t size, struct bench_child *ret_child,
                          onefold_error *err)
{
    const struct task task = {.work = work, .context = context, .result = ret_result, .size = size};

    return start(bench, &task, ret_child, err);
}
