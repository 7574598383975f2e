/* request.c -- FastCGI parameters become a request, or a reason to refuse it. */
#include "request.h"

#include "http/target.h"

#include <errno.h>

/* What of the parameters is not a field. */
enum request_part {
	PART_PATH_INFO,
	PART_SCRIPT_NAME,
	PART_SERVER_NAME,
	PART_SERVER_PORT,
	PART_CONTENT_LENGTH,
	PART_CONTENT_TYPE,
	PART_HTTPS,
	PART_QUERY_STRING,
	PART_REMOTE_ADDR,
	PART_REMOTE_USER,
	PART_REQUEST_METHOD,
	PART_SERVER_PROTOCOL,
	PART_SERVER_SOFTWARE,
	PART_HOST, /* From HTTP_HOST. */
	PART_COUNT
};

static const struct slice request_part_names[PART_HOST] = {
	[PART_PATH_INFO] = { "PATH_INFO", 9 },
	[PART_SCRIPT_NAME] = { "SCRIPT_NAME", 11 },
	[PART_SERVER_NAME] = { "SERVER_NAME", 11 },
	[PART_SERVER_PORT] = { "SERVER_PORT", 11 },
	[PART_CONTENT_LENGTH] = { "CONTENT_LENGTH", 14 },
	[PART_CONTENT_TYPE] = { "CONTENT_TYPE", 12 },
	[PART_HTTPS] = { "HTTPS", 5 },
	[PART_QUERY_STRING] = { "QUERY_STRING", 12 },
	[PART_REMOTE_ADDR] = { "REMOTE_ADDR", 11 },
	[PART_REMOTE_USER] = { "REMOTE_USER", 11 },
	[PART_REQUEST_METHOD] = { "REQUEST_METHOD", 14 },
	[PART_SERVER_PROTOCOL] = { "SERVER_PROTOCOL", 15 },
	[PART_SERVER_SOFTWARE] = { "SERVER_SOFTWARE", 15 },
};

static int
request_refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

/* Spreads names over 256 bits well enough: they differ in length, middle or end. */
static unsigned
request_hash_name(struct slice name)
{
	uint64_t middle = 0, end = 0;
	size_t len = name.len < sizeof(end) ? name.len : sizeof(end);

	if (len > 0) {
		memcpy(&middle, name.at + (name.len - len) / 2, len);
		memcpy(&end, name.at + name.len - len, len);
	}
	return (
	    unsigned)((middle * 0x9e3779b97f4a7c15u + end * 0xc2b2ae3d27d4eb4fu + name.len) >> 56);
}

/*
 * lighttpd before 1.4.83 lets a client write Content_Length or X_Forwarded_For, which arrive as a
 * second parameter of the same name: no two readings, no such request.
 */
static bool
request_names_are_unique(const struct params *params)
{
	uint64_t seen[4] = { 0 };

	for (size_t i = 0; i < params->n; i++) {
		struct slice name = params->items[i].name;
		unsigned hash = request_hash_name(name);
		uint64_t bit = 1ULL << (hash & 63), *word = &seen[hash >> 6];
		for (size_t j = 0; (*word & bit) != 0 && j < i; j++) {
			if (slice_equal(params->items[j].name, name))
				return false;
		}
		*word |= bit;
	}
	return true;
}

/*
 * HTTP_ACCEPT_LANGUAGE to accept-language, in place. RFC 3875 section 4.1.18 has one spelling of a
 * parameter for one field: from another, the same field could come twice. Empty if it is none.
 */
static struct slice
request_field_name(struct slice param)
{
	char *at = (char *)(uintptr_t)param.at + 5;
	bool odd = false;

	for (size_t i = 0; i < param.len - 5; i++) {
		char c = at[i];
		odd = odd || c == '-' || (c >= 'a' && c <= 'z');
		c = (char)(c + (c >= 'A' && c <= 'Z' ? 'a' - 'A' : 0));
		at[i] = c == '_' ? '-' : c;
	}
	if (odd)
		return SLICE("");
	return (struct slice){ at, param.len - 5 };
}

static void
request_take_param(struct slice parts[PART_COUNT], const struct param *param)
{
	for (size_t i = 0; i < PART_HOST; i++) {
		if (slice_equal(param->name, request_part_names[i])) {
			parts[i] = param->value;
			return;
		}
	}
}

/* A field, unless it is known from elsewhere. */
static int
request_take_field(const struct param *param, struct http_fields *fields,
    struct slice parts[PART_COUNT], const char **why)
{
	struct http_field field = { request_field_name(param->name), slice_trim(param->value) };

	if (!http_is_token(field.name))
		return request_refuse(why, "a header field name that is no token");
	if (!http_is_field_value(field.value))
		return request_refuse(why, "a control byte in a header field");
	if (slice_equal(field.name, SLICE("host")))
		parts[PART_HOST] = field.value;
	else if (!slice_equal(field.name, SLICE("content-type")) &&
		 !slice_equal(field.name, SLICE("content-length")))
		fields->items[fields->n++] = field;
	return 0;
}

static int
request_take_params(const struct params *params, struct arena *arena, struct http_fields *fields,
    struct slice parts[PART_COUNT], const char **why)
{
	fields->n = 0;
	fields->items = arena_alloc(arena, (params->n + 1) * sizeof(*fields->items));
	if (fields->items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < params->n; i++) {
		const struct param *param = &params->items[i];
		int rc = 0;
		if (slice_starts_with(param->name, SLICE("HTTP_")))
			rc = request_take_field(param, fields, parts, why);
		else
			request_take_param(parts, param);
		if (rc != 0)
			return rc;
	}
	struct slice type = slice_trim(parts[PART_CONTENT_TYPE]);
	if (!http_is_field_value(type))
		return request_refuse(why, "a control byte in a header field");
	if (type.len > 0)
		fields->items[fields->n++] = (struct http_field){ SLICE("content-type"), type };
	return 0;
}

/*
 * RFC 9110 section 7.6.1: fields that Connection names go no further. Naming one that a request
 * cannot do without is how somebody makes it disappear on the way: refused.
 */
static int
request_apply_connection(struct http_request *out, const char **why)
{
	static const char *const needed[] = { "host", "content-length", "content-type",
		"authorization", "cookie", "cache-control", "range", "if-none-match", "accept",
		"accept-encoding", "accept-language", "dory-token" };
	const struct slice forwarded = SLICE("x-forwarded-");
	const struct http_field *connection = http_fields_find(&out->fields, SLICE("connection"));
	struct slice rest = connection == NULL ? (struct slice){ NULL, 0 } : connection->value;

	if (slice_equal(rest, SLICE("keep-alive")) || slice_equal(rest, SLICE("close")))
		return 0;

	while (rest.at != NULL) {
		struct slice name = slice_trim(slice_cut(&rest, ','));
		struct slice start = { name.at,
			name.len < forwarded.len ? name.len : forwarded.len };
		if (slice_equal_nocase(start, forwarded))
			return request_refuse(why, "Connection names a field that is needed");
		for (size_t i = 0; i < COUNT(needed); i++) {
			if (slice_equal_nocase(name, slice_of(needed[i])))
				return request_refuse(
				    why, "Connection names a field that is needed");
		}
		for (size_t i = 0; name.len > 0 && i < out->fields.n; i++) {
			struct http_field *field = &out->fields.items[i];
			if (field != connection && slice_equal_nocase(field->name, name))
				field->name =
				    SLICE("connection"); /* Hop-by-hop: never forwarded. */
		}
	}
	return 0;
}

/* lighttpd and Apache put what part of the path they like in each; together they are the URL's. */
static int
request_take_path(const struct slice parts[PART_COUNT], struct arena *arena,
    struct http_request *out, const char **why)
{
	struct slice script = parts[PART_SCRIPT_NAME], info = parts[PART_PATH_INFO], decoded = info;

	if (script.len > 0 && info.len > 0) {
		char *at = arena_alloc(arena, script.len + info.len);
		if (at == NULL)
			return -ENOMEM;
		memcpy(at, script.at, script.len);
		memcpy(at + script.len, info.at, info.len);
		decoded = (struct slice){ at, script.len + info.len };
	} else if (info.len == 0) {
		decoded = script.len > 0 ? script : SLICE("/");
	}
	out->path = decoded; /* For the log, where it is refused. */
	int rc = http_path_encode(decoded, arena, &out->path);
	return rc == -EINVAL ? request_refuse(why, "a path with control bytes or dot segments")
			     : rc;
}

static int
request_take_host(const struct slice parts[PART_COUNT], struct arena *arena,
    struct http_request *out, const char **why)
{
	struct slice host = parts[PART_HOST], name = parts[PART_SERVER_NAME];

	if (host.len == 0 && name.len > 0 && parts[PART_SERVER_PORT].len > 0) {
		host = slice_of(arena_printf(
		    arena, "%.*s:%.*s", SLICE_ARGS(name), SLICE_ARGS(parts[PART_SERVER_PORT])));
		if (host.at == NULL)
			return -ENOMEM;
	} else if (host.len == 0) {
		host = name;
	}
	out->host = SLICE("");
	if (host.len == 0)
		return 0;
	int rc = http_host_normalise(host, out->scheme, arena, &out->host);
	return rc == -EINVAL ? request_refuse(why, "a Host that is no host name") : rc;
}

static int
request_take_length(struct slice length, struct http_request *out, const char **why)
{
	uint64_t bytes = 0;

	out->body_bytes = -1;
	if (length.len == 0)
		return 0;
	if (slice_to_u64(length, &bytes) != 0 || bytes > INT64_MAX)
		return request_refuse(why, "a Content-Length that is no number");
	out->body_bytes = (int64_t)bytes;
	return 0;
}

/* RFC 9110 section 15.2: no interim response to a client of HTTP/1.0. */
static bool
request_takes_interim(struct slice protocol)
{
	return slice_equal(protocol, SLICE("HTTP/1.1")) ||
	       slice_starts_with(protocol, SLICE("HTTP/2")) ||
	       slice_starts_with(protocol, SLICE("HTTP/3"));
}

static int
request_take_parts(const struct slice parts[PART_COUNT], struct http_request *out, const char **why)
{
	struct slice https = parts[PART_HTTPS], query = parts[PART_QUERY_STRING];
	bool secure = https.len > 0 && !slice_equal_nocase(https, SLICE("off"));

	out->scheme = secure ? SLICE("https") : SLICE("http");
	out->method = parts[PART_REQUEST_METHOD];
	out->query = query.len > 0 ? query : (struct slice){ NULL, 0 };
	out->remote_addr = parts[PART_REMOTE_ADDR];
	out->remote_user = parts[PART_REMOTE_USER];
	out->server_software = parts[PART_SERVER_SOFTWARE];
	out->takes_interim = request_takes_interim(parts[PART_SERVER_PROTOCOL]);
	if (!http_is_token(out->method))
		return request_refuse(why, "a method that is no token");
	if (!http_query_is_valid(out->query))
		return request_refuse(why, "a query with control bytes, blanks or #");
	return request_take_length(parts[PART_CONTENT_LENGTH], out, why);
}

int
request_make(const struct params *params, bool has_body, struct arena *arena,
    struct http_request *out, const char **why)
{
	struct slice parts[PART_COUNT] = { 0 };

	*out = (struct http_request){ .has_body = has_body };
	if (!request_names_are_unique(params))
		return request_refuse(why, "a header field that came twice, or in two spellings");
	int rc = request_take_params(params, arena, &out->fields, parts, why);
	if (rc == 0)
		rc = request_take_parts(parts, out, why);
	if (rc == 0)
		rc = request_take_host(parts, arena, out, why);
	if (rc == 0)
		rc = request_take_path(parts, arena, out, why);
	return rc != 0 ? rc : request_apply_connection(out, why);
}
