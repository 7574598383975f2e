/* breaker.c -- Backends that cannot be reached are left alone, but for a probe now and then. */
#include "breaker.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* An address that failed last time. */
struct breaker {
	struct breaker *next;
	char *address;
	uint64_t failures; /* In a row. */
	bool open;
	int64_t probe_ms; /* Open: when the next one may try. */
};

struct breakers {
	_Atomic unsigned n; /* While it is 0, as nearly always, nobody needs the lock. */
	pthread_mutex_t lock;
	/* Guarded by lock. */
	struct breaker *first;
};

int
breakers_new(struct breakers **out)
{
	struct breakers *b = calloc(1, sizeof(*b));

	if (b == NULL || pthread_mutex_init(&b->lock, NULL) != 0) {
		free(b);
		return -ENOMEM;
	}
	*out = b;
	return 0;
}

static void
breaker_remove(struct breakers *b, struct breaker **link)
{
	struct breaker *gone = *link;

	*link = gone->next;
	atomic_fetch_sub(&b->n, 1);
	metric_add(METRIC_BACKENDS_DOWN, -(int64_t)gone->open);
	free(gone->address);
	free(gone);
}

void
breakers_free(struct breakers *b)
{
	if (b == NULL)
		return;
	while (b->first != NULL)
		breaker_remove(b, &b->first);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

/* Where it hangs, or where the list ends. */
static struct breaker **
breaker_link_locked(struct breakers *b, const char *address)
{
	struct breaker **link = &b->first;

	while (*link != NULL && strcmp((*link)->address, address) != 0)
		link = &(*link)->next;
	return link;
}

bool
breaker_lets_through(struct breakers *b, const char *address, uint64_t limit, int64_t now_ms)
{
	if (limit == 0 || atomic_load(&b->n) == 0)
		return true;
	pthread_mutex_lock(&b->lock);
	struct breaker *one = *breaker_link_locked(b, address);
	bool probes = one != NULL && now_ms >= one->probe_ms && !fault_is("breaker-probe");
	bool through = one == NULL || !one->open || probes || fault_is("breaker");
	if (through && one != NULL && !fault_is("breaker-one"))
		one->probe_ms = now_ms + BREAKER_PROBE_MS;
	pthread_mutex_unlock(&b->lock);
	metric_add(METRIC_FETCHES_REFUSED, !through);
	return through;
}

/* NULL where memory is out: then it is tried as before. */
static struct breaker *
breaker_get_locked(struct breakers *b, const char *address)
{
	struct breaker **link = breaker_link_locked(b, address), *one = *link;

	if (one != NULL)
		return one;
	one = calloc(1, sizeof(*one));
	if (one == NULL || (one->address = strdup(address)) == NULL) {
		free(one);
		return NULL;
	}
	*link = one;
	atomic_fetch_add(&b->n, 1);
	return one;
}

void
breaker_failed(
    struct breakers *b, const char *backend, const char *address, uint64_t limit, int64_t now_ms)
{
	bool opens = false;

	if (limit == 0)
		return;
	pthread_mutex_lock(&b->lock);
	struct breaker *one = breaker_get_locked(b, address);
	if (one != NULL) {
		opens = ++one->failures >= limit && !one->open;
		one->open = one->open || opens;
		one->probe_ms = now_ms + BREAKER_PROBE_MS;
	}
	pthread_mutex_unlock(&b->lock);
	if (!opens)
		return;
	metric_add(METRIC_BACKENDS_DOWN, 1);
	log_warn("backend %s: %s could not be reached %" PRIu64
		 " times in a row: from now on it is "
		 "tried once a second",
	    backend, address, limit);
}

void
breaker_reached(struct breakers *b, const char *backend, const char *address)
{
	bool was_open = false;

	if (atomic_load(&b->n) == 0 || fault_is("breaker-end"))
		return;
	pthread_mutex_lock(&b->lock);
	struct breaker **link = breaker_link_locked(b, address);
	if (*link != NULL) {
		was_open = (*link)->open;
		breaker_remove(b, link);
	}
	pthread_mutex_unlock(&b->lock);
	if (was_open)
		log_info("backend %s: %s is reached again", backend, address);
}
