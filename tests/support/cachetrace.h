/* cachetrace.h -- Requests to a cache, and what an LRU and the best possible one would hit. */
#ifndef DORY_TESTS_CACHETRACE_H
#define DORY_TESTS_CACHETRACE_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>

/* Keys are numbers, and each has one size. The same arguments make the same trace. */
struct cachetrace {
	uint32_t n_keys;
	size_t n;
	uint32_t *key;   /* Of each of n requests. */
	uint32_t *bytes; /* Of each of n_keys keys. */
};

/*
 * Popularity is Zipf's with an exponent of 0.9: the k-th key is asked for k^-0.9 times as often as
 * the first. Sizes are from 1 to 100 KiB, most of them small, 20 KiB in the mean, and have nothing
 * to do with popularity.
 *
 * Returns: 0; -ENOMEM. Owner: caller; cachetrace_fini().
 */
int cachetrace_init(struct cachetrace *t, uint32_t n_keys, size_t n) NODISCARD;
void cachetrace_fini(struct cachetrace *t);

/* Requests that a cache of so many bytes hits which drops what was used least recently, exactly. */
size_t cachetrace_lru(const struct cachetrace *t, uint64_t capacity);

/*
 * The same for one that knows the future and drops what is next asked for last (Belady), be it what
 * just came. For keys of one size nothing can be better. For sizes that differ the best is NP-hard
 * to find, and this is what stands for it.
 */
size_t cachetrace_belady(const struct cachetrace *t, uint64_t capacity);

#endif
