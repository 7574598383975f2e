/* trash.c -- Chunks nobody refers to any more, deleted a few at a time. */
#include "store/store_internal.h"

#include <errno.h>

/* LMDB keeps the list of the pages a transaction freed on one page while it is shorter than 509. */
enum { TRASH_BATCH = 450 };

int
trash_add(struct change *c, uint64_t id, uint64_t chunks)
{
	MDB_val key = { sizeof(id), &id }, value = { sizeof(chunks), &chunks };

	return store_error(mdb_put(c->txn, c->store->tables[TABLE_TRASH], &key, &value, 0));
}

/* The first row. Returns: 0; -ENOENT; -EIO. */
static int
trash_first(struct change *c, uint64_t *id, uint64_t *chunks)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(c->txn, c->store->tables[TABLE_TRASH], &cursor);

	if (rc != 0)
		return store_error(rc);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	if (rc == 0 && (key.mv_size != sizeof(*id) || value.mv_size != sizeof(*chunks)))
		rc = MDB_CORRUPTED;
	if (rc == 0) {
		memcpy(id, key.mv_data, sizeof(*id));
		memcpy(chunks, value.mv_data, sizeof(*chunks));
	}
	mdb_cursor_close(cursor);
	return store_error(rc);
}

static int
trash_sweep_some(struct change *c)
{
	uint64_t id = 0, chunks = 0;

	while (c->freed < TRASH_BATCH) {
		int rc = trash_first(c, &id, &chunks);
		if (rc != 0)
			return rc == -ENOENT ? 0 : rc;
		uint64_t room = TRASH_BATCH - c->freed;
		uint64_t now = chunks < room ? chunks : room;
		MDB_val key = { sizeof(id), &id };
		rc = chunk_delete(c, id, chunks - now, chunks);
		if (rc == 0 && now < chunks)
			return trash_add(c, id, chunks - now);
		if (rc == 0)
			rc =
			    store_error(mdb_del(c->txn, c->store->tables[TABLE_TRASH], &key, NULL));
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Seen without LMDB's lock: a process that lives for one hit must not wait for who has it. */
static bool
trash_is_empty(struct store *s)
{
	MDB_stat stat;
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return false;
	bool empty = mdb_stat(txn, s->tables[TABLE_TRASH], &stat) == 0 && stat.ms_entries == 0;
	mdb_txn_abort(txn);
	return empty;
}

int
trash_sweep(struct store *s, bool *more)
{
	struct change c;

	*more = false;
	if (trash_is_empty(s))
		return 0;
	int rc = change_begin(s, &c);
	if (rc != 0)
		return rc;
	/* It can wait for the reader that it would wait for. The next transaction tells of it anew.
	 */
	rc = c.held_back ? 0 : trash_sweep_some(&c);
	if (rc != 0 || c.held_back) {
		change_abort(&c);
		return rc;
	}
	rc = change_commit(&c);
	*more = rc == 0 && c.trash_rows > 0;
	return rc;
}
