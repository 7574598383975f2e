/* evictdead.c -- Entries that are dead already, looked for before the living must go. */
#include "store/evict.h"

#include "base/clock.h"

#include <errno.h>

enum { EVICTDEAD_SEARCH = 512, EVICTDEAD_PAUSE_S = 60 };

/* Look without the write lock: which rows are of dead entries? Returns how many. */
static size_t
evictdead_find(
    const struct store *s, MDB_txn *txn, struct evict_search *search, uint64_t *dead, bool *more)
{
	struct meta_state state;
	struct judge_view view = { s, txn, &state };
	int64_t now_s = clock_wall_s();
	struct entry_name name;
	struct record record;
	size_t n = 0;
	int rc = meta_read(s, txn, &state);

	for (unsigned i = 0; rc == 0 && i < EVICTDEAD_SEARCH; i++) {
		uint64_t number = search->next;
		enum evict_half half = evict_half_of(number);
		rc = evict_seek(s, txn, half, &number, &name);
		if (rc == -ENOENT && half == EVICT_PAGES) {
			search->next = entry_queue_files;
			rc = 0;
			continue;
		}
		if (rc != 0)
			break;
		search->next = number + 1;
		if (entry_get(s, txn, &name, &record) == 0 &&
		    evict_is_dead(&view, &record.entry, now_s))
			dead[n++] = number;
	}
	*more = rc == 0;
	return n;
}

/* They are looked at again, under the lock. */
static int
evictdead_remove(struct store *s, const uint64_t *dead, size_t n)
{
	struct evict_batch b;
	struct entry_name name;
	int rc = evict_begin(s, &b);

	if (rc != 0)
		return rc;
	if (b.change.held_back)
		return evict_end(&b, -ENOSPC);
	for (size_t i = 0; rc == 0 && i < n && b.change.freed + b.gone < b.most; i++) {
		uint64_t number = dead[i];
		rc = evict_seek(s, b.change.txn, evict_half_of(number), &number, &name);
		if (rc == 0 && number == dead[i])
			rc = evict_look(&b, number, &name, true);
		else if (rc == -ENOENT)
			rc = 0;
	}
	return evict_end(&b, rc);
}

/* Is it so full that the dead had better go before the living must? */
static bool
evictdead_is_worth_it(const struct store *s, MDB_txn *txn)
{
	struct meta_state state;

	if (meta_read(s, txn, &state) != 0)
		return false;
	uint64_t used = tables_pages(s, txn) * s->page_bytes + state.file_bytes;
	return s->headroom.is_full || used > s->size_bytes / 4 * 3;
}

bool
evictdead_run(struct store *s, struct evict_search *search)
{
	uint64_t dead[EVICTDEAD_SEARCH];
	int64_t now_s = clock_wall_s();
	bool more = false;
	size_t n = 0;
	MDB_txn *txn;

	if (search->next == 0 && now_s >= search->began_s &&
	    now_s - search->began_s < EVICTDEAD_PAUSE_S)
		return false;
	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return false;
	if (search->next == 0)
		search->began_s = now_s;
	if (evictdead_is_worth_it(s, txn))
		n = evictdead_find(s, txn, search, dead, &more);
	mdb_txn_abort(txn);
	if (n > 0 && evictdead_remove(s, dead, n) != 0)
		more = false;
	if (!more)
		search->next = 0;
	return more;
}
