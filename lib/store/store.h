/* store.h -- Entries, deflates and their numbers on disk: the only door to LMDB. */
#ifndef DORY_STORE_STORE_H
#define DORY_STORE_STORE_H

#include "http/storing.h"
#include "key/scope.h"

#include <sys/uio.h>
#include <time.h>

/* Opaque. Thread-safe unless a function says otherwise. */
struct store;

struct store_options {
	const char *path;       /* A directory; made 0700 where it is missing. */
	uint64_t size_bytes;    /* Upper bound of the map. */
	bool unsafe_fs;         /* On a network file system too. */
	bool distrusted;        /* Begin a new one: what is there may not be what was written. */
	bool must_exist;        /* Do not make one: -ENOENT (the `dory` command). */
	uint64_t body_file_min; /* Bodies of this many bytes or more become files; 0: none does. */
	bool share_bodies;      /* Our group may read body files: a web server sends them. */
};

enum { STORE_WHY_SIZE = 512 };

/*
 * Open the store, make it where there is none, and finish what dead processes left: reader slots,
 * intents (see store_job). One store a process and path (LMDB's rule).
 *
 * why:     STORE_WHY_SIZE bytes; on error a sentence for the operator: path, cause, what to do.
 * Returns: 0; -ENOENT; -EACCES; -EROFS; -EINVAL (no store of this format, or damaged); -EIO;
 * -ENOMEM. Owner:   caller; store_close().  Blocks on disk.
 */
int store_open(struct store **out, const struct store_options *options, char *why) NODISCARD;
void store_close(struct store *s); /* Stops the writer first, if it runs. NULL is fine. */

/* ---- Reading ------------------------------------------------------------------------------- */

/* A read transaction used again and again. One thread at a time; never open across a wait. */
struct store_reader;

int store_reader_new(struct store *s, struct store_reader **out) NODISCARD;
void store_reader_free(struct store_reader *r);

/*
 * Take a new snapshot, no older than this call: what was acknowledged before it is in it.
 * Returns: 0; -EIO (damaged, or LMDB gave up); -EAGAIN (no reader slot).
 */
int store_read_begin(struct store_reader *r) NODISCARD;
void store_read_end(struct store_reader *r);

/*
 * For several requests that have all arrived: until store_read_unshare(), store_read_begin() takes
 * one snapshot for all of them, the first time. None of them can tell it from one of its own, as
 * it is no older than this call; a request that arrives later must not be served from it.
 */
void store_read_share(struct store_reader *r);
void store_read_unshare(struct store_reader *r);

/* The store of the snapshot, good until store_read_end(). */
const struct store *store_of(const struct store_reader *r);

/* The snapshot's numbers. Those of a store with another id, one that was begun anew, mean nothing.
 */
uint64_t store_id(const struct store_reader *r);
uint64_t store_sequence(const struct store_reader *r);
/* Which of its store's snapshots it is: a later one has a higher number, with all that this has. */
uint64_t store_snapshot(const struct store_reader *r);
/* Changes whenever a bloat is enabled or disabled: then store_bloat_disabled() is worth asking. */
uint64_t store_switches(const struct store_reader *r);
bool store_bloat_disabled(struct store_reader *r, const char *bloat);

enum store_entry_kind {
	STORE_ENTRY_RESPONSE,
	STORE_ENTRY_VARY, /* No response: `vary` tells which request fields name the variant to look
			     up. */
	STORE_ENTRY_SEARCH, /* No response: `vary` is a rule of lib/http/search.h, which tells what
			       of the query names the variant to look up. */
};

/* An entry as it stands in the map: slices are borrowed until store_read_end(). */
struct store_entry {
	enum store_entry_kind kind;
	unsigned status;
	uint64_t sequence; /* Read before its fetch was sent. */
	int64_t
	    response_s; /* Wall clock when its header block arrived, or it was last validated. */
	struct storing aging; /* age_s is the age at response_s. */
	struct slice key;     /* Encoded tuple. */
	struct slice variant;
	struct slice tags;          /* Tuple-encoded, its own and the response's. */
	struct slice vary;          /* As vary_names() gives them; empty where nothing varies. */
	struct slice etag;          /* Value of the field, or empty. Lies within `head`. */
	struct slice last_modified; /* Value of the field, or empty. Lies within `head`. */
	struct slice
	    head; /* "Status: 200\r\nName: value\r\n...", no blank line; with Content-Length. */
	uint64_t body_bytes;
	struct slice body;  /* Where it is inline. */
	uint64_t body_id;   /* Where it is in chunks. */
	uint64_t body_file; /* Where it is a file: see store_open_body(). */
	uint64_t body_hash; /* Of that file. */
};

/*
 * What a Vary record says of each variant it leads to, in its body, the newest first. There are at
 * most so many of one variant of the plan: a request field with values without end, as User-Agent,
 * would fill the store with what nobody asks for again.
 */
enum { STORE_VARIANTS_MAX = 16 };

struct store_variant {
	char name[16];     /* As its entry's name ends. */
	char language[16]; /* Of its Content-Language, in lower case; empty: not one tag, or longer.
			    */
};

/* For the job that stores the Vary record. variant: the one it leads to. Thread-safe: pure. */
void store_variant_make(struct slice variant, struct slice language, struct store_variant *out);

/*
 * Find and check the entry stored under key and variant: magic, version, lengths, full key and
 * checksum, chunks included.
 *
 * body:    where the body's pieces go, in order, at most `*n_body`; then set to how many there are:
 *          none where it is a file.
 * Returns: 0; -ENOENT; -EBADMSG (failed its check: counted, have it removed by a STORE_JOB_REMOVE);
 *          -E2BIG (more pieces than there is room for); -EIO.
 */
int store_find(struct store_reader *r, const struct tuple *key, struct slice variant,
    struct store_entry *out, struct iovec *body, size_t *n_body) NODISCARD;

/* As store_find(): of the variants that a Vary record leads to, the one in that language.
 * entry: the record; then what was found, where it was. */
int store_find_language(struct store_reader *r, const struct tuple *key, struct slice language,
    struct store_entry *entry, struct iovec *body, size_t *n_body) NODISCARD;

/*
 * Open the body of a found entry that has a body_file. The descriptor stays good when the entry
 * goes.
 *
 * Returns: a descriptor, the caller's; -EBADMSG (missing, or not what was stored: counted, have the
 *          entry removed); another negative errno where it cannot be opened now.
 */
int store_open_body(struct store_reader *r, const struct store_entry *entry) NODISCARD;

/*
 * Its absolute path, good for a minute after the entry went.
 * Returns: its length; -EACCES (share_bodies was not asked for); -ENAMETOOLONG.
 */
int store_body_path(
    const struct store *s, const struct store_entry *entry, char *out, size_t size) NODISCARD;

/* ---- The promise (design section 2) --------------------------------------------------------- */

/* Which door asks; a test build can take the check of one away. */
enum store_door {
	STORE_DOOR_HIT,   /* An entry is about to be served. */
	STORE_DOOR_JOIN,  /* A request is about to join a flight. */
	STORE_DOOR_LEASE, /* A request is about to wait for another process's fetch. */
	STORE_DOOR_TAGS, /* A flight's tags have become known: may those who joined late have it? */
	STORE_DOOR_STORE,   /* A response is about to be stored. */
	STORE_DOOR_FRESHEN, /* A 304 is about to freshen an entry. */
	STORE_DOOR_STALE,   /* An entry is about to be served stale. */
	STORE_DOOR_WRITE,   /* A write is about to deflate: may its answer be stored after that? */
};

enum store_life {
	STORE_ALIVE,
	STORE_SOFT, /* A soft deflate covers it: stale. */
	STORE_DEAD, /* A hard deflate covers it, or it is older than the floor. */
};

struct store_judgement {
	enum store_life life;
	uint64_t
	    by; /* The sequence of the deflate that decided; the floor where that did. 0: alive. */
};

/*
 * Does something fetched at `sequence` live, in this snapshot? Looks at `*`, each prefix of the
 * key, each tag; not at all where `sequence` is not below the store's.
 *
 * tags:    tuple-encoded; may be empty.
 * Returns: the verdict; STORE_DEAD where the store cannot be read, for then nothing can be
 * promised.
 */
struct store_judgement store_judge(struct store_reader *r, enum store_door door, uint64_t sequence,
    const struct tuple *key, struct slice tags);

/* ---- Writing -------------------------------------------------------------------------------- */

enum store_job_kind {
	STORE_JOB_INSERT,
	STORE_JOB_FRESHEN, /* A 304 came for the stored response: new aging and head, same body. */
	STORE_JOB_REMOVE,  /* Drop one entry (a bad record). */
	STORE_JOB_SPILL, /* Append `body` to the file of `spill`. Nothing of it is promised yet. */
	STORE_JOB_DISCARD, /* The response of `spill` is not to be stored: unlink its file. */
	STORE_JOB_INTEND,  /* Note what a write will deflate, before it is sent to the backend. */
	STORE_JOB_ABANDON, /* Drop that note: the write failed. */
	STORE_JOB_DEFLATE,
	STORE_JOB_SWITCH, /* Enable or disable a bloat. */
};

/*
 * A body that becomes a file while it is still arriving: zeroed, then SPILL by SPILL, then INSERT
 * or DISCARD. The caller's, and the writer's while one of those jobs is under way.
 */
struct store_spill {
	bool readable; /* `read_fd` is there: what was spilled may be read from it. */
	bool unnamed;  /* No entry has the file: INSERT or DISCARD it. */
	int read_fd;
	uint64_t bytes; /* So far. */
	/* The writer's. */
	int fd; /* Locked. */
	uint64_t id, store_id;
	void *hash;
};

/* Let go of it. What no entry has is swept away later. */
void store_spill_close(struct store_spill *spill);

/*
 * One piece of work for the writer. The caller owns it and all it points to, and leaves both alone
 * until `done` was called.
 */
struct store_job {
	enum store_job_kind kind;
	/* Called once, on the writer's thread, when the work is on disk or has failed. Must not
	 * wait. */
	void (*done)(struct store_job *job);
	void *owner; /* The caller's. */
	/*
	 * 0; -ESTALE (INSERT, FRESHEN: deflated since `sequence`, or of another store; INSERT: a
	 * part, status 206, where what is whole is stored and lives); -ENOENT
	 * (FRESHEN: no such entry any more, or another one); -ENOSPC; -EIO; -E2BIG; -EINVAL (a
	 * scope whose bytes are no whole tuple); -ECANCELED (the store was closed).
	 */
	int rc;

	uint64_t snapshot; /* Out, where it is done: it is seen from that store_snapshot() on. */

	/* INSERT, FRESHEN, REMOVE. Empty tags leave a freshened entry those it has. The body of a
	 * Vary record is one struct store_variant, which joins those that are there. */
	struct tuple key;
	struct slice variant;
	struct slice tags, vary, head, body;
	enum store_entry_kind entry_kind;
	unsigned status;
	uint64_t sequence;
	uint64_t store_id; /* INSERT, FRESHEN: the store that `sequence` is of; 0: this one. */
	int64_t response_s;
	struct storing aging;
	struct store_spill *spill; /* SPILL, DISCARD; INSERT whose body is that, all of it. */
	uint64_t freshen_sequence; /* FRESHEN: the stored entry's sequence, so that no other is
				      taken for it. */

	/* INTEND, DEFLATE. */
	const struct scope *scopes;
	size_t n_scopes;
	bool soft;
	const char
	    *by; /* For the record: "admin", "route save", "dory". At most 31 bytes are kept. */
	uint64_t intent;   /* INTEND: out, the note's number. DEFLATE, ABANDON: in, the note that
			      ends; 0 none. */
	uint64_t deflated; /* DEFLATE: out, its sequence. */
	/* DEFLATE with a key: out, did what was fetched at `sequence` of `store_id`, under that key
	 * and with those tags, live until this very deflate, untouched by soft ones too? */
	bool lives;

	/* SWITCH. */
	const char *bloat;
	bool enable;

	/* The writer's. */
	struct store_job *next;
	struct {
		uint64_t id; /* INSERT: the file that has the body; 0: none has. */
		uint64_t hash;
		int fd; /* Locked until the transaction is over. */
		int rc; /* Why it could not be written. */
	} file;
};

/*
 * Start the thread that owns all write transactions of this process. Deflates and intents go first
 * and are synced; inserts are grouped. It also checks reader slots, prunes `deflated`, and turns
 * the intents of dead processes into deflates.
 */
int store_writer_start(struct store *s) NODISCARD;

/* Do what is queued, then end the thread; jobs that come later are refused with -EAGAIN. */
void store_writer_stop(struct store *s);

/* The same, but for no longer than until then (CLOCK_MONOTONIC). Returns false where it did not
 * end: a process that is stopped may have LMDB's lock for ever. Then the store cannot be closed. */
bool store_writer_leave(struct store *s, const struct timespec *until) NODISCARD;

/*
 * Hand a job to the writer. Never waits.
 * Returns: 0, and `done` will be called; -EAGAIN (the queue is full: too many bytes of inserts, or
 *          far too many deflates), and it won't.
 */
int store_submit(struct store *s, struct store_job *job) NODISCARD;

/* Do a job at once on this thread, for programs without a writer. Sets and returns job->rc. Blocks.
 */
int store_do(struct store *s, struct store_job *job) NODISCARD;

/* ---- Looking around ------------------------------------------------------------------------- */

struct store_stat {
	uint64_t entries, deflated, intents;
	uint64_t sequence, floor;
	uint64_t used_bytes; /* Live pages. */
	uint64_t size_bytes; /* The map. */
	unsigned readers, readers_max;
};

int store_stat(struct store_reader *r, struct store_stat *out) NODISCARD;

/*
 * Call `each` for the entries that `scope` covers (SCOPE_TAG looks at every entry), in the order of
 * their stored names, beginning after `after` (a name `each` was given before; empty: from the
 * start), until it returns false. Bad records are passed over.
 *
 * name: opaque, borrowed until `each` returns.
 */
int store_walk(struct store_reader *r, struct scope scope, struct slice after,
    bool (*each)(void *context, struct slice name, const struct store_entry *entry),
    void *context) NODISCARD;

#endif
