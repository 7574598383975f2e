/* clock.c -- The time, read at the edge of each step and handed on as a number. */
#include "base/clock.h"

#include <time.h>

int64_t
clock_wall_s(void)
{
	struct timespec now = { 0 };
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec;
}

int64_t
clock_mono_us(void)
{
	struct timespec now = { 0 };
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}
