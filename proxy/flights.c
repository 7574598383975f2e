/* flights.c -- A worker's flights: made, found, ended. */
#include "await.h"
#include "base/fault.h"
#include "base/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

uint64_t
flight_hash(const struct plan *plan)
{
	return XXH3_64bits_withSeed(plan->variant.at, plan->variant.len,
	    XXH3_64bits(plan->key.bytes.at, plan->key.bytes.len));
}

static struct slice
flight_copy(struct flight *f, struct slice s, bool *good)
{
	if (s.at == NULL)
		return s;
	char *at = arena_copy(&f->arena, s);
	*good = *good && at != NULL;
	return (struct slice){ at, s.len };
}

static void
flight_copy_request(struct flight *f, const struct http_request *from, bool *good)
{
	struct http_request *to = &f->request;
	size_t n = from->fields.n;

	*to = *from;
	to->method =
	    flight_copy(f, f->plan.action == PLAN_CACHE ? SLICE("GET") : from->method, good);
	to->scheme = flight_copy(f, from->scheme, good);
	to->host = flight_copy(f, from->host, good);
	to->path = flight_copy(f, from->path, good);
	to->query = flight_copy(f, from->query, good);
	to->remote_addr = flight_copy(f, from->remote_addr, good);
	to->remote_user = flight_copy(f, from->remote_user, good);
	to->server_software = SLICE(""); /* The leader's has it. */
	to->fields.items = arena_alloc(&f->arena, (n + 1) * sizeof(*to->fields.items));
	*good = *good && to->fields.items != NULL;
	for (size_t i = 0; i < n && *good; i++) {
		to->fields.items[i].name = flight_copy(f, from->fields.items[i].name, good);
		to->fields.items[i].value = flight_copy(f, from->fields.items[i].value, good);
	}
}

static void
flight_copy_plan(struct flight *f, const struct plan *from, bool *good)
{
	struct scope *scopes = arena_alloc(&f->arena, (from->n_scopes + 1) * sizeof(*scopes));

	f->plan = *from;
	f->plan.key.bytes = flight_copy(f, from->key.bytes, good);
	f->plan.variant = flight_copy(f, from->variant, good);
	f->plan.query = flight_copy(f, from->query, good);
	f->plan.tags = flight_copy(f, from->tags, good);
	f->plan.language = flight_copy(f, from->language, good);
	f->plan.authorization = flight_copy(f, from->authorization, good);
	*good = *good && scopes != NULL;
	for (size_t i = 0; i < from->n_scopes && *good; i++)
		scopes[i] = (struct scope){ from->scopes[i].kind,
			flight_copy(f, from->scopes[i].bytes, good) };
	f->plan.scopes = scopes;
}

void
flight_free(struct flight *f)
{
	timer_clear(&f->worker->timers, &f->turn);
	timer_clear(&f->worker->timers, &f->patience);
	timer_clear(&f->worker->timers, &f->writer_late);
	timer_clear(&f->worker->timers, &f->stalled);
	await_end(f);
	site_unref(f->site);
	buf_free(&f->head);
	spool_fini(&f->body);
	arena_fini(&f->arena);
	free(f);
}

bool
flight_is_past(const struct flight *f)
{
	return f->state == FLIGHT_FAILED ||
	       (f->state == FLIGHT_WHOLE && f->jobs == 0 && (f->stored || !f->storable));
}

static bool
flight_is_same(const struct flight *f, const struct flight *other)
{
	return other->shared && !flight_is_past(other) && other->lease_hash == f->lease_hash &&
	       slice_equal(other->plan.key.bytes, f->plan.key.bytes) &&
	       slice_equal(other->plan.variant, f->plan.variant);
}

struct flight *
flights_find_same(struct flights *flights, const struct flight *f)
{
	struct flight *other = *flights_bucket(flights, f->hash);

	while (other != NULL && !flight_is_same(f, other))
		other = other->next;
	return other;
}

struct flight *
flight_new(const struct exchange *x)
{
	struct flight *f = malloc(sizeof(*f));
	bool good = true;

	if (f == NULL)
		return NULL;
	memset(f, 0, offsetof(struct flight, stores));
	f->worker = x->worker;
	f->site = site_ref(x->site);
	f->turn.fire = flight_turn;
	f->patience.fire = lane_queue_late;
	f->stalled.fire = delivery_stalled;
	flight_copy_plan(f, &x->plan, &good);
	flight_copy_request(f, &x->request, &good);
	if (!good || revalidation_take(f, &x->stale) != 0 || part_take(f, x) != 0) {
		flight_free(f);
		return NULL;
	}
	f->tags = f->plan.tags; /* Until the response names more. */
	f->unstored = x->wish != NULL && x->wish->no_store;
	f->shared = f->plan.action == PLAN_CACHE && !x->alone;
	f->hash = f->plan.action == PLAN_CACHE ? flight_hash(&f->plan) : 0;
	f->lease_hash = f->hash ^ (fault_is("lease-variant") ? 0 : x->lease_variant);
	f->sequence = x->sequence; /* Until it is sent. */
	f->snapshot = x->snapshot;
	return f;
}

void
flight_enter(struct flight *f)
{
	struct flights *flights = f->worker->flights;
	struct flight **bucket = flights_bucket(flights, f->hash);

	f->flights = flights;
	f->next = *bucket;
	f->link = bucket;
	if (f->next != NULL)
		f->next->link = &f->next;
	*bucket = f;
	flights->n++;
	metric_add(METRIC_FLIGHTS, 1);
}

void
flight_end(struct flight *f)
{
	*f->link = f->next;
	if (f->next != NULL)
		f->next->link = f->link;
	f->flights->n--;
	metric_add(METRIC_FLIGHTS, -1);
	flight_free(f);
}

struct flight **
flights_bucket(struct flights *flights, uint64_t hash)
{
	return &flights->buckets[hash % FLIGHT_BUCKETS];
}

int
flights_new(struct worker *worker, struct flights **out)
{
	struct flights *flights = calloc(1, sizeof(*flights));

	if (flights == NULL)
		return -ENOMEM;
	flights->worker = worker;
	*out = flights;
	return 0;
}

size_t
flights_count(const struct flights *flights)
{
	return flights->n;
}

void
flights_end_all(struct flights *flights)
{
	for (size_t i = 0; i < FLIGHT_BUCKETS; i++) {
		for (struct flight *f = flights->buckets[i]; f != NULL; f = f->next) {
			if (f->fetch != NULL)
				fetch_drop(f->fetch);
			f->fetch = NULL;
		}
	}
}

void
flights_free(struct flights *flights)
{
	if (flights == NULL)
		return;
	for (size_t i = 0; i < FLIGHT_BUCKETS; i++) {
		while (flights->buckets[i] != NULL)
			flight_end(flights->buckets[i]);
	}
	lanes_free(flights);
	free(flights);
}

/* ---- The writer's jobs ---------------------------------------------------------------------- */

static void
flight_job_landed(struct worker *worker, struct message *message)
{
	struct flight_job *job =
	    (struct flight_job *)((char *)message - offsetof(struct flight_job, message));

	(void)worker;
	struct flight *f = job->flight;
	f->jobs--;
	if (job->job.snapshot > f->stored_in)
		f->stored_in = job->job.snapshot;
	job->landed(f, &job->job);
}

static void
flight_job_done(struct store_job *store_job)
{
	struct flight_job *job = store_job->owner;
	worker_post(job->flight->worker, &job->message);
}

int
flight_submit(struct flight *f, struct flight_job *job)
{
	job->flight = f;
	job->message.run = flight_job_landed;
	job->job.owner = job;
	job->job.done = flight_job_done;
	f->jobs++;
	int rc = keeper_submit(f->worker->all->store, &job->job);
	if (rc != 0)
		f->jobs--;
	return rc;
}
