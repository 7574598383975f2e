/* request.c -- The request that a question is about, made from what a person wrote. */
#include "report/report.h"

#include "http/chars.h"
#include "http/target.h"

#include <errno.h>

/* A header field before it is known whether it becomes one of the request's. */
struct request_header {
	size_t number; /* Counted from 1, for messages. */
	struct http_field field;
};

/* `text` is NULL where it could not be made. It repeats nothing that was given. */
static int
request_refuse(const char **why, const char *text)
{
	*why = text == NULL ? "out of memory" : text;
	return text == NULL ? -ENOMEM : -EINVAL;
}

/* As a web server hands it over: in a parameter's name "-" and "_" are one (RFC 3875 4.1.18). */
static int
request_spell_name(struct slice name, struct arena *arena, struct slice *out)
{
	char *at = arena_copy(arena, name);

	if (at == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < name.len; i++)
		at[i] = at[i] == '_' ? '-' : chars_lower(at[i]);
	*out = (struct slice){ at, name.len };
	return 0;
}

/* Split "Name: value". */
static int
request_split(struct slice text, struct arena *arena, struct request_header *h, const char **why)
{
	struct slice value = text, name = slice_cut(&value, ':');

	if (value.at == NULL)
		return request_refuse(why,
		    arena_printf(arena, "header %zu has no colon; write Name: value", h->number));
	if (!http_is_token(name))
		return request_refuse(why,
		    arena_printf(arena,
			"header %zu has a name with other characters than letters, digits and -; "
			"write Name: value",
			h->number));
	h->field.value = slice_trim(value);
	if (!http_is_field_value(h->field.value))
		return request_refuse(why,
		    arena_printf(arena, "header %zu has a control byte in its value", h->number));
	return request_spell_name(name, arena, &h->field.name);
}

static int
request_take_host(
    struct slice host, struct arena *arena, struct http_request *out, const char **why)
{
	struct slice normal;
	int rc = http_host_normalise(host, out->scheme, arena, &normal);

	if (rc == -EINVAL)
		return request_refuse(why, "the Host is no host name; write name or name:port");
	if (rc != 0)
		return rc;
	if (out->host.len > 0 && !slice_equal(out->host, normal))
		return request_refuse(why, "the URL and the Host header name two hosts; name one");
	out->host = normal;
	return 0;
}

static int
request_take_length(struct slice length, struct http_request *out, const char **why)
{
	uint64_t bytes;

	if (slice_to_u64(length, &bytes) != 0 || bytes > INT64_MAX)
		return request_refuse(why, "Content-Length is no number of bytes");
	out->body_bytes = (int64_t)bytes;
	out->has_body = bytes > 0;
	return 0;
}

static int
request_take_header(
    const struct request_header *h, struct arena *arena, struct http_request *out, const char **why)
{
	const struct http_field *field = &h->field;

	if (slice_equal(field->name, SLICE("host")))
		return request_take_host(field->value, arena, out, why);
	if (slice_equal(field->name, SLICE("content-length")))
		return request_take_length(field->value, out, why);
	if (http_fields_find(&out->fields, field->name) != NULL)
		return request_refuse(why, arena_printf(arena,
					       "header %zu has a name that came before; write one, "
					       "with a comma between the "
					       "values",
					       h->number));
	if (slice_equal(field->name, SLICE("transfer-encoding")))
		out->has_body = true;
	out->fields.items[out->fields.n++] = *field;
	return 0;
}

static int
request_take_headers(const struct report_question *question, struct arena *arena,
    struct http_request *out, const char **why)
{
	size_t n = question->n_headers;
	int rc = 0;

	out->fields.items = arena_alloc(arena, (n + 1) * sizeof(*out->fields.items));
	if (out->fields.items == NULL)
		return -ENOMEM;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		struct request_header h = { .number = i + 1 };
		rc = request_split(question->headers[i], arena, &h, why);
		if (rc == 0)
			rc = request_take_header(&h, arena, out, why);
	}
	return rc;
}

static int
request_take_url(struct slice url, struct arena *arena, struct http_request *out, const char **why)
{
	struct http_url parts;
	int rc = http_url_parse(url, arena, &parts);

	if (rc == -EINVAL)
		return request_refuse(why,
		    "the URL is none; write /path?query or http://host/path?query, blanks and "
		    "controls as %XX, without . and .. segments and without #fragment");
	if (rc != 0)
		return rc;
	out->scheme = parts.scheme.len > 0 ? parts.scheme : SLICE("http");
	out->host = parts.host;
	out->path = parts.path;
	/* CGI has one spelling for an empty query and for none (RFC 3875 section 4.1.7). */
	out->query = parts.query.len > 0 ? parts.query : (struct slice){ NULL, 0 };
	return 0;
}

int
report_request(const struct report_question *question, struct arena *arena,
    struct http_request *out, const char **why)
{
	struct http_request request = {
		.method = question->method,
		.remote_addr = SLICE("127.0.0.1"),
		.remote_user = SLICE(""),
		.body_bytes = -1,
	};

	*why = "out of memory";
	if (!http_is_token(question->method))
		return request_refuse(
		    why, "the method is none; write GET, HEAD, POST, PUT or another");
	int rc = request_take_url(question->url, arena, &request, why);
	if (rc == 0)
		rc = request_take_headers(question, arena, &request, why);
	if (rc == 0)
		*out = request;
	return rc;
}
