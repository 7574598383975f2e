/* plan.c -- What is to be done with one request: the decisions, without doing any of it. */
#include "route/plan.h"

#include "http/cookie.h"
#include "http/negotiate.h"
#include "http/range.h"
#include "http/vary.h"
#include "route/affected.h"
#include "route/compiled.h"

#include <errno.h>

enum {
	PLAN_LENGTH_ROOM = 10, /* What tuple_append() may add to a field. */
	PLAN_VARIANT_MAX = 6 + BLOAT_COOKIES_MAX + VARY_NAMES_MAX,
	PLAN_VARIANT_QUERY = 4, /* The query's place in it. */
};

/* A variant while it is put together. */
struct plan_variant {
	struct slice fields[PLAN_VARIANT_MAX];
	unsigned n;
	size_t size; /* Room for it, encoded. */
};

const char *
plan_reason_name(enum plan_reason reason)
{
	switch (reason) {
	case PLAN_REASON_NONE:
		return "none";
	case PLAN_NO_ROUTE:
		return "no-route";
	case PLAN_NO_BLOAT:
		return "no-bloat";
	case PLAN_METHOD:
		return "method";
	case PLAN_BYPASS:
		return "bypass";
	case PLAN_BODY:
		return "body";
	case PLAN_DISABLED:
		return "disabled";
	case PLAN_KEY_SIZE:
		return "key-size";
	case PLAN_KEY_VALUE:
		return "key-value";
	}
	return "none";
}

static struct slice
plan_field(const struct http_request *request, struct slice name)
{
	const struct http_field *field = http_fields_find(&request->fields, name);
	struct slice value = { NULL, 0 };

	if (field == NULL)
		return value;
	return field->value.at == NULL ? SLICE("") : field->value;
}

static bool
plan_is_read(struct slice method)
{
	return slice_equal(method, SLICE("GET")) || slice_equal(method, SLICE("HEAD"));
}

/* What keeps the request from its bloat before the bloat is asked. */
static enum plan_reason
plan_refusal(const struct route *route, const struct http_request *request, struct arena *arena,
    struct plan *out)
{
	if (route->bloat == NULL)
		return PLAN_NO_BLOAT;
	if (!plan_is_read(request->method))
		return PLAN_METHOD;
	if (request->has_body)
		return PLAN_BODY;
	const struct bypass *bypass = bypass_find(route->bypass, route->n_bypass, request, arena);
	if (bypass != NULL) {
		out->bypass = bypass->text;
		return PLAN_BYPASS;
	}
	return route->bloat->config->enabled ? PLAN_REASON_NONE : PLAN_DISABLED;
}

int
plan_look(const struct walk_hit *hit, const struct http_request *request, struct arena *arena,
    struct plan_look *out)
{
	const struct route_form *form = hit->pattern->form;
	const struct bloat *b = form->route->bloat;
	struct slice parameters[QUERY_PARAMETERS_MAX];

	out->cookies = out->language = (struct slice){ NULL, 0 };
	if (b->cookies.n > 0)
		out->cookies = plan_field(request, SLICE("cookie"));
	if (b->languages.n > 0) {
		struct slice wanted = plan_field(request, SLICE("accept-language"));
		size_t i = negotiate_language(wanted, b->languages.items, b->languages.n);
		out->language = b->languages.items[i];
	}
	int rc = query_apply(&b->query, request->query, arena, parameters, &out->query);
	if (rc != 0)
		return rc;
	const struct source_facts facts = { request, hit->values, parameters, out->cookies,
		out->language, arena };
	return route_key_fields(form, &facts, out->fields, &out->missing);
}

static void
plan_add(struct plan_variant *v, struct slice field)
{
	v->fields[v->n++] = field;
	v->size += field.len + PLAN_LENGTH_ROOM;
}

/* A value that may be absent. Returns: 0; -ENOMEM. */
static int
plan_add_optional(struct plan_variant *v, struct slice value, struct arena *arena)
{
	if (value.at == NULL) {
		plan_add(v, SLICE(""));
		return 0;
	}
	char *at = arena_alloc(arena, value.len + 1);
	if (at == NULL)
		return -ENOMEM;
	at[0] = '=';
	memcpy(at + 1, value.at, value.len);
	plan_add(v, (struct slice){ at, value.len + 1 });
	return 0;
}

/* The fields of a tuple, which may be longer than a key. `size` is room for all of it. */
static int
plan_encode(
    const struct slice *fields, size_t n, size_t size, struct arena *arena, struct slice *out)
{
	struct buf encoded = { .data = arena_alloc(arena, size + 1), .size = size + 1 };

	if (encoded.data == NULL)
		return -ENOMEM;
	/* The buffer is the arena's: it is large enough, so it is never reallocated. */
	for (size_t i = 0; i < n; i++)
		tuple_append(&encoded, fields[i]);
	*out = buf_as_slice(&encoded);
	return 0;
}

static int
plan_make_variant(const struct plan_look *look, const struct http_request *request,
    struct arena *arena, struct plan *out)
{
	const struct config_backend *backend = out->backend;
	const struct bloat *b = out->bloat;
	struct plan_variant v;
	int rc;

	v.n = 0;
	v.size = 0;
	plan_add(&v, request->scheme);
	plan_add(&v, backend != NULL && backend->host != NULL ? SLICE("") : request->host);
	plan_add(&v, backend == NULL ? SLICE("") : slice_of(backend->name));
	plan_add(&v, request->path);
	rc = plan_add_optional(&v, look->query, arena);
	if (rc == 0 && b->languages.n > 0)
		rc = plan_add_optional(&v, look->language, arena);
	for (unsigned i = 0; rc == 0 && i < b->cookies.n; i++)
		rc = plan_add_optional(&v, cookie_find(look->cookies, b->cookies.items[i]), arena);
	for (unsigned i = 0; rc == 0 && i < b->vary.n; i++)
		rc = plan_add_optional(&v, plan_field(request, b->vary.items[i]), arena);
	return rc != 0 ? rc : plan_encode(v.fields, v.n, v.size, arena, &out->variant);
}

/* Returns: 0; -E2BIG for a tag that no scope could name; -ENOMEM. */
static int
plan_make_tags(const struct plan_look *look, struct arena *arena, struct plan *out)
{
	const struct bloat *b = out->bloat;
	struct slice tags[SCOPE_TAGS_MAX];
	size_t n = 0, size = 0;

	for (unsigned i = 0; i < b->n_tags; i++) {
		int rc = template_fill(&b->tags[i], look->fields + 1, arena, &tags[n]);
		if (rc != 0)
			return rc;
		if (tags[n].len > SCOPE_TAG_MAX)
			return -E2BIG;
		size += tags[n].len + PLAN_LENGTH_ROOM;
		n += tags[n].len > 0;
	}
	return n == 0 ? 0 : plan_encode(tags, n, size, arena, &out->tags);
}

/* All that a look-up needs, or the reason why there is none. */
static int
plan_make_cache(const struct walk_hit *hit, const struct http_request *request, struct arena *arena,
    struct plan *out)
{
	struct plan_look look;

	int rc = plan_look(hit, request, arena, &look);
	if (rc != 0)
		return rc;
	if (look.missing != NULL) {
		out->reason = PLAN_KEY_VALUE;
		return 0;
	}
	rc = tuple_encode(arena, look.fields, out->bloat->n_fields + 1, &out->key);
	if (rc == 0)
		rc = plan_make_tags(&look, arena, out);
	if (rc == -E2BIG) {
		out->reason = PLAN_KEY_SIZE;
		return 0;
	}
	if (rc == 0)
		rc = plan_make_variant(&look, request, arena, out);
	out->query = look.query;
	out->language = look.language;
	if (out->route->config->authorization == AUTHORIZATION_FORWARD)
		out->authorization = plan_field(request, SLICE("authorization"));
	out->action = PLAN_CACHE;
	return rc;
}

/* Those its route names, and the key of its own URL (RFC 9111 section 4.4). */
static int
plan_make_scopes(const struct routes *routes, const struct walk_hit *hit,
    const struct http_request *request, struct arena *arena, struct plan *out)
{
	const struct source_facts facts = {
		.request = request, .arguments = hit->values, .arena = arena
	};
	int rc = 0;

	if (http_method_is_safe(request->method))
		return 0;
	if (hit->pattern != NULL && hit->pattern->form->deflate.n > 0)
		rc = deflate_scopes(
		    &hit->pattern->form->deflate, &facts, &out->scopes, &out->n_scopes);
	return rc != 0 ? rc : affected_add_target(routes, request, arena, out);
}

int
plan_make(const struct routes *routes, const struct http_request *request, struct arena *arena,
    struct plan *out)
{
	struct walk_hit hit;

	*out = (struct plan){ .action = PLAN_PASS,
		.reason = PLAN_NO_ROUTE,
		.query = request->query,
		.backend = routes->backend };
	int rc = routes_walk(routes, request, arena, &hit);
	if (rc == 0)
		rc = plan_make_scopes(routes, &hit, request, arena, out);
	if (rc != 0 || hit.pattern == NULL)
		return rc;
	const struct route *route = hit.pattern->form->route;
	out->route = route;
	out->bloat = route->bloat;
	out->backend = route->backend;
	out->deflate_mode = route->deflate_mode;
	out->reason = plan_refusal(route, request, arena, out);
	return out->reason == PLAN_REASON_NONE ? plan_make_cache(&hit, request, arena, out) : 0;
}

int
plan_search(const struct plan *plan, struct arena *arena, struct slice *out)
{
	struct slice rest = plan->variant, field;
	/* In a buffer of the arena's, large enough: one byte may be there for none. */
	struct buf variant = { .size = rest.len + 2 };

	*out = (struct slice){ NULL, 0 };
	if (plan->action != PLAN_CACHE || plan->bloat->config->origin != ORIGIN_OBEY ||
	    plan->bloat->query.kind == QUERY_NONE)
		return 0;
	variant.data = arena_alloc(arena, variant.size);
	if (variant.data == NULL)
		return -ENOMEM;
	for (size_t i = 0; rest.len > 0 && tuple_next(&rest, &field) == 0; i++)
		tuple_append(&variant, i == PLAN_VARIANT_QUERY ? SLICE("?") : field);
	*out = buf_as_slice(&variant);
	return 0;
}

bool
plan_forwards_ranges(const struct plan *plan, const struct http_request *request)
{
	if (plan->action == PLAN_PASS)
		return plan->backend != NULL;
	/* RFC 9110 section 14.2: ranges are for GET. What is for one client alone is fetched whole.
	 */
	return plan->bloat->config->origin == ORIGIN_OBEY && plan->authorization.len == 0 &&
	       slice_equal(request->method, SLICE("GET"));
}

struct slice
plan_range(const struct plan *plan, const struct http_request *request)
{
	struct slice value = http_fields_value(&request->fields, SLICE("range"));
	bool forwards = plan->action == PLAN_CACHE && plan_forwards_ranges(plan, request) &&
			http_fields_find(&request->fields, SLICE("if-range")) == NULL &&
			!range_has_conditions(request);

	return forwards && range_is_single(value) ? value : (struct slice){ NULL, 0 };
}
