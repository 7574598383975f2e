/* apart.c -- Keys whose responses were not for others: nobody waits for one of these, for a while.
 */
#include "apart.h"

void
apart_mark(struct apart *a, uint64_t hash, int64_t now_ms)
{
	a->marks[hash % APART_MARKS].hash = hash;
	a->marks[hash % APART_MARKS].until_ms = now_ms + APART_MS;
}

void
apart_clear(struct apart *a, uint64_t hash)
{
	if (a->marks[hash % APART_MARKS].hash == hash)
		a->marks[hash % APART_MARKS].until_ms = 0;
}

bool
apart_is_marked(const struct apart *a, uint64_t hash, int64_t now_ms)
{
	return a->marks[hash % APART_MARKS].hash == hash &&
	       now_ms < a->marks[hash % APART_MARKS].until_ms;
}
