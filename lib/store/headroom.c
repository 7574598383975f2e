/* headroom.c -- Disk that data.mdb has beyond its last page, so that a full disk stops no eviction.
 */
#include "store/trust.h"

#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum { HEADROOM_BLOCK = 512 }; /* Of stat(2). */

/*
 * LMDB writes nothing in place: even what makes room takes pages first, and only the transaction
 * after the next has those that it freed. Who learns from a commit that fails that the disk is full
 * may have none left, and could never evict again. So blocks are taken first and pages after, and
 * who gets no blocks any more has some pages still: what data.mdb has then is its cap.
 *
 * As many as eviction takes for a few entries, and what a transaction has asked for.
 */
static uint64_t
headroom_used(const struct store *s)
{
	MDB_envinfo info;

	mdb_env_info(s->env, &info);
	return info.me_last_pgno + 1;
}

/* The last pages of the map are seldom reached, and the small files beside it have some of the cap.
 */
static uint64_t
headroom_most(const struct store *s, uint64_t pages)
{
	uint64_t most = s->size_bytes / s->page_bytes;

	most -= most / HEADROOM_LAST;
	return pages < most ? pages : most;
}

uint64_t
headroom_disk(const struct store *s)
{
	mdb_filehandle_t fd;
	struct statvfs disk;

	/* Some file systems tell nothing: they have no blocks at all. */
	if (mdb_env_get_fd(s->env, &fd) != 0 || fstatvfs(fd, &disk) != 0 || disk.f_blocks == 0)
		return UINT64_MAX;
	return (uint64_t)disk.f_bavail * disk.f_frsize;
}

bool
headroom_is_there(const struct store *s)
{
	const struct headroom *h = &s->headroom;

	return !h->is_full &&
	       h->pages >= headroom_most(s, headroom_used(s) + HEADROOM_PAGES + h->asked);
}

/* Is there no more? A file system that takes no blocks ahead is asked how many it has. */
static bool
headroom_is_refused(const struct store *s, uint64_t to, uint64_t sequence)
{
	uint64_t from = s->headroom.pages;
	off_t at = (off_t)(from * s->page_bytes), len = (off_t)((to - from) * s->page_bytes);
	mdb_filehandle_t fd;

	/* To refuse them may cost a file system dear: it looks for some once more. */
	if (headroom_disk(s) < (uint64_t)len)
		return true;
	if (mdb_env_get_fd(s->env, &fd) != 0)
		return false;
	/* The file's length stays what LMDB made it: from that it is known whether it was cut. */
	trust_commit_begins(s, sequence);
	int rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, at, len) == 0 ? 0 : errno;
	trust_commit_ended(s, sequence);
	return rc == ENOSPC || rc == EDQUOT;
}

/* What to have from now on. Twice what must be, for each time costs a call; and where there was no
 * more, some more: else it is not over. */
static uint64_t
headroom_goal(const struct store *s, uint64_t used)
{
	const struct headroom *h = &s->headroom;
	uint64_t goal = used + h->asked + 2 * HEADROOM_PAGES;

	if (h->is_full && goal < h->pages + HEADROOM_PAGES)
		goal = h->pages + HEADROOM_PAGES;
	return headroom_most(s, goal);
}

/* What another process took ahead, or the one before, is among the file's blocks. */
static void
headroom_look(struct headroom *h, const struct store *s, uint64_t used)
{
	mdb_filehandle_t fd;
	struct stat st;

	if (h->pages == 0)
		h->pages = used;
	if (mdb_env_get_fd(s->env, &fd) != 0 || fstat(fd, &st) != 0)
		return;
	uint64_t found = (uint64_t)st.st_blocks * HEADROOM_BLOCK / s->page_bytes;
	if (h->pages < found)
		h->pages = found;
}

/* A page that a transaction took and gave back was never written, and may have no block: from where
 * the blocks are known to be there is where they are taken from. */
static bool
headroom_take(struct store *s, uint64_t to, uint64_t sequence)
{
	if (to <= s->headroom.pages)
		return true;
	if (headroom_is_refused(s, to, sequence))
		return false;
	s->headroom.pages = to;
	return true;
}

void
headroom_keep(struct store *s, uint64_t sequence)
{
	struct headroom *h = &s->headroom;
	uint64_t used = headroom_used(s);

	if (headroom_is_there(s) || fault_is("headroom"))
		return;
	headroom_look(h, s, used);
	h->is_full = !headroom_take(s, headroom_goal(s, used), sequence);
	/* The least that evicts, or at least what it has. */
	if (h->is_full && !headroom_take(s, headroom_most(s, used + HEADROOM_PAGES), sequence))
		(void)headroom_take(s, used, sequence);
}
