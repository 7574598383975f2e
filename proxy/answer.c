/* answer.c -- The header block of a backend's answer, line by line, checked before it is believed.
 */
#include "answer.h"

#include <errno.h>
#include <stddef.h>

static enum answer_state
answer_refuse(struct answer *a, const char *why)
{
	a->why = why;
	a->state = ANSWER_BAD;
	return a->state;
}

/* RFC 9112 section 4: HTTP-version SP 3DIGIT SP reason. The reason is not kept. */
static enum answer_state
answer_take_status(struct answer *a, struct slice line)
{
	uint64_t status = 0;

	struct slice version = slice_cut(&line, ' ');
	struct slice code = line.at == NULL ? line : slice_cut(&line, ' ');
	if (!slice_starts_with(version, SLICE("HTTP/")) || code.len != 3 ||
	    slice_to_u64(code, &status) != 0 || status < 100 || status > 599)
		return answer_refuse(a, "a status line that is none");
	if (status == 101)
		return answer_refuse(a, "a change of protocol that nobody had asked for");
	if (status < 200 && ++a->interim > ANSWER_INTERIM_MAX)
		return answer_refuse(a, "interim responses without end");
	a->response =
	    (struct http_response){ .status = (unsigned)status, .fields = { a->fields, 0 } };
	a->has_length = a->chunked = a->foldable = false;
	a->connection = (struct slice){ NULL, 0 };
	a->is_old = slice_equal(version, SLICE("HTTP/1.0"));
	a->lines = 0;
	a->state = ANSWER_HEAD;
	return a->state;
}

static enum answer_state
answer_take_length(struct answer *a, struct slice value)
{
	uint64_t length;

	if (slice_to_u64(value, &length) != 0 || length > INT64_MAX)
		return answer_refuse(a, "a Content-Length that is no number");
	if (a->has_length)
		return answer_refuse(a, "two Content-Lengths");
	a->has_length = true;
	a->length = length;
	return a->state;
}

static enum answer_state
answer_take_framing(struct answer *a, const struct http_field *field)
{
	if (slice_equal_nocase(field->name, SLICE("content-length")))
		return answer_take_length(a, field->value);
	if (!slice_equal_nocase(field->name, SLICE("transfer-encoding")))
		return a->state;
	/* RFC 9112 section 6.1: faulty, and where it ends is anybody's guess. */
	if (a->is_old)
		return answer_refuse(a, "a transfer coding in HTTP/1.0");
	/* Section 7.4: nobody may use one that we do not say we take. */
	if (a->chunked || !slice_equal_nocase(field->value, SLICE("chunked")))
		return answer_refuse(a, "a transfer coding other than chunked");
	a->chunked = true;
	return a->state;
}

/* RFC 9112 section 5.2: a line that begins with a blank goes on with the field before it. */
static enum answer_state
answer_unfold(struct answer *a, struct slice line)
{
	if (!a->foldable)
		return answer_refuse(a, "a folded line behind none that is kept");
	struct http_field *field = &a->fields[a->response.fields.n - 1];
	char *joined = arena_printf(
	    a->arena, "%.*s %.*s", SLICE_ARGS(field->value), SLICE_ARGS(slice_trim(line)));
	if (joined == NULL)
		return answer_refuse(a, "more than memory holds");
	field->value = slice_trim(slice_of(joined));
	return a->state;
}

static enum answer_state
answer_take_connection(struct answer *a, struct slice value)
{
	char *joined =
	    arena_printf(a->arena, "%.*s,%.*s", SLICE_ARGS(a->connection), SLICE_ARGS(value));

	if (joined == NULL)
		return answer_refuse(a, "more than memory holds");
	a->connection = slice_of(joined);
	return a->state;
}

/* RFC 9110 section 7.6.1: fields that Connection names go no further. */
static bool
answer_is_named_by_connection(const struct answer *a, struct slice name)
{
	struct slice rest = a->connection;

	while (rest.at != NULL) {
		if (slice_equal_nocase(slice_trim(slice_cut(&rest, ',')), name))
			return true;
	}
	return false;
}

static void
answer_drop_named(struct answer *a)
{
	struct http_fields *fields = &a->response.fields;
	size_t kept = 0;

	for (size_t i = 0; i < fields->n; i++) {
		if (!answer_is_named_by_connection(a, fields->items[i].name))
			fields->items[kept++] = fields->items[i];
	}
	fields->n = kept;
}

static enum answer_state
answer_take_field(struct answer *a, struct slice line)
{
	struct slice value = line, name = slice_cut(&value, ':');
	struct http_field field = { name, slice_trim(value) };

	/* Folded and dropped ones too: each is work. */
	if (a->lines++ == ANSWER_FIELDS_MAX)
		return answer_refuse(a, "more than 128 header fields");
	if (line.at[0] == ' ' || line.at[0] == '\t')
		return answer_unfold(a, line);
	if (value.at == NULL || !http_is_token(name))
		return answer_refuse(a, "a header line without a field name");
	a->foldable = false;
	if (slice_equal_nocase(name, SLICE("connection")))
		return answer_take_connection(a, field.value);
	if (answer_take_framing(a, &field) == ANSWER_BAD || http_field_is_hop_by_hop(name))
		return a->state;
	char *copy = arena_copy(a->arena, line);
	if (copy == NULL)
		return answer_refuse(a, "more than memory holds");
	field.name.at = copy;
	field.value.at = copy + (field.value.at - line.at);
	a->fields[a->response.fields.n++] = field;
	a->foldable = true;
	return a->state;
}

static enum answer_state
answer_end_block(struct answer *a)
{
	if (a->chunked && a->has_length)
		return answer_refuse(a, "both a Content-Length and chunked");
	if (a->connection.at != NULL)
		answer_drop_named(a);
	if (a->response.status < 200) {
		a->state = ANSWER_WAITING;
		return ANSWER_INTERIM;
	}
	a->state = ANSWER_DONE;
	return a->state;
}

void
answer_init(struct answer *a, struct arena *arena)
{
	memset(a, 0, offsetof(struct answer, fields));
	a->arena = arena;
}

enum answer_state
answer_take_line(struct answer *a, struct slice line)
{
	if (a->state == ANSWER_DONE || a->state == ANSWER_BAD)
		return a->state;
	a->bytes += line.len;
	if (line.len > ANSWER_LINE_MAX || a->bytes > ANSWER_BYTES_MAX)
		return answer_refuse(a, "a header block too long to be kept");
	if (line.len > 0 && line.at[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	if (!http_is_field_value(line))
		return answer_refuse(a, "a control byte in the header block");
	if (a->state == ANSWER_WAITING)
		return answer_take_status(a, line);
	return line.len == 0 ? answer_end_block(a) : answer_take_field(a, line);
}
