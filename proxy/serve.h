/* serve.h -- The story of one request, edge to edge. */
#ifndef DORY_PROXY_SERVE_H
#define DORY_PROXY_SERVE_H

#include "exchange.h"

/* From the connection, owning worker only. */
void serve_soon(struct exchange *x);     /* It is whole: serve it with all others of this turn. */
void serve_writable(struct exchange *x); /* The backlog was sent. */
void serve_readable(struct exchange *x); /* More of the request's body may be there. */
void serve_gone(struct exchange *x);     /* The peer is gone; nothing more can be sent. */
void serve_over(struct exchange *x);     /* It was answered, or given up: free what it had. */

/*
 * From a flight: it cannot answer this request after all (it was deflated, varies, or may not be
 * shared). Look again, and fetch for itself where need be.
 */
void serve_again(struct exchange *x);

/* From a flight whose fetch failed: answer from a stale entry where stale_if_error allows, or say
 * so. */
void serve_failed(struct exchange *x, unsigned status, const char *why);

/*
 * From a flight whose answer is a 5xx: true where a stale entry answered instead (RFC 5861 section
 * 4). The exchange has then left the flight and is over.
 */
bool serve_stale_if_error(struct exchange *x);

#endif
