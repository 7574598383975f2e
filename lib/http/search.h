/* search.h -- Which parts of a query do not matter to a response (No-Vary-Search). */
#ifndef DORY_HTTP_SEARCH_H
#define DORY_HTTP_SEARCH_H

#include "http/message.h"

enum { SEARCH_RULE_MAX = 1024, SEARCH_PAIRS_MAX = 64 };

/*
 * What a response's No-Vary-Search says, in the form in which an entry keeps it.
 *
 * Returns: 0, `*out` empty where all of a query matters: no such field, one that is malformed, or
 *          one that is longer than is kept; -ENOMEM.
 * Spec:    draft-ietf-httpbis-no-vary-search.
 */
int search_rule(
    const struct http_fields *response, struct arena *arena, struct slice *out) NODISCARD;

/*
 * What such a rule leaves of a query: the same bytes for queries that are one to the response.
 *
 * query:   as sent; at == NULL for none, which is as good as an empty one.
 * Returns: 0; -EINVAL for a query that cannot be compared: it has more than SEARCH_PAIRS_MAX
 *          parameters, or one with a broken %XX; -ENOMEM.
 */
int search_reduce(
    struct slice rule, struct slice query, struct arena *arena, struct slice *out) NODISCARD;

#endif
