/* reply.h -- Answers as bytes: hits, heads, errors, Cache-Status and the access log. */
#ifndef DORY_PROXY_REPLY_H
#define DORY_PROXY_REPLY_H

#include "exchange.h"
#include "http/range.h"

#include <jansson.h>

/*
 * A stored entry, found in the open snapshot, whose body pieces are in the worker's parts from
 * REPLY_BODY_PARTS on: whole, as 304 where the request's validators fit, or its head for HEAD.
 * All of it is sent or copied before this returns. Ends the exchange.
 */
enum { REPLY_BODY_PARTS = 2 };

enum reply_hit {
	REPLY_HIT_FRESH,
	REPLY_HIT_STALE,
	REPLY_HIT_VALIDATED, /* The backend was asked, and said 304. */
};

void reply_hit(struct exchange *x, const struct store_entry *entry, size_t n_body, int64_t now_s,
    enum reply_hit how);

/*
 * Do the request's validators fit a 200 with these (RFC 9110 section 13)? Then `out` gets the head
 * of a 304: of `head`, what such an answer carries.
 */
bool reply_not_modified(const struct exchange *x, struct slice etag, struct slice last_modified,
    struct slice head, int64_t now_s, struct buf *out);

/*
 * Which parts of a whole 200 does the request ask for (RFC 9110 section 14)? Where it is one, or
 * none that there is, `out` gets the head of a 206 or 416. Of `entry` status, head, validators,
 * length and time of arrival are looked at. Of a stored part the request must lie within it; `set`
 * is in bytes of the body, whatever `out` says.
 */
enum range_verdict reply_range(const struct exchange *x, const struct store_entry *entry,
    struct range_set *set, struct buf *out);

/* The first line of a head for the web server, and how long its body is: without printf, for each
 * miss needs them. */
void reply_put_status(struct buf *out, unsigned status);
void reply_put_length(struct buf *out, uint64_t length);

/* What Cache-Status says of a fetch (RFC 9211 section 2). */
struct reply_fetch {
	unsigned status;     /* The backend's; 0: none came. */
	bool stored;         /* The response is to be stored. */
	bool collapsed;      /* The request shared the flight of another. */
	int64_t ttl_s;       /* Where stored: how long it is fresh yet. */
	const char *refused; /* Where not: why; NULL: not for a reason of the rules. */
};

/* What ends a head that comes from a flight: Cache-Status and the blank line. */
void reply_end_head(struct exchange *x, const struct reply_fetch *fetch, struct buf *out);

/* Plain text, not to be stored, nothing of the request in it. Ends the exchange. */
void reply_error(struct exchange *x, unsigned status, const char *text);

/* For the admin path. Ends the exchange. `json` is taken; NULL means memory was out. */
void reply_json(struct exchange *x, unsigned status, json_t *json);
void reply_text(struct exchange *x, unsigned status, const char *type, struct slice text);

/* One line for the access log, once the exchange is answered. */
void reply_log(struct exchange *x);

/* Does a request of that method get a body? */
bool reply_is_head_only(const struct exchange *x);

#endif
