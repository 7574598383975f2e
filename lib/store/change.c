/* change.c -- One write transaction, from taking the lock to being on disk. */
#include "store/trust.h"

#include "base/fault.h"

#include <errno.h>

static uint64_t
change_rows(struct change *c, enum store_table table)
{
	MDB_stat stat;

	return mdb_stat(c->txn, c->store->tables[table], &stat) == 0 ? stat.ms_entries : 0;
}

int
change_begin(struct store *s, struct change *out)
{
	struct change c = { .store = s };

	health_write_begins(s);
	int rc = store_error(mdb_txn_begin(s->env, NULL, 0, &c.txn));

	if (rc == 0)
		rc = meta_read_stored(s, c.txn, &c.before);
	if (rc != 0) {
		change_abort(&c);
		return rc == -ENOENT || rc == -EINVAL ? -EIO : rc;
	}
	c.state = c.before;
	brink_merge(s, &c.state);
	headroom_keep(s, c.before.sequence);
	room_measure(&c);
	*out = c;
	return 0;
}

int
change_commit(struct change *c)
{
	int rc = 0;

	/* A deflate that is acknowledged and not on disk. */
	if (c->state.sequence != c->before.sequence && fault_is("commit")) {
		change_abort(c);
		return 0;
	}
	/* What brink.c had: from now on it is here. */
	if (c->state.sequence != c->before.sequence)
		c->durable = true;
	if (memcmp(&c->state, &c->before, sizeof(c->state)) != 0)
		rc = meta_write(c->store, c->txn, &c->state);
	if (rc != 0) {
		change_abort(c);
		return rc;
	}
	c->deflated_rows = change_rows(c, TABLE_DEFLATED);
	c->trash_rows = change_rows(c, TABLE_TRASH);
	trust_commit_begins(c->store, c->before.sequence);
	rc = mdb_txn_commit(c->txn);
	trust_commit_ended(c->store, c->before.sequence);
	c->txn = NULL;
	c->committed = rc == 0;
	/* MDB_NOMETASYNC leaves the page that makes the commit count to the kernel. */
	if (rc == 0 && c->durable && !fault_is("sync"))
		rc = mdb_env_sync(c->store->env, 1);
	if (rc == 0 && c->state.sequence != c->before.sequence)
		trust_commit_ended(c->store, c->state.sequence);
	health_write_ends(c->store);
	return health_commit_error(c->store, rc);
}

void
change_abort(struct change *c)
{
	if (c->txn != NULL)
		mdb_txn_abort(c->txn);
	c->txn = NULL;
	health_write_ends(c->store);
}
