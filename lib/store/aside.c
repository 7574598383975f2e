/* aside.c -- A store that cannot be trusted makes room for a new one, and is kept to look at. */
#include "store/aside.h"

#include "base/log.h"
#include "base/slice.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ASIDE_PATH_MAX = 4096, ASIDE_DEPTH = 16, ASIDE_BLOCK = 512 };

static const char aside_prefix[] = "store.bad-";

static int
aside_remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

/* One is kept, and that will be the new one. */
static void
aside_remove_older(const char *path)
{
	char old[ASIDE_PATH_MAX];
	DIR *directory = opendir(path);
	const struct dirent *item;

	if (directory == NULL)
		return;
	while ((item = readdir(directory)) != NULL) {
		if (strncmp(item->d_name, aside_prefix, sizeof(aside_prefix) - 1) != 0)
			continue;
		int len = snprintf(old, sizeof(old), "%s/%s", path, item->d_name);
		if (len > 0 && (size_t)len < sizeof(old) &&
		    nftw(old, aside_remove_one, ASIDE_DEPTH, FTW_DEPTH | FTW_PHYS) != 0)
			log_warn("%s: cannot be removed: %s", old, strerror(errno));
	}
	closedir(directory);
}

/* What it takes of the disk, and what is in it. */
static uint64_t
aside_measure(int at, const char *name, int depth)
{
	struct stat st;
	uint64_t sum = 0;
	const struct dirent *item;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	int fd = S_ISDIR(st.st_mode) && depth > 0
		     ? openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
		     : -1;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return (uint64_t)st.st_blocks * ASIDE_BLOCK;
	}
	while ((item = readdir(directory)) != NULL) {
		if (strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0)
			sum += aside_measure(fd, item->d_name, depth - 1);
	}
	closedir(directory);
	return sum;
}

uint64_t
aside_bytes(const char *path)
{
	DIR *directory = opendir(path);
	const struct dirent *item;
	uint64_t sum = 0;

	while (directory != NULL && (item = readdir(directory)) != NULL) {
		if (strncmp(item->d_name, aside_prefix, sizeof(aside_prefix) - 1) == 0)
			sum += aside_measure(dirfd(directory), item->d_name, ASIDE_DEPTH);
	}
	if (directory != NULL)
		closedir(directory);
	return sum;
}

void
aside_drop(const char *path)
{
	log_info("store %s: what was set aside is removed: its room is needed", path);
	aside_remove_older(path);
}

static int
aside_move_files(int from, const char *to)
{
	/* The data first: without it the rest means nothing. */
	static const char *const names[] = { "data.mdb", "lock.mdb", "bodies", "visited", "clean",
		"trust", "floor", "spilled" };
	int target = openat(from, to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = target < 0 ? -errno : 0;

	for (size_t i = 0; rc == 0 && i < COUNT(names); i++) {
		if (renameat(from, names[i], target, names[i]) != 0 && errno != ENOENT)
			rc = -errno;
	}
	if (target >= 0)
		close(target);
	return rc;
}

int
aside_move(const char *path, char *why)
{
	char name[sizeof(aside_prefix) + 32], wrong[STORE_WHY_SIZE];
	time_t now = time(NULL);
	struct tm parts;
	size_t len = sizeof(aside_prefix) - 1;

	snprintf(wrong, sizeof(wrong), "%s", why);
	memcpy(name, aside_prefix, len);
	gmtime_r(&now, &parts);
	strftime(name + len, sizeof(name) - len, "%Y%m%dT%H%M%SZ", &parts);
	aside_remove_older(path);
	int from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = from < 0 || mkdirat(from, name, 0700) != 0 ? -errno : aside_move_files(from, name);
	if (from >= 0)
		close(from);
	if (rc == 0) {
		log_error(
		    "%s; it was set aside as %s/%s, and a new store is begun", wrong, path, name);
		why[0] = '\0';
		return 0;
	}
	snprintf(
	    why, STORE_WHY_SIZE, "%.300s; it cannot be set aside either: %s", wrong, strerror(-rc));
	return rc;
}
