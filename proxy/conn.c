/* conn.c -- FastCGI connections: parked, read, answered, and kept or closed. */
#include "conn.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "conn_state.h"
#include "head.h"
#include "reply.h"
#include "request.h"
#include "serve.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONN_HEAD_MS = 10000, CONN_DRAIN_MS = 10000, CONN_CUT_MS = 50 };
enum { CONN_WIDE_MIN = 128 << 10, CONN_WIDE_BYTES = 512 << 10 };

static void conn_next_request(struct conn *c);

static void
conn_forget_request(struct conn *c)
{
	struct exchange *x = &c->x;
	struct arena arena = x->arena;

	serve_over(x);
	site_unref(x->site);
	arena_reset(&arena);
	*x = (struct exchange){ .conn = c, .worker = x->worker, .arena = arena };
}

static void
conn_close(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	if (c->fd >= 0) {
		if (c->events != 0)
			worker_unwatch(c->x.worker, c->fd);
		close(c->fd);
	}
	timer_clear(&c->x.worker->timers, &c->timer);
	conn_forget_request(c);
	outbox_free(&c->outbox);
	inflow_free(&c->inflow);
	c->state = CONN_DEAD;
	worker_conn_closed(c->x.worker);
	conn_unlink(c);
	conn_link(c, &c->x.worker->conns_dead);
	metric_add(METRIC_CONNECTIONS, -1);
}

static void
conn_refuse(struct conn *c, const char *why)
{
	metric_add(METRIC_GATE_REFUSED, 1);
	log_warn("a FastCGI connection was closed: the web server sent %s", why);
	conn_close(c);
}

/*
 * Edge-triggered: an incomplete head would spin otherwise. Watching for room only while there is a
 * backlog saves an event a request. Watching anew reports what is ready already.
 */
static bool
conn_watch(struct conn *c, bool anew)
{
	uint32_t events =
	    EPOLLIN | EPOLLRDHUP | EPOLLET | (outbox_is_empty(&c->outbox) ? 0 : EPOLLOUT);
	int rc = 0;

	if (c->events == 0)
		rc = worker_watch(c->x.worker, c->fd, events, &c->watch);
	else if (anew || c->events != events)
		rc = worker_rewatch(c->x.worker, c->fd, events, &c->watch);
	if (rc == 0)
		c->events = events;
	return rc == 0;
}

/* The body was not wanted: take the rest off the socket, so that the answer is not lost with it. */
static void
conn_discard_body(struct conn *c)
{
	ssize_t n;

	do
		n = conn_read_body(&c->x, c->x.worker->scratch, WORKER_SCRATCH);
	while (n > 0);
	if (n == 0 && c->keep && !c->x.worker->draining)
		conn_next_request(c);
	else if (n != -EAGAIN || !conn_watch(c, false))
		conn_close(c);
}

/* The answer is on its way whole. */
static void
conn_answered(struct conn *c)
{
	struct worker *worker = c->x.worker;

	conn_forget_request(c);
	if (c->body.state == STDIN_OPEN && !c->gone) {
		c->state = CONN_UNREAD;
		if (timer_set(&worker->timers, &c->timer, clock_mono_ms() + CONN_DRAIN_MS) != 0)
			conn_close(c);
		else
			conn_discard_body(c);
	} else if (c->keep && !c->gone && !worker->draining) {
		conn_next_request(c);
	} else {
		conn_close(c);
	}
}

/* Returns false while something is left. */
static bool
conn_flush(struct conn *c)
{
	int rc = c->gone ? -EPIPE : outbox_send(&c->outbox, c->fd);

	/* Edge-triggered: what could go on at once is told of only if asked for anew. */
	if (rc == -EAGAIN && c->outbox.file.yielded && !conn_watch(c, true))
		rc = -EIO;
	c->gone = c->gone || (rc != 0 && rc != -EAGAIN);
	if (rc != -EAGAIN)
		outbox_free(&c->outbox);
	return rc != -EAGAIN;
}

void
conn_end(struct exchange *x)
{
	struct conn *c = x->conn;

	reply_log(x);
	c->state = CONN_FLUSH;
	if (outbox_is_empty(&c->outbox) || c->gone)
		conn_answered(c);
}

/* Have the event loop go on with what the socket did not take. */
static void
conn_sent(struct conn *c, int rc)
{
	c->gone = c->gone || rc != 0;
	if (c->gone)
		outbox_free(&c->outbox);
	if (!outbox_is_empty(&c->outbox) && !conn_watch(c, false))
		c->gone = true;
}

void
conn_send(struct exchange *x, const struct iovec *parts, size_t n)
{
	struct conn *c = x->conn;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		x->sent_bytes += parts[i].iov_len;
	if (!c->gone)
		rc =
		    record_send(c->fd, c->body.request_id, parts, n, RECORD_LAST, &c->outbox.bytes);
	conn_sent(c, rc);
	conn_end(x);
}

int
conn_offer(struct exchange *x, const struct iovec *parts, size_t n, struct record_offer *offer)
{
	struct conn *c = x->conn;
	int rc = 0;

	offer->taken = 0;
	if (!c->gone)
		rc = record_offer(c->fd, c->body.request_id, parts, n, offer, &c->outbox.bytes);
	conn_sent(c, rc);
	x->sent_bytes += offer->taken;
	return c->gone ? -EPIPE : 0;
}

bool
conn_has_room(const struct exchange *x)
{
	return outbox_is_empty(&x->conn->outbox);
}

/*
 * Room for more than the usual 200 KiB of a Unix socket: each time that it is full costs a turn of
 * ours and one of the web server's, a quarter of what a hit of 256 KiB takes of the processor.
 */
static void
conn_widen(struct conn *c, uint64_t len)
{
	int room = CONN_WIDE_BYTES;

	if (len < CONN_WIDE_MIN || c->wide)
		return;
	c->wide = true;
	/* Where it is refused all goes as before. */
	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
}

void
conn_send_file(
    struct exchange *x, const struct iovec *parts, size_t n, const struct outbox_part *file)
{
	struct conn *c = x->conn;

	for (size_t i = 0; i < n; i++)
		x->sent_bytes += parts[i].iov_len;
	x->sent_bytes += file->length;
	conn_widen(c, file->length);
	/* Kept, to go in one call with the first of the body. */
	int rc = record_send(-1, c->body.request_id, parts, n, RECORD_MORE, &c->outbox.bytes);
	outbox_put_file(&c->outbox, file, c->body.request_id);
	c->gone = c->gone || rc != 0;
	if (!conn_flush(c) && !conn_watch(c, false))
		c->gone = true;
	conn_end(x);
}

void
conn_wait(struct exchange *x)
{
	/* Without it a peer that leaves is noticed at the next write. One that left as soon as it
	 * had asked was told of with its request: be told again. */
	if (!conn_watch(x->conn, x->conn->half_closed && !fault_is("leave-told")))
		log_warn("a connection cannot be watched: %s", strerror(errno));
}

void
conn_cut(struct exchange *x)
{
	struct conn *c = x->conn;

	reply_log(x);
	/*
	 * lighttpd that reads an answer without a length and its end in one go takes it for whole,
	 * so the end comes later than what there was.
	 */
	if (x->sent_bytes == 0 || c->gone ||
	    timer_set(&x->worker->timers, &c->timer, clock_mono_ms() + CONN_CUT_MS) != 0) {
		conn_close(c);
		return;
	}
	conn_forget_request(c);
	c->state = CONN_CUT;
}

/* ---- The request's body --------------------------------------------------------------------- */

ssize_t
conn_read_body(struct exchange *x, char *out, size_t size)
{
	struct conn *c = x->conn;
	ssize_t n = stdin_read(&c->body, &c->inflow, out, size);

	c->gone = c->gone || (c->body.state == STDIN_BROKEN);
	return n;
}

/* ---- The request's head --------------------------------------------------------------------- */

static void
conn_begin(struct conn *c, const struct gate *gate)
{
	struct params params;
	struct exchange *x = &c->x;
	const char *why = NULL;

	timer_clear(&x->worker->timers, &c->timer);
	if (head_take_params(gate, &x->arena, &params) != 0) {
		conn_close(c);
		return;
	}
	c->look_again = c->inflow.maybe_more;
	c->keep = gate->keep;
	stdin_init(&c->body, gate->request_id, gate->request_bytes == 0);
	c->state = CONN_BUSY;
	x->site = site_ref(x->worker->site);
	x->began_us = clock_mono_us();
	metric_add(METRIC_REQUESTS, 1);
	int rc = request_make(&params, c->body.state == STDIN_OPEN, &x->arena, &x->request, &why);
	if (rc == 0) {
		serve_soon(x);
	} else {
		metric_add(METRIC_REFUSED, 1);
		reply_error(x, rc == -ENOMEM ? 503 : 400, rc == -ENOMEM ? "out of memory" : why);
	}
}

static void
conn_await_head(struct conn *c)
{
	int rc = 0;

	if (!inflow_is_empty(&c->inflow) && c->timer.place == 0)
		rc = timer_set(&c->x.worker->timers, &c->timer, clock_mono_ms() + CONN_HEAD_MS);
	if (rc != 0 || c->half_closed || !conn_watch(c, false))
		conn_close(c);
}

/* Once a request has begun it may be with another worker: nothing looks at `c` afterwards. */
static void
conn_look(struct conn *c)
{
	struct gate gate;

	if (c->next_here)
		timer_clear(&c->x.worker->timers, &c->timer);
	c->next_here = false;
	switch (head_look(&c->inflow, c->x.worker->scratch, &gate)) {
	case HEAD_MORE:
		conn_await_head(c);
		break;
	case HEAD_READY:
		conn_begin(c, &gate);
		break;
	case HEAD_BAD:
		conn_refuse(c, gate.why);
		break;
	case HEAD_GONE:
		conn_close(c);
		break;
	}
}

static void
conn_next_request(struct conn *c)
{
	struct timers *timers = &c->x.worker->timers;

	timer_clear(timers, &c->timer);
	c->state = CONN_PARKED;
	stdin_init(&c->body, 0, false);
	/* Not at once: many that came together would be served one within the other. */
	c->next_here = !inflow_is_empty(&c->inflow);
	if (c->next_here)
		timer_set_soon(timers, &c->timer);
	if (!conn_watch(c, c->look_again))
		conn_close(c);
}

/* ---- Events --------------------------------------------------------------------------------- */

static void
conn_ready_busy(struct conn *c, uint32_t events)
{
	struct exchange *x = &c->x;

	if (events & (EPOLLHUP | EPOLLERR))
		c->gone = true;
	if (!outbox_is_empty(&c->outbox) && conn_flush(c) && !c->gone)
		serve_writable(x);
	if (c->state == CONN_BUSY && (events & (EPOLLIN | EPOLLRDHUP)) &&
	    c->body.state == STDIN_OPEN)
		serve_readable(x);
	if (c->state == CONN_BUSY && c->gone) {
		serve_gone(x);
		if (c->state == CONN_BUSY)
			conn_cut(x);
	}
}

static void
conn_ready(struct watch *watch, uint32_t events)
{
	struct conn *c = CONN_OF(watch, watch);

	/* It may be of the next request, and is told only once. */
	c->look_again = c->look_again || (events & EPOLLIN) != 0;
	c->half_closed = c->half_closed || (events & (EPOLLRDHUP | EPOLLHUP)) != 0;
	switch (c->state) {
	case CONN_PARKED:
		conn_look(c);
		break;
	case CONN_BUSY:
		conn_ready_busy(c, events);
		break;
	case CONN_FLUSH:
		if (events & (EPOLLHUP | EPOLLERR))
			c->gone = true;
		if (conn_flush(c))
			conn_answered(c);
		break;
	case CONN_UNREAD:
		conn_discard_body(c);
		break;
	case CONN_CUT:
		if (conn_flush(c) && c->gone)
			conn_close(c);
		break;
	case CONN_DEAD:
		break;
	}
}

static void
conn_late(struct timer *timer)
{
	struct conn *c = CONN_OF(timer, timer);

	if (c->next_here)
		conn_look(c);
	else if (c->state == CONN_PARKED)
		conn_refuse(c, "half a request and then nothing for 10 seconds");
	else
		conn_close(c);
}

int
conn_adopt(struct worker *worker, int fd)
{
	struct conn *c = conn_new(worker);

	if (c == NULL) {
		close(fd);
		return -ENOMEM;
	}
	c->watch.ready = conn_ready;
	c->timer.fire = conn_late;
	c->fd = c->inflow.fd = fd;
	c->x.conn = c;
	c->x.worker = worker;
	conn_link(c, &worker->conns);
	worker_conn_opened(worker);
	metric_add(METRIC_CONNECTIONS, 1);
	conn_look(c);
	return 0;
}

static void
conn_arrive(struct worker *worker, struct message *message)
{
	struct conn *c = CONN_OF(message, x.message);

	c->x.worker = worker;
	conn_link(c, &worker->conns);
	if (!conn_watch(c, false))
		c->gone = true;
	c->moved(&c->x);
}

void
conn_move(struct exchange *x, struct worker *to, void (*run)(struct exchange *x))
{
	struct conn *c = x->conn;

	assert(c->state == CONN_BUSY && c->timer.place == 0);
	if (c->events != 0)
		worker_unwatch(x->worker, c->fd);
	c->events = 0;
	conn_unlink(c);
	c->moved = run;
	x->message.run = conn_arrive;
	worker_post(to, &x->message);
}

void
conn_drain_all(struct worker *worker)
{
	for (struct conn *c = worker->conns, *next; c != NULL; c = next) {
		char byte;
		next = c->next;
		/* One whose request is here, if not yet looked at, is served and closed then. */
		if (c->state == CONN_PARKED && inflow_is_empty(&c->inflow) &&
		    recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0)
			conn_close(c);
	}
}

void
conn_close_all(struct worker *worker)
{
	while (worker->conns != NULL) {
		struct conn *c = worker->conns;
		if (c->state == CONN_BUSY)
			serve_gone(&c->x);
		conn_close(c);
	}
	conn_forget_all(worker);
}
