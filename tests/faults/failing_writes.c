/* Comes between a process and the file system: counts every change below one directory, makes
 * some of them fail, or kills the process group before one of them.
 *
 * Loaded by LD_PRELOAD into a process and, by inheritance, into those that it starts. All of them
 * share the page of `struct control` in the file that FAILING_WRITES names; `failing_writes.py`
 * holds the same structure.
 *
 * A change is a call that writes, syncs, makes, renames or removes. Closing a file that was written
 * is one too: on a network file system it is then that a full disk is told of.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    char root[512];        /* changes below it count */
    uint64_t steps;        /* how many there were, in all processes */
    uint64_t first, last;  /* those to be harmed, from 1; none when `first` is 0 */
    int64_t failure;       /* the errno they fail with; 0: the group is killed before one */
    int64_t group;         /* the process group to kill */
    uint64_t harmed;       /* how many were harmed */
    char call[64];         /* the first of them: the call, and the file it was for */
    char path[1024];
    int64_t phase;         /* what the process is at, by its own word */
};

static struct control *control;

__attribute__((constructor)) static void attach(void)
{
    const char *name = getenv("FAILING_WRITES");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED)
        control = page;
}

/* Where a call works: a path, one relative to an open directory, or an open file. */
static int path_of(int in, const char *path, char *whole, size_t size)
{
    if (path && path[0] == '/')
        return snprintf(whole, size, "%s", path) > 0;
    if (in < 0)
        return 0; /* relative to the working directory, which is never below the root */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", in);
    ssize_t length = readlink(link, whole, size - 1);
    if (length <= 0)
        return 0;
    whole[length] = 0;
    if (path)
        snprintf(whole + length, size - length, "/%s", path);
    return 1;
}

enum fate { PASS, FAIL, DIE };

static enum fate fate_of(const char *call, int in, const char *path)
{
    char whole[PATH_MAX];
    int error = errno;
    if (!control || !control->root[0] || !path_of(in, path, whole, sizeof whole))
        return errno = error, PASS;
    errno = error;
    size_t length = strlen(control->root);
    if (strncmp(whole, control->root, length) || (whole[length] && whole[length] != '/'))
        return PASS;
    uint64_t step = __atomic_add_fetch(&control->steps, 1, __ATOMIC_SEQ_CST);
    if (!control->first || step < control->first || step > control->last)
        return PASS;
    if (__atomic_add_fetch(&control->harmed, 1, __ATOMIC_SEQ_CST) == 1) {
        snprintf(control->call, sizeof control->call, "%.63s", call);
        snprintf(control->path, sizeof control->path, "%.1023s", whole);
    }
    errno = control->failure;
    return control->failure ? FAIL : DIE;
}

__attribute__((noreturn)) static void die(void)
{
    if (control->group > 1)
        kill(-control->group, SIGKILL);
    for (;;)
        pause();
}

#define REAL(type, name, parameters)                          \
    static type(*real) parameters;                            \
    if (!real)                                                \
        real = (type(*) parameters)dlsym(RTLD_NEXT, #name);

/* A call that may fail with -1. `torn` is what is still done of it before the kill. */
#define CHANGE(type, name, parameters, arguments, in, path, torn) \
    type name parameters                                          \
    {                                                             \
        REAL(type, name, parameters)                              \
        switch (fate_of(#name, in, path)) {                       \
        case FAIL:                                                \
            return -1;                                            \
        case DIE:                                                 \
            torn;                                                 \
            die();                                                \
        default:                                                  \
            return real arguments;                                \
        }                                                         \
    }

#define NOTHING (void)0
typedef const char *text;
typedef const void *bytes;
typedef const struct iovec *pieces;

CHANGE(ssize_t, write, (int fd, bytes b, size_t n), (fd, b, n), fd, NULL, (void)!real(fd, b, n / 2))
CHANGE(ssize_t, pwrite, (int fd, bytes b, size_t n, off_t at), (fd, b, n, at), fd, NULL,
       (void)!real(fd, b, n / 2, at))
CHANGE(ssize_t, pwrite64, (int fd, bytes b, size_t n, off64_t at), (fd, b, n, at), fd, NULL,
       (void)!real(fd, b, n / 2, at))
CHANGE(ssize_t, writev, (int fd, pieces v, int n), (fd, v, n), fd, NULL, (void)!real(fd, v, n / 2))
CHANGE(ssize_t, sendfile, (int fd, int from, off_t *at, size_t n), (fd, from, at, n), fd, NULL,
       (void)!real(fd, from, at, n / 2))
CHANGE(ssize_t, sendfile64, (int fd, int from, off64_t *at, size_t n), (fd, from, at, n), fd, NULL,
       (void)!real(fd, from, at, n / 2))
CHANGE(ssize_t, copy_file_range,
       (int from, off64_t *at, int fd, off64_t *to, size_t n, unsigned flags),
       (from, at, fd, to, n, flags), fd, NULL, (void)!real(from, at, fd, to, n / 2, flags))
CHANGE(int, fsync, (int fd), (fd), fd, NULL, NOTHING)
CHANGE(int, fdatasync, (int fd), (fd), fd, NULL, NOTHING)
CHANGE(int, ftruncate, (int fd, off_t n), (fd, n), fd, NULL, NOTHING)
CHANGE(int, ftruncate64, (int fd, off64_t n), (fd, n), fd, NULL, NOTHING)
CHANGE(int, mkdir, (text path, mode_t mode), (path, mode), -1, path, NOTHING)
CHANGE(int, mkdirat, (int in, text path, mode_t mode), (in, path, mode), in, path, NOTHING)
CHANGE(int, rename, (text from, text to), (from, to), -1, to, NOTHING)
CHANGE(int, renameat, (int in, text from, int at, text to), (in, from, at, to), at, to, NOTHING)
CHANGE(int, link, (text from, text to), (from, to), -1, to, NOTHING)
CHANGE(int, symlink, (text from, text to), (from, to), -1, to, NOTHING)
CHANGE(int, unlink, (text path), (path), -1, path, NOTHING)
CHANGE(int, unlinkat, (int in, text path, int flags), (in, path, flags), in, path, NOTHING)
CHANGE(int, rmdir, (text path), (path), -1, path, NOTHING)

/* Opening is a change where it may make a file or empty one. */
#define MAKES(flags) ((flags) & (O_CREAT | O_TRUNC))
#define OPEN(name, parameters, arguments, in)              \
    int name parameters                                    \
    {                                                      \
        REAL(int, name, parameters)                        \
        mode_t mode = 0;                                   \
        if (MAKES(flags)) {                                \
            va_list more;                                  \
            va_start(more, flags);                         \
            mode = va_arg(more, mode_t);                   \
            va_end(more);                                  \
            enum fate fate = fate_of(#name, in, path);     \
            if (fate == FAIL)                              \
                return -1;                                 \
            if (fate == DIE)                               \
                die();                                     \
        }                                                  \
        return real arguments;                             \
    }

OPEN(open, (text path, int flags, ...), (path, flags, mode), -1)
OPEN(open64, (text path, int flags, ...), (path, flags, mode), -1)
OPEN(openat, (int in, text path, int flags, ...), (in, path, flags, mode), in)
OPEN(openat64, (int in, text path, int flags, ...), (in, path, flags, mode), in)

static int may_hold_writes(int fd)
{
    struct stat file;
    int flags = fcntl(fd, F_GETFL);
    return flags != -1 && (flags & O_ACCMODE) != O_RDONLY && !fstat(fd, &file) &&
           S_ISREG(file.st_mode) && file.st_size;
}

int close(int fd)
{
    REAL(int, close, (int))
    int error = errno;
    enum fate fate = control && may_hold_writes(fd) ? fate_of("close", fd, NULL) : PASS;
    if (fate == DIE)
        die();
    errno = error;
    int result = real(fd);
    if (fate == PASS)
        return result;
    errno = control->failure; /* it is closed all the same */
    return -1;
}
