/* health.h -- Can an open store still be trusted: its files in place, its writes reaching the disk?
 */
#ifndef DORY_STORE_HEALTH_H
#define DORY_STORE_HEALTH_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

/* What a store's files were when it was opened, and how its writes went. */
enum { HEALTH_FAILURES = 3 };

struct health {
	/* Set once by health_init(). */
	uint64_t device, data, lock, floor;
	/* Any thread. */
	_Atomic int64_t busy_since_ms; /* When the transaction began that is under way; 0: none. */
	_Atomic int write_rc;          /* How the last one ended. */
	_Atomic int body_rc;           /* How the last body file ended, and when it failed. */
	_Atomic int64_t body_failed_ms;
	_Atomic bool distrusted;
	/* Writer thread only. */
	unsigned failures;
	int64_t failed_ms[HEALTH_FAILURES - 1]; /* The last ones, oldest first. */
};

/* Note which files it is made of. Returns: 0; -errno. */
int health_init(struct store *s) NODISCARD;

/* Was its file removed? No request that arrives later may be answered from it. Thread-safe. */
bool health_is_gone(const struct store *s);

/*
 * Where data.mdb was replaced, the lock.mdb that was left goes too: it counts the transactions of
 * the other. Its guard is held.
 */
void health_drop_lock(const struct store *s);

/* Around each write transaction, whoever's: from waiting for LMDB's lock to being on disk. */
void health_write_begins(struct store *s);
void health_write_ends(struct store *s);
int health_commit_error(const struct store *s, int rc) NODISCARD; /* What LMDB's rc means. */

/* How a transaction of jobs ended. Returns what became of it: `rc`, or why that is not all. */
int health_judge_write(struct store *s, int rc, bool durable) NODISCARD;

/* How a step of writing a body file ended: held against the store for a minute at most. */
int health_judge_body(struct store *s, int rc);

/*
 * What ails its writes, in a word; NULL: nothing. Thread-safe.
 * since_ms: a transaction that began before that is stuck.
 */
const char *health_trouble(struct store *s, int64_t since_ms);

/* Must it be closed and opened anew? Returns: 0; -EIO with `why`, STORE_WHY_SIZE bytes. */
int health_examine(struct store *s, char *why) NODISCARD;

#endif
