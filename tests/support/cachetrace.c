/* cachetrace.c -- Requests to a cache, and what an LRU and the best possible one would hit. */
#include "cachetrace.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const double trace_zipf = 0.9;

/* size = 1 KiB * 100^(u^trace_bend), u uniform: 20 KiB in the mean. */
static const double trace_bend = 1.11;

/* splitmix64. */
static uint64_t
trace_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* From 0 to below 1. */
static double
trace_uniform(uint64_t seed)
{
	return (double)(trace_mix(seed) >> 11) * 0x1p-53;
}

static uint32_t
trace_find(const double *sums, uint32_t n, double want)
{
	uint32_t from = 0, to = n - 1;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;
		if (sums[middle] > want)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

static void
trace_fill(struct cachetrace *t, double *sums)
{
	double sum = 0;

	for (uint32_t i = 0; i < t->n_keys; i++) {
		sum += pow(i + 1.0, -trace_zipf);
		sums[i] = sum;
		double u = trace_uniform(trace_mix(i));
		t->bytes[i] = (uint32_t)(1024 * pow(100, pow(u, trace_bend)));
	}
	for (size_t i = 0; i < t->n; i++)
		t->key[i] = trace_find(sums, t->n_keys, trace_uniform(i) * sum);
}

int
cachetrace_init(struct cachetrace *t, uint32_t n_keys, size_t n)
{
	double *sums = calloc(n_keys, sizeof(*sums));

	*t = (struct cachetrace){ n_keys, n, calloc(n, sizeof(*t->key)),
		calloc(n_keys, sizeof(*t->bytes)) };
	bool good = sums != NULL && t->key != NULL && t->bytes != NULL;
	if (good)
		trace_fill(t, sums);
	else
		cachetrace_fini(t);
	free(sums);
	return good ? 0 : -ENOMEM;
}

void
cachetrace_fini(struct cachetrace *t)
{
	free(t->key);
	free(t->bytes);
	*t = (struct cachetrace){ 0 };
}

/* ---- Least recently used -------------------------------------------------------------------- */

/* A ring of the keys that are in: `n_keys` stands for its ends. */
struct trace_ring {
	uint32_t *next, *before;
};

static void
trace_unlink(struct trace_ring *r, uint32_t key)
{
	r->next[r->before[key]] = r->next[key];
	r->before[r->next[key]] = r->before[key];
	r->next[key] = key;
	r->before[key] = key;
}

static void
trace_link(struct trace_ring *r, uint32_t end, uint32_t key)
{
	r->next[key] = r->next[end];
	r->before[key] = end;
	r->before[r->next[end]] = key;
	r->next[end] = key;
}

size_t
cachetrace_lru(const struct cachetrace *t, uint64_t capacity)
{
	size_t slots = (size_t)t->n_keys + 1, hits = 0;
	struct trace_ring r = { calloc(slots, sizeof(uint32_t)), calloc(slots, sizeof(uint32_t)) };
	uint32_t end = t->n_keys;
	uint64_t used = 0;

	for (uint32_t i = 0; r.next != NULL && r.before != NULL && i < slots; i++)
		r.next[i] = r.before[i] = i;
	for (size_t i = 0; r.next != NULL && r.before != NULL && i < t->n; i++) {
		uint32_t key = t->key[i];
		bool in = r.next[key] != key;
		hits += in;
		used += in ? 0 : t->bytes[key];
		trace_unlink(&r, key);
		trace_link(&r, end, key);
		while (used > capacity) {
			used -= t->bytes[r.before[end]];
			trace_unlink(&r, r.before[end]);
		}
	}
	free(r.next);
	free(r.before);
	return hits;
}

/* ---- Belady --------------------------------------------------------------------------------- */

/* What is next asked for last stands on top. */
struct trace_heap {
	size_t n;
	uint32_t *at; /* Request numbers: of the next request for a key that is in. */
};

static void
trace_swap(uint32_t *a, uint32_t *b)
{
	uint32_t c = *a;

	*a = *b;
	*b = c;
}

static void
trace_push(struct trace_heap *h, uint32_t request)
{
	size_t i = h->n++;

	h->at[i] = request;
	for (; i > 0 && h->at[(i - 1) / 2] < h->at[i]; i = (i - 1) / 2)
		trace_swap(&h->at[i], &h->at[(i - 1) / 2]);
}

static uint32_t
trace_pop(struct trace_heap *h)
{
	uint32_t top = h->at[0];
	size_t i = 0, child;

	h->at[0] = h->at[--h->n];
	while ((child = 2 * i + 1) < h->n) {
		child += child + 1 < h->n && h->at[child + 1] > h->at[child];
		if (h->at[child] <= h->at[i])
			break;
		trace_swap(&h->at[i], &h->at[child]);
		i = child;
	}
	return top;
}

/* The number of the next request for the same key, for each; t->n where there is none. */
static void
trace_look_ahead(const struct cachetrace *t, uint32_t *next, uint32_t *seen)
{
	for (uint32_t key = 0; key < t->n_keys; key++)
		seen[key] = (uint32_t)t->n;
	for (size_t i = t->n; i-- > 0;) {
		next[i] = seen[t->key[i]];
		seen[t->key[i]] = (uint32_t)i;
	}
}

/*
 * What is never asked for again is not taken in. A key's stale number stays in the heap until it is
 * popped, and is below every number that still counts: the past.
 */
static size_t
trace_belady(const struct cachetrace *t, uint64_t capacity, struct trace_heap *h,
    const uint32_t *next, bool *in)
{
	uint64_t used = 0;
	size_t hits = 0;

	for (size_t i = 0; i < t->n; i++) {
		uint32_t key = t->key[i];
		hits += in[key];
		used -= in[key] ? t->bytes[key] : 0;
		in[key] = next[i] < t->n;
		if (!in[key])
			continue;
		used += t->bytes[key];
		trace_push(h, next[i]);
		while (used > capacity) {
			key = t->key[trace_pop(h)];
			used -= t->bytes[key];
			in[key] = false;
		}
	}
	return hits;
}

size_t
cachetrace_belady(const struct cachetrace *t, uint64_t capacity)
{
	struct trace_heap h = { 0, calloc(t->n, sizeof(uint32_t)) };
	uint32_t *next = calloc(t->n, sizeof(*next)), *seen = calloc(t->n_keys, sizeof(*seen));
	bool *in = calloc(t->n_keys, sizeof(*in));
	size_t hits = 0;

	if (h.at != NULL && next != NULL && seen != NULL && in != NULL) {
		trace_look_ahead(t, next, seen);
		hits = trace_belady(t, capacity, &h, next, in);
	}
	free(h.at);
	free(next);
	free(seen);
	free(in);
	return hits;
}
