/* validation.c -- Conditional requests answered from a stored response (RFC 9110 section 13). */
#include "http/validation.h"

#include "http/chars.h"
#include "http/date.h"

/* etagc of RFC 9110 section 8.8.3: no blank, no quote, obs-text allowed. */
static bool
validation_is_etagc(char c)
{
	return !chars_is_control(c) && c != ' ' && c != '"';
}

/* Take an entity-tag off `*rest`; without one, what looked like it. Returns: its opaque-tag with
 * the quotes, or at == NULL. */
static struct slice
validation_take_etag(struct slice *rest)
{
	struct slice s = *rest;
	size_t start = s.len >= 2 && s.at[0] == 'W' && s.at[1] == '/' ? 2 : 0, i = start + 1;
	struct slice opaque = { NULL, 0 };

	if (s.len <= start || s.at[start] != '"')
		return opaque;
	while (i < s.len && validation_is_etagc(s.at[i]))
		i++;
	if (i < s.len && s.at[i] == '"') {
		i++;
		opaque = (struct slice){ s.at + start, i - start };
	}
	*rest = (struct slice){ s.at + i, s.len - i };
	return opaque;
}

/* The opaque-tag of `etag`, at == NULL where it is not well-formed. */
static struct slice
validation_opaque(struct slice etag)
{
	struct slice rest = etag, opaque = validation_take_etag(&rest);

	return rest.len == 0 ? opaque : (struct slice){ NULL, 0 };
}

bool
http_etag_is_valid(struct slice etag)
{
	return validation_opaque(etag).at != NULL;
}

bool
http_etag_match_weak(struct slice a, struct slice b)
{
	struct slice left = validation_opaque(a), right = validation_opaque(b);

	return left.at != NULL && right.at != NULL && slice_equal(left, right);
}

/* An entity-tag may contain commas, so the list is read tag by tag, not cut at them first. */
static bool
validation_list_has(struct slice list, struct slice opaque)
{
	struct slice rest = list;

	while (rest.len > 0) {
		rest = slice_trim(rest);
		struct slice tag = validation_take_etag(&rest);
		struct slice behind = slice_trim(slice_cut(&rest, ','));
		if (tag.at != NULL && behind.len == 0 && slice_equal(tag, opaque))
			return true;
	}
	return false;
}

bool
http_not_modified(struct slice if_none_match, struct slice if_modified_since, struct slice etag,
    struct slice last_modified, int64_t now_s)
{
	int64_t since_s, modified_s;

	if (if_none_match.at != NULL) {
		/* `*` is any representation, and there is one (RFC 9110 section 13.1.2). */
		if (slice_equal(slice_trim(if_none_match), SLICE("*")))
			return true;
		struct slice opaque = validation_opaque(etag);
		return opaque.at != NULL && validation_list_has(if_none_match, opaque);
	}
	if (if_modified_since.at == NULL || last_modified.at == NULL)
		return false;
	return http_date_parse(if_modified_since, now_s, &since_s) == 0 &&
	       http_date_parse(last_modified, now_s, &modified_s) == 0 && modified_s <= since_s;
}

bool
http_field_is_for_304(struct slice name)
{
	static const char *const names[] = {
		"cache-control",
		"content-location",
		"date",
		"etag",
		"expires",
		"vary",
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (slice_equal_nocase(name, slice_of(names[i])))
			return true;
	}
	return false;
}
