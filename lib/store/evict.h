/* evict.h -- Who goes when room runs out: SIEVE over the queue. */
#ifndef DORY_STORE_EVICT_H
#define DORY_STORE_EVICT_H

#include "store/store_internal.h"

/*
 * Make room for what these jobs would store, in small transactions of their own, and refuse those
 * (job->file.rc) whose body file finds none. Blocks on disk.
 *
 * Returns how many of them that was done for: what is too much for the store at a time comes after.
 */
size_t evict_for_jobs(struct store *s, struct store_job *first, size_t n);

/*
 * One batch, whatever there is room for: the map turned out to be full. What went can be used by
 * the next transaction.
 *
 * Returns: 0; -ENOENT where nothing is left to go; -EIO; -ENOSPC: or a reader holds back whatever
 *          goes; -ENOMEM.
 */
int evict_batch(struct store *s) NODISCARD;

/* Where the search for entries that are dead already has got to. A zeroed struct is at its start.
 */
struct evict_search {
	uint64_t next;   /* The number to go on from; 0: it has not begun. */
	int64_t began_s; /* Wall clock. */
};

/*
 * Remove entries that no request can be answered with any more, a few at a time: only while the
 * store is fairly full.
 *
 * Returns whether there is more to look at.
 */
bool evictdead_run(struct store *s, struct evict_search *search);

/* ---- What evict.c and evictdead.c share: one transaction, and the rows of the queue --------- */

/* Few enough that LMDB keeps the list of the pages a transaction freed on one page of its own. */
enum { EVICT_FREED = 400 };

enum evict_half { EVICT_PAGES, EVICT_FILES };

/* One transaction's work. */
struct evict_batch {
	struct change change;
	int64_t now_s;
	unsigned most; /* Pages that it may free, about. */
	unsigned looks, gone, living, dead;
};

/* Take LMDB's lock. Returns as change_begin(). */
int evict_begin(struct store *s, struct evict_batch *b) NODISCARD;

/*
 * Commit, and count who went.
 *
 * rc:      how the batch went so far: -ENOENT where the queue ran out.
 * Returns: as change_commit(), or rc, and nothing happened.
 */
int evict_end(struct evict_batch *b, int rc) NODISCARD;

/* Deflated, or too old for anything it could still be used for. */
bool evict_is_dead(const struct judge_view *view, const struct store_entry *e, int64_t now_s);

/* Thread-safe: pure. */
enum evict_half evict_half_of(uint64_t number);

/* The first row of the half from `*number` on. Returns: 0; -ENOENT; -EIO. */
int evict_seek(const struct store *s, MDB_txn *txn, enum evict_half half, uint64_t *number,
    struct entry_name *name) NODISCARD;

/*
 * Decide on the entry with that number, `name`'s: it is spared, or goes.
 *
 * spare:   it goes only if it is dead.
 * Returns: 0; LMDB failed.
 */
int evict_look(
    struct evict_batch *b, uint64_t number, const struct entry_name *name, bool spare) NODISCARD;

#endif
