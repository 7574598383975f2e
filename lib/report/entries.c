/* entries.c -- What is stored: pages of entries, and all variants of one key. */
#include "report/piece.h"

#include "http/chars.h"

/* A list that is being filled from a walk. */
struct entries {
	const struct routes *routes;
	struct store_reader *reader;
	int64_t now_s;
	size_t left;             /* So many more go on this page. */
	bool more;               /* There is an entry past the page. */
	const struct tuple *key; /* Of report_variants(). */
	json_t *list;            /* NULL: memory is out. */
};

/* ---- Pages ---------------------------------------------------------------------------------- */

static bool
entries_add(void *context, struct slice name, const struct store_entry *entry)
{
	struct entries *e = context;
	struct tuple key;

	if (entry->kind != STORE_ENTRY_RESPONSE || tuple_decode(entry->key, &key) != 0)
		return true;
	if (e->left == 0) {
		e->more = true;
		return false;
	}
	e->left--;
	piece_append(&e->list, piece_entry(e->routes, e->reader, name, entry, e->now_s));
	return e->list != NULL;
}

/* The bytes of a name that was written in hexadecimal. Returns false where it wasn't. */
static bool
entries_read_name(struct slice text, struct buf *out)
{
	for (size_t i = 0; i + 1 < text.len; i += 2) {
		int high = chars_hex(text.at[i]), low = chars_hex(text.at[i + 1]);
		if (high < 0 || low < 0)
			return false;
		buf_char(out, (char)(high << 4 | low));
	}
	return text.len % 2 == 0;
}

/* Where the next page begins: behind the last entry of this one. */
static json_t *
entries_next(const struct entries *e)
{
	size_t n = json_array_size(e->list);

	if (!e->more || n == 0)
		return json_null();
	return json_incref(json_object_get(json_array_get(e->list, n - 1), "name"));
}

json_t *
report_entries(const struct routes *routes, struct store_reader *reader, struct scope scope,
    struct slice after, size_t limit, int64_t now_s)
{
	struct entries e = { routes, reader, now_s, .left = limit, .list = json_array() };
	struct buf name = { 0 };
	int rc = 0;

	if (entries_read_name(after, &name) && buf_error(&name) == 0)
		rc = store_walk(reader, scope, buf_as_slice(&name), entries_add, &e);
	rc = rc == 0 ? buf_error(&name) : rc;
	buf_free(&name);
	if (rc != 0 || e.list == NULL) {
		json_decref(e.list);
		return NULL;
	}
	json_t *next = entries_next(&e);
	return json_pack("{s:o, s:o}", "entries", e.list, "next", next);
}

/* ---- Variants of one key -------------------------------------------------------------------- */

/* A stored head is "Status: 200" and then the fields, each line ending in CR LF. */
static json_t *
entries_fields(struct slice head)
{
	json_t *array = json_array();
	struct http_field field;

	slice_cut(&head, '\n');
	while (http_head_next(&head, &field, NULL))
		if (field.value.at != NULL)
			piece_append_pair(&array, field.name, field.value);
	return array;
}

static json_t *
entries_variant(const struct entries *e, struct slice name, const struct store_entry *entry)
{
	const struct bloat *bloat = routes_bloat_of_prefix(e->routes, tuple_field(e->key, 0));
	const struct storing *aging = &entry->aging;
	json_t *json = piece_entry(e->routes, e->reader, name, entry, e->now_s);
	json_t *more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o}", "fetched_at",
	    (json_int_t)entry->response_s, "lifetime", (json_int_t)aging->lifetime_s, "grace",
	    (json_int_t)aging->grace_s, "stale_if_error", (json_int_t)aging->stale_if_error_s,
	    "keep", (json_int_t)aging->keep_s, "no_cache", (int)aging->revalidate_always, "variant",
	    piece_variant(bloat, entry->variant, entry->vary), "fields",
	    entries_fields(entry->head));

	if (json != NULL && (more == NULL || json_object_update(json, more) != 0)) {
		json_decref(json);
		json = NULL;
	}
	json_decref(more);
	return json;
}

static bool
entries_add_variant(void *context, struct slice name, const struct store_entry *entry)
{
	struct entries *e = context;

	if (entry->kind != STORE_ENTRY_RESPONSE || !slice_equal(entry->key, e->key->bytes))
		return true;
	piece_append(&e->list, entries_variant(e, name, entry));
	return e->list != NULL;
}

json_t *
report_variants(const struct routes *routes, struct store_reader *reader, const struct tuple *key,
    int64_t now_s)
{
	struct entries e = { routes, reader, now_s, .key = key, .list = json_array() };
	struct scope scope = { SCOPE_KEY, key->bytes };

	if (store_walk(reader, scope, (struct slice){ NULL, 0 }, entries_add_variant, &e) != 0) {
		json_decref(e.list);
		return NULL;
	}
	return json_pack("{s:o, s:o}", "key", piece_key(routes, key), "variants", e.list);
}
