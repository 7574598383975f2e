/* storing.h -- May a response be stored, for how long, and for whom (RFC 9111 sections 3 and 4.2).
 */
#ifndef DORY_HTTP_STORING_H
#define DORY_HTTP_STORING_H

#include "http/cachecontrol.h"
#include "http/message.h"

enum storing_origin { STORING_OBEY, STORING_CAP, STORING_IGNORE };

/* What the bloat says; lib/route fills it from the configuration. Seconds; -1 where not set. */
struct storing_policy {
	enum storing_origin origin;
	bool heuristic;
	bool authorized;       /* The request reached the backend with Authorization. */
	bool takes_set_cookie; /* Stored with Set-Cookie, or without it: not refused for it. */
	int64_t timeout_s;     /* For this response's status. 0: none. */
	int64_t grace_s;
	int64_t stale_if_error_s;
	int64_t keep_s;
};

enum storing_verdict {
	STORING_YES,
	STORING_NO_STORE,    /* Cache-Control: no-store. */
	STORING_PRIVATE,     /* Cache-Control: private. */
	STORING_SET_COOKIE,  /* Set-Cookie and the bloat refuses it. */
	STORING_VARY_ALL,    /* Vary: *. */
	STORING_STATUS,      /* Not a status that may be stored here (also 206 and 304). */
	STORING_NO_LIFETIME, /* Neither fresh for a moment nor of use for revalidation. */
	STORING_VARY_BOUND,  /* More names or bytes in Vary than we keep. */
	STORING_AUTHORIZED,  /* To a request with Authorization, and not said to be for all. */
};

/*
 * How a stored response ages. All seconds; an entry made from it needs no header parsing at a hit.
 * The names of hidden fields are of use while it is stored, and not kept with the entry.
 */
struct storing {
	enum storing_verdict verdict;
	int64_t age_s;            /* corrected_initial_age at arrival (section 4.2.3). */
	int64_t lifetime_s;       /* freshness_lifetime: fresh while age < lifetime. */
	int64_t grace_s;          /* Past lifetime: may be served while one flight refreshes it. */
	int64_t stale_if_error_s; /* Past lifetime: may be served where the backend fails. */
	int64_t keep_s;           /* Past lifetime: kept for revalidation. */
	bool revalidate_always;   /* no-cache: stored, never served without asking. */
	bool never_stale;         /* The response forbids to serve it stale, whoever asks. */
	bool is_stated;    /* The response itself says for how long; not kept with the entry. */
	bool by_surrogate; /* Surrogate-Control says so, which is in no head. */
	struct slice hidden[2]; /* Lists of names: fields that only who asked may have. */
};

/* The policy's reason in words for Cache-Status detail: "no-store", "set-cookie", ... Static. */
const char *storing_reason(enum storing_verdict verdict);

/*
 * Judge a complete response to a GET.
 *
 * Order of lifetimes with origin obey: s-maxage, max-age, Expires - Date, the policy's timeout, a
 * tenth of Date - Last-Modified where heuristic is on (at most a day), else none. `cap`: the same,
 * at most timeout_s. `ignore`: timeout_s alone; of the response's directives only no-store and
 * private are obeyed. must-revalidate, proxy-revalidate, s-maxage and no-cache forbid grace and
 * stale_if_error (section 4.2.4, 5.2.2.10). grace and stale_if_error of the policy give way to
 * stale-while-revalidate and stale-if-error of the response with origin obey, and are bounds on
 * them with cap.
 *
 * Dory-Cache-Control, else CDN-Cache-Control, stands in for Cache-Control and Expires (RFC 9213
 * section 2.2), and so does Surrogate-Control where neither is there.
 *
 * no-cache and private with field names are about these fields alone: they are `hidden` from what
 * is stored, and the rest may be reused (sections 5.2.2.4 and 5.2.2.7).
 *
 * Status: final ones only; 206, 304 and 1xx never, nor those that RFC 6585 forbids to store (428,
 * 429, 431, 511). A status that is neither heuristically cacheable (RFC 9110 section 15.1) nor
 * given explicit freshness or `public` by the response (to which `ignore` pays no heed) is not
 * stored, unless the policy's timeout came from timeout_STATUS (`status_timeout`).
 *
 * request_s, response_s: wall clock when the request was sent and the header block arrived.
 * Thread-safe: pure, but for memory taken from `arena`.
 */
struct storing storing_judge(const struct http_response *response,
    const struct storing_policy *policy, bool status_timeout, int64_t request_s, int64_t response_s,
    struct arena *arena);

/* Is the field one that only who asked may have? Thread-safe: pure. */
bool storing_hides(const struct storing *s, struct slice name);

/* Where a stored response stands at `age_s`, its age now. */
enum freshness { FRESHNESS_FRESH, FRESHNESS_GRACE, FRESHNESS_ERROR_ONLY, FRESHNESS_STALE };

/*
 * `soft`: a soft deflate came after it was fetched, so its lifetime ends now: age counts as at
 * least the lifetime. Thread-safe: pure.
 */
enum freshness storing_freshness(const struct storing *s, int64_t age_s, bool soft);

#endif
