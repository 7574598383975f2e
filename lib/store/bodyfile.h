/* bodyfile.h -- Bodies that are files beside the tables: written, opened, checked. */
#ifndef DORY_STORE_BODYFILE_H
#define DORY_STORE_BODYFILE_H

#include "store/store_internal.h"

/*
 * A body of `body_file_min` or more is the file bodies/XX/ID, where ID is random, never given
 * twice, and XX its first two digits.
 *
 * Why its bytes are right: the file is written under another name, synced, renamed, and its
 * directory synced, all before the transaction that stores the entry begins. So an entry on disk
 * names a file on disk. At a hit the opened file must be plain and of the entry's size; the first
 * hit on it in a process also compares its XXH3 with the entry's, where it has at most
 * BODYFILE_VERIFY_MAX bytes (a longer one would keep its worker too long). What fails is a miss,
 * and its entry is removed.
 *
 * Why none is left over: its writer holds a shared lock (flock) on a file from before it has any
 * bytes until the transaction is over. A file that nobody has locked and that the table `file` does
 * not have is an orphan, however young (bodysweep.c); the kernel drops a dead process's lock.
 *
 * Why none goes too early: an entry that goes leaves its file in `file`, marked, and in `doomed`,
 * and the file is unlinked BODYFILE_LINGER_S later. What lingers takes room: where there is too
 * little, evict.c has them unlinked sooner, before any entry goes: at once, or, where web servers
 * are given paths, after BODYFILE_LINGER_LEAST_S.
 */

/* A web server that was handed the path opens the file at once, unless it is stopped, or swapped
 * out: a minute is what it may take, and two seconds a thousand times what it takes. Whoever reads
 * from a descriptor needs no time at all. */
enum { BODYFILE_LINGER_S = 60, BODYFILE_LINGER_LEAST_S = 2 };

enum { BODYFILE_DIRECTORIES = 256 };
enum { BODYFILE_VERIFY_MAX = 1 << 20, BODYFILE_VERIFIED = 1 << 16, BODYFILE_BLOCK = 4096 };

/* What `file` has about one: then the name of its entry. */
struct bodyfile_row {
	uint64_t bytes;
	uint64_t doomed; /* 1: its entry is gone. */
};

/* "XX" and "XX/0123456789abcdef". */
enum { BODYFILE_DIRECTORY = 3, BODYFILE_NAME = 20 };
void bodyfile_directory(uint64_t id, char out[BODYFILE_DIRECTORY]);
void bodyfile_name(uint64_t id, char out[BODYFILE_NAME]);

/* Open the directory of bodies, and make it unless the store must exist. Returns: as store_open().
 */
int bodyfile_start(struct store *s, const struct store_options *options, char *why) NODISCARD;
void bodyfile_stop(struct store *s);

/* Is it an insert whose body is to be a file? Thread-safe: pure. */
bool bodyfile_is_for(const struct store *s, const struct store_job *job);

/*
 * Write the files of those inserts that need one (and whose file.rc is 0), before their
 * transaction: nobody waits for the disk with LMDB's lock. Sets job->file. Blocks on disk.
 */
void bodyfile_prepare(struct store *s, struct store_job *first, size_t n);

/* After the transaction: unlink what no entry came to name, and let go of the rest. */
void bodyfile_settle(struct store *s, struct store_job *first, size_t n);

/* How many bytes the body of an insert has. */
uint64_t bodyfile_bytes(const struct store_job *job);

/* What it takes of the disk. Thread-safe: pure. */
uint64_t bodyfile_blocks(uint64_t bytes);

/* ---- One file, step by step ------------------------------------------------------------------ */

int bodyfile_error(int error); /* Of errno to what a job may end with. */

enum { BODYFILE_TEMPORARY = BODYFILE_NAME + 4 };
void bodyfile_temporary(uint64_t id, char out[BODYFILE_TEMPORARY]);

/* The directory that a file is in, made if need be. Returns: a descriptor to sync; negative errno.
 */
int bodyfile_open_directory(struct store *s, uint64_t id) NODISCARD;

/* Make it, under its temporary name, locked. Returns: a descriptor; negative errno. */
int bodyfile_create(struct store *s, uint64_t id) NODISCARD;

/* Write bytes at a place of it. Returns: 0; negative errno. */
int bodyfile_fill(int fd, struct slice body, uint64_t at) NODISCARD;

/* Its bytes on disk, then its own name; its directory is still to be synced. Returns: 0; negative
 * errno, and there is no file. */
int bodyfile_finish(struct store *s, struct store_job *job) NODISCARD;

/* ---- In a transaction ------------------------------------------------------------------------ */

/* The entry `name` names the record's file from now on. Returns: 0; LMDB failed. */
int bodyfile_note(
    struct change *c, const struct entry_name *name, const struct record *r) NODISCARD;

/* It does no more. Returns: 0; LMDB failed. */
int bodyfile_doom(struct change *c, const struct record *old) NODISCARD;

/* Returns: 0; -ENOENT; -EIO. */
int bodyfile_get(const struct store *s, MDB_txn *txn, uint64_t id, struct bodyfile_row *row,
    struct slice *name) NODISCARD;

#endif
