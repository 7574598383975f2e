/* walk.h -- The way through the tree of patterns that finds the most special one. */
#ifndef DORY_ROUTE_WALK_H
#define DORY_ROUTE_WALK_H

#include "route/tree.h"

/* The pattern that matches, and its arguments in their order. */
struct walk_hit {
	const struct pattern *pattern; /* NULL: none. */
	struct slice values[TUPLE_FIELDS_MAX];
};

/*
 * The most special pattern for host, method and path: compared segment by segment from the left,
 * then a host of its own before any host, then a named method before any. One whose host or method
 * does not fit hides nothing.
 *
 * method:  at == NULL: whichever.
 * arena:   holds decoded values.
 * Returns: 0; -ENOMEM.
 */
int walk_match(const struct tree *t, struct slice host, struct slice method, struct slice path,
    struct arena *arena, struct walk_hit *out) NODISCARD;

#endif
