/* lease.c -- One fetch for each key among processes: leases in a file that all of them map. */
#include "store/lease.h"

#include "base/clock.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LEASE_SLOTS = 16384, LEASE_PROCESSES = 1024, LEASE_PATH_MAX = 4096, LEASE_BLOCK = 512 };
/* Two processes read their clocks one after the other. */
enum { LEASE_SLACK_MS = 1000 };
enum { LEASE_TAG_SHIFT = 32, LEASE_PROCESS_SHIFT = 22, LEASE_ALONE_SHIFT = 6 };
enum { LEASE_SERIAL_MASK = (1 << LEASE_PROCESS_SHIFT) - 1 };
/* What a backend's failure may be: nothing else in the file is believed. */
enum { LEASE_FAILED_MIN = 500, LEASE_FAILED_MAX = 599 };

struct lease_slot {
	_Atomic uint64_t word;     /* tag << 32 | process << 22 | serial; 0: free. */
	_Atomic uint64_t sequence; /* Of the word's fetch. */
	_Atomic int64_t deadline_ms;
	_Atomic uint64_t alone;   /* tag << 32 | until when, in units of 64 ms. */
	_Atomic uint64_t failure; /* Lower half of its word << 32 | status. */
};

struct lease_file {
	_Atomic uint32_t bell;    /* A futex: changes whenever a lease was given back. */
	_Atomic uint32_t waiting; /* Who would hear it; too many, where one was killed. */
	_Atomic uint32_t held[LEASE_PROCESSES]; /* Not 0: it ended without giving all back. */
	struct lease_slot slots[LEASE_SLOTS];
};

struct leases {
	/* Set once by leases_open(). */
	int fd;
	struct lease_file *file;
	unsigned process; /* Our number. */
	/* Any thread. */
	_Atomic uint32_t serial;
	pthread_mutex_t lock;
	/* Guarded by lock. */
	pthread_cond_t changed;
	struct lease_wait *waits;
	pthread_t keeper;
	bool has_keeper;
	bool stopping;
};

/* What one look at the waits has found out about processes. */
enum lease_life { LEASE_LIFE_UNKNOWN, LEASE_LIFE_ALIVE, LEASE_LIFE_DEAD };

static struct lease_slot *
lease_slot_of(struct leases *l, uint64_t hash)
{
	return &l->file->slots[hash % LEASE_SLOTS];
}

static unsigned
lease_process_of(uint64_t word)
{
	return (unsigned)(word >> LEASE_PROCESS_SHIFT) % LEASE_PROCESSES;
}

static uint64_t
lease_new_word(struct leases *l, uint64_t hash)
{
	uint64_t serial;

	do
		serial = (atomic_fetch_add(&l->serial, 1) + 1) & LEASE_SERIAL_MASK;
	while (serial == 0);
	return hash >> LEASE_TAG_SHIFT << LEASE_TAG_SHIFT |
	       (uint64_t)l->process << LEASE_PROCESS_SHIFT | serial;
}

/* Not of a lock that this process holds itself: those are never in its own way. */
static bool
lease_process_lives(struct leases *l, unsigned process)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = process, .l_len = 1
	};

	return fcntl(l->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static bool
lease_is_late(struct lease_slot *slot, int64_t now_ms)
{
	int64_t deadline_ms = atomic_load(&slot->deadline_ms);

	return deadline_ms <= now_ms || deadline_ms - now_ms > LEASE_MS + LEASE_SLACK_MS;
}

static void
lease_ring(struct leases *l)
{
	atomic_fetch_add(&l->file->bell, 1);
	syscall(SYS_futex, &l->file->bell, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* ---- Opening -------------------------------------------------------------------------------- */

static int
lease_open_file(const char *directory)
{
	char path[LEASE_PATH_MAX];
	struct stat st;
	int len = snprintf(path, sizeof(path), "%s/leases", directory);

	if (len < 0 || (size_t)len >= sizeof(path))
		return -EINVAL;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	int rc = 0;
	if (fstat(fd, &st) != 0)
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
		rc = -EINVAL;
	/* Room for all of it now: a page that finds none later would end the process. */
	if (rc == 0 && st.st_blocks * LEASE_BLOCK < (blkcnt_t)sizeof(struct lease_file))
		rc = -posix_fallocate(fd, 0, sizeof(struct lease_file));
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int
lease_take_number(struct leases *l)
{
	for (l->process = 0; l->process < LEASE_PROCESSES; l->process++) {
		struct flock lock = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = l->process, .l_len = 1
		};
		if (fcntl(l->fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
	}
	return -EBUSY;
}

/* Who had our number before may have been killed: what it held must not seem to be ours. */
static void
lease_clear_number(struct leases *l)
{
	if (atomic_exchange(&l->file->held[l->process], 0) == 0)
		return;
	for (size_t i = 0; i < LEASE_SLOTS; i++) {
		uint64_t word = atomic_load(&l->file->slots[i].word);
		if (word != 0 && lease_process_of(word) == l->process)
			atomic_compare_exchange_strong(&l->file->slots[i].word, &word, 0);
	}
	lease_ring(l);
}

int
leases_open(struct leases **out, const char *path)
{
	struct leases *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return -ENOMEM;
	l->fd = lease_open_file(path);
	int rc = l->fd < 0 ? l->fd : 0;
	if (rc == 0) {
		void *at =
		    mmap(NULL, sizeof(*l->file), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
		rc = at == MAP_FAILED ? -errno : 0;
		l->file = rc == 0 ? at : NULL;
	}
	if (rc == 0)
		rc = lease_take_number(l);
	if (rc != 0) {
		if (l->file != NULL)
			munmap(l->file, sizeof(*l->file));
		if (l->fd >= 0)
			close(l->fd);
		free(l);
		return rc;
	}
	lease_clear_number(l);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->changed, NULL);
	*out = l;
	return 0;
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
	for (; l->waits != NULL; l->waits = l->waits->next)
		atomic_fetch_sub(&l->file->waiting, 1);
}

void
leases_close(struct leases *l)
{
	if (l == NULL)
		return;
	leases_stop(l);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	munmap(l->file, sizeof(*l->file));
	close(l->fd);
	free(l);
}

/* ---- Taking and giving back ----------------------------------------------------------------- */

static bool
lease_is_for_all(struct lease_slot *slot, uint64_t hash, int64_t now_ms)
{
	uint64_t alone = atomic_load(&slot->alone);
	uint32_t left = (uint32_t)alone - (uint32_t)(now_ms >> LEASE_ALONE_SHIFT);

	return alone >> LEASE_TAG_SHIFT == hash >> LEASE_TAG_SHIFT && left > 0 &&
	       left <= (LEASE_ALONE_MS >> LEASE_ALONE_SHIFT) + 1;
}

/* Who holds it, and may that be waited for? */
static enum lease_verdict
lease_look(struct leases *l, struct lease_slot *slot, uint64_t hash, uint64_t word)
{
	if (word >> LEASE_TAG_SHIFT != hash >> LEASE_TAG_SHIFT)
		return LEASE_NONE;
	if (lease_process_of(word) == l->process)
		return LEASE_OWN;
	return lease_process_lives(l, lease_process_of(word)) && atomic_load(&slot->word) == word
		   ? LEASE_OTHER
		   : LEASE_TAKEN;
}

enum lease_verdict
lease_take(struct leases *l, uint64_t hash, uint64_t sequence, uint64_t overtake, struct lease *out,
    struct lease *other)
{
	struct lease_slot *slot = lease_slot_of(l, hash);
	int64_t now_ms = clock_mono_ms();
	uint64_t word = atomic_load(&slot->word), ours = lease_new_word(l, hash);

	if (lease_is_for_all(slot, hash, now_ms))
		return LEASE_NONE;
	for (;;) {
		if (word != 0 && word != overtake && !lease_is_late(slot, now_ms)) {
			enum lease_verdict verdict = lease_look(l, slot, hash, word);
			if (verdict == LEASE_OTHER || verdict == LEASE_OWN)
				*other = (struct lease){ hash, word, atomic_load(&slot->sequence) };
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
	atomic_fetch_add(&l->file->held[l->process], 1);
	*out = (struct lease){ hash, ours, sequence };
	/* Who waited for the one that was overtaken waits for nothing. */
	if (word != 0 && atomic_load(&l->file->waiting) > 0)
		lease_ring(l);
	return LEASE_TAKEN;
}

bool
lease_is_ours(struct leases *l, const struct lease *lease)
{
	return atomic_load(&lease_slot_of(l, lease->hash)->word) == lease->word;
}

void
lease_set_sequence(struct leases *l, struct lease *lease, uint64_t sequence)
{
	lease->sequence = sequence;
	if (lease_is_ours(l, lease))
		atomic_store(&lease_slot_of(l, lease->hash)->sequence, sequence);
}

void
lease_renew(struct leases *l, const struct lease *lease)
{
	if (lease_is_ours(l, lease))
		atomic_store(
		    &lease_slot_of(l, lease->hash)->deadline_ms, clock_mono_ms() + LEASE_MS);
}

void
lease_release(struct leases *l, struct lease *lease, bool alone)
{
	struct lease_slot *slot = lease_slot_of(l, lease->hash);
	uint64_t word = lease->word;

	if (alone && lease_is_ours(l, lease)) {
		uint32_t until =
		    (uint32_t)((clock_mono_ms() + LEASE_ALONE_MS) >> LEASE_ALONE_SHIFT);
		atomic_store(
		    &slot->alone, lease->hash >> LEASE_TAG_SHIFT << LEASE_TAG_SHIFT | until);
	}
	bool was_ours = atomic_compare_exchange_strong(&slot->word, &word, 0);
	atomic_fetch_sub(&l->file->held[l->process], 1);
	*lease = (struct lease){ 0 };
	if (was_ours && atomic_load(&l->file->waiting) > 0)
		lease_ring(l);
}

void
lease_fail(struct leases *l, struct lease *lease, unsigned status)
{
	/* Before it is given back: who sees the one sees the other. */
	if (lease_is_ours(l, lease))
		atomic_store(&lease_slot_of(l, lease->hash)->failure, lease->word << 32 | status);
	lease_release(l, lease, false);
}

/* ---- Waiting -------------------------------------------------------------------------------- */

static bool
lease_wait_is_over(struct leases *l, const struct lease_wait *wait, int64_t now_ms, char *lives)
{
	struct lease_slot *slot = lease_slot_of(l, wait->other.hash);
	unsigned process = lease_process_of(wait->other.word);

	if (atomic_load(&slot->word) != wait->other.word || now_ms >= wait->until_ms ||
	    lease_is_late(slot, now_ms))
		return true;
	/* Many may wait for one process: it is asked after once. */
	if (lives[process] == LEASE_LIFE_UNKNOWN)
		lives[process] =
		    lease_process_lives(l, process) ? LEASE_LIFE_ALIVE : LEASE_LIFE_DEAD;
	return lives[process] == LEASE_LIFE_DEAD;
}

/* With which status the fetch failed that it waited for; 0: it did not, or nobody knows. */
static unsigned
lease_failure(struct leases *l, const struct lease *other)
{
	uint64_t failure = atomic_load(&lease_slot_of(l, other->hash)->failure);
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
	struct lease_wait *over = NULL;

	for (struct lease_wait **at = &l->waits; *at != NULL;) {
		struct lease_wait *wait = *at;
		if (!lease_wait_is_over(l, wait, now_ms, lives)) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		wait->failed_status = lease_failure(l, &wait->other);
		wait->next = over;
		over = wait;
		atomic_fetch_sub(&l->file->waiting, 1);
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
		uint32_t heard = atomic_load(&l->file->bell);
		struct lease_wait *over = lease_pick_locked(l);
		pthread_mutex_unlock(&l->lock);
		if (over == NULL)
			syscall(SYS_futex, &l->file->bell, FUTEX_WAIT, heard, &tick, NULL, 0);
		while (over != NULL) {
			struct lease_wait *wait = over;
			over = wait->next;
			wait->told(wait);
		}
		pthread_mutex_lock(&l->lock);
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
	bool kept = l->has_keeper;
	if (kept) {
		atomic_fetch_add(&l->file->waiting, 1);
		wait->next = l->waits;
		l->waits = wait;
		pthread_cond_signal(&l->changed);
	}
	pthread_mutex_unlock(&l->lock);
	return kept ? 0 : -EAGAIN;
}
