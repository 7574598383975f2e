/* trust.c -- What is known of a store's file: whether only LMDB wrote to it since it was found
 * good.
 */
#include "store/trust.h"

#include "base/fault.h"
#include "base/log.h"
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

enum { TRUST_INTENTS_SKIPPED = 1 << 20 };

static const char trust_name[] = "trust";

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

uint64_t
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

/* The mark, and the file that is there. */
static bool
trust_find_any(const char *path, enum trust_place place, struct trust_mark *mark, struct stat *data)
{
	int fd = place_open(path, trust_name, O_RDONLY, NULL);
	bool found = trust_get(fd, place, mark);

	if (fd >= 0)
		close(fd);
	return found && place_stat(path, "data.mdb", data) == 0;
}

/* The mark, if it is of the file that is there. */
static bool
trust_find(const char *path, enum trust_place place, struct trust_mark *mark, struct stat *data)
{
	return trust_find_any(path, place, mark, data) && mark->device == data->st_dev &&
	       mark->inode == data->st_ino;
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

static bool
trust_is_as_left(const struct trust_mark *mark, const struct stat *data)
{
	return mark->bytes == data->st_size && mark->modified_ns == trust_ns(data->st_mtim) &&
	       mark->changed_ns == trust_ns(data->st_ctim);
}

bool
trust_holds(const char *path)
{
	struct trust_mark mark;
	struct stat data;

	if (!trust_find_good(path, &mark, &data))
		return false;
	return trust_is_as_left(&mark, &data) ||
	       (mark.writing_ns != 0 && data.st_size >= mark.bytes &&
		   trust_is_soon_after(mark.writing_ns, trust_ns(data.st_mtim)) &&
		   trust_is_soon_after(mark.writing_ns, trust_ns(data.st_ctim)));
}

/* ---- Another file, or an older one ---------------------------------------------------------- */

bool
trust_is_replaced(const char *path)
{
	struct trust_mark mark;
	struct stat data;

	return trust_find_any(path, TRUST_COMMIT, &mark, &data) && mark.inode != data.st_ino;
}

/* Who ended within a commit that took long has left it as nobody knows. */
static bool
trust_is_foreign(const struct trust_mark *mark, const struct stat *data)
{
	if (mark->inode != data->st_ino)
		return true;
	if (mark->boot == 0 || mark->boot != trust_boot() || mark->writing_ns != 0)
		return false;
	return !trust_is_as_left(mark, data);
}

/* What this process fetched for the file that was there before is not for this one either. */
static int
trust_disown(struct change *c, uint64_t sequence)
{
	int rc = meta_draw_id(&c->state.id);

	if (rc != 0)
		return rc;
	if (c->state.sequence < sequence)
		c->state.sequence = sequence;
	c->state.floor = ++c->state.sequence;
	c->state.next_intent += TRUST_INTENTS_SKIPPED;
	c->durable = true;
	return 0;
}

int
trust_adopt(struct store *s, bool known)
{
	struct trust_mark mark = { 0 };
	struct stat data;
	struct change c;

	if ((known && s->brink.sound) || fault_is("put-back"))
		return 0;
	bool foreign = !s->brink.sound || !trust_find_any(s->path, TRUST_COMMIT, &mark, &data) ||
		       trust_is_foreign(&mark, &data);
	int rc = change_begin(s, &c);
	if (rc != 0)
		return rc;
	if (foreign || c.state.sequence < mark.sequence)
		rc = trust_disown(&c, mark.sequence);
	if (rc != 0 || !c.durable) {
		change_abort(&c);
		return rc;
	}
	log_warn("store %s: its data.mdb is not as it was used last: it was put there, or written "
		 "to, by something else, so nothing in it is served any more",
	    s->path);
	rc = change_commit(&c);
	s->id = c.state.id;
	return rc;
}

/* ---- Kept ----------------------------------------------------------------------------------- */

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
trust_note(const struct store *s, enum trust_place place, struct trust_mark mark)
{
	mdb_filehandle_t fd;
	struct stat st;

	if (s->trust_fd < 0 || mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) != 0)
		return;
	mark.boot = s->boot;
	mark.device = st.st_dev;
	mark.inode = st.st_ino;
	mark.bytes = st.st_size;
	mark.modified_ns = trust_ns(st.st_mtim);
	mark.changed_ns = trust_ns(st.st_ctim);
	mark.checksum = trust_checksum(&mark);
	/* A mark that is not written is out of date. */
	(void)!pwrite(s->trust_fd, &mark, sizeof(mark), place * (off_t)sizeof(mark));
}

static void
trust_note_commit(const struct store *s, uint64_t sequence, int64_t writing_ns)
{
	trust_note(s, TRUST_COMMIT,
	    (struct trust_mark){
		.writing_ns = writing_ns, .verdict = trust_verdict(s), .sequence = sequence });
}

void
trust_commit_begins(const struct store *s, uint64_t sequence)
{
	trust_note_commit(s, sequence, trust_now_ns());
}

void
trust_commit_ended(const struct store *s, uint64_t sequence)
{
	trust_note_commit(s, sequence, 0);
}

void
trust_condemn(const struct store *s)
{
	trust_note(s, TRUST_CONDEMNATION, (struct trust_mark){ .verdict = TRUST_BAD });
}

/* Of the last deflate. 0 where it cannot be read. */
static uint64_t
trust_sequence(const struct store *s)
{
	struct meta_state state;
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return 0;
	int rc = meta_read(s, txn, &state);
	mdb_txn_abort(txn);
	return rc == 0 ? state.sequence : 0;
}

/* After a power cut the mark must tell which file it is about: once that is on disk, it does. */
static bool
trust_names(const struct store *s)
{
	struct trust_mark mark;
	mdb_filehandle_t fd;
	struct stat st;

	return trust_get(s->trust_fd, TRUST_COMMIT, &mark) && mdb_env_get_fd(s->env, &fd) == 0 &&
	       fstat(fd, &st) == 0 && mark.inode == st.st_ino;
}

void
trust_open(struct store *s, bool first, bool must_exist)
{
	static const struct trust_mark none;

	s->trust_fd = place_open(s->path, trust_name, O_RDWR | (must_exist ? 0 : O_CREAT), NULL);
	s->boot = trust_boot();
	if (!first || s->trust_fd < 0)
		return;
	bool named = trust_names(s);
	/* What was said of another file, or of another run of the kernel, is over. */
	(void)!pwrite(s->trust_fd, &none, sizeof(none), TRUST_CONDEMNATION * (off_t)sizeof(none));
	trust_commit_ended(s, trust_sequence(s));
	if (!named && fdatasync(s->trust_fd) == 0)
		(void)!place_sync(s->path);
}
