/* room.c -- What room is left under the cap: pages for the tables, and disk for body files. */
#include "store/bodyfile.h"

/*
 * `size` bounds what is on disk: data.mdb at its longest, for LMDB gives no page back, and the body
 * files, those that wait to be unlinked included.
 *
 * Deflates must find room where entries find none any more, and what a transaction frees can be
 * used only two transactions later: a part of the map is kept for these.
 */
enum { ROOM_RESERVE_PAGES = 1024, ROOM_RESERVE_SHARE = 50, ROOM_RESERVE_MOST = 8 };

/* What the tables have once taken, files never get: a part of the disk is theirs from the start. */
enum { ROOM_FILES_SHARE = 8 };

/* Pages that a transaction touches on the way to an entry, at most: a path in each of four tables.
 */
enum { ROOM_PATH_PAGES = 16 };

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

/* How long data.mdb may grow, less what its transactions need to turn over. */
static uint64_t
room_tables(const struct store *s, uint64_t pages, uint64_t files)
{
	bool has_files = s->bodies_fd >= 0 && s->body_file_min > 0;
	uint64_t kept = has_files ? pages / ROOM_FILES_SHARE : 0;

	return room_minus(pages, (files > kept ? files : kept) + room_reserve(pages));
}

void
room_measure(struct change *c)
{
	const struct store *s = c->store;
	uint64_t pages = s->size_bytes / s->page_bytes, reserve = room_reserve(pages);
	uint64_t files = (c->state.file_bytes + c->state.doomed_bytes) / s->page_bytes;
	uint64_t live = store_live_pages(s, c->txn), bound = room_tables(s, pages, files);
	MDB_envinfo info;
	uint64_t taken = mdb_env_info(s->env, &info) == 0 ? info.me_last_pgno + 1 : pages;

	/* Where the file may grow no more, a part of what it has must stay free instead. */
	if (taken > bound + reserve)
		bound = room_minus(taken, reserve) < pages ? room_minus(taken, reserve) : pages;
	c->page_room = room_minus(bound, live);
	c->file_room = room_minus(pages, files + reserve + (taken > live ? taken : live));
	c->file_room *= s->page_bytes;
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
