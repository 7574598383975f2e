/* wish.h -- What a request asks of caches, and whether a stored response meets it (RFC 9111 5.2.1).
 */
#ifndef DORY_HTTP_WISH_H
#define DORY_HTTP_WISH_H

#include "http/storing.h"

/*
 * Read Cache-Control of a request; where there is none, `Pragma: no-cache` stands for
 * Cache-Control: no-cache (section 5.4). Thread-safe: pure.
 */
struct cache_control wish_read(const struct http_fields *request);

/*
 * Where a stored response stands for a request with that wish: as storing_freshness(), but stale
 * where the request wants it validated, younger, or fresh for longer; and fresh where it is stale
 * by no more than max-stale, unless the response or a soft deflate forbids it. max-age=0 wants it
 * validated, however young it is.
 *
 * Thread-safe: pure.
 */
enum freshness wish_freshness(
    const struct cache_control *wish, const struct storing *s, int64_t age_s, bool soft);

#endif
