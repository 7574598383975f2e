/* validation.h -- Conditional requests answered from a stored response (RFC 9110 section 13). */
#ifndef DORY_HTTP_VALIDATION_H
#define DORY_HTTP_VALIDATION_H

#include "http/message.h"

/* Is `etag` a well-formed entity-tag (RFC 9110 section 8.8.3)? Thread-safe: pure. */
bool http_etag_is_valid(struct slice etag);

/* Weak comparison (RFC 9110 section 8.8.3.2). Thread-safe: pure. */
bool http_etag_match_weak(struct slice a, struct slice b);

/*
 * Should the client get 304 instead of a stored 200? If-None-Match first, by weak comparison
 * (13.1.2); only without it If-Modified-Since against Last-Modified (13.1.3), a date that does not
 * parse being ignored.
 *
 * if_none_match, if_modified_since: values of the request, at == NULL where absent.
 * etag, last_modified:              of the stored response, at == NULL where absent.
 */
bool http_not_modified(struct slice if_none_match, struct slice if_modified_since,
    struct slice etag, struct slice last_modified, int64_t now_s);

/* RFC 9110 section 15.4.5: the fields that a 304 carries. Thread-safe: pure. */
bool http_field_is_for_304(struct slice name);

#endif
