/* faultfs.c -- A disk that fails on demand: preloaded, it makes the store's writes and syncs fail.
 */
/* LMDB calls pwrite by its plain name, not by the one that stands for large files. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * FAULTFS names a file with one word in it, or none: "enospc" and "eio" make data writes fail,
 * "sync" makes fdatasync and fsync fail, "meta" makes writes to the first two pages fail; "bodies"
 * makes writes to body files fail, "hang" has them wait, and "unreadable" makes reads of them fail.
 * Without the file all is well.
 */
enum { FAULTFS_WORD = 16, FAULTFS_META_BYTES = 8192, FAULTFS_HANG_US = 2000 };

static bool
faultfs_is(const char *word)
{
	const char *path = getenv("FAULTFS");
	char have[FAULTFS_WORD] = { 0 };
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, have, sizeof(have) - 1);
	close(fd);
	return n > 0 && strcmp(have, word) == 0;
}

static bool
faultfs_is_store(int fd)
{
	char link[32], path[4096];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path));
	return n > 9 && memcmp(path + n - 9, "/data.mdb", 9) == 0;
}

/* Returns the error that a write there ends in; 0: none. */
static int
faultfs_write(int fd, off_t at)
{
	if (!faultfs_is_store(fd))
		return 0;
	if (faultfs_is("enospc"))
		return ENOSPC;
	if (faultfs_is("eio") || (at < FAULTFS_META_BYTES && faultfs_is("meta")))
		return EIO;
	return 0;
}

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite");
	errno = faultfs_write(fd, at);
	return errno != 0 ? -1 : real(fd, bytes, n, at);
}

static bool
faultfs_is_body(int fd)
{
	char link[32], path[4096] = { 0 };

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 && strstr(path, "/bodies/") != NULL;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	while (faultfs_is_body(fd) && faultfs_is("hang"))
		usleep(FAULTFS_HANG_US);
	errno = faultfs_is_body(fd) && faultfs_is("bodies") ? ENOSPC : 0;
	return errno != 0 ? -1 : real(fd, bytes, n, at);
}

ssize_t
pread64(int fd, void *bytes, size_t n, off64_t at)
{
	static ssize_t (*real)(int, void *, size_t, off64_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pread64");
	errno = faultfs_is_body(fd) && faultfs_is("unreadable") ? EIO : 0;
	return errno != 0 ? -1 : real(fd, bytes, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwritev");
	errno = faultfs_write(fd, at);
	return errno != 0 ? -1 : real(fd, parts, n, at);
}

ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	static ssize_t (*real)(int, const struct iovec *, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "writev");
	errno = faultfs_write(fd, FAULTFS_META_BYTES);
	return errno != 0 ? -1 : real(fd, parts, n);
}

int
fdatasync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	if (faultfs_is_store(fd) && faultfs_is("sync")) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}

int
fsync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fsync");
	if (faultfs_is_store(fd) && faultfs_is("sync")) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}
