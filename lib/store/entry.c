/* entry.c -- The table of entries: names, look-up, and what goes in and out with an entry. */
#include "store/bodyfile.h"

#include <errno.h>
#include <xxhash.h>

/* A leaf of the table and the page above it have a new version, and the old ones are free. */
enum { ENTRY_FREED = 2 };

enum { ENTRY_PREFIX_MAX = 400, ENTRY_NAME_END = sizeof(XXH128_canonical_t) };

struct slice
entry_prefix(struct slice key)
{
	return (struct slice){ key.at, key.len < ENTRY_PREFIX_MAX ? key.len : ENTRY_PREFIX_MAX };
}

void
entry_name_end(struct slice variant, char *out)
{
	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits(variant.at, variant.len));
	memcpy(out, hash.digest, sizeof(hash.digest));
}

static void
entry_name_append(struct entry_name *name, struct slice bytes)
{
	memcpy(name->bytes + name->len, bytes.at, bytes.len);
	name->len += bytes.len;
}

void
entry_name_with(const struct tuple *key, const char *end, struct entry_name *out)
{
	struct slice prefix = entry_prefix(key->bytes);
	char hash[ENTRY_NAME_END];

	out->len = 0;
	entry_name_append(out, prefix);
	if (prefix.len < key->bytes.len) {
		entry_name_end(key->bytes, hash);
		entry_name_append(out, (struct slice){ hash, sizeof(hash) });
	}
	entry_name_append(out, (struct slice){ end, ENTRY_NAME_END });
}

void
entry_name(const struct tuple *key, struct slice variant, struct entry_name *out)
{
	char end[ENTRY_NAME_END];

	entry_name_end(variant, end);
	entry_name_with(key, end, out);
}

static MDB_val
entry_key(const struct entry_name *name)
{
	return store_value((struct slice){ name->bytes, name->len });
}

int
entry_get(const struct store *s, MDB_txn *txn, const struct entry_name *name, struct record *out)
{
	MDB_val key = entry_key(name), value;
	int rc = mdb_get(txn, s->tables[TABLE_ENTRY], &key, &value);

	return rc == 0 ? record_decode(store_slice(value), out) : store_error(rc);
}

int
entry_drop_number(struct change *c, uint64_t queue)
{
	MDB_val key = { sizeof(queue), &queue };
	int rc = mdb_del(c->txn, c->store->tables[TABLE_QUEUE], &key, NULL);

	return rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

/* A new entry's number is its half's highest: it is looked at last. One that is stored anew keeps
 * its place, unless its body became a file, or stopped being one. */
static int
entry_put_number(struct change *c, const struct entry_name *name, struct record *r)
{
	uint64_t half = r->entry.body_file != 0 ? entry_queue_files : 0, old = r->queue;

	if (old != 0 && (old & entry_queue_files) == half)
		return 0;
	int rc = old != 0 ? entry_drop_number(c, old) : 0;
	if (rc != 0)
		return rc;
	r->queue = c->state.next_queue++ | half;
	visited_take(c->store, r->queue);
	MDB_val key = { sizeof(r->queue), &r->queue }, value = entry_key(name);
	return store_error(mdb_put(c->txn, c->store->tables[TABLE_QUEUE], &key, &value, 0));
}

static int
entry_put_head(struct change *c, struct record *r)
{
	r->head_id = c->state.next_body++;
	return chunk_put(c, r->head_id, r->entry.head, &r->head_hash);
}

static int
entry_put_body(struct change *c, struct record *r)
{
	if (r->entry.body_id != 0 || r->entry.body.len == 0)
		return 0;
	r->entry.body_id = c->state.next_body++;
	return chunk_put(c, r->entry.body_id, r->entry.body, &r->body_hash);
}

/* The body moves out first; a head moves only where it does not fit without a body. */
static int
entry_put_chunks(struct change *c, struct record *r)
{
	int rc = 0;

	r->head_id = 0;
	if (record_size(r) > RECORD_PAGE)
		rc = entry_put_body(c, r);
	if (rc == 0 && record_size(r) > RECORD_PAGE && r->head_bytes > 0)
		rc = entry_put_head(c, r);
	return rc;
}

int
entry_put(struct change *c, const struct entry_name *name, struct record *r)
{
	int rc = entry_put_chunks(c, r);

	c->freed += ENTRY_FREED;
	if (rc == 0)
		rc = entry_put_number(c, name, r);
	if (rc != 0)
		return rc;
	MDB_val key = entry_key(name), value = { record_size(r), NULL };
	rc = mdb_put(c->txn, c->store->tables[TABLE_ENTRY], &key, &value, MDB_RESERVE);
	if (rc == 0)
		record_encode(r, value.mv_data);
	return store_error(rc);
}

int
entry_drop_chunks(struct change *c, const struct record *old, bool keep_body)
{
	int rc = chunk_drop(c, old->head_id, old->head_bytes);

	if (rc == 0 && !keep_body)
		rc = chunk_drop(c, old->entry.body_id, old->entry.body_bytes);
	if (rc == 0 && !keep_body)
		rc = bodyfile_doom(c, old);
	return rc;
}

int
entry_remove(struct change *c, const struct entry_name *name)
{
	struct record old;
	MDB_val key = entry_key(name);
	int rc = entry_get(c->store, c->txn, name, &old);

	/* What a bad record says about chunks and its number cannot be believed. */
	if (rc == 0) {
		rc = entry_drop_chunks(c, &old, false);
		if (rc == 0)
			rc = entry_drop_number(c, old.queue);
	}
	if (rc == 0 || rc == -EBADMSG || rc == -ENOENT)
		rc = store_error(mdb_del(c->txn, c->store->tables[TABLE_ENTRY], &key, NULL));
	return rc == -ENOENT ? 0 : rc;
}
