/* request.h -- FastCGI parameters become a request, or a reason to refuse it. */
#ifndef DORY_PROXY_REQUEST_H
#define DORY_PROXY_REQUEST_H

#include "base/arena.h"
#include "http/message.h"
#include "params.h"

/*
 * Web servers hand over a decoded path and headers that clients have shaped: whatever has two
 * readings is refused here (repeated names, control bytes, dot segments, bad Host), so that the key
 * and the backend see the same request.
 *
 * params:  borrowed by `out`, with `arena`.
 * why:     on error, what is wrong; never anything the client sent. Static.
 * Returns: 0; -EINVAL with `*why`; -ENOMEM.
 * Spec:    RFC 3875 section 4.1; RFC 9110 sections 5, 7.2, 7.6.1.
 */
int request_make(const struct params *params, bool has_body, struct arena *arena,
    struct http_request *out, const char **why) NODISCARD;

#endif
