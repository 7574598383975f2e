/* owner.h -- Which process wrote a note, and whether it still runs. */
#ifndef DORY_STORE_OWNER_H
#define DORY_STORE_OWNER_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/* A process number alone may have been given to another since. */
struct owner {
	int64_t pid;
	uint64_t started; /* Clock ticks after boot. */
	uint64_t boot;    /* Hash of the kernel's boot id. */
};

/* This process. Returns: 0; -EIO where /proc cannot be read. Thread-safe. */
int owner_self(struct owner *out) NODISCARD;

/* Is it certain that `o` runs no more? `self` tells which boot this is. Thread-safe. */
bool owner_is_dead(const struct owner *o, const struct owner *self);

#endif
