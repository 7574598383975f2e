/* affected.h -- The keys that a successful unsafe request makes old (RFC 9111 section 4.4). */
#ifndef DORY_ROUTE_AFFECTED_H
#define DORY_ROUTE_AFFECTED_H

#include "route/plan.h"

/*
 * Add to the plan's scopes the key that a GET of the request's own URL has, unless it is there or
 * there is none. Cookies, languages and other fields that are part of a key are the request's.
 *
 * Returns: 0; -ENOMEM.
 */
int affected_add_target(const struct routes *routes, const struct http_request *request,
    struct arena *arena, struct plan *plan) NODISCARD;

/*
 * The same for the URLs that Location and Content-Location of its answer name, where they are of
 * the same origin.
 *
 * Returns: 0; -ENOMEM.
 */
int affected_add_locations(const struct routes *routes, const struct http_request *request,
    const struct http_fields *answer, struct arena *arena, struct plan *plan) NODISCARD;

#endif
