/* timer.h -- Deadlines of one worker, nearest first. */
#ifndef DORY_PROXY_TIMER_H
#define DORY_PROXY_TIMER_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>

/* Embedded in what waits. Zeroed: not set. Owning worker only. */
struct timer {
	size_t place;                  /* 0: not set. */
	struct timer *before, *behind; /* Among those that fire soon. */
	void (*fire)(struct timer *timer);
};

/* With its deadline, so that looking for a place touches none of those that wait. */
struct timer_entry {
	int64_t at_ms; /* clock_mono_ms() */
	struct timer *timer;
};

/* A zeroed struct is empty. */
struct timers {
	struct timer_entry *heap;
	size_t n;
	size_t size;
	struct timer *first, *last; /* That fire soon. */
};

/* Set, or set anew. Returns: 0; -ENOMEM, which one that has a deadline never does. */
int timer_set(struct timers *timers, struct timer *timer, int64_t at_ms) NODISCARD;

/* It fires in this or the next timers_run(), after the deadlines that are due and after those that
 * were set so before. Needs no memory. */
void timer_set_soon(struct timers *timers, struct timer *timer);
void timer_clear(struct timers *timers, struct timer *timer);

/* Milliseconds until the nearest; -1 without any. */
int timers_wait_ms(const struct timers *timers, int64_t now_ms);

/* Fire what is due; each is cleared before it fires. Those that fire soon may be left for the next
 * round, where they are many. */
void timers_run(struct timers *timers, int64_t now_ms);
void timers_fini(struct timers *timers);

#endif
