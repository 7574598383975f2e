/* keeper.h -- Keeps a store open while its disk may fail: tries again, and moves to a new one. */
#ifndef DORY_STORE_KEEPER_H
#define DORY_STORE_KEEPER_H

#include "store/lease.h"
#include "store/store.h"

/*
 * A store that may be away for a while. What is read or written meanwhile fails at once, and works
 * again within a second after the fault ends. Thread-safe.
 */
struct keeper;

/*
 * Open the store and start its writer. Where that fails, it is said in the log and tried again.
 *
 * options: copied.
 * watch:   look after it on a thread of its own. A process of one request does without.
 * Returns: 0; -ENOMEM and its like. A store that cannot be opened is no error.
 */
int keeper_new(const struct store_options *options, bool watch, struct keeper **out) NODISCARD;

/*
 * The leases of the store in place, whichever that is: there may be none to take yet. Without
 * `watch` they are as the store was when it was opened. Borrowed until keeper_free().
 */
struct leases *keeper_leases(struct keeper *k);

/*
 * Do what is queued and take no more; nobody who waits for a lease is told of it any more. Waits
 * for a few seconds.
 *
 * Returns false where it is still waiting for a lock that another process has, which was stopped
 * perhaps: then nothing can be freed, and the process must end as it is. What was not done was not
 * acknowledged either.
 */
bool keeper_stop(struct keeper *k) NODISCARD;

/* After keeper_stop(), which returned true, and store_reader_free() of all its readers. */
void keeper_free(struct keeper *k);

/*
 * A reader of whatever store is open: store_read_begin() moves it. It stays useless while none is.
 * Owner: caller; store_reader_free().
 */
int keeper_reader_new(struct keeper *k, struct store_reader **out) NODISCARD;

/* store_submit() to the store that is open. Returns also: -EIO, there is none. */
int keeper_submit(struct keeper *k, struct store_job *job) NODISCARD;

/*
 * What ails the store, in one word for Cache-Status; NULL: nothing.
 * "store-unavailable" "store-readonly" "store-denied" "store-readers-full": it cannot be read.
 * "store-full" "store-busy" "store-failing": nothing can be stored.
 */
const char *keeper_trouble(struct keeper *k);

#endif
