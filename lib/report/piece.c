/* piece.c -- The pieces that the JSON of this folder is put together from. */
#include "report/piece.h"

#include "route/scopetext.h"

/* The fields of every variant, in the order in which lib/route/plan.h lays them down. */
static const char *const piece_variant_parts[] = { "scheme", "host", "backend", "path", "query" };

/* From here on a value that is there has "=" before it. */
enum { PIECE_PATH = 3, PIECE_QUERY = 4 };

json_t *
piece_printed(struct buf *text)
{
	json_t *json = buf_error(text) == 0 ? piece_text(buf_as_slice(text)) : NULL;

	if (json == NULL || !json_is_null(json)) {
		buf_free(text);
		return json;
	}
	json_decref(json);
	return json_string("");
}

json_t *
piece_text(struct slice text)
{
	struct buf plain = { 0 };

	if (text.at == NULL)
		return json_null();
	json_t *json = json_stringn(text.at, text.len);
	if (json != NULL)
		return json;
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.at[i] < 0x80)
			buf_char(&plain, text.at[i]);
		else
			buf_printf(&plain, "\\x%02x", (unsigned char)text.at[i]);
	}
	json = buf_error(&plain) == 0 ? json_stringn(plain.data, plain.len) : NULL;
	buf_free(&plain);
	return json;
}

json_t *
piece_number(uint64_t number)
{
	return json_integer((json_int_t)number);
}

json_t *
piece_key(const struct routes *routes, const struct tuple *key)
{
	struct buf text = { 0 };

	key_print(routes, key, &text);
	return piece_printed(&text);
}

json_t *
piece_scopes(const struct routes *routes, const struct scope *scopes, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		struct buf text = { 0 };
		scope_print(routes, scopes[i], &text);
		piece_append(&array, piece_printed(&text));
	}
	return array;
}

void
piece_append(json_t **array, json_t *item)
{
	if (*array == NULL) {
		json_decref(item);
	} else if (json_array_append_new(*array, item) != 0) {
		json_decref(*array);
		*array = NULL;
	}
}

void
piece_append_pair(json_t **array, struct slice name, struct slice value)
{
	piece_append(array, json_pack("[o, o]", piece_text(name), piece_text(value)));
}

static json_t *
piece_tags(struct slice tags)
{
	json_t *array = json_array();
	struct slice tag;

	while (tags.len > 0 && tuple_next(&tags, &tag) == 0)
		piece_append(&array, piece_text(tag));
	return array;
}

/* ---- Variants ------------------------------------------------------------------------------- */

/* Entries of all queries that a response calls one have this in the query's place. */
static bool
piece_is_any_query(struct slice part)
{
	return slice_equal(part, SLICE("?"));
}

/* Without the mark that tells an empty value from an absent one. */
static struct slice
piece_optional(struct slice marked)
{
	if (marked.len == 0 || piece_is_any_query(marked))
		return (struct slice){ NULL, 0 };
	return (struct slice){ marked.at + 1, marked.len - 1 };
}

/* The name of part `i` of a variant: the bloat's language, cookies and fields come last. */
static void
piece_name_part(const struct bloat *bloat, size_t i, struct buf *name)
{
	const struct config_bloat *c = bloat == NULL ? NULL : bloat_config(bloat);

	buf_clear(name);
	if (i < COUNT(piece_variant_parts)) {
		buf_text(name, piece_variant_parts[i]);
		return;
	}
	i -= COUNT(piece_variant_parts);
	bool speaks = c != NULL && c->lang.n > 0;
	if (speaks && i == 0) {
		buf_text(name, "language");
		return;
	}
	i -= speaks;
	if (c != NULL && i < c->cookie.n)
		buf_printf(name, "cookie %s", c->cookie.items[i].text);
	else if (c != NULL && i - c->cookie.n < c->vary.n)
		buf_text(name, c->vary.items[i - c->cookie.n].text);
	else
		buf_text(name, "other");
}

/* What vary_values() made: a line for each name, "-" for an absent field, "+" before a value. */
static void
piece_append_vary(json_t **array, struct slice names, struct slice lines)
{
	while (names.at != NULL && lines.len > 0) {
		struct slice name = slice_cut(&names, ' '), line = slice_cut(&lines, '\n');
		bool absent = line.len == 0 || line.at[0] == '-';
		piece_append_pair(
		    array, name, absent ? (struct slice){ NULL, 0 } : piece_optional(line));
	}
}

json_t *
piece_variant(const struct bloat *bloat, struct slice variant, struct slice vary)
{
	json_t *array = json_array();
	struct buf name = { 0 };
	struct slice part;

	for (size_t i = 0; variant.len > 0 && tuple_next(&variant, &part) == 0; i++) {
		if (vary.len > 0 && variant.len == 0) {
			piece_append_vary(&array, vary, part);
			break;
		}
		piece_name_part(bloat, i, &name);
		piece_append_pair(
		    &array, buf_as_slice(&name), i < PIECE_QUERY ? part : piece_optional(part));
	}
	buf_free(&name);
	return array;
}

/* The path, and the query if any, that a variant belongs to. */
static json_t *
piece_path(struct slice variant)
{
	struct slice part, path = SLICE(""), query = { NULL, 0 };
	struct buf text = { 0 };

	for (int i = 0; i <= PIECE_QUERY && tuple_next(&variant, &part) == 0; i++) {
		if (i == PIECE_PATH)
			path = part;
		else if (i == PIECE_QUERY)
			query = piece_optional(part);
	}
	buf_slice(&text, path);
	if (query.at != NULL) {
		buf_char(&text, '?');
		buf_slice(&text, query);
	}
	return piece_printed(&text);
}

/* ---- Entries -------------------------------------------------------------------------------- */

/* Words for where an entry stands; a request is answered with "fresh" and "grace". */
static const char *
piece_state(const struct store_entry *entry, int64_t age_s, enum store_life life)
{
	if (life == STORE_DEAD)
		return "deflated";
	switch (storing_freshness(&entry->aging, age_s, life == STORE_SOFT)) {
	case FRESHNESS_FRESH:
		return "fresh";
	case FRESHNESS_GRACE:
		return "grace";
	case FRESHNESS_ERROR_ONLY:
	case FRESHNESS_STALE:
		break;
	}
	return "stale";
}

json_t *
piece_standing(struct store_reader *reader, const struct tuple *key,
    const struct store_entry *entry, int64_t now_s)
{
	struct store_judgement judgement =
	    store_judge(reader, STORE_DOOR_HIT, entry->sequence, key, entry->tags);
	/* A clock that went back makes nothing younger than it was. */
	int64_t since_s = now_s > entry->response_s ? now_s - entry->response_s : 0;
	int64_t age_s = entry->aging.age_s + since_s, ttl_s = entry->aging.lifetime_s - age_s;

	/* A deflate ends the lifetime. */
	if (judgement.life != STORE_ALIVE && ttl_s > 0)
		ttl_s = 0;
	return json_pack("{s:i, s:I, s:I, s:s, s:o, s:o, s:o, s:o}", "status", (int)entry->status,
	    "age", (json_int_t)age_s, "ttl", (json_int_t)ttl_s, "state",
	    piece_state(entry, age_s, judgement.life), "sequence", piece_number(entry->sequence),
	    "deflated_by", judgement.life == STORE_ALIVE ? json_null() : piece_number(judgement.by),
	    "bytes", piece_number(entry->body_bytes), "tags", piece_tags(entry->tags));
}

/* Names are bytes: in hexadecimal they pass through JSON and URLs. */
static json_t *
piece_name(struct slice name)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < name.len; i++)
		buf_printf(&text, "%02x", (unsigned char)name.at[i]);
	return piece_printed(&text);
}

json_t *
piece_entry(const struct routes *routes, struct store_reader *reader, struct slice name,
    const struct store_entry *entry, int64_t now_s)
{
	struct tuple key;

	if (tuple_decode(entry->key, &key) != 0)
		return NULL;
	json_t *json = json_pack("{s:o, s:o, s:o}", "name", piece_name(name), "key",
	    piece_key(routes, &key), "path", piece_path(entry->variant));
	json_t *standing = piece_standing(reader, &key, entry, now_s);
	if (json != NULL && (standing == NULL || json_object_update(json, standing) != 0)) {
		json_decref(json);
		json = NULL;
	}
	json_decref(standing);
	return json;
}
