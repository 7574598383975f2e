/* powerlog.c -- LD_PRELOAD: record every write and sync under a store's directory, in order. */

/* The plain names are defined here, beside the 64-bit ones that the headers would turn them into.
 */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include "powerlog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * DORY_POWERLOG: the log, which others may append to. DORY_POWERLOG_DIR: the store's directory.
 *
 * A write is recorded under the lock, after it was done: what a sync that began later covers is
 * before it in the log. Calls go straight to the kernel, so that nothing here depends on the order
 * in which libraries are found. What is written through a shared map is not seen.
 */
enum { POWERLOG_FDS = 65536 };

struct powerlog_fd {
	uint64_t file; /* 0: not one of the store's. */
	bool dsync, append;
};

static struct {
	pthread_mutex_t lock;
	char dir[PATH_MAX];
	size_t dir_len;
	int log;
	uint64_t syncs;
	struct powerlog_fd fds[POWERLOG_FDS];
} powerlog = { .lock = PTHREAD_MUTEX_INITIALIZER, .log = -1 };

__attribute__((constructor)) static void
powerlog_start(void)
{
	const char *log = getenv("DORY_POWERLOG"), *dir = getenv("DORY_POWERLOG_DIR");

	if (log == NULL || dir == NULL || strlen(dir) >= sizeof(powerlog.dir))
		return;
	strcpy(powerlog.dir, dir);
	powerlog.dir_len = strlen(dir);
	powerlog.log = (int)syscall(
	    SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

/* The rest of a name under the directory; "" for the directory itself; NULL for any other. */
static const char *
powerlog_name(const char *path)
{
	if (powerlog.log < 0 || strncmp(path, powerlog.dir, powerlog.dir_len) != 0)
		return NULL;
	path += powerlog.dir_len;
	while (path[0] == '/')
		path++;
	return path;
}

/* `path` as the kernel understood it beside `at`; names of the working directory are not ours. */
static const char *
powerlog_path(int at, const char *path, char *out)
{
	char link[64];

	if (at == AT_FDCWD || path[0] == '/') {
		snprintf(out, PATH_MAX, "%s", path);
		return powerlog_name(out);
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return NULL;
	snprintf(out + n, (size_t)(PATH_MAX - n), "/%s", path);
	return powerlog_name(out);
}

/* One write, so that records of several processes do not mix. */
static void
powerlog_append(struct powerlog_record record, const struct iovec *data, int n)
{
	struct iovec all[IOV_MAX];
	int count = n < IOV_MAX - 1 ? n : IOV_MAX - 1;
	int saved = errno;

	all[0] = (struct iovec){ &record, sizeof(record) };
	for (int i = 0; i < count; i++)
		all[i + 1] = data[i];
	if (syscall(SYS_writev, powerlog.log, all, count + 1) !=
	    (ssize_t)(sizeof(record) + record.len))
		abort();
	errno = saved;
}

static void
powerlog_append_name(enum powerlog_kind kind, uint64_t file, uint64_t at, const char *name)
{
	struct iovec data = { (void *)(uintptr_t)name, strlen(name) };

	powerlog_append(
	    (struct powerlog_record){ kind, (uint32_t)data.iov_len, file, at }, &data, 1);
}

static struct powerlog_fd
powerlog_fd(int fd)
{
	return fd >= 0 && fd < POWERLOG_FDS ? powerlog.fds[fd] : (struct powerlog_fd){ 0 };
}

static void
powerlog_opened(int fd, int flags, const char *name, bool existed)
{
	struct stat st;

	if (fd >= POWERLOG_FDS || fstat(fd, &st) != 0)
		abort();
	bool directory = S_ISDIR(st.st_mode);
	uint64_t how = (!existed && !directory ? POWERLOG_CREATED : 0) |
		       ((flags & O_TRUNC) != 0 ? POWERLOG_TRUNCATED : 0) |
		       (directory ? POWERLOG_DIRECTORY : 0);
	powerlog.fds[fd] =
	    (struct powerlog_fd){ st.st_ino, (flags & O_DSYNC) != 0, (flags & O_APPEND) != 0 };
	powerlog_append_name(POWERLOG_OPEN, st.st_ino, how, name);
}

static int
powerlog_open(int at, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	struct stat st;
	const char *name = powerlog_path(at, path, full);

	if (name == NULL)
		return (int)syscall(SYS_openat, at, path, flags, mode);
	pthread_mutex_lock(&powerlog.lock);
	bool existed = lstat(full, &st) == 0;
	int fd = (int)syscall(SYS_openat, at, path, flags, mode);
	if (fd >= 0)
		powerlog_opened(fd, flags, name, existed);
	pthread_mutex_unlock(&powerlog.lock);
	return fd;
}

static mode_t
powerlog_mode(int flags, va_list args)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define POWERLOG_OPEN_AS(function)                                                                 \
	int function(const char *path, int flags, ...)                                             \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, flags);                                                             \
		mode_t mode = powerlog_mode(flags, args);                                          \
		va_end(args);                                                                      \
		return powerlog_open(AT_FDCWD, path, flags, mode);                                 \
	}
POWERLOG_OPEN_AS(open)
POWERLOG_OPEN_AS(open64)

#define POWERLOG_OPENAT_AS(function)                                                               \
	int function(int at, const char *path, int flags, ...)                                     \
	{                                                                                          \
		va_list args;                                                                      \
		va_start(args, flags);                                                             \
		mode_t mode = powerlog_mode(flags, args);                                          \
		va_end(args);                                                                      \
		return powerlog_open(at, path, flags, mode);                                       \
	}
POWERLOG_OPENAT_AS(openat)
POWERLOG_OPENAT_AS(openat64)

int
close(int fd)
{
	if (powerlog_fd(fd).file != 0) {
		pthread_mutex_lock(&powerlog.lock);
		powerlog.fds[fd].file = 0;
		pthread_mutex_unlock(&powerlog.lock);
	}
	return (int)syscall(SYS_close, fd);
}

/* `at` below zero: where the descriptor stands. */
static ssize_t
powerlog_write(int fd, const struct iovec *data, int n, off_t at)
{
	struct powerlog_fd known = powerlog_fd(fd);
	struct iovec done[IOV_MAX];
	int count = 0;

	if (known.file == 0)
		return at < 0 ? syscall(SYS_writev, fd, data, n)
			      : syscall(SYS_pwritev, fd, data, n, at, 0);
	pthread_mutex_lock(&powerlog.lock);
	off_t from = at >= 0 ? at : lseek(fd, 0, known.append ? SEEK_END : SEEK_CUR);
	ssize_t written =
	    at < 0 ? syscall(SYS_writev, fd, data, n) : syscall(SYS_pwritev, fd, data, n, at, 0);
	size_t left = written > 0 ? (size_t)written : 0;
	struct powerlog_record record = { known.dsync ? POWERLOG_DSYNC : POWERLOG_WRITE,
		(uint32_t)left, known.file, (uint64_t)from };
	for (; count < n && left > 0; count++) {
		done[count] = data[count];
		if (done[count].iov_len > left)
			done[count].iov_len = left;
		left -= done[count].iov_len;
	}
	if (written > 0)
		powerlog_append(record, done, count);
	pthread_mutex_unlock(&powerlog.lock);
	return written;
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
	struct iovec data = { (void *)(uintptr_t)bytes, len };

	if (powerlog_fd(fd).file == 0)
		return syscall(SYS_write, fd, bytes, len);
	return powerlog_write(fd, &data, 1, -1);
}

ssize_t
writev(int fd, const struct iovec *data, int n)
{
	return powerlog_write(fd, data, n, -1);
}

#define POWERLOG_PWRITE_AS(function, offset)                                                       \
	ssize_t function(int fd, const void *bytes, size_t len, offset at)                         \
	{                                                                                          \
		struct iovec data = { (void *)(uintptr_t)bytes, len };                             \
		return powerlog_write(fd, &data, 1, at);                                           \
	}
POWERLOG_PWRITE_AS(pwrite, off_t)
POWERLOG_PWRITE_AS(pwrite64, off64_t)

#define POWERLOG_PWRITEV_AS(function, offset)                                                      \
	ssize_t function(int fd, const struct iovec *data, int n, offset at)                       \
	{                                                                                          \
		return powerlog_write(fd, data, n, at);                                            \
	}
POWERLOG_PWRITEV_AS(pwritev, off_t)
POWERLOG_PWRITEV_AS(pwritev64, off64_t)

/* Whatever changed the size: what it is now. */
static int
powerlog_resized(int fd, long rc)
{
	struct stat st;

	if (rc == 0 && powerlog_fd(fd).file != 0 && fstat(fd, &st) == 0)
		powerlog_append((struct powerlog_record){ POWERLOG_SIZE, 0, powerlog.fds[fd].file,
				    (uint64_t)st.st_size },
		    NULL, 0);
	return (int)rc;
}

#define POWERLOG_RESIZE_AS(function, parameters, call)                                             \
	int function parameters                                                                    \
	{                                                                                          \
		pthread_mutex_lock(&powerlog.lock);                                                \
		int rc = powerlog_resized(fd, call);                                               \
		pthread_mutex_unlock(&powerlog.lock);                                              \
		return rc;                                                                         \
	}
POWERLOG_RESIZE_AS(ftruncate, (int fd, off_t size), syscall(SYS_ftruncate, fd, size))
POWERLOG_RESIZE_AS(ftruncate64, (int fd, off64_t size), syscall(SYS_ftruncate, fd, size))
POWERLOG_RESIZE_AS(
    fallocate, (int fd, int mode, off_t at, off_t len), syscall(SYS_fallocate, fd, mode, at, len))
POWERLOG_RESIZE_AS(fallocate64, (int fd, int mode, off64_t at, off64_t len),
    syscall(SYS_fallocate, fd, mode, at, len))
POWERLOG_RESIZE_AS(posix_fallocate, (int fd, off_t at, off_t len),
    syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno)
POWERLOG_RESIZE_AS(posix_fallocate64, (int fd, off64_t at, off64_t len),
    syscall(SYS_fallocate, fd, 0, at, len) == 0 ? 0 : errno)

/* A write that ends while this runs may be on disk or not: only what was before it is. */
static int
powerlog_sync(int fd, long call)
{
	uint64_t file = powerlog_fd(fd).file, number = 0;

	if (file != 0) {
		pthread_mutex_lock(&powerlog.lock);
		number = ++powerlog.syncs;
		powerlog_append(
		    (struct powerlog_record){ POWERLOG_SYNCING, 0, file, number }, NULL, 0);
		pthread_mutex_unlock(&powerlog.lock);
	}
	int rc = (int)syscall(call, fd);
	if (file != 0 && rc == 0) {
		pthread_mutex_lock(&powerlog.lock);
		powerlog_append(
		    (struct powerlog_record){ POWERLOG_SYNCED, 0, file, number }, NULL, 0);
		pthread_mutex_unlock(&powerlog.lock);
	}
	return rc;
}

int
fdatasync(int fd)
{
	return powerlog_sync(fd, SYS_fdatasync);
}

int
fsync(int fd)
{
	return powerlog_sync(fd, SYS_fsync);
}

static int
powerlog_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	char from_path[PATH_MAX], to_path[PATH_MAX];
	const char *old = powerlog_path(from_at, from, from_path);
	const char *new = powerlog_path(to_at, to, to_path);

	if (old == NULL || new == NULL)
		return (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
	pthread_mutex_lock(&powerlog.lock);
	int rc = (int)syscall(SYS_renameat2, from_at, from, to_at, to, flags);
	struct iovec names[] = { { (void *)(uintptr_t)old, strlen(old) + 1 },
		{ (void *)(uintptr_t) new, strlen(new) + 1 } };
	if (rc == 0)
		powerlog_append((struct powerlog_record){ POWERLOG_RENAME,
				    (uint32_t)(names[0].iov_len + names[1].iov_len), 0, 0 },
		    names, 2);
	pthread_mutex_unlock(&powerlog.lock);
	return rc;
}

int
rename(const char *from, const char *to)
{
	return powerlog_rename(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int
renameat(int from_at, const char *from, int to_at, const char *to)
{
	return powerlog_rename(from_at, from, to_at, to, 0);
}

int
renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	return powerlog_rename(from_at, from, to_at, to, flags);
}

int
unlinkat(int at, const char *path, int flags)
{
	char full[PATH_MAX];
	const char *name = powerlog_path(at, path, full);

	pthread_mutex_lock(&powerlog.lock);
	int rc = (int)syscall(SYS_unlinkat, at, path, flags);
	if (rc == 0 && name != NULL)
		powerlog_append_name(POWERLOG_UNLINK, 0, 0, name);
	pthread_mutex_unlock(&powerlog.lock);
	return rc;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
mkdirat(int at, const char *path, mode_t mode)
{
	char full[PATH_MAX];
	const char *name = powerlog_path(at, path, full);

	pthread_mutex_lock(&powerlog.lock);
	int rc = (int)syscall(SYS_mkdirat, at, path, mode);
	if (rc == 0 && name != NULL && name[0] != '\0')
		powerlog_append_name(POWERLOG_MKDIR, 0, 0, name);
	pthread_mutex_unlock(&powerlog.lock);
	return rc;
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}
