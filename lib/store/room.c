/* room.c -- What room is left under the cap: pages for the tables, and disk for body files. */
#include "base/clock.h"
#include "base/fault.h"
#include "store/bodyfile.h"

#include <stdlib.h>

/*
 * `size` bounds what is on disk: data.mdb at its longest, for LMDB gives no page back, and the body
 * files, those that wait to be unlinked included, and a store that was set aside.
 *
 * Deflates must find room where entries find none any more, and what a transaction frees can be
 * used only two transactions later: a part of the map is kept for these.
 */
enum { ROOM_RESERVE_PAGES = 1024, ROOM_RESERVE_SHARE = 50, ROOM_RESERVE_MOST = 8 };

/* What the tables have once taken, files never get: a part of the disk is theirs from the start. */
enum { ROOM_FILES_SHARE = 8 };

/* What of the disk is left to data.mdb by those who write body files. */
enum { ROOM_DISK_BYTES = 1 << 19 };

/* A file is tried again without regard to a quota that refused one so long ago. */
enum { ROOM_QUOTA_MS = 60000 };

/* Pages that a transaction touches on the way to an entry, at most: a path in each of four tables.
 */
enum { ROOM_PATH_PAGES = 16 };

/* ---- What readers hold back ------------------------------------------------------------------ */

/*
 * LMDB uses a page again once nobody reads a snapshot from before it was freed. Where one does, a
 * stopped process say, what is free is not to be had: it counts as taken, or inserts would fill the
 * map to the last page, and no deflate could be written any more.
 */

enum { ROOM_FREE_TABLE = 0 };

/* LMDB tells of its readers only in words: "PID THREAD SNAPSHOT", the last "-" between two. */
static int
room_note_reader(const char *line, void *context)
{
	uint64_t *oldest = context;
	const char *at = strrchr(line, ' ');
	char *end = NULL;

	uint64_t snapshot = at == NULL ? 0 : strtoull(at + 1, &end, 10);
	if (end != NULL && end > at + 1 && *end == '\n' && snapshot < *oldest)
		*oldest = snapshot;
	return 0;
}

/* Pages freed by the transactions from `first` to before `last`. No sum is larger than `most`. */
static uint64_t
room_sum_freed(MDB_txn *txn, uint64_t first, uint64_t last, uint64_t most)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t number, count, sum = 0;

	if (mdb_cursor_open(txn, ROOM_FREE_TABLE, &cursor) != 0)
		return most;
	/* Each row: the number of a transaction, and how many pages it freed before which they are.
	 */
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	while (rc == 0 && sum < most && key.mv_size == sizeof(number) &&
	       value.mv_size >= sizeof(count)) {
		memcpy(&number, key.mv_data, sizeof(number));
		memcpy(&count, value.mv_data, sizeof(count));
		if (number < first)
			break;
		sum += number < last ? count : 0;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
	}
	mdb_cursor_close(cursor);
	return sum < most ? sum : most;
}

/*
 * What the last transaction freed is held back in any case: the reserve is for that.
 *
 * last: the transaction before the one that is under way.
 */
static uint64_t
room_held(const struct store *s, uint64_t last, uint64_t most)
{
	uint64_t oldest = last;
	MDB_txn *txn;

	if (mdb_reader_list(s->env, room_note_reader, &oldest) < 0 || oldest >= last)
		return 0;
	/* LMDB shows its table of free pages to those who read only. */
	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return most;
	uint64_t held = room_sum_freed(txn, oldest, last, most);
	mdb_txn_abort(txn);
	return held;
}

/* ---- What is left ---------------------------------------------------------------------------- */

static uint64_t
room_reserve(uint64_t pages)
{
	uint64_t reserve = pages / ROOM_RESERVE_SHARE;

	if (reserve < ROOM_RESERVE_PAGES)
		reserve = ROOM_RESERVE_PAGES;
	return reserve < pages / ROOM_RESERVE_MOST ? reserve : pages / ROOM_RESERVE_MOST;
}

static uint64_t
room_minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

uint64_t
room_most(const struct store *s)
{
	return s->headroom.is_full ? s->headroom.pages : s->size_bytes / s->page_bytes;
}

/* How long data.mdb may grow, less what its transactions need to turn over. */
static uint64_t
room_tables(const struct store *s, uint64_t pages, uint64_t files)
{
	bool has_files = s->bodies_fd >= 0 && s->body_file_min > 0;
	uint64_t kept = has_files ? pages / ROOM_FILES_SHARE : 0;

	return room_minus(pages, (files > kept ? files : kept) + room_reserve(pages));
}

/* Where the disk is full: at least what there was ahead when it became so. */
static uint64_t
room_reserve_of(const struct store *s)
{
	uint64_t pages = room_most(s), reserve = room_reserve(pages);

	if (s->headroom.is_full && reserve < HEADROOM_PAGES)
		reserve = HEADROOM_PAGES < pages / 2 ? HEADROOM_PAGES : pages / 2;
	return reserve;
}

/* Where data.mdb may grow no more, for the disk is full or files have the rest, a part of what it
 * has stays free instead. */
static uint64_t
room_bound(const struct store *s, uint64_t bound, uint64_t taken, uint64_t reserve)
{
	uint64_t pages = s->size_bytes / s->page_bytes;

	if (taken > bound + reserve)
		bound = room_minus(taken, reserve) < pages ? room_minus(taken, reserve) : pages;
	uint64_t most = room_minus(room_most(s), reserve);
	return bound < most ? bound : most;
}

/* Bytes that files may have beside a data.mdb of so many pages, and what it is to have beyond. */
static uint64_t
room_files(const struct store *s, uint64_t pages, uint64_t files, uint64_t taken)
{
	uint64_t tables = taken + room_reserve(pages);

	if (tables < s->headroom.pages)
		tables = s->headroom.pages;
	return room_minus(pages, files + tables) * s->page_bytes;
}

void
room_measure(struct change *c)
{
	const struct store *s = c->store;
	uint64_t pages = s->size_bytes / s->page_bytes, reserve = room_reserve_of(s);
	uint64_t files =
	    (c->state.file_bytes + c->state.doomed_bytes + spilled_sum(s) + s->aside_bytes) /
	    s->page_bytes;
	uint64_t live = tables_pages(s, c->txn);
	MDB_envinfo info;
	int dead = 0;

	mdb_env_info(s->env, &info);
	uint64_t taken = info.me_last_pgno + 1;
	uint64_t bound = room_bound(s, room_tables(s, pages, files), taken, reserve);
	/* More than this changes nothing. */
	uint64_t most = room_minus(bound, live) + reserve;
	uint64_t held = room_held(s, info.me_last_txnid, most);
	if (held > reserve / 2 && mdb_reader_check(s->env, &dead) == 0 && dead > 0)
		held = room_held(s, info.me_last_txnid, most);
	c->page_room = room_minus(bound, live + held);
	c->page_spare = room_minus(room_most(s), live + held);
	c->held_back = held > reserve / 2 && live + held > bound + reserve / 4;
	/* To make room takes room, and where the disk is full that must never be the last. */
	if (s->headroom.is_full && c->page_spare < HEADROOM_PAGES / 2)
		c->held_back = true;
	c->file_room = room_files(s, pages, files, taken > live ? taken : live);
}

/* No disk tells of a quota before it refuses a file: then they may have what they had, for a while.
 */
static uint64_t
room_of_quota(const struct change *c)
{
	struct store *s = c->store;
	uint64_t files = c->state.file_bytes + c->state.doomed_bytes + s->spilled_bytes;

	if (s->files_refused_ms != 0 && clock_mono_ms() - s->files_refused_ms > ROOM_QUOTA_MS)
		s->files_refused_ms = 0;
	if (s->files_refused_ms == 0 || fault_is("file-quota"))
		return UINT64_MAX;
	if (s->files_most == 0)
		s->files_most = files;
	return room_minus(s->files_most, files);
}

void
room_measure_disk(struct change *c)
{
	uint64_t disk = room_minus(headroom_disk(c->store), ROOM_DISK_BYTES);
	uint64_t quota = room_of_quota(c), room = disk < quota ? disk : quota;

	if (c->file_room > room)
		c->file_room = room;
}

uint64_t
room_pages(uint64_t bytes)
{
	return chunk_count(bytes) + ROOM_PATH_PAGES;
}

bool
room_take(struct change *c, uint64_t bytes, uint64_t file_bytes)
{
	uint64_t pages = room_pages(bytes);

	if (pages > c->page_room || file_bytes > c->file_room)
		return false;
	c->page_room -= pages;
	c->file_room -= file_bytes;
	return true;
}
