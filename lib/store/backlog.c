/* backlog.c -- Jobs that wait for the writer, within bounds: deflates first, inserts in batches. */
#include "store/backlog.h"

#include <errno.h>
#include <time.h>

/* A batch takes at most about 17 pages an insert: 2 % of a store. */
enum { BACKLOG_PAGES_AN_INSERT = 1024 };

int
backlog_init(struct backlog *b)
{
	pthread_condattr_t attributes;

	*b = (struct backlog){ .insert_batch = BACKLOG_INSERT_BATCH_LEAST,
		.gather_ms = BACKLOG_GATHER_MS };
	b->urgent.end = &b->urgent.first;
	b->inserts.end = &b->inserts.first;
	int rc = pthread_mutex_init(&b->lock, NULL);
	if (rc != 0)
		return -rc;
	pthread_condattr_init(&attributes);
	/* Deadlines do not move with the wall clock. */
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	rc = pthread_cond_init(&b->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (rc != 0)
		pthread_mutex_destroy(&b->lock);
	return -rc;
}

void
backlog_fini(struct backlog *b)
{
	pthread_cond_destroy(&b->wake);
	pthread_mutex_destroy(&b->lock);
}

void
backlog_size(struct backlog *b, uint64_t pages)
{
	uint64_t n = pages / BACKLOG_PAGES_AN_INSERT;

	if (n < BACKLOG_INSERT_BATCH_LEAST)
		n = BACKLOG_INSERT_BATCH_LEAST;
	b->insert_batch = n < BACKLOG_INSERT_BATCH ? (size_t)n : BACKLOG_INSERT_BATCH;
}

bool
backlog_is_urgent(enum store_job_kind kind)
{
	switch (kind) {
	case STORE_JOB_INTEND:
	case STORE_JOB_ABANDON:
	case STORE_JOB_DEFLATE:
	case STORE_JOB_SWITCH:
		return true;
	case STORE_JOB_INSERT:
	case STORE_JOB_FRESHEN:
	case STORE_JOB_REMOVE:
	case STORE_JOB_SPILL:
	case STORE_JOB_DISCARD:
		return false;
	}
	return false;
}

bool
backlog_is_lone(enum store_job_kind kind)
{
	return kind == STORE_JOB_SPILL || kind == STORE_JOB_DISCARD;
}

static size_t
backlog_bytes(const struct store_job *job)
{
	return job->key.bytes.len + job->variant.len + job->tags.len + job->vary.len +
	       job->head.len + job->body.len;
}

static struct backlog_list *
backlog_list_of(struct backlog *b, const struct store_job *job)
{
	return backlog_is_urgent(job->kind) ? &b->urgent : &b->inserts;
}

static bool
backlog_has_room_locked(const struct backlog *b, const struct store_job *job)
{
	if (backlog_is_urgent(job->kind))
		return b->urgent.n < BACKLOG_URGENT_MAX;
	size_t bytes = backlog_bytes(job);
	return b->inserts.n < BACKLOG_INSERTS_MAX &&
	       (b->inserts.n == 0 || (bytes <= BACKLOG_INSERT_BYTES_MAX &&
					 b->inserts.bytes <= BACKLOG_INSERT_BYTES_MAX - bytes));
}

/* Is there nothing to gain from waiting for more inserts? Who takes has finished what it took. */
static bool
backlog_is_full_locked(const struct backlog *b)
{
	return b->stopping || b->urgent.first != NULL || b->inserts.n >= b->insert_batch ||
	       b->inserts.lone > 0 || b->inserts.bytes >= BACKLOG_INSERT_BATCH_BYTES;
}

int
backlog_add(struct backlog *b, struct store_job *job)
{
	int rc = -EAGAIN;

	pthread_mutex_lock(&b->lock);
	if (!b->stopping && backlog_has_room_locked(b, job)) {
		struct backlog_list *list = backlog_list_of(b, job);
		job->next = NULL;
		*list->end = job;
		list->end = &job->next;
		list->n++;
		list->bytes += backlog_bytes(job);
		list->lone += backlog_is_lone(job->kind);
		if (!b->gathering || backlog_is_full_locked(b))
			pthread_cond_signal(&b->wake);
		rc = 0;
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* Cut the first few jobs off, at least one. */
static struct store_job *
backlog_cut_locked(struct backlog_list *list, size_t max, size_t max_bytes, size_t *n)
{
	struct store_job *first = list->first, *last = first;
	size_t bytes = backlog_bytes(first);

	bool lone = backlog_is_lone(first->kind);
	max = lone ? 1 : max;
	for (*n = 1; *n < max && last->next != NULL; ++*n) {
		if (backlog_is_lone(last->next->kind))
			break;
		bytes += backlog_bytes(last->next);
		if (bytes > max_bytes)
			break;
		last = last->next;
	}
	list->first = last->next;
	list->lone -= lone;
	last->next = NULL;
	if (list->first == NULL)
		list->end = &list->first;
	return first;
}

static void
backlog_deadline(int64_t wait_ms, struct timespec *until)
{
	clock_gettime(CLOCK_MONOTONIC, until);
	until->tv_sec += (time_t)(wait_ms / 1000);
	until->tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until->tv_nsec >= 1000000000) {
		until->tv_nsec -= 1000000000;
		until->tv_sec++;
	}
}

static bool
backlog_wait_locked(struct backlog *b, const struct timespec *until)
{
	while (b->urgent.first == NULL && b->inserts.first == NULL) {
		if (b->stopping || pthread_cond_timedwait(&b->wake, &b->lock, until) == ETIMEDOUT)
			break;
	}
	return b->urgent.first != NULL || b->inserts.first != NULL;
}

static void
backlog_gather_locked(struct backlog *b)
{
	struct timespec until;
	int rc = 0;

	if (b->inserts.n <= BACKLOG_FEW && b->last_inserts <= BACKLOG_FEW)
		return;
	backlog_deadline(b->gather_ms, &until);
	b->gathering = true;
	while (rc != ETIMEDOUT && !backlog_is_full_locked(b))
		rc = pthread_cond_timedwait(&b->wake, &b->lock, &until);
	b->gathering = false;
}

struct store_job *
backlog_take(struct backlog *b, int64_t wait_ms, size_t *n, bool *stopped)
{
	struct store_job *jobs = NULL;
	struct timespec until;

	backlog_deadline(wait_ms, &until);
	*n = 0;
	pthread_mutex_lock(&b->lock);
	bool any = backlog_wait_locked(b, &until);
	if (b->inserts.first != NULL)
		backlog_gather_locked(b);
	bool urgent = b->urgent.first != NULL && (!b->urgent_was_last || b->inserts.first == NULL);
	if (any && urgent)
		jobs = backlog_cut_locked(&b->urgent, BACKLOG_URGENT_BATCH, SIZE_MAX, n);
	else if (any)
		jobs =
		    backlog_cut_locked(&b->inserts, b->insert_batch, BACKLOG_INSERT_BATCH_BYTES, n);
	if (!urgent)
		b->last_inserts = *n;
	b->urgent_was_last = urgent;
	*stopped = !any && b->stopping;
	pthread_mutex_unlock(&b->lock);
	return jobs;
}

void
backlog_finish(struct backlog *b, struct store_job *job)
{
	pthread_mutex_lock(&b->lock);
	struct backlog_list *list = backlog_list_of(b, job);
	list->n--;
	list->bytes -= backlog_bytes(job);
	pthread_mutex_unlock(&b->lock);
	if (job->done != NULL)
		job->done(job);
}

void
backlog_stop(struct backlog *b)
{
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
}
