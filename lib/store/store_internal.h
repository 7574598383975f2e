/* store_internal.h -- What the files of lib/store share: tables, transactions, the writer's queue.
 */
#ifndef DORY_STORE_STORE_INTERNAL_H
#define DORY_STORE_STORE_INTERNAL_H

#include "store/backlog.h"
#include "store/brink.h"
#include "store/headroom.h"
#include "store/health.h"
#include "store/inspect.h"
#include "store/owner.h"
#include "store/record.h"
#include "store/spilled.h"
#include "store/store.h"
#include "store/visited.h"

#include <lmdb.h>
#include <pthread.h>

enum store_table {
	TABLE_META,     /* "state" -> struct meta_state; "off:BLOAT" of each disabled bloat. */
	TABLE_ENTRY,    /* struct entry_name -> record. */
	TABLE_CHUNK,    /* id << 24 | number -> at most RECORD_PAGE bytes of a head or body. */
	TABLE_DEFLATED, /* scope_name() -> struct deflated_row. */
	TABLE_QUEUE,  /* Number -> entry name: the order in which eviction will look at entries. */
	TABLE_INTENT, /* Number -> a note of what a write will deflate. */
	TABLE_TRASH,  /* id -> how many of its chunks are still to be deleted. */
	TABLE_FILE,   /* id -> struct bodyfile_row of each body file that is to be kept for now. */
	TABLE_DOOMED, /* Number -> id of a body file whose entry went, and when (wall clock). */
	TABLE_COUNT,
};

/* How many rows `deflated` may have before the floor is raised. */
enum { STORE_DEFLATED_MAX = 65536 };

struct store {
	/* Set once by store_open(). */
	char *path;
	int place;     /* Its directory, held: see place_hold(). */
	bool alone;    /* Nobody else had it open when it was opened. */
	bool made;     /* It was made then. */
	bool known;    /* Its file is the one that was used last, as it was left. */
	int trust_fd;  /* trust.c; -1: it is not kept. */
	uint64_t boot; /* Which run of the kernel this is. */
	uint64_t id;   /* Of its numbers: sequences of another store mean nothing here. */
	MDB_env *env;
	MDB_dbi tables[TABLE_COUNT];
	uint64_t size_bytes, page_bytes;
	struct owner self;
	uint64_t deflated_max; /* STORE_DEFLATED_MAX, but in tests. */
	uint64_t body_file_min;
	bool share_bodies;
	int bodies_fd;     /* The directory of body files; -1: there is none. */
	char *bodies_path; /* Absolute. */
	/* Any thread. */
	_Atomic bool trusted;       /* Its files were found good. */
	_Atomic bool full;          /* Already said in the log: no room for entries. */
	_Atomic bool failing;       /* Already said in the log: it cannot be read. */
	_Atomic uint64_t *verified; /* Ids of body files that this process has seen to be right. */
	struct backlog backlog;
	struct health health;
	struct visited visited;
	struct brink brink;
	struct spilled spilled;
	/* Writer thread only. */
	uint64_t spilled_bytes; /* In files that have no entry yet. */
	uint64_t aside_bytes;   /* Of the store that was set aside; 0 before aside_known. */
	bool aside_known;
	uint64_t files_most; /* Bytes that body files had when one was refused; 0: to be seen. */
	int64_t files_refused_ms; /* When that was; 0: not lately. */
	struct headroom headroom;
	int64_t vain_ms; /* When readers were last waited for in vain; 0: never. */
	/* The thread that opens, looks after it and closes. */
	struct inspection_walk walk;
	pthread_t writer;
	bool has_writer;
};

/* LMDB's codes and errno as what store.h promises: 0 or negative errno. Thread-safe: pure. */
int store_error(int rc);

/* Fill `why`, STORE_WHY_SIZE bytes, with the store's path and the text. Returns rc. */
int store_say(const struct store *s, int rc, char *why, const char *text);

/* ---- tables.c: what the file consists of ----------------------------------------------------- */

/* Returns: 0; -ENOENT where the file is still empty; -EINVAL, -EIO and others with `why`. */
int tables_open(struct store *s, char *why) NODISCARD;

/* In an empty file, and sets s->made. The guard makes us the only one. Returns: 0; -ENOSPC, -EIO
 * and others with `why`. */
int tables_make(struct store *s, char *why) NODISCARD;

/* Pages in use: of all tables and LMDB's own two. */
uint64_t tables_pages(const struct store *s, MDB_txn *txn);

/* ---- meta.c: the store's numbers ------------------------------------------------------------ */

struct meta_state {
	uint64_t checksum; /* XXH3 of all that follows. */
	uint32_t magic;
	uint32_t version;
	uint64_t id; /* Random: another store has another. */
	uint64_t sequence;
	uint64_t floor;
	uint64_t switches;
	uint64_t next_body, next_queue, next_intent; /* 0 is never given. */
	uint64_t file_bytes;   /* Blocks of the body files that entries name. */
	uint64_t doomed_bytes; /* Blocks of those that wait to be unlinked. */
	uint64_t hands[2];     /* Where eviction goes on in the queue: of either half. */
};

/* One for a new store: at random, and not 0, which stands for none. Returns: 0; -EIO. */
int meta_draw_id(uint64_t *out) NODISCARD;

void meta_init(struct meta_state *state, uint64_t id);

/*
 * The numbers that hold now: those in the table, and what brink.c has.
 * Returns: 0; -ENOENT where there is none; -EINVAL for another version's; -EIO.
 */
int meta_read(const struct store *s, MDB_txn *txn, struct meta_state *out) NODISCARD;
int meta_write(const struct store *s, MDB_txn *txn, const struct meta_state *state) NODISCARD;

bool meta_bloat_disabled(const struct store *s, MDB_txn *txn, const char *bloat);

/* Those in the table alone. Returns as meta_read(). */
int meta_read_stored(const struct store *s, MDB_txn *txn, struct meta_state *out) NODISCARD;

/* ---- change.c: one write transaction --------------------------------------------------------- */

struct change {
	struct store *store;
	MDB_txn *txn;
	struct meta_state state, before;
	bool durable; /* Something in it will be acknowledged: the commit is synced. */
	bool committed;
	uint64_t freed;      /* Pages, about: few enough that the list of them fits one page. */
	uint64_t trashed;    /* Chunks that the trash will delete. */
	uint64_t page_room;  /* Pages that entries may still take; */
	uint64_t page_spare; /* and that whatever makes room may. */
	uint64_t file_room;  /* Bytes that body files may still take. */
	bool held_back; /* Nor does it make room if entries go: a reader that stopped may still read
			   them. */
	uint64_t deflated_rows; /* As committed. */
	uint64_t trash_rows;    /* As committed. */
};

/* Waits for the write lock, which other processes take too. Returns: 0; -EIO; -ENOSPC; -ENOMEM. */
int change_begin(struct store *s, struct change *out) NODISCARD;

/* Returns: 0: on disk, if `durable`; -ENOSPC; -EIO: nothing happened, unless `committed` is set. */
int change_commit(struct change *c) NODISCARD;
void change_abort(struct change *c);

/* Returns: 0; -E2BIG, and nothing happened; LMDB failed: the change must be aborted. */
int meta_switch(struct change *c, const char *bloat, bool enable) NODISCARD;

/* ---- room.c: what is left under the cap ------------------------------------------------------ */

/* Set what `c` says of room. */
void room_measure(struct change *c);

/* Where files are still to be written: c->file_room is at most what the disk has, and a quota. */
void room_measure_disk(struct change *c);

/* Pages that the tables can ever have: fewer where the disk is full. */
uint64_t room_most(const struct store *s);

/* Pages that an entry of so many bytes may take. Thread-safe: pure. */
uint64_t room_pages(uint64_t bytes);

/* Take room for an entry, and for its file. Returns false, and takes none, where there is too
 * little. */
bool room_take(struct change *c, uint64_t bytes, uint64_t file_bytes);

/* ---- chunk.c: heads and bodies that do not fit their record ---------------------------------- */

uint64_t chunk_count(uint64_t bytes);

/* hash: of all pieces, for chunk_gather(). */
int chunk_put(struct change *c, uint64_t id, struct slice bytes, uint64_t *hash) NODISCARD;

/* Delete chunks `from` to `to` (exclusive); absent ones do not matter. */
int chunk_delete(struct change *c, uint64_t id, uint64_t from, uint64_t to) NODISCARD;

/* Delete all chunks, now or through the trash. id 0: nothing. */
int chunk_drop(struct change *c, uint64_t id, uint64_t bytes) NODISCARD;

/*
 * The pieces of `bytes` bytes, checked against `hash`. Returns: 0; -EBADMSG; -E2BIG; -EIO.
 */
int chunk_gather(MDB_cursor *chunks, uint64_t id, uint64_t bytes, uint64_t hash,
    struct iovec *pieces, size_t *n) NODISCARD;

/* ---- trash.c: chunks to be deleted a few at a time ------------------------------------------- */

int trash_add(struct change *c, uint64_t id, uint64_t chunks) NODISCARD;

/* Delete one batch. `*more`: is there another? */
int trash_sweep(struct store *s, bool *more) NODISCARD;

/* ---- entry.c: the table of entries ----------------------------------------------------------- */

enum { ENTRY_NAME_MAX = 400 + 16 + 16 };

struct entry_name {
	size_t len;
	char bytes[ENTRY_NAME_MAX];
};

/* All variants of a key share what entry_prefix() keeps of the key. Thread-safe: pure. */
void entry_name(const struct tuple *key, struct slice variant, struct entry_name *out);

/* The end of it, of a variant alone: sizeof(store_variant.name) bytes. And a name made with it. */
void entry_name_end(struct slice variant, char *out);
void entry_name_with(const struct tuple *key, const char *end, struct entry_name *out);

struct slice entry_prefix(struct slice key);

/* Returns: 0; -ENOENT; -EBADMSG; -EIO. */
int entry_get(const struct store *s, MDB_txn *txn, const struct entry_name *name,
    struct record *out) NODISCARD;

/* Store `r`: what does not fit its page goes to chunks, unless body_id says that it is there. */
int entry_put(struct change *c, const struct entry_name *name, struct record *r) NODISCARD;

/*
 * Numbers of entries whose body is a file have this bit: each half of the queue is an order of its
 * own, for what leaves the one makes no room in the other.
 */
static const uint64_t entry_queue_files = (uint64_t)1 << 63;

/* Take a row out of the queue; one that is not there does not matter. */
int entry_drop_number(struct change *c, uint64_t queue) NODISCARD;

/* Remove the entry, its chunks and its number. */
int entry_remove(struct change *c, const struct entry_name *name) NODISCARD;

/* The bodies of `old` are no longer referred to; `keep_body`: but its body is. */
int entry_drop_chunks(struct change *c, const struct record *old, bool keep_body) NODISCARD;

/* ---- variants.c: what a Vary record leads to --------------------------------------------------
 */

struct variants {
	struct store_variant items[STORE_VARIANTS_MAX];
	size_t n;
};

/* Take one off the list in a record's body. Returns: borrowed; NULL at its end. */
const struct store_variant *variants_next(struct slice *list);

/* Put `new` before those in `old`. The entry of one that has no place any more is removed. */
int variants_add(struct change *c, const struct tuple *key, const struct store_variant *new,
    struct slice old, struct variants *out) NODISCARD;

/* ---- deflated.c: the table of deflates ------------------------------------------------------- */

/* What is recorded of a scope's last deflate. */
struct deflated {
	uint64_t hard, soft; /* Sequences; 0: none. */
	int64_t when_s;
	char by[32];
};

/* Is this a scope that a deflate can cover? Returns: 0; -EINVAL. Thread-safe: pure. */
int deflated_check(struct scope scope) NODISCARD;

/* Returns: 0; -ENOENT; -EIO. */
int deflated_get(
    const struct store *s, MDB_txn *txn, struct scope scope, struct deflated *out) NODISCARD;

/* The next sequence, given to all the scopes. Returns: 0; LMDB failed: the change must be aborted.
 */
int deflated_put(
    struct change *c, const struct scope *scopes, size_t n, bool soft, const char *by) NODISCARD;

/* A stored row as it is. Returns: 0; -EIO. */
int deflated_decode(MDB_val value, struct deflated *out) NODISCARD;

/* ---- judge.c --------------------------------------------------------------------------------- */

/* A transaction of either kind, and the numbers read in it. */
struct judge_view {
	const struct store *store;
	MDB_txn *txn;
	const struct meta_state *state;
};

/* store_judge() in any transaction. */
struct store_judgement judge_in(const struct judge_view *view, enum store_door door,
    uint64_t sequence, const struct tuple *key, struct slice tags);

/* ---- intent.c: notes of writes under way ----------------------------------------------------- */

int intent_put(struct change *c, struct store_job *job) NODISCARD;
int intent_delete(struct change *c, uint64_t number) NODISCARD;

/* Turn the notes of dead processes into deflates. Returns: 0; -EIO; -ENOSPC; -ENOMEM. */
int intent_recover(struct store *s) NODISCARD;

/* ---- jobs.c: what each job does -------------------------------------------------------------- */

/*
 * Do `n` jobs as one transaction and set their rc.
 *
 * end:     what the transaction left; `committed` tells whether trying again is safe.
 * Returns: 0; negative: all of them failed.
 */
int jobs_run(struct store *s, struct store_job *first, size_t n, struct change *end) NODISCARD;

/* Count what came of it, and log what failed. */
void jobs_account(struct store *s, const struct store_job *job);

/* ---- prune.c: the floor ---------------------------------------------------------------------- */

/* Raise the floor to the median of what is recorded, and drop the rows it covers. */
int prune_run(struct store *s) NODISCARD;

/* ---- keeper.c: readers that move from store to store ----------------------------------------- */

/*
 * Before a snapshot: hold the store that is open. Returns: 0; -EIO, there is none; -EAGAIN, it has
 * no slot for this reader. On error nothing is held.
 */
int keeper_enter(struct store_reader *r) NODISCARD;
void keeper_forget(struct store_reader *r);

/* ---- reader.c -------------------------------------------------------------------------------- */

/* Begin to read; where all slots are taken, free those of the dead first. Returns LMDB's error. */
int reader_begin_first(struct store *s, MDB_txn **out) NODISCARD;

/* Take a slot of `s`, or give it back. A keeper's lock is held. Returns: 0; -EAGAIN; -EIO; -ENOMEM.
 */
int reader_bind(struct store_reader *r, struct store *s) NODISCARD;
void reader_unbind(struct store_reader *r);

struct store_reader {
	struct keeper *keeper;     /* NULL: it reads one store for good. */
	struct store_reader *next; /* Guarded by the keeper's lock. */
	uint64_t generation;       /* Of the keeper's store, when it was bound. */
	_Atomic bool busy;         /* While there is a snapshot. */
	struct store *store;       /* With a keeper: NULL while there is none. */
	MDB_txn *txn;              /* Reset between snapshots; keeps its reader slot. */
	MDB_cursor *chunks;        /* Renewed where it is needed. */
	bool active;
	bool shared; /* The next snapshot is held until store_read_unshare(). */
	bool held;
	struct meta_state state;
	struct arena heads; /* Heads put together from chunks, until store_read_end(). */
};

/* As store_find(), by name: whatever variant that is of. */
int reader_find(struct store_reader *r, const struct entry_name *name, const struct tuple *key,
    struct store_entry *out, struct iovec *body, size_t *n_body) NODISCARD;

/* Complete a decoded record with its head. Returns: 0; -EBADMSG; -ENOMEM; -EIO. */
int reader_fetch_head(struct store_reader *r, struct record *record, struct arena *arena) NODISCARD;

static inline MDB_val
store_value(struct slice s)
{
	return (MDB_val){ s.len, (void *)(uintptr_t)s.at };
}

static inline struct slice
store_slice(MDB_val v)
{
	return (struct slice){ v.mv_data, v.mv_size };
}

#endif
