/* trust.c -- What is known of a store's file: whether only LMDB wrote to it since it was found
 * good.
 */
#include "store/trust.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { TRUST_PATH_MAX = 4096 };

enum trust_place { TRUST_COMMIT, TRUST_CONDEMNATION };

static int64_t
trust_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The clock that file systems go by. */
static int64_t
trust_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return trust_ns(now);
}

/* 0: it is not to be had. */
static uint64_t
trust_boot(void)
{
	char id[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, id, sizeof(id));

	if (fd >= 0)
		close(fd);
	return n <= 0 ? 0 : XXH3_64bits(id, (size_t)n);
}

static uint64_t
trust_checksum(const struct trust_mark *mark)
{
	size_t skipped = sizeof(mark->checksum);

	return XXH3_64bits((const char *)mark + skipped, sizeof(*mark) - skipped);
}

/* No file, one cut short and one of garbage are all the same. */
static bool
trust_get(int fd, enum trust_place place, struct trust_mark *mark)
{
	return fd >= 0 &&
	       pread(fd, mark, sizeof(*mark), place * (off_t)sizeof(*mark)) ==
		   (ssize_t)sizeof(*mark) &&
	       mark->checksum == trust_checksum(mark);
}

/* ---- Asked ---------------------------------------------------------------------------------- */

static int
trust_open_file(const char *path, int flags)
{
	char file[TRUST_PATH_MAX];
	int len = snprintf(file, sizeof(file), "%s/trust", path);

	if (len < 0 || (size_t)len >= sizeof(file))
		return -1;
	return open(file, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/* The mark, if it is of the file that is there. */
static bool
trust_find(const char *path, enum trust_place place, struct trust_mark *mark, struct stat *data)
{
	char file[TRUST_PATH_MAX];
	int fd = trust_open_file(path, O_RDONLY), len;
	bool found = trust_get(fd, place, mark);

	if (fd >= 0)
		close(fd);
	len = snprintf(file, sizeof(file), "%s/data.mdb", path);
	return found && len > 0 && (size_t)len < sizeof(file) && lstat(file, data) == 0 &&
	       mark->device == data->st_dev && mark->inode == data->st_ino;
}

/* And if it says, on this run of the kernel, that the file is good. */
static bool
trust_find_good(const char *path, struct trust_mark *mark, struct stat *data)
{
	return trust_find(path, TRUST_COMMIT, mark, data) && mark->verdict == TRUST_GOOD &&
	       mark->boot != 0 && mark->boot == trust_boot();
}

enum trust_verdict
trust_read(const char *path)
{
	struct trust_mark mark;
	struct stat data;

	if (trust_find(path, TRUST_CONDEMNATION, &mark, &data))
		return TRUST_BAD;
	return trust_find_good(path, &mark, &data) ? TRUST_GOOD : TRUST_UNKNOWN;
}

static bool
trust_is_soon_after(int64_t writing_ns, int64_t changed_ns)
{
	return changed_ns >= writing_ns - TRUST_CLOCK_MS * 1000000LL &&
	       changed_ns <= writing_ns + TRUST_COMMIT_MS * 1000000LL;
}

bool
trust_holds(const char *path)
{
	struct trust_mark mark;
	struct stat data;

	if (!trust_find_good(path, &mark, &data))
		return false;
	int64_t modified_ns = trust_ns(data.st_mtim), changed_ns = trust_ns(data.st_ctim);
	if (mark.bytes == data.st_size && mark.modified_ns == modified_ns &&
	    mark.changed_ns == changed_ns)
		return true;
	return mark.writing_ns != 0 && data.st_size >= mark.bytes &&
	       trust_is_soon_after(mark.writing_ns, modified_ns) &&
	       trust_is_soon_after(mark.writing_ns, changed_ns);
}

/* ---- Kept ----------------------------------------------------------------------------------- */

void
trust_open(struct store *s, bool alone, bool must_exist)
{
	s->trust_fd = trust_open_file(s->path, O_RDWR | (must_exist ? 0 : O_CREAT));
	s->boot = trust_boot();
	if (!alone)
		return;
	/* What was said of another file, or of another run of the kernel, is over. */
	if (s->trust_fd >= 0)
		(void)!ftruncate(s->trust_fd, 0);
	trust_commit_ended(s);
}

void
trust_close(struct store *s)
{
	if (s->trust_fd >= 0)
		close(s->trust_fd);
	s->trust_fd = -1;
}

static enum trust_verdict
trust_verdict(const struct store *s)
{
	/* Writes that failed may have left anything. */
	return s->trusted && s->health.failures == 0 ? TRUST_GOOD : TRUST_UNKNOWN;
}

static void
trust_note(
    const struct store *s, enum trust_place place, int64_t writing_ns, enum trust_verdict verdict)
{
	mdb_filehandle_t fd;
	struct stat st;

	if (s->trust_fd < 0 || mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) != 0)
		return;
	struct trust_mark mark = {
		.boot = s->boot,
		.device = st.st_dev,
		.inode = st.st_ino,
		.bytes = st.st_size,
		.modified_ns = trust_ns(st.st_mtim),
		.changed_ns = trust_ns(st.st_ctim),
		.writing_ns = writing_ns,
		.verdict = verdict,
	};
	mark.checksum = trust_checksum(&mark);
	/* A mark that is not written is out of date. */
	(void)!pwrite(s->trust_fd, &mark, sizeof(mark), place * (off_t)sizeof(mark));
}

void
trust_commit_begins(const struct store *s)
{
	trust_note(s, TRUST_COMMIT, trust_now_ns(), trust_verdict(s));
}

void
trust_commit_ended(const struct store *s)
{
	trust_note(s, TRUST_COMMIT, 0, trust_verdict(s));
}

void
trust_condemn(const struct store *s)
{
	trust_note(s, TRUST_CONDEMNATION, 0, TRUST_BAD);
}
