/* negotiate.h -- Accept-Language reduced to one of the languages a site has (RFC 9110 12.5.4). */
#ifndef DORY_HTTP_NEGOTIATE_H
#define DORY_HTTP_NEGOTIATE_H

#include "base/slice.h"

/*
 * The best of `languages` for an Accept-Language value: highest quality first, ties by the order of
 * the header; "de-AT" finds "de" (RFC 4647 section 3.4, lookup), `*` finds the first, what is
 * unknown is passed over. q=0 excludes. Returns an index into `languages`; 0 where nothing fits.
 * n > 0.
 * Thread-safe: pure.
 */
size_t negotiate_language(struct slice accept_language, const struct slice *languages, size_t n);

#endif
