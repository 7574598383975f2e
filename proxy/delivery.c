/* delivery.c -- A flight's answer on its way to those who wait for it, each at its own pace. */
#include "conn.h"
#include "flight_state.h"
#include "reply.h"
#include "serve.h"

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
		.status = f->status,
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
	const struct store_entry entry = { .status = f->status,
		.head = delivery_fields(f, x),
		.etag = f->etag,
		.last_modified = f->last_modified,
		.response_s = f->response_s,
		.body_bytes = f->body.len };
	struct range range = { 0, 0 };

	if (f->plan.action != PLAN_CACHE || f->state != FLIGHT_WHOLE || f->end != FETCH_WHOLE ||
	    f->body_start > 0)
		return RANGE_WHOLE;
	enum range_verdict verdict = reply_range(x, &entry, &range, out);
	if (verdict == RANGE_WHOLE)
		return verdict;
	x->status = verdict == RANGE_PART ? 206 : 416;
	x->body_at = range.first;
	x->body_end = range.first + range.length;
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
		buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)f->length);
	else if (f->state == FLIGHT_WHOLE && !f->bodyless)
		buf_printf(out, "Content-Length: %zu\r\n", f->body.len);
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

/* What comes next of the body, as far as it is here. Returns true where it is the end. */
static bool
delivery_find(const struct flight *f, const struct exchange *x, struct iovec *piece)
{
	uint64_t end = x->body_end > 0 ? x->body_end : f->body_start + f->body.len;

	*piece = (struct iovec){ f->body.data + (x->body_at - f->body_start), end - x->body_at };
	return f->state == FLIGHT_WHOLE;
}

/* Send what there is, as far as its connection takes it: what it does not stays with the flight. */
static void
delivery_pump(struct flight *f, struct exchange *x)
{
	struct buf head = { 0 };
	bool first = !x->head_sent, bare = first && !delivery_make_head(f, x, &head), last = bare;
	struct iovec parts[2] = { { head.data, head.len } };

	if (!bare)
		last = delivery_find(f, x, &parts[1]);
	size_t len = parts[0].iov_len + parts[1].iov_len;
	struct record_offer offer = { head.len, last ? RECORD_LAST : RECORD_MORE, 0 };
	int rc = buf_error(&head);
	if (rc == 0 && (len > 0 || last))
		rc = conn_offer(x, parts, 2, &offer);
	buf_free(&head);
	if (rc != 0) {
		delivery_cut(x);
		return;
	}
	x->body_at += offer.taken - parts[0].iov_len;
	if (!last || offer.taken < len)
		return;
	flight_detach(x);
	conn_end(x);
}

void
delivery_trim(struct flight *f)
{
	uint64_t least = f->body_start + f->body.len;

	if (flight_keeps_body(f) || f->state == FLIGHT_WHOLE)
		return;
	if (f->waiters == NULL && f->fetch != NULL)
		fetch_cancel(f->fetch);
	for (struct exchange *x = f->waiters; x != NULL; x = x->flight_next)
		least = x->body_at < least ? x->body_at : least;
	size_t gone = (size_t)(least - f->body_start);
	if (gone > 0 && f->waiters != NULL) {
		memmove(f->body.data, f->body.data + gone, f->body.len - gone);
		f->body.len -= gone;
		f->body_start = least;
	}
	if (f->paused && f->body.len <= FLIGHT_AHEAD / 2 && f->fetch != NULL) {
		f->paused = false;
		fetch_resume(f->fetch);
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
