/* message.c -- A request and a response as the caching rules see them. */
#include "http/message.h"

#include "http/chars.h"

const struct http_field *
http_fields_find(const struct http_fields *fields, struct slice name)
{
	for (size_t i = 0; i < fields->n; i++) {
		const struct http_field *field = &fields->items[i];
		if (field->name.len == name.len && slice_equal_nocase(field->name, name))
			return field;
	}
	return NULL;
}

struct slice
http_fields_value(const struct http_fields *fields, struct slice name)
{
	const struct http_field *field = http_fields_find(fields, name);

	return field == NULL ? (struct slice){ NULL, 0 } : field->value;
}

/* Copy every value of that name to `at`, ", " between them. */
static void
message_join(const struct http_fields *fields, struct slice name, char *at)
{
	bool first = true;

	for (size_t i = 0; i < fields->n; i++) {
		struct slice value = fields->items[i].value;
		if (!slice_equal_nocase(fields->items[i].name, name))
			continue;
		if (!first) {
			*at++ = ',';
			*at++ = ' ';
		}
		first = false;
		if (value.len > 0)
			memcpy(at, value.at, value.len);
		at += value.len;
	}
}

struct slice
http_fields_join(const struct http_fields *fields, struct slice name, struct arena *arena)
{
	struct slice only = { NULL, 0 };
	size_t n = 0, len = 0;

	for (size_t i = 0; i < fields->n; i++) {
		if (!slice_equal_nocase(fields->items[i].name, name))
			continue;
		only = fields->items[i].value;
		len += only.len + 2;
		n++;
	}
	if (n == 1 && only.at == NULL)
		return SLICE("");
	if (n <= 1)
		return only;
	char *at = arena_alloc(arena, len);
	if (at == NULL)
		return (struct slice){ NULL, 0 };
	message_join(fields, name, at);
	return (struct slice){ at, len - 2 };
}

bool
http_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!chars_is(s.at[i], CHARS_TOKEN))
			return false;
	}
	return s.len > 0;
}

bool
http_is_field_value(struct slice s)
{
	unsigned bad = 0;

	/* To the end without a look in between, for the compiler to take many bytes at once. */
	for (size_t i = 0; i < s.len; i++)
		bad |= (unsigned)chars_is_control(s.at[i]) & (unsigned)(s.at[i] != '\t');
	return bad == 0;
}

bool
http_method_is_safe(struct slice method)
{
	/* Methods are case-sensitive (RFC 9110 section 9.1). */
	return slice_equal(method, SLICE("GET")) || slice_equal(method, SLICE("HEAD")) ||
	       slice_equal(method, SLICE("OPTIONS")) || slice_equal(method, SLICE("TRACE"));
}

bool
http_field_is_hop_by_hop(struct slice name)
{
	static const struct slice names[] = {
		SLICE_ROW("connection"),
		SLICE_ROW("content-length"),
		SLICE_ROW("expect"),
		SLICE_ROW("keep-alive"),
		SLICE_ROW("proxy-authenticate"),
		SLICE_ROW("proxy-authentication-info"),
		SLICE_ROW("proxy-authorization"),
		SLICE_ROW("proxy-connection"),
		SLICE_ROW("te"),
		SLICE_ROW("trailer"),
		SLICE_ROW("transfer-encoding"),
		SLICE_ROW("upgrade"),
	};

	for (size_t i = 0; i < COUNT(names); i++) {
		if (slice_equal_nocase(name, names[i]))
			return true;
	}
	return false;
}

bool
http_head_next(struct slice *head, struct http_field *field, struct slice *line)
{
	const char *start = head->at;

	if (head->at == NULL || head->len == 0)
		return false;
	struct slice value = slice_cut(head, '\n');
	if (line != NULL)
		*line = (struct slice){ start, value.len + (head->at != NULL) };
	if (value.len > 0 && value.at[value.len - 1] == '\r')
		value.len--;
	field->name = slice_cut(&value, ':');
	field->value = value.at == NULL ? value : slice_trim(value);
	return true;
}

struct slice
http_head_value(struct slice head, struct slice name)
{
	struct http_field field;

	while (http_head_next(&head, &field, NULL)) {
		if (field.value.at != NULL && slice_equal_nocase(field.name, name))
			return field.value;
	}
	return (struct slice){ NULL, 0 };
}
