/* evict.c -- Who goes when room runs out: SIEVE over the queue. */
#include "store/evict.h"

#include "store/aside.h"
#include "store/bodysweep.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <errno.h>
#include <time.h>

/*
 * SIEVE (Zhang et al., NSDI 2024): a hand goes from the oldest entry to the newest; one that was
 * hit since the hand last passed is spared and must be hit anew, any other goes. A hit sets a bit
 * (visited.c) and moves nothing.
 *
 * A transaction frees few enough pages for LMDB to keep their list on one page of its own, and
 * looks at few enough entries that a deflate behind it does not wait long.
 */
enum {
	EVICT_LOOKS = 2048,
	EVICT_BATCHES = 4096,   /* For one set of jobs: an end, where others take what we free. */
	EVICT_AHEAD = 256,      /* Pages made free beyond what is asked for: the next ones' room; */
	EVICT_AHEAD_SHARE = 64, /* but of a small store no more than this part. */
};

/* Of the pages that are free, one that goes may take so many first: a leaf of each of its tables.
 */
enum { EVICT_TAKES = 4 };

/* For readers: 1, 2, 4 and 8 ms, and where that was in vain no more for a second. */
enum { EVICT_WAIT_MS = 16, EVICT_VAIN_MS = 1000 };

/* Where body files linger all the same, this part of the store may do so, for those that come
 * meanwhile to find room. */
enum { EVICT_LINGER_SHARE = 32 };

/* ---- One entry ------------------------------------------------------------------------------ */

bool
evict_is_dead(const struct judge_view *view, const struct store_entry *e, int64_t now_s)
{
	const struct storing *aging = &e->aging;
	int64_t since_s = now_s - e->response_s, use_s = aging->keep_s;
	struct tuple key;

	use_s = aging->grace_s > use_s ? aging->grace_s : use_s;
	use_s = aging->stale_if_error_s > use_s ? aging->stale_if_error_s : use_s;
	if (since_s > 0 && aging->age_s + since_s > aging->lifetime_s + use_s)
		return true;
	return tuple_decode(e->key, &key) != 0 ||
	       judge_in(view, STORE_DOOR_HIT, e->sequence, &key, e->tags).life == STORE_DEAD;
}

int
evict_look(struct evict_batch *b, uint64_t number, const struct entry_name *name, bool spare)
{
	struct change *c = &b->change;
	struct judge_view view = { c->store, c->txn, &c->state };
	struct record record;
	int rc = entry_get(c->store, c->txn, name, &record);
	bool mine = rc == 0 && record.queue == number, visited = visited_take(c->store, number);

	/* A row that an entry does not answer to is of no use, and neither is a bad record. */
	if ((rc == 0 || rc == -ENOENT) && !mine)
		return entry_drop_number(c, number);
	if (rc == 0) {
		bool dead = evict_is_dead(&view, &record.entry, b->now_s);
		if (!dead && (visited || spare))
			return 0;
		b->dead += dead;
		b->living += !dead;
	} else if (rc != -EBADMSG) {
		return rc;
	}
	b->gone++;
	rc = entry_remove(c, name);
	return rc == 0 ? entry_drop_number(c, number) : rc;
}

/* ---- The hand ------------------------------------------------------------------------------- */

enum evict_half
evict_half_of(uint64_t number)
{
	return (number & entry_queue_files) != 0 ? EVICT_FILES : EVICT_PAGES;
}

int
evict_seek(const struct store *s, MDB_txn *txn, enum evict_half half, uint64_t *number,
    struct entry_name *name)
{
	uint64_t from = *number | (half == EVICT_FILES ? entry_queue_files : 0);
	MDB_val key = { sizeof(from), &from }, value;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(txn, s->tables[TABLE_QUEUE], &cursor);

	if (rc != 0)
		return store_error(rc);
	rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (rc == 0 && (key.mv_size != sizeof(*number) || value.mv_size > sizeof(name->bytes)))
		rc = MDB_CORRUPTED;
	if (rc == 0) {
		memcpy(number, key.mv_data, sizeof(*number));
		memcpy(name->bytes, value.mv_data, value.mv_size);
		name->len = value.mv_size;
		rc = evict_half_of(*number) == half ? 0 : MDB_NOTFOUND;
	}
	mdb_cursor_close(cursor);
	return store_error(rc);
}

/* On from where the hand stands, and from the start again. Returns: 0; -ENOENT: the half is empty.
 */
static int
evict_advance(struct change *c, enum evict_half half, uint64_t *number, struct entry_name *name)
{
	*number = c->state.hands[half];
	int rc = evict_seek(c->store, c->txn, half, number, name);
	if (rc == -ENOENT) {
		*number = 0;
		rc = evict_seek(c->store, c->txn, half, number, name);
	}
	c->state.hands[half] = rc == 0 ? *number + 1 : 0;
	return rc;
}

/*
 * Turn the hand until `pages` are free or the batch is full. Returns: 0; -ENOENT: nothing is left;
 * LMDB failed.
 */
static int
evict_turn(struct evict_batch *b, enum evict_half half, uint64_t pages)
{
	struct change *c = &b->change;
	struct entry_name name;
	uint64_t number, before = c->state.doomed_bytes;
	int rc = 0;

	while (rc == 0 && b->looks < EVICT_LOOKS && c->freed + b->gone < b->most) {
		uint64_t files = (c->state.doomed_bytes - before) / c->store->page_bytes;
		uint64_t done = c->freed + c->trashed + b->gone + files;
		if (done >= pages)
			break;
		rc = evict_advance(c, half, &number, &name);
		b->looks += rc == 0;
		if (rc == 0)
			rc = evict_look(b, number, &name, false);
	}
	return rc;
}

int
evict_begin(struct store *s, struct evict_batch *b)
{
	*b = (struct evict_batch){ .now_s = clock_wall_s(), .most = EVICT_FREED };
	int rc = change_begin(s, &b->change);
	if (s->headroom.is_full && b->change.page_spare / EVICT_TAKES < b->most)
		b->most = (unsigned)(b->change.page_spare / EVICT_TAKES);
	return rc;
}

int
evict_end(struct evict_batch *b, int rc)
{
	/* What was done before the queue ran out stays done. */
	if (rc != 0 && (rc != -ENOENT || b->gone == 0)) {
		change_abort(&b->change);
		return rc;
	}
	rc = change_commit(&b->change);
	if (b->change.committed) {
		metric_add(METRIC_EVICTED, b->living);
		metric_add(METRIC_EVICTED_DEAD, b->dead);
	}
	return rc;
}

/* ---- Making room ---------------------------------------------------------------------------- */

struct evict_need {
	uint64_t pages, file_bytes;
};

/* What one job would store. An entry of half the store is not worth all the others. */
static struct evict_need
evict_ask(const struct store *s, const struct store_job *job)
{
	uint64_t names = job->key.bytes.len + job->variant.len + job->tags.len + job->vary.len;
	uint64_t most = room_most(s) / 2;
	struct evict_need need = { 0, 0 };
	bool file = bodyfile_is_for(s, job);

	if (job->kind == STORE_JOB_INSERT || job->kind == STORE_JOB_FRESHEN)
		need.pages =
		    room_pages(RECORD_PAGE + names + job->head.len + (file ? 0 : job->body.len));
	/* What was spilled before it became an entry's has its room. */
	if (file && job->spill == NULL)
		need.file_bytes = bodyfile_blocks(job->body.len);
	if (job->kind == STORE_JOB_SPILL)
		need = (struct evict_need){ 1, bodyfile_blocks(job->body.len) };
	bool hopeless = need.pages > most || need.file_bytes > s->size_bytes / 2;
	return hopeless ? (struct evict_need){ 0, 0 } : need;
}

/* What the first few would store together, of a quarter of the store at most, and how many these
 * are: one at least. */
static struct evict_need
evict_sum(const struct store *s, const struct store_job *job, size_t *n)
{
	uint64_t most = room_most(s) / 4, most_bytes = s->size_bytes / 4;
	struct evict_need sum = { 0, 0 };

	for (size_t i = 0; i < *n; i++, job = job->next) {
		struct evict_need one = evict_ask(s, job);
		uint64_t pages = sum.pages + one.pages, bytes = sum.file_bytes + one.file_bytes;
		if (i > 0 && (pages > most || pages * s->page_bytes + bytes > most_bytes))
			*n = i;
		else
			sum = (struct evict_need){ pages, bytes };
	}
	return sum;
}

/* Files of entries that went make room once they are unlinked. */
static int
evict_unlink(struct store *s)
{
	int64_t linger_s = s->share_bodies ? BODYFILE_LINGER_LEAST_S : 0;
	bool more = true;
	int rc = 0;

	if (s->aside_bytes > 0)
		aside_drop(s->path);
	s->aside_bytes = 0;
	while (rc == 0 && more)
		rc = bodysweep_doomed(s, clock_wall_s(), linger_s, &more);
	return rc;
}

static int
evict_sweep(struct store *s)
{
	bool more = true;
	int rc = 0;

	while (rc == 0 && more)
		rc = trash_sweep(s, &more);
	return rc;
}

static uint64_t
evict_ahead(const struct store *s)
{
	uint64_t share = room_most(s) / EVICT_AHEAD_SHARE;

	return share < EVICT_AHEAD ? share : EVICT_AHEAD;
}

static bool
evict_is_met(const struct change *c, const struct evict_need *need)
{
	return c->page_room >= need->pages && c->file_room >= need->file_bytes;
}

/* All that files of entries could have: where the disk is full, less than the cap. */
static uint64_t
evict_files_most(const struct change *c)
{
	return c->file_room + c->state.file_bytes + c->state.doomed_bytes;
}

/* On a small disk too, a file of half of what there is for files is not worth all the others. */
static bool
evict_is_hopeless(const struct change *c, const struct evict_need *need)
{
	uint64_t spilled = c->store->spilled_bytes;

	return need->file_bytes > c->file_room &&
	       need->file_bytes + spilled > (evict_files_most(c) + spilled) / 2;
}

/* Pages of files that are still to go: those of entries that went only wait to be unlinked. */
static uint64_t
evict_files_lacking(const struct change *c, const struct evict_need *need)
{
	const struct store *s = c->store;
	uint64_t ahead = s->share_bodies ? evict_files_most(c) / EVICT_LINGER_SHARE : 0;
	uint64_t have = c->file_room + c->state.doomed_bytes;
	bool lacks = need->file_bytes > 0 && need->file_bytes + ahead > have;

	return lacks ? (need->file_bytes + ahead - have) / s->page_bytes + 1 : 0;
}

/* The next that are to go. Returns: 0; -ENOENT: nothing is left to go; -ENOSPC: what is to go has
 * gone already, and is not unlinked; LMDB failed. */
static int
evict_some(struct evict_batch *b, const struct evict_need *need)
{
	struct change *c = &b->change;
	uint64_t files = evict_files_lacking(c, need);
	uint64_t doomed = c->state.doomed_bytes / c->store->page_bytes;

	if (c->page_room >= need->pages)
		return files > 0 ? evict_turn(b, EVICT_FILES, files) : -ENOSPC;
	uint64_t pages = need->pages - c->page_room + evict_ahead(c->store);
	int rc = evict_turn(b, EVICT_PAGES, pages);
	/* Files make room for pages; LMDB gives no page back that a file could have. */
	if (rc == -ENOENT && b->gone == 0)
		rc = pages > doomed ? evict_turn(b, EVICT_FILES, pages - doomed) : -ENOSPC;
	return rc;
}

/* On the way to room for one need. */
struct evict_effort {
	bool begun;
	bool patient;   /* Readers that hold back what goes are waited for. */
	bool went;      /* Pages did, in the last step, */
	uint64_t spare; /* before which there was so much. */
};

/* Whatever goes while a reader may still read it makes no room: all would go. */
static bool
evict_is_in_vain(const struct change *c, const struct evict_effort *effort)
{
	return effort->patient && effort->went && c->page_spare <= effort->spare;
}

/*
 * One step nearer.
 *
 * Returns: 1: there is room; 0: go on; -ENOENT: nothing is left to go; -ENOSPC; -EBUSY: readers
 * hold back whatever goes; LMDB failed.
 */
static int
evict_step(struct store *s, const struct evict_need *need, struct evict_effort *effort)
{
	struct evict_batch b;
	struct change *c = &b.change;
	int rc = evict_begin(s, &b);

	if (rc != 0)
		return rc;
	if (need->file_bytes > 0)
		room_measure_disk(c);
	bool met = evict_is_met(c, need);
	if (met && evict_files_lacking(c, need) == 0) {
		change_abort(c);
		return 1;
	}
	if (c->held_back || evict_is_in_vain(c, effort))
		return evict_end(&b, -EBUSY);
	if (evict_is_hopeless(c, need))
		return evict_end(&b, -ENOSPC);
	/* What lingers is unlinked before anything that lives goes. */
	bool first = !effort->begun;
	effort->begun = true;
	if (!met && first && c->state.doomed_bytes + s->aside_bytes > 0) {
		change_abort(c);
		return evict_unlink(s);
	}
	effort->spare = c->page_spare;
	rc = evict_end(&b, evict_some(&b, need));
	effort->went = rc == 0 && c->page_room < need->pages;
	if (met)
		return 1;
	if (rc == 0 && c->trash_rows > 0)
		rc = evict_sweep(s);
	return rc == 0 ? evict_unlink(s) : rc;
}

/* Who reads is soon done, unless it was stopped: it is waited for, but not again and again. */
static bool
evict_waits_for_readers(struct store *s, long *ms)
{
	const struct timespec wait = { .tv_nsec = *ms * 1000000 };
	int64_t now_ms = clock_mono_ms();

	if (*ms == EVICT_WAIT_MS)
		s->vain_ms = now_ms;
	if (s->vain_ms != 0 && now_ms - s->vain_ms < EVICT_VAIN_MS)
		return false;
	nanosleep(&wait, NULL);
	*ms *= 2;
	return true;
}

static int
evict_make_room(struct store *s, const struct evict_need *need)
{
	struct evict_effort effort = { .patient = true };
	long ms = 1;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < EVICT_BATCHES; i++) {
		rc = evict_step(s, need, &effort);
		if (rc != -EBUSY)
			continue;
		bool waited = evict_waits_for_readers(s, &ms);
		rc = waited || effort.patient ? 0 : -ENOSPC;
		effort.patient = waited;
	}
	return rc == 1 ? 0 : rc == 0 ? -ENOSPC : rc;
}

/* Mostly there is room: that is seen without LMDB's lock, which others may have. */
static bool
evict_has_room(struct store *s, const struct evict_need *need)
{
	struct change c = { .store = s };

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &c.txn) != 0)
		return false;
	bool is_met = meta_read(s, c.txn, &c.state) == 0;
	if (is_met) {
		room_measure(&c);
		if (need->file_bytes > 0)
			room_measure_disk(&c);
		is_met = evict_is_met(&c, need) && evict_files_lacking(&c, need) == 0 &&
			 (s->headroom.is_full || headroom_is_there(s));
	}
	mdb_txn_abort(c.txn);
	return is_met;
}

/* Once: it may have as many files as a store has, and who opens one for a hit need not know. */
static void
evict_measure_aside(struct store *s)
{
	if (!s->aside_known)
		s->aside_bytes = aside_bytes(s->path);
	s->aside_known = true;
}

/* Where what files had when one was refused is too little for it, it is tried without regard to
 * that: there may be room by now. */
static int
evict_make_file_room(struct store *s, const struct evict_need *need)
{
	int rc = evict_make_room(s, need);

	if (rc == 0 || s->files_refused_ms == 0)
		return rc;
	s->files_refused_ms = 0;
	return evict_make_room(s, need);
}

size_t
evict_for_jobs(struct store *s, struct store_job *first, size_t n)
{
	struct store_job *job = first;
	struct evict_need need = evict_sum(s, first, &n);

	for (size_t i = 0; i < n; i++, job = job->next)
		job->file.rc = 0;
	s->headroom.asked = need.pages;
	if (need.pages == 0)
		return n;
	evict_measure_aside(s);
	if (evict_has_room(s, &need) || evict_make_room(s, &need) == 0)
		return n;
	/* A file would take the room before its transaction could say that there is none. */
	for (size_t i = 0; i < n; i++, first = first->next) {
		struct evict_need one = evict_ask(s, first);
		if (one.file_bytes > 0 && evict_make_file_room(s, &one) != 0)
			first->file.rc = -ENOSPC;
	}
	return n;
}

/* LMDB uses what a transaction freed from the next but one on: this is the one between. */
static int
evict_turn_over(struct store *s)
{
	struct change c;
	int rc = change_begin(s, &c);

	if (rc != 0)
		return rc;
	c.state.next_body++;
	return change_commit(&c);
}

int
evict_batch(struct store *s)
{
	struct evict_batch b;
	int rc = evict_begin(s, &b);

	if (rc != 0)
		return rc;
	rc = b.change.held_back ? -ENOSPC : evict_turn(&b, EVICT_PAGES, EVICT_FREED);
	rc = evict_end(&b, rc);
	if (rc == 0 && b.change.trash_rows > 0)
		rc = evict_sweep(s);
	return rc == 0 ? evict_turn_over(s) : rc;
}
