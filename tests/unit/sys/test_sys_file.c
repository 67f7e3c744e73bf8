/* SPDX-License-Identifier: Apache-2.0 */
/* Files by name: which error each failure is, and the ways around what a file system refuses. */
#include "sys/file.h"

#include "base/limits.h"
#include "base/mem.h"
#include "support/skip.h"
#include "support/tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    struct tmpdir dir;
    int fd;
};
static struct fixture own;

static int set_up(void **state)
{
    onefold_error err;

    own.dir = tmpdir_make();
    assert_int_equal(of_file_open_folder(of_file_here, own.dir.path, &own.fd, &err), ONEFOLD_OK);
    tmpdir_write_text(tmpdir_join(own.dir.path, "plain").text, "0123456789");
    tmpdir_folder(tmpdir_join(own.dir.path, "folder").text);
    tmpdir_link("plain", tmpdir_join(own.dir.path, "link").text);
    tmpdir_link("nowhere", tmpdir_join(own.dir.path, "dangling").text);
    *state = &own;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    of_file_close(&own.fd);
    tmpdir_remove(&own.dir);
    return 0;
}

static struct tmpdir_name at(const char *name)
{
    return tmpdir_join(own.dir.path, name);
}

static bool exists(const char *name)
{
    return tmpdir_exists(at(name).text);
}

/* --- Opening --- */

static void expect_open(const char *name, uint32_t flags, const char *id)
{
    struct of_identity identity;
    onefold_error err;
    int fd = -1;
    const onefold_status status = of_file_open_read(own.fd, name, flags, &fd, &identity, &err);

    if (id == NULL) {
        assert_int_equal(status, ONEFOLD_OK);
        assert_int_equal(identity.size_bytes, 10);
        /* The flag that kept a pipe from blocking is gone: rings would see it. */
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        of_file_close(&fd);
    } else {
        assert_int_not_equal(status, ONEFOLD_OK);
        assert_string_equal(err.id, id);
    }
    assert_int_equal(fd, -1);
}

static void test_open_read(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(mkfifo(at("pipe").text, 0600), 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%.100s", at("socket").text);
    assert_int_equal(bind(sock, (const struct sockaddr *)&address, sizeof(address)), 0);
    expect_open("plain", 0, NULL);
    expect_open("plain", OF_FILE_NO_LINKS, NULL);
    expect_open("link", 0, NULL);
    expect_open("link", OF_FILE_NO_LINKS, "input-kind");
    expect_open("dangling", 0, "input-missing");
    expect_open("nothing", 0, "input-missing");
    expect_open("plain/below", 0, "input-kind");
    expect_open("folder", 0, "input-kind");
    expect_open("pipe", 0, "input-kind"); /* and does not block */
    expect_open("socket", 0, "input-kind");
    expect_open("/dev/zero", 0, "input-kind");
    (void)close(sock);
}

static void test_open_folder(void **state)
{
    onefold_error err;
    int fd = -1;

    (void)state;
    assert_int_equal(of_file_open_folder(own.fd, "folder", &fd, &err), ONEFOLD_OK);
    of_file_close(&fd);
    assert_int_not_equal(of_file_open_folder(own.fd, "plain", &fd, &err), ONEFOLD_OK);
    assert_string_equal(err.id, "input-kind");
    assert_int_not_equal(of_file_open_folder(own.fd, "none\n", &fd, &err), ONEFOLD_OK);
    assert_string_equal(err.id, "input-missing");
    /* What comes from outside is escaped. */
    assert_null(strchr(err.message, '\n'));
    assert_int_equal(fd, -1);
}

static void test_probe_and_identity(void **state)
{
    enum of_file_kind kind = OF_FILE_OTHER;
    struct of_identity plain;
    struct of_identity link;
    struct of_identity later;
    onefold_error err;
    int fd = -1;

    (void)state;
    assert_true(of_file_probe(own.fd, "plain", &kind, &plain));
    assert_int_equal(kind, OF_FILE_REGULAR);
    assert_true(of_file_probe(own.fd, "link", &kind, &link));
    assert_true(of_identity_equal(&plain, &link));
    assert_true(of_file_probe(own.fd, "folder", &kind, NULL));
    assert_int_equal(kind, OF_FILE_FOLDER);
    assert_true(of_file_probe(of_file_here, "/dev/null", &kind, NULL));
    assert_int_equal(kind, OF_FILE_OTHER);
    assert_false(of_file_probe(own.fd, "dangling", &kind, NULL));
    assert_int_equal(of_file_open_read(own.fd, "plain", 0, &fd, NULL, &err), ONEFOLD_OK);
    assert_int_equal(truncate(at("plain").text, 3), 0);
    assert_int_equal(of_file_identity(fd, &later, &err), ONEFOLD_OK);
    assert_false(of_identity_equal(&plain, &later));
    assert_true(of_identity_is_same_file(&plain, &later));
    of_file_close(&fd);
    assert_int_equal(of_file_identity(-1, &later, &err), ONEFOLD_E_IO);
}

/* --- Making, reserving, reading, writing --- */

static void test_create(void **state)
{
    struct stat seen;
    onefold_error err;
    int fd = -1;

    (void)state;
    assert_int_equal(of_file_create(own.fd, "new", 0, &fd, &err), ONEFOLD_OK);
    assert_int_equal(fstat(fd, &seen), 0);
    assert_int_equal(seen.st_mode & 07000, 0);
    assert_int_equal(of_file_close_written(&fd, &err), ONEFOLD_OK);
    assert_int_equal(of_file_close_written(&fd, &err), ONEFOLD_OK);
    assert_int_equal(of_file_create(own.fd, "new", 0, &fd, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "output-io");
    assert_int_equal(err.sys_errno, EEXIST);
    /* A planted link is not followed. */
    assert_int_not_equal(of_file_create(own.fd, "dangling", 0, &fd, &err), ONEFOLD_OK);
    assert_false(exists("nowhere"));
    assert_int_equal(of_file_create(own.fd, "no/such", 0, &fd, &err), ONEFOLD_E_EXISTS);
    assert_string_equal(err.id, "target-path");
    assert_int_equal(of_file_create_folder(own.fd, "made", &err), ONEFOLD_OK);
    assert_int_not_equal(of_file_create_folder(own.fd, "made", &err), ONEFOLD_OK);
    assert_int_equal(err.sys_errno, EEXIST);
}

static void test_read_and_write(void **state)
{
    char text[16] = "";
    onefold_error err;
    int fd = -1;

    (void)state;
    assert_int_equal(of_file_create(own.fd, "new", 0, &fd, &err), ONEFOLD_OK);
    assert_int_equal(of_file_write_at(fd, "world", 5, 6, &err), ONEFOLD_OK);
    assert_int_equal(of_file_write_at(fd, "hello ", 6, 0, &err), ONEFOLD_OK);
    assert_int_equal(of_file_read_at(fd, text, 11, 0, &err), ONEFOLD_OK);
    assert_string_equal(text, "hello world");
    assert_int_equal(of_file_read_at(fd, text, 0, 999, &err), ONEFOLD_OK);
    assert_int_equal(of_file_read_at(fd, text, 6, 7, &err), ONEFOLD_E_MISMATCH);
    assert_string_equal(err.id, "input-changed");
    assert_int_equal(err.offset, 11);
    assert_int_equal(of_file_sync(fd, &err), ONEFOLD_OK);
    of_file_close(&fd);
    assert_int_equal(of_file_read_at(-1, text, 1, 0, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "input-io");
    assert_int_equal(of_file_write_at(-1, text, 1, 0, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "output-io");
    assert_int_equal(of_file_sync(-1, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "output-sync");
    fd = 1000;
    assert_int_equal(of_file_close_written(&fd, &err), ONEFOLD_E_IO);
    assert_int_equal(fd, -1);
}

static uint64_t size_of(int fd)
{
    struct of_identity identity;
    onefold_error err;

    assert_int_equal(of_file_identity(fd, &identity, &err), ONEFOLD_OK);
    return identity.size_bytes;
}

static void test_reserve(void **state)
{
    onefold_error err;
    int fd = -1;

    (void)state;
    assert_int_equal(of_file_create(own.fd, "new", 0, &fd, &err), ONEFOLD_OK);
    assert_int_equal(of_file_reserve(fd, 1000000, &err), ONEFOLD_OK);
    assert_int_equal(size_of(fd), 1000000);
    assert_int_equal(of_file_reserve(fd, 0, &err), ONEFOLD_OK);
    assert_int_equal(size_of(fd), 0);
    assert_int_equal(of_file_resize(fd, 77, &err), ONEFOLD_OK);
    assert_int_equal(size_of(fd), 77);
    assert_int_equal(of_file_reserve(fd, UINT64_C(1) << 62, &err), ONEFOLD_E_SPACE);
    assert_string_equal(err.id, "space-reserve");
    assert_int_equal(of_file_reserve(fd, UINT64_MAX, &err), ONEFOLD_E_SPACE);
    assert_int_equal(of_file_resize(fd, UINT64_MAX, &err), ONEFOLD_E_SPACE);
    of_file_close(&fd);
    assert_int_equal(of_file_reserve(-1, 10, &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "output-io");
}

static void test_size_limit(void **state)
{
    struct rlimit old;
    struct rlimit low;
    onefold_error err;
    char block[4096] = "";
    int fd = -1;
    onefold_status reserved;
    onefold_status written;

    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(of_file_create(own.fd, "new", 0, &fd, &err), ONEFOLD_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = (struct rlimit){.rlim_cur = 6000, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    reserved = of_file_reserve(fd, 10000, &err);
    written = of_file_write_at(fd, block, sizeof(block), 4096, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(reserved, ONEFOLD_E_SPACE);
    assert_int_equal(written, ONEFOLD_E_IO);
    assert_string_equal(err.id, "space-run");
    assert_int_equal(err.sys_errno, EFBIG);
    assert_int_equal(err.offset, 6000); /* short first */
    of_file_close(&fd);
}

/* A small tmpfs, in a child with mounts of its own: what a full disk says. */
static int fill_disk(void)
{
    enum { BLOCK_BYTES = 65536 };
    static char block[BLOCK_BYTES];
    struct of_space space;
    onefold_error err;
    int folder = -1;
    int fd = -1;
    uint64_t done = 0;

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", at("folder").text, "tmpfs", 0, "size=1m,nr_inodes=4") != 0) {
        return 77;
    }
    /* By its path: own.fd still sees the mounts of before. */
    if (of_file_open_folder(of_file_here, at("folder").text, &folder, &err) != ONEFOLD_OK ||
        of_file_space(folder, &space, &err) != ONEFOLD_OK || !space.is_memory ||
        strcmp(space.type_name, "tmpfs") != 0 || space.available_bytes > OF_MIB ||
        space.available_inodes > 4) {
        return 1;
    }
    if (of_file_create(folder, "a", 0, &fd, &err) != ONEFOLD_OK) {
        return 2;
    }
    if (of_file_reserve(fd, 2 * OF_MIB, &err) != ONEFOLD_E_SPACE ||
        strcmp(err.id, "space-reserve") != 0 || strstr(err.message, "available") == NULL) {
        return 3;
    }
    while (of_file_write_at(fd, block, BLOCK_BYTES, done, &err) == ONEFOLD_OK) {
        done += BLOCK_BYTES;
    }
    if (strcmp(err.id, "space-run") != 0 || err.sys_errno != ENOSPC || done > OF_MIB) {
        return 4;
    }
    of_file_close(&fd);
    for (char name[] = "b"; of_file_create(folder, name, 0, &fd, &err) == ONEFOLD_OK; name[0]++) {
        of_file_close(&fd);
    }
    return strcmp(err.id, "space-reserve") == 0 ? 0 : 5;
}

/* --- Names --- */

static void check_renames(void)
{
    onefold_error err;

    tmpdir_write_text(at("a").text, "A");
    tmpdir_write_text(at("b").text, "B");
    assert_int_equal(of_file_rename(own.fd, "a", "b", &err), ONEFOLD_E_EXISTS);
    assert_string_equal(err.id, "target-exists");
    assert_int_equal(of_file_rename(own.fd, "a", "dangling", &err), ONEFOLD_E_EXISTS);
    assert_true(exists("a"));
    assert_int_equal(of_file_rename(own.fd, "a", "c", &err), ONEFOLD_OK);
    assert_false(exists("a"));
    assert_int_equal(of_file_rename(own.fd, "gone", "d", &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "commit-rename");
    assert_int_equal(err.sys_errno, ENOENT);
    /* A file and a folder change places. */
    assert_int_equal(of_file_exchange(own.fd, "c", "folder", &err), ONEFOLD_OK);
    assert_true(of_file_probe(own.fd, "c/.", NULL, NULL));
    assert_false(of_file_probe(own.fd, "folder/.", NULL, NULL));
    assert_false(exists("folder.onefold-old"));
    assert_int_equal(of_file_exchange(own.fd, "c", "gone", &err), ONEFOLD_E_IO);
    assert_string_equal(err.id, "commit-rename");
    assert_int_equal(of_file_exchange(own.fd, "gone", "c", &err), ONEFOLD_E_IO);
    assert_true(of_file_probe(own.fd, "c/.", NULL, NULL));
}

static void test_renames(void **state)
{
    (void)state;
    check_renames();
}

/* One system call answers with an errno from now on. False where filters are not allowed. */
static bool refuse_call(uint32_t number, uint32_t refusal)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | refusal),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = OF_LENGTH(rules), .filter = rules};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int old_renames(void)
{
    onefold_error err;
    struct stat seen;

    if (!refuse_call(SYS_renameat2, EINVAL)) {
        return 77;
    }
    tmpdir_write_text(at("a").text, "A");
    tmpdir_write_text(at("b").text, "B");
    if (of_file_rename(own.fd, "a", "b", &err) == ONEFOLD_OK ||
        strcmp(err.id, "target-exists") != 0 || !exists("a")) {
        return 1;
    }
    if (of_file_rename(own.fd, "a", "dangling", &err) == ONEFOLD_OK ||
        strcmp(err.id, "target-exists") != 0) {
        return 2;
    }
    if (of_file_rename(own.fd, "a", "c", &err) != ONEFOLD_OK || exists("a") || !exists("c")) {
        return 3;
    }
    if (of_file_exchange(own.fd, "c", "folder", &err) != ONEFOLD_OK ||
        fstatat(own.fd, "c", &seen, 0) != 0 || !S_ISDIR(seen.st_mode) ||
        fstatat(own.fd, "folder", &seen, 0) != 0 || !S_ISREG(seen.st_mode) ||
        exists("folder.onefold-old")) {
        return 4;
    }
    /* When the new one cannot come, the old one comes back. */
    if (of_file_exchange(own.fd, "gone", "c", &err) == ONEFOLD_OK ||
        strcmp(err.id, "commit-rename") != 0 || !exists("c")) {
        return 5;
    }
    return 0;
}

static int no_fallocate(void)
{
    onefold_error err;
    struct stat seen;
    int fd = -1;

    if (!refuse_call(SYS_fallocate, EOPNOTSUPP)) {
        return 77;
    }
    if (of_file_create(own.fd, "new", 0, &fd, &err) != ONEFOLD_OK ||
        of_file_reserve(fd, 5000000, &err) != ONEFOLD_OK || fstat(fd, &seen) != 0) {
        return 1;
    }
    /* The size, and no zeros written. */
    return seen.st_size == 5000000 && seen.st_blocks * 512 < 5000000 ? 0 : 2;
}

static int no_quota(void)
{
    onefold_error err;
    int fd = -1;

    if (!refuse_call(SYS_fallocate, EDQUOT)) {
        return 77;
    }
    if (of_file_create(own.fd, "new", 0, &fd, &err) != ONEFOLD_OK ||
        of_file_reserve(fd, 5000000, &err) != ONEFOLD_E_SPACE) {
        return 1;
    }
    return strcmp(err.id, "space-reserve") == 0 ? 0 : 2;
}

static int failing_sync(void)
{
    onefold_error err;

    if (!refuse_call(SYS_fsync, EIO)) {
        return 77;
    }
    return of_file_sync(own.fd, &err) == ONEFOLD_E_IO && strcmp(err.id, "output-sync") == 0 &&
                   err.sys_errno == EIO
               ? 0
               : 1;
}

static int no_locks(void)
{
    onefold_error err;
    bool locked = false;

    if (!refuse_call(SYS_flock, ENOLCK)) {
        return 77;
    }
    return of_file_lock(own.fd, &locked, &err) == ONEFOLD_E_EXISTS &&
                   strcmp(err.id, "target-lock") == 0 && !locked
               ? 0
               : 1;
}

/* An old kernel says nothing of alignments. */
static int no_statx(void)
{
    onefold_error err;
    uint32_t align;
    int fd = -1;

    if (of_file_open_read(own.fd, "plain", 0, &fd, NULL, &err) != ONEFOLD_OK) {
        return 1;
    }
    if (!refuse_call(SYS_statx, ENOSYS)) {
        return 77;
    }
    align = of_file_direct_align(fd);
    if ((fcntl(fd, F_GETFL) & O_DIRECT) != 0) {
        return 2; /* only tried */
    }
    return align == 0 || align == OF_DIRECT_ALIGN_DEFAULT ? 0 : 3;
}

static void in_child(int (*fn)(void))
{
    const pid_t child = fork();
    int result = 0;

    assert_true(child >= 0);
    if (child == 0) {
        _exit(fn());
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result));
    if (WEXITSTATUS(result) == 77) {
        SKIP_TEST("this machine does not let a process be restricted so");
    }
    assert_int_equal(WEXITSTATUS(result), 0);
}

#define CHILD_TEST(fn)                  \
    static void test_##fn(void **state) \
    {                                   \
        (void)state;                    \
        in_child(fn);                   \
    }
CHILD_TEST(fill_disk)
CHILD_TEST(old_renames)
CHILD_TEST(no_fallocate)
CHILD_TEST(no_quota)
CHILD_TEST(failing_sync)
CHILD_TEST(no_locks)
CHILD_TEST(no_statx)

static void test_lock(void **state)
{
    onefold_error err;
    bool locked = false;
    int first = -1;
    int second = -1;

    (void)state;
    assert_int_equal(of_file_open_read(own.fd, "plain", 0, &first, NULL, &err), ONEFOLD_OK);
    assert_int_equal(of_file_open_read(own.fd, "plain", 0, &second, NULL, &err), ONEFOLD_OK);
    assert_int_equal(of_file_lock(first, &locked, &err), ONEFOLD_OK);
    assert_true(locked);
    assert_int_equal(of_file_lock(second, &locked, &err), ONEFOLD_OK);
    assert_false(locked);
    of_file_close(&first);
    assert_int_equal(of_file_lock(second, &locked, &err), ONEFOLD_OK);
    assert_true(locked);
    of_file_close(&second);
}

static void test_remove(void **state)
{
    onefold_error err;

    (void)state;
    assert_int_equal(of_file_remove(own.fd, "link", &err), ONEFOLD_OK);
    assert_true(exists("plain"));
    assert_int_equal(of_file_remove(own.fd, "folder", &err), ONEFOLD_OK);
    assert_false(exists("folder"));
    assert_int_equal(of_file_remove(own.fd, "folder", &err), ONEFOLD_E_IO);
    assert_int_equal(err.sys_errno, ENOENT);
}

/* --- Folders --- */

static bool count_name(void *context, const char *name)
{
    uint64_t *left = context;

    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    return --*left > 0;
}

static void test_list(void **state)
{
    uint64_t left = 1000;
    onefold_error err;

    (void)state;
    for (int round = 0; round < 2; round++) {
        left = 1000;
        assert_int_equal(of_file_list(own.fd, count_name, &left, &err), ONEFOLD_OK);
        assert_int_equal(left, 1000 - 4);
    }
    left = 2;
    assert_int_equal(of_file_list(own.fd, count_name, &left, &err), ONEFOLD_OK);
    assert_int_equal(left, 0);
    assert_int_equal(of_file_list(-1, count_name, &left, &err), ONEFOLD_E_IO);
}

static void test_remove_tree(void **state)
{
    char name[64];
    onefold_error err;

    (void)state;
    tmpdir_folder(at("tree").text);
    tmpdir_folder(at("tree/a").text);
    tmpdir_folder(at("tree/a/b").text);
    tmpdir_folder(at("tree/empty").text);
    tmpdir_folder(at("outside").text);
    tmpdir_write_text(at("outside/kept").text, "kept");
    tmpdir_link("../../outside", at("tree/a/link").text);
    tmpdir_link("../nowhere", at("tree/dangling").text);
    /* More names than one batch holds, on two levels. */
    for (int i = 0; i < 600; i++) {
        (void)snprintf(name, sizeof(name), "tree/a/file-with-a-longer-name-%d", i);
        tmpdir_write_text(at(name).text, "x");
        (void)snprintf(name, sizeof(name), "tree/a/b/%d", i);
        tmpdir_write_text(at(name).text, "x");
    }
    assert_int_equal(of_file_remove_tree(own.fd, "tree", &err), ONEFOLD_OK);
    assert_false(exists("tree"));
    assert_true(exists("outside/kept"));
    /* Not a folder, a link to one, nothing. */
    assert_int_equal(of_file_remove_tree(own.fd, "plain", &err), ONEFOLD_E_IO);
    tmpdir_link("outside", at("to-folder").text);
    assert_int_equal(of_file_remove_tree(own.fd, "to-folder", &err), ONEFOLD_E_IO);
    assert_true(exists("outside/kept"));
    assert_int_equal(of_file_remove_tree(own.fd, "nothing", &err), ONEFOLD_E_IO);
    assert_int_equal(err.sys_errno, ENOENT);
}

/* Makes `depth` folders inside each other below "deep". */
static void make_deep(int depth)
{
    int here = own.fd;

    for (int i = 0; i < depth; i++) {
        int next;

        assert_int_equal(mkdirat(here, "deep", 0700), 0);
        next = openat(here, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        if (here != own.fd) {
            (void)close(here);
        }
        here = next;
    }
    (void)close(here);
}

static void test_deep_tree(void **state)
{
    onefold_error err;

    (void)state;
    make_deep(OF_FILE_TREE_DEPTH_MAX);
    assert_int_equal(of_file_remove_tree(own.fd, "deep", &err), ONEFOLD_OK);
    make_deep(OF_FILE_TREE_DEPTH_MAX + 1);
    assert_int_equal(of_file_remove_tree(own.fd, "deep", &err), ONEFOLD_E_IO);
    assert_int_equal(err.sys_errno, ENAMETOOLONG);
}

/* --- Slurp, direct I/O, space --- */

static void test_slurp(void **state)
{
    char *data = NULL;
    uint64_t length = 0;
    onefold_error err;

    (void)state;
    assert_int_equal(of_file_slurp(own.fd, "link", 0, 10, &data, &length, &err), ONEFOLD_OK);
    assert_int_equal(length, 10);
    assert_string_equal(data, "0123456789");
    of_mem_free(data);
    data = NULL;
    assert_int_equal(of_file_slurp(own.fd, "plain", 0, 9, &data, &length, &err),
                     ONEFOLD_E_UNSUPPORTED);
    assert_string_equal(err.id, "input-size");
    assert_int_equal(of_file_slurp(own.fd, "link", OF_FILE_NO_LINKS, 10, &data, &length, &err),
                     ONEFOLD_E_UNSUPPORTED);
    of_mem_fail_at(1, false);
    assert_int_equal(of_file_slurp(own.fd, "plain", 0, 10, &data, &length, &err), ONEFOLD_E_MEMORY);
    of_mem_fail_at(0, false);
    tmpdir_write_text(at("empty").text, "");
    assert_null(data);
    assert_int_equal(of_file_slurp(own.fd, "empty", 0, 0, &data, &length, &err), ONEFOLD_OK);
    assert_int_equal(length, 0);
    assert_string_equal(data, "");
    of_mem_free(data);
}

static void test_direct(void **state)
{
    onefold_error err;
    uint32_t align;
    int fd = -1;
    int memory;

    (void)state;
    assert_int_equal(of_file_open_read(own.fd, "plain", 0, &fd, NULL, &err), ONEFOLD_OK);
    align = of_file_direct_align(fd);
    assert_int_equal(align & (align - 1), 0);
    of_file_close(&fd);
    if (align == 0) {
        /* Refused with the errno that callers look for, and nothing stays behind. */
        assert_int_equal(of_file_open_read(own.fd, "plain", OF_FILE_DIRECT, &fd, NULL, &err),
                         ONEFOLD_E_IO);
        assert_int_equal(err.sys_errno, EINVAL);
        assert_int_equal(of_file_create(own.fd, "new", OF_FILE_DIRECT, &fd, &err), ONEFOLD_E_IO);
        assert_false(exists("new"));
        return;
    }
    assert_int_equal(of_file_create(own.fd, "new", OF_FILE_DIRECT, &fd, &err), ONEFOLD_OK);
    assert_true((fcntl(fd, F_GETFL) & O_DIRECT) != 0);
    assert_int_equal(of_file_direct_align(fd), align);
    of_file_close(&fd);
    assert_int_equal(of_file_open_read(own.fd, "new", OF_FILE_DIRECT, &fd, NULL, &err), ONEFOLD_OK);
    assert_true((fcntl(fd, F_GETFL) & O_DIRECT) != 0);
    of_file_close(&fd);
    /* No file at all: no direct I/O. */
    memory = open("/dev/null", O_RDONLY | O_CLOEXEC);
    (void)of_file_direct_align(memory);
    of_file_close(&memory);
    assert_int_equal(of_file_direct_align(-1), 0);
}

static void test_space(void **state)
{
    struct of_space space;
    onefold_error err;

    (void)state;
    assert_int_equal(of_file_space(own.fd, &space, &err), ONEFOLD_OK);
    assert_true(space.available_bytes > 0);
    assert_true(space.available_inodes > 0);
    assert_true(space.block_bytes > 0);
    assert_true(strlen(space.type_name) > 0);
    assert_int_equal(of_file_space(-1, &space, &err), ONEFOLD_E_IO);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open_read),    TEST(test_open_folder),    TEST(test_probe_and_identity),
        TEST(test_create),       TEST(test_read_and_write), TEST(test_reserve),
        TEST(test_size_limit),   TEST(test_fill_disk),      TEST(test_renames),
        TEST(test_old_renames),  TEST(test_no_fallocate),   TEST(test_no_quota),
        TEST(test_failing_sync), TEST(test_no_locks),       TEST(test_no_statx),
        TEST(test_lock),         TEST(test_remove),         TEST(test_list),
        TEST(test_remove_tree),  TEST(test_deep_tree),      TEST(test_slurp),
        TEST(test_direct),       TEST(test_space),
    };

    return cmocka_run_group_tests_name("sys_file", tests, NULL, NULL);
}
