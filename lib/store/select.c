/* select.c -- The stored response that a request selects (RFC 9111 section 4.1). */
#include "store/select.h"

#include "base/buf.h"
#include "http/vary.h"

#include <errno.h>

static int
select_make_varied(struct selection *s, struct slice names)
{
	struct buf full = { 0 };
	struct slice values;
	int rc = vary_values(names, s->request, s->arena, &values);

	if (rc != 0)
		return rc;
	buf_slice(&full, s->variant);
	tuple_append(&full, values);
	rc = buf_error(&full);
	if (rc == 0)
		s->varied = (struct slice){ arena_copy(s->arena, buf_as_slice(&full)), full.len };
	buf_free(&full);
	return rc == 0 && s->varied.at == NULL ? -ENOMEM : rc;
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
