/* write.c -- Unsafe requests that deflate: noted before they are sent, deflated before the answer.
 */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "flight_state.h"
#include "pending.h"
#include "route/affected.h"

#include <errno.h>

bool
write_deflates(const struct flight *f)
{
	return f->plan.n_scopes > 0;
}

/* For the record. A write that no route matches still changes its URL (RFC 9111 section 4.4). */
static const char *
write_by(const struct flight *f)
{
	return f->plan.route == NULL ? "request" : route_config(f->plan.route)->name;
}

static void
write_fill_job(struct flight *f, struct flight_job *job, enum store_job_kind kind,
    void (*landed)(struct flight *f, struct store_job *job))
{
	job->landed = landed;
	job->job = (struct store_job){
		.kind = kind,
		.scopes = f->plan.scopes,
		.n_scopes = f->plan.n_scopes,
		.soft = f->plan.deflate_mode == DEFLATE_SOFT,
		.by = write_by(f),
		.intent = f->intent,
	};
	if (!f->posted)
		return;
	job->job.key = f->plan.key;
	job->job.tags = f->tags;
	job->job.sequence = f->sequence;
	job->job.store_id = f->store_id;
}

/* LMDB has no time limit: a process that is stopped with its lock would hold up every write. */
static void
write_wait(struct flight *f, void (*late)(struct timer *timer))
{
	f->writer_late.fire = late;
	if (timer_set(&f->worker->timers, &f->writer_late, clock_mono_ms() + PENDING_MS) != 0)
		log_error("out of memory: a write may wait long");
}

static void
write_send(struct flight *f)
{
	f->noted = true;
	timer_clear(&f->worker->timers, &f->writer_late);
	flight_send(f);
}

static void
write_noted(struct flight *f, struct store_job *job)
{
	/* A note that can't be made is no reason to refuse a write; its deflate still must succeed.
	 */
	if (job->rc == 0)
		f->intent = job->intent;
	else
		log_warn("what a write will deflate could not be noted: %s", strerror(-job->rc));
	if (!f->noted)
		write_send(f);
	else
		flight_turn_soon(f);
}

static void
write_note_late(struct timer *timer)
{
	struct flight *f = FLIGHT_OF(timer, writer_late);

	log_warn("what a write will deflate could not be noted: the store is busy");
	write_send(f);
}

void
write_note(struct flight *f)
{
	write_fill_job(f, &f->note, STORE_JOB_INTEND, write_noted);
	write_wait(f, write_note_late);
	if (flight_submit(f, &f->note) != 0)
		write_send(f);
}

/* The backend has done it; its client must not take the answer for "and everybody sees it". */
static void
write_give_up(struct flight *f, const char *reason)
{
	log_error("route %s: a write went through, but what it changes could not be deflated: %s; "
		  "run: dory deflate",
	    write_by(f), reason);
	f->held = false;
	f->end = FETCH_FAILED;
	f->fail_status = 503;
	f->why = "the change was made, but the cache could not be told; pages may be old";
	f->state = FLIGHT_FAILED;
	if (f->fetch != NULL)
		fetch_cancel(f->fetch);
	flight_turn_soon(f);
}

static void
write_deflated(struct flight *f, struct store_job *job)
{
	timer_clear(&f->worker->timers, &f->writer_late);
	f->held = false;
	if (f->posted)
		posted_deflated(f, job);
	if (job->rc != 0 && f->fail_status != 503)
		write_give_up(f, strerror(-job->rc));
	flight_turn_soon(f);
}

static void
write_deflate_late(struct timer *timer)
{
	write_give_up(FLIGHT_OF(timer, writer_late), "the store is busy; it may yet be done");
}

static void
write_deflate(struct flight *f)
{
	write_fill_job(f, &f->write, STORE_JOB_DEFLATE, write_deflated);
	/* The mistake that others make, for the test that would find it. */
	f->held = !fault_is("write-early");
	write_wait(f, write_deflate_late);
	if (flight_submit(f, &f->write) != 0) {
		f->write.job.rc = -EIO;
		write_deflated(f, &f->write.job);
	}
}

static void
write_abandoned(struct flight *f, struct store_job *job)
{
	(void)job;
	flight_turn_soon(f);
}

static void
write_abandon(struct flight *f)
{
	if (f->intent == 0)
		return;
	write_fill_job(f, &f->write, STORE_JOB_ABANDON, write_abandoned);
	if (flight_submit(f, &f->write) != 0)
		log_warn("a note of a write that failed stays until the next start");
}

void
write_judge(struct flight *f, const struct http_fields *answer)
{
	bool success = f->status >= 200 && f->status < 400;
	int rc = 0;

	if (http_method_is_safe(f->request.method))
		return;
	if (success)
		rc = affected_add_locations(
		    f->site->routes, &f->request, answer, &f->arena, &f->plan);
	if (write_deflates(f) && success)
		write_deflate(f);
	else if (write_deflates(f))
		write_abandon(f);
	if (rc != 0)
		write_give_up(f, "out of memory");
}

void
write_failed(struct flight *f)
{
	if (!write_deflates(f))
		return;
	if (f->end == FETCH_UNREACHABLE)
		write_abandon(f);
	else
		write_deflate(f);
}
