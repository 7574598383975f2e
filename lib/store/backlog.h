/* backlog.h -- Jobs that wait for the writer, within bounds: deflates first, inserts in batches. */
#ifndef DORY_STORE_BACKLOG_H
#define DORY_STORE_BACKLOG_H

#include "store/store.h"

#include <pthread.h>

/* Jobs count until backlog_finish(), for so long is their memory held. */
enum {
	BACKLOG_URGENT_MAX = 65536,
	BACKLOG_INSERTS_MAX = 4096,
	BACKLOG_INSERT_BYTES_MAX = 64 << 20, /* But one insert is always taken. */
};

/* What one transaction takes. */
enum {
	BACKLOG_URGENT_BATCH = 4096,
	BACKLOG_INSERT_BATCH = 128, /* But less in a small store: see backlog_size(). */
	BACKLOG_INSERT_BATCH_LEAST = 32,
	BACKLOG_INSERT_BATCH_BYTES = 4 << 20,
};

/*
 * Most of what a commit costs it costs for one insert as for many. So where they come fast, more
 * than BACKLOG_FEW at a time, they wait for a full batch, so long at most.
 */
enum { BACKLOG_FEW = 4, BACKLOG_GATHER_MS = 8 };

struct backlog_list {
	struct store_job *first;
	struct store_job **end;
	size_t n;     /* With those taken and not finished. */
	size_t bytes; /* Of those. */
	size_t lone;  /* Not taken yet, and for no transaction: see backlog_is_lone(). */
};

struct backlog {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Set once, before there are jobs. */
	size_t insert_batch;
	int64_t gather_ms; /* BACKLOG_GATHER_MS, but in tests. */
	/* Guarded by lock. */
	struct backlog_list urgent, inserts;
	size_t last_inserts;  /* How many were taken together. */
	bool urgent_was_last; /* Neither kind may starve the other. */
	bool gathering;       /* Who takes is woken only for what cannot wait. */
	bool stopping;
};

int backlog_init(struct backlog *b) NODISCARD;
void backlog_fini(struct backlog *b);

/* For a store of so many pages: what one transaction may take of it is a small part. */
void backlog_size(struct backlog *b, uint64_t pages);

/* Returns: 0; -EAGAIN. Thread-safe. */
int backlog_add(struct backlog *b, struct store_job *job) NODISCARD;

/*
 * Take what the next transaction should do, all urgent or none; waits at most `wait_ms`. For one
 * thread, which has finished what it took before.
 *
 * n:       how many; 0 where nothing came.
 * stopped: nothing is left and backlog_stop() was called.
 */
struct store_job *backlog_take(struct backlog *b, int64_t wait_ms, size_t *n, bool *stopped);

/* Call job->done and forget the job. Thread-safe. */
void backlog_finish(struct backlog *b, struct store_job *job);
void backlog_stop(struct backlog *b);

/* Is it acknowledged only once it is on disk? Thread-safe: pure. */
bool backlog_is_urgent(enum store_job_kind kind);

/* Is it done outside any transaction, and by itself? Thread-safe: pure. */
bool backlog_is_lone(enum store_job_kind kind);

#endif
