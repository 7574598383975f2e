/* affected.c -- The keys that a successful unsafe request makes old (RFC 9111 section 4.4). */
#include "route/affected.h"

#include "http/reference.h"
#include "route/compiled.h"

#include <errno.h>

/* Returns: 1 with the key of a GET of that URL; 0 where it has none; -ENOMEM. */
static int
affected_key(const struct routes *routes, const struct http_request *get, struct arena *arena,
    struct scope *out)
{
	struct walk_hit hit;
	struct plan_look look;
	struct tuple key;

	int rc = routes_walk(routes, get, arena, &hit);
	if (rc != 0 || hit.pattern == NULL || hit.pattern->form->route->bloat == NULL)
		return rc;
	rc = plan_look(&hit, get, arena, &look);
	if (rc != 0 || look.missing != NULL)
		return rc;
	rc = tuple_encode(arena, look.fields, hit.pattern->form->route->bloat->n_fields + 1, &key);
	if (rc != 0)
		return rc == -E2BIG ? 0 : rc;
	*out = (struct scope){ SCOPE_KEY, key.bytes };
	return 1;
}

static bool
affected_has(const struct plan *plan, struct scope scope)
{
	for (size_t i = 0; i < plan->n_scopes; i++) {
		if (plan->scopes[i].kind == scope.kind &&
		    slice_equal(plan->scopes[i].bytes, scope.bytes))
			return true;
	}
	return false;
}

static int
affected_add(const struct routes *routes, const struct http_request *get, struct arena *arena,
    struct plan *plan)
{
	struct scope scope;

	int rc = affected_key(routes, get, arena, &scope);
	if (rc != 1 || affected_has(plan, scope))
		return rc < 0 ? rc : 0;
	struct scope *scopes = arena_alloc(arena, (plan->n_scopes + 1) * sizeof(*scopes));
	if (scopes == NULL)
		return -ENOMEM;
	if (plan->n_scopes > 0)
		memcpy(scopes, plan->scopes, plan->n_scopes * sizeof(*scopes));
	scopes[plan->n_scopes++] = scope;
	plan->scopes = scopes;
	return 0;
}

int
affected_add_target(const struct routes *routes, const struct http_request *request,
    struct arena *arena, struct plan *plan)
{
	struct http_request get = *request;

	if (http_method_is_safe(request->method))
		return 0;
	get.method = SLICE("GET");
	return affected_add(routes, &get, arena, plan);
}

/* What is no URL, or another origin's, is nothing to us. */
static int
affected_add_reference(const struct routes *routes, const struct http_request *request,
    struct slice reference, struct arena *arena, struct plan *plan)
{
	struct http_request get = *request;
	struct http_url url;

	int rc = reference_resolve(request, reference, arena, &url);
	if (rc == -EINVAL || (rc == 0 && (!slice_equal(url.scheme, request->scheme) ||
					     !slice_equal(url.host, request->host))))
		return 0;
	get.method = SLICE("GET");
	get.path = url.path;
	get.query = url.query;
	return rc != 0 ? rc : affected_add(routes, &get, arena, plan);
}

int
affected_add_locations(const struct routes *routes, const struct http_request *request,
    const struct http_fields *answer, struct arena *arena, struct plan *plan)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < answer->n; i++) {
		const struct http_field *field = &answer->items[i];
		if (slice_equal_nocase(field->name, SLICE("location")) ||
		    slice_equal_nocase(field->name, SLICE("content-location")))
			rc = affected_add_reference(routes, request, field->value, arena, plan);
	}
	return rc;
}
