/* lease.h -- One fetch for each key among processes: leases in a file that all of them map. */
#ifndef DORY_STORE_LEASE_H
#define DORY_STORE_LEASE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The file `leases` in the store's directory is a table of slots, one for each value of a hash's
 * low bits; two keys that meet in one slot cost a fetch, nothing else. A slot's `word` tells all
 * that must change at once: 32 more bits of the hash, which process holds it, and a serial, so that
 * a word is never given twice. 0: free. It is taken, overtaken and given back by compare-and-swap.
 *
 * Each process has a number: the byte of the file that it holds locked (an open file description's
 * lock). The kernel lets go of it when the process ends, however it ends, and that is how others
 * know that its leases are void. A process that is stopped keeps its lock but does not renew:
 * LEASE_MS after its last renewal it is overtaken, and finds another's word where its own was.
 * Where the file is replaced, the next leases are taken in the new one.
 *
 * Who waits has one more thread, the keeper. It sleeps on a futex in the file, the bell, which is
 * rung by who gives a lease back while anybody waits; every LEASE_TICK_MS it looks whether the
 * owners still live and renew.
 *
 * No byte of the file is believed: numbers are bounded, times that lie too far ahead are past, and
 * a word that nobody alive holds is free. What is wrong in it costs a fetch or a wait that has an
 * end; what may be served is for the store to judge, never for this file.
 */
struct leases; /* Opaque. Thread-safe unless a function says otherwise. */

enum { LEASE_MS = 2000, LEASE_RENEW_MS = 500, LEASE_TICK_MS = 5, LEASE_ALONE_MS = 2000 };

struct leasefile;

/* One that is held, or, as `other`, who holds it. Zeroed: none. */
struct lease {
	struct leasefile *file; /* While it is held; as `other` only to tell one from the next. */
	uint64_t hash;
	uint64_t word;
	uint64_t
	    sequence; /* The store's, before the fetch was sent. A hint where it is another's. */
	/* Where it is held: the snapshot (store_snapshot()) that has what was stored under a lease
	 * of this slot before. Who has looked in an older one may have missed it. A hint. */
	uint64_t stored;
};

enum lease_verdict {
	LEASE_TAKEN, /* It is ours, till lease_release(). */
	LEASE_OTHER, /* Another process fetches this: wait, or overtake it. */
	LEASE_OWN,   /* This process fetches it: overtake that, or fetch without a lease. */
	LEASE_NONE,  /* Fetch without one: another key has it, or there is no file. */
};

/* None can be taken yet: leases_attach() comes first. Returns: 0; -ENOMEM. */
int leases_new(struct leases **out) NODISCARD;

/*
 * Map the file, make it where there is none, and take a number in it. To be called again now and
 * then: it follows a file that was replaced, and the leases that are held stay. One thread's.
 *
 * path:    the store's directory; caller keeps.
 * Returns: 0; -EINVAL (not a plain file of ours); -EBUSY (no number is left); -ENOSPC and other
 *          errors of the system: then all is as it was. Blocks on disk.
 */
int leases_attach(struct leases *l, const char *path) NODISCARD;

/* End the keeper: nobody is told of anything any more. */
void leases_stop(struct leases *l);
void leases_free(struct leases *l); /* Stops it first. NULL is fine. */

/* Is what this leads to fetched side by side, so that nobody waits: see lease_release(). */
bool lease_is_alone(struct leases *l, uint64_t hash);

/*
 * Take the lease for `hash`.
 *
 * overtake: a word that counts as free, for its fetch is of no use any more; 0: none.
 * out:      set where it is taken.       other: set for LEASE_OTHER and LEASE_OWN.
 */
enum lease_verdict lease_take(struct leases *l, uint64_t hash, uint64_t sequence, uint64_t overtake,
    struct lease *out, struct lease *other) NODISCARD;

/* Nobody has overtaken us. */
bool lease_is_ours(const struct lease *lease);

/* The fetch is sent only now: it began with that number. */
void lease_set_sequence(struct lease *lease, uint64_t sequence);

/* What it was held for is stored, and is in that snapshot. Before it is given back. */
void lease_set_stored(const struct lease *lease, uint64_t snapshot);

/* To be called every LEASE_RENEW_MS. */
void lease_renew(const struct lease *lease);

/*
 * Give it back and tell who waits; where it was overtaken, nothing happens. `*lease` is zeroed.
 *
 * alone: what was fetched is not for others: for LEASE_ALONE_MS nobody waits for this key.
 */
void lease_release(struct leases *l, struct lease *lease, bool alone);

/* The same where the backend failed, with a status of 5xx: who waits is told so. */
void lease_fail(struct leases *l, struct lease *lease, unsigned status);

/* Embedded in who waits, which must live until it was told, or the keeper has ended. */
struct lease_wait {
	struct lease_wait *next;
	struct lease other;
	int64_t until_ms; /* clock_mono_ms() */
	/* When told: the fetch failed, and with which status; 0: look into the store. */
	unsigned failed_status;
	void (*told)(struct lease_wait *wait);
};

/*
 * Have `told` called once, on the keeper's thread, when `other` was given back, overtaken, or is
 * void, or when `until_ms` has come. Never waits itself.
 *
 * Returns: 0; -EAGAIN where there is no keeper to be had, or the file was replaced.
 */
int lease_await(struct leases *l, struct lease_wait *wait) NODISCARD;

#endif
