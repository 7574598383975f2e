/* select.c -- The stored response that a request selects (RFC 9111 section 4.1). */
#include "store/select.h"

#include "base/buf.h"
#include "http/search.h"
#include "http/vary.h"

#include <errno.h>

int
select_varied(struct slice variant, struct slice values, struct arena *arena, struct slice *out)
{
	struct buf full = { 0 };

	buf_slice(&full, variant);
	tuple_append(&full, values);
	int rc = buf_error(&full);
	if (rc == 0)
		*out = (struct slice){ arena_copy(arena, buf_as_slice(&full)), full.len };
	buf_free(&full);
	return rc == 0 && out->at == NULL ? -ENOMEM : rc;
}

static int
select_make_varied(struct selection *s, struct slice names)
{
	struct slice values;
	int rc = vary_values(names, s->request, s->arena, &values);

	s->by_language = vary_language(names, s->request).at != NULL;
	return rc != 0 ? rc : select_varied(s->variant, values, s->arena, &s->varied);
}

static int
select_find_language(struct selection *s, struct store_entry record)
{
	struct slice language = vary_language(record.vary, s->request);

	if (language.at == NULL)
		return -ENOENT;
	s->entry = record;
	s->n_pieces = s->room;
	return store_find_language(s->reader, s->key, language, &s->entry, s->pieces, &s->n_pieces);
}

int
select_find(struct selection *s)
{
	s->n_pieces = s->room;
	int rc = store_find(s->reader, s->key, s->variant, &s->entry, s->pieces, &s->n_pieces);
	if (rc != 0 || s->entry.kind != STORE_ENTRY_VARY)
		return rc;
	struct store_entry record = s->entry;
	rc = select_make_varied(s, record.vary);
	if (rc != 0)
		return rc;
	s->n_pieces = s->room;
	rc = store_find(s->reader, s->key, s->varied, &s->entry, s->pieces, &s->n_pieces);
	return rc == -ENOENT ? select_find_language(s, record) : rc;
}

/* As in the plan's variants "=" stands before what is there. */
static void
select_put(struct buf *out, struct buf *field, struct slice text)
{
	buf_clear(field);
	buf_char(field, '=');
	buf_slice(field, text);
	tuple_append(out, buf_as_slice(field));
}

int
select_search_variant(struct slice signpost, struct slice rule, struct slice query,
    struct arena *arena, struct slice *out)
{
	struct buf full = { 0 }, field = { 0 };
	struct slice reduced;
	int rc = search_reduce(rule, query, arena, &reduced);

	if (rc != 0)
		return rc;
	buf_slice(&full, signpost);
	select_put(&full, &field, rule);
	select_put(&full, &field, reduced);
	rc = buf_error(&field) != 0 ? -ENOMEM : buf_error(&full);
	if (rc == 0)
		*out = (struct slice){ arena_copy(arena, buf_as_slice(&full)), full.len };
	buf_free(&field);
	buf_free(&full);
	return rc == 0 && out->at == NULL ? -ENOMEM : rc;
}

int
select_find_search(struct selection *s, struct slice signpost, struct slice query)
{
	if (signpost.at == NULL)
		return -ENOENT;
	s->n_pieces = s->room;
	int rc = store_find(s->reader, s->key, signpost, &s->entry, s->pieces, &s->n_pieces);
	if (rc != 0 || s->entry.kind != STORE_ENTRY_SEARCH)
		return rc == -ENOMEM ? rc : -ENOENT;
	rc = select_search_variant(signpost, s->entry.vary, query, s->arena, &s->variant);
	if (rc == 0)
		rc = select_find(s);
	return rc == -EINVAL ? -ENOENT : rc;
}
