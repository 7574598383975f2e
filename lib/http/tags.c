/* tags.c -- The names under which an application groups its responses. */
#include "http/tags.h"

#include "key/tuple.h"

#include <errno.h>

enum tags_form { TAGS_STRINGS, TAGS_BLANKS, TAGS_COMMAS };

struct tags {
	struct buf *out;
	unsigned n;
	bool cut; /* One did not fit. */
};

static void
tags_take(struct tags *tags, struct slice tag)
{
	if (tag.len == 0)
		return;
	if (tag.len > HTTP_TAG_BYTES_MAX || tags->n == HTTP_TAGS_MAX) {
		tags->cut = true;
		return;
	}
	tuple_append(tags->out, tag);
	tags->n++;
}

/*
 * Read the sf-string whose opening quote is at `i` (RFC 8941 section 3.3.3), at most one byte more
 * than a tag may have. Returns where its closing quote is, or value.len without one.
 */
static size_t
tags_unquote(struct slice value, size_t i, char *text, size_t *len)
{
	*len = 0;
	for (i++; i < value.len && value.at[i] != '"'; i++) {
		if (value.at[i] == '\\' && i + 1 < value.len)
			i++;
		if (*len < HTTP_TAG_BYTES_MAX + 1)
			text[(*len)++] = value.at[i];
	}
	return i;
}

/* A list's members that are strings; their parameters and all other members are passed over. */
static void
tags_take_strings(struct tags *tags, struct slice value)
{
	char text[HTTP_TAG_BYTES_MAX + 1];
	bool begins = true; /* A member: nothing of it was seen. */
	size_t len;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];
		if (c == '"') {
			i = tags_unquote(value, i, text, &len);
			if (begins && i < value.len)
				tags_take(tags, (struct slice){ text, len });
		}
		begins = c == ',' || (begins && (c == ' ' || c == '\t'));
	}
}

static void
tags_append_value(struct tags *tags, struct slice value, enum tags_form form)
{
	if (form == TAGS_STRINGS) {
		tags_take_strings(tags, value);
		return;
	}
	while (value.at != NULL)
		tags_take(tags, slice_trim(slice_cut(&value, form == TAGS_BLANKS ? ' ' : ',')));
}

int
http_tags_append(const struct http_fields *response, struct buf *out)
{
	static const struct {
		struct slice name;
		enum tags_form form;
	} fields[] = {
		{ { "cache-groups", 12 }, TAGS_STRINGS },
		{ { "surrogate-key", 13 }, TAGS_BLANKS },
		{ { "xkey", 4 }, TAGS_BLANKS },
		{ { "cache-tag", 9 }, TAGS_COMMAS },
	};
	struct tags tags = { .out = out };

	for (size_t i = 0; i < response->n; i++) {
		for (size_t j = 0; j < COUNT(fields); j++) {
			if (slice_equal_nocase(response->items[i].name, fields[j].name))
				tags_append_value(&tags, response->items[i].value, fields[j].form);
		}
	}
	return tags.cut ? -E2BIG : 0;
}
