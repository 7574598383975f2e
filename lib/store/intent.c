/* intent.c -- Notes of what writes under way will deflate, carried out where their process died. */
#include "store/store_internal.h"

#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Followed by two fields a scope, tuple-encoded: its kind in one byte, its bytes. */
struct intent_fixed {
	struct owner owner;
	uint64_t soft;
	char by[32];
};

enum { INTENT_SCOPES_MAX = 4096, INTENT_BATCH = 256 };

static MDB_dbi
intent_table(const struct store *s)
{
	return s->tables[TABLE_INTENT];
}

int
intent_put(struct change *c, struct store_job *job)
{
	struct buf note = { 0 };
	struct intent_fixed fixed = { c->store->self, job->soft, { 0 } };
	uint64_t number = c->state.next_intent;

	snprintf(fixed.by, sizeof(fixed.by), "%s", job->by == NULL ? "" : job->by);
	buf_append(&note, &fixed, sizeof(fixed));
	for (size_t i = 0; i < job->n_scopes; i++) {
		char kind = (char)job->scopes[i].kind;
		tuple_append(&note, (struct slice){ &kind, 1 });
		tuple_append(&note, job->scopes[i].bytes);
	}
	int rc = buf_error(&note);
	if (rc == 0) {
		MDB_val key = { sizeof(number), &number };
		MDB_val value = store_value(buf_as_slice(&note));
		rc = store_error(mdb_put(c->txn, intent_table(c->store), &key, &value, MDB_APPEND));
	}
	buf_free(&note);
	if (rc != 0)
		return rc;
	c->state.next_intent++;
	c->durable = true;
	job->intent = number;
	return 0;
}

int
intent_delete(struct change *c, uint64_t number)
{
	MDB_val key = { sizeof(number), &number };
	int rc = mdb_del(c->txn, intent_table(c->store), &key, NULL);

	/* Gone already: taken for a dead process's. What it announced has been deflated then. */
	c->durable = true;
	return rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

/* Returns how many scopes were read; -EINVAL where the note is damaged. */
static int
intent_parse(struct slice note, struct intent_fixed *fixed, struct scope *scopes)
{
	struct slice rest, kind, bytes;
	int n = 0;

	if (note.len < sizeof(*fixed))
		return -EINVAL;
	memcpy(fixed, note.at, sizeof(*fixed));
	fixed->by[sizeof(fixed->by) - 1] = '\0';
	rest = (struct slice){ note.at + sizeof(*fixed), note.len - sizeof(*fixed) };
	while (rest.len > 0) {
		if (n == INTENT_SCOPES_MAX || tuple_next(&rest, &kind) != 0 || kind.len != 1 ||
		    kind.at[0] < SCOPE_ALL || kind.at[0] > SCOPE_TAG ||
		    tuple_next(&rest, &bytes) != 0)
			return -EINVAL;
		scopes[n] = (struct scope){ (enum scope_kind)kind.at[0], bytes };
		if (deflated_check(scopes[n++]) != 0)
			return -EINVAL;
	}
	return n;
}

static bool
intent_is_dead(const struct store *s, MDB_val note)
{
	struct owner owner;

	/* Too short to have an owner: nobody will end it but us. */
	if (note.mv_size < sizeof(struct intent_fixed))
		return true;
	memcpy(&owner, note.mv_data, sizeof(owner));
	return owner_is_dead(&owner, &s->self);
}

/* The numbers of at most INTENT_BATCH notes of dead processes. Returns: how many; -EIO. */
static int
intent_list_dead(const struct store *s, MDB_txn *txn, uint64_t *numbers)
{
	MDB_cursor *cursor;
	MDB_val key, note;
	int n = 0, rc = mdb_cursor_open(txn, intent_table(s), &cursor);

	if (rc != 0)
		return store_error(rc);
	rc = mdb_cursor_get(cursor, &key, &note, MDB_FIRST);
	for (; rc == 0 && n < INTENT_BATCH; rc = mdb_cursor_get(cursor, &key, &note, MDB_NEXT)) {
		if (intent_is_dead(s, note) && key.mv_size == sizeof(*numbers))
			memcpy(&numbers[n++], key.mv_data, sizeof(*numbers));
	}
	mdb_cursor_close(cursor);
	return rc == 0 || rc == MDB_NOTFOUND ? n : store_error(rc);
}

/* Look without the write lock: nearly always there is nothing to do. */
static int
intent_peek_dead(const struct store *s, uint64_t *numbers)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return store_error(rc);
	int n = intent_list_dead(s, txn, numbers);
	mdb_txn_abort(txn);
	return n;
}

static int
intent_carry_out(struct change *c, uint64_t number, struct scope *scopes)
{
	const struct scope all = { SCOPE_ALL, { NULL, 0 } };
	struct intent_fixed fixed = { .by = "damaged intent" };
	struct buf copy = { 0 };
	MDB_val key = { sizeof(number), &number }, note;
	int rc = mdb_get(c->txn, intent_table(c->store), &key, &note);

	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : store_error(rc);
	buf_append(&copy, note.mv_data, note.mv_size);
	rc = buf_error(&copy);
	if (rc == 0) {
		int n = intent_parse(buf_as_slice(&copy), &fixed, scopes);
		log_warn("store %s: a process (pid %lld) ended before its write did; deflating "
			 "what it announced: %d scopes, \"%s\"",
		    c->store->path, (long long)fixed.owner.pid, n < 0 ? 1 : n, fixed.by);
		/* What cannot be read may have meant anything. */
		rc = n < 0 ? deflated_put(c, &all, 1, false, fixed.by)
			   : deflated_put(c, scopes, (size_t)n, fixed.soft != 0, fixed.by);
	}
	buf_free(&copy);
	return rc == 0 ? intent_delete(c, number) : rc;
}

static int
intent_recover_in(struct change *c)
{
	uint64_t numbers[INTENT_BATCH];
	struct scope *scopes = malloc(INTENT_SCOPES_MAX * sizeof(*scopes));

	if (scopes == NULL)
		return -ENOMEM;
	/* Another process may have been here first: look again, under the lock. */
	int n = intent_list_dead(c->store, c->txn, numbers);
	int rc = n < 0 ? n : 0;
	for (int i = 0; rc == 0 && i < n; i++)
		rc = intent_carry_out(c, numbers[i], scopes);
	free(scopes);
	return rc;
}

int
intent_recover(struct store *s)
{
	uint64_t numbers[INTENT_BATCH];
	struct change c;
	int n = fault_is("intent") ? 0 : intent_peek_dead(s, numbers);

	while (n > 0) {
		int rc = change_begin(s, &c);
		if (rc != 0)
			return rc;
		rc = intent_recover_in(&c);
		if (rc != 0) {
			change_abort(&c);
			return rc;
		}
		rc = change_commit(&c);
		if (rc != 0)
			return rc;
		n = n < INTENT_BATCH ? 0 : intent_peek_dead(s, numbers);
	}
	return n;
}
