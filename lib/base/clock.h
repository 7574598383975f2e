/* clock.h -- The time, read at the edge of each step and handed on as a number. */
#ifndef DORY_BASE_CLOCK_H
#define DORY_BASE_CLOCK_H

#include <stdint.h>

/* Seconds since 1970: for freshness and dates only; it may jump. Thread-safe. */
int64_t clock_wall_s(void);

/* Never goes back, counts suspend: for deadlines and durations. Thread-safe. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

#endif
