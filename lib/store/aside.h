/* aside.h -- A store that cannot be trusted makes room for a new one, and is kept to look at. */
#ifndef DORY_STORE_ASIDE_H
#define DORY_STORE_ASIDE_H

#include "base/attributes.h"

#include <stdint.h>

/*
 * Move what a store is made of into path/store.bad-TIME; an older one is removed. Nobody may have
 * the store open.
 *
 * why:     STORE_WHY_SIZE bytes: in, what is wrong with it, for the log; on error, out, that too.
 * Returns: 0; -errno.
 */
int aside_move(const char *path, char *why) NODISCARD;

/* How much of the disk is set aside there: `size` counts it too. */
uint64_t aside_bytes(const char *path);

/* The new store needs its room. */
void aside_drop(const char *path);

#endif
