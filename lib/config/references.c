/* references.c -- Names of the configuration: each given once, and each that is used given. */
#include "config/references.h"

#include <errno.h>
#include <stdlib.h>

/* A name, what bears it, and where. */
struct references_name {
	const char *name;
	const char *owner;
	unsigned line;
};

/* Names in the order of their bytes, then of their lines. */
struct references_index {
	struct references_name *names;
	size_t n;
};

static int
references_compare(const void *left, const void *right)
{
	const struct references_name *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (order != 0)
		return order;
	return a->line < b->line ? -1 : a->line > b->line;
}

/* Room for n names and as many pointers; the caller fills and sorts it. */
static int
references_alloc(struct config *c, size_t n, struct references_index *out)
{
	out->n = n;
	out->names = arena_alloc(&c->arena, n * sizeof(*out->names));
	return out->names == NULL ? -ENOMEM : 0;
}

static void
references_sort(struct references_index *index)
{
	if (index->n > 0)
		qsort(index->names, index->n, sizeof(*index->names), references_compare);
}

/* Every section of a kind once. All later ones are told where the first is. */
static void
references_once(struct config *c, const struct references_index *index, const char *kind,
    struct config_errors *errors)
{
	const struct references_name *before = index->names;

	for (size_t i = 1; i < index->n; i++) {
		const struct references_name *one = &index->names[i];
		if (strcmp(one->name, before->name) != 0)
			before = one;
		else
			config_error(errors, c->file, one->line,
			    "[%s %s] stands in line %u already; move its keys there or choose "
			    "another name",
			    kind, one->name, before->line);
	}
}

/* Two bloats with one prefix would answer from each other's entries. */
static void
references_prefixes(
    struct config *c, const struct references_index *index, struct config_errors *errors)
{
	const struct references_name *before = index->names;

	for (size_t i = 1; i < index->n; i++) {
		const struct references_name *one = &index->names[i];
		if (strcmp(one->name, before->name) != 0)
			before = one;
		else if (strcmp(one->owner, before->owner) != 0)
			config_error(errors, c->file, one->line,
			    "[bloat %s] prefix: \"%s\" is the prefix of [bloat %s] in line %u "
			    "already; choose another",
			    one->owner, one->name, before->owner, before->line);
	}
}

static int
references_bloats(struct config *c, struct config_errors *errors)
{
	struct references_index names, prefixes;

	if (references_alloc(c, c->n_bloats, &names) != 0 ||
	    references_alloc(c, c->n_bloats, &prefixes) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_bloats; i++) {
		const struct config_bloat *b = &c->bloats[i];
		names.names[i] = (struct references_name){ b->name, b->name, b->line };
		prefixes.names[i] = (struct references_name){ b->prefix, b->name, b->line };
	}
	references_sort(&names);
	references_sort(&prefixes);
	references_once(c, &names, "bloat", errors);
	references_prefixes(c, &prefixes, errors);
	return 0;
}

static int
references_routes(struct config *c, struct config_errors *errors)
{
	struct references_index names;

	if (references_alloc(c, c->n_routes, &names) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_routes; i++) {
		const struct config_route *r = &c->routes[i];
		names.names[i] = (struct references_name){ r->name, r->name, r->line };
	}
	references_sort(&names);
	references_once(c, &names, "route", errors);
	return 0;
}

static int
references_backends(struct config *c, struct references_index *names, struct config_errors *errors)
{
	if (references_alloc(c, c->n_backends, names) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_backends; i++) {
		const struct config_backend *b = &c->backends[i];
		names->names[i] = (struct references_name){ b->name, b->name, b->line };
	}
	references_sort(names);
	references_once(c, names, "backend", errors);
	return 0;
}

/* Does the backend of section `[title]` exist? */
static int
references_backend(struct config *c, const struct references_index *backends, const char *title,
    struct config_text backend, struct config_errors *errors)
{
	struct references_name wanted = { .name = backend.text };
	size_t low = 0, high = backends->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(wanted.name, backends->names[middle].name);
		if (order == 0)
			return 0;
		low = order > 0 ? middle + 1 : low;
		high = order < 0 ? middle : high;
	}
	const char **names = arena_alloc(&c->arena, backends->n * sizeof(*names));
	if (names == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < backends->n; i++)
		names[i] = backends->names[i].name;
	const char *near = config_nearest(slice_of(backend.text), names, backends->n);
	config_error(errors, c->file, backend.line, "%s backend: there is no [backend %s]; %s%s%s",
	    title, backend.text,
	    near == NULL ? "write the NAME of a [backend NAME]" : "did you mean \"",
	    near == NULL ? "" : near, near == NULL ? "" : "\"?");
	return 0;
}

/* The backend of one route: its own, dory's, or the only one. */
static int
references_route(struct config *c, const struct references_index *backends,
    struct config_route *route, struct config_errors *errors)
{
	const char *title = arena_printf(&c->arena, "[route %s]", route->name);

	if (title == NULL)
		return -ENOMEM;
	if (route->backend.text != NULL)
		return references_backend(c, backends, title, route->backend, errors);
	route->backend = (struct config_text){ c->dory.backend.text, route->line };
	if (route->backend.text == NULL)
		config_error(errors, c->file, route->line,
		    "%s needs a backend, as there are %zu; write backend = NAME here or in [dory]",
		    title, c->n_backends);
	return 0;
}

/* Backends by name, wherever one is used. */
static int
references_uses(
    struct config *c, const struct references_index *backends, struct config_errors *errors)
{
	int rc = 0;

	if (c->dory.backend.text != NULL)
		rc = references_backend(c, backends, "[dory]", c->dory.backend, errors);
	else if (c->n_backends == 1)
		c->dory.backend = (struct config_text){ c->backends[0].name, c->backends[0].line };
	for (size_t i = 0; rc == 0 && i < c->n_routes; i++)
		rc = references_route(c, backends, &c->routes[i], errors);
	return rc;
}

int
references_check(struct config *c, bool lost, struct config_errors *errors)
{
	struct references_index backends;
	int rc = references_backends(c, &backends, errors);

	if (rc == 0)
		rc = references_bloats(c, errors);
	if (rc == 0)
		rc = references_routes(c, errors);
	if (rc != 0 || lost)
		return rc;
	if (c->n_backends == 0) {
		config_error(errors, c->file, 0,
		    "no [backend NAME] section; write one with url = http://HOST:PORT");
		return 0;
	}
	return references_uses(c, &backends, errors);
}
