/* cachecontrol.h -- Cache-Control of requests and responses (RFC 9111 section 5.2). */
#ifndef DORY_HTTP_CACHECONTROL_H
#define DORY_HTTP_CACHECONTROL_H

#include "base/slice.h"

/* A lifetime in seconds, or CC_ABSENT. */
enum { CC_ABSENT = -1 };

struct cache_control {
	bool present; /* There was such a field at all. */
	bool no_store, no_cache, is_private, is_public;
	bool must_revalidate, proxy_revalidate, must_understand, no_transform, immutable;
	bool only_if_cached;
	/* no-cache="a, b" and private="a": the field names, unquoted; at == NULL without an
	 * argument. */
	struct slice no_cache_fields, private_fields;
	int64_t max_age_s, s_maxage_s, min_fresh_s,
	    max_stale_s; /* max_stale without value: INT64_MAX. */
	int64_t stale_while_revalidate_s, stale_if_error_s; /* RFC 5861. */
};

/* An empty one: nothing present. */
struct cache_control cache_control_none(void);

/*
 * Add what one field value says. Unknown directives are ignored; names are matched without case;
 * token and quoted-string arguments are both read (section 5.2). A delta-seconds that is no number
 * counts as 0, one too large as 2^31 (section 1.2.2); of repeated ones the smaller counts (4.2.1).
 * Thread-safe: pure.
 */
void cache_control_add(struct cache_control *cc, struct slice value);

/*
 * Make `*cc` what a targeted field says: a dictionary (RFC 9213 section 2.1), all lines of it
 * joined. A number that is none, or negative, is 0; a flag counts unless it is ?0.
 *
 * Returns: 0; -EINVAL where it is empty or malformed, and so to be ignored, `*cc` being untouched.
 * Thread-safe: pure.
 */
int cache_control_parse_targeted(struct cache_control *cc, struct slice value) NODISCARD;

/*
 * Make `*cc` what Surrogate-Control says to us (W3C Note edge-arch 1.0): max-age, with what may
 * follow it as grace, and no-store. A directive meant for another surrogate is passed over.
 *
 * Returns: 0; -ENOENT where it says nothing of these, `*cc` being untouched. Thread-safe: pure.
 */
int cache_control_parse_surrogate(struct cache_control *cc, struct slice value) NODISCARD;

/*
 * The field names of no-cache="a, b" and private="a".
 * Does `fields` name `name`? Case does not count. Thread-safe: pure.
 */
bool cache_control_names(struct slice fields, struct slice name);

#endif
