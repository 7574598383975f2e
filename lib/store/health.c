/* health.c -- Can an open store still be trusted: its files in place, its writes reaching the disk?
 */
#include "store/place.h"
#include "store/trust.h"

#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { HEALTH_DISK_MIN = 1 << 20, HEALTH_MINUTE_MS = 60000, HEALTH_PATH_MAX = 4096 };
enum { HEALTH_WALK_MS = 600000 };

int
health_init(struct store *s)
{
	struct stat data, lock;
	int rc = place_stat(s->path, "data.mdb", &data);

	if (rc == 0)
		rc = place_stat(s->path, "lock.mdb", &lock);
	if (rc != 0)
		return rc;
	s->health.device = data.st_dev;
	s->health.data = data.st_ino;
	s->health.lock = lock.st_ino;
	return 0;
}

bool
health_is_gone(const struct store *s)
{
	mdb_filehandle_t fd;
	struct stat st;

	return mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) != 0 || st.st_nlink == 0;
}

static bool
health_is_moved(const struct store *s)
{
	struct stat data, lock, floor;

	return place_stat(s->path, "data.mdb", &data) != 0 ||
	       place_stat(s->path, "lock.mdb", &lock) != 0 ||
	       place_stat(s->path, "floor", &floor) != 0 || data.st_dev != s->health.device ||
	       data.st_ino != s->health.data || lock.st_ino != s->health.lock ||
	       floor.st_ino != s->health.floor;
}

void
health_drop_lock(const struct store *s)
{
	char file[HEALTH_PATH_MAX];
	struct stat data, lock;
	bool replaced = place_stat(s->path, "data.mdb", &data) != 0 ||
			data.st_dev != s->health.device || data.st_ino != s->health.data;

	if (!replaced || place_stat(s->path, "lock.mdb", &lock) != 0 ||
	    lock.st_ino != s->health.lock)
		return;
	snprintf(file, sizeof(file), "%s/lock.mdb", s->path);
	unlink(file);
}

void
health_write_begins(struct store *s)
{
	atomic_store(&s->health.busy_since_ms, clock_mono_ms());
}

/* A disk that became full within a write made it short, and LMDB calls any short write EIO. */
int
health_commit_error(const struct store *s, int rc)
{
	rc = store_error(rc);
	if (rc == -EIO && (s->headroom.is_full || headroom_disk(s) < HEALTH_DISK_MIN))
		return -ENOSPC;
	return rc;
}

static void
health_count_failure(struct health *h)
{
	int64_t now_ms = clock_mono_ms();

	if (h->failures == HEALTH_FAILURES - 1 && now_ms - h->failed_ms[0] < HEALTH_MINUTE_MS)
		atomic_store(&h->distrusted, true);
	if (h->failures < HEALTH_FAILURES - 1) {
		h->failed_ms[h->failures++] = now_ms;
		return;
	}
	memmove(h->failed_ms, h->failed_ms + 1, sizeof(h->failed_ms) - sizeof(h->failed_ms[0]));
	h->failed_ms[HEALTH_FAILURES - 2] = now_ms;
}

void
health_write_ends(struct store *s)
{
	atomic_store(&s->health.busy_since_ms, 0);
}

int
health_judge_write(struct store *s, int rc, bool durable)
{
	/* Committed to a file that is no longer there: others would not see what we acknowledge. */
	if (rc == 0 && durable && health_is_moved(s))
		rc = -EIO;
	else if (rc == -EIO)
		health_count_failure(&s->health);
	atomic_store(&s->health.write_rc, rc);
	return rc;
}

int
health_judge_body(struct store *s, int rc)
{
	if (rc == 0)
		return 0;
	int64_t now_ms = clock_mono_ms();
	atomic_store(&s->health.body_failed_ms, now_ms);
	atomic_store(&s->health.body_rc, rc);
	if (rc == -ENOSPC) {
		s->files_refused_ms = now_ms;
		s->files_most = 0;
	}
	return rc;
}

/* It is not known to be over before the next is written; for ever it is not held against a store.
 */
static int
health_body_trouble(const struct store *s)
{
	int64_t failed_ms = atomic_load(&s->health.body_failed_ms);

	if (clock_mono_ms() - failed_ms > HEALTH_MINUTE_MS)
		return 0;
	return atomic_load(&s->health.body_rc);
}

const char *
health_trouble(struct store *s, int64_t since_ms)
{
	int64_t busy_ms = atomic_load(&s->health.busy_since_ms);
	int rc = atomic_load(&s->health.write_rc);

	if (busy_ms != 0 && busy_ms < since_ms)
		return "store-busy";
	if (rc == 0)
		rc = health_body_trouble(s);
	if (rc == -ENOSPC || s->full)
		return "store-full";
	if (rc == -EROFS)
		return "store-readonly";
	return rc != 0 ? "store-failing" : NULL;
}

/* What there was no time to look at before it was opened is looked at beside its use. */
static bool
health_is_bad(struct store *s)
{
	if (s->alone && !s->trusted && !s->walk.tried)
		inspect_begin(&s->walk, s->path, s->size_bytes, HEALTH_WALK_MS);
	switch (inspect_ask(&s->walk)) {
	case INSPECTION_GOOD:
		s->trusted = true;
		break;
	case INSPECTION_BAD:
		trust_condemn(s);
		break;
	case INSPECTION_LATE:
		break;
	}
	return trust_read(s->path) == TRUST_BAD;
}

int
health_examine(struct store *s, char *why)
{
	MDB_txn *txn = NULL;

	if (health_is_moved(s))
		return store_say(
		    s, -EIO, why, "its files were removed or replaced while it was in use");
	if (atomic_load(&s->health.distrusted))
		return store_say(s, -EIO, why,
		    "three commits failed within a minute: what is on disk is unknown");
	if (health_is_bad(s))
		return store_say(s, -EIO, why, "its file was found to be damaged");
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
	mdb_txn_abort(txn);
	if (rc == MDB_PANIC)
		return store_say(s, -EIO, why, "LMDB gave up after a write that failed");
	return 0;
}
