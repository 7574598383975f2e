/* routes.c -- Routes and bloats compiled from the configuration: what matches what, and how. */
#include "route/routes.h"

#include "route/compiled.h"
#include "route/order.h"

#include <errno.h>
#include <stdlib.h>

static int
routes_order_names(const void *a, const void *b)
{
	const struct bloat *const *p = a, *const *q = b;

	return order_slices(slice_of(bloat_name(*p)), slice_of(bloat_name(*q)));
}

static int
routes_order_prefixes(const void *a, const void *b)
{
	const struct bloat *const *p = a, *const *q = b;

	return order_slices((*p)->prefix, (*q)->prefix);
}

/* Two bloats under one prefix would share keys. */
static void
routes_check_prefixes(const struct compile *c, const struct routes *r)
{
	for (size_t i = 1; i < c->config->n_bloats; i++) {
		const struct bloat *a = r->by_prefix[i - 1], *b = r->by_prefix[i];
		if (!slice_equal(a->prefix, b->prefix))
			continue;
		const struct bloat *later = a->index > b->index ? a : b;
		const struct bloat *first = later == a ? b : a;
		config_error(c->errors, c->config->file, later->config->line,
		    "[bloat %s] prefix: \"%.*s\" is the prefix of [bloat %s] in line %u already; "
		    "choose another",
		    bloat_name(later), SLICE_ARGS(first->prefix), bloat_name(first),
		    first->config->line);
	}
}

static int
routes_compile_bloats(const struct compile *c, struct routes *r)
{
	size_t n = c->config->n_bloats;

	r->bloats = arena_zalloc(&r->arena, (n + 1) * sizeof(*r->bloats));
	r->by_name = arena_alloc(&r->arena, (n + 1) * sizeof(*r->by_name));
	r->by_prefix = arena_alloc(&r->arena, (n + 1) * sizeof(*r->by_prefix));
	if (r->bloats == NULL || r->by_name == NULL || r->by_prefix == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (bloat_compile(c, i, &r->bloats[i]) != 0)
			return -ENOMEM;
		r->by_name[i] = r->by_prefix[i] = &r->bloats[i];
	}
	qsort(r->by_name, n, sizeof(*r->by_name), routes_order_names);
	qsort(r->by_prefix, n, sizeof(*r->by_prefix), routes_order_prefixes);
	routes_check_prefixes(c, r);
	return 0;
}

static void
routes_choose_backend(struct routes *r)
{
	const struct config *config = r->config;

	r->backend = config->n_backends == 1 ? &config->backends[0] : NULL;
	for (size_t i = 0; i < config->n_backends; i++) {
		if (config->dory.backend.text != NULL &&
		    strcmp(config->dory.backend.text, config->backends[i].name) == 0)
			r->backend = &config->backends[i];
	}
}

static int
routes_add_host(
    const struct compile *c, struct routes *r, const struct pattern *pattern, struct slice host)
{
	const struct pattern *clash;

	if (tree_add(&r->tree, pattern, host, &r->arena, &clash) != 0)
		return -ENOMEM;
	if (clash != NULL)
		config_error(c->errors, c->config->file, pattern->line,
		    "[route %s] match: \"%s\" and \"%s\" of [route %s] in line %u can match one "
		    "request with equal rank; give one of them a narrower type, method or host",
		    pattern->form->route->config->name, pattern->text, clash->text,
		    clash->form->route->config->name, clash->line);
	return 0;
}

static int
routes_add(const struct compile *c, struct routes *r, const struct route *route)
{
	const struct slice any = { NULL, 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < route->config->match.n; i++) {
		const struct pattern *pattern = &route->forms[i].pattern;
		if (pattern->form == NULL)
			continue;
		if (route->config->host.n == 0 || route->hosts == NULL)
			rc = routes_add_host(c, r, pattern, any);
		for (size_t j = 0; rc == 0 && j < route->n_hosts; j++)
			rc = routes_add_host(c, r, pattern, route->hosts[j]);
	}
	return rc;
}

static int
routes_compile(const struct compile *c, struct routes *r)
{
	size_t n = c->config->n_routes, n_forms = 0;

	routes_choose_backend(r);
	int rc = routes_compile_bloats(c, r);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		n_forms += c->config->routes[i].match.n;
	r->routes = arena_zalloc(&r->arena, (n + 1) * sizeof(*r->routes));
	r->forms = tree_alloc(&r->arena, (n_forms + 1) * sizeof(*r->forms));
	if (r->routes == NULL || r->forms == NULL)
		return -ENOMEM;
	struct route_form *forms = r->forms;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		r->routes[i].forms = forms;
		forms += c->config->routes[i].match.n;
		rc = route_compile(c, r, i, &r->routes[i]);
		if (rc == 0)
			rc = routes_add(c, r, &r->routes[i]);
	}
	return rc;
}

int
routes_new(struct routes **out, const struct config *config, struct config_errors *errors)
{
	struct routes *r = calloc(1, sizeof(*r));
	unsigned before = errors->n;

	if (r == NULL)
		return -ENOMEM;
	r->config = config;
	const struct compile c = { config, errors, &r->arena, before > 0 };
	int rc = routes_compile(&c, r);
	if (rc == 0 && errors->n > before)
		rc = -EINVAL;
	if (rc != 0) {
		routes_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void
routes_free(struct routes *r)
{
	if (r == NULL)
		return;
	arena_fini(&r->arena);
	free(r);
}

const struct config *
routes_config(const struct routes *r)
{
	return r->config;
}

const struct bloat *
routes_bloat(const struct routes *r, struct slice name)
{
	size_t low = 0, high = r->config->n_bloats;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int sign = order_slices(slice_of(bloat_name(r->by_name[middle])), name);
		if (sign == 0)
			return r->by_name[middle];
		if (sign < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct bloat *
routes_bloat_of_prefix(const struct routes *r, struct slice prefix)
{
	size_t low = 0, high = r->config->n_bloats;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int sign = order_slices(r->by_prefix[middle]->prefix, prefix);
		if (sign == 0)
			return r->by_prefix[middle];
		if (sign < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

int
routes_known_bloat(
    const struct routes *r, struct slice name, const struct bloat **out, struct finding *why)
{
	size_t n = r->config->n_bloats;

	*out = routes_bloat(r, name);
	if (*out != NULL)
		return 0;
	const char **names = calloc(n + 1, sizeof(*names));
	for (size_t i = 0; names != NULL && i < n; i++)
		names[i] = bloat_name(&r->bloats[i]);
	finding_unknown(why, "bloat", name, names, names == NULL ? 0 : n,
	    n == 0 ? "there is no [bloat NAME]" : "write the name of a [bloat NAME] section");
	free(names);
	return -EINVAL;
}

int
routes_walk(const struct routes *r, const struct http_request *request, struct arena *arena,
    struct walk_hit *out)
{
	return walk_match(&r->tree, request->host, request->method, request->path, arena, out);
}

int
routes_match(const struct routes *r, const struct http_request *request, struct arena *arena,
    const struct route **out, struct route_args *args)
{
	struct walk_hit hit;

	*out = NULL;
	args->n = 0;
	int rc = routes_walk(r, request, arena, &hit);
	if (rc != 0 || hit.pattern == NULL)
		return rc;
	*out = hit.pattern->form->route;
	args->n = hit.pattern->n_arguments;
	for (unsigned i = 0; i < args->n; i++) {
		args->names[i] = hit.pattern->names[i];
		args->values[i] = hit.values[i];
	}
	return 0;
}

bool
routes_path_known(const struct routes *r, const struct http_request *request)
{
	struct arena arena = { 0 };
	struct walk_hit hit;

	int rc = walk_match(
	    &r->tree, request->host, (struct slice){ NULL, 0 }, request->path, &arena, &hit);
	arena_fini(&arena);
	return rc == 0 && hit.pattern != NULL;
}
