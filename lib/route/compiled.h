/* compiled.h -- What routes_new() makes: routes ready to match, shared by the files of this folder.
 */
#ifndef DORY_ROUTE_COMPILED_H
#define DORY_ROUTE_COMPILED_H

#include "route/bloat.h"
#include "route/bypass.h"
#include "route/deflate.h"
#include "route/source.h"
#include "route/walk.h"

/* One `match` line of a route: arguments have their places here. It begins with a cache line. */
struct route_form {
	_Alignas(TREE_LINE_BYTES) const struct route *route;
	struct pattern pattern;
	const struct source *key; /* One for each field of the bloat's key. */
	struct deflate deflate;
};

struct route {
	const struct config_route *config;
	const struct bloat *bloat;            /* NULL: none. */
	const struct config_backend *backend; /* NULL: there is none at all. */
	const struct slice *hosts;
	size_t n_hosts; /* 0: any. */
	const struct bypass *bypass;
	size_t n_bypass;
	enum config_deflate_mode deflate_mode;
	struct route_form *forms;
};

struct routes {
	const struct config *config;
	struct bloat *bloats;
	const struct bloat **by_name;   /* Sorted. */
	const struct bloat **by_prefix; /* Sorted. */
	struct route *routes;
	struct route_form *forms;             /* Of all routes, so that they lie close together. */
	const struct config_backend *backend; /* For requests that no route matches; may be NULL. */
	struct tree tree;
	struct arena arena;
};

/* As routes_bloat(), with a finding where there is none. Returns: 0; -EINVAL with `why`. */
int routes_known_bloat(const struct routes *r, struct slice name, const struct bloat **out,
    struct finding *why) NODISCARD;

/* The form that matches, `out->pattern->form`, or out->pattern == NULL. Returns: 0; -ENOMEM. */
int routes_walk(const struct routes *r, const struct http_request *request, struct arena *arena,
    struct walk_hit *out) NODISCARD;

/*
 * The fields of a form's key, prefix first.
 *
 * fields:  TUPLE_FIELDS_MAX of them.
 * missing: set to the field that has no value that fits, else to NULL.
 * Returns: 0; -ENOMEM.
 */
int route_key_fields(const struct route_form *form, const struct source_facts *facts,
    struct slice *fields, const struct source **missing) NODISCARD;

/* What plan_look() found. */
struct plan_look {
	struct slice cookies;
	struct slice query; /* As sent to the backend. */
	struct slice language;
	struct slice fields[TUPLE_FIELDS_MAX]; /* Of the key, prefix first. */
	const struct source *missing; /* The first part of the key that has no value that fits. */
};

/* Look at what a request says for the bloat of the route it matches. Returns: 0; -ENOMEM. */
int plan_look(const struct walk_hit *hit, const struct http_request *request, struct arena *arena,
    struct plan_look *out) NODISCARD;

/* Compile route `index` of the configuration. Findings are noted in `c`. Returns: 0; -ENOMEM. */
int route_compile(
    const struct compile *c, const struct routes *r, size_t index, struct route *out) NODISCARD;

#endif
