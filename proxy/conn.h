/* conn.h -- FastCGI connections: parked, read, answered, and kept or closed. */
#ifndef DORY_PROXY_CONN_H
#define DORY_PROXY_CONN_H

#include "exchange.h"
#include "outbox.h"
#include "record.h"

/*
 * A connection carries one request at a time. It belongs to one worker; all calls are the owning
 * worker's. What it tells serve.h: serve_soon(), serve_writable(), serve_readable(), serve_gone().
 */

/* Take over a connected, non-blocking socket. `fd` is taken, also on error. Returns: 0; -ENOMEM. */
int conn_adopt(struct worker *worker, int fd) NODISCARD;

/* Send the answer, whole. The request is over: `x` is not to be used any more. What the socket does
 * not take is kept. */
void conn_send(struct exchange *x, const struct iovec *parts, size_t n);

/*
 * Send what the socket takes of the answer's next parts, and no more: they can be offered again
 * once conn_has_room(), of which serve_writable() tells.
 *
 * offer:   as for record_offer().
 * Returns: 0; -EPIPE: the peer is gone.
 */
int conn_offer(
    struct exchange *x, const struct iovec *parts, size_t n, struct record_offer *offer) NODISCARD;
bool conn_has_room(const struct exchange *x);

/* All of an answer was taken. The request is over: `x` is not to be used any more. */
void conn_end(struct exchange *x);

/*
 * Send the head of an answer, and then part of a file as its body. The request is over, as after
 * conn_send(). The file's descriptor is taken; where the file turns out shorter, the connection is
 * closed without an end.
 */
void conn_send_file(
    struct exchange *x, const struct iovec *parts, size_t n, const struct outbox_part *file);

/* The answer comes later: have the event loop tell what its peer does meanwhile. */
void conn_wait(struct exchange *x);

/*
 * End an answer that cannot be finished: close without END_REQUEST, so that the web server sees
 * that something is missing. `x` is not to be used any more.
 */
void conn_cut(struct exchange *x);

/*
 * Read the request's body as it arrives.
 * Returns: bytes read; 0 at its end; -EAGAIN: serve_readable() will be called; -EPIPE: it broke
 * off.
 */
ssize_t conn_read_body(struct exchange *x, char *out, size_t size) NODISCARD;

/* Hand the connection and its request to another worker, which calls `run` with it. */
void conn_move(struct exchange *x, struct worker *to, void (*run)(struct exchange *x));

/* Close what is parked; called as a worker begins to drain. Busy ones end after their answer. */
void conn_drain_all(struct worker *worker);

/* Close everything, answered or not: the end of a worker. */
void conn_close_all(struct worker *worker);

/* Free what was closed while events were being handled. */
void conn_reap(struct worker *worker);

#endif
