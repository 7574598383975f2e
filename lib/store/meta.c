/* meta.c -- The store's numbers: version, sequence, floor, and which bloats are off. */
#include "store/store_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <xxhash.h>

static const uint32_t meta_magic = 0x53726f44; /* "DorS" */
enum { META_VERSION = 3, META_NAME_MAX = 400, META_INTENT_SHIFT = 24 };

static uint64_t
meta_checksum(const struct meta_state *state)
{
	return XXH3_64bits(&state->magic, sizeof(*state) - sizeof(state->checksum));
}

int
meta_draw_id(uint64_t *out)
{
	uint64_t id;

	if (getrandom(&id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	*out = id | 1;
	return 0;
}

void
meta_init(struct meta_state *state, uint64_t id)
{
	*state = (struct meta_state){
		.magic = meta_magic,
		.version = META_VERSION,
		.id = id,
		.next_body = 1,
		.next_queue = 1,
		/* A note of another store must not be taken for one of this. */
		.next_intent = 1 + (id >> META_INTENT_SHIFT << META_INTENT_SHIFT) / 2,
	};
}

int
meta_read(const struct store *s, MDB_txn *txn, struct meta_state *out)
{
	int rc = meta_read_stored(s, txn, out);

	if (rc == 0)
		brink_merge(s, out);
	return rc;
}

int
meta_read_stored(const struct store *s, MDB_txn *txn, struct meta_state *out)
{
	MDB_val key = store_value(SLICE("state")), value;
	struct meta_state state;
	int rc = mdb_get(txn, s->tables[TABLE_META], &key, &value);

	if (rc != 0)
		return store_error(rc);
	if (value.mv_size < sizeof(state))
		return -EINVAL;
	memcpy(&state, value.mv_data, sizeof(state));
	if (state.magic != meta_magic || state.version != META_VERSION ||
	    value.mv_size != sizeof(state))
		return -EINVAL;
	if (state.checksum != meta_checksum(&state))
		return -EIO;
	*out = state;
	return 0;
}

int
meta_write(const struct store *s, MDB_txn *txn, const struct meta_state *state)
{
	struct meta_state checked = *state;
	MDB_val key = store_value(SLICE("state"));
	MDB_val value = { sizeof(checked), &checked };

	checked.checksum = meta_checksum(&checked);
	return store_error(mdb_put(txn, s->tables[TABLE_META], &key, &value, 0));
}

/* Returns the length, 0 where the name is too long to be a bloat's. */
static size_t
meta_switch_name(const char *bloat, char *name, size_t size)
{
	int len = snprintf(name, size, "off:%s", bloat);

	return len < 0 || (size_t)len >= size ? 0 : (size_t)len;
}

bool
meta_bloat_disabled(const struct store *s, MDB_txn *txn, const char *bloat)
{
	char name[META_NAME_MAX];
	MDB_val key = { meta_switch_name(bloat, name, sizeof(name)), name }, value;

	return key.mv_size > 0 && mdb_get(txn, s->tables[TABLE_META], &key, &value) == 0;
}

int
meta_switch(struct change *c, const char *bloat, bool enable)
{
	char name[META_NAME_MAX];
	MDB_val key = { meta_switch_name(bloat, name, sizeof(name)), name }, value = { 0, NULL };
	MDB_dbi table = c->store->tables[TABLE_META];

	if (key.mv_size == 0)
		return -E2BIG;
	if (meta_bloat_disabled(c->store, c->txn, bloat) == !enable)
		return 0;
	c->state.switches++;
	int rc =
	    enable ? mdb_del(c->txn, table, &key, NULL) : mdb_put(c->txn, table, &key, &value, 0);
	return store_error(rc);
}
