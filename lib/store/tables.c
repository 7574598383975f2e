/* tables.c -- The tables of a store: made, opened, and how much they take. */
#include "store/place.h"
#include "store/store_internal.h"

#include <errno.h>
#include <stdio.h>

/* LMDB's own two are of free pages and of tables. */
enum { TABLES_FREE = 0, TABLES_MAIN = 1 };

static const struct {
	const char *name;
	unsigned flags;
} tables_rows[TABLE_COUNT] = {
	[TABLE_META] = { "meta", 0 },
	[TABLE_ENTRY] = { "entry", 0 },
	[TABLE_CHUNK] = { "chunk", MDB_INTEGERKEY },
	[TABLE_DEFLATED] = { "deflated", 0 },
	[TABLE_QUEUE] = { "queue", MDB_INTEGERKEY },
	[TABLE_INTENT] = { "intent", MDB_INTEGERKEY },
	[TABLE_TRASH] = { "trash", MDB_INTEGERKEY },
	[TABLE_FILE] = { "file", MDB_INTEGERKEY },
	[TABLE_DOOMED] = { "doomed", MDB_INTEGERKEY },
};

uint64_t
tables_pages(const struct store *s, MDB_txn *txn)
{
	uint64_t pages = 0;
	MDB_stat stat;

	for (MDB_dbi table = TABLES_FREE; table <= TABLES_MAIN; table++) {
		if (mdb_stat(txn, table, &stat) == 0)
			pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	}
	for (int i = 0; i < TABLE_COUNT; i++) {
		if (mdb_stat(txn, s->tables[i], &stat) == 0)
			pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	}
	return pages;
}

static int
tables_open_in(struct store *s, MDB_txn *txn, unsigned flags)
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < TABLE_COUNT; i++)
		rc = mdb_dbi_open(
		    txn, tables_rows[i].name, tables_rows[i].flags | flags, &s->tables[i]);
	return rc;
}

int
tables_open(struct store *s, char *why)
{
	struct meta_state state;
	MDB_stat stat;
	MDB_txn *txn;
	int rc = reader_begin_first(s, &txn);

	/* What LMDB says where the same process number runs in another container. */
	if (rc == EAGAIN || rc == EACCES)
		return store_say(s, -EIO, why, "a process with our number uses it from elsewhere");
	if (rc != 0)
		return store_say(s, store_error(rc), why, mdb_strerror(rc));
	rc = mdb_stat(txn, TABLES_MAIN, &stat);
	if (rc == 0 && stat.ms_entries == 0) {
		mdb_txn_abort(txn);
		return -ENOENT;
	}
	rc = mdb_dbi_open(txn, tables_rows[TABLE_META].name, 0, &s->tables[TABLE_META]);
	rc = rc == 0 ? meta_read(s, txn, &state) : -EINVAL;
	s->id = rc == 0 ? state.id : 0;
	if (rc == 0)
		rc = store_error(tables_open_in(s, txn, 0));
	if (rc != 0) {
		mdb_txn_abort(txn);
		return store_say(s, -EINVAL, why, "of another version of Dory, or damaged");
	}
	/* Table handles live on where the transaction is committed. */
	rc = mdb_txn_commit(txn);
	return rc == 0 ? 0 : store_say(s, store_error(rc), why, mdb_strerror(rc));
}

int
tables_make(struct store *s, char *why)
{
	struct meta_state state;
	uint64_t id = 0;
	MDB_txn *txn = NULL;
	int rc = meta_draw_id(&id);

	meta_init(&state, id);
	s->id = id;
	/* Its name first: a deflate must not be acknowledged by a file that may be gone tomorrow,
	 * or, where an older store was moved away, be that one again. */
	if (rc == 0)
		rc = -place_sync(s->path);
	if (rc == 0)
		rc = mdb_txn_begin(s->env, NULL, 0, &txn);
	if (rc == 0)
		rc = tables_open_in(s, txn, MDB_CREATE);
	if (rc == 0)
		rc = meta_write(s, txn, &state);
	if (rc == 0) {
		rc = mdb_txn_commit(txn);
		txn = NULL;
	}
	if (rc == 0)
		rc = mdb_env_sync(s->env, 1);
	mdb_txn_abort(txn);
	s->made = rc == 0;
	if (rc == 0)
		return 0;
	snprintf(why, STORE_WHY_SIZE, "store %s: cannot begin a new store: %s", s->path,
	    rc < 0 && rc > -4096 ? strerror(-rc) : mdb_strerror(rc));
	return store_error(rc);
}
