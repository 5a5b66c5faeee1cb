/* Stands between a program and its C library: counts the calls that change a file, and lets the Nth go wrong.
 *
 *   SHIM_PATH  only calls on paths that contain this text are counted
 *   SHIM_LOG   file to which the name of each counted call and its path, a tab between, are appended
 *   SHIM_AT    number of the call that goes wrong, from 1
 *   SHIM_KIND  kill           the process dies in the call's place
 *              torn           half of a write is done, then the process dies
 *              enospc, eio    the call fails, the next ones do not
 *              enospc-on, eio-on   it fails and so do all that follow, save deleting: a full or dying disk still forgets
 *              wait           the call waits until the file SHIM_GATE is there, then goes on; SHIM_REACHED appears meanwhile
 *   SHIM_NO_NOREPLACE, SHIM_NO_LINKS  if it is set, renames on these paths know no flags, files there no second names
 *   SHIM_BAD   START-END: the bytes of these files from START to before END cannot be read at their places
 *   SHIM_NO_LOCKS  if it is set, files on these paths cannot be locked, as on file systems that have no locks
 *
 * It sees what a program does through the C library. Calls made straight to the kernel pass it by. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

enum verdict { GO_ON, FAIL, TEAR };

static atomic_long calls;

__attribute__((noreturn)) static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static int make(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
}

static void wait_at_gate(void)
{
    const char *gate = getenv("SHIM_GATE"), *reached = getenv("SHIM_REACHED");
    struct timespec moment = {0, 1000000};
    if (reached)
        syscall(SYS_close, make(reached, 0));
    while (gate && syscall(SYS_faccessat, AT_FDCWD, gate, F_OK) != 0)
        nanosleep(&moment, NULL);
}

/* Whether a setting speaks of this path. */
static int is_without(const char *setting, const char *path)
{
    const char *part = getenv("SHIM_PATH");
    return getenv(setting) && part && path && strstr(path, part);
}

/* Counts one call, of a file that had another name before; says what is to become of it. */
static enum verdict count_from(const char *call, const char *path, const char *from)
{
    const char *part = getenv("SHIM_PATH"), *log = getenv("SHIM_LOG");
    const char *kind = getenv("SHIM_KIND"), *at_text = getenv("SHIM_AT");
    if (!part || !path || !strstr(path, part))
        return GO_ON;
    long number = atomic_fetch_add(&calls, 1) + 1, at = at_text ? atol(at_text) : 0;
    if (log) {
        char line[2 * PATH_MAX + 64];
        int length = snprintf(line, sizeof line, from ? "%s\t%s\t%s\n" : "%s\t%s\n", call, path, from);
        int file = make(log, O_APPEND);
        syscall(SYS_write, file, line, length);
        syscall(SYS_close, file);
    }
    if (!kind || at < 1 || number < at)
        return GO_ON;
    int lasts = strstr(kind, "-on") != NULL;
    if (number > at && (!lasts || !strcmp(call, "unlink")))
        return GO_ON;
    if (!strcmp(kind, "kill"))
        die();
    if (!strcmp(kind, "torn"))
        return TEAR;
    if (!strcmp(kind, "wait")) {
        wait_at_gate();
        return GO_ON;
    }
    errno = strncmp(kind, "enospc", 6) ? EIO : ENOSPC;
    return FAIL;
}

static enum verdict count(const char *call, const char *path)
{
    return count_from(call, path, NULL);
}

/* The path of an open file; NULL if it has none. */
static const char *path_of(int file, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return NULL;
    path[length] = 0;
    return path;
}

/* The whole path of what is reached from an open folder: by a name in it, or through /proc/self/fd. */
static const char *whole(int folder, const char *path, char buffer[PATH_MAX])
{
    char inside[PATH_MAX];
    int number, length = 0;
    if (path && sscanf(path, "/proc/self/fd/%d/%n", &number, &length) == 1 && length > 0) {
        folder = number;
        path += length;
    } else if (!path || *path == '/' || folder == AT_FDCWD) {
        return path;
    }
    if (!path_of(folder, inside))
        return path;
    snprintf(buffer, PATH_MAX, "%.*s/%s", PATH_MAX / 2, inside, path);
    return buffer;
}

static enum verdict count_file(const char *call, int file)
{
    char path[PATH_MAX];
    return count(call, path_of(file, path));
}

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) \
        real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

/* A call of which nothing can be done by half. */
#define WHOLE(verdict) \
    switch (verdict) { \
    case FAIL: \
        return -1; \
    case TEAR: \
        die(); \
    case GO_ON: \
        break; \
    }

ssize_t write(int file, const void *bytes, size_t length)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    switch (count_file("write", file)) {
    case FAIL:
        return -1;
    case TEAR:
        real(file, bytes, length / 2);
        die();
    case GO_ON:
        break;
    }
    return real(file, bytes, length);
}

#define WRITE_AT(name) \
    ssize_t name(int file, const void *bytes, size_t length, off_t at) \
    { \
        REAL(ssize_t, #name, int, const void *, size_t, off_t); \
        switch (count_file("write", file)) { \
        case FAIL: \
            return -1; \
        case TEAR: \
            /* Direct writes know whole sectors only. */ \
            real(file, bytes, length > 8192 ? length / 2 & ~(size_t)4095 : length / 2, at); \
            die(); \
        case GO_ON: \
            break; \
        } \
        return real(file, bytes, length, at); \
    }
WRITE_AT(pwrite)
WRITE_AT(pwrite64)

#define WRITE_PARTS_AT(name) \
    ssize_t name(int file, const struct iovec *parts, int number, off_t at) \
    { \
        REAL(ssize_t, #name, int, const struct iovec *, int, off_t); \
        switch (count_file("write", file)) { \
        case FAIL: \
            return -1; \
        case TEAR: \
            real(file, parts, number / 2, at); \
            die(); \
        case GO_ON: \
            break; \
        } \
        return real(file, parts, number, at); \
    }
WRITE_PARTS_AT(pwritev)
WRITE_PARTS_AT(pwritev64)

ssize_t writev(int file, const struct iovec *parts, int number)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    WHOLE(count_file("write", file))
    return real(file, parts, number);
}

ssize_t copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t length, unsigned flags)
{
    REAL(ssize_t, "copy_file_range", int, off_t *, int, off_t *, size_t, unsigned);
    WHOLE(count_file("write", to))
    return real(from, from_at, to, to_at, length, flags);
}

int ioctl(int file, unsigned long request, ...)
{
    REAL(int, "ioctl", int, unsigned long, void *);
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (request == FICLONE)
        WHOLE(count_file("clone", file))
    return real(file, request, argument);
}

#define SYNC(name) \
    int name(int file) \
    { \
        REAL(int, #name, int); \
        WHOLE(count_file("sync", file)) \
        return real(file); \
    }
SYNC(fsync)
SYNC(fdatasync)

#define SET_LENGTH(name) \
    int name(int file, off_t length) \
    { \
        REAL(int, #name, int, off_t); \
        WHOLE(count_file("length", file)) \
        return real(file, length); \
    }
SET_LENGTH(ftruncate)
SET_LENGTH(ftruncate64)

#define RESERVE(name) \
    int name(int file, int mode, off_t at, off_t length) \
    { \
        REAL(int, #name, int, int, off_t, off_t); \
        WHOLE(count_file("reserve", file)) \
        return real(file, mode, at, length); \
    }
RESERVE(fallocate)
RESERVE(fallocate64)

/* A lock changes no file, but what another run does before it and after it differs. Giving it up, a process may as well have ended. */
int flock(int file, int operation)
{
    REAL(int, "flock", int, int);
    char path[PATH_MAX];
    const char *name = path_of(file, path);
    if (is_without("SHIM_NO_LOCKS", name)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (operation & LOCK_UN)
        return real(file, operation);
    WHOLE(count("lock", name))
    return real(file, operation);
}

int rename(const char *from, const char *to)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];
    const char *shown_from = whole(AT_FDCWD, from, from_path), *shown_to = whole(AT_FDCWD, to, to_path);
    REAL(int, "rename", const char *, const char *);
    WHOLE(count_from("rename", shown_to, shown_from))
    return real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];
    const char *shown_from = whole(from_folder, from, from_path), *shown_to = whole(to_folder, to, to_path);
    REAL(int, "renameat", int, const char *, int, const char *);
    WHOLE(count_from("rename", shown_to, shown_from))
    return real(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];
    const char *shown_from = whole(from_folder, from, from_path), *shown_to = whole(to_folder, to, to_path);
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    if (flags && is_without("SHIM_NO_NOREPLACE", shown_to)) {
        errno = EINVAL;
        return -1;
    }
    WHOLE(count_from("rename", shown_to, shown_from))
    return real(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];
    const char *shown_from = whole(AT_FDCWD, from, from_path), *shown_to = whole(AT_FDCWD, to, to_path);
    REAL(int, "link", const char *, const char *);
    if (is_without("SHIM_NO_LINKS", shown_to)) {
        errno = EPERM;
        return -1;
    }
    WHOLE(count_from("link", shown_to, shown_from))
    return real(from, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    char from_path[PATH_MAX], to_path[PATH_MAX];
    const char *shown_from = whole(from_folder, from, from_path), *shown_to = whole(to_folder, to, to_path);
    REAL(int, "linkat", int, const char *, int, const char *, int);
    if (is_without("SHIM_NO_LINKS", shown_to)) {
        errno = EPERM;
        return -1;
    }
    WHOLE(count_from("link", shown_to, shown_from))
    return real(from_folder, from, to_folder, to, flags);
}

int fchown(int file, uid_t owner, gid_t group)
{
    REAL(int, "fchown", int, uid_t, gid_t);
    WHOLE(count_file("attribute", file))
    return real(file, owner, group);
}

int fchmod(int file, mode_t mode)
{
    REAL(int, "fchmod", int, mode_t);
    WHOLE(count_file("attribute", file))
    return real(file, mode);
}

int fsetxattr(int file, const char *name, const void *value, size_t length, int flags)
{
    REAL(int, "fsetxattr", int, const char *, const void *, size_t, int);
    WHOLE(count_file("attribute", file))
    return real(file, name, value, length, flags);
}

int fremovexattr(int file, const char *name)
{
    REAL(int, "fremovexattr", int, const char *);
    WHOLE(count_file("attribute", file))
    return real(file, name);
}

int unlink(const char *path)
{
    char buffer[PATH_MAX];
    REAL(int, "unlink", const char *);
    WHOLE(count("unlink", whole(AT_FDCWD, path, buffer)))
    return real(path);
}

int unlinkat(int folder, const char *path, int flags)
{
    char buffer[PATH_MAX];
    REAL(int, "unlinkat", int, const char *, int);
    WHOLE(count("unlink", whole(folder, path, buffer)))
    return real(folder, path, flags);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(int, #name, const char *, int, ...); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        char buffer[PATH_MAX]; \
        if (flags & (O_CREAT | O_TRUNC)) \
            WHOLE(count("create", whole(AT_FDCWD, path, buffer))) \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPEN_AT(name) \
    int name(int folder, const char *path, int flags, ...) \
    { \
        REAL(int, #name, int, const char *, int, ...); \
        va_list list; \
        va_start(list, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0; \
        va_end(list); \
        char buffer[PATH_MAX]; \
        if (flags & (O_CREAT | O_TRUNC)) \
            WHOLE(count("create", whole(folder, path, buffer))) \
        return real(folder, path, flags, mode); \
    }
OPEN_AT(openat)
OPEN_AT(openat64)

/* Whether a stretch of a file has bytes that cannot be read. */
static int is_bad(int file, size_t length, off_t at)
{
    const char *bad = getenv("SHIM_BAD");
    char path[PATH_MAX];
    long start, end;
    if (!bad || sscanf(bad, "%ld-%ld", &start, &end) != 2)
        return 0;
    return is_without("SHIM_BAD", path_of(file, path)) && at < end && start < at + (off_t)length;
}

#define PREAD(name) \
    ssize_t name(int file, void *bytes, size_t length, off_t at) \
    { \
        REAL(ssize_t, #name, int, void *, size_t, off_t); \
        if (is_bad(file, length, at)) { \
            errno = EIO; \
            return -1; \
        } \
        return real(file, bytes, length, at); \
    }
PREAD(pread)
PREAD(pread64)
