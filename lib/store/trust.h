/* trust.h -- What is known of a store's file: whether only LMDB wrote to it since it was found
 * good.
 */
#ifndef DORY_STORE_TRUST_H
#define DORY_STORE_TRUST_H

#include "store/store_internal.h"

/*
 * A process that is killed harms no store: what it wrote is the kernel's, and what a commit left
 * half done is referred to by nothing. Power cuts, disks and people do harm. So each commit notes,
 * in the file "trust", what it made of data.mdb: which file it is, how long, when changed. Who
 * finds it exactly so, on the same run of the kernel, need not look at it all (inspect.h), however
 * its last user ended.
 *
 * One that ended within a commit has changed it since; such changes are believed to be its own for
 * TRUST_COMMIT_MS from when the commit began.
 *
 * The mark also tells another file from the one that was used last: a copy that somebody put back
 * knows nothing of what was deflated since it was made, and may be without any fault. After a power
 * cut times say nothing; then the number of the last deflate does.
 */
enum trust_verdict { TRUST_UNKNOWN, TRUST_GOOD, TRUST_BAD };

enum { TRUST_COMMIT_MS = 100, TRUST_CLOCK_MS = 10 };

/*
 * The file has two of these: what the last commit noted, and, behind it, that data.mdb was found
 * bad. So no commit of another process can take the second back.
 */
struct trust_mark {
	uint64_t checksum; /* XXH3 of all that follows. */
	uint64_t boot;     /* Of this run of the kernel. */
	uint64_t device, inode;
	int64_t bytes, modified_ns, changed_ns;
	int64_t writing_ns; /* A commit began then; 0: none is under way. */
	uint64_t verdict;
	uint64_t sequence; /* Of the last deflate. */
};

/* Thread-safe: pure. */
uint64_t trust_checksum(const struct trust_mark *mark);

/* What the mark says of the data.mdb that is there, be it in use or not. */
enum trust_verdict trust_read(const char *path);

/* Is it good, and has nobody else written to it? Nobody may have it open. */
bool trust_holds(const char *path);

/* Is another file in its place than the one that others have open? */
bool trust_is_replaced(const char *path);

/*
 * Where the file is another than the one that was used last, or an older state of it, nothing in it
 * may be served any more: it gets a floor above all it has, and a name of its own. Nobody else has
 * it open.
 *
 * known:   it is the last one's, unchanged.
 * Returns: 0; negative errno.
 */
int trust_adopt(struct store *s, bool known) NODISCARD;

/*
 * Keep the mark from now on. Where it cannot be kept, the next start after a crash looks at the
 * whole store.
 *
 * first:   nobody else has this file open: what is on disk is what s->trusted is about.
 */
void trust_open(struct store *s, bool first, bool must_exist);
void trust_close(struct store *s);

/* Around a commit, by the thread that commits. sequence: of the last deflate that is on disk. */
void trust_commit_begins(const struct store *s, uint64_t sequence);
void trust_commit_ended(const struct store *s, uint64_t sequence);

/* It was found bad: whoever has it open shall let go of it, and nobody open it again. */
void trust_condemn(const struct store *s);

#endif
