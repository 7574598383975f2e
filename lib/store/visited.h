/* visited.h -- Which entries were hit since eviction last came by: one bit each, shared. */
#ifndef DORY_STORE_VISITED_H
#define DORY_STORE_VISITED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/* A bit for each number of the queue, modulo how many there are. */
struct visited {
	_Atomic unsigned char *bits; /* NULL: there is no memory for them; nothing was hit. */
	size_t bytes;
};

/*
 * Map the bits that all processes share, from the file "visited" of the store; where that cannot be
 * had, bits of our own. What they say decides only what is evicted first: they are never synced,
 * and nothing is lost with them.
 */
void visited_open(struct store *s, bool must_exist);
void visited_close(struct store *s);

/* An entry of this number was hit. Writes nothing to LMDB, and only once. Thread-safe. */
void visited_mark(const struct store *s, uint64_t number);

/* Was it, since this was last asked? Forgets it. Thread-safe. */
bool visited_take(const struct store *s, uint64_t number);

#endif
