/* spilled.h -- How much all processes have in files of no entry yet: one number each, shared. */
#ifndef DORY_STORE_SPILLED_H
#define DORY_STORE_SPILLED_H

#include <stdbool.h>
#include <stdint.h>

struct store;

/*
 * Each process that may store has a number in the file `spilled`, which all map: what it has
 * written to files that have no entry yet, and so are in no table. `size` holds for all together.
 */
struct spilled {
	struct spilled_slot *slots; /* Mapped; NULL: it cannot be had. */
	struct spilled_slot *mine;  /* NULL: none was free. */
};

void spilled_open(struct store *s, bool must_exist); /* Its guard is held. */
void spilled_close(struct store *s);

/* s->spilled_bytes has changed. Writer thread only. */
void spilled_tell(struct store *s);

/* May so many more be spilled, where all processes together may have `most`? Writer thread only. */
bool spilled_may(const struct store *s, uint64_t bytes, uint64_t most);

/* Of all processes. Writer thread only. */
uint64_t spilled_sum(const struct store *s);

/* Stop counting what dead processes had. Returns whether there was any: their files are orphans. */
bool spilled_forget_dead(struct store *s);

#endif
