/* latencies.h -- How long requests took, counted by the microsecond, for the load makers. */
#ifndef DORY_TESTS_SUPPORT_LATENCIES_H
#define DORY_TESTS_SUPPORT_LATENCIES_H

#include <stdint.h>
#include <time.h>

enum { LATENCY_MAX_US = 2000000 };

/* A zeroed struct is empty. One thread at a time. */
struct latencies {
	uint64_t n;
	uint32_t us[LATENCY_MAX_US + 1]; /* How many took that many; the last: or more. */
};

static inline int64_t
latencies_clock_us(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000 : 0;
}

/* One request that began then, by CLOCK_MONOTONIC, is over now. */
static inline void
latencies_add(struct latencies *l, int64_t began_us)
{
	int64_t us = latencies_clock_us(CLOCK_MONOTONIC) - began_us;

	l->us[us < LATENCY_MAX_US ? us : LATENCY_MAX_US]++;
	l->n++;
}

/* The latency that `share` of all requests did not exceed. */
static inline unsigned
latencies_percentile(const struct latencies *l, double share)
{
	uint64_t seen = 0, want = (uint64_t)((double)l->n * share);
	unsigned us = 0;

	while (us < LATENCY_MAX_US && (seen += l->us[us]) <= want)
		us++;
	return us;
}

#endif
