/* leasefile.h -- The file in which processes keep their leases: mapped, and a number in it taken.
 */
#ifndef DORY_STORE_LEASEFILE_H
#define DORY_STORE_LEASEFILE_H

#include "base/attributes.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What lease.h says of it. For lease.c only. */
enum { LEASE_SLOTS = 16384, LEASE_PROCESSES = 1024 };
enum { LEASE_TAG_SHIFT = 32, LEASE_PROCESS_SHIFT = 22, LEASE_ALONE_SHIFT = 6 };
enum { LEASE_SERIAL_MASK = (1 << LEASE_PROCESS_SHIFT) - 1 };

struct lease_slot {
	_Atomic uint64_t word;     /* tag << 32 | process << 22 | serial; 0: free. */
	_Atomic uint64_t sequence; /* Of the word's fetch. */
	_Atomic int64_t deadline_ms;
	_Atomic uint64_t alone;   /* tag << 32 | until when, in units of 64 ms. */
	_Atomic uint64_t failure; /* Lower half of its word << 32 | status. */
	_Atomic uint64_t stored;  /* The snapshot that has what was stored under a lease last. */
};

struct lease_file {
	_Atomic uint32_t bell;    /* A futex: changes whenever a lease was given back. */
	_Atomic uint32_t waiting; /* Who would hear it; too many, where one was killed. */
	_Atomic uint32_t held[LEASE_PROCESSES]; /* Not 0: it ended without giving all back. */
	struct lease_slot slots[LEASE_SLOTS];
};

/* The file as this process has it. */
struct leasefile {
	/* Set once by leasefile_open(). */
	int fd;
	struct lease_file *file;
	unsigned process; /* Our number. */
	dev_t device;
	ino_t inode;
	/* Any thread. */
	_Atomic uint32_t serial;
	/* Guarded by the lock of its leases. */
	unsigned users;
	struct leasefile *older;
};

/*
 * Map the file `leases` in a directory, make it where there is none, and take a number.
 *
 * Returns: 0; -EINVAL (not a plain file of ours); -EBUSY (no number is left); -ENOSPC and other
 *          errors of the system. Owner: caller; leasefile_close().
 */
int leasefile_open(const char *directory, struct leasefile **out) NODISCARD;
void leasefile_close(struct leasefile *t); /* NULL is fine. */

/* Is it still the one that has the name there? */
bool leasefile_is_in(const struct leasefile *t, const char *directory);

/* Has a process that number now? Not to be asked of our own. */
bool leasefile_process_lives(const struct leasefile *t, unsigned process);

/* Wake who listens to the bell. */
void leasefile_ring(struct leasefile *t);

static inline unsigned
leasefile_process_of(uint64_t word)
{
	return (unsigned)(word >> LEASE_PROCESS_SHIFT) % LEASE_PROCESSES;
}

#endif
