/* explain.c -- What would be done with one request, and why, and what is stored for it. */
#include "report/piece.h"

#include "store/select.h"

#include <errno.h>

enum { EXPLAIN_PIECES = 64, EXPLAIN_PIECES_MAX = 1 << 20, EXPLAIN_PART_STATUS = 206 };

/* A question and all that is needed to answer it. */
struct explain {
	const struct routes *routes;
	const struct http_request *request;
	struct store_reader *reader; /* May be NULL. */
	int64_t now_s;
	struct plan plan;
	struct arena arena;
	struct store_entry entry; /* What is stored, */
	int found;                /* where this is 0. */
};

/* ---- What is stored ------------------------------------------------------------------------- */

/* As a hit finds it. */
static int
explain_select(struct explain *e, struct selection *s)
{
	struct slice signpost;
	int rc = select_find(s);

	if (rc != -ENOENT)
		return rc;
	rc = plan_search(&e->plan, &e->arena, &signpost);
	return rc != 0 ? rc : select_find_search(s, signpost, e->plan.query);
}

/* With room for however many pieces its body has. Returns: 0; -ENOMEM. */
static int
explain_find(struct explain *e)
{
	struct selection s = {
		.reader = e->reader,
		.key = &e->plan.key,
		.variant = e->plan.variant,
		.request = e->request,
		.arena = &e->arena,
	};
	int rc = -E2BIG;

	e->found = -ENOENT;
	if (e->reader == NULL || e->plan.key.n == 0)
		return 0;
	for (s.room = EXPLAIN_PIECES; rc == -E2BIG && s.room <= EXPLAIN_PIECES_MAX; s.room *= 4) {
		s.pieces = arena_alloc(&e->arena, s.room * sizeof(*s.pieces));
		rc = s.pieces == NULL ? -ENOMEM : explain_select(e, &s);
	}
	e->entry = s.entry;
	e->found = rc;
	return rc == -ENOMEM ? rc : 0;
}

static json_t *
explain_stored(const struct explain *e)
{
	if (e->found != 0)
		return json_null();
	return piece_standing(e->reader, &e->plan.key, &e->entry, e->now_s);
}

/* What is stored whole is asked about, once it is too old, and not in parts. */
static bool
explain_has_whole(const struct explain *e)
{
	return e->found == 0 && e->entry.status != EXPLAIN_PART_STATUS &&
	       store_judge(
		   e->reader, STORE_DOOR_HIT, e->entry.sequence, &e->plan.key, e->entry.tags)
		       .life != STORE_DEAD;
}

/* ---- What would be done --------------------------------------------------------------------- */

static json_t *
explain_url(const struct http_request *r)
{
	struct buf text = { 0 };

	if (r->host.len > 0)
		buf_printf(&text, "%.*s://%.*s", SLICE_ARGS(r->scheme), SLICE_ARGS(r->host));
	buf_slice(&text, r->path);
	if (r->query.at != NULL)
		buf_printf(&text, "?%.*s", SLICE_ARGS(r->query));
	return piece_printed(&text);
}

static json_t *
explain_route(const struct explain *e)
{
	const struct config_route *route =
	    e->plan.route == NULL ? NULL : route_config(e->plan.route);

	if (route == NULL)
		return json_null();
	return json_pack("{s:o, s:o, s:i}", "name", piece_text(slice_of(route->name)), "file",
	    piece_text(slice_of(routes_config(e->routes)->file)), "line", (int)route->line);
}

static json_t *
explain_backend(const struct config_backend *backend)
{
	if (backend == NULL)
		return json_null();
	const char *url = backend->urls.n > 0 ? backend->urls.items[0].text : NULL;
	return json_pack("{s:o, s:o}", "name", piece_text(slice_of(backend->name)), "url",
	    piece_text(slice_of(url)));
}

/* What a miss would send; a HEAD is answered from what GET fetches (RFC 9110 section 9.3.2). */
static json_t *
explain_request(struct explain *e)
{
	struct slice method = e->plan.action == PLAN_CACHE ? SLICE("GET") : e->request->method;
	struct http_fields fields;
	struct buf target = { 0 };
	json_t *array = json_array();

	if (e->plan.backend == NULL) {
		json_decref(array);
		return json_null();
	}
	if (plan_forward(&e->plan, e->request, &e->arena, &fields) != 0) {
		json_decref(array);
		return NULL;
	}
	for (size_t i = 0; i < fields.n; i++)
		piece_append_pair(&array, fields.items[i].name, fields.items[i].value);
	struct slice range = plan_range(&e->plan, e->request);
	if (range.at != NULL && !explain_has_whole(e))
		piece_append_pair(&array, SLICE("range"), range);
	buf_slice(&target, e->request->path);
	if (e->plan.query.at != NULL)
		buf_printf(&target, "?%.*s", SLICE_ARGS(e->plan.query));
	return json_pack("{s:o, s:o, s:o}", "method", piece_text(method), "target",
	    piece_printed(&target), "fields", array);
}

/* Why it passes; null where it doesn't. */
static json_t *
explain_reason(const struct explain *e)
{
	if (e->plan.action == PLAN_CACHE)
		return json_null();
	return json_string(plan_reason_name(e->plan.reason));
}

static json_t *
explain_tree(struct explain *e)
{
	const struct plan *plan = &e->plan;
	const char *action = plan->action == PLAN_CACHE ? "cache" : "pass";
	const char *mode = plan->deflate_mode == DEFLATE_SOFT ? "soft" : "hard";
	const char *bloat = plan->bloat == NULL ? NULL : bloat_name(plan->bloat);
	const char *ranges = plan_forwards_ranges(plan, e->request) ? "forward" : "whole";

	return json_pack(
	    "{s:o, s:o, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:s, s:o}",
	    "method", piece_text(e->request->method), "url", explain_url(e->request), "route",
	    explain_route(e), "path_known", (int)routes_path_known(e->routes, e->request), "action",
	    action, "reason", explain_reason(e), "bypass", piece_text(plan->bypass), "bloat",
	    piece_text(slice_of(bloat)), "key",
	    plan->key.n > 0 ? piece_key(e->routes, &plan->key) : json_null(), "variant",
	    piece_variant(plan->bloat, plan->variant, SLICE("")), "scopes",
	    piece_scopes(e->routes, plan->scopes, plan->n_scopes), "deflate_mode", mode, "backend",
	    explain_backend(plan->backend), "request", explain_request(e), "ranges", ranges,
	    "stored", explain_stored(e));
}

/* A bloat may be switched off in the store: its requests pass, its entries stay. */
static void
explain_apply_switch(struct explain *e)
{
	if (e->reader == NULL || e->plan.action != PLAN_CACHE ||
	    !store_bloat_disabled(e->reader, bloat_name(e->plan.bloat)))
		return;
	e->plan.action = PLAN_PASS;
	e->plan.reason = PLAN_DISABLED;
}

json_t *
report_explain(const struct routes *routes, const struct http_request *request,
    struct store_reader *reader, int64_t now_s)
{
	struct explain e = {
		.routes = routes, .request = request, .reader = reader, .now_s = now_s
	};
	json_t *json = NULL;

	if (plan_make(routes, request, &e.arena, &e.plan) == 0) {
		explain_apply_switch(&e);
		json = explain_find(&e) == 0 ? explain_tree(&e) : NULL;
	}
	arena_fini(&e.arena);
	return json;
}
