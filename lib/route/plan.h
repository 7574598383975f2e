/* plan.h -- What is to be done with one request: the decisions, without doing any of it. */
#ifndef DORY_ROUTE_PLAN_H
#define DORY_ROUTE_PLAN_H

#include "key/scope.h"
#include "route/routes.h"

enum plan_action {
	PLAN_CACHE, /* Look up `key` and `variant`; on a miss fetch and maybe store. */
	PLAN_PASS,  /* To the backend and back, nothing stored; then deflate `scopes`. */
};

/* Why a request passes. */
enum plan_reason {
	PLAN_REASON_NONE,
	PLAN_NO_ROUTE,  /* No route matches: the default backend answers. */
	PLAN_NO_BLOAT,  /* Its route has none. */
	PLAN_METHOD,    /* Neither GET nor HEAD. */
	PLAN_BYPASS,    /* The route's `bypass` fits, or the web server authenticated somebody. */
	PLAN_BODY,      /* A GET or HEAD with a body. */
	PLAN_DISABLED,  /* The bloat is switched off in the configuration. */
	PLAN_KEY_SIZE,  /* The key is longer than TUPLE_BYTES_MAX, or a tag than SCOPE_TAG_MAX. */
	PLAN_KEY_VALUE, /* Its query, cookies or fields lack a value of the key, or it does not fit.
			 */
};

struct plan {
	enum plan_action action;
	enum plan_reason reason;
	const struct route *route; /* NULL: none matched. */
	const struct bloat *bloat; /* NULL: none. Set too where the request passes it by. */
	const struct config_backend *backend; /* NULL: no backend serves this: 404. */
	struct slice bypass;                  /* PLAN_BYPASS: what fitted, as written. */
	struct tuple key;                     /* PLAN_CACHE. */
	struct slice variant;                 /* PLAN_CACHE: encoded; what `key` leaves open. */
	struct slice query;                   /* As sent to the backend; at == NULL for no "?". */
	struct slice language;      /* The chosen one; at == NULL where the bloat has none. */
	struct slice authorization; /* PLAN_CACHE: as sent to the backend; empty where it is not. */
	struct slice tags;          /* PLAN_CACHE: the bloat's own, tuple-encoded. */
	/* What a successful unsafe request deflates: what its route says, and its URL's own key. */
	const struct scope *scopes;
	size_t n_scopes;
	enum config_deflate_mode deflate_mode;
};

/* "no-route", "method", ...: words for Cache-Status detail and explain. Static. */
const char *plan_reason_name(enum plan_reason reason);

/*
 * Decide. Everything in `*out` is borrowed from `routes`, `request` or made in `arena`.
 *
 * The variant is the tuple of: scheme, Host as sent ("" where the backend has a fixed one), backend
 * name, path, query as sent, then the language where the bloat has some, and each of its cookies
 * and `vary` fields. From the query on a value that is present has "=" before it, so that absent
 * and empty are told apart. So equal keys and variants mean equal requests to the backend, save for
 * fields that `forward` lets through; those are for the response's Vary to name (lib/http/vary.h).
 *
 * Returns: 0; -ENOMEM.
 */
int plan_make(const struct routes *routes, const struct http_request *request, struct arena *arena,
    struct plan *out) NODISCARD;

/*
 * The variant under which is kept what a response has said of queries (lib/http/search.h): that of
 * the plan with "?" for its query. at == NULL where its bloat does not obey, or knows no queries.
 *
 * Only queries of one key can be one: what deflates any of their URLs deflates that key.
 * Returns: 0; -ENOMEM.
 */
int plan_search(const struct plan *plan, struct arena *arena, struct slice *out) NODISCARD;

/*
 * Does a miss send on a range that it is asked for? What a backend makes of one is believed where
 * its other fields are; else the whole is fetched, and the range answered from that.
 */
bool plan_forwards_ranges(const struct plan *plan, const struct http_request *request);

/*
 * PLAN_CACHE: the Range to be sent on as it is, where nothing whole is stored: one range, without
 * conditions. at == NULL: the whole is asked for.
 */
struct slice plan_range(const struct plan *plan, const struct http_request *request);

/*
 * The request fields that the backend gets, Host first, names in lower case. Not part of
 * plan_make() because a hit does not need it.
 *
 * PLAN_CACHE: Host, X-Forwarded-Proto (and X-Forwarded-Host where the client's Host is
 * kept), the declared cookies, the chosen language, `vary` fields, and what `forward` lets through
 * of the request's other fields. Never, whatever `forward` says: Cookie, Authorization, fields that
 * are conditional or Range (the proxy adds its own), Cache-Control, Pragma, hop-by-hop fields,
 * Forwarded, Via, X-Forwarded-*, X-Real-IP, X-Original-*, X-Rewrite-*, X-HTTP-Method*,
 * X-Method-Override, X-Host and the other names by which clients move an application's idea of who
 * asks for what, and Dory-*.
 *
 * Authorization only where the route says `authorization = forward`: who asks so shares no fetch,
 * and storing_judge() keeps only what is said to be for all (RFC 9111 section 3.5).
 *
 * PLAN_PASS: every field but hop-by-hop ones, Forwarded, X-Forwarded-* and Dory-*, with
 * X-Forwarded-For, -Host and -Proto made anew from what the web server said.
 *
 * Returns: 0; -ENOMEM.
 */
int plan_forward(const struct plan *plan, const struct http_request *request, struct arena *arena,
    struct http_fields *out) NODISCARD;

#endif
