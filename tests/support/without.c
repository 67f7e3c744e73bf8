/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program on a poorer system than this one: without uring|direct|memory CMD ...
 * uring: io_uring_setup is refused, as many containers do. direct: O_DIRECT is refused, as some
 * file systems do, whether a file is opened with it or given it later. memory: pages of small
 * buffers cannot be loaded; of large ones, which come first, they can.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* The lower half of an argument; both machines we run on are little-endian. */
#define LOAD_ARG(n)   LOAD(args[n])
#define UNLESS(k, to) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (to))
#define ALLOW         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

/* Older headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
enum { SMALL_BYTES = 1 << 20 };

static struct sock_filter uring_rows[] = {
    LOAD(nr),
    UNLESS(SYS_io_uring_setup, 1),
    REFUSE(EPERM),
    ALLOW,
};

static struct sock_filter direct_rows[] = {
    LOAD(nr),
    UNLESS(SYS_openat, 2),
    LOAD_ARG(2),
    BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
    UNLESS(SYS_fcntl, 5),
    LOAD_ARG(1),
    UNLESS(F_SETFL, 3),
    LOAD_ARG(2),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_DIRECT, 0, 1),
    REFUSE(EINVAL),
    ALLOW,
};

static struct sock_filter memory_rows[] = {
    LOAD(nr),       UNLESS(SYS_madvise, 5),
    LOAD_ARG(2),    UNLESS(MADV_POPULATE_WRITE, 3),
    LOAD_ARG(1),    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SMALL_BYTES, 1, 0),
    REFUSE(ENOMEM), ALLOW,
};

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    struct sock_fprog program = {.len = sizeof(uring_rows) / sizeof(uring_rows[0]),
                                 .filter = uring_rows};

    if (strcmp(what, "direct") == 0) {
        program.len = sizeof(direct_rows) / sizeof(direct_rows[0]);
        program.filter = direct_rows;
    } else if (strcmp(what, "memory") == 0) {
        program.len = sizeof(memory_rows) / sizeof(memory_rows[0]);
        program.filter = memory_rows;
    } else if (strcmp(what, "uring") != 0) {
        (void)fputs("usage: without uring|direct|memory CMD ...\n", stderr);
        return 99;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("without");
        return 99;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 99;
}
