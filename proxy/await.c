/* await.c -- A flight's lease, and the wait for another process that has it. */
#include "await.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "serve.h"
#include "store/select.h"

#include <errno.h>
#include <unistd.h>
#include <xxhash.h>

enum { AWAIT_FAULT_US = 3000 };

/* On its way into the store, where it will say that responses to this vary. */
static bool
await_tells_variant(const struct flight *f, const struct exchange *x)
{
	return f->state >= FLIGHT_HEAD && f->storable && f->vary.names.len > 0 &&
	       slice_equal(f->plan.key.bytes, x->plan.key.bytes) &&
	       slice_equal(f->plan.variant, x->plan.variant);
}

void
await_learn_variant(struct exchange *x)
{
	struct flight *f = *flights_bucket(x->worker->flights, flight_hash(&x->plan));
	struct slice values, varied;

	if (x->lease_variant != 0)
		return;
	while (f != NULL && !await_tells_variant(f, x))
		f = f->next;
	if (f == NULL || vary_values(f->vary.names, &x->request, &x->arena, &values) != 0 ||
	    select_varied(x->plan.variant, values, &x->arena, &varied) != 0)
		return;
	x->lease_variant = XXH3_64bits(varied.at, varied.len);
	x->by_language = vary_language(f->vary.names, &x->request).at != NULL;
}

/* Would the other's response be of use to who asks now, as far as deflates go? */
static bool
await_is_worth_it(struct flight *f)
{
	struct store_reader *reader = f->worker->reader;

	if (store_read_begin(reader) != 0)
		return false;
	struct store_judgement judgement = store_judge(
	    reader, STORE_DOOR_LEASE, f->await.other.sequence, &f->plan.key, f->plan.tags);
	store_read_end(reader);
	return judgement.life == STORE_ALIVE;
}

static void
await_renew(struct timer *timer)
{
	struct flight *f = FLIGHT_OF(timer, lease_beat);

	/* Given back, while some still read what it brought. */
	if (f->lease.word == 0)
		return;
	lease_renew(&f->lease);
	if (timer_set(&f->worker->timers, timer, clock_mono_ms() + LEASE_RENEW_MS) != 0)
		log_warn("out of memory: a fetch may be made twice");
}

/* A flight of ours that a deflate has overtaken gives its lease to the next. What it brings is for
 * the store to refuse, which knows that deflate too. */
static void
await_hand_over(struct flight *f)
{
	struct flight *old = *flights_bucket(f->worker->flights, f->hash);

	while (old != NULL && old->lease.word != f->await.other.word)
		old = old->next;
	if (old != NULL)
		await_end(old);
}

enum lease_verdict
await_take(struct flight *f)
{
	struct leases *leases = f->worker->all->leases;
	struct lease *other = &f->await.other;

	/* Who waits for the whole has no use for a part. */
	if (!f->shared || (f->range.at != NULL && !f->completes))
		return LEASE_NONE;
	enum lease_verdict verdict =
	    lease_take(leases, f->lease_hash, f->sequence, 0, &f->lease, other);
	if ((verdict == LEASE_OTHER || verdict == LEASE_OWN) && !await_is_worth_it(f)) {
		if (verdict == LEASE_OWN)
			await_hand_over(f);
		verdict =
		    lease_take(leases, f->lease_hash, f->sequence, other->word, &f->lease, other);
	}
	if (verdict != LEASE_TAKEN)
		return verdict;
	f->lease_beat.fire = await_renew;
	if (timer_set(&f->worker->timers, &f->lease_beat, clock_mono_ms() + LEASE_RENEW_MS) != 0)
		log_warn("out of memory: a fetch may be made twice");
	return LEASE_TAKEN;
}

/*
 * Everybody looks again, in a snapshot of now: at what the other has stored, or else fetches. Where
 * the backend failed, it has failed for all who waited, as it has for those of the other process.
 */
static void
await_look_again(struct worker *worker, struct message *message)
{
	struct flight *f = FLIGHT_OF(message, message);

	(void)worker;
	f->awaits = f->shared = false;
	if (f->await.failed_status != 0) {
		flight_fail(f, FETCH_FAILED, f->await.failed_status,
		    "another process has asked the backend in vain");
		return;
	}
	f->state = FLIGHT_FAILED;
	while (f->waiters != NULL) {
		struct exchange *x = f->waiters;
		flight_detach(x);
		serve_again(x);
	}
	flight_turn_soon(f);
}

/* On the keeper's thread. */
static void
await_told(struct lease_wait *wait)
{
	struct flight *f = FLIGHT_OF(wait, await);

	worker_post(f->worker, &f->message);
}

bool
await_other(struct flight *f, struct exchange *x)
{
	int64_t now_ms = clock_mono_ms();

	/* Between the look and the lease there is too little time for a test to meet. */
	if (fault_is("lease-stored"))
		usleep(AWAIT_FAULT_US);
	/* However often it is disappointed, nobody waits longer than for a backend's first byte. */
	if (x->await_until_ms == 0)
		x->await_until_ms = now_ms + f->plan.backend->first_byte_timeout_ms;
	if (now_ms >= x->await_until_ms || lease_is_alone(f->worker->all->leases, f->lease_hash) ||
	    await_take(f) != LEASE_OTHER)
		return false;
	f->message.run = await_look_again;
	f->await.told = await_told;
	f->await.until_ms = x->await_until_ms;
	f->awaits = true;
	if (lease_await(f->worker->all->leases, &f->await) != 0)
		f->awaits = false;
	else
		metric_add(METRIC_LEASES_AWAITED, 1);
	return f->awaits;
}

/* Another stored it under this lease, and it was looked for in a snapshot of before. */
static bool
await_lacks_stored(const struct flight *f)
{
	return f->lease.word != 0 && f->lease.stored > f->snapshot;
}

bool
await_refresh(struct flight *f)
{
	if (fault_is("refresh-stored"))
		usleep(AWAIT_FAULT_US);
	if (await_take(f) == LEASE_OTHER && !fault_is("refresh-lease"))
		return false;
	return !await_lacks_stored(f) || fault_is("refresh-stored");
}

static void
await_look_anew(struct worker *worker, struct message *message)
{
	(void)worker;
	serve_again(exchange_of(message));
}

bool
await_came_late(struct flight *f, struct exchange *x)
{
	if (x->came_late || !await_lacks_stored(f) || fault_is("lease-stored"))
		return false;
	x->came_late = true;
	await_end(f);
	f->shared = false;
	f->state = FLIGHT_FAILED;
	flight_detach(x);
	/* With those who arrive after this: what this turn's requests share is the older snapshot.
	 */
	x->message.run = await_look_anew;
	worker_arrived(x->worker, &x->message);
	flight_turn_soon(f);
	return true;
}

bool
await_was_overtaken(const struct flight *f)
{
	return f->lease.word != 0 && !lease_is_ours(&f->lease) && !fault_is("lease-token");
}

void
await_end(struct flight *f)
{
	timer_clear(&f->worker->timers, &f->lease_beat);
	if (f->lease.word != 0)
		lease_release(f->worker->all->leases, &f->lease, false);
}

void
await_sent(struct flight *f)
{
	if (f->lease.word != 0 && !fault_is("lease-sequence"))
		lease_set_sequence(&f->lease, f->sequence);
}

/* What all who wait are to be told of the backend; 0: nothing. */
static unsigned
await_failure(const struct flight *f)
{
	if (f->state == FLIGHT_FAILED)
		return f->backend_failed ? f->fail_status : 0;
	bool fails = f->state >= FLIGHT_HEAD && f->status >= 500 && f->shareable;
	return fails && !f->storable ? f->status : 0;
}

void
await_settle(struct flight *f)
{
	struct leases *leases = f->worker->all->leases;
	unsigned failure = await_failure(f);
	bool useless = f->state >= FLIGHT_HEAD && f->state < FLIGHT_FAILED && !f->storable;
	bool over = f->state == FLIGHT_WHOLE && f->stored && f->jobs == 0;
	/* Before that it is the writer's. */
	int rc = over ? f->stores[0].job.rc : 0;

	if (f->lease.word == 0)
		return;
	/* What others will not find in the store they fetch side by side, not one by one; where
	 * this process alone is in trouble, another takes its turn. */
	if (over && rc == 0 && failure == 0)
		lease_set_stored(&f->lease, f->stored_in);
	if (failure != 0)
		lease_fail(leases, &f->lease, failure);
	else if (useless || over)
		lease_release(leases, &f->lease, useless || (rc != 0 && rc != -ESTALE));
	else if (f->state == FLIGHT_FAILED)
		lease_release(leases, &f->lease, false);
}
