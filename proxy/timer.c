/* timer.c -- Deadlines of one worker, nearest first. */
#include "timer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

static void
timer_place(struct timers *timers, struct timer *timer, size_t place)
{
	timers->heap[place - 1] = timer;
	timer->place = place;
}

static void
timer_rise(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	while (place > 1 && timers->heap[place / 2 - 1]->at_ms > timer->at_ms) {
		timer_place(timers, timers->heap[place / 2 - 1], place);
		place /= 2;
	}
	timer_place(timers, timer, place);
}

static void
timer_sink(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	for (size_t child = place * 2; child <= timers->n; child = place * 2) {
		if (child < timers->n &&
		    timers->heap[child]->at_ms < timers->heap[child - 1]->at_ms)
			child++;
		if (timers->heap[child - 1]->at_ms >= timer->at_ms)
			break;
		timer_place(timers, timers->heap[child - 1], place);
		place = child;
	}
	timer_place(timers, timer, place);
}

int
timer_set(struct timers *timers, struct timer *timer, int64_t at_ms)
{
	if (timer->place != 0 && timer->at_ms == at_ms)
		return 0;
	if (timer->place == 0 && timers->n == timers->size) {
		size_t size = timers->size == 0 ? 64 : timers->size * 2;
		struct timer **heap = realloc(timers->heap, size * sizeof(*heap));
		if (heap == NULL)
			return -ENOMEM;
		timers->heap = heap;
		timers->size = size;
	}
	timer->at_ms = at_ms;
	if (timer->place == 0)
		timer_place(timers, timer, ++timers->n);
	timer_rise(timers, timer);
	timer_sink(timers, timer);
	return 0;
}

void
timer_clear(struct timers *timers, struct timer *timer)
{
	size_t place = timer->place;

	if (place == 0)
		return;
	struct timer *last = timers->heap[--timers->n];
	timer->place = 0;
	if (last == timer)
		return;
	timer_place(timers, last, place);
	timer_rise(timers, last);
	timer_sink(timers, last);
}

int
timers_wait_ms(const struct timers *timers, int64_t now_ms)
{
	if (timers->n == 0)
		return -1;
	int64_t wait = timers->heap[0]->at_ms - now_ms;
	return wait < 0 ? 0 : wait > INT_MAX ? INT_MAX : (int)wait;
}

void
timers_run(struct timers *timers, int64_t now_ms)
{
	while (timers->n > 0 && timers->heap[0]->at_ms <= now_ms) {
		struct timer *timer = timers->heap[0];
		timer_clear(timers, timer);
		timer->fire(timer);
	}
}

void
timers_fini(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){ 0 };
}
