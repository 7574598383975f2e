/* benchkey.h -- Keys for benches: a bloat and a number, without memory to give back. */
#ifndef DORY_TESTS_BENCHKEY_H
#define DORY_TESTS_BENCHKEY_H

#include "key/tuple.h"

#include <stdio.h>

struct bench_key {
	char bytes[64];
	struct tuple tuple;
};

static inline void
bench_key(struct bench_key *k, const char *bloat, unsigned number)
{
	int n = snprintf(k->bytes + 1, 30, "%s", bloat);
	k->bytes[0] = (char)n;
	int m = snprintf(k->bytes + n + 2, 30, "%u", number);
	k->bytes[n + 1] = (char)m;
	k->tuple = (struct tuple){ { k->bytes, (size_t)(n + m + 2) }, 2,
		{ (uint16_t)(n + 1), (uint16_t)(n + m + 2) } };
}

#endif
