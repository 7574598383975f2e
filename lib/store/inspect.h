/* inspect.h -- A look at a whole store by a child that may die of it. */
#ifndef DORY_STORE_INSPECT_H
#define DORY_STORE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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

/*
 * The same beside those who use the store, for one that is too large to be looked at before: at
 * the lowest priority, and a few rows to a snapshot, so that it holds nothing back.
 */
struct inspection_walk {
	pid_t child; /* 0: it has not begun, or is over. */
	bool tried;
};

void inspect_begin(
    struct inspection_walk *w, const char *path, uint64_t map_bytes, int64_t budget_ms);

/* Does not wait. Returns INSPECTION_LATE where it goes on, or has given up. */
enum inspection inspect_ask(struct inspection_walk *w);
void inspect_end(struct inspection_walk *w);

#endif
