/* origin.h -- Fetches from backends: the only door to libcurl. */
#ifndef DORY_PROXY_ORIGIN_H
#define DORY_PROXY_ORIGIN_H

#include "answer.h"
#include "config/config.h"
#include "worker.h"

/* One a worker: its connections to backends, driven by its event loop. */
struct origin;
struct fetch;

/* Before any thread, and after the last. Returns: 0; -ENOMEM. */
int origin_init(void) NODISCARD;
void origin_fini(void);

int origin_new(struct worker *worker, struct origin **out) NODISCARD;
void origin_free(struct origin *o); /* Every fetch has ended. */

/* Free what closed sockets left behind, once the events at hand are done. */
void origin_reap(struct origin *o);

/* How a fetch ended. */
enum fetch_end {
	FETCH_WHOLE,    /* All of it, and its framing says so. */
	FETCH_UNFRAMED, /* It ended with the connection: whole or cut, nobody can tell (RFC 9112 8).
			 */
	FETCH_CUT,      /* Broken off in the body. */
	FETCH_UNREACHABLE, /* No connection: the backend saw nothing of the request. */
	FETCH_TIMEOUT,     /* One of the backend's time limits. */
	FETCH_MALFORMED,   /* Not an answer that a cache may believe. */
	FETCH_FAILED,      /* Connected, and no answer came. */
	FETCH_CANCELLED,   /* By fetch_cancel(). */
};

/* In words for the log. Static. */
const char *fetch_end_name(enum fetch_end end);

enum { FETCH_NO_BODY = -2, FETCH_BODY_UNKNOWN = -1 };

/*
 * What to fetch, and who hears of it. All calls are the owning worker's; none is made once `ended`
 * was. From within `interim`, `head`, `body` and `upload` only fetch_cancel() may be called.
 */
struct fetch_order {
	struct arena *arena; /* What the fetch makes of it goes there. */
	const struct config_backend *backend;
	struct slice method, path, query;
	struct http_fields fields;
	int64_t waited_ms;  /* For its turn: its time limits began so long ago. */
	int64_t body_bytes; /* FETCH_NO_BODY, FETCH_BODY_UNKNOWN, or how many. */
	void *context;
	/* An interim one is: `answer` has it until this returns. Not 101. */
	void (*interim)(void *context, const struct answer *answer);
	/* The final header block is here and checked. `answer` lives until `ended` was called. */
	void (*head)(void *context, const struct answer *answer);
	/* Returns true: taken; false: not now, fetch_resume() will follow. */
	bool (*body)(void *context, const char *bytes, size_t len);
	/* Returns bytes; 0 at the end; -EAGAIN: not now, fetch_resume() will follow; -EPIPE:
	 * broken. */
	ssize_t (*upload)(void *context, char *out, size_t size);
	/* `why`: the backend's fault in words, or NULL. The fetch is gone afterwards. */
	void (*ended)(void *context, enum fetch_end end, const char *why);
};

/* ---- order.c: what to fetch, spelled for the wire. Made in its arena; NULL: out of memory.
 * --------
 */

char *fetch_order_line(const struct fetch_order *order, size_t field);

/*
 * Path and query, as they go into the request line.
 *
 * Returns: 0; -EINVAL: they would be more than that; -ENOMEM.
 * Spec:    RFC 9112 section 3.2.1.
 */
int fetch_order_target(const struct fetch_order *order, char **out) NODISCARD;

/*
 * All fields, a line each, but for the end of the last: what libcurl takes for one line.
 *
 * Returns: 0; -EINVAL: one of them would be more than a line; -ENOMEM.
 * Spec:    RFC 9112 section 5.
 */
int fetch_order_lines(const struct fetch_order *order, const char **out) NODISCARD;

/* ---- origin.c -------------------------------------------------------------------------------- */

/*
 * Begin. All that `order` names outlives the fetch.
 *
 * Returns: 0; -EHOSTUNREACH (the backend's name was never found); -ECONNREFUSED (it could not be
 *          reached lately, see breaker.h); -ENOMEM; -EINVAL.
 */
int fetch_start(struct origin *o, const struct fetch_order *order, struct fetch **out) NODISCARD;

/* Go on where `body` or `upload` had paused. */
void fetch_resume(struct fetch *fetch);

/* Give up: `ended` is called from the event loop with FETCH_CANCELLED. */
void fetch_cancel(struct fetch *fetch);

/* Forget it: nothing is called any more. For the end of a worker. */
void fetch_drop(struct fetch *fetch);

#endif
