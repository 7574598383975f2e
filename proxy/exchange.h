/* exchange.h -- One request and its answer, from the first byte to the access log. */
#ifndef DORY_PROXY_EXCHANGE_H
#define DORY_PROXY_EXCHANGE_H

#include "http/cachecontrol.h"
#include "inbox.h"
#include "route/plan.h"
#include "site.h"
#include "worker.h"

struct admin;
struct flight;
struct pending;

/* Why a request is not a hit, as RFC 9211 section 2.2 names it; with the deflate that was to blame.
 */
enum forward_reason {
	FORWARD_NONE,
	FORWARD_BYPASS,
	FORWARD_METHOD,
	FORWARD_URI_MISS,
	FORWARD_VARY_MISS,
	FORWARD_MISS,
	FORWARD_STALE,
	FORWARD_REQUEST,
	FORWARD_PARTIAL,
};

/* What is stored and stale, to ask the backend about: head.at is NULL where nothing is. */
struct stale {
	struct slice etag, last_modified; /* Its validators; one may be empty. */
	struct slice head;
	struct slice variant; /* With its Vary values. */
	uint64_t sequence;
	bool by_surrogate; /* Surrogate-Control has said these two. */
	int64_t lifetime_s, grace_s;
};

/* Bytes of a stored part, fresh and alive, to put together with others: at is NULL where there are
 * none. */
struct part {
	struct slice bytes;
	uint64_t first, complete;
	struct slice validator; /* A strong one. */
	struct slice tags;
	uint64_t sequence, store_id;
};

/* Lives in its connection, whose memory it never outlives. The worker that serves it owns it. */
struct exchange {
	struct worker *worker;
	struct conn *conn;
	struct site *site; /* Its own reference. */
	struct arena arena;
	struct http_request request;
	struct plan plan;
	struct message message; /* For the hand-over to the owning worker. */

	uint64_t sequence; /* The store's, read after the request arrived. */
	uint64_t snapshot; /* In which it was looked for; 0: in none. */
	enum forward_reason forward;
	const char *detail;               /* Cache-Status detail; NULL: none. */
	uint64_t deflated_by;             /* The deflate that made it a miss; 0: none. */
	bool hit;                         /* Answered from the store. */
	const struct cache_control *wish; /* Of its own Cache-Control; NULL: none, or ignored. */
	uint64_t lease_variant; /* Hash of the variant that Vary leads to; 0: not known. */
	bool by_language;       /* Another may be as good, where it is in the same language. */
	bool came_late;         /* It has looked again, for another process had just stored it. */
	int64_t await_until_ms; /* It waits no longer for other processes; 0: it has not yet. */
	bool alone;             /* It may share no flight: what it shared could not be shared. */

	/* While its entry is asked about. */
	struct stale stale;
	bool unconditional;      /* Asking led nowhere: fetch it whole. */
	uint64_t validated_from; /* Answered by a 304: an entry of this sequence or later may be
				    served. */
	bool validated;

	/* Where nothing whole is stored that could be asked about. */
	struct slice range; /* To be asked for as it is; at == NULL: the whole is fetched. */
	struct part part;

	/* While it waits for a flight. */
	struct flight *flight;
	struct exchange *flight_next;
	struct exchange **flight_link;
	bool head_sent;
	uint64_t body_at;  /* How far into the flight's body it has been answered. */
	uint64_t body_end; /* Where its range of that ends; 0: it gets all. */

	/* While it waits for the writer, or for the body of an admin request. */
	struct pending *pending;
	struct admin *admin;

	/* The file that is the body of the entry being served, until it is handed on. */
	struct {
		bool open;
		int fd;
	} file;

	/* For the access log. */
	int64_t began_us;
	unsigned status;
	uint64_t sent_bytes;
};

/* Whose message it is. */
static inline struct exchange *
exchange_of(struct message *message)
{
	return (struct exchange *)((char *)message - offsetof(struct exchange, message));
}

#endif
