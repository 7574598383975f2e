/* delivery.c -- A flight's answer on its way to those who wait for it, each at its own pace. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "conn.h"
#include "flight_state.h"
#include "part.h"
#include "reply.h"
#include "serve.h"

/* After so much in one go others have their turn, however fast this peer is. */
enum { DELIVERY_TURN = 4 << 20 };

/* So long those who read wait for a disk that takes nothing; then they have it without. */
enum { DELIVERY_DISK_MS = 2000 };

void
delivery_fail(struct flight *f)
{
	while (f->waiters != NULL) {
		struct exchange *x = f->waiters;
		bool head_sent = x->head_sent;
		flight_detach(x);
		if (head_sent)
			conn_cut(x);
		else
			serve_failed(x, f->fail_status, f->why);
	}
}

static void
delivery_end_head(struct flight *f, struct exchange *x, struct buf *out)
{
	bool judged = f->plan.action == PLAN_CACHE && f->storing.verdict != STORING_YES;
	const struct reply_fetch fetch = {
		/* What completes a part came as a part. */
		.status = f->completes ? PART_STATUS : f->status,
		.stored = f->storable,
		.collapsed = x != f->leader,
		.ttl_s = f->storing.lifetime_s - f->storing.age_s,
		.refused = judged ? storing_reason(f->storing.verdict) : NULL,
	};

	reply_end_head(x, &fetch, out);
}

static struct slice
delivery_fields(const struct flight *f, const struct exchange *x)
{
	return x == f->leader ? buf_as_slice(&f->head) : f->public_head;
}

static void
delivery_put_age(const struct flight *f, struct buf *out)
{
	if (f->age.at != NULL)
		buf_printf(out, "Age: %.*s\r\n", SLICE_ARGS(f->age));
}

/* The part that the client asks for, of a response that is here whole: as a hit would give it. */
static enum range_verdict
delivery_put_range(struct flight *f, struct exchange *x, struct buf *out)
{
	struct store_entry entry = { .status = f->status,
		.head = delivery_fields(f, x),
		.etag = f->etag,
		.last_modified = f->last_modified,
		.response_s = f->response_s,
		.body_bytes = spool_end(f) };
	struct range_set set = { 0 };

	if (f->plan.action != PLAN_CACHE || f->state != FLIGHT_WHOLE || f->end != FETCH_WHOLE ||
	    !spool_has_all(f) || (f->status != 200 && !part_serves(f, x, &entry)))
		return RANGE_WHOLE;
	enum range_verdict verdict = reply_range(x, &entry, &set, out);
	if (verdict == RANGE_WHOLE || verdict == RANGE_SEVERAL)
		return RANGE_WHOLE;
	x->status = verdict == RANGE_PART ? 206 : 416;
	x->body_at = set.items[0].first;
	x->body_end = set.items[0].first + set.items[0].length;
	delivery_put_age(f, out);
	delivery_end_head(f, x, out);
	return verdict;
}

static void
delivery_put_head(struct flight *f, struct exchange *x, struct buf *out)
{
	buf_slice(out, delivery_fields(f, x));
	delivery_put_age(f, out);
	if (f->has_length)
		reply_put_length(out, f->length);
	else if (f->state == FLIGHT_WHOLE && !f->bodyless)
		reply_put_length(out, spool_end(f));
	delivery_end_head(f, x, out);
}

/* The first bytes of the answer. Returns false where they are all of it. */
static bool
delivery_make_head(struct flight *f, struct exchange *x, struct buf *out)
{
	x->head_sent = true;
	x->status = f->status;
	/* The client's own condition, on a response that the backend was asked for without it. */
	if (f->plan.action == PLAN_CACHE && f->status == 200 &&
	    reply_not_modified(x, f->etag, f->last_modified, f->public_head, f->response_s, out)) {
		x->status = 304;
		delivery_end_head(f, x, out);
		return false;
	}
	switch (delivery_put_range(f, x, out)) {
	case RANGE_PART:
		return true;
	case RANGE_UNSATISFIABLE:
		return false;
	case RANGE_WHOLE:
	case RANGE_SEVERAL: /* The next one, from the store, gets them. */
		break;
	}
	delivery_put_head(f, x, out);
	return !reply_is_head_only(x);
}

static void
delivery_cut(struct exchange *x)
{
	flight_detach(x);
	conn_cut(x);
}

/* Where the body ends for x, as far as it is here. */
static uint64_t
delivery_end(const struct flight *f, const struct exchange *x)
{
	return x->body_end > 0 ? x->body_end : spool_end(f);
}

/* What comes next of the body. Returns: 0; -EIO. */
static int
delivery_find(const struct flight *f, const struct exchange *x, struct iovec *piece, bool *last)
{
	uint64_t left = delivery_end(f, x) - x->body_at;
	int rc = left > 0 ? spool_find(f, x->body_at, piece) : 0;

	piece->iov_len = piece->iov_len < left ? piece->iov_len : (size_t)left;
	*last = f->state == FLIGHT_WHOLE && piece->iov_len == left;
	return rc;
}

/*
 * Send what its connection takes of the head and the next piece: what it does not stays with the
 * flight. `last`: the head is all. Returns true where there is more to send at once.
 */
static bool
delivery_send(struct flight *f, struct exchange *x, struct slice head, bool last)
{
	struct iovec parts[2] = { { (void *)(uintptr_t)head.at, head.len } };
	int rc = last ? 0 : delivery_find(f, x, &parts[1], &last);
	size_t len = head.len + parts[1].iov_len;
	struct record_offer offer = { head.len, last ? RECORD_LAST : RECORD_MORE, 0 };

	if (rc == 0 && (len > 0 || last))
		rc = conn_offer(x, parts, 2, &offer);
	if (rc != 0) {
		delivery_cut(x);
		return false;
	}
	x->body_at += offer.taken - head.len;
	if (offer.taken < len)
		return false;
	if (last) {
		flight_detach(x);
		conn_end(x);
		return false;
	}
	return x->body_at < delivery_end(f, x) && conn_has_room(x);
}

static void
delivery_pump(struct flight *f, struct exchange *x)
{
	struct buf head = { 0 };
	bool bare = !x->head_sent && !delivery_make_head(f, x, &head);
	uint64_t from = x->body_at;

	if (buf_error(&head) != 0) {
		delivery_cut(x);
		buf_free(&head);
		return;
	}
	bool more = delivery_send(f, x, buf_as_slice(&head), bare);
	while (more && x->body_at - from < DELIVERY_TURN)
		more = delivery_send(f, x, SLICE(""), false);
	if (more)
		flight_turn_soon(f);
	buf_free(&head);
}

/* ---- Who holds the backend back ------------------------------------------------------------- */

void
delivery_hold(struct flight *f)
{
	bool disk = flight_keeps_body(f);
	int64_t limit_ms = disk ? DELIVERY_DISK_MS : f->site->config->dory.client_timeout_ms;

	if (f->stalled.place == 0 &&
	    timer_set(&f->worker->timers, &f->stalled, clock_mono_ms() + limit_ms) != 0)
		log_error("out of memory: a fetch may be held back until its time limit");
}

static void
delivery_cut_slow(struct flight *f)
{
	for (struct exchange *x = f->waiters, *next; x != NULL; x = next) {
		next = x->flight_next;
		if (x->body_at + SPOOL_AHEAD / 2 >= spool_end(f))
			continue;
		metric_add(METRIC_CLIENTS_CUT, 1);
		delivery_cut(x);
	}
}

void
delivery_stalled(struct timer *timer)
{
	struct flight *f = FLIGHT_OF(timer, stalled);

	if (flight_keeps_body(f))
		spool_give_up(f);
	else
		delivery_cut_slow(f);
	flight_turn_soon(f);
}

void
delivery_trim(struct flight *f)
{
	uint64_t least = spool_end(f);
	bool drop = !flight_keeps_body(f) && f->state != FLIGHT_WHOLE;

	if (drop && f->waiters == NULL && f->fetch != NULL && !fault_is("leave-cancel"))
		fetch_cancel(f->fetch);
	for (struct exchange *x = f->waiters; x != NULL; x = x->flight_next)
		least = x->body_at < least ? x->body_at : least;
	if (drop && f->waiters != NULL)
		spool_trim(f, least);
	if (f->paused && f->fetch != NULL && spool_has_room(f)) {
		f->paused = false;
		timer_clear(&f->worker->timers, &f->stalled);
		fetch_resume(f->fetch);
	} else if (f->paused) {
		delivery_hold(f);
	}
}

void
delivery_answer(struct flight *f)
{
	struct exchange *again = NULL;

	for (struct exchange *x = f->waiters, *next; x != NULL; x = next) {
		next = x->flight_next;
		if (x->head_sent || landing_may_answer(f, x)) {
			if (!x->head_sent && f->status >= 500 && f->plan.action == PLAN_CACHE &&
			    serve_stale_if_error(x))
				continue;
			if (conn_has_room(x))
				delivery_pump(f, x);
		} else {
			flight_detach(x);
			x->flight_next = again;
			again = x;
		}
	}
	/* After the loop: those who could not share begin flights of their own, side by side. */
	while (again != NULL) {
		struct exchange *x = again;
		again = x->flight_next;
		serve_again(x);
	}
}
