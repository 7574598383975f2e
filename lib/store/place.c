/* place.c -- The directory a store lives in: made, checked, and guarded while it is opened. */
#include "store/place.h"

#include "base/slice.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum {
	PLACE_PATH_MAX = 4096,
	PLACE_GUARD_TRIES = 400,
	PLACE_GUARD_WAIT_NS = 5000000,
	PLACE_MARK_MAX = 128
};

static int
place_errno(int error)
{
	switch (error) {
	case ENOENT:
	case EACCES:
	case EROFS:
	case ENOMEM:
		return -error;
	case EPERM:
		return -EACCES;
	case ENOTDIR:
	case ELOOP:
	case ENAMETOOLONG:
		return -EINVAL;
	default:
		return -EIO;
	}
}

static int
place_make(const char *path, char *why)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	int error = errno;
	if (error == ENOENT)
		snprintf(why, STORE_WHY_SIZE,
		    "store %s: its parent directory does not exist: make it, or change `store`",
		    path);
	else
		snprintf(why, STORE_WHY_SIZE, "store %s: cannot make the directory as uid %u: %s",
		    path, (unsigned)geteuid(), strerror(error));
	return place_errno(error);
}

static int
place_check_directory(const char *path, bool must_exist, char *why)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		int error = errno;
		snprintf(why, STORE_WHY_SIZE, "store %s: %s", path, strerror(error));
		return place_errno(error);
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(why, STORE_WHY_SIZE,
		    "store %s: not a directory: name a directory in `store`", path);
		return -EINVAL;
	}
	/* root may look at a store that is there, and makes no file in it. */
	bool visitor = geteuid() == 0 && must_exist;
	if (st.st_uid != geteuid() && !visitor) {
		snprintf(why, STORE_WHY_SIZE,
		    "store %s: belongs to uid %u, not to uid %u: run as its owner, or chown it",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
		return -EACCES;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		snprintf(why, STORE_WHY_SIZE,
		    "store %s: others may write to it (mode %04o): chmod 0700 it", path,
		    (unsigned)(st.st_mode & 07777));
		return -EACCES;
	}
	return 0;
}

static int
place_join(const char *path, const char *name, char file[PLACE_PATH_MAX])
{
	int len = snprintf(file, PLACE_PATH_MAX, "%s/%s", path, name);

	return len < 0 || len >= PLACE_PATH_MAX ? -ENAMETOOLONG : 0;
}

int
place_stat(const char *path, const char *name, struct stat *st)
{
	char file[PLACE_PATH_MAX];
	int rc = place_join(path, name, file);

	if (rc != 0)
		return rc;
	return lstat(file, st) == 0 ? 0 : -errno;
}

int
place_open(const char *path, const char *name, int flags, struct stat *st)
{
	char file[PLACE_PATH_MAX];
	struct stat own;
	int rc = place_join(path, name, file);

	if (rc != 0)
		return rc;
	int fd = open(file, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	st = st == NULL ? &own : st;
	if (fstat(fd, st) != 0)
		rc = -errno;
	else if (!S_ISREG(st->st_mode))
		rc = -EINVAL;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* A FIFO would block whoever opens it, and LMDB maps whatever it is given. */
static int
place_check_file(const char *path, const char *name, bool must_exist, char *why)
{
	struct stat st;
	int rc = place_stat(path, name, &st);

	if (rc == -ENAMETOOLONG) {
		snprintf(why, STORE_WHY_SIZE, "store: the path is too long");
		return -EINVAL;
	}
	if (rc != 0) {
		if (rc == -ENOENT && !must_exist)
			return 0;
		if (rc == -ENOENT)
			snprintf(why, STORE_WHY_SIZE, "store %s: no store is there: it has no %s",
			    path, name);
		else
			snprintf(why, STORE_WHY_SIZE, "store %s: cannot use its %s as uid %u: %s",
			    path, name, (unsigned)geteuid(), strerror(-rc));
		return place_errno(-rc);
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, STORE_WHY_SIZE, "store: %.400s/%s is not a plain file: remove it",
		    path, name);
		return -EINVAL;
	}
	return 0;
}

/* "Do not use LMDB databases on remote filesystems" (lmdb.h): locks and maps do not hold there. */
static int
place_check_system(const char *path, char *why)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} remote[] = {
		{ 0x00006969, "NFS" },
		{ 0x0000517b, "SMB" },
		{ 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB" },
		{ 0x01021997, "9p" },
		{ 0x65735546, "FUSE" },
		{ 0x00c36400, "Ceph" },
		{ 0x5346414f, "AFS" },
		{ 0x6b414653, "AFS" },
		{ 0x73757245, "Coda" },
		{ 0x0bd00bd0, "Lustre" },
		{ 0x786f4256, "a shared folder of VirtualBox" },
	};
	struct statfs system;

	if (statfs(path, &system) != 0)
		return 0;
	for (size_t i = 0; i < COUNT(remote); i++) {
		if (remote[i].magic != (uint32_t)system.f_type)
			continue;
		snprintf(why, STORE_WHY_SIZE,
		    "store %s: lies on %s, where locks and mapped files may not hold: name a "
		    "directory on a local disk, or set store_unsafe_fs",
		    path, remote[i].name);
		return -EINVAL;
	}
	return 0;
}

int
place_prepare(const char *path, bool must_exist, bool unsafe_fs, char *why)
{
	int rc = must_exist ? 0 : place_make(path, why);

	if (rc == 0)
		rc = place_check_directory(path, must_exist, why);
	if (rc == 0 && !unsafe_fs)
		rc = place_check_system(path, why);
	if (rc == 0)
		rc = place_check_file(path, "open.lock", false, why);
	return rc;
}

int
place_check_files(const char *path, bool must_exist, char *why)
{
	int rc = place_check_file(path, "data.mdb", must_exist, why);

	return rc != 0 ? rc : place_check_file(path, "lock.mdb", false, why);
}

int
place_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* EINVAL: a file system that has no such thing. */
	int rc = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

int
place_guard(const char *path)
{
	const struct timespec wait = { .tv_nsec = PLACE_GUARD_WAIT_NS };
	int fd = place_open(path, "open.lock", O_RDWR | O_CREAT, NULL);

	for (int i = 0; fd >= 0 && i < PLACE_GUARD_TRIES; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 || (errno != EWOULDBLOCK && errno != EINTR))
			break;
		nanosleep(&wait, NULL);
	}
	return fd;
}

void
place_unguard(int guard)
{
	if (guard >= 0)
		close(guard);
}

int
place_hold(const char *path, bool *alone)
{
	int place = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*alone = place >= 0 && flock(place, LOCK_EX | LOCK_NB) == 0;
	if (!*alone)
		place_share(place);
	return place;
}

void
place_share(int place)
{
	if (place >= 0)
		(void)!flock(place, LOCK_SH | LOCK_NB);
}

void
place_leave(int place)
{
	if (place >= 0)
		close(place);
}

bool
place_is_last(int place)
{
	return place >= 0 && flock(place, LOCK_EX | LOCK_NB) == 0;
}

/* ---- Closed well? ---------------------------------------------------------------------------- */

/* Any write changes these. Returns false where there is no such file. */
static bool
place_describe(const char *path, char *mark)
{
	struct stat st;

	if (place_stat(path, "data.mdb", &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	snprintf(mark, PLACE_MARK_MAX, "%llu %lld %lld.%09ld %lld.%09ld\n",
	    (unsigned long long)st.st_ino, (long long)st.st_size, (long long)st.st_mtim.tv_sec,
	    st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	return true;
}

bool
place_is_clean(const char *path)
{
	char want[PLACE_MARK_MAX], have[PLACE_MARK_MAX] = { 0 };
	int fd = place_open(path, "clean", O_RDONLY, NULL);

	if (fd < 0)
		return false;
	ssize_t n = read(fd, have, sizeof(have) - 1);
	close(fd);
	return n > 0 && place_describe(path, want) && strcmp(want, have) == 0;
}

bool
place_is_new(const char *path)
{
	struct stat st;

	return place_stat(path, "data.mdb", &st) != 0 || (S_ISREG(st.st_mode) && st.st_size == 0);
}

void
place_mark_clean(const char *path)
{
	char mark[PLACE_MARK_MAX];

	if (!place_describe(path, mark))
		return;
	int fd = place_open(path, "clean", O_WRONLY | O_CREAT | O_TRUNC, NULL);
	if (fd < 0)
		return;
	/* Without it the next start looks at the whole store. */
	(void)!write(fd, mark, strlen(mark));
	close(fd);
}
