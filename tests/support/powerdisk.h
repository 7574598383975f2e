/* powerdisk.h -- What a disk holds after a power cut: a replay of powerlog.c's record. */
#ifndef DORY_TESTS_POWERDISK_H
#define DORY_TESTS_POWERDISK_H

#include "powerlog.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The model. What a file's last finished sync covers is on disk. Of each 4 KiB block the later
 * writes are there up to one of them, which may be torn at a sector; blocks do not wait for each
 * other. A name made, moved or removed since its directory was synced may be there as before or as
 * after, and so may a file's size.
 */
struct powerdisk;

/* syncs: false: none of them counts, as if the disk lied. seed: not 0. NULL where memory is short.
 */
struct powerdisk *powerdisk_new(bool syncs, unsigned seed);
void powerdisk_free(struct powerdisk *d);

/* One record happened. `data` has record->len bytes; caller keeps them until powerdisk_free(). */
void powerdisk_replay(
    struct powerdisk *d, const struct powerlog_record *record, const unsigned char *data);

enum powerdisk_fate {
	POWERDISK_NONE, /* Of what was not synced, nothing is there. */
	POWERDISK_ALL,
	POWERDISK_SOME,  /* Each block by chance. */
	POWERDISK_NAMES, /* All names, and nothing of what is in the files. */
};

/*
 * Write what is on disk after a cut now to the directory `image`; it must be empty. `cache` is a
 * directory beside it, where whole files are kept from cut to cut: images have links to them.
 */
void powerdisk_cut(
    struct powerdisk *d, enum powerdisk_fate fate, const char *image, const char *cache);

/* A number in [0, below), from a seed that it moves on. */
unsigned powerdisk_random(unsigned *seed, unsigned below);

#endif
