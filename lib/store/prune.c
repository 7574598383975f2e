/* prune.c -- The floor: what lets old deflates be forgotten without anything old coming back. */
#include "store/store_internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { PRUNE_BATCH = 2048, PRUNE_NAME_MAX = 511, PRUNE_PAUSE_NS = 500000 };

/* Where the next batch begins. */
struct prune_place {
	size_t len; /* 0: at the start. */
	bool ended;
	char name[PRUNE_NAME_MAX];
};

static uint64_t
prune_last(MDB_val value)
{
	struct deflated row;

	/* A damaged row makes what it covers dead for as long as it is there. */
	if (deflated_decode(value, &row) != 0)
		return UINT64_MAX;
	return row.hard > row.soft ? row.hard : row.soft;
}

static int
prune_compare(const void *a, const void *b)
{
	uint64_t left, right;

	memcpy(&left, a, sizeof(left));
	memcpy(&right, b, sizeof(right));
	return (left > right) - (left < right);
}

static int
prune_median_in(const struct store *s, MDB_txn *txn, uint64_t *median)
{
	MDB_cursor *cursor = NULL;
	MDB_stat stat;
	MDB_val key, value;
	size_t n = 0;
	uint64_t *last = NULL;
	int rc = mdb_stat(txn, s->tables[TABLE_DEFLATED], &stat);

	if (rc == 0)
		rc = mdb_cursor_open(txn, s->tables[TABLE_DEFLATED], &cursor);
	if (rc == 0)
		last = malloc((stat.ms_entries + 1) * sizeof(*last));
	if (rc != 0 || last == NULL)
		goto out;
	while (n < stat.ms_entries && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
		last[n++] = prune_last(value);
	qsort(last, n, sizeof(*last), prune_compare);
	*median = n == 0 ? 0 : last[n / 2];
out:
	if (cursor != NULL)
		mdb_cursor_close(cursor);
	if (rc == 0 && last == NULL)
		rc = ENOMEM;
	free(last);
	return store_error(rc);
}

static int
prune_median(const struct store *s, uint64_t *median)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return store_error(rc);
	rc = prune_median_in(s, txn, median);
	mdb_txn_abort(txn);
	return rc;
}

/* Look at one batch of rows from `place` on. A row of sequence d kills what is older than d; with a
 * floor of d or more that is dead without it. */
static int
prune_rows(struct change *c, MDB_cursor *cursor, struct prune_place *place)
{
	MDB_val key = { place->len, place->name }, value;
	int rc = mdb_cursor_get(cursor, &key, &value, place->len > 0 ? MDB_SET_RANGE : MDB_FIRST);

	for (int i = 0; rc == 0 && i < PRUNE_BATCH; i++) {
		if (prune_last(value) <= c->state.floor)
			rc = mdb_cursor_del(cursor, 0);
		if (rc == 0)
			rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	place->ended = rc == MDB_NOTFOUND;
	if (rc == 0) {
		place->len = key.mv_size < PRUNE_NAME_MAX ? key.mv_size : PRUNE_NAME_MAX;
		memcpy(place->name, key.mv_data, place->len);
	}
	return rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

/* The floor and the rows it stands for change together. */
static int
prune_batch(struct store *s, uint64_t floor, struct prune_place *place)
{
	struct change c;
	MDB_cursor *cursor;
	int rc = change_begin(s, &c);

	if (rc != 0)
		return rc;
	if (floor > c.state.sequence)
		floor = c.state.sequence;
	if (floor > c.state.floor)
		c.state.floor = floor;
	rc = store_error(mdb_cursor_open(c.txn, s->tables[TABLE_DEFLATED], &cursor));
	if (rc == 0) {
		rc = prune_rows(&c, cursor, place);
		mdb_cursor_close(cursor);
	}
	if (rc == 0)
		return change_commit(&c);
	change_abort(&c);
	return rc;
}

int
prune_run(struct store *s)
{
	const struct timespec pause = { .tv_nsec = PRUNE_PAUSE_NS };
	struct prune_place place = { 0 };
	uint64_t floor = 0;
	int rc = prune_median(s, &floor);

	if (rc == 0)
		log_info("store %s: many deflates are recorded: what was fetched before deflate "
			 "%llu is forgotten",
		    s->path, (unsigned long long)floor);
	while (rc == 0 && !place.ended) {
		rc = prune_batch(s, floor, &place);
		nanosleep(&pause, NULL);
	}
	return rc;
}
