/* tags.h -- The names under which an application groups its responses. */
#ifndef DORY_HTTP_TAGS_H
#define DORY_HTTP_TAGS_H

#include "http/message.h"

enum { HTTP_TAGS_MAX = 64, HTTP_TAG_BYTES_MAX = 128 };

/*
 * Append the tags that a response names, tuple-encoded: Cache-Groups (a list of structured-field
 * strings, RFC 9875 section 2), Surrogate-Key and xkey (separated by blanks), Cache-Tag (by
 * commas). What is empty is left out.
 *
 * Returns: 0; -E2BIG if a tag is longer than HTTP_TAG_BYTES_MAX or past HTTP_TAGS_MAX, and is left
 *          out: a deflate of that tag would not find the response.
 */
int http_tags_append(const struct http_fields *response, struct buf *out) NODISCARD;

#endif
