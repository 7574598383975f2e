/* lane.c -- Places at a backend: how many fetches there may be at once, and who waits for one. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "flight_state.h"

#include <stdlib.h>

static struct flight_lane *
lane_of(struct flights *flights, const char *backend)
{
	struct flight_lane *lane = flights->lanes;

	while (lane != NULL && strcmp(lane->backend, backend) != 0)
		lane = lane->next;
	if (lane != NULL)
		return lane;
	lane = calloc(1, sizeof(*lane));
	if (lane == NULL || (lane->backend = strdup(backend)) == NULL) {
		free(lane);
		return NULL;
	}
	lane->last_queued = &lane->first_queued;
	lane->next = flights->lanes;
	flights->lanes = lane;
	return lane;
}

/*
 * The limit is the process's: workers count together. The count never goes above it, not even for a
 * moment: another worker might see it then, and wait for a place that nobody gives up.
 */
static bool
lane_take_place(const struct flight *f)
{
	struct site_places *places = site_places(f->site, f->plan.backend);
	unsigned active = atomic_load(&places->active);

	while (active < f->plan.backend->max_fetches || fault_is("queue")) {
		if (atomic_compare_exchange_weak(&places->active, &active, active + 1))
			return true;
	}
	return false;
}

static void
lane_queue(struct flight *f)
{
	f->next_queued = NULL;
	*f->lane->last_queued = f;
	f->lane->last_queued = &f->next_queued;
	f->queued_ms = clock_mono_ms();
	int64_t late_ms = f->queued_ms + f->plan.backend->first_byte_timeout_ms;
	if (!fault_is("queue-patience") &&
	    timer_set(&f->worker->timers, &f->patience, late_ms) != 0)
		log_error("out of memory: a request may wait long");
}

static void
lane_unqueue(struct flight *f)
{
	struct flight **at = &f->lane->first_queued;

	while (*at != f)
		at = &(*at)->next_queued;
	*at = f->next_queued;
	if (f->next_queued == NULL)
		f->lane->last_queued = at;
	timer_clear(&f->worker->timers, &f->patience);
	atomic_fetch_sub(&site_places(f->site, f->plan.backend)->queued, 1);
}

/* A fetch that fails before it begins gives up its place from within: the loop sees to the next. */
static void
lane_run(struct flight_lane *lane)
{
	if (lane->running)
		return;
	lane->running = true;
	while (lane->first_queued != NULL && lane_take_place(lane->first_queued)) {
		struct flight *f = lane->first_queued;
		lane_unqueue(f);
		flight_depart(f);
	}
	lane->running = false;
}

void
lane_queue_late(struct timer *timer)
{
	struct flight *f = FLIGHT_OF(timer, patience);

	lane_unqueue(f);
	flight_fail(f, FETCH_UNREACHABLE, 504, "too many requests wait for the backend");
}

bool
lane_enter(struct flight *f)
{
	struct site_places *places = site_places(f->site, f->plan.backend);

	f->lane = lane_of(f->flights, f->plan.backend->name);
	if (f->lane == NULL) {
		flight_fail(f, FETCH_UNREACHABLE, 503, "out of memory");
		return false;
	}
	/* Counted as waiting before it looks: whoever gives up a place meanwhile will see it. */
	atomic_fetch_add(&places->queued, 1);
	if (f->lane->first_queued == NULL && lane_take_place(f)) {
		atomic_fetch_sub(&places->queued, 1);
		return true;
	}
	lane_queue(f);
	return false;
}

void
lane_leave(struct flight *f)
{
	struct site_places *places = site_places(f->site, f->plan.backend);

	atomic_fetch_sub(&places->active, 1);
	if (!fault_is("queue-next"))
		lane_run(f->lane);
	if (atomic_load(&places->queued) > 0 && !fault_is("queue-others"))
		workers_poke(f->worker);
}

void
lanes_run(struct flights *flights)
{
	for (struct flight_lane *lane = flights->lanes; lane != NULL; lane = lane->next)
		lane_run(lane);
}

void
lanes_free(struct flights *flights)
{
	while (flights->lanes != NULL) {
		struct flight_lane *lane = flights->lanes;
		flights->lanes = lane->next;
		free(lane->backend);
		free(lane);
	}
}
