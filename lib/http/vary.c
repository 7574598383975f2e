/* vary.c -- Which request fields select among responses (RFC 9111 section 4.1). */
#include "http/vary.h"

#include "http/chars.h"
#include "http/preference.h"

#include <errno.h>
#include <strings.h>

/* Names as they came, in the order of their lower case, each once. */
struct vary_list {
	struct slice names[VARY_NAMES_MAX];
	size_t n;
	size_t bytes; /* With the blanks between them. */
};

static int
vary_compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = strncasecmp(a.at, b.at, len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
vary_add(struct vary_list *list, struct slice name)
{
	size_t i = 0;
	int order = 1;

	if (!http_is_token(name))
		return -EINVAL;
	while (i < list->n && (order = vary_compare(list->names[i], name)) < 0)
		i++;
	if (i < list->n && order == 0)
		return 0;
	if (list->n == VARY_NAMES_MAX)
		return -E2BIG;
	memmove(list->names + i + 1, list->names + i, (list->n - i) * sizeof(list->names[0]));
	list->names[i] = name;
	list->bytes += name.len + (list->n > 0);
	list->n++;
	return list->bytes > VARY_BYTES_MAX ? -E2BIG : 0;
}

/* The worst of its members decides: `*` anywhere is `*`, however wrong the others are. */
static int
vary_read(struct vary_list *list, struct slice value)
{
	struct slice rest = value;
	int rc = 0;

	while (rest.at != NULL) {
		struct slice name = slice_trim(slice_cut(&rest, ','));
		if (slice_equal(name, SLICE("*")))
			return -EPERM;
		if (name.len > 0 && rc == 0)
			rc = vary_add(list, name);
	}
	return rc;
}

int
vary_names(const struct http_fields *response, struct arena *arena, struct slice *out)
{
	struct vary_list list = { .n = 0 };
	int rc = 0;

	for (size_t i = 0; i < response->n && rc != -EPERM; i++) {
		if (!slice_equal_nocase(response->items[i].name, SLICE("vary")))
			continue;
		int read = vary_read(&list, response->items[i].value);
		if (rc == 0 || read == -EPERM)
			rc = read;
	}
	if (rc != 0)
		return rc;
	if (list.n == 0) {
		*out = SLICE("");
		return 0;
	}
	char *bytes = arena_alloc(arena, list.bytes);
	if (bytes == NULL)
		return -ENOMEM;
	char *at = bytes;
	for (size_t i = 0; i < list.n; i++) {
		if (i > 0)
			*at++ = ' ';
		for (size_t j = 0; j < list.names[i].len; j++)
			*at++ = chars_lower(list.names[i].at[j]);
	}
	*out = (struct slice){ bytes, list.bytes };
	return 0;
}

static bool
vary_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Copy `value` without the white space around its commas, which RFC 9111 section 4.1 lets us drop;
 * within a quoted-string it counts. Returns: behind the last byte written.
 */
static char *
vary_put_value(char *at, struct slice value)
{
	char *start = at;
	bool quoted = false;

	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];
		if (!quoted && vary_is_blank(c) && (at == start || at[-1] == ','))
			continue;
		while (!quoted && c == ',' && at > start && vary_is_blank(at[-1]))
			at--;
		*at++ = c;
		if (quoted && c == '\\' && i + 1 < value.len)
			*at++ = value.at[++i];
		else if (c == '"')
			quoted = !quoted;
	}
	while (!quoted && at > start && vary_is_blank(at[-1]))
		at--;
	return at;
}

static char *
vary_put_field(char *at, const struct http_field *field)
{
	bool preference = slice_equal(field->name, SLICE("accept-language")) ||
			  slice_equal(field->name, SLICE("accept-encoding"));
	size_t n = preference ? preference_normalise(field->value, at) : 0;

	return n > 0 ? at + n : vary_put_value(at, field->value);
}

int
vary_values(
    struct slice names, const struct http_request *request, struct arena *arena, struct slice *out)
{
	struct slice rest = names;
	size_t size = 0;

	if (names.len == 0) {
		*out = SLICE("");
		return 0;
	}
	while (rest.at != NULL) {
		const struct http_field *field =
		    http_fields_find(&request->fields, slice_cut(&rest, ' '));
		size += 2 + (field == NULL ? 0 : field->value.len);
	}
	char *bytes = arena_alloc(arena, size);
	if (bytes == NULL)
		return -ENOMEM;
	char *at = bytes;
	for (rest = names; rest.at != NULL;) {
		const struct http_field *field =
		    http_fields_find(&request->fields, slice_cut(&rest, ' '));
		/* No value holds a line feed, so each ends where its line does. */
		*at++ = field == NULL ? '-' : '+';
		if (field != NULL)
			at = vary_put_field(at, field);
		*at++ = '\n';
	}
	*out = (struct slice){ bytes, (size_t)(at - bytes) };
	return 0;
}

struct slice
vary_language(struct slice names, const struct http_request *request)
{
	const struct http_field *field = http_fields_find(&request->fields, names);

	if (field == NULL || !slice_equal(names, SLICE("accept-language")))
		return (struct slice){ NULL, 0 };
	return preference_first(field->value);
}

int
vary_selects(
    const struct vary_choice *choice, const struct http_request *request, struct arena *arena)
{
	struct slice values, language = vary_language(choice->names, request);

	if (choice->names.len == 0)
		return 1;
	if (language.at != NULL && slice_equal_nocase(language, choice->language))
		return 1;
	int rc = vary_values(choice->names, request, arena, &values);
	return rc != 0 ? rc : slice_equal(values, choice->values);
}
