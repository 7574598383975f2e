/* flight.c -- One fetch in progress, and every request that waits for it. */
#include "await.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "conn.h"
#include "http/vary.h"
#include "reply.h"
#include "serve.h"

#include <errno.h>

/* ---- Who waits ------------------------------------------------------------------------------ */

static void
flight_board(struct flight *f, struct exchange *x)
{
	x->flight = f;
	x->head_sent = false;
	x->body_at = 0;
	x->body_end = 0;
	x->flight_next = f->waiters;
	x->flight_link = &f->waiters;
	if (x->flight_next != NULL)
		x->flight_next->flight_link = &x->flight_next;
	f->waiters = x;
	conn_wait(x);
}

void
flight_detach(struct exchange *x)
{
	struct flight *f = x->flight;

	*x->flight_link = x->flight_next;
	if (x->flight_next != NULL)
		x->flight_next->flight_link = x->flight_link;
	if (f->leader == x)
		f->leader = NULL;
	x->flight = NULL;
}

void
flight_turn_soon(struct flight *f)
{
	timer_set_soon(&f->worker->timers, &f->turn);
}

static bool
flight_is_of(const struct flight *f, const struct exchange *x)
{
	return f->shared && spool_has_all(f) && !flight_is_past(f) &&
	       f->hash == flight_hash(&x->plan) &&
	       slice_equal(f->plan.key.bytes, x->plan.key.bytes) &&
	       slice_equal(f->plan.variant, x->plan.variant);
}

/* RFC 9111 section 4: what is all here is a stored response, and may be stale. */
static bool
flight_is_stale(const struct flight *f)
{
	return f->state == FLIGHT_WHOLE &&
	       storing_freshness(&f->storing, f->storing.age_s, false) != FRESHNESS_FRESH;
}

/* Its head is not here, but Vary is known: what it brings is not for x, which need not wait to see
 * that. */
static bool
flight_is_other(const struct flight *f, const struct exchange *x)
{
	return f->lease_hash != f->hash && x->lease_variant != 0 && !x->by_language &&
	       f->lease_hash != (f->hash ^ x->lease_variant) && !fault_is("side-by-side");
}

static bool
flight_fits(struct flight *f, struct exchange *x)
{
	struct store_entry part;

	if (!flight_is_of(f, x))
		return false;
	/* A part is for who asked for just that, and, once it is here, for what lies within it. */
	bool same = slice_equal(f->range, x->range) && f->state < FLIGHT_WHOLE;
	if (f->range.at != NULL && !f->completes && !same && !part_serves(f, x, &part))
		return false;
	if (f->state < FLIGHT_HEAD)
		return !flight_is_other(f, x);
	if (flight_is_stale(f))
		return false;
	return f->shareable && vary_selects(&f->vary, &x->request, &x->arena) == 1;
}

/* Has no deflate overtaken it, as seen after x arrived? */
static bool
flight_lives(struct flight *f, struct exchange *x)
{
	struct store_reader *reader = x->worker->reader;

	/* Its number is read when it is sent, but for what is stored already. */
	if (f->state == FLIGHT_WAITING && !f->awaits)
		return !f->completes;
	if ((!f->sequenced && !f->awaits) || store_read_begin(reader) != 0)
		return false;
	x->sequence = store_sequence(reader);
	struct store_judgement judgement =
	    f->awaits ? store_judge(reader, STORE_DOOR_LEASE, f->await.other.sequence, &f->plan.key,
			    f->tags)
		      : store_judge(reader, STORE_DOOR_JOIN, f->sequence, &f->plan.key, f->tags);
	/* A store that was begun anew knows nothing of deflates before. */
	bool same = f->awaits || store_id(reader) == f->store_id;
	store_read_end(reader);
	return same && judgement.life == STORE_ALIVE;
}

/* The last response to this was for its own client only: the next may be too. */
static bool
flight_is_apart(const struct exchange *x)
{
	return apart_is_marked(
		   &x->worker->flights->apart, flight_hash(&x->plan), clock_mono_ms()) &&
	       !fault_is("apart");
}

bool
flight_join(struct exchange *x)
{
	struct flight *f = *flights_bucket(x->worker->flights, flight_hash(&x->plan));

	if (x->alone || flight_is_apart(x))
		return false;
	await_learn_variant(x);
	while (f != NULL && !(flight_fits(f, x) && flight_lives(f, x)))
		f = f->next;
	if (f == NULL)
		return false;
	metric_add(METRIC_COLLAPSED, 1);
	flight_board(f, x);
	if (f->state >= FLIGHT_HEAD)
		flight_turn_soon(f);
	return true;
}

/* Whole (a part could not be all of what is asked for), and neither fresh nor in the store yet. */
static bool
flight_lands_stale(const struct flight *f, struct exchange *x)
{
	return flight_is_of(f, x) && flight_is_stale(f) && f->stored && f->storable &&
	       !f->freshens && !part_is_stored(f) &&
	       vary_selects(&f->vary, &x->request, &x->arena) == 1;
}

/*
 * What is stale the moment it arrives is asked about (RFC 9111 section 4.3.1) while it is on its
 * way into the store too: its writer takes it before whatever comes of asking.
 */
static void
flight_look_landing(struct exchange *x)
{
	struct flight *f = *flights_bucket(x->worker->flights, flight_hash(&x->plan));

	while (f != NULL && !flight_lands_stale(f, x))
		f = f->next;
	if (f != NULL && flight_lives(f, x))
		revalidation_note_landing(f, x);
}

void
flight_start(struct exchange *x)
{
	if (x->plan.action == PLAN_CACHE && !x->alone && x->stale.head.at == NULL)
		flight_look_landing(x);
	if (x->plan.action == PLAN_CACHE)
		await_learn_variant(x);
	struct flight *f = flight_new(x);

	if (f == NULL) {
		reply_error(x, 503, "out of memory");
		return;
	}
	if (f->shared && flight_is_apart(x))
		f->shared = false;
	flight_enter(f);
	flight_board(f, x);
	f->leader = x;
	if (await_other(f, x) || await_came_late(f, x))
		return;
	metric_add(f->plan.action == PLAN_CACHE ? METRIC_MISSES : METRIC_PASSES, 1);
	if (write_deflates(f))
		write_note(f);
	else
		flight_send(f);
}

static void
flight_refresh_arrives(struct worker *worker, struct message *message)
{
	struct flight *f = FLIGHT_OF(message, message);

	f->worker = worker;
	bool comes = flights_find_same(worker->flights, f) != NULL && !fault_is("refresh-one");
	if (comes || worker->draining || !await_refresh(f)) {
		flight_free(f);
		return;
	}
	flight_enter(f);
	flight_send(f);
}

void
flight_refresh(struct exchange *x, struct worker *owner)
{
	struct flight *f = flight_new(x);

	if (f == NULL)
		return;
	f->message.run = flight_refresh_arrives;
	worker_post(owner, &f->message);
}

/* Once nobody waits: what none can share, store or be told of is not worth the backend's while. */
static bool
flight_goes_on(const struct flight *f)
{
	/* What a write changes is told by its answer (RFC 9111 section 4.4). */
	bool changes = (write_deflates(f) ||
			   (f->state < FLIGHT_HEAD && !http_method_is_safe(f->request.method))) &&
		       !fault_is("leave-write");

	if (fault_is("leave-cancel"))
		return true;
	if (fault_is("leave-keep"))
		return changes;
	return changes || (f->plan.action != PLAN_PASS && (f->state < FLIGHT_HEAD || f->storable));
}

void
flight_leave(struct exchange *x)
{
	struct flight *f = x->flight;

	flight_detach(x);
	if (f->waiters == NULL && f->fetch != NULL && !flight_goes_on(f)) {
		f->shared = false;
		fetch_cancel(f->fetch);
	}
	if (f->waiters == NULL && f->plan.action == PLAN_PASS && f->patience.place != 0)
		lane_queue_late(&f->patience);
	if (f->fetch != NULL)
		fetch_resume(f->fetch);
	flight_turn_soon(f);
}

void
flight_writable(struct exchange *x)
{
	flight_turn_soon(x->flight);
}

void
flight_upload_ready(struct exchange *x)
{
	if (x->flight->leader == x && x->flight->fetch != NULL)
		fetch_resume(x->flight->fetch);
}

/* ---- The fetch ------------------------------------------------------------------------------ */

/* Who comes next learns from this response whether waiting for another is of any use. */
static void
flight_note_sharing(struct flight *f)
{
	if (f->plan.action != PLAN_CACHE)
		return;
	if (f->shareable)
		apart_clear(&f->flights->apart, f->hash);
	else if (f->shared)
		apart_mark(&f->flights->apart, f->hash, clock_mono_ms());
}

/* It is for those who wait now, and for nobody later. */
static void
flight_keep_no_more(struct flight *f)
{
	f->storable = f->shared = false;
	flight_turn_soon(f);
}

static void
flight_on_interim(void *context, const struct answer *answer)
{
	interim_pass_on(context, &answer->response);
}

static void
flight_on_head(void *context, const struct answer *answer)
{
	struct flight *f = context;

	bool unchanged = answer->response.status == 304 && f->stale.head.at != NULL;
	int rc = unchanged ? revalidation_take_head(f, answer) : landing_take_head(f, answer);
	if (rc != 0) {
		fetch_cancel(f->fetch);
		return;
	}
	f->state = FLIGHT_HEAD;
	flight_note_sharing(f);
	if (f->has_length && f->length > f->site->config->dory.max_object_bytes)
		flight_keep_no_more(f);
	write_judge(f, &answer->response.fields);
	flight_turn_soon(f);
}

bool
flight_keeps_body(const struct flight *f)
{
	return f->storable || (f->shared && f->shareable);
}

static bool
flight_on_body(void *context, const char *bytes, size_t len)
{
	struct flight *f = context;
	uint64_t max = f->site->config->dory.max_object_bytes, end = spool_end(f) + len;

	if (flight_keeps_body(f) && (end > max || (!f->storable && end > SPOOL_AHEAD)))
		flight_keep_no_more(f);
	if (!part_has_room(f, end)) {
		fetch_cancel(f->fetch);
		return true;
	}
	f->paused = !spool_has_room(f);
	if (f->paused) {
		delivery_hold(f);
		return false;
	}
	if (spool_append(f, bytes, len) != 0)
		fetch_cancel(f->fetch);
	flight_turn_soon(f);
	return true;
}

static ssize_t
flight_on_upload(void *context, char *out, size_t size)
{
	struct flight *f = context;
	ssize_t n = f->leader == NULL ? -EPIPE : conn_read_body(f->leader, out, size);

	if (n > 0)
		f->uploaded += n;
	/* RFC 9112 section 6.3: a body that ends before its length is an incomplete message. */
	f->body_short = n == 0 && f->uploaded < f->request.body_bytes;
	return f->body_short ? -EPIPE : n;
}

static void
flight_on_end(void *context, enum fetch_end end, const char *why)
{
	struct flight *f = context;

	f->fetch = NULL;
	if (f->state == FLIGHT_FAILED) {
		flight_turn_soon(f);
	} else if (end == FETCH_WHOLE || end == FETCH_UNFRAMED) {
		f->end = end;
		f->storable = f->storable && end == FETCH_WHOLE;
		if (part_end(f) != 0)
			flight_fail(f, FETCH_MALFORMED, 502, "a part of another length");
		else
			f->state = FLIGHT_WHOLE;
		flight_turn_soon(f);
	} else if (f->body_short) {
		flight_fail(f, end, 400, "a request body shorter than its Content-Length");
	} else {
		f->backend_failed = end != FETCH_CANCELLED;
		flight_fail(f, end, end == FETCH_TIMEOUT ? 504 : 502, why);
	}
	lane_leave(f);
}

/* A request without a body says so with a length of 0 where its method is one that has bodies. */
static int64_t
flight_body_bytes(const struct flight *f)
{
	static const char *const with_body[] = { "POST", "PUT", "PATCH" };

	if (f->plan.action == PLAN_CACHE)
		return FETCH_NO_BODY;
	if (f->request.has_body)
		return f->request.body_bytes >= 0 ? f->request.body_bytes : FETCH_BODY_UNKNOWN;
	for (size_t i = 0; i < COUNT(with_body); i++) {
		if (slice_equal(f->request.method, slice_of(with_body[i])))
			return 0;
	}
	return FETCH_NO_BODY;
}

void
flight_depart(struct flight *f)
{
	struct fetch_order order = { .arena = &f->arena,
		.backend = f->plan.backend,
		.method = f->request.method,
		.path = f->request.path,
		.query = f->plan.query,
		.waited_ms = f->queued_ms > 0 ? clock_mono_ms() - f->queued_ms : 0,
		.body_bytes = flight_body_bytes(f),
		.context = f,
		.interim = flight_on_interim,
		.head = flight_on_head,
		.body = flight_on_body,
		.upload = flight_on_upload,
		.ended = flight_on_end };
	struct store_reader *reader = f->worker->reader;

	/* The number by which the response will be judged: read before the request leaves. */
	f->sequenced = store_read_begin(reader) == 0;
	if (f->sequenced) {
		f->sequence = store_sequence(reader);
		f->store_id = store_id(reader);
		store_read_end(reader);
		await_sent(f);
	}
	f->sent_s = clock_wall_s();
	f->state = FLIGHT_SENT;
	int rc = plan_forward(&f->plan, &f->request, &f->arena, &order.fields);
	if (rc == 0)
		rc = revalidation_ask(f, &order.fields);
	if (rc == 0)
		rc = part_ask(f, &order.fields);
	if (rc == 0)
		rc = fetch_start(f->worker->origin, &order, &f->fetch);
	if (rc == 0)
		return;
	if (rc == -EHOSTUNREACH)
		flight_fail(f, FETCH_UNREACHABLE, 502, "the backend's name has no address");
	else if (rc == -ECONNREFUSED)
		flight_fail(f, FETCH_UNREACHABLE, 502, "the backend could not be reached lately");
	else
		flight_fail(f, FETCH_UNREACHABLE, 503, "out of memory");
	lane_leave(f);
}

void
flight_send(struct flight *f)
{
	if (lane_enter(f))
		flight_depart(f);
}

void
flight_fail(struct flight *f, enum fetch_end end, unsigned status, const char *why)
{
	if (f->freshens)
		f->held = false;
	f->end = end;
	f->fail_status = status;
	f->why = why;
	if (f->state < FLIGHT_HEAD)
		write_failed(f);
	f->state = FLIGHT_FAILED;
	flight_turn_soon(f);
}

void
flight_turn(struct timer *timer)
{
	struct flight *f = FLIGHT_OF(timer, turn);

	if (f->state == FLIGHT_WHOLE && f->freshens)
		revalidation_store(f);
	else if (f->state == FLIGHT_WHOLE)
		landing_store(f);
	if (f->refused)
		part_again(f);
	if (!f->held && f->state == FLIGHT_FAILED) {
		delivery_fail(f);
	} else if (!f->held && f->state >= FLIGHT_HEAD) {
		delivery_answer(f);
		delivery_trim(f);
	}
	await_settle(f);
	if (f->state >= FLIGHT_WHOLE && f->fetch == NULL && f->jobs == 0 && f->waiters == NULL &&
	    spool_leave(f))
		flight_end(f);
}
