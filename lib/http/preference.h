/* preference.h -- Accept-Language and Accept-Encoding in one spelling (RFC 9110 section 12.5). */
#ifndef DORY_HTTP_PREFERENCE_H
#define DORY_HTTP_PREFERENCE_H

#include "base/slice.h"

enum { PREFERENCE_MEMBERS_MAX = 32 };

/*
 * Copy `value` to `at` so that lists that prefer the same come out the same: in lower case, the
 * best quality first, those of one quality in the order of the alphabet (section 12.5.4: their
 * order in the field cannot be relied upon), x-gzip as gzip (section 8.4.1.3), q=1 left out.
 *
 * at:      room for value.len bytes.
 * Returns: the number of bytes written; 0 for a list that is malformed or longer than
 *          PREFERENCE_MEMBERS_MAX, which is no list of preferences to us, and for an empty one.
 * Thread-safe: pure.
 */
size_t preference_normalise(struct slice value, char *at);

/*
 * The member that is preferred to all others, "*" being none. Returns: a part of `value`, at ==
 * NULL where there is none, as in "de, en", which prefers neither. Thread-safe: pure.
 */
struct slice preference_first(struct slice value);

#endif
