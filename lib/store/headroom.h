/* headroom.h -- Disk that data.mdb has beyond its last page, so that a full disk stops no eviction.
 */
#ifndef DORY_STORE_HEADROOM_H
#define DORY_STORE_HEADROOM_H

#include <stdbool.h>
#include <stdint.h>

struct store;

enum { HEADROOM_PAGES = 64, HEADROOM_LAST = 32 };

/* What this process knows of it: the thread that writes. */
struct headroom {
	uint64_t
	    pages; /* The first so many pages have their blocks on disk, if it takes them ahead. */
	uint64_t asked; /* What the next jobs take, at most. */
	bool is_full;   /* The disk, or a quota, had no more for data.mdb when it was asked last. */
};

/*
 * Take blocks ahead of data.mdb's last page, where they have become few. LMDB's write lock is held.
 * Blocks on disk.
 *
 * sequence: of the last deflate that is on disk.
 */
void headroom_keep(struct store *s, uint64_t sequence);

/* Is there enough for what is asked? */
bool headroom_is_there(const struct store *s);

/* Bytes that are left on the store's disk. Thread-safe. */
uint64_t headroom_disk(const struct store *s);

#endif
