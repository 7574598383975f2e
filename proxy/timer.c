/* timer.c -- Deadlines of one worker, nearest first. */
#include "timer.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

/* The place of one that fires soon. */
static const size_t TIMER_SOON = SIZE_MAX;

/* So many in one round: who sets itself again and again must not keep others waiting. */
enum { TIMERS_SOON_MAX = 64 };

/* ---- The heap ------------------------------------------------------------------------------- */

static void
timer_place(struct timers *timers, struct timer_entry entry, size_t place)
{
	timers->heap[place - 1] = entry;
	entry.timer->place = place;
}

static void
timer_rise(struct timers *timers, struct timer_entry entry, size_t place)
{
	while (place > 1 && timers->heap[place / 2 - 1].at_ms > entry.at_ms) {
		timer_place(timers, timers->heap[place / 2 - 1], place);
		place /= 2;
	}
	timer_place(timers, entry, place);
}

static void
timer_sink(struct timers *timers, struct timer_entry entry, size_t place)
{
	for (size_t child = place * 2; child <= timers->n; child = place * 2) {
		if (child < timers->n && timers->heap[child].at_ms < timers->heap[child - 1].at_ms)
			child++;
		if (timers->heap[child - 1].at_ms >= entry.at_ms)
			break;
		timer_place(timers, timers->heap[child - 1], place);
		place = child;
	}
	timer_place(timers, entry, place);
}

/* Where the entry of that place was, or another is to be. */
static void
timer_move(struct timers *timers, struct timer_entry entry, size_t place)
{
	if (place > 1 && timers->heap[place / 2 - 1].at_ms > entry.at_ms)
		timer_rise(timers, entry, place);
	else
		timer_sink(timers, entry, place);
}

/* Returns: 0; -ENOMEM. */
static int
timers_make_room(struct timers *timers)
{
	if (timers->n < timers->size)
		return 0;
	size_t size = timers->size == 0 ? 64 : timers->size * 2;
	struct timer_entry *heap = realloc(timers->heap, size * sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	timers->heap = heap;
	timers->size = size;
	return 0;
}

/* ---- Those that fire soon ------------------------------------------------------------------- */

static void
timer_leave_queue(struct timers *timers, struct timer *timer)
{
	*(timer->before == NULL ? &timers->first : &timer->before->behind) = timer->behind;
	*(timer->behind == NULL ? &timers->last : &timer->behind->before) = timer->before;
}

void
timer_set_soon(struct timers *timers, struct timer *timer)
{
	if (timer->place == TIMER_SOON)
		return;
	timer_clear(timers, timer);
	timer->place = TIMER_SOON;
	timer->before = timers->last;
	timer->behind = NULL;
	*(timers->last == NULL ? &timers->first : &timers->last->behind) = timer;
	timers->last = timer;
}

/* ---- Both ----------------------------------------------------------------------------------- */

int
timer_set(struct timers *timers, struct timer *timer, int64_t at_ms)
{
	struct timer_entry entry = { at_ms, timer };
	bool in_heap = timer->place != 0 && timer->place != TIMER_SOON;

	if (in_heap) {
		timer_move(timers, entry, timer->place);
		return 0;
	}
	if (timers_make_room(timers) != 0)
		return -ENOMEM;
	timer_clear(timers, timer);
	timer_rise(timers, entry, ++timers->n);
	return 0;
}

void
timer_clear(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	timer->place = 0;
	if (place == TIMER_SOON) {
		timer_leave_queue(timers, timer);
	} else if (place != 0) {
		struct timer_entry last = timers->heap[--timers->n];
		if (last.timer != timer)
			timer_move(timers, last, place);
	}
}

int
timers_wait_ms(const struct timers *timers, int64_t now_ms)
{
	if (timers->first != NULL)
		return 0;
	if (timers->n == 0)
		return -1;
	int64_t wait = timers->heap[0].at_ms - now_ms;
	return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

static void
timer_fire(struct timers *timers, struct timer *timer)
{
	timer_clear(timers, timer);
	timer->fire(timer);
}

void
timers_run(struct timers *timers, int64_t now_ms)
{
	while (timers->n > 0 && timers->heap[0].at_ms <= now_ms)
		timer_fire(timers, timers->heap[0].timer);
	for (int left = TIMERS_SOON_MAX; left > 0 && timers->first != NULL; left--)
		timer_fire(timers, timers->first);
}

void
timers_fini(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
