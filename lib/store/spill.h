/* spill.h -- Bodies that become files while they are still arriving. */
#ifndef DORY_STORE_SPILL_H
#define DORY_STORE_SPILL_H

#include "store/store_internal.h"

/*
 * A spilled body is under its temporary name, and locked, until its response is whole: what its
 * process leaves behind when it dies is an orphan like any other (bodyfile.h). Room is made for
 * each piece as it comes, and other processes count it (spilled.c). All those of all processes
 * together may have a SPILL_SHARE of the store: what is more fails with -ENOSPC.
 */
enum { SPILL_SHARE = 2 };

/* Do a SPILL or a DISCARD; sets job->rc. Blocks on disk. Writer thread only. */
void spill_run(struct store *s, struct store_job *job);

/* Before the transaction of an INSERT: its body on disk, under its own name. Sets job->file. Blocks
 * on disk. Writer thread only. */
void spill_seal(struct store *s, struct store_job *job);

#endif
