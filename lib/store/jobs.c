/* jobs.c -- What each job does inside its write transaction. */
#include "store/bodyfile.h"
#include "store/evict.h"

#include "base/log.h"
#include "base/metrics.h"

#include <errno.h>

/*
 * Each function below returns 0 where the transaction may go on: what became of the job itself is
 * in job->rc, decided before anything was written. Negative: LMDB failed, abort.
 */
static int
jobs_verdict(struct store_job *job, int rc)
{
	job->rc = rc;
	return 0;
}

/* Its number was read in a store that is no more, whose deflates nobody knows here. */
static bool
jobs_is_foreign(const struct change *c, const struct store_job *job)
{
	return job->store_id != 0 && job->store_id != c->state.id;
}

static bool
jobs_is_deflated(struct change *c, enum store_door door, uint64_t sequence,
    const struct store_job *job, struct slice tags)
{
	struct judge_view view = { c->store, c->txn, &c->state };

	return judge_in(&view, door, sequence, &job->key, tags).life == STORE_DEAD;
}

static struct record
jobs_record(const struct store_job *job)
{
	struct record r = {
		.entry = {
			.kind = job->entry_kind,
			.status = job->status,
			.sequence = job->sequence,
			.response_s = job->response_s,
			.aging = job->aging,
			.key = job->key.bytes,
			.variant = job->variant,
			.tags = job->tags,
			.vary = job->vary,
			.body_bytes = bodyfile_bytes(job),
			.body = job->body,
			.body_file = job->file.id,
		},
		.body_hash = job->file.hash,
	};
	if (job->file.id != 0)
		r.entry.body = (struct slice){ NULL, 0 };
	record_set_head(&r, job->head);
	return r;
}

/* In which order the fetches of variants end says nothing: a Vary record only ever leads to more.
 */
static int
jobs_join_variants(struct change *c, struct store_job *job, const struct record *old,
    struct record *r, struct variants *list)
{
	bool same = old->entry.kind == STORE_ENTRY_VARY && old->entry.body_id == 0 &&
		    slice_equal(old->entry.vary, job->vary);
	struct slice body = job->body;
	const struct store_variant *new = variants_next(&body);

	if (new == NULL)
		return jobs_verdict(job, -EINVAL);
	if (same && old->entry.sequence > job->sequence)
		r->entry.sequence = old->entry.sequence;
	int rc = variants_add(c, &job->key, new, same ? old->entry.body : body, list);
	r->entry.body = (struct slice){ list->items[0].name, list->n * sizeof(list->items[0]) };
	r->entry.body_bytes = r->entry.body.len;
	return rc;
}

/* A part (206) has nothing to add to what is whole and lives. */
static bool
jobs_is_less(struct change *c, const struct store_job *job, const struct record *old)
{
	return job->entry_kind == STORE_ENTRY_RESPONSE && job->status == 206 &&
	       old->entry.status != 206 &&
	       !jobs_is_deflated(c, STORE_DOOR_STORE, old->entry.sequence, job, old->entry.tags);
}

static int
jobs_insert(struct change *c, struct store_job *job)
{
	struct record r = jobs_record(job), old = { 0 };
	struct variants list;
	struct entry_name name;

	if (record_check_size(&r, job->body) != 0)
		return jobs_verdict(job, -E2BIG);
	if (jobs_is_foreign(c, job))
		return jobs_verdict(job, -ESTALE);
	if (job->file.rc != 0)
		return jobs_verdict(job, job->file.rc);
	entry_name(&job->key, job->variant, &name);
	int rc = entry_get(c->store, c->txn, &name, &old);
	if (rc != 0 && rc != -ENOENT && rc != -EBADMSG)
		return rc;
	bool stored = rc == 0;
	if (job->entry_kind == STORE_ENTRY_VARY) {
		rc = jobs_join_variants(c, job, &old, &r, &list);
		if (rc != 0 || job->rc != 0)
			return rc;
	}
	if (stored && old.entry.sequence > r.entry.sequence)
		return jobs_verdict(job, -ESTALE);
	if (stored && jobs_is_less(c, job, &old))
		return jobs_verdict(job, -ESTALE);
	if (jobs_is_deflated(c, STORE_DOOR_STORE, job->sequence, job, job->tags))
		return jobs_verdict(job, -ESTALE);
	uint64_t file = r.entry.body_file == 0 ? 0 : bodyfile_blocks(r.entry.body_bytes);
	if (!room_take(c, record_size(&r), file))
		return jobs_verdict(job, -ENOSPC);
	r.queue = stored ? old.queue : 0;
	rc = stored ? entry_drop_chunks(c, &old, false) : 0;
	if (rc == 0)
		rc = bodyfile_note(c, &name, &r);
	return rc == 0 ? entry_put(c, &name, &r) : rc;
}

/* `stored` borrows memory of its own: what is in the map moves while we write. */
static int
jobs_freshen_stored(
    struct change *c, struct store_job *job, const struct entry_name *name, struct slice stored)
{
	struct record r, old;
	int rc = record_decode(stored, &old);

	if (rc != 0 || old.entry.sequence != job->freshen_sequence ||
	    !slice_equal(old.entry.key, job->key.bytes) ||
	    !slice_equal(old.entry.variant, job->variant))
		return jobs_verdict(job, -ENOENT);
	/* The validator must have come from an entry that lives, and the 304 from after it. */
	if (jobs_is_deflated(c, STORE_DOOR_FRESHEN, old.entry.sequence, job, old.entry.tags) ||
	    jobs_is_deflated(c, STORE_DOOR_FRESHEN, job->sequence, job, job->tags))
		return jobs_verdict(job, -ESTALE);
	r = old;
	r.entry.sequence = job->sequence;
	r.entry.response_s = job->response_s;
	r.entry.aging = job->aging;
	if (job->tags.len > 0)
		r.entry.tags = job->tags;
	record_set_head(&r, job->head);
	if (record_check_size(&r, (struct slice){ NULL, 0 }) != 0)
		return jobs_verdict(job, -E2BIG);
	if (!room_take(c, job->head.len, 0))
		return jobs_verdict(job, -ENOSPC);
	rc = entry_drop_chunks(c, &old, true);
	return rc == 0 ? entry_put(c, name, &r) : rc;
}

static int
jobs_freshen(struct change *c, struct store_job *job)
{
	struct entry_name name;
	struct buf stored = { 0 };
	MDB_val value;

	if (jobs_is_foreign(c, job))
		return jobs_verdict(job, -ESTALE);
	entry_name(&job->key, job->variant, &name);
	MDB_val key = { name.len, name.bytes };
	int rc = mdb_get(c->txn, c->store->tables[TABLE_ENTRY], &key, &value);
	if (rc == MDB_NOTFOUND)
		return jobs_verdict(job, -ENOENT);
	if (rc != 0)
		return store_error(rc);
	buf_append(&stored, value.mv_data, value.mv_size);
	rc = buf_error(&stored);
	if (rc == 0)
		rc = jobs_freshen_stored(c, job, &name, buf_as_slice(&stored));
	buf_free(&stored);
	return rc;
}

static int
jobs_remove(struct change *c, struct store_job *job)
{
	struct entry_name name;

	entry_name(&job->key, job->variant, &name);
	return entry_remove(c, &name);
}

static int
jobs_check_scopes(const struct store_job *job)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < job->n_scopes; i++)
		rc = deflated_check(job->scopes[i]);
	return rc;
}

/* Asked before its own scopes are put: these kill whatever was fetched before. */
static bool
jobs_lives(struct change *c, const struct store_job *job)
{
	struct judge_view view = { c->store, c->txn, &c->state };

	return job->key.n > 0 && !jobs_is_foreign(c, job) &&
	       judge_in(&view, STORE_DOOR_WRITE, job->sequence, &job->key, job->tags).life ==
		   STORE_ALIVE;
}

static int
jobs_deflate(struct change *c, struct store_job *job)
{
	int rc = jobs_check_scopes(job);

	if (rc != 0)
		return jobs_verdict(job, rc);
	job->lives = jobs_lives(c, job);
	rc = deflated_put(c, job->scopes, job->n_scopes, job->soft, job->by);
	if (rc == 0 && job->intent != 0)
		rc = intent_delete(c, job->intent);
	job->deflated = c->state.sequence;
	return rc;
}

static int
jobs_intend(struct change *c, struct store_job *job)
{
	int rc = jobs_check_scopes(job);

	return rc != 0 ? jobs_verdict(job, rc) : intent_put(c, job);
}

static int
jobs_switch(struct change *c, struct store_job *job)
{
	int rc = meta_switch(c, job->bloat, job->enable);

	c->durable = true;
	return rc == -E2BIG ? jobs_verdict(job, rc) : rc;
}

static int
jobs_apply(struct change *c, struct store_job *job)
{
	switch (job->kind) {
	case STORE_JOB_INSERT:
		return jobs_insert(c, job);
	case STORE_JOB_FRESHEN:
		return jobs_freshen(c, job);
	case STORE_JOB_REMOVE:
		return jobs_remove(c, job);
	case STORE_JOB_INTEND:
		return jobs_intend(c, job);
	case STORE_JOB_ABANDON:
		return intent_delete(c, job->intent);
	case STORE_JOB_DEFLATE:
		return jobs_deflate(c, job);
	case STORE_JOB_SWITCH:
		return jobs_switch(c, job);
	case STORE_JOB_SPILL:
	case STORE_JOB_DISCARD:
		break;
	}
	return jobs_verdict(job, -EINVAL);
}

static int
jobs_try(struct store *s, struct store_job *job, size_t n, struct change *end)
{
	*end = (struct change){ .store = s };
	int rc = change_begin(s, end);

	for (size_t i = 0; rc == 0 && i < n; i++, job = job->next) {
		job->rc = 0;
		job->snapshot = mdb_txn_id(end->txn);
		rc = jobs_apply(end, job);
	}
	if (rc == 0)
		return change_commit(end);
	change_abort(end);
	return rc;
}

/* There is no room for what it covers: it covers everything. */
static int
jobs_deflate_all(struct store *s, struct store_job *job)
{
	job->rc = jobs_check_scopes(job);
	job->lives = false;
	return job->rc != 0 ? 0 : brink_deflate(s, &job->deflated);
}

int
jobs_run(struct store *s, struct store_job *first, size_t n, struct change *end)
{
	struct store_job *job = first;
	int dead = 0;

	int rc = jobs_try(s, first, n, end);

	/* A process that died while it read holds back what was freed since. */
	if (rc == -ENOSPC && !end->committed && mdb_reader_check(s->env, &dead) == 0 && dead > 0)
		rc = jobs_try(s, first, n, end);
	if (rc == -ENOSPC && !end->committed && evict_batch(s) == 0)
		rc = jobs_try(s, first, n, end);
	bool last = rc == -ENOSPC && !end->committed && n == 1 && first->kind == STORE_JOB_DEFLATE;
	if (last)
		rc = jobs_deflate_all(s, first);
	rc = health_judge_write(s, rc, end->durable || last);
	for (size_t i = 0; rc != 0 && i < n; i++, job = job->next)
		job->rc = rc;
	return rc;
}

static void
jobs_log_failure(struct store *s, const struct store_job *job)
{
	static const char *const doing[] = {
		[STORE_JOB_INSERT] = "storing a response",
		[STORE_JOB_FRESHEN] = "freshening a response",
		[STORE_JOB_REMOVE] = "removing a response",
		[STORE_JOB_SPILL] = "spilling a response",
		[STORE_JOB_DISCARD] = "discarding a spilled response",
		[STORE_JOB_INTEND] = "noting a write",
		[STORE_JOB_ABANDON] = "dropping the note of a write",
		[STORE_JOB_DEFLATE] = "deflating",
		[STORE_JOB_SWITCH] = "switching a bloat",
	};

	metric_add(METRIC_STORE_ERRORS, 1);
	/* A full store fails every insert: once is enough. */
	if (job->rc != -ENOSPC || backlog_is_urgent(job->kind) || !s->full)
		log_error("store %s: %s: %s", s->path, doing[job->kind], strerror(-job->rc));
	if (job->rc == -ENOSPC)
		s->full = true;
}

void
jobs_account(struct store *s, const struct store_job *job)
{
	bool insert = job->kind == STORE_JOB_INSERT;

	switch (job->rc) {
	case 0:
		metric_add(METRIC_STORED, insert);
		metric_add(METRIC_DEFLATES, job->kind == STORE_JOB_DEFLATE);
		if (insert)
			s->full = false;
		break;
	case -ESTALE:
		metric_add(METRIC_STORE_REFUSED, 1);
		break;
	case -ENOENT:
	case -E2BIG:
	case -EINVAL:
	case -ECANCELED:
		break;
	default:
		jobs_log_failure(s, job);
	}
}
