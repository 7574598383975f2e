/* breaker.h -- Backends that cannot be reached are left alone, but for a probe now and then. */
#ifndef DORY_PROXY_BREAKER_H
#define DORY_PROXY_BREAKER_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * A fetch that waits for a connection to a machine that is gone holds a place that others need, and
 * its client up. So after some failures in a row an address is not tried any more, save by one
 * fetch a second; the first connection ends that. Kept by address, for all workers and across
 * reloads. Thread-safe but for the destructor.
 */
struct breakers;

enum { BREAKER_PROBE_MS = 1000 };

/* Returns: 0; -ENOMEM. */
int breakers_new(struct breakers **out) NODISCARD;
void breakers_free(struct breakers *b);

/* May the address be tried now? limit: so many failures in a row open it; 0: never. */
bool breaker_lets_through(
    struct breakers *b, const char *address, uint64_t limit, int64_t now_ms) NODISCARD;

/* No connection came about. backend: its name, for the log. */
void breaker_failed(
    struct breakers *b, const char *backend, const char *address, uint64_t limit, int64_t now_ms);

/* One did. */
void breaker_reached(struct breakers *b, const char *backend, const char *address);

#endif
