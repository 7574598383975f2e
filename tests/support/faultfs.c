/* faultfs.c -- A disk that fails on demand: preloaded, it makes writes and syncs of a store fail.
 */
/* LMDB calls pwrite by its plain name, others by the one that stands for large files. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

/*
 * FAULTFS names a file with one word in it, or none: "enospc", "erofs" and "eio" make data writes
 * fail, "short" cuts them in half and says that the disk is full, "sync" makes fdatasync and fsync
 * fail, "meta" makes writes to the first two pages fail, "stuck" has writes wait, "quota" grants no
 * more blocks than it has. All these are about data.mdb. Of body files "bodies" makes writes fail
 * for want of room, "body-quota" those beyond what a quota grants, "body-eio" for another reason,
 * "body-sync" their syncs, "unreadable" reads; "hang" has writes wait. "nfs" has every disk be one
 * of another machine; with "boot" each process runs on a kernel of its own, as after a power cut.
 * Without the file all is well.
 */
enum {
	FAULTFS_WORD = 16,
	FAULTFS_PATH = 4096,
	FAULTFS_META_BYTES = 8192,
	FAULTFS_HANG_US = 2000,
	FAULTFS_NFS = 0x6969,
	FAULTFS_BLOCK = 512,
	FAULTFS_QUOTA_BLOCKS = (4 << 20) / FAULTFS_BLOCK, /* Of body files. */
};

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

enum faultfs_kind { FAULTFS_OTHER, FAULTFS_TABLES, FAULTFS_BODY };

/* Returns how long it is; -1 where it has none. */
static ssize_t
faultfs_path(int fd, char path[FAULTFS_PATH])
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, FAULTFS_PATH - 1);
	if (n >= 0)
		path[n] = '\0';
	return n;
}

static enum faultfs_kind
faultfs_kind(int fd)
{
	char path[FAULTFS_PATH];

	ssize_t n = faultfs_path(fd, path);
	if (n < 0)
		return FAULTFS_OTHER;
	if (n > 9 && strcmp(path + n - 9, "/data.mdb") == 0)
		return FAULTFS_TABLES;
	return strstr(path, "/store/bodies/") != NULL ? FAULTFS_BODY : FAULTFS_OTHER;
}

/* Has it no block there? It has no holes. */
static bool
faultfs_has_none(int fd, off_t at)
{
	struct stat st;

	return fstat(fd, &st) != 0 || at >= (off_t)st.st_blocks * FAULTFS_BLOCK;
}

static unsigned long long faultfs_blocks;

static int
faultfs_add_blocks(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)path, (void)kind, (void)at;
	faultfs_blocks += (unsigned long long)st->st_blocks;
	return 0;
}

/* Would the body files have more than their quota with so many bytes more? */
static bool
faultfs_is_over(int fd, size_t n)
{
	char path[FAULTFS_PATH];

	if (faultfs_path(fd, path) < 0)
		return false;
	char *below = strstr(path, "/store/bodies/");
	if (below == NULL)
		return false;
	below[strlen("/store/bodies")] = '\0';
	faultfs_blocks = 0;
	nftw(path, faultfs_add_blocks, 8, FTW_PHYS);
	return faultfs_blocks + n / FAULTFS_BLOCK > FAULTFS_QUOTA_BLOCKS;
}

/* Returns the error that a write there ends in; 0: none. */
static int
faultfs_write(int fd, size_t n, off_t at)
{
	switch (faultfs_kind(fd)) {
	case FAULTFS_TABLES:
		while (faultfs_is("stuck"))
			usleep(FAULTFS_HANG_US);
		if (faultfs_is("enospc"))
			return ENOSPC;
		if (faultfs_is("quota") && faultfs_has_none(fd, at))
			return EDQUOT;
		if (faultfs_is("erofs"))
			return EROFS;
		return faultfs_is("eio") || (at < FAULTFS_META_BYTES && faultfs_is("meta")) ? EIO
											    : 0;
	case FAULTFS_BODY:
		if (faultfs_is("bodies"))
			return ENOSPC;
		if (faultfs_is("body-quota") && faultfs_is_over(fd, n))
			return EDQUOT;
		return faultfs_is("body-eio") ? EIO : 0;
	case FAULTFS_OTHER:
		break;
	}
	return 0;
}

/* What a disk takes that becomes full within a write. */
static size_t
faultfs_part(int fd, size_t n, off_t at)
{
	bool cut =
	    faultfs_kind(fd) == FAULTFS_TABLES && at >= FAULTFS_META_BYTES && faultfs_is("short");

	return cut ? n / 2 : n;
}

static bool
faultfs_fails_sync(int fd)
{
	enum faultfs_kind kind = faultfs_kind(fd);

	return (kind == FAULTFS_TABLES && faultfs_is("sync")) ||
	       (kind == FAULTFS_BODY && faultfs_is("body-sync"));
}

int
open64(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list more;

	va_start(more, flags);
	mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
	va_end(more);
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "open64");
	bool reboots = strcmp(path, "/proc/sys/kernel/random/boot_id") == 0 && faultfs_is("boot");
	return real(reboots ? "/proc/sys/kernel/random/uuid" : path, flags, mode);
}

ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite");
	errno = faultfs_write(fd, n, at);
	return errno != 0 ? -1 : real(fd, bytes, faultfs_part(fd, n, at), at);
}

ssize_t
pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	while (faultfs_kind(fd) == FAULTFS_BODY && faultfs_is("hang"))
		usleep(FAULTFS_HANG_US);
	errno = faultfs_write(fd, n, at);
	return errno != 0 ? -1 : real(fd, bytes, faultfs_part(fd, n, at), at);
}

ssize_t
pread64(int fd, void *bytes, size_t n, off64_t at)
{
	static ssize_t (*real)(int, void *, size_t, off64_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pread64");
	errno = faultfs_kind(fd) == FAULTFS_BODY && faultfs_is("unreadable") ? EIO : 0;
	return errno != 0 ? -1 : real(fd, bytes, n, at);
}

ssize_t
pwritev(int fd, const struct iovec *parts, int n, off_t at)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "pwritev");
	errno = faultfs_write(fd, 0, at);
	return errno != 0 ? -1 : real(fd, parts, (int)faultfs_part(fd, (size_t)n, at), at);
}

ssize_t
writev(int fd, const struct iovec *parts, int n)
{
	static ssize_t (*real)(int, const struct iovec *, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "writev");
	errno = faultfs_write(fd, 0, FAULTFS_META_BYTES);
	if (errno != 0)
		return -1;
	return real(fd, parts, (int)faultfs_part(fd, (size_t)n, FAULTFS_META_BYTES));
}

int
fdatasync(int fd)
{
	static int (*real)(int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fdatasync");
	if (faultfs_fails_sync(fd)) {
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
	if (faultfs_fails_sync(fd)) {
		errno = EIO;
		return -1;
	}
	return real(fd);
}

int
fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	static int (*real)(int, int, off64_t, off64_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fallocate64");
	errno = faultfs_kind(fd) == FAULTFS_TABLES && faultfs_is("quota") ? EDQUOT : 0;
	return errno != 0 ? -1 : real(fd, mode, at, len);
}

#define FAULTFS_DISK_AS(function, kind, of, word, field, value)                                    \
	int function(of, struct kind *out)                                                         \
	{                                                                                          \
		static int (*real)(of, struct kind *);                                             \
		if (real == NULL)                                                                  \
			*(void **)&real = dlsym(RTLD_NEXT, #function);                             \
		int rc = real(disk, out);                                                          \
		if (rc == 0 && faultfs_is(word))                                                   \
			out->field = value;                                                        \
		return rc;                                                                         \
	}
FAULTFS_DISK_AS(statfs, statfs, const char *disk, "nfs", f_type, FAULTFS_NFS)
FAULTFS_DISK_AS(statfs64, statfs64, const char *disk, "nfs", f_type, FAULTFS_NFS)
FAULTFS_DISK_AS(fstatvfs, statvfs, int disk, "short", f_bavail, 0)
FAULTFS_DISK_AS(fstatvfs64, statvfs64, int disk, "short", f_bavail, 0)
