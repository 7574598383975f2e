/* pending.c -- A request that waits for the writer, and jobs that nobody waits for. */
#include "pending.h"

#include "base/clock.h"
#include "conn.h"

#include <errno.h>
#include <stdlib.h>

/* Lives until the writer is done with the job, whether or not its exchange still does. */
struct pending {
	struct store_job job;
	struct message message;
	struct timer patience;
	struct worker *worker;
	struct exchange *x; /* NULL: nobody waits any more. */
	void (*then)(struct exchange *x, const struct store_job *job, int rc);
	struct arena arena;
};

#define PENDING_OF(pointer, member)                                                                \
	((struct pending *)((char *)(pointer)-offsetof(struct pending, member)))

static void
pending_free(struct pending *p)
{
	timer_clear(&p->worker->timers, &p->patience);
	arena_fini(&p->arena);
	free(p);
}

static void
pending_tell(struct pending *p, int rc)
{
	struct exchange *x = p->x;

	p->x = NULL;
	if (x == NULL)
		return;
	x->pending = NULL;
	p->then(x, &p->job, rc);
}

static void
pending_landed(struct worker *worker, struct message *message)
{
	struct pending *p = PENDING_OF(message, message);

	(void)worker;
	pending_tell(p, p->job.rc);
	pending_free(p);
}

static void
pending_done(struct store_job *job)
{
	struct pending *p = job->owner;
	worker_post(p->worker, &p->message);
}

static void
pending_late(struct timer *timer)
{
	pending_tell(PENDING_OF(timer, patience), -ETIMEDOUT);
}

static struct slice
pending_copy(struct pending *p, struct slice s, bool *good)
{
	char *at = arena_copy(&p->arena, s);
	*good = *good && at != NULL;
	return (struct slice){ at, s.len };
}

static struct pending *
pending_new(struct worker *worker, const struct store_job *job)
{
	struct pending *p = calloc(1, sizeof(*p));
	bool good = true;

	if (p == NULL)
		return NULL;
	p->worker = worker;
	p->message.run = pending_landed;
	p->patience.fire = pending_late;
	p->job = *job;
	p->job.owner = p;
	p->job.done = pending_done;
	struct scope *scopes = arena_alloc(&p->arena, (job->n_scopes + 1) * sizeof(*scopes));
	good = scopes != NULL;
	for (size_t i = 0; i < job->n_scopes && good; i++)
		scopes[i] = (struct scope){ job->scopes[i].kind,
			pending_copy(p, job->scopes[i].bytes, &good) };
	p->job.scopes = scopes;
	p->job.key.bytes = pending_copy(p, job->key.bytes, &good);
	p->job.variant = pending_copy(p, job->variant, &good);
	p->job.bloat = pending_copy(p, slice_of(job->bloat), &good).at;
	if (!good) {
		pending_free(p);
		return NULL;
	}
	return p;
}

int
pending_start(struct exchange *x, const struct store_job *job,
    void (*then)(struct exchange *x, const struct store_job *job, int rc))
{
	struct pending *p = pending_new(x->worker, job);

	if (p == NULL)
		return -ENOMEM;
	int rc = timer_set(&x->worker->timers, &p->patience, clock_mono_ms() + PENDING_MS);
	if (rc == 0)
		rc = keeper_submit(x->worker->all->store, &p->job);
	if (rc != 0) {
		pending_free(p);
		return rc;
	}
	p->x = x;
	p->then = then;
	x->pending = p;
	conn_wait(x);
	return 0;
}

void
pending_leave(struct exchange *x)
{
	x->pending->x = NULL;
	x->pending = NULL;
}

void
pending_remove(struct exchange *x, struct slice variant)
{
	struct store_job job = { .kind = STORE_JOB_REMOVE, .key = x->plan.key, .variant = variant };
	struct pending *p = pending_new(x->worker, &job);

	if (p != NULL && keeper_submit(x->worker->all->store, &p->job) != 0)
		pending_free(p);
}
