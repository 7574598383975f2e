/* timer.h -- Deadlines of one worker, nearest first. */
#ifndef DORY_PROXY_TIMER_H
#define DORY_PROXY_TIMER_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>

/* Embedded in what waits. Zeroed: not set. Owning worker only. */
struct timer {
	int64_t at_ms; /* clock_mono_ms() */
	size_t place;  /* 1-based place in the heap; 0: not set. */
	void (*fire)(struct timer *timer);
};

/* A zeroed struct is empty. */
struct timers {
	struct timer **heap;
	size_t n;
	size_t size;
};

/* Set, or set anew. Returns: 0; -ENOMEM. */
int timer_set(struct timers *timers, struct timer *timer, int64_t at_ms) NODISCARD;
void timer_clear(struct timers *timers, struct timer *timer);

/* Milliseconds until the nearest; -1 without any. */
int timers_wait_ms(const struct timers *timers, int64_t now_ms);

/* Fire what is due; each is cleared before it fires. */
void timers_run(struct timers *timers, int64_t now_ms);
void timers_fini(struct timers *timers);

#endif
