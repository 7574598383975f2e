/* writer.c -- The thread that owns this process's write transactions, and its housekeeping. */
#include "store/bodysweep.h"
#include "store/evict.h"
#include "store/spill.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <time.h>

enum { WRITER_CHECK_MS = 10000, WRITER_SWEEP_MS = 1, WRITER_WALK_MS = 600000 };

/* Writer thread only. */
struct writer {
	struct store *store;
	int64_t check_ms; /* When the next check of readers and intents is due. */
	bool sweep;       /* There is trash. */
	bool prune;       /* There are too many deflates on record. */
	bool doomed;      /* There are body files to unlink. */
	bool dead;        /* The search for entries of no more use is not over. */
	struct evict_search search;
	bool orphans; /* The walk that looks for body files of no entry is not over. */
	struct bodysweep walk;
	int64_t walk_ms; /* When it begins anew. */
};

static void
writer_log(const struct store *s, const char *doing, int rc)
{
	if (rc != 0)
		log_error("store %s: %s: %s", s->path, doing, strerror(-rc));
}

/* One of them may be too much where the others are not: once more, each by itself. */
static void
writer_run_each(struct store *s, struct store_job *first, size_t n)
{
	struct change end;

	for (size_t i = 0; i < n; i++, first = first->next)
		(void)!jobs_run(s, first, 1, &end);
}

static void
writer_run_lone(struct store *s, struct store_job *job)
{
	(void)evict_for_jobs(s, job, 1);
	spill_run(s, job);
	jobs_account(s, job);
	backlog_finish(&s->backlog, job);
}

/* As many as find room together. Returns the next. */
static struct store_job *
writer_run_some(struct writer *w, struct store_job *first, size_t *left)
{
	struct store *s = w->store;
	size_t n = evict_for_jobs(s, first, *left);
	struct change end;

	*left -= n;
	bodyfile_prepare(s, first, n);
	int rc = jobs_run(s, first, n, &end);
	if (rc != 0 && n > 1 && !end.committed)
		writer_run_each(s, first, n);
	bodyfile_settle(s, first, n);
	w->sweep = end.trash_rows > 0 || w->sweep;
	w->prune = end.deflated_rows > s->deflated_max || w->prune;
	while (n-- > 0) {
		struct store_job *next = first->next;
		jobs_account(s, first);
		backlog_finish(&s->backlog, first);
		first = next;
	}
	return first;
}

static void
writer_run(struct writer *w, struct store_job *jobs, size_t n)
{
	while (n > 0)
		jobs = writer_run_some(w, jobs, &n);
}

static void
writer_check(struct writer *w)
{
	int dead;

	w->check_ms = clock_mono_ms() + WRITER_CHECK_MS;
	writer_log(
	    w->store, "checking reader slots", store_error(mdb_reader_check(w->store->env, &dead)));
	w->doomed = true;
	w->dead = true;
	if (spilled_forget_dead(w->store))
		w->walk_ms = 0;
	writer_log(w->store, "deflating what dead processes announced", intent_recover(w->store));
}

static void
writer_tidy_files(struct writer *w)
{
	if (w->doomed)
		writer_log(w->store, "unlinking old body files",
		    bodysweep_doomed(w->store, clock_wall_s(), BODYFILE_LINGER_S, &w->doomed));
	if (!w->orphans && clock_mono_ms() >= w->walk_ms) {
		bodysweep_end(&w->walk);
		w->walk_ms = clock_mono_ms() + WRITER_WALK_MS;
		w->orphans = true;
	}
	if (w->orphans)
		w->orphans = bodysweep_step(&w->walk, w->store);
}

static void
writer_tidy(struct writer *w)
{
	if (clock_mono_ms() >= w->check_ms)
		writer_check(w);
	writer_tidy_files(w);
	if (w->prune)
		writer_log(w->store, "pruning deflates", prune_run(w->store));
	w->prune = false;
	if (w->dead)
		w->dead = evictdead_run(w->store, &w->search);
	if (w->sweep)
		writer_log(w->store, "deleting old bodies", trash_sweep(w->store, &w->sweep));
}

static void *
writer_main(void *context)
{
	struct writer w = { .store = context, .sweep = true };
	bool stopped = false;
	size_t n;

	while (!stopped) {
		bool busy = w.sweep || w.doomed || w.dead || w.orphans;
		int64_t wait_ms = busy ? WRITER_SWEEP_MS : w.check_ms - clock_mono_ms();
		struct store_job *jobs =
		    backlog_take(&w.store->backlog, wait_ms > 0 ? wait_ms : 0, &n, &stopped);
		if (n > 0 && backlog_is_lone(jobs->kind))
			writer_run_lone(w.store, jobs);
		else if (n > 0)
			writer_run(&w, jobs, n);
		if (!stopped)
			writer_tidy(&w);
	}
	bodysweep_end(&w.walk);
	return NULL;
}

int
store_writer_start(struct store *s)
{
	int rc = pthread_create(&s->writer, NULL, writer_main, s);

	s->has_writer = rc == 0;
	return -rc;
}

bool
store_writer_leave(struct store *s, const struct timespec *until)
{
	backlog_stop(&s->backlog);
	if (s->has_writer && pthread_clockjoin_np(s->writer, NULL, CLOCK_MONOTONIC, until) != 0)
		return false;
	s->has_writer = false;
	return true;
}

void
store_writer_stop(struct store *s)
{
	backlog_stop(&s->backlog);
	if (s->has_writer)
		pthread_join(s->writer, NULL);
	s->has_writer = false;
}

int
store_submit(struct store *s, struct store_job *job)
{
	return backlog_add(&s->backlog, job);
}

int
store_do(struct store *s, struct store_job *job)
{
	struct change end;
	int rc;

	job->next = NULL;
	(void)evict_for_jobs(s, job, 1);
	if (backlog_is_lone(job->kind)) {
		spill_run(s, job);
		jobs_account(s, job);
		return job->rc;
	}
	bodyfile_prepare(s, job, 1);
	rc = jobs_run(s, job, 1, &end);
	bodyfile_settle(s, job, 1);
	jobs_account(s, job);
	if (rc == 0 && end.deflated_rows > s->deflated_max)
		writer_log(s, "pruning deflates", prune_run(s));
	return job->rc;
}
