/* reader.c -- Snapshots, and entries found and checked in them. */
#include "store/store_internal.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

int
reader_begin_first(struct store *s, MDB_txn **out)
{
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, out);
	int dead = 0;

	if (rc == MDB_READERS_FULL && mdb_reader_check(s->env, &dead) == 0 && dead > 0)
		rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, out);
	return rc;
}

int
reader_bind(struct store_reader *r, struct store *s)
{
	int rc = store_error(reader_begin_first(s, &r->txn));

	if (rc == 0)
		rc = store_error(mdb_cursor_open(r->txn, s->tables[TABLE_CHUNK], &r->chunks));
	r->store = s;
	if (rc != 0)
		reader_unbind(r);
	else
		mdb_txn_reset(r->txn);
	return rc;
}

void
reader_unbind(struct store_reader *r)
{
	if (r->chunks != NULL)
		mdb_cursor_close(r->chunks);
	if (r->txn != NULL)
		mdb_txn_abort(r->txn);
	r->chunks = NULL;
	r->txn = NULL;
	r->store = NULL;
	r->active = r->held = false;
}

int
store_reader_new(struct store *s, struct store_reader **out)
{
	struct store_reader *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	int rc = reader_bind(r, s);
	if (rc != 0) {
		store_reader_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void
store_reader_free(struct store_reader *r)
{
	if (r == NULL)
		return;
	if (r->keeper != NULL)
		keeper_forget(r);
	reader_unbind(r);
	arena_fini(&r->heads);
	free(r);
}

static int
reader_failed(struct store_reader *r, const char *doing, int rc)
{
	metric_add(METRIC_STORE_ERRORS, 1);
	/* It would be said for every request. */
	if (!r->store->failing)
		log_error("store %s: %s: %s", r->store->path, doing, strerror(-rc));
	r->store->failing = true;
	return rc == -EAGAIN ? -EAGAIN : -EIO;
}

static int
reader_begin(struct store_reader *r)
{
	int rc = health_is_gone(r->store) ? -ENOENT : store_error(mdb_txn_renew(r->txn));

	if (rc != 0)
		return reader_failed(r, "beginning to read", rc);
	rc = meta_read(r->store, r->txn, &r->state);
	if (rc != 0) {
		mdb_txn_reset(r->txn);
		return reader_failed(r, "reading its numbers", rc);
	}
	if (r->store->failing)
		r->store->failing = false;
	r->active = true;
	return 0;
}

int
store_read_begin(struct store_reader *r)
{
	/* The mistake that others make, for the test that would find it: a snapshot used again. */
	if (r->active && fault_is("snapshot"))
		return 0;
	store_read_end(r);
	r->active = r->held;
	if (r->held)
		return 0;
	int rc = r->keeper == NULL ? 0 : keeper_enter(r);
	if (rc != 0)
		return rc;
	rc = reader_begin(r);
	r->held = rc == 0 && r->shared;
	if (rc != 0)
		atomic_store(&r->busy, false);
	return rc;
}

static void
reader_let_go(struct store_reader *r)
{
	mdb_txn_reset(r->txn);
	atomic_store(&r->busy, false);
}

void
store_read_end(struct store_reader *r)
{
	if (!r->active || fault_is("snapshot"))
		return;
	arena_reset(&r->heads);
	r->active = false;
	if (!r->held)
		reader_let_go(r);
}

void
store_read_share(struct store_reader *r)
{
	r->shared = true;
}

void
store_read_unshare(struct store_reader *r)
{
	/* A snapshot that those get too who arrive later. */
	if (fault_is("snapshot") || fault_is("share"))
		return;
	store_read_end(r);
	r->shared = false;
	if (r->held)
		reader_let_go(r);
	r->held = false;
}

uint64_t
store_id(const struct store_reader *r)
{
	return r->state.id;
}

const struct store *
store_of(const struct store_reader *r)
{
	return r->store;
}

uint64_t
store_sequence(const struct store_reader *r)
{
	return r->state.sequence;
}

uint64_t
store_snapshot(const struct store_reader *r)
{
	return mdb_txn_id(r->txn);
}

uint64_t
store_switches(const struct store_reader *r)
{
	return r->state.switches;
}

bool
store_bloat_disabled(struct store_reader *r, const char *bloat)
{
	return meta_bloat_disabled(r->store, r->txn, bloat);
}

struct store_judgement
store_judge(struct store_reader *r, enum store_door door, uint64_t sequence,
    const struct tuple *key, struct slice tags)
{
	struct judge_view view = { r->store, r->txn, &r->state };

	return judge_in(&view, door, sequence, key, tags);
}

/* A head is one slice: put together where it lies in several chunks. */
static const char *
reader_join(struct arena *arena, const struct iovec *pieces, size_t n, size_t bytes)
{
	char *head = arena_alloc(arena, bytes);
	size_t at = 0;

	for (size_t i = 0; head != NULL && i < n; i++) {
		memcpy(head + at, pieces[i].iov_base, pieces[i].iov_len);
		at += pieces[i].iov_len;
	}
	return head;
}

int
reader_fetch_head(struct store_reader *r, struct record *record, struct arena *arena)
{
	struct iovec pieces[(RECORD_HEAD_MAX + RECORD_PAGE - 1) / RECORD_PAGE];
	size_t n = COUNT(pieces);

	if (record->head_id == 0)
		return 0;
	int rc = store_error(mdb_cursor_renew(r->txn, r->chunks));
	if (rc == 0)
		rc = chunk_gather(
		    r->chunks, record->head_id, record->head_bytes, record->head_hash, pieces, &n);
	if (rc != 0)
		return rc;
	const char *head =
	    n == 1 ? pieces[0].iov_base : reader_join(arena, pieces, n, record->head_bytes);
	if (head == NULL)
		return -ENOMEM;
	record_place_head(record, head);
	return 0;
}

static int
reader_fetch_body(
    struct store_reader *r, const struct record *record, struct iovec *body, size_t *n_body)
{
	const struct store_entry *e = &record->entry;

	if (e->body_file != 0) {
		*n_body = 0;
		return 0;
	}
	if (e->body_id == 0) {
		size_t n = e->body_bytes > 0;
		if (n > *n_body)
			return -E2BIG;
		if (n > 0)
			body[0] = (struct iovec){ store_value(e->body).mv_data, e->body.len };
		*n_body = n;
		return 0;
	}
	int rc = store_error(mdb_cursor_renew(r->txn, r->chunks));
	if (rc != 0)
		return rc;
	return chunk_gather(r->chunks, e->body_id, e->body_bytes, record->body_hash, body, n_body);
}

/* What a failed look-up means to the caller. */
static int
reader_account(struct store_reader *r, int rc)
{
	switch (rc) {
	case 0:
	case -ENOENT:
	case -E2BIG:
		return rc;
	case -EBADMSG:
		metric_add(METRIC_BAD_RECORDS, 1);
		log_warn("store %s: a record failed its check; it is not used", r->store->path);
		return rc;
	default:
		return reader_failed(r, "finding an entry", rc);
	}
}

int
reader_find(struct store_reader *r, const struct entry_name *name, const struct tuple *key,
    struct store_entry *out, struct iovec *body, size_t *n_body)
{
	struct record record;
	int rc = entry_get(r->store, r->txn, name, &record);

	if (rc == 0 && !slice_equal(record.entry.key, key->bytes))
		rc = -ENOENT;
	if (rc == 0)
		rc = reader_fetch_head(r, &record, &r->heads);
	if (rc == 0)
		rc = reader_fetch_body(r, &record, body, n_body);
	if (rc == 0) {
		*out = record.entry;
		out->body_hash = record.body_hash;
		visited_mark(r->store, record.queue);
	}
	return reader_account(r, rc);
}

int
store_find(struct store_reader *r, const struct tuple *key, struct slice variant,
    struct store_entry *out, struct iovec *body, size_t *n_body)
{
	struct entry_name name;

	entry_name(key, variant, &name);
	int rc = reader_find(r, &name, key, out, body, n_body);
	return rc == 0 && !slice_equal(out->variant, variant) ? -ENOENT : rc;
}
