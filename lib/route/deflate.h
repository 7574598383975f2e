/* deflate.h -- The scopes that a successful write through a route deflates. */
#ifndef DORY_ROUTE_DEFLATE_H
#define DORY_ROUTE_DEFLATE_H

#include "key/scope.h"
#include "route/source.h"

enum { DEFLATE_SCOPES_MAX = 32 };

struct deflate_scope {
	enum scope_kind kind;
	const struct bloat *bloat; /* SCOPE_KEY: `n` values are given. */
	unsigned n;
	const struct source *values;
	struct template tag; /* SCOPE_TAG */
};

struct deflate {
	unsigned n;
	const struct deflate_scope *scopes;
};

/*
 * `product(id) list(*) tag:x-{id} *`, separated by blanks or commas.
 * Returns: 0; -EINVAL with `why`; -ENOMEM.
 */
int deflate_compile(const struct routes *routes, struct slice text, const struct pattern *pattern,
    struct arena *arena, struct deflate *out, struct finding *why) NODISCARD;

/*
 * The scopes for one request, made in facts->arena. One that can cover nothing (an empty tag, a key
 * longer than any that is stored) is left out.
 *
 * Returns: 0; -ENOMEM.
 */
int deflate_scopes(const struct deflate *d, const struct source_facts *facts,
    const struct scope **out, size_t *n) NODISCARD;

#endif
