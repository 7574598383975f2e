/* place.h -- The directory a store lives in: made, checked, and guarded while it is opened. */
#ifndef DORY_STORE_PLACE_H
#define DORY_STORE_PLACE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Make the directory where it is missing (the last component only), and refuse one that others
 * could write to, or that is not on a disk of this machine, unless `unsafe_fs`.
 *
 * why:     STORE_WHY_SIZE bytes, filled on error.
 * Returns: 0; -ENOENT; -EACCES; -EROFS; -EINVAL; -EIO.
 */
int place_prepare(const char *path, bool must_exist, bool unsafe_fs, char *why) NODISCARD;

/* Are LMDB's files plain files, or not yet there? Returns: 0; -ENOENT; -EACCES; -EINVAL; -EIO. */
int place_check_files(const char *path, bool must_exist, char *why) NODISCARD;

/*
 * Open a plain file in the directory: nothing else is opened, no link is followed, and nothing
 * blocks.
 *
 * flags:   of open(2): for what, and O_CREAT (mode 0600).
 * st:      set; NULL is fine.
 * Returns: a descriptor; -EINVAL (not a plain file); other negative errno.
 */
int place_open(const char *path, const char *name, int flags, struct stat *st) NODISCARD;

/* What has that name there: a link is not followed. Returns: 0; negative errno. */
int place_stat(const char *path, const char *name, struct stat *st) NODISCARD;

/*
 * Who has the store open holds the directory, shared with others. While it is opened it is held
 * alone, if nobody else has it: then what is there may be mended.
 *
 * Returns: a descriptor for place_leave(); -1 where it cannot be held, which is no error.
 */
int place_hold(const char *path, bool *alone);
void place_share(int place);
void place_leave(int place);

/* Is nobody else left? It stays alone until place_leave(). */
bool place_is_last(int place);

/*
 * A mark beside data.mdb, which says that it was closed well and not written since.
 * place_is_new: there is no data.mdb, or an empty one.
 */
bool place_is_clean(const char *path);
bool place_is_new(const char *path);
void place_mark_clean(const char *path);

/*
 * Have the names in the directory on disk: a new file's bytes may be there for good, and its name
 * gone after a power cut, or an old file back that was moved away. Blocks on disk.
 *
 * Returns: 0; negative errno.
 */
int place_sync(const char *path) NODISCARD;

/*
 * LMDB may fail to open while another process opens or closes: take turns. Waits two seconds at
 * most, for a stopped process must not stop others.
 *
 * Returns: a descriptor for place_unguard(); negative where there is none to be had, which is no
 *          error.
 */
int place_guard(const char *path);
void place_unguard(int guard);

#endif
