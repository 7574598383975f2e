/* lease.c -- One fetch for each key among processes: leases in a file that all of them map. */
#include "store/lease.h"

#include "base/clock.h"
#include "base/fault.h"
#include "store/leasefile.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Two processes read their clocks one after the other. */
enum { LEASE_SLACK_MS = 1000 };
/* What a backend's failure may be: nothing else in the file is believed. */
enum { LEASE_FAILED_MIN = 500, LEASE_FAILED_MAX = 599 };

struct leases {
	pthread_mutex_t lock;
	/* Guarded by lock. */
	struct leasefile *now; /* And behind it those it replaced, while they are in use. */
	pthread_cond_t changed;
	struct lease_wait *waits;
	pthread_t keeper;
	bool has_keeper;
	bool stopping;
};

/* What one look at the waits has found out about processes. */
enum lease_life { LEASE_LIFE_UNKNOWN, LEASE_LIFE_ALIVE, LEASE_LIFE_DEAD };

static struct lease_slot *
lease_slot_of(const struct leasefile *t, uint64_t hash)
{
	return &t->file->slots[hash % LEASE_SLOTS];
}

static uint64_t
lease_new_word(struct leasefile *t, uint64_t hash)
{
	uint64_t serial;

	do
		serial = (atomic_fetch_add(&t->serial, 1) + 1) & LEASE_SERIAL_MASK;
	while (serial == 0);
	return hash >> LEASE_TAG_SHIFT << LEASE_TAG_SHIFT |
	       (uint64_t)t->process << LEASE_PROCESS_SHIFT | serial;
}

static bool
lease_is_late(struct lease_slot *slot, int64_t now_ms)
{
	int64_t deadline_ms = atomic_load(&slot->deadline_ms);

	return (deadline_ms <= now_ms || deadline_ms - now_ms > LEASE_MS + LEASE_SLACK_MS) &&
	       !fault_is("lease-deadline");
}

/* ---- Following the store --------------------------------------------------------------------- */

int
leases_new(struct leases **out)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	*out = l;
	return 0;
}

/* Take out the files that were replaced and that nobody uses any more. */
static struct leasefile *
lease_pick_unused_locked(struct leases *l)
{
	struct leasefile *unused = NULL;

	for (struct leasefile **at = &l->now->older; *at != NULL;) {
		struct leasefile *t = *at;
		if (t->users > 0) {
			at = &t->older;
			continue;
		}
		*at = t->older;
		t->older = unused;
		unused = t;
	}
	return unused;
}

static void
lease_close_all(struct leasefile *t)
{
	while (t != NULL) {
		struct leasefile *next = t->older;
		leasefile_close(t);
		t = next;
	}
}

int
leases_attach(struct leases *l, const char *path)
{
	struct leasefile *t = NULL;
	int rc = 0;

	if (l->now == NULL || !leasefile_is_in(l->now, path))
		rc = leasefile_open(path, &t);
	pthread_mutex_lock(&l->lock);
	if (t != NULL) {
		t->older = l->now;
		l->now = t;
	}
	struct leasefile *unused = l->now == NULL ? NULL : lease_pick_unused_locked(l);
	pthread_mutex_unlock(&l->lock);
	lease_close_all(unused);
	return rc;
}

/* The file in use, which lease_leave() gives back; NULL: there is none. */
static struct leasefile *
lease_use(struct leases *l)
{
	pthread_mutex_lock(&l->lock);
	struct leasefile *t = l->now;
	if (t != NULL)
		t->users++;
	pthread_mutex_unlock(&l->lock);
	return t;
}

static void
lease_leave(struct leases *l, struct leasefile *t)
{
	pthread_mutex_lock(&l->lock);
	t->users--;
	pthread_mutex_unlock(&l->lock);
}

void
leases_stop(struct leases *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	bool has_keeper = l->has_keeper;
	l->stopping = true;
	l->has_keeper = false;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
	if (has_keeper)
		pthread_join(l->keeper, NULL);
	l->waits = NULL;
}

void
leases_free(struct leases *l)
{
	if (l == NULL)
		return;
	leases_stop(l);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	lease_close_all(l->now);
	free(l);
}

/* ---- Taking and giving back ----------------------------------------------------------------- */

static bool
lease_has_mark(const struct leasefile *t, uint64_t hash)
{
	uint64_t alone = atomic_load(&lease_slot_of(t, hash)->alone);
	uint32_t left = (uint32_t)alone - (uint32_t)(clock_mono_ms() >> LEASE_ALONE_SHIFT);

	return alone >> LEASE_TAG_SHIFT == hash >> LEASE_TAG_SHIFT && left > 0 &&
	       left <= (LEASE_ALONE_MS >> LEASE_ALONE_SHIFT) + 1;
}

/* Who holds it, and may that be waited for? */
static enum lease_verdict
lease_look(const struct leasefile *t, uint64_t hash, uint64_t word)
{
	struct lease_slot *slot = lease_slot_of(t, hash);

	if (word >> LEASE_TAG_SHIFT != hash >> LEASE_TAG_SHIFT)
		return LEASE_NONE;
	if (leasefile_process_of(word) == t->process)
		return LEASE_OWN;
	return leasefile_process_lives(t, leasefile_process_of(word)) &&
		       atomic_load(&slot->word) == word
		   ? LEASE_OTHER
		   : LEASE_TAKEN;
}

static enum lease_verdict
lease_take_in(struct leasefile *t, uint64_t hash, uint64_t sequence, uint64_t overtake,
    struct lease *out, struct lease *other)
{
	struct lease_slot *slot = lease_slot_of(t, hash);
	int64_t now_ms = clock_mono_ms();
	uint64_t word = atomic_load(&slot->word), ours = lease_new_word(t, hash);

	for (;;) {
		if (word != 0 && word != overtake && !lease_is_late(slot, now_ms)) {
			enum lease_verdict verdict = lease_look(t, hash, word);
			if (verdict == LEASE_OTHER || verdict == LEASE_OWN)
				*other = (struct lease){ t, hash, word,
					atomic_load(&slot->sequence), 0 };
			if (verdict != LEASE_TAKEN)
				return verdict;
		}
		/* Before the word, so that nobody takes a new lease for a late one. */
		atomic_store(&slot->deadline_ms, now_ms + LEASE_MS);
		atomic_store(&slot->sequence, sequence);
		if (atomic_compare_exchange_strong(&slot->word, &word, ours))
			break;
	}
	/* Another may have tried meanwhile, and left its own. */
	atomic_store(&slot->sequence, sequence);
	atomic_fetch_add(&t->file->held[t->process], 1);
	*out = (struct lease){ t, hash, ours, sequence, atomic_load(&slot->stored) };
	/* Who waited for the one that was overtaken waits for nothing. */
	if (word != 0 && atomic_load(&t->file->waiting) > 0)
		leasefile_ring(t);
	return LEASE_TAKEN;
}

bool
lease_is_alone(struct leases *l, uint64_t hash)
{
	struct leasefile *t = lease_use(l);

	if (t == NULL)
		return true;
	bool alone = lease_has_mark(t, hash) && !fault_is("lease-alone");
	lease_leave(l, t);
	return alone;
}

enum lease_verdict
lease_take(struct leases *l, uint64_t hash, uint64_t sequence, uint64_t overtake, struct lease *out,
    struct lease *other)
{
	struct leasefile *t = lease_use(l);

	if (t == NULL)
		return LEASE_NONE;
	enum lease_verdict verdict = lease_take_in(t, hash, sequence, overtake, out, other);
	if (verdict != LEASE_TAKEN)
		lease_leave(l, t);
	return verdict;
}

bool
lease_is_ours(const struct lease *lease)
{
	return atomic_load(&lease_slot_of(lease->file, lease->hash)->word) == lease->word;
}

void
lease_set_sequence(struct lease *lease, uint64_t sequence)
{
	lease->sequence = sequence;
	if (lease_is_ours(lease))
		atomic_store(&lease_slot_of(lease->file, lease->hash)->sequence, sequence);
}

void
lease_set_stored(const struct lease *lease, uint64_t snapshot)
{
	if (lease_is_ours(lease))
		atomic_store(&lease_slot_of(lease->file, lease->hash)->stored, snapshot);
}

void
lease_renew(const struct lease *lease)
{
	if (lease_is_ours(lease))
		atomic_store(&lease_slot_of(lease->file, lease->hash)->deadline_ms,
		    clock_mono_ms() + LEASE_MS);
}

void
lease_release(struct leases *l, struct lease *lease, bool alone)
{
	struct leasefile *t = lease->file;
	struct lease_slot *slot = lease_slot_of(t, lease->hash);
	uint64_t word = lease->word;

	if (alone && lease_is_ours(lease)) {
		uint32_t until =
		    (uint32_t)((clock_mono_ms() + LEASE_ALONE_MS) >> LEASE_ALONE_SHIFT);
		atomic_store(
		    &slot->alone, lease->hash >> LEASE_TAG_SHIFT << LEASE_TAG_SHIFT | until);
	}
	bool was_ours = atomic_compare_exchange_strong(&slot->word, &word, 0);
	atomic_fetch_sub(&t->file->held[t->process], 1);
	*lease = (struct lease){ 0 };
	if (was_ours && atomic_load(&t->file->waiting) > 0)
		leasefile_ring(t);
	lease_leave(l, t);
}

void
lease_fail(struct leases *l, struct lease *lease, unsigned status)
{
	/* Before it is given back: who sees the one sees the other. */
	if (lease_is_ours(lease))
		atomic_store(
		    &lease_slot_of(lease->file, lease->hash)->failure, lease->word << 32 | status);
	lease_release(l, lease, false);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static bool
lease_wait_is_over(
    const struct leasefile *t, const struct lease_wait *wait, int64_t now_ms, char *lives)
{
	/* In a file that was replaced nobody gives back what we would see. */
	if (wait->other.file != t)
		return true;
	struct lease_slot *slot = lease_slot_of(t, wait->other.hash);
	unsigned process = leasefile_process_of(wait->other.word);

	if (atomic_load(&slot->word) != wait->other.word || now_ms >= wait->until_ms ||
	    lease_is_late(slot, now_ms))
		return true;
	/* Many may wait for one process: it is asked after once. */
	if (lives[process] == LEASE_LIFE_UNKNOWN)
		lives[process] =
		    leasefile_process_lives(t, process) ? LEASE_LIFE_ALIVE : LEASE_LIFE_DEAD;
	return lives[process] == LEASE_LIFE_DEAD;
}

/* With which status the fetch failed that it waited for; 0: it did not, or nobody knows. */
static unsigned
lease_failure(const struct leasefile *t, const struct lease *other)
{
	if (other->file != t)
		return 0;
	uint64_t failure = atomic_load(&lease_slot_of(t, other->hash)->failure);
	uint32_t status = (uint32_t)failure;

	if (failure >> 32 != (uint32_t)other->word || fault_is("lease-failure"))
		return 0;
	return status >= LEASE_FAILED_MIN && status <= LEASE_FAILED_MAX ? status : 0;
}

/* Take those out whose wait is over. */
static struct lease_wait *
lease_pick_locked(struct leases *l)
{
	char lives[LEASE_PROCESSES] = { LEASE_LIFE_UNKNOWN };
	int64_t now_ms = clock_mono_ms();
	struct leasefile *t = l->now;
	struct lease_wait *over = NULL;

	for (struct lease_wait **at = &l->waits; *at != NULL;) {
		struct lease_wait *wait = *at;
		if (!lease_wait_is_over(t, wait, now_ms, lives)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		wait->failed_status = lease_failure(t, &wait->other);
		wait->next = over;
		over = wait;
		if (wait->other.file == t)
			atomic_fetch_sub(&t->file->waiting, 1);
	}
	return over;
}

static void *
lease_keep(void *context)
{
	const struct timespec tick = { .tv_nsec = LEASE_TICK_MS * 1000000L };
	struct leases *l = context;

	pthread_mutex_lock(&l->lock);
	while (!l->stopping) {
		if (l->waits == NULL) {
			pthread_cond_wait(&l->changed, &l->lock);
			continue;
		}
		struct leasefile *t = l->now;
		t->users++;
		uint32_t heard = atomic_load(&t->file->bell);
		struct lease_wait *over = lease_pick_locked(l);
		pthread_mutex_unlock(&l->lock);
		if (over == NULL)
			syscall(SYS_futex, &t->file->bell, FUTEX_WAIT, heard, &tick, NULL, 0);
		while (over != NULL) {
			struct lease_wait *wait = over;
			over = wait->next;
			wait->told(wait);
		}
		pthread_mutex_lock(&l->lock);
		t->users--;
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int
lease_await(struct leases *l, struct lease_wait *wait)
{
	pthread_mutex_lock(&l->lock);
	if (!l->has_keeper && !l->stopping)
		l->has_keeper = pthread_create(&l->keeper, NULL, lease_keep, l) == 0;
	bool kept = l->has_keeper && wait->other.file == l->now;
	if (kept) {
		atomic_fetch_add(&l->now->file->waiting, 1);
		wait->next = l->waits;
		l->waits = wait;
		pthread_cond_signal(&l->changed);
	}
	pthread_mutex_unlock(&l->lock);
	return kept ? 0 : -EAGAIN;
}
