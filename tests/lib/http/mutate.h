/* mutate.h -- Inputs a parser has not seen: seeds, changed at random, in buffers of exact size. */
#ifndef DORY_TESTS_HTTP_MUTATE_H
#define DORY_TESTS_HTTP_MUTATE_H

#include "base/slice.h"

#include <stdlib.h>

enum { MUTATE_ROUNDS = 50000, MUTATE_MAX = 256 };

/* The same numbers in every run. */
static inline unsigned
mutate_random(unsigned *state, size_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % (unsigned)below;
}

static inline void
mutate_once(unsigned *state, char *bytes, size_t *len)
{
	static const char sharp[] = "\"\\,;=%:/.?#[]*- \t\0\r\n\x7f\xff"
				    "09aZ";
	char c = sharp[mutate_random(state, sizeof(sharp))];
	size_t at = mutate_random(state, *len + 1);

	switch (mutate_random(state, 4)) {
	case 0: /* Put in. */
		memmove(bytes + at + 1, bytes + at, *len - at);
		bytes[at] = c;
		++*len;
		return;
	case 1: /* Replace. */
		bytes[at] = c;
		*len += at == *len;
		return;
	case 2: /* Take out. */
		if (at < *len)
			memmove(bytes + at, bytes + at + 1, --*len - at);
		return;
	case 3: /* Cut off, rarely. */
		if (mutate_random(state, 8) == 0)
			*len = at;
		return;
	}
}

/*
 * One of `n` seeds with up to three changes. Its bytes end where its memory does, so that
 * AddressSanitizer sees every byte read too many. Caller frees `at`.
 */
static inline struct slice
mutate_seed(unsigned *state, const char *const *seeds, size_t n)
{
	char bytes[MUTATE_MAX + 4];
	const char *seed = seeds[mutate_random(state, n)];
	size_t len = strlen(seed) < MUTATE_MAX ? strlen(seed) : MUTATE_MAX;

	memcpy(bytes, seed, len);
	for (unsigned i = mutate_random(state, 4); i > 0; i--)
		mutate_once(state, bytes, &len);
	char *exact = malloc(len);
	if (exact == NULL && len > 0)
		abort();
	if (len > 0)
		memcpy(exact, bytes, len);
	return (struct slice){ exact, len };
}

static inline void
mutate_free(struct slice s)
{
	free((void *)(uintptr_t)s.at);
}

/* Is `part` absent, or within `whole`? */
static inline bool
mutate_is_within(struct slice part, struct slice whole)
{
	return part.at == NULL || part.len == 0 ||
	       (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

#endif
