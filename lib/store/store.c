/* store.c -- Entries, deflates and their numbers on disk: the only door to LMDB. */
#include "store/store_internal.h"

#include "store/aside.h"
#include "store/bodyfile.h"
#include "store/inspect.h"
#include "store/place.h"
#include "store/trust.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * The same in every process, for one with other flags would spoil the file for all: readers are not
 * tied to threads; commits are not synced but for those that will be acknowledged (change.c); keys
 * are found at random, so the kernel need not read ahead.
 */
enum { STORE_FLAGS = MDB_NOTLS | MDB_NOMETASYNC | MDB_NORDAHEAD };
enum { STORE_READERS_MAX = 1024, STORE_TABLES_MAX = 16, STORE_TRIES = 3 };
enum { STORE_INSPECT_MS = 2000, STORE_LEAVE_NS = 700000000 };
enum { STORE_SIZE_MIN = 1 << 20, STORE_LOOSE_PAGES = 16 };

int
store_error(int rc)
{
	switch (rc) {
	case 0:
	case -EIO:
		return rc;
	case MDB_NOTFOUND:
		return -ENOENT;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return -ENOSPC;
	case MDB_READERS_FULL:
		return -EAGAIN;
	case ENOMEM:
	case EACCES:
	case EROFS:
	case ENOENT:
		return -rc;
	default:
		return -EIO;
	}
}

static const char store_damaged[] = "data.mdb is damaged, or not of this LMDB";

int
store_say(const struct store *s, int rc, char *why, const char *text)
{
	snprintf(why, STORE_WHY_SIZE, "store %s: %s", s->path, text);
	return rc;
}

/* Is it worth another try, for another process was opening or closing just then? */
static bool
store_may_retry(int rc)
{
	return rc != 0 && rc != EACCES && rc != EROFS && rc != ENOMEM && rc != ENOENT &&
	       rc != MDB_INVALID && rc != MDB_VERSION_MISMATCH;
}

static int
store_open_env_once(struct store *s, uint64_t size_bytes)
{
	MDB_envinfo info;
	int rc = mdb_env_create(&s->env);

	if (rc != 0)
		return rc;
	rc = mdb_env_set_maxreaders(s->env, STORE_READERS_MAX);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(s->env, STORE_TABLES_MAX);
	if (rc == 0)
		rc = mdb_env_open(s->env, s->path, STORE_FLAGS, 0600);
	/* Without a size LMDB took the file's, which another process may have made larger. */
	if (rc == 0)
		rc = mdb_env_info(s->env, &info);
	if (rc == 0 && info.me_mapsize < size_bytes)
		rc = mdb_env_set_mapsize(s->env, size_bytes);
	if (rc != 0) {
		mdb_env_close(s->env);
		s->env = NULL;
	}
	return rc;
}

static int
store_open_env(struct store *s, uint64_t size_bytes, char *why)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t size = size_bytes < STORE_SIZE_MIN ? STORE_SIZE_MIN : size_bytes;
	int rc = -1;

	size = (size + page - 1) / page * page;
	for (int i = 0; i < STORE_TRIES && (i == 0 || store_may_retry(rc)); i++)
		rc = store_open_env_once(s, size);
	if (rc == 0)
		return 0;
	if (rc == MDB_INVALID || rc == MDB_VERSION_MISMATCH)
		return store_say(s, -EINVAL, why, store_damaged);
	snprintf(why, STORE_WHY_SIZE, "store %s: cannot open it as uid %u: %s", s->path,
	    (unsigned)geteuid(), mdb_strerror(rc));
	return store_error(rc);
}

/*
 * LMDB would die of SIGBUS where the file ends before its last page. It may leave the last few
 * pages unwritten itself, those that a transaction took and gave back: they are filled in.
 */
static int
store_check_length(struct store *s, char *why)
{
	MDB_envinfo info;
	MDB_stat stat;
	mdb_filehandle_t fd;
	struct stat st;
	int rc = mdb_env_info(s->env, &info);

	if (rc == 0)
		rc = mdb_env_stat(s->env, &stat);
	if (rc == 0)
		rc = mdb_env_get_fd(s->env, &fd);
	if (rc != 0 || fstat(fd, &st) != 0)
		return store_say(s, -EIO, why, "cannot be examined");
	s->page_bytes = stat.ms_psize;
	s->size_bytes = info.me_mapsize;
	backlog_size(&s->backlog, s->size_bytes / s->page_bytes);
	uint64_t want = (info.me_last_pgno + 1) * s->page_bytes, have = (uint64_t)st.st_size;
	if (have >= want)
		return 0;
	uint64_t missing = want - have;
	if (missing <= STORE_LOOSE_PAGES * s->page_bytes &&
	    posix_fallocate(fd, (off_t)have, (off_t)missing) == 0)
		return 0;
	return store_say(s, -EINVAL, why, "data.mdb was cut short");
}

/* LMDB never makes a map smaller, and two processes with two caps would evict each other's. */
static void
store_warn_of_size(const struct store *s, const struct store_options *options)
{
	if (options->must_exist || s->size_bytes <= STORE_SIZE_MIN ||
	    s->size_bytes <= options->size_bytes + s->page_bytes)
		return;
	log_warn("store %s: was made, or is used by another process, with a size of %" PRIu64
		 " bytes: that is used, not %" PRIu64 "; set `size` alike everywhere, or, for a "
		 "smaller store, stop all that use it and remove its directory",
	    s->path, s->size_bytes, options->size_bytes);
}

static int
store_open_files(struct store *s, const struct store_options *options, char *why)
{
	int dead, rc = place_check_files(s->path, options->must_exist, why);

	if (rc == 0)
		rc = store_open_env(s, options->size_bytes, why);

	if (rc == 0)
		rc = store_check_length(s, why);
	if (rc == 0)
		rc = tables_open(s, why);
	if (rc == -ENOENT && s->env != NULL)
		rc = tables_make(s, why);
	if (rc == 0 && health_init(s) != 0)
		rc = store_say(s, -EIO, why, "its files are gone again");
	if (rc == 0 && mdb_reader_check(s->env, &dead) != 0)
		rc = store_say(s, -EIO, why, "cannot check its reader slots");
	if (rc == 0)
		store_warn_of_size(s, options);
	return rc;
}

/* Something that may kill us must not be opened. Returns: 0; -EINVAL with `why`. */
static int
store_inspect(struct store *s, const struct store_options *options, char *why)
{
	if (options->distrusted)
		return store_say(
		    s, -EINVAL, why, "commits failed: what is on disk cannot be relied on");
	if (trust_read(s->path) == TRUST_BAD)
		return store_say(s, -EINVAL, why, store_damaged);
	s->known = place_is_new(s->path) || place_is_clean(s->path) || trust_holds(s->path);
	s->trusted = s->known;
	if (s->trusted || options->must_exist || place_check_files(s->path, false, why) != 0)
		return 0;
	enum inspection verdict = inspect_store(s->path, STORE_INSPECT_MS);
	if (verdict == INSPECTION_BAD)
		return store_say(s, -EINVAL, why, store_damaged);
	s->trusted = verdict == INSPECTION_GOOD;
	return 0;
}

static void
store_close_env(struct store *s)
{
	if (s->env != NULL)
		mdb_env_close(s->env);
	s->env = NULL;
}

/* Guarded: who comes next must find it left, or is told that others have it. */
static void
store_leave(struct store *s)
{
	char why[STORE_WHY_SIZE];

	if (s->env != NULL) {
		bool good = place_is_last(s->place) && s->trusted && mdb_env_sync(s->env, 1) == 0 &&
			    health_examine(s, why) == 0;
		store_close_env(s);
		if (good)
			place_mark_clean(s->path);
		else if (s->health.data != 0)
			health_drop_lock(s);
	}
	place_leave(s->place);
	s->place = -1;
}

/*
 * Where a file was removed and others have the store open still, they must have left before it is
 * made anew: a deflate acknowledged by one store must hold for all. They look four times a second.
 */
static void
store_wait_for_others(const struct store *s)
{
	const struct timespec leave = { .tv_nsec = STORE_LEAVE_NS };

	if (place_is_new(s->path))
		nanosleep(&leave, NULL);
}

/* Others have it open, and what they found of it holds. Returns: 0; -EINVAL with `why`. */
static int
store_join(struct store *s, char *why)
{
	store_wait_for_others(s);
	enum trust_verdict verdict = trust_read(s->path);
	if (verdict == TRUST_BAD)
		return store_say(s, -EINVAL, why, store_damaged);
	if (trust_is_replaced(s->path) && !place_is_new(s->path))
		return store_say(s, -EIO, why, "others still use the file that was replaced");
	s->trusted = verdict == TRUST_GOOD;
	return 0;
}

static int
store_open_shared(struct store *s, const struct store_options *options, char *why)
{
	int rc = brink_open(s, options->must_exist, why);

	spilled_open(s, options->must_exist);
	if (rc == 0 && s->made && brink_begin(s) != 0)
		rc = store_say(s, -EIO, why, "cannot write its file floor");
	/* Whoever has it open maps another one, and will leave it. */
	if (rc == 0 && !s->brink.sound && !s->alone)
		rc = store_say(s, -EIO, why, "its file floor was replaced or damaged");
	return rc;
}

/* Nobody else has it open: is it what it was? */
static int
store_adopt(struct store *s, char *why)
{
	int rc = trust_adopt(s, s->known);

	if (rc == 0 && !s->brink.sound)
		rc = brink_begin(s);
	return rc == 0 ? 0
		       : store_say(s, rc, why, "its file was replaced, and cannot be written to");
}

static int
store_open_guarded(struct store *s, const struct store_options *options, char *why)
{
	int guard = place_guard(s->path), rc;

	s->place = place_hold(s->path, &s->alone);
	rc = s->alone ? store_inspect(s, options, why) : store_join(s, why);
	if (rc == 0)
		rc = store_open_files(s, options, why);
	if (rc == -EINVAL && s->alone && !options->must_exist) {
		store_close_env(s);
		rc = aside_move(s->path, why);
		s->trusted = s->known = rc == 0;
		if (rc == 0)
			rc = store_open_files(s, options, why);
	}
	if (rc == 0)
		rc = bodyfile_start(s, options, why);
	if (rc == 0)
		rc = store_open_shared(s, options, why);
	if (rc == 0 && s->alone)
		rc = store_adopt(s, why);
	if (rc == 0)
		trust_open(s, s->alone || s->made, options->must_exist);
	if (rc == 0)
		place_share(s->place);
	else
		store_leave(s);
	place_unguard(guard);
	return rc;
}

int
store_open(struct store **out, const struct store_options *options, char *why)
{
	struct store *s = NULL;

	why[0] = '\0';
	int rc = place_prepare(options->path, options->must_exist, options->unsafe_fs, why);
	if (rc != 0)
		return rc;
	s = calloc(1, sizeof(*s));
	if (s == NULL || backlog_init(&s->backlog) != 0) {
		free(s);
		snprintf(why, STORE_WHY_SIZE, "store %s: out of memory", options->path);
		return -ENOMEM;
	}
	s->place = -1;
	s->deflated_max = STORE_DEFLATED_MAX;
	s->bodies_fd = -1;
	s->trust_fd = -1;
	s->path = strdup(options->path);
	rc = s->path == NULL ? -ENOMEM : owner_self(&s->self);
	if (rc != 0)
		snprintf(why, STORE_WHY_SIZE, "store %s: cannot read /proc/self", options->path);
	if (rc == 0)
		rc = store_open_guarded(s, options, why);
	if (rc == 0) {
		visited_open(s, options->must_exist);
		rc = intent_recover(s);
		if (rc != 0)
			store_say(s, rc, why, "cannot deflate what dead processes announced");
	}
	if (rc == 0) {
		*out = s;
		s = NULL;
	}
	store_close(s);
	return rc;
}

static void
store_cancel(struct store *s)
{
	size_t n;
	bool stopped = false;

	while (!stopped) {
		struct store_job *job = backlog_take(&s->backlog, 0, &n, &stopped);
		while (n-- > 0) {
			struct store_job *next = job->next;
			job->rc = -ECANCELED;
			backlog_finish(&s->backlog, job);
			job = next;
		}
	}
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_writer_stop(s);
	store_cancel(s);
	inspect_end(&s->walk);
	backlog_fini(&s->backlog);
	if (s->env != NULL) {
		int guard = place_guard(s->path);
		store_leave(s);
		place_unguard(guard);
	}
	bodyfile_stop(s);
	trust_close(s);
	visited_close(s);
	brink_close(s);
	spilled_close(s);
	free(s->path);
	free(s);
}
