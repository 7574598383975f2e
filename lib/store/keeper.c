/* keeper.c -- Keeps a store open while its disk may fail: tries again, and moves to a new one. */
#include "store/keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/store_internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	KEEPER_TICK_MS = 250,
	KEEPER_SAY_MS = 60000, /* How often the same complaint is made. */
	KEEPER_BUSY_MS = 1000, /* A commit that takes longer holds others up. */
	KEEPER_PAUSE_NS = 1000000,
	KEEPER_LEAVE_S = 2
};

struct keeper {
	/* Set once by keeper_new(). */
	struct store_options options;
	char *path;
	struct leases *leases;
	pthread_t thread;
	bool has_thread;
	/* Any thread. */
	_Atomic uint64_t generation; /* Of `store`: it changed where a reader's differs. */
	_Atomic int rc;              /* Why there is no store. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Guarded by lock. */
	struct store *store; /* NULL: none can be opened. */
	struct store_reader *readers;
	bool stopping;
	/* The watching thread's, or keeper_new()'s before there is one. */
	char said[STORE_WHY_SIZE];
	int64_t said_ms;
	int leases_rc;
};

/* ---- Readers -------------------------------------------------------------------------------- */

int
keeper_reader_new(struct keeper *k, struct store_reader **out)
{
	struct store_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return -ENOMEM;
	r->keeper = k;
	pthread_mutex_lock(&k->lock);
	r->next = k->readers;
	k->readers = r;
	pthread_mutex_unlock(&k->lock);
	*out = r;
	return 0;
}

void
keeper_forget(struct store_reader *r)
{
	struct keeper *k = r->keeper;

	pthread_mutex_lock(&k->lock);
	struct store_reader **link = &k->readers;
	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	reader_unbind(r);
	pthread_mutex_unlock(&k->lock);
}

static int
keeper_rebind(struct store_reader *r)
{
	struct keeper *k = r->keeper;

	pthread_mutex_lock(&k->lock);
	reader_unbind(r);
	uint64_t generation = atomic_load(&k->generation);
	int rc = k->store == NULL ? -EIO : reader_bind(r, k->store);
	/* Without a slot the next request tries again. */
	r->generation = rc == 0 || k->store == NULL ? generation : 0;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

/*
 * keeper_detach() writes `generation` and then looks at `busy`; this does it the other way round.
 * So one of them sees the other.
 */
int
keeper_enter(struct store_reader *r)
{
	atomic_store(&r->busy, true);
	int rc = 0;
	if (atomic_load(&r->keeper->generation) != r->generation)
		rc = keeper_rebind(r);
	else if (r->store == NULL)
		rc = -EIO;
	if (rc != 0) {
		atomic_store(&r->busy, false);
		metric_add(METRIC_STORE_ERRORS, 1);
	}
	return rc;
}

/* Take the store out of the hands of all who read. Nothing waits in a snapshot, so it is short. */
static void
keeper_detach(struct keeper *k, struct store *old)
{
	const struct timespec pause = { .tv_nsec = KEEPER_PAUSE_NS };
	bool busy = true;

	while (busy) {
		busy = false;
		pthread_mutex_lock(&k->lock);
		for (struct store_reader *r = k->readers; r != NULL; r = r->next) {
			if (r->store != old)
				continue;
			if (atomic_load(&r->busy))
				busy = true;
			else
				reader_unbind(r);
		}
		pthread_mutex_unlock(&k->lock);
		if (busy)
			nanosleep(&pause, NULL);
	}
}

/* ---- The store ------------------------------------------------------------------------------ */

static void
keeper_put(struct keeper *k, struct store *store, int rc)
{
	pthread_mutex_lock(&k->lock);
	k->store = store;
	atomic_store(&k->rc, rc);
	atomic_fetch_add(&k->generation, 1);
	pthread_mutex_unlock(&k->lock);
}

static void
keeper_complain(struct keeper *k, const char *why)
{
	int64_t now_ms = clock_mono_ms();

	if (strcmp(why, k->said) == 0 && now_ms < k->said_ms + KEEPER_SAY_MS)
		return;
	snprintf(k->said, sizeof(k->said), "%s", why);
	k->said_ms = now_ms;
	log_error("%s; requests pass to the backend until it is mended", why);
}

/* Fetches are shared with whoever has the same store, in a file beside it. */
static void
keeper_attach_leases(struct keeper *k)
{
	int rc = leases_attach(k->leases, k->path);

	if (rc != 0 && rc != k->leases_rc)
		log_warn("store %s: leases: %s; fetches are not shared with other processes",
		    k->path, strerror(-rc));
	k->leases_rc = rc;
}

static void
keeper_open(struct keeper *k)
{
	struct store *store = NULL;
	char why[STORE_WHY_SIZE];
	int rc = store_open(&store, &k->options, why);

	if (rc == 0) {
		rc = store_writer_start(store);
		if (rc != 0)
			snprintf(why, sizeof(why), "store %s: cannot start its writer: %s", k->path,
			    strerror(-rc));
	}
	if (rc != 0) {
		store_close(store);
		store = NULL;
		keeper_complain(k, why);
	} else if (k->said[0] != '\0') {
		log_info("store %s: open again", k->path);
		k->said[0] = '\0';
	}
	if (rc == 0) {
		k->options.distrusted = false;
		keeper_attach_leases(k);
	}
	keeper_put(k, store, rc);
}

/* LMDB must not have one file open twice in a process: the old store is closed before the next. */
static void
keeper_reopen(struct keeper *k, const char *why)
{
	struct store *old = k->store;

	k->options.distrusted = atomic_load(&old->health.distrusted);
	keeper_complain(k, why);
	keeper_put(k, NULL, -EIO);
	keeper_detach(k, old);
	store_close(old);
	keeper_open(k);
}

static void
keeper_tick(struct keeper *k)
{
	char why[STORE_WHY_SIZE];

	if (k->store == NULL)
		keeper_open(k);
	else if (health_examine(k->store, why) != 0)
		keeper_reopen(k, why);
	else
		keeper_attach_leases(k);
}

static bool
keeper_wait(struct keeper *k)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += KEEPER_TICK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&k->lock);
	while (!k->stopping && pthread_cond_timedwait(&k->wake, &k->lock, &until) != ETIMEDOUT)
		;
	bool stopping = k->stopping;
	pthread_mutex_unlock(&k->lock);
	return !stopping;
}

static void *
keeper_main(void *context)
{
	while (keeper_wait(context))
		keeper_tick(context);
	return NULL;
}

/* ---- Making and ending ---------------------------------------------------------------------- */

static int
keeper_init(struct keeper *k, const struct store_options *options)
{
	pthread_condattr_t attributes;

	k->options = *options;
	k->path = strdup(options->path);
	k->options.path = k->path;
	atomic_init(&k->generation, 1);
	if (k->path == NULL || leases_new(&k->leases) != 0)
		return -ENOMEM;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	int rc = pthread_cond_init(&k->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	if (rc != 0)
		return -rc;
	rc = pthread_mutex_init(&k->lock, NULL);
	if (rc != 0)
		pthread_cond_destroy(&k->wake);
	return -rc;
}

int
keeper_new(const struct store_options *options, bool watch, struct keeper **out)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int rc = k == NULL ? -ENOMEM : keeper_init(k, options);

	if (rc != 0) {
		if (k != NULL) {
			leases_free(k->leases);
			free(k->path);
		}
		free(k);
		return rc;
	}
	keeper_open(k);
	rc = watch ? -pthread_create(&k->thread, NULL, keeper_main, k) : 0;
	k->has_thread = watch && rc == 0;
	if (rc != 0) {
		keeper_free(k);
		return rc;
	}
	*out = k;
	return 0;
}

bool
keeper_stop(struct keeper *k)
{
	struct timespec until;

	if (k == NULL)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += KEEPER_LEAVE_S;
	pthread_mutex_lock(&k->lock);
	k->stopping = true;
	pthread_cond_signal(&k->wake);
	pthread_mutex_unlock(&k->lock);
	if (k->has_thread && pthread_clockjoin_np(k->thread, NULL, CLOCK_MONOTONIC, &until) != 0)
		return false;
	k->has_thread = false;
	if (k->store != NULL && !store_writer_leave(k->store, &until))
		return false;
	leases_stop(k->leases);
	return true;
}

void
keeper_free(struct keeper *k)
{
	if (k == NULL)
		return;
	store_close(k->store);
	leases_free(k->leases);
	pthread_cond_destroy(&k->wake);
	pthread_mutex_destroy(&k->lock);
	free(k->path);
	free(k);
}

struct leases *
keeper_leases(struct keeper *k)
{
	return k->leases;
}

int
keeper_submit(struct keeper *k, struct store_job *job)
{
	pthread_mutex_lock(&k->lock);
	int rc = k->store == NULL ? -EIO : store_submit(k->store, job);
	pthread_mutex_unlock(&k->lock);
	return rc;
}

static const char *
keeper_why_closed(int rc)
{
	switch (rc) {
	case -EROFS:
		return "store-readonly";
	case -EACCES:
		return "store-denied";
	case -EAGAIN:
		return "store-readers-full";
	case -ENOSPC:
		return "store-full";
	default:
		return "store-unavailable";
	}
}

const char *
keeper_trouble(struct keeper *k)
{
	const char *trouble = NULL;

	pthread_mutex_lock(&k->lock);
	if (k->store == NULL)
		trouble = keeper_why_closed(atomic_load(&k->rc));
	else
		trouble = health_trouble(k->store, clock_mono_ms() - KEEPER_BUSY_MS);
	pthread_mutex_unlock(&k->lock);
	return trouble;
}
