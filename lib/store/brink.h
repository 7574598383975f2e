/* brink.h -- Deflates for which the tables have no room left: all that is older is dead. */
#ifndef DORY_STORE_BRINK_H
#define DORY_STORE_BRINK_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct meta_state;

/*
 * A deflate takes some pages, and what it frees can be used again only when nobody reads a snapshot
 * from before. So where a process was stopped in the middle of a look-up, or the disk is full,
 * there comes one that finds no room. Then one number in a file of one block, `floor`, takes its
 * place: all that was fetched before it is dead. That is more than was asked for, and needs no room
 * at all.
 *
 * All processes map the file and take its number into account whenever they read the store's; the
 * next change that finds room takes it over. One that is missing, or damaged, may have said
 * anything: then nothing in the store is served any more (trust_adopt()).
 */

struct brink {
	struct brink_row *row; /* Mapped; NULL: not opened yet. */
	int fd;
	bool sound;      /* It is of this store, and whole. */
	int64_t said_ms; /* Writer thread only. */
};

/* Map it; where it need not exist it is made. Sets s->brink.sound. Returns: 0; -ENOSPC; -EIO;
 * -ENOMEM with `why`. */
int brink_open(struct store *s, bool must_exist, char *why) NODISCARD;
void brink_close(struct store *s);

/* For this store from now on, with nothing to say. Returns: 0; -EIO. */
int brink_begin(struct store *s) NODISCARD;

void brink_merge(const struct store *s, struct meta_state *state);

/* Deflate everything, on disk when it returns. Returns: 0; -EIO. Writer thread only. */
int brink_deflate(struct store *s, uint64_t *sequence) NODISCARD;

#endif
