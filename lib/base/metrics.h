/* metrics.h -- Counters of this process, one row each: name, kind and meaning. */
#ifndef DORY_BASE_METRICS_H
#define DORY_BASE_METRICS_H

#include "base/buf.h"

#include <stdint.h>

/* id, name as in OpenMetrics without the dory_ prefix, kind, what it counts. */
#define METRICS(X)                                                                                 \
	X(REQUESTS, "requests", COUNTER, "Requests read from web servers.")                        \
	X(HITS, "hits", COUNTER, "Requests answered from the store.")                              \
	X(STALE_HITS, "stale_hits", COUNTER,                                                       \
	    "Requests answered from a stale entry within its grace.")                              \
	X(MISSES, "misses", COUNTER, "Requests that needed a fetch.")                              \
	X(COLLAPSED, "collapsed", COUNTER, "Requests that shared the fetch of another.")           \
	X(LEASES_AWAITED, "leases_awaited", COUNTER,                                               \
	    "Times a fetch of another process was waited for.")                                    \
	X(PASSES, "passes", COUNTER, "Requests that no bloat covers, or that bypass it.")          \
	X(REFUSED, "refused", COUNTER, "Requests refused as malformed.")                           \
	X(FETCHES, "fetches", COUNTER, "Requests sent to backends.")                               \
	X(FETCHES_REFUSED, "fetches_refused", COUNTER,                                             \
	    "Addresses passed over because they could not be reached lately.")                     \
	X(BACKENDS_DOWN, "backends_down", GAUGE, "Addresses that are tried once a second only.")   \
	X(FETCH_ERRORS, "fetch_errors", COUNTER, "Fetches that failed or timed out.")              \
	X(STORED, "stored", COUNTER, "Responses stored.")                                          \
	X(SPILLED, "spilled", COUNTER, "Responses that became files while they arrived.")          \
	X(STORE_REFUSED, "store_refused", COUNTER, "Responses not stored: deflated meanwhile.")    \
	X(STORE_ERRORS, "store_errors", COUNTER, "Store operations that failed.")                  \
	X(BAD_RECORDS, "bad_records", COUNTER, "Stored records that failed their check.")          \
	X(EVICTED, "evicted", COUNTER, "Entries that could still be served, evicted for room.")    \
	X(EVICTED_DEAD, "evicted_dead", COUNTER,                                                   \
	    "Entries that were deflated or past all use, removed for room.")                       \
	X(DEFLATES, "deflates", COUNTER, "Deflates committed by this process.")                    \
	X(GATE_REFUSED, "gate_refused", COUNTER, "FastCGI connections refused by the gate.")       \
	X(CLIENTS_CUT, "clients_cut", COUNTER,                                                     \
	    "Answers cut off because a client held a backend back too long.")                      \
	X(LOG_DROPPED, "log_dropped", COUNTER,                                                     \
	    "Log lines dropped because the log was not taken up.")                                 \
	X(CONNECTIONS, "connections", GAUGE, "FastCGI connections open.")                          \
	X(FLIGHTS, "flights", GAUGE, "Fetches in progress or queued.")

enum metric {
#define X(id, name, kind, help) METRIC_##id,
	METRICS(X)
#undef X
	    METRIC_COUNT
};

/* Thread-safe. */
void metric_add(enum metric which, int64_t by);
int64_t metric_get(enum metric which);
const char *metric_name(enum metric which);

/* The whole table as OpenMetrics text, without the closing "# EOF". Thread-safe. */
void metrics_print(struct buf *out);

#endif
