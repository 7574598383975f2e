/* storing.c -- May a response be stored, for how long, and for whom (RFC 9111 sections 3 and 4.2).
 */
#include "http/storing.h"

#include "base/fault.h"
#include "http/date.h"
#include "http/vary.h"

#include <errno.h>

static const int64_t storing_day_s = 86400;
static const int64_t storing_forever_s = (int64_t)1 << 31; /* RFC 9111 section 1.2.2. */

/* What the header block of a response says. */
struct storing_facts {
	struct cache_control cc;
	int64_t date_s; /* Of the Date field; of its arrival where there is no valid one. */
	int64_t age_s;  /* Of the Age field, 0 without. */
	int64_t expires_in_s;
	int64_t modified_ago_s; /* Date - Last-Modified; 0 where there is none. */
	bool has_expires;
	bool has_validator;
	bool has_set_cookie;
	bool by_surrogate;
};

/* RFC 9111 section 5.1: of a list the first member; what is no number is ignored. */
static int64_t
storing_age_field(const struct http_response *response)
{
	struct slice value = http_fields_value(&response->fields, SLICE("age"));
	struct slice first = slice_trim(slice_cut(&value, ','));
	uint64_t age = 0;

	for (size_t i = 0; i < first.len; i++) {
		if (first.at[i] < '0' || first.at[i] > '9')
			return 0;
	}
	if (slice_to_u64(first, &age) == -ERANGE || age > (uint64_t)storing_forever_s)
		return storing_forever_s;
	return (int64_t)age;
}

/* RFC 9111 sections 4.2.1 and 5.3: what is no date, or not the same twice, has expired. */
static void
storing_read_expires(
    const struct http_response *response, int64_t response_s, struct storing_facts *facts)
{
	struct slice value = { NULL, 0 };
	int64_t expires_s;
	bool differ = false;

	for (size_t i = 0; i < response->fields.n; i++) {
		const struct http_field *field = &response->fields.items[i];
		if (!slice_equal_nocase(field->name, SLICE("expires")))
			continue;
		differ = differ || (facts->has_expires && !slice_equal(value, field->value));
		value = field->value;
		facts->has_expires = true;
	}
	bool valid = !differ && http_date_parse(value, response_s, &expires_s) == 0;
	facts->expires_in_s = valid && expires_s > facts->date_s ? expires_s - facts->date_s : 0;
}

/*
 * RFC 9213 section 2.2: the first targeted field that is good stands in for Cache-Control and
 * Expires. Returns whether there is one.
 */
static bool
storing_read_targeted(
    const struct http_response *response, struct arena *arena, struct storing_facts *facts)
{
	struct cache_control *cc = &facts->cc;
	const struct slice targeted[] = { SLICE("dory-cache-control"), SLICE("cdn-cache-control") };

	for (size_t i = 0; i < COUNT(targeted); i++) {
		struct slice value = http_fields_join(&response->fields, targeted[i], arena);
		if (value.at != NULL && cache_control_parse_targeted(cc, value) == 0)
			return true;
		/* Out of memory: what it says is unknown, and might have been this. */
		cc->no_store =
		    value.at == NULL && http_fields_find(&response->fields, targeted[i]) != NULL;
		if (cc->no_store)
			return true;
	}
	struct slice value = http_fields_join(&response->fields, SLICE("surrogate-control"), arena);
	facts->by_surrogate = value.at != NULL && cache_control_parse_surrogate(cc, value) == 0;
	return facts->by_surrogate;
}

static void
storing_read(const struct http_response *response, int64_t response_s, struct arena *arena,
    struct storing_facts *facts)
{
	int64_t modified_s;

	*facts = (struct storing_facts){ .cc = cache_control_none() };
	bool targeted = storing_read_targeted(response, arena, facts);
	for (size_t i = 0; i < response->fields.n; i++) {
		const struct http_field *field = &response->fields.items[i];
		if (!targeted && slice_equal_nocase(field->name, SLICE("cache-control")))
			cache_control_add(&facts->cc, field->value);
		else if (slice_equal_nocase(field->name, SLICE("set-cookie")))
			facts->has_set_cookie = true;
	}
	struct slice date = http_fields_value(&response->fields, SLICE("date"));
	if (http_date_parse(date, response_s, &facts->date_s) != 0)
		facts->date_s = response_s;
	if (!targeted)
		storing_read_expires(response, response_s, facts);
	struct slice modified = http_fields_value(&response->fields, SLICE("last-modified"));
	bool has_modified = http_date_parse(modified, response_s, &modified_s) == 0;
	if (has_modified && modified_s < facts->date_s)
		facts->modified_ago_s = facts->date_s - modified_s;
	facts->has_validator =
	    has_modified || http_fields_value(&response->fields, SLICE("etag")).len > 0;
	facts->age_s = storing_age_field(response);
}

static int64_t
storing_at_least_0(int64_t seconds)
{
	return seconds < 0 ? 0 : seconds;
}

/* corrected_initial_age of RFC 9111 section 4.2.3. */
static int64_t
storing_initial_age(const struct storing_facts *facts, int64_t request_s, int64_t response_s)
{
	int64_t apparent_s = storing_at_least_0(response_s - facts->date_s);
	int64_t corrected_s = facts->age_s + storing_at_least_0(response_s - request_s);

	return apparent_s > corrected_s ? apparent_s : corrected_s;
}

static bool
storing_has_explicit_lifetime(const struct storing_facts *facts)
{
	return facts->cc.s_maxage_s != CC_ABSENT || facts->cc.max_age_s != CC_ABSENT ||
	       facts->has_expires;
}

/* What the response says, or what stands in where it says nothing. */
static int64_t
storing_response_lifetime(const struct storing_facts *facts, const struct storing_policy *policy)
{
	if (facts->cc.s_maxage_s != CC_ABSENT)
		return facts->cc.s_maxage_s;
	if (facts->cc.max_age_s != CC_ABSENT)
		return facts->cc.max_age_s;
	if (facts->has_expires)
		return facts->expires_in_s;
	if (policy->timeout_s > 0)
		return policy->timeout_s;
	if (!policy->heuristic)
		return 0;
	int64_t tenth_s = facts->modified_ago_s / 10;
	return tenth_s < storing_day_s ? tenth_s : storing_day_s;
}

static int64_t
storing_lifetime(const struct storing_facts *facts, const struct storing_policy *policy)
{
	int64_t lifetime_s = storing_response_lifetime(facts, policy);

	switch (policy->origin) {
	case STORING_OBEY:
		return lifetime_s;
	case STORING_CAP:
		if (policy->timeout_s >= 0 && lifetime_s > policy->timeout_s)
			return policy->timeout_s;
		return lifetime_s;
	case STORING_IGNORE:
		break;
	}
	return storing_at_least_0(policy->timeout_s);
}

/* How long past its lifetime: `said_s` by the response (RFC 5861), `set_s` by the policy. */
static int64_t
storing_extension(enum storing_origin origin, int64_t said_s, int64_t set_s)
{
	bool bounded = origin == STORING_CAP && set_s >= 0 && said_s > set_s;

	if (fault_is("extension-said"))
		said_s = CC_ABSENT;
	if (fault_is("extension-set"))
		set_s = 0;
	if (origin == STORING_IGNORE || said_s == CC_ABSENT || bounded)
		return storing_at_least_0(set_s);
	return said_s;
}

/* With field names it is about these alone (RFC 9111 section 5.2.2.4). */
static bool
storing_is_no_cache(const struct cache_control *cc)
{
	return cc->no_cache && cc->no_cache_fields.at == NULL && !fault_is("no-cache");
}

/* RFC 9111 section 5.2.2.7. */
static bool
storing_is_private(const struct cache_control *cc)
{
	return cc->is_private && cc->private_fields.at == NULL && !fault_is("private");
}

/* RFC 9111 section 3.5: what lets a shared cache keep the answer to one who said who they are. */
static bool
storing_is_for_all(const struct cache_control *cc)
{
	return cc->is_public || cc->must_revalidate || cc->s_maxage_s != CC_ABSENT;
}

bool
storing_hides(const struct storing *s, struct slice name)
{
	return cache_control_names(s->hidden[0], name) || cache_control_names(s->hidden[1], name);
}

/* RFC 9111 sections 4.2.4 and 5.2.2.10: never stale. */
static bool
storing_forbids_stale(const struct cache_control *cc)
{
	return (cc->must_revalidate && !fault_is("must-revalidate")) ||
	       (cc->proxy_revalidate && !fault_is("proxy-revalidate")) || storing_is_no_cache(cc) ||
	       (cc->s_maxage_s != CC_ABSENT && !fault_is("s-maxage"));
}

/* Heuristically cacheable (RFC 9110 section 15.1). */
static bool
storing_is_cacheable_status(unsigned status)
{
	static const uint16_t statuses[] = { 200, 203, 204, 300, 301, 308, 404, 405, 410, 414,
		501 };

	for (size_t i = 0; i < COUNT(statuses); i++) {
		if (statuses[i] == status)
			return true;
	}
	return false;
}

/* Parts, answers to conditions, and those of RFC 6585 sections 3 to 6. */
static bool
storing_is_never_stored(unsigned status)
{
	return status == 206 || status == 304 || status == 428 || status == 429 || status == 431 ||
	       status == 511;
}

/* Final statuses of RFC 9110 section 15 whose rules are kept here; 206 and 304 are not. */
static bool
storing_is_understood(unsigned status)
{
	return (status >= 200 && status <= 205) || (status >= 300 && status <= 303) ||
	       (status >= 307 && status <= 308) || (status >= 400 && status <= 417) ||
	       (status >= 421 && status <= 422) || status == 426 ||
	       (status >= 500 && status <= 505);
}

static bool
storing_may_store_status(const struct storing_facts *facts, const struct storing_policy *policy,
    unsigned status, bool status_timeout)
{
	bool obeyed = policy->origin != STORING_IGNORE;

	if (status < 200 || status > 599 || storing_is_never_stored(status))
		return false;
	/* RFC 9111 section 5.2.2.3. */
	if (obeyed && facts->cc.must_understand && !storing_is_understood(status))
		return false;
	if (status_timeout || storing_is_cacheable_status(status))
		return true;
	/* RFC 9111 section 3: `public` too is leave to store. */
	return obeyed && (storing_has_explicit_lifetime(facts) || facts->cc.is_public);
}

static bool
storing_forbids_store(
    const struct storing_facts *facts, const struct storing_policy *policy, unsigned status)
{
	/* Who keeps to must-understand does not see the no-store (RFC 9111 section 5.2.2.3). */
	bool understood = policy->origin != STORING_IGNORE && facts->cc.must_understand &&
			  storing_is_understood(status);

	return facts->cc.no_store && !understood && !fault_is("no-store");
}

static int64_t
storing_past_lifetime(const struct storing *s, int64_t age_s)
{
	return age_s > s->lifetime_s ? age_s - s->lifetime_s : 0;
}

/* Could the response answer anything, or save a transfer, at the moment it arrives? */
static bool
storing_is_useful(
    const struct storing *s, const struct storing_facts *facts, const struct storing_policy *policy)
{
	/* A policy's grace is for what was fresh once, or can be asked about; a response may ask
	 * for grace by itself. */
	bool asks = policy->origin != STORING_IGNORE &&
		    (facts->cc.stale_while_revalidate_s > 0 || facts->cc.stale_if_error_s > 0);

	switch (storing_freshness(s, s->age_s, false)) {
	case FRESHNESS_FRESH:
		return true;
	case FRESHNESS_GRACE:
	case FRESHNESS_ERROR_ONLY:
		if (facts->has_validator || asks || s->lifetime_s > 0)
			return true;
		break;
	case FRESHNESS_STALE:
		break;
	}
	return facts->has_validator && s->keep_s > storing_past_lifetime(s, s->age_s);
}

/* Vary that cannot be read might mean anything, as `*` does. */
static enum storing_verdict
storing_vary_verdict(const struct http_response *response, struct arena *arena)
{
	struct slice names;

	switch (vary_names(&response->fields, arena, &names)) {
	case 0:
		return STORING_YES;
	case -EPERM:
	case -EINVAL:
		return STORING_VARY_ALL;
	}
	return STORING_VARY_BOUND;
}

struct storing
storing_judge(const struct http_response *response, const struct storing_policy *policy,
    bool status_timeout, int64_t request_s, int64_t response_s, struct arena *arena)
{
	struct storing_facts facts;
	storing_read(response, response_s, arena, &facts);

	bool obeyed = policy->origin != STORING_IGNORE;
	bool never_stale = obeyed && storing_forbids_stale(&facts.cc);
	struct storing s = {
		.verdict = STORING_YES,
		.age_s = storing_initial_age(&facts, request_s, response_s),
		.lifetime_s = storing_lifetime(&facts, policy),
		.keep_s = storing_at_least_0(policy->keep_s),
		.revalidate_always = obeyed && storing_is_no_cache(&facts.cc),
		.is_stated = obeyed && storing_has_explicit_lifetime(&facts),
		.by_surrogate = obeyed && facts.by_surrogate,
		.hidden = { facts.cc.no_cache_fields, facts.cc.private_fields },
	};
	s.never_stale = never_stale;
	if (!never_stale) {
		s.grace_s = storing_extension(
		    policy->origin, facts.cc.stale_while_revalidate_s, policy->grace_s);
		s.stale_if_error_s = storing_extension(
		    policy->origin, facts.cc.stale_if_error_s, policy->stale_if_error_s);
	}

	if (storing_forbids_store(&facts, policy, response->status))
		s.verdict = STORING_NO_STORE;
	else if (policy->authorized && !storing_is_for_all(&facts.cc))
		s.verdict = STORING_AUTHORIZED;
	else if (storing_is_private(&facts.cc))
		s.verdict = STORING_PRIVATE;
	else if (facts.has_set_cookie && !policy->takes_set_cookie &&
		 !storing_hides(&s, SLICE("set-cookie")) && !fault_is("set-cookie"))
		s.verdict = STORING_SET_COOKIE;
	else if (!storing_may_store_status(&facts, policy, response->status, status_timeout))
		s.verdict = STORING_STATUS;
	else if (!storing_is_useful(&s, &facts, policy))
		s.verdict = STORING_NO_LIFETIME;
	else
		s.verdict = storing_vary_verdict(response, arena);
	return s;
}

const char *
storing_reason(enum storing_verdict verdict)
{
	switch (verdict) {
	case STORING_YES:
		return "stored";
	case STORING_NO_STORE:
		return "no-store";
	case STORING_PRIVATE:
		return "private";
	case STORING_SET_COOKIE:
		return "set-cookie";
	case STORING_VARY_ALL:
		return "vary";
	case STORING_STATUS:
		return "status";
	case STORING_NO_LIFETIME:
		return "no-lifetime";
	case STORING_VARY_BOUND:
		return "vary-too-large";
	case STORING_AUTHORIZED:
		return "authorization";
	}
	return "";
}

enum freshness
storing_freshness(const struct storing *s, int64_t age_s, bool soft)
{
	if (s->revalidate_always)
		return FRESHNESS_STALE;
	if (age_s < s->lifetime_s && !soft)
		return FRESHNESS_FRESH;
	int64_t past_s = storing_past_lifetime(s, age_s);
	if (past_s < s->grace_s || (s->grace_s > 0 && fault_is("grace-end")))
		return FRESHNESS_GRACE;
	bool errs =
	    past_s < s->stale_if_error_s || (s->stale_if_error_s > 0 && fault_is("error-end"));
	return errs ? FRESHNESS_ERROR_ONLY : FRESHNESS_STALE;
}
