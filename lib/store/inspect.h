/* inspect.h -- A look at a whole store by a child that may die of it, before LMDB is let near it.
 */
#ifndef DORY_STORE_INSPECT_H
#define DORY_STORE_INSPECT_H

#include <stdint.h>

enum inspection {
	INSPECTION_GOOD,
	INSPECTION_BAD,  /* Its tables cannot be walked from end to end. */
	INSPECTION_LATE, /* Nothing bad was found in the time there was. */
};

/*
 * Walk all tables of path/data.mdb, free pages too. LMDB trusts its file: a damaged page is a crash
 * or worse, so a child does it. Nobody may have the store open.
 *
 * budget_ms: how long to wait for it. Blocks.
 */
enum inspection inspect_store(const char *path, int64_t budget_ms);

#endif
