/* search.c -- Which parts of a query do not matter to a response (No-Vary-Search). */
#include "http/search.h"

#include "base/buf.h"
#include "http/structured.h"
#include "http/target.h"

#include <errno.h>
#include <stdlib.h>

/*
 * A rule is two letters and names, each behind "&": whether the order of parameters matters ('o')
 * or not ('-'); and whether those named are left out ('x'), or all others are ('*').
 */
enum { SEARCH_LETTERS = 2 };

/* The members that a rule is made of, as the last of each key said them. */
struct search_said {
	struct structured_member key_order, params, except;
	bool has_key_order, has_params, has_except;
};

/* In one spelling, in which "&" and "=" separate, and which decodes to what it was made of. */
static void
search_put(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (memchr("%&=+", text.at[i], 4) != NULL)
			buf_printf(out, "%%%02X", (unsigned char)text.at[i]);
		else
			buf_slice(out, (struct slice){ text.at + i, 1 });
	}
}

/* ---- The rule ------------------------------------------------------------------------------- */

/* Returns: 0; -EINVAL for what is no dictionary. */
static int
search_read(struct slice value, struct search_said *said)
{
	struct structured_member member;
	int rc;

	*said = (struct search_said){ .has_params = false };
	while ((rc = structured_next(&value, &member)) == 1) {
		if (slice_equal(member.key, SLICE("key-order"))) {
			said->key_order = member;
			said->has_key_order = true;
		} else if (slice_equal(member.key, SLICE("params"))) {
			said->params = member;
			said->has_params = true;
		} else if (slice_equal(member.key, SLICE("except"))) {
			said->except = member;
			said->has_except = true;
		}
	}
	return rc;
}

/* A list of strings. One with an escape in it is not read: no name needs it. Returns: 0; -EINVAL;
 * -ENOMEM. */
static int
search_put_names(const struct structured_member *list, struct arena *arena, struct buf *out)
{
	struct structured_member item;
	struct slice rest = list->text, name;

	if (list->type != STRUCTURED_LIST)
		return -EINVAL;
	while (structured_item(&rest, &item) == 1) {
		if (item.type != STRUCTURED_STRING ||
		    (item.text.len > 0 && memchr(item.text.at, '\\', item.text.len) != NULL))
			return -EINVAL;
		int rc = http_form_decode(item.text, arena, &name);
		if (rc != 0)
			return rc;
		buf_text(out, "&");
		search_put(out, name);
	}
	return 0;
}

/* Section "parse a URL search variance". Returns: 0; -EINVAL where all of a query matters;
 * -ENOMEM. */
static int
search_put_rule(const struct search_said *said, struct arena *arena, struct buf *out)
{
	const struct structured_member *params = &said->params;
	bool ordered = true, all = false;

	if (said->has_key_order) {
		if (said->key_order.type != STRUCTURED_BOOLEAN)
			return -EINVAL;
		ordered = !said->key_order.boolean;
	}
	if (said->has_params && params->type == STRUCTURED_BOOLEAN)
		all = params->boolean;
	if (said->has_except && !all)
		return -EINVAL;
	buf_text(out, ordered ? "o" : "-");
	buf_text(out, all ? "*" : "x");
	if (said->has_except)
		return search_put_names(&said->except, arena, out);
	if (said->has_params && params->type != STRUCTURED_BOOLEAN) {
		int rc = search_put_names(params, arena, out);
		return rc == 0 && ordered && out->len == SEARCH_LETTERS ? -EINVAL : rc;
	}
	return ordered && !all ? -EINVAL : 0;
}

int
search_rule(const struct http_fields *response, struct arena *arena, struct slice *out)
{
	const struct slice name = SLICE("no-vary-search");
	struct search_said said;
	struct buf rule = { 0 };

	*out = SLICE("");
	if (http_fields_find(response, name) == NULL)
		return 0;
	struct slice value = http_fields_join(response, name, arena);
	if (value.at == NULL)
		return -ENOMEM;
	int rc = value.len > SEARCH_RULE_MAX ? -EINVAL : search_read(value, &said);
	if (rc == 0)
		rc = search_put_rule(&said, arena, &rule);
	if (rc == 0)
		rc = buf_error(&rule);
	if (rc == 0) {
		*out = (struct slice){ arena_copy(arena, buf_as_slice(&rule)), rule.len };
		rc = out->at == NULL ? -ENOMEM : 0;
	}
	buf_free(&rule);
	return rc == -EINVAL ? 0 : rc;
}

/* ---- Queries -------------------------------------------------------------------------------- */

struct search_pair {
	struct slice name;  /* Decoded. */
	struct slice value; /* Decoded. */
	size_t at;          /* Its place in the query. */
};

/* Returns: 1; 0; -ENOMEM. */
static int
search_is_named(struct slice rule, struct slice name)
{
	struct buf spelled = { 0 };
	bool found = false;

	search_put(&spelled, name);
	int rc = buf_error(&spelled);
	(void)slice_cut(&rule, '&'); /* The letters. */
	while (rule.at != NULL && !found)
		found = slice_equal(slice_cut(&rule, '&'), buf_as_slice(&spelled));
	buf_free(&spelled);
	return rc != 0 ? rc : found;
}

static int
search_compare(const void *a, const void *b)
{
	const struct search_pair *x = a, *y = b;
	size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = len == 0 ? 0 : memcmp(x->name.at, y->name.at, len);

	if (order == 0)
		order = (x->name.len > y->name.len) - (x->name.len < y->name.len);
	return order != 0 ? order : (x->at > y->at) - (x->at < y->at);
}

/* The parameters that matter. Returns: 0; -EINVAL; -ENOMEM. */
static int
search_split(struct slice rule, struct slice query, struct arena *arena, struct search_pair *pairs,
    size_t *n)
{
	const int kept = rule.at[1] == '*'; /* Those named matter, or all others do. */
	struct slice rest = query;

	*n = 0;
	for (size_t at = 0; rest.at != NULL; at++) {
		struct slice value = slice_cut(&rest, '&'), name;
		if (value.len == 0)
			continue;
		int rc = http_form_decode(slice_cut(&value, '='), arena, &name);
		if (rc == 0)
			rc = search_is_named(rule, name);
		if (rc < 0)
			return rc;
		if (rc != kept)
			continue;
		if (*n == SEARCH_PAIRS_MAX)
			return -EINVAL;
		pairs[*n] = (struct search_pair){ .name = name, .at = at };
		rc =
		    http_form_decode(value.at == NULL ? SLICE("") : value, arena, &pairs[*n].value);
		if (rc != 0)
			return rc;
		(*n)++;
	}
	return 0;
}

int
search_reduce(struct slice rule, struct slice query, struct arena *arena, struct slice *out)
{
	struct search_pair pairs[SEARCH_PAIRS_MAX];
	struct buf text = { 0 };
	size_t n;

	if (rule.len < SEARCH_LETTERS)
		return -EINVAL;
	int rc = search_split(rule, query, arena, pairs, &n);
	if (rc != 0)
		return rc;
	if (rule.at[0] == '-')
		qsort(pairs, n, sizeof(pairs[0]), search_compare);
	for (size_t i = 0; i < n; i++) {
		search_put(&text, pairs[i].name);
		buf_text(&text, "=");
		search_put(&text, pairs[i].value);
		buf_text(&text, "&");
	}
	rc = buf_error(&text);
	if (rc == 0)
		*out = (struct slice){ arena_copy(arena, buf_as_slice(&text)), text.len };
	buf_free(&text);
	return rc == 0 && out->at == NULL ? -ENOMEM : rc;
}
