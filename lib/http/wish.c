/* wish.c -- What a request asks of caches, and whether a stored response meets it (RFC 9111 5.2.1).
 */
#include "http/wish.h"

struct cache_control
wish_read(const struct http_fields *request)
{
	struct cache_control wish = cache_control_none();

	for (size_t i = 0; i < request->n; i++) {
		if (slice_equal_nocase(request->items[i].name, SLICE("cache-control")))
			cache_control_add(&wish, request->items[i].value);
	}
	const struct http_field *pragma = http_fields_find(request, SLICE("pragma"));
	if (!wish.present && pragma != NULL)
		wish.no_cache = cache_control_names(pragma->value, SLICE("no-cache"));
	return wish;
}

static bool
wish_limits(const struct cache_control *wish, const struct storing *s, int64_t age_s)
{
	bool too_old =
	    wish->max_age_s != CC_ABSENT && (age_s > wish->max_age_s || wish->max_age_s == 0);
	/* Both are small enough: the larger is 2^31. */
	bool too_short =
	    wish->min_fresh_s != CC_ABSENT && s->lifetime_s - age_s < wish->min_fresh_s;

	return too_old || too_short;
}

enum freshness
wish_freshness(const struct cache_control *wish, const struct storing *s, int64_t age_s, bool soft)
{
	enum freshness freshness = storing_freshness(s, age_s, soft);
	bool takes_stale = wish->max_stale_s != CC_ABSENT && !soft && !s->never_stale &&
			   age_s - s->lifetime_s <= wish->max_stale_s;

	if (wish->no_cache || wish->no_store || wish_limits(wish, s, age_s))
		return FRESHNESS_STALE;
	if (takes_stale && !s->revalidate_always)
		return FRESHNESS_FRESH;
	/* Section 5.2.1.1: max-age alone wants nothing stale; min-fresh neither. */
	bool wants_fresh = wish->max_age_s != CC_ABSENT || wish->min_fresh_s != CC_ABSENT;
	if (wants_fresh && freshness == FRESHNESS_GRACE)
		return FRESHNESS_STALE;
	return freshness;
}
