/* place.h -- The directory a store lives in: made, checked, and guarded while it is opened. */
#ifndef DORY_STORE_PLACE_H
#define DORY_STORE_PLACE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Make the directory where it is missing (the last component only), and refuse one that others
 * could write to, or in which LMDB's files are not plain files.
 *
 * why:     STORE_WHY_SIZE bytes, filled on error.
 * Returns: 0; -ENOENT; -EACCES; -EROFS; -EINVAL; -EIO.
 */
int place_prepare(const char *path, bool must_exist, char *why) NODISCARD;

/*
 * LMDB may fail to open while another process opens or closes: take turns. Waits two seconds at
 * most, for a stopped process must not stop others.
 *
 * Returns: a descriptor for place_unguard(); -1 where there is none to be had, which is no error.
 */
int place_guard(const char *path);
void place_unguard(int guard);

#endif
