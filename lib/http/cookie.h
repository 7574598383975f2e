/* cookie.h -- One cookie out of a Cookie field (RFC 6265 section 4.2). */
#ifndef DORY_HTTP_COOKIE_H
#define DORY_HTTP_COOKIE_H

#include "base/slice.h"

/*
 * Take the next `name=value` pair off `*rest`. Pairs without "=" have the empty name.
 * Returns: false at the end. Thread-safe: pure.
 */
bool cookie_next(struct slice *rest, struct slice *name, struct slice *value);

/* The value of the first cookie of that name (case counts); at == NULL where there is none. */
struct slice cookie_find(struct slice cookies, struct slice name);

#endif
