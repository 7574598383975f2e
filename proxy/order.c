/* order.c -- What to fetch, spelled for the wire. */
#include "http/target.h"
#include "origin.h"

#include <errno.h>

const char *
fetch_end_name(enum fetch_end end)
{
	static const char *const names[] = {
		[FETCH_WHOLE] = "whole",
		[FETCH_UNFRAMED] = "without a length",
		[FETCH_CUT] = "cut off",
		[FETCH_UNREACHABLE] = "backend unreachable",
		[FETCH_TIMEOUT] = "backend too slow",
		[FETCH_MALFORMED] = "malformed answer",
		[FETCH_FAILED] = "no answer",
		[FETCH_CANCELLED] = "given up",
	};
	return names[end];
}

/* One after the other, NUL-terminated: a fetch has a dozen of these, too many for printf. */
static char *
order_join(const struct slice *parts, size_t n, struct arena *arena)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += parts[i].len;
	char *text = arena_alloc(arena, len + 1), *at = text;
	for (size_t i = 0; i < n && text != NULL; i++) {
		if (parts[i].len > 0)
			memcpy(at, parts[i].at, parts[i].len);
		at += parts[i].len;
	}
	if (text != NULL)
		*at = '\0';
	return text;
}

int
fetch_order_target(const struct fetch_order *order, char **out)
{
	const struct slice parts[] = { order->path,
		order->query.at == NULL ? SLICE("") : SLICE("?"), order->query };

	/* It was read as a path and a query, and is nothing else: libcurl sends what it is given.
	 */
	if (order->path.len == 0 || order->path.at[0] != '/' || !http_query_is_valid(order->path) ||
	    !http_query_is_valid(order->query))
		return -EINVAL;
	*out = order_join(parts, COUNT(parts), order->arena);
	return *out == NULL ? -ENOMEM : 0;
}

char *
fetch_order_line(const struct fetch_order *order, size_t field)
{
	const struct http_field *at = &order->fields.items[field];

	/* libcurl takes "Name:" as a wish to leave it out; an empty value is written "Name;". */
	struct slice between = at->value.len == 0 ? SLICE(";") : SLICE(": ");
	const struct slice parts[] = { at->name, between, at->value };

	return order_join(parts, COUNT(parts), order->arena);
}

static char *
order_put(char *at, struct slice s)
{
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	return at + s.len;
}

int
fetch_order_lines(const struct fetch_order *order, const char **out)
{
	const struct slice between = SLICE(": "), end = SLICE("\r\n");
	const struct http_fields *fields = &order->fields;
	size_t len = 0;

	for (size_t i = 0; i < fields->n; i++) {
		const struct http_field *field = &fields->items[i];
		/* It was read as one line, and is one: no other is ever made of what it holds. */
		if (!http_is_token(field->name) || !http_is_field_value(field->value))
			return -EINVAL;
		len += field->name.len + between.len + field->value.len + end.len;
	}
	char *text = arena_alloc(order->arena, len + 1), *at = text;
	if (text == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < fields->n; i++) {
		at = order_put(at, i > 0 ? end : SLICE(""));
		at = order_put(at, fields->items[i].name);
		at = order_put(at, between);
		at = order_put(at, fields->items[i].value);
	}
	*at = '\0';
	*out = text;
	return 0;
}
