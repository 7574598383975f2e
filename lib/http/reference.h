/* reference.h -- What a URL reference in a header means, seen from a request (RFC 3986). */
#ifndef DORY_HTTP_REFERENCE_H
#define DORY_HTTP_REFERENCE_H

#include "http/message.h"
#include "http/target.h"

/*
 * Resolve `reference` against the request's URL: absolute, "//host/path", "/path", "?query",
 * "path",
 * "../path" or empty; a fragment is passed over. Scheme and host are always set.
 *
 * Returns: 0; -EINVAL also for schemes other than http and https; -ENOMEM.
 * Spec:    RFC 3986 section 5.2.
 */
int reference_resolve(const struct http_request *request, struct slice reference,
    struct arena *arena, struct http_url *out) NODISCARD;

#endif
