/* chunk.c -- Heads and bodies that do not fit their record: one overflow page a piece. */
#include "store/store_internal.h"

#include <errno.h>
#include <xxhash.h>

enum {
	CHUNK_NUMBER_BITS = 24,
	CHUNK_NOW_MAX = 64,    /* More chunks than this are left to the trash, */
	CHUNK_FREED_MAX = 400, /* and so is what would take a transaction beyond this. */
};

uint64_t
chunk_count(uint64_t bytes)
{
	return (bytes + RECORD_PAGE - 1) / RECORD_PAGE;
}

static uint64_t
chunk_key(uint64_t id, uint64_t number)
{
	return id << CHUNK_NUMBER_BITS | number;
}

/* Each piece's hash is the seed of the next one's: no order but the right one gives the same. */
static uint64_t
chunk_hash(uint64_t hash, const void *at, size_t len)
{
	return XXH3_64bits_withSeed(at, len, hash);
}

int
chunk_put(struct change *c, uint64_t id, struct slice bytes, uint64_t *hash)
{
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(c->txn, c->store->tables[TABLE_CHUNK], &cursor);
	if (rc != 0)
		return store_error(rc);
	*hash = 0;
	for (size_t at = 0, number = 0; rc == 0 && at < bytes.len; number++) {
		size_t left = bytes.len - at;
		uint64_t number_key = chunk_key(id, number);
		MDB_val key = { sizeof(number_key), &number_key };
		MDB_val value = { left < RECORD_PAGE ? left : RECORD_PAGE, NULL };
		/* Ids only grow, so every chunk is the table's last. */
		rc = mdb_cursor_put(cursor, &key, &value, MDB_APPEND | MDB_RESERVE);
		if (rc == 0) {
			memcpy(value.mv_data, bytes.at + at, value.mv_size);
			*hash = chunk_hash(*hash, bytes.at + at, value.mv_size);
		}
		at += value.mv_size;
	}
	mdb_cursor_close(cursor);
	return store_error(rc);
}

int
chunk_delete(struct change *c, uint64_t id, uint64_t from, uint64_t to)
{
	int rc = 0;

	for (uint64_t number = from; number < to && (rc == 0 || rc == MDB_NOTFOUND); number++) {
		uint64_t number_key = chunk_key(id, number);
		MDB_val key = { sizeof(number_key), &number_key };
		rc = mdb_del(c->txn, c->store->tables[TABLE_CHUNK], &key, NULL);
		c->freed++;
	}
	return rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

int
chunk_drop(struct change *c, uint64_t id, uint64_t bytes)
{
	uint64_t n = chunk_count(bytes);

	if (id == 0 || n == 0)
		return 0;
	if (n > CHUNK_NOW_MAX || c->freed + n > CHUNK_FREED_MAX) {
		c->trashed += n;
		return trash_add(c, id, n);
	}
	return chunk_delete(c, id, 0, n);
}

/* One piece: there, with the right number and the right length. */
static int
chunk_get(MDB_cursor *chunks, uint64_t want, size_t len, MDB_cursor_op op, struct iovec *out)
{
	uint64_t number = want;
	MDB_val key = { sizeof(number), &number }, value;
	int rc = mdb_cursor_get(chunks, &key, &value, op);

	if (rc == MDB_NOTFOUND)
		return -EBADMSG;
	if (rc != 0)
		return store_error(rc);
	if (key.mv_size != sizeof(number) || value.mv_size != len)
		return -EBADMSG;
	memcpy(&number, key.mv_data, sizeof(number));
	*out = (struct iovec){ value.mv_data, value.mv_size };
	return number == want ? 0 : -EBADMSG;
}

int
chunk_gather(
    MDB_cursor *chunks, uint64_t id, uint64_t bytes, uint64_t hash, struct iovec *pieces, size_t *n)
{
	uint64_t count = chunk_count(bytes), left = bytes, found = 0;

	if (count > *n)
		return -E2BIG;
	for (uint64_t i = 0; i < count; i++) {
		size_t len = left < RECORD_PAGE ? (size_t)left : RECORD_PAGE;
		int rc = chunk_get(
		    chunks, chunk_key(id, i), len, i == 0 ? MDB_SET_KEY : MDB_NEXT, &pieces[i]);
		if (rc != 0)
			return rc;
		found = chunk_hash(found, pieces[i].iov_base, pieces[i].iov_len);
		left -= len;
	}
	*n = (size_t)count;
	return found == hash ? 0 : -EBADMSG;
}
