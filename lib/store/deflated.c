/* deflated.c -- The table of deflates: the last sequence that each scope was given. */
#include "store/store_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <xxhash.h>

struct deflated_row {
	struct deflated deflated;
	uint64_t checksum;
};
_Static_assert(sizeof(struct deflated_row) == 64, "no padding: every byte is checked");

int
deflated_check(struct scope scope)
{
	struct tuple key;

	return scope.kind == SCOPE_KEY ? tuple_decode(scope.bytes, &key) : 0;
}

/* The start of every key is everything: judged by one name. */
static size_t
deflated_name(struct scope scope, char *name)
{
	if (scope.kind == SCOPE_ALL || (scope.kind == SCOPE_KEY && scope.bytes.len == 0))
		scope = (struct scope){ SCOPE_ALL, { NULL, 0 } };
	return scope_name(scope, name);
}

int
deflated_decode(MDB_val value, struct deflated *out)
{
	struct deflated_row row;

	if (value.mv_size != sizeof(row))
		return -EIO;
	memcpy(&row, value.mv_data, sizeof(row));
	if (row.checksum != XXH3_64bits(&row.deflated, sizeof(row.deflated)))
		return -EIO;
	row.deflated.by[sizeof(row.deflated.by) - 1] = '\0';
	*out = row.deflated;
	return 0;
}

int
deflated_get(const struct store *s, MDB_txn *txn, struct scope scope, struct deflated *out)
{
	char name[SCOPE_NAME_MAX];
	MDB_val key = { deflated_name(scope, name), name }, value;
	int rc = mdb_get(txn, s->tables[TABLE_DEFLATED], &key, &value);

	return rc == 0 ? deflated_decode(value, out) : store_error(rc);
}

static int
deflated_put_one(struct change *c, struct scope scope, struct deflated next, bool soft)
{
	char name[SCOPE_NAME_MAX];
	struct deflated old = { 0 };
	MDB_val key = { deflated_name(scope, name), name };
	int rc = deflated_get(c->store, c->txn, scope, &old);

	/* A damaged row covered everything so far: let it go on doing so. */
	if (rc == -EIO)
		old.hard = c->state.sequence;
	else if (rc != 0 && rc != -ENOENT)
		return rc;
	if (soft)
		next.hard = old.hard;
	else
		next.soft = old.soft;
	struct deflated_row row = { next, XXH3_64bits(&next, sizeof(next)) };
	MDB_val value = { sizeof(row), &row };
	return store_error(mdb_put(c->txn, c->store->tables[TABLE_DEFLATED], &key, &value, 0));
}

int
deflated_put(struct change *c, const struct scope *scopes, size_t n, bool soft, const char *by)
{
	uint64_t sequence = ++c->state.sequence;
	struct deflated next = { sequence, sequence, clock_wall_s(), { 0 } };
	int rc = 0;

	snprintf(next.by, sizeof(next.by), "%s", by == NULL ? "" : by);
	c->durable = true;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = deflated_put_one(c, scopes[i], next, soft);
	return rc;
}
