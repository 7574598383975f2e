/* flight.h -- One fetch in progress, and every request that waits for it. */
#ifndef DORY_PROXY_FLIGHT_H
#define DORY_PROXY_FLIGHT_H

#include "exchange.h"

struct flight;

/* A worker's flights. Owning worker only. */
struct flights;

int flights_new(struct worker *worker, struct flights **out) NODISCARD;
void flights_free(struct flights *flights);

/* How many are in the air, being stored, or still read by somebody. */
size_t flights_count(const struct flights *flights);

/* Another worker gave up a place at a backend: somebody here may wait for it. */
void lanes_run(struct flights *flights);

/* Give all up: the end of a worker. */
void flights_end_all(struct flights *flights);

/*
 * Join a flight for x's key and variant: one that has not been sent yet, or that no deflate has
 * overtaken in a snapshot taken now, and whose Vary, where it is known, fits.
 *
 * Returns: false where there is none. Spec: design section 2; RFC 9111 section 4 (collapsing).
 */
bool flight_join(struct exchange *x) NODISCARD;

/* A flight of its own for x, which waits for it; others may join unless x->alone. */
void flight_start(struct exchange *x);

/*
 * Refresh what x was just given stale: a flight without anybody waiting, on the worker that owns
 * the key, unless one is there already. Copies what it needs of x.
 */
void flight_refresh(struct exchange *x, struct worker *owner);

/* x waits no longer: it is answered otherwise. */
void flight_detach(struct exchange *x);

/* From the connection, by way of serve.c. */
void flight_leave(struct exchange *x);        /* x is gone. */
void flight_writable(struct exchange *x);     /* Its backlog was sent. */
void flight_upload_ready(struct exchange *x); /* More of its body may be there. */

#endif
