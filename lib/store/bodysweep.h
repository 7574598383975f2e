/* bodysweep.h -- Body files that are to go: those whose entry went, and those nobody names. */
#ifndef DORY_STORE_BODYSWEEP_H
#define DORY_STORE_BODYSWEEP_H

#include "store/bodyfile.h"

#include <dirent.h>

/* A walk over the directories of bodies. A zeroed struct is at its start. */
struct bodysweep {
	DIR *directory;
	unsigned next; /* Of the 256; then it is over. */
};

/* Look at a few files, and unlink orphans. Returns false when the walk is over. Blocks on disk. */
bool bodysweep_step(struct bodysweep *w, struct store *s);
void bodysweep_end(struct bodysweep *w);

/*
 * Unlink a batch of those whose entries went `linger_s` ago.
 *
 * now_s:   wall clock.
 * more:    out: are there others that are due?
 * Returns: 0; -EIO; -ENOSPC; -ENOMEM.
 */
int bodysweep_doomed(struct store *s, int64_t now_s, int64_t linger_s, bool *more) NODISCARD;

#endif
