/* date.h -- HTTP dates (RFC 9110 section 5.6.7). */
#ifndef DORY_HTTP_DATE_H
#define DORY_HTTP_DATE_H

#include "base/slice.h"

enum { HTTP_DATE_SIZE = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL. */

/*
 * IMF-fixdate, RFC 850 and asctime forms. A two-digit year more than 50 years after that of `now_s`
 * is of the century before. Returns: 0; -EINVAL. On error `*out_s` is untouched. Thread-safe: pure.
 */
int http_date_parse(struct slice text, int64_t now_s, int64_t *out_s) NODISCARD;

/* IMF-fixdate with a NUL; years 0 to 9999, clamped. Thread-safe: pure. */
void http_date_format(int64_t time_s, char out[HTTP_DATE_SIZE]);

#endif
