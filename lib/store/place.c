/* place.c -- The directory a store lives in: made, checked, and guarded while it is opened. */
#include "store/place.h"

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PLACE_PATH_MAX = 4096, PLACE_GUARD_TRIES = 400, PLACE_GUARD_WAIT_NS = 5000000 };

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

/* A FIFO would block whoever opens it, and LMDB maps whatever it is given. */
static int
place_check_file(const char *path, const char *name, bool must_exist, char *why)
{
	char file[PLACE_PATH_MAX];
	struct stat st;
	int len = snprintf(file, sizeof(file), "%s/%s", path, name);

	if (len < 0 || (size_t)len >= sizeof(file)) {
		snprintf(why, STORE_WHY_SIZE, "store: the path is too long");
		return -EINVAL;
	}
	if (lstat(file, &st) != 0) {
		int error = errno;
		if (error == ENOENT && !must_exist)
			return 0;
		snprintf(why, STORE_WHY_SIZE, "store %s: no store is there: %s: %s", path, name,
		    strerror(error));
		return place_errno(error);
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, STORE_WHY_SIZE, "store: %.400s is not a plain file: remove it", file);
		return -EINVAL;
	}
	return 0;
}

int
place_prepare(const char *path, bool must_exist, char *why)
{
	int rc = must_exist ? 0 : place_make(path, why);

	if (rc == 0)
		rc = place_check_directory(path, must_exist, why);
	if (rc == 0)
		rc = place_check_file(path, "data.mdb", must_exist, why);
	if (rc == 0)
		rc = place_check_file(path, "lock.mdb", false, why);
	if (rc == 0)
		rc = place_check_file(path, "open.lock", false, why);
	return rc;
}

int
place_guard(const char *path)
{
	char file[PLACE_PATH_MAX];
	const struct timespec wait = { .tv_nsec = PLACE_GUARD_WAIT_NS };

	snprintf(file, sizeof(file), "%s/open.lock", path);
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
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
