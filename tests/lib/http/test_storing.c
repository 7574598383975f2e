/* test_storing.c -- Responses are stored, age and go stale as RFC 9111 and the policy say. */
#include "http/date.h"
#include "http/storing.h"
#include "suite.h"

#include <stdio.h>

enum { NOW_S = 1767225600, FIELDS = 6 }; /* 2026-01-01 00:00:00 */

#define DATE "Date: Thu, 01 Jan 2026 00:00:00 GMT"
#define LATER_1H "Expires: Thu, 01 Jan 2026 01:00:00 GMT"
#define PAST_1H "Expires: Wed, 31 Dec 2025 23:00:00 GMT"
#define MODIFIED_10D "Last-Modified: Mon, 22 Dec 2025 00:00:00 GMT"
#define MODIFIED_30D "Last-Modified: Tue, 02 Dec 2025 00:00:00 GMT"
#define ETAG "ETag: \"a\""

static struct arena storing_arena;

/* "Name: value" lines into fields. */
static struct http_fields
storing_fields(const char *const *lines, struct http_field *items)
{
	struct http_fields fields = { items, 0 };
	for (size_t i = 0; i < FIELDS && lines[i] != NULL; i++) {
		struct slice rest = slice_of(lines[i]);
		struct slice name = slice_cut(&rest, ':');
		items[fields.n++] = (struct http_field){ name, slice_trim(rest) };
	}
	return fields;
}

static struct storing
storing_of(unsigned status, const char *const *lines, const struct storing_policy *policy,
    bool status_timeout)
{
	struct http_field items[FIELDS];
	struct http_response response = { status, storing_fields(lines, items) };
	struct storing s =
	    storing_judge(&response, policy, status_timeout, NOW_S - 2, NOW_S, &storing_arena);
	arena_fini(&storing_arena);
	return s;
}

/* What a policy is where a case says nothing. */
#define POLICY(how) .origin = STORING_##how
#define KEEP .keep_s = 60
#define TIMEOUT .timeout_s = 300
#define GRACE .grace_s = 10, .stale_if_error_s = 20

static const struct {
	const char *name;
	unsigned status;
	const char *lines[FIELDS];
	struct storing_policy policy;
	bool status_timeout;
	enum storing_verdict want;
} verdict_cases[] = {
	{ "max-age", 200, { "Cache-Control: max-age=60" }, { POLICY(OBEY) }, false, STORING_YES },
	{ "nothing said", 200, { DATE }, { POLICY(OBEY) }, false, STORING_NO_LIFETIME },
	{ "timeout", 200, { DATE }, { TIMEOUT }, false, STORING_YES },
	{ "no-store", 200, { "Cache-Control: max-age=60, No-Store" }, { TIMEOUT }, false,
	    STORING_NO_STORE },
	{ "no-store in a second field", 200,
	    { "Cache-Control: max-age=60", "cache-control: no-store" }, { TIMEOUT }, false,
	    STORING_NO_STORE },
	{ "no-store is never ignored", 200, { "Cache-Control: no-store" },
	    { POLICY(IGNORE), TIMEOUT }, false, STORING_NO_STORE },
	{ "private", 200, { "Cache-Control: private, max-age=60" }, { TIMEOUT }, false,
	    STORING_PRIVATE },
	{ "private for a field", 200, { "Cache-Control: private=\"x\", max-age=60" }, { TIMEOUT },
	    false, STORING_YES },
	{ "private for what is no field", 200, { "Cache-Control: private=\"a b\", max-age=60" },
	    { TIMEOUT }, false, STORING_PRIVATE },
	{ "private for all and for a field", 200,
	    { "Cache-Control: private, private=\"x\", max-age=60" }, { TIMEOUT }, false,
	    STORING_PRIVATE },
	{ "private for Set-Cookie", 200,
	    { "Cache-Control: private=\"set-cookie\", max-age=60", "Set-Cookie: a=b" },
	    { POLICY(OBEY) }, false, STORING_YES },
	{ "CDN-Cache-Control against no-store", 200,
	    { "Cache-Control: no-store", "CDN-Cache-Control: max-age=60" }, { POLICY(OBEY) }, false,
	    STORING_YES },
	{ "CDN-Cache-Control: no-store", 200,
	    { "Cache-Control: max-age=60", "CDN-Cache-Control: no-store" }, { TIMEOUT }, false,
	    STORING_NO_STORE },
	{ "CDN-Cache-Control: no-store, ignoring", 200, { "CDN-Cache-Control: no-store" },
	    { POLICY(IGNORE), TIMEOUT }, false, STORING_NO_STORE },
	{ "CDN-Cache-Control: private", 200,
	    { "Cache-Control: max-age=60", "CDN-Cache-Control: private" }, { TIMEOUT }, false,
	    STORING_PRIVATE },
	{ "Dory-Cache-Control comes first", 200,
	    { "CDN-Cache-Control: max-age=60", "Dory-Cache-Control: no-store" }, { TIMEOUT }, false,
	    STORING_NO_STORE },
	{ "a malformed CDN-Cache-Control is not there", 200,
	    { "CDN-Cache-Control: max-age=60, &&&", "Cache-Control: no-store" }, { TIMEOUT }, false,
	    STORING_NO_STORE },
	{ "one that is empty neither", 200, { "CDN-Cache-Control:", "Cache-Control: no-store" },
	    { TIMEOUT }, false, STORING_NO_STORE },
	{ "Surrogate-Control against no-store", 200,
	    { "Cache-Control: no-store", "Surrogate-Control: max-age=60" }, { POLICY(OBEY) }, false,
	    STORING_YES },
	{ "Surrogate-Control for another", 200,
	    { "Cache-Control: no-store", "Surrogate-Control: max-age=60;other" }, { POLICY(OBEY) },
	    false, STORING_NO_STORE },
	{ "Surrogate-Control gives way to CDN-Cache-Control", 200,
	    { "CDN-Cache-Control: max-age=60", "Surrogate-Control: no-store" }, { POLICY(OBEY) },
	    false, STORING_YES },
	{ "authorized", 200, { "Cache-Control: max-age=60" }, { .authorized = true }, false,
	    STORING_AUTHORIZED },
	{ "authorized, for all by timeout", 200, { DATE }, { TIMEOUT, .authorized = true }, false,
	    STORING_AUTHORIZED },
	{ "authorized and public", 200, { "Cache-Control: max-age=60, public" },
	    { .authorized = true }, false, STORING_YES },
	{ "authorized and must-revalidate", 200, { "Cache-Control: max-age=60, must-revalidate" },
	    { .authorized = true }, false, STORING_YES },
	{ "authorized and s-maxage", 200, { "Cache-Control: s-maxage=60" }, { .authorized = true },
	    false, STORING_YES },
	{ "authorized and private", 200, { "Cache-Control: s-maxage=60, private" },
	    { .authorized = true }, false, STORING_PRIVATE },
	{ "private is never ignored", 200, { "Cache-Control: private" },
	    { POLICY(IGNORE), TIMEOUT }, false, STORING_PRIVATE },
	{ "Set-Cookie", 200, { "Cache-Control: max-age=60", "Set-Cookie: a=b" }, { TIMEOUT }, false,
	    STORING_SET_COOKIE },
	{ "Set-Cookie is never ignored", 200, { "Set-Cookie: a=b" }, { POLICY(IGNORE), TIMEOUT },
	    false, STORING_SET_COOKIE },
	{ "Set-Cookie stripped", 200, { "Cache-Control: max-age=60", "Set-Cookie: a=b" },
	    { .takes_set_cookie = true }, false, STORING_YES },
	{ "Vary: *", 200, { "Cache-Control: max-age=60", "Vary: Foo, *" }, { TIMEOUT }, false,
	    STORING_VARY_ALL },
	{ "Vary: * is never ignored", 200, { "Vary: *" }, { POLICY(IGNORE), TIMEOUT }, false,
	    STORING_VARY_ALL },
	{ "Vary that cannot be read", 200, { "Vary: a b" }, { TIMEOUT }, false, STORING_VARY_ALL },
	{ "Vary of 17 names", 200, { "Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q" }, { TIMEOUT },
	    false, STORING_VARY_BOUND },
	{ "Pragma says nothing in responses", 200,
	    { "Pragma: no-cache", "Cache-Control: max-age=60" }, { POLICY(OBEY) }, false,
	    STORING_YES },
	{ "1xx", 103, { "Cache-Control: max-age=60" }, { TIMEOUT }, true, STORING_STATUS },
	{ "206", 206, { "Cache-Control: max-age=60" }, { TIMEOUT }, true, STORING_STATUS },
	{ "304", 304, { "Cache-Control: max-age=60" }, { TIMEOUT }, true, STORING_STATUS },
	{ "429", 429, { "Cache-Control: max-age=60" }, { TIMEOUT }, true, STORING_STATUS },
	{ "600", 600, { "Cache-Control: max-age=60" }, { TIMEOUT }, true, STORING_STATUS },
	{ "404 with a timeout", 404, { NULL }, { TIMEOUT }, false, STORING_YES },
	{ "501 with a timeout", 501, { NULL }, { TIMEOUT }, false, STORING_YES },
	{ "302 with a timeout", 302, { NULL }, { TIMEOUT }, false, STORING_STATUS },
	{ "302 with its own timeout", 302, { NULL }, { TIMEOUT }, true, STORING_YES },
	{ "302 with max-age", 302, { "Cache-Control: max-age=60" }, { POLICY(OBEY) }, false,
	    STORING_YES },
	{ "302 with Expires", 302, { DATE, LATER_1H }, { POLICY(OBEY) }, false, STORING_YES },
	{ "302 that is public", 302, { "Cache-Control: public" }, { TIMEOUT }, false, STORING_YES },
	{ "503 with a timeout", 503, { NULL }, { TIMEOUT }, false, STORING_STATUS },
	{ "503 ignoring what it says", 503, { "Cache-Control: public, max-age=60" },
	    { POLICY(IGNORE), TIMEOUT }, false, STORING_STATUS },
	{ "503 capped", 503, { NULL }, { POLICY(CAP), TIMEOUT }, false, STORING_STATUS },
	{ "599 with max-age", 599, { "Cache-Control: max-age=60" }, { POLICY(OBEY) }, false,
	    STORING_YES },
	{ "must-understand, understood", 200,
	    { "Cache-Control: must-understand, no-store, "
	      "max-age=60" },
	    { POLICY(OBEY) }, false, STORING_YES },
	{ "must-understand, unknown", 599, { "Cache-Control: must-understand, max-age=60" },
	    { POLICY(OBEY) }, false, STORING_STATUS },
	{ "must-understand, unknown, no-store", 599,
	    { "Cache-Control: must-understand, no-store, max-age=60" }, { POLICY(OBEY) }, false,
	    STORING_NO_STORE },
	{ "must-understand ignored", 200, { "Cache-Control: must-understand, no-store" },
	    { POLICY(IGNORE), TIMEOUT }, false, STORING_NO_STORE },
	{ "no-cache", 200, { "Cache-Control: no-cache, max-age=60", ETAG }, { POLICY(OBEY) }, false,
	    STORING_NO_LIFETIME },
	{ "no-cache, kept", 200, { "Cache-Control: no-cache", ETAG }, { KEEP }, false,
	    STORING_YES },
	{ "no-cache, kept by its date", 200, { "Cache-Control: no-cache", MODIFIED_10D }, { KEEP },
	    false, STORING_YES },
	{ "no-cache, kept in vain", 200, { "Cache-Control: no-cache, max-age=60" }, { KEEP }, false,
	    STORING_NO_LIFETIME },
	{ "no-cache for a field", 200, { "Cache-Control: no-cache=\"a\", max-age=60" }, { KEEP },
	    false, STORING_YES },
	{ "no-cache ignored", 200, { "Cache-Control: no-cache" }, { POLICY(IGNORE), TIMEOUT },
	    false, STORING_YES },
	{ "stale, no validator", 200, { "Cache-Control: max-age=0" }, { KEEP, GRACE }, false,
	    STORING_NO_LIFETIME },
	{ "stale, kept", 200, { "Cache-Control: max-age=0", ETAG }, { KEEP }, false, STORING_YES },
	{ "stale, not kept", 200, { "Cache-Control: max-age=0", ETAG }, { POLICY(OBEY) }, false,
	    STORING_NO_LIFETIME },
	{ "stale, in grace", 200, { "Cache-Control: max-age=0", ETAG }, { GRACE }, false,
	    STORING_YES },
	{ "stale, asks for grace", 200, { "Cache-Control: max-age=0, stale-while-revalidate=60" },
	    { POLICY(OBEY) }, false, STORING_YES },
	{ "stale and never served so", 200, { "Cache-Control: max-age=0, must-revalidate", ETAG },
	    { GRACE }, false, STORING_NO_LIFETIME },
	{ "too old on arrival", 200, { "Cache-Control: max-age=10", "Age: 15" }, { POLICY(OBEY) },
	    false, STORING_NO_LIFETIME },
	{ "too old to keep", 200, { "Cache-Control: max-age=10", "Age: 70", ETAG }, { KEEP }, false,
	    STORING_NO_LIFETIME },
	{ "timeout 0 caps all", 200, { "Cache-Control: max-age=60" }, { POLICY(CAP) }, false,
	    STORING_NO_LIFETIME },
	{ "timeout 0 is none", 200, { "Cache-Control: max-age=60" }, { POLICY(IGNORE) }, false,
	    STORING_NO_LIFETIME },
};

START_TEST(responses_are_stored_or_refused)
{
	struct storing got = storing_of(verdict_cases[_i].status, verdict_cases[_i].lines,
	    &verdict_cases[_i].policy, verdict_cases[_i].status_timeout);
	ck_assert_msg(got.verdict == verdict_cases[_i].want, "%s: %s", verdict_cases[_i].name,
	    storing_reason(got.verdict));
}
END_TEST

static const struct {
	const char *name;
	const char *lines[FIELDS];
	struct storing_policy policy;
	int64_t want_s;
} lifetime_cases[] = {
	{ "s-maxage first", { "Cache-Control: max-age=1, s-maxage=3600", DATE, PAST_1H },
	    { TIMEOUT }, 3600 },
	{ "s-maxage even if shorter", { "Cache-Control: max-age=3600, s-maxage=1" }, { TIMEOUT },
	    1 },
	{ "max-age before Expires", { "Cache-Control: max-age=60", DATE, PAST_1H }, { TIMEOUT },
	    60 },
	{ "max-age=0 before Expires", { "Cache-Control: max-age=0", DATE, LATER_1H }, { TIMEOUT },
	    0 },
	{ "max-age and a bad Expires", { "Cache-Control: max-age=60", "Expires: 0" }, { TIMEOUT },
	    60 },
	{ "bad max-age", { "Cache-Control: max-age=-1", DATE, LATER_1H }, { TIMEOUT }, 0 },
	{ "bad s-maxage", { "Cache-Control: s-maxage=x, max-age=60" }, { TIMEOUT }, 0 },
	{ "CDN-Cache-Control before all",
	    { "CDN-Cache-Control: max-age=9", "Cache-Control: max-age=60", DATE, LATER_1H },
	    { TIMEOUT }, 9 },
	{ "CDN-Cache-Control without a lifetime",
	    { "CDN-Cache-Control: must-revalidate", "Cache-Control: max-age=60", DATE, LATER_1H },
	    { TIMEOUT }, 300 },
	{ "CDN-Cache-Control on two lines",
	    { "CDN-Cache-Control: max-age=9", "CDN-Cache-Control: max-age=8" }, { TIMEOUT }, 8 },
	{ "Surrogate-Control before Cache-Control",
	    { "Surrogate-Control: max-age=9", "Cache-Control: max-age=60" }, { TIMEOUT }, 9 },
	{ "too large", { "Cache-Control: max-age=99999999999" }, { TIMEOUT }, 2147483648 },
	{ "Expires - Date", { DATE, LATER_1H }, { TIMEOUT }, 3600 },
	{ "Expires - Date, another clock", { "Date: Thu, 01 Jan 2026 00:30:00 GMT", LATER_1H },
	    { TIMEOUT }, 1800 },
	{ "Expires without Date", { LATER_1H }, { TIMEOUT }, 3600 },
	{ "Expires with a bad Date", { "Date: foo", LATER_1H }, { TIMEOUT }, 3600 },
	{ "past Expires", { DATE, PAST_1H }, { TIMEOUT }, 0 },
	{ "Expires: 0", { DATE, "Expires: 0" }, { TIMEOUT }, 0 },
	{ "Expires twice the same", { DATE, LATER_1H, LATER_1H }, { TIMEOUT }, 3600 },
	{ "Expires twice", { DATE, LATER_1H, "Expires: Thu, 01 Jan 2026 02:00:00 GMT" },
	    { TIMEOUT }, 0 },
	{ "Expires in lower case", { DATE, "expires: thu, 01 jan 2026 01:00:00 gmt" }, { TIMEOUT },
	    3600 },
	{ "timeout", { DATE, MODIFIED_10D }, { TIMEOUT, .heuristic = true }, 300 },
	{ "heuristic", { DATE, MODIFIED_10D }, { .heuristic = true }, 86400 },
	{ "heuristic, at most a day", { DATE, MODIFIED_30D }, { .heuristic = true }, 86400 },
	{ "heuristic, an hour", { DATE, "Last-Modified: Wed, 31 Dec 2025 14:00:00 GMT" },
	    { .heuristic = true }, 3600 },
	{ "heuristic, from the future", { DATE, "Last-Modified: Fri, 02 Jan 2026 00:00:00 GMT" },
	    { .heuristic = true }, 0 },
	{ "no heuristic", { DATE, MODIFIED_10D }, { POLICY(OBEY) }, 0 },
	{ "no heuristic beside Expires", { DATE, PAST_1H, MODIFIED_10D }, { .heuristic = true },
	    0 },
	{ "cap", { "Cache-Control: max-age=3600" }, { POLICY(CAP), TIMEOUT }, 300 },
	{ "under the cap", { "Cache-Control: max-age=60" }, { POLICY(CAP), TIMEOUT }, 60 },
	{ "cap stands in", { DATE }, { POLICY(CAP), TIMEOUT }, 300 },
	{ "no cap set", { "Cache-Control: max-age=3600" }, { POLICY(CAP), .timeout_s = -1 }, 3600 },
	{ "ignore more", { "Cache-Control: s-maxage=3600" }, { POLICY(IGNORE), TIMEOUT }, 300 },
	{ "ignore less", { "Cache-Control: max-age=0", DATE, PAST_1H }, { POLICY(IGNORE), TIMEOUT },
	    300 },
};

START_TEST(lifetimes_have_their_order)
{
	struct storing got =
	    storing_of(200, lifetime_cases[_i].lines, &lifetime_cases[_i].policy, false);
	ck_assert_msg(got.lifetime_s == lifetime_cases[_i].want_s, "%s: %lld",
	    lifetime_cases[_i].name, (long long)got.lifetime_s);
}
END_TEST

/* The request was sent two seconds before the response came. */
static const struct {
	const char *name;
	const char *lines[FIELDS];
	int64_t want_s;
} age_cases[] = {
	{ "the delay", { DATE }, 2 },
	{ "no Date", { NULL }, 2 },
	{ "Age and the delay", { DATE, "Age: 15" }, 17 },
	{ "apparent age", { "Date: Wed, 31 Dec 2025 23:59:00 GMT", "Age: 15" }, 60 },
	{ "a Date ahead", { "Date: Thu, 01 Jan 2026 01:00:00 GMT" }, 2 },
	{ "not a number", { "Age: abc" }, 2 },
	{ "negative", { "Age: -7200" }, 2 },
	{ "a float", { "Age: 7200.0" }, 2 },
	{ "a parameter", { "Age: 7200;foo=bar" }, 2 },
	{ "empty", { "Age:" }, 2 },
	{ "a list", { "Age: 7200, 0" }, 7202 },
	{ "a list that begins with 0", { "Age: 0,7200" }, 2 },
	{ "two fields", { "Age: 7200", "Age: 0" }, 7202 },
	{ "too large", { "Age: 4294967296" }, 2147483650 },
	{ "far too large", { "Age: 99999999999999999999999" }, 2147483650 },
};

START_TEST(age_is_corrected)
{
	struct storing got =
	    storing_of(200, age_cases[_i].lines, &(struct storing_policy){ TIMEOUT }, false);
	ck_assert_msg(got.age_s == age_cases[_i].want_s, "%s: %lld", age_cases[_i].name,
	    (long long)got.age_s);
}
END_TEST

START_TEST(age_is_never_negative)
{
	struct http_response response = { .status = 200 };
	struct storing_policy policy = { TIMEOUT };
	struct storing s =
	    storing_judge(&response, &policy, false, NOW_S, NOW_S - 3600, &storing_arena);
	ck_assert_int_eq(s.age_s, 0);
}
END_TEST

static const struct {
	const char *name;
	const char *cache_control;
	struct storing_policy policy;
	int64_t grace_s, stale_if_error_s;
	bool revalidate_always;
} stale_cases[] = {
	{ "policy", "max-age=60", { GRACE }, 10, 20, false },
	{ "not set", "max-age=60", { .grace_s = -1, .stale_if_error_s = -1 }, 0, 0, false },
	{ "RFC 5861 3.1", "max-age=600, stale-while-revalidate=30", { GRACE }, 30, 20, false },
	{ "RFC 5861 4.1", "max-age=600, stale-if-error=1200", { GRACE }, 10, 1200, false },
	{ "less than the policy", "max-age=60, stale-while-revalidate=0, stale-if-error=1",
	    { GRACE }, 0, 1, false },
	{ "capped", "max-age=60, stale-while-revalidate=30, stale-if-error=5",
	    { POLICY(CAP), GRACE, TIMEOUT }, 10, 5, false },
	{ "cap stands in", "max-age=60", { POLICY(CAP), GRACE, TIMEOUT }, 10, 20, false },
	{ "must-revalidate", "max-age=60, must-revalidate, stale-if-error=5", { GRACE }, 0, 0,
	    false },
	{ "proxy-revalidate", "max-age=60, proxy-revalidate", { GRACE }, 0, 0, false },
	{ "s-maxage", "s-maxage=60, stale-while-revalidate=5", { GRACE }, 0, 0, false },
	{ "no-cache", "max-age=60, no-cache", { GRACE }, 0, 0, true },
	{ "capped must-revalidate", "max-age=60, must-revalidate", { POLICY(CAP), GRACE, TIMEOUT },
	    0, 0, false },
	{ "ignored", "max-age=60, must-revalidate, no-cache, s-maxage=1, stale-if-error=5",
	    { POLICY(IGNORE), GRACE, TIMEOUT }, 10, 20, false },
};

START_TEST(stale_answers_are_bounded)
{
	char line[128];
	const char *const lines[FIELDS] = { line };
	snprintf(line, sizeof(line), "Cache-Control: %s", stale_cases[_i].cache_control);
	struct storing got = storing_of(200, lines, &stale_cases[_i].policy, false);
	ck_assert_msg(got.grace_s == stale_cases[_i].grace_s, "%s", stale_cases[_i].name);
	ck_assert_msg(
	    got.stale_if_error_s == stale_cases[_i].stale_if_error_s, "%s", stale_cases[_i].name);
	ck_assert_msg(
	    got.revalidate_always == stale_cases[_i].revalidate_always, "%s", stale_cases[_i].name);
}
END_TEST

static const struct {
	const char *name;
	struct storing s;
	int64_t age_s;
	bool soft;
	enum freshness want;
} freshness_cases[] = {
	{ "new", { .lifetime_s = 60 }, 0, false, FRESHNESS_FRESH },
	{ "last second", { .lifetime_s = 60 }, 59, false, FRESHNESS_FRESH },
	{ "stale at exactly its lifetime", { .lifetime_s = 60 }, 60, false, FRESHNESS_STALE },
	{ "grace begins", { .lifetime_s = 60, .grace_s = 10, .stale_if_error_s = 20 }, 60, false,
	    FRESHNESS_GRACE },
	{ "grace ends", { .lifetime_s = 60, .grace_s = 10, .stale_if_error_s = 20 }, 70, false,
	    FRESHNESS_ERROR_ONLY },
	{ "errors end", { .lifetime_s = 60, .grace_s = 10, .stale_if_error_s = 20 }, 80, false,
	    FRESHNESS_STALE },
	{ "no error time", { .lifetime_s = 60, .grace_s = 10 }, 70, false, FRESHNESS_STALE },
	{ "no-cache", { .lifetime_s = 60, .grace_s = 10, .revalidate_always = true }, 0, false,
	    FRESHNESS_STALE },
	{ "soft, young", { .lifetime_s = 60, .grace_s = 10 }, 0, true, FRESHNESS_GRACE },
	{ "soft, old", { .lifetime_s = 60, .grace_s = 10 }, 69, true, FRESHNESS_GRACE },
	{ "soft, older", { .lifetime_s = 60, .grace_s = 10 }, 70, true, FRESHNESS_STALE },
	{ "soft without grace", { .lifetime_s = 60 }, 0, true, FRESHNESS_STALE },
	{ "soft, errors only", { .lifetime_s = 60, .stale_if_error_s = 1 }, 0, true,
	    FRESHNESS_ERROR_ONLY },
	{ "the end of time", { .lifetime_s = 60, .grace_s = 10 }, INT64_MAX, false,
	    FRESHNESS_STALE },
	{ "a clock that went back", { .lifetime_s = 60 }, -5, false, FRESHNESS_FRESH },
};

START_TEST(freshness_follows_age)
{
	enum freshness got = storing_freshness(
	    &freshness_cases[_i].s, freshness_cases[_i].age_s, freshness_cases[_i].soft);
	ck_assert_msg(got == freshness_cases[_i].want, "%s", freshness_cases[_i].name);
}
END_TEST

START_TEST(reasons_are_words)
{
	ck_assert_str_eq(storing_reason(STORING_NO_STORE), "no-store");
	ck_assert_str_eq(storing_reason(STORING_SET_COOKIE), "set-cookie");
	for (int v = STORING_YES; v <= STORING_AUTHORIZED; v++)
		ck_assert_str_ne(storing_reason((enum storing_verdict)v), "");
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("storing");
	tcase_add_loop_test(tests, responses_are_stored_or_refused, 0, COUNT(verdict_cases));
	tcase_add_loop_test(tests, lifetimes_have_their_order, 0, COUNT(lifetime_cases));
	tcase_add_loop_test(tests, age_is_corrected, 0, COUNT(age_cases));
	tcase_add_test(tests, age_is_never_negative);
	tcase_add_loop_test(tests, stale_answers_are_bounded, 0, COUNT(stale_cases));
	tcase_add_loop_test(tests, freshness_follows_age, 0, COUNT(freshness_cases));
	tcase_add_test(tests, reasons_are_words);
	return suite_run("lib/http/storing", tests);
}
