/* bypass.c -- What makes a request pass its bloat by: a header, a cookie, a query parameter. */
#include "route/bypass.h"

#include "http/cookie.h"
#include "route/query.h"

#include <errno.h>

static const struct {
	const char *name;
	enum bypass_kind kind;
} bypass_kinds[] = {
	{ "header", BYPASS_HEADER },
	{ "cookie", BYPASS_COOKIE },
	{ "query", BYPASS_QUERY },
};

static int
bypass_parse_kind(struct slice kind, struct bypass *out, struct finding *why)
{
	const char *names[COUNT(bypass_kinds)];

	for (size_t i = 0; i < COUNT(bypass_kinds); i++) {
		names[i] = bypass_kinds[i].name;
		if (slice_equal(kind, slice_of(names[i]))) {
			out->kind = bypass_kinds[i].kind;
			return 0;
		}
	}
	return finding_unknown(why, "bypass", kind, names, COUNT(names),
	    "write header:NAME, cookie:NAME, query:NAME, or none alone");
}

static bool
bypass_names(const struct bypass *b, struct slice name)
{
	return b->is_start ? slice_starts_with(name, b->name) : slice_equal(name, b->name);
}

int
bypass_parse(const char *text, struct arena *arena, struct bypass *out, struct finding *why)
{
	struct slice rest = slice_of(text);
	struct slice kind = slice_cut(&rest, ':');

	*out = (struct bypass){ .text = slice_of(text) };
	int rc = bypass_parse_kind(kind, out, why);
	if (rc != 0)
		return rc;
	char *name = rest.len == 0 ? NULL : arena_copy(arena, rest);
	if (rest.len == 0)
		return finding_set(why, "\"%s\" names nothing; write %.*s:NAME, or %.*s:NAME*",
		    text, SLICE_ARGS(kind), SLICE_ARGS(kind));
	if (name == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < rest.len && out->kind == BYPASS_HEADER; i++)
		name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
	out->is_start = name[rest.len - 1] == '*';
	out->name = (struct slice){ name, rest.len - out->is_start };
	bool star = out->name.len > 0 && memchr(name, '*', out->name.len) != NULL;
	if (star)
		return finding_set(why, "\"*\" within \"%s\"; it may only end a name", text);
	if (out->kind != BYPASS_QUERY && out->name.len > 0 && !http_is_token(out->name))
		return finding_set(why, "\"%.*s\" is no %.*s name; write %.*s:NAME",
		    SLICE_ARGS(out->name), SLICE_ARGS(kind), SLICE_ARGS(kind));
	out->is_authorization =
	    out->kind == BYPASS_HEADER && bypass_names(out, SLICE("authorization"));
	/* One text for all routes that have the default: it is looked at with every hit. */
	if (out->is_authorization && !out->is_start)
		out->name = SLICE("authorization");
	return 0;
}

static bool
bypass_fits_header(const struct bypass *b, const struct http_request *request)
{
	bool fits = b->is_authorization && request->remote_user.len > 0;

	for (size_t i = 0; !fits && i < request->fields.n; i++)
		fits = bypass_names(b, request->fields.items[i].name);
	return fits;
}

static bool
bypass_fits_cookie(const struct bypass *b, const struct http_request *request)
{
	struct slice rest = http_fields_value(&request->fields, SLICE("cookie")), name, value;
	bool fits = false;

	while (!fits && cookie_next(&rest, &name, &value))
		fits = bypass_names(b, name);
	return fits;
}

static bool
bypass_fits_query(const struct bypass *b, struct slice query, struct arena *arena)
{
	struct slice rest = query, name, value;
	bool fits = false;
	int rc = 1;

	while (!fits && rc == 1) {
		rc = query_next(&rest, arena, &name, &value);
		fits = rc < 0 || (rc == 1 && bypass_names(b, name));
	}
	return fits;
}

static bool
bypass_fits(const struct bypass *b, const struct http_request *request, struct arena *arena)
{
	switch (b->kind) {
	case BYPASS_HEADER:
		return bypass_fits_header(b, request);
	case BYPASS_COOKIE:
		return bypass_fits_cookie(b, request);
	case BYPASS_QUERY:
		return bypass_fits_query(b, request->query, arena);
	}
	return true;
}

const struct bypass *
bypass_find(
    const struct bypass *all, size_t n, const struct http_request *request, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		if (bypass_fits(&all[i], request, arena))
			return &all[i];
	}
	return NULL;
}
