/* routes.h -- Routes and bloats compiled from the configuration: what matches what, and how. */
#ifndef DORY_ROUTE_ROUTES_H
#define DORY_ROUTE_ROUTES_H

#include "config/config.h"
#include "http/message.h"
#include "http/storing.h"
#include "key/tuple.h"

/* Opaque. Read-only once made, so thread-safe. Borrows the configuration: free it first. */
struct routes;

/* A compiled bloat; `index` is its place in the configuration. */
struct bloat;

/* A compiled route. */
struct route;

/*
 * Compile patterns, key definitions, calls, deflates, query rules, tags and bypasses; check that
 * names and argument counts and types agree; build the matching tree.
 *
 * errors:  every finding is appended, with file and line.
 * Returns: 0; -EINVAL with findings in `errors`; -ENOMEM. On error `*out` is untouched.
 * Owner:   caller; free with routes_free().
 */
int routes_new(
    struct routes **out, const struct config *config, struct config_errors *errors) NODISCARD;
void routes_free(struct routes *r);

const struct config *routes_config(const struct routes *r);
const struct config_route *route_config(const struct route *route);
const struct config_bloat *bloat_config(const struct bloat *b);

/* By the name in the section header; NULL if there is none. */
const struct bloat *routes_bloat(const struct routes *r, struct slice name);
/* By the first field of its keys; NULL if there is none. */
const struct bloat *routes_bloat_of_prefix(const struct routes *r, struct slice prefix);
const char *bloat_name(const struct bloat *b);

/* How many fields its key has. */
unsigned bloat_fields(const struct bloat *b);

/* How responses of that status are stored; `*status_timeout` as storing_judge() wants it. */
struct storing_policy bloat_policy(const struct bloat *b, unsigned status, bool *status_timeout);

/* A matched argument: its name in the pattern and its decoded value. */
struct route_args {
	struct slice names[TUPLE_FIELDS_MAX];
	struct slice values[TUPLE_FIELDS_MAX];
	unsigned n;
};

/*
 * The most specific route for method, host and path; NULL where none matches. A GET route serves
 * HEAD. The cost does not depend on how many routes there are.
 *
 * arena: holds the decoded values of `args`.
 * Returns: 0 with `*out` the route or NULL; -ENOMEM.
 */
int routes_match(const struct routes *r, const struct http_request *request, struct arena *arena,
    const struct route **out, struct route_args *args) NODISCARD;

/* Does any route match that path, for whatever method? (405 against 404 in explain.) */
bool routes_path_known(const struct routes *r, const struct http_request *request);

#endif
