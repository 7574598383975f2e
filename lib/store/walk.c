/* walk.c -- Looking around in a snapshot: entries one after the other, and totals. */
#include "store/store_internal.h"

#include <errno.h>

static bool
walk_has_tag(struct slice tags, struct slice tag)
{
	struct slice one;

	while (tags.len > 0 && tuple_next(&tags, &one) == 0) {
		if (slice_equal(one, tag))
			return true;
	}
	return false;
}

static bool
walk_covers(struct scope scope, const struct store_entry *entry)
{
	switch (scope.kind) {
	case SCOPE_ALL:
		return true;
	case SCOPE_KEY:
		return slice_starts_with(entry->key, scope.bytes);
	case SCOPE_TAG:
		return walk_has_tag(entry->tags, scope.bytes);
	}
	return false;
}

/* Go to the first name past `after` that may belong to the scope. */
static int
walk_seek(MDB_cursor *cursor, struct slice prefix, struct slice after, MDB_val *key, MDB_val *value)
{
	struct slice from = after.len > 0 ? after : prefix;

	if (from.len == 0)
		return mdb_cursor_get(cursor, key, value, MDB_FIRST);
	*key = store_value(from);
	int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
	if (rc == 0 && after.len > 0 && slice_equal(store_slice(*key), after))
		rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
	return rc;
}

int
store_walk(struct store_reader *r, struct scope scope, struct slice after,
    bool (*each)(void *context, struct slice name, const struct store_entry *entry), void *context)
{
	struct slice prefix = { NULL, 0 };
	struct arena heads = { 0 };
	MDB_cursor *cursor;
	MDB_val key, value;
	bool more = true;

	if (scope.kind == SCOPE_KEY)
		prefix = entry_prefix(scope.bytes);
	int rc = mdb_cursor_open(r->txn, r->store->tables[TABLE_ENTRY], &cursor);
	if (rc != 0)
		return store_error(rc);
	rc = walk_seek(cursor, prefix, after, &key, &value);
	while (rc == 0 && more && slice_starts_with(store_slice(key), prefix)) {
		struct record record;
		bool good = record_decode(store_slice(value), &record) == 0 &&
			    walk_covers(scope, &record.entry) &&
			    reader_fetch_head(r, &record, &heads) == 0;
		if (good)
			more = each(context, store_slice(key), &record.entry);
		arena_reset(&heads);
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	arena_fini(&heads);
	return rc == 0 || rc == MDB_NOTFOUND ? 0 : store_error(rc);
}

/* LMDB has no count of readers, only a list in words: a heading, then one line each. */
static int
walk_count_line(const char *line, void *context)
{
	unsigned *lines = context;

	(void)line;
	++*lines;
	return 0;
}

static uint64_t
walk_rows(const struct store_reader *r, enum store_table table)
{
	MDB_stat stat;

	return mdb_stat(r->txn, r->store->tables[table], &stat) == 0 ? stat.ms_entries : 0;
}

int
store_stat(struct store_reader *r, struct store_stat *out)
{
	MDB_envinfo info;
	unsigned lines = 0;
	int rc = mdb_env_info(r->store->env, &info);

	if (rc != 0)
		return store_error(rc);
	mdb_reader_list(r->store->env, walk_count_line, &lines);
	*out = (struct store_stat){
		.entries = walk_rows(r, TABLE_ENTRY),
		.deflated = walk_rows(r, TABLE_DEFLATED),
		.intents = walk_rows(r, TABLE_INTENT),
		.sequence = r->state.sequence,
		.floor = r->state.floor,
		.used_bytes = tables_pages(r->store, r->txn) * r->store->page_bytes +
			      r->state.file_bytes + r->state.doomed_bytes,
		.size_bytes = info.me_mapsize,
		.readers = lines > 0 ? lines - 1 : 0,
		.readers_max = info.me_maxreaders,
	};
	return 0;
}
