/* spool.c -- The body of a flight's answer: in memory up to a bound, beyond it in a file. */
#include "base/log.h"
#include "base/metrics.h"
#include "flight_state.h"

#include <errno.h>
#include <unistd.h>

/* What goes to the file at a time, once the first has. */
enum { SPOOL_PIECE = SPOOL_AHEAD / 2 };

uint64_t
spool_end(const struct flight *f)
{
	return f->body.fresh_at + f->body.fresh.len;
}

bool
spool_has_all(const struct flight *f)
{
	const struct spool *b = &f->body;

	return b->fresh_at == 0 || b->filed + b->going.len == b->fresh_at;
}

/* What is not written yet, and does not fit a file of the store, is all in memory. */
static uint64_t
spool_first(const struct flight *f)
{
	uint64_t least = f->site->config->dory.body_file_min_bytes;

	return least > SPOOL_AHEAD ? least : SPOOL_AHEAD;
}

bool
spool_has_room(const struct flight *f)
{
	const struct spool *b = &f->body;

	if (flight_keeps_body(f))
		return !b->busy || b->fresh.len < SPOOL_PIECE;
	return b->fresh.len <= (f->paused ? SPOOL_AHEAD / 2 : SPOOL_AHEAD);
}

/* ---- The file ------------------------------------------------------------------------------- */

static void
spool_failed(struct flight *f)
{
	f->storable = f->shared = false;
}

void
spool_give_up(struct flight *f)
{
	metric_add(METRIC_STORE_ERRORS, 1);
	log_warn("a response is not stored: the disk takes nothing of its body");
	spool_failed(f);
}

static void
spool_landed(struct flight *f, struct store_job *job)
{
	struct spool *b = &f->body;

	b->busy = false;
	if (job->kind == STORE_JOB_SPILL && job->rc == 0) {
		b->filed += b->going.len;
		buf_free(&b->going);
	} else if (job->kind == STORE_JOB_SPILL) {
		spool_failed(f);
	}
	flight_turn_soon(f);
}

static int
spool_submit(struct flight *f, enum store_job_kind kind)
{
	struct spool *b = &f->body;

	f->spill.landed = spool_landed;
	f->spill.job =
	    (struct store_job){ .kind = kind, .spill = &b->file, .body = buf_as_slice(&b->going) };
	return flight_submit(f, &f->spill);
}

static void
spool_spill(struct flight *f)
{
	struct spool *b = &f->body;

	b->going = b->fresh;
	b->going_at = b->fresh_at;
	b->fresh_at += b->fresh.len;
	b->fresh = (struct buf){ 0 };
	b->busy = spool_submit(f, STORE_JOB_SPILL) == 0;
	if (b->busy)
		return;
	metric_add(METRIC_STORE_ERRORS, 1);
	spool_failed(f);
}

int
spool_append(struct flight *f, const char *bytes, size_t len)
{
	struct spool *b = &f->body;
	uint64_t most = b->filed > 0 ? SPOOL_PIECE : spool_first(f);

	buf_append(&b->fresh, bytes, len);
	if (f->storable && flight_keeps_body(f) && b->going.len == 0 && b->fresh.len >= most)
		spool_spill(f);
	return buf_error(&b->fresh);
}

bool
spool_settle(struct flight *f)
{
	struct spool *b = &f->body;

	if (b->filed == 0 && b->going.len == 0)
		return true;
	if (b->going.len == 0 && b->fresh.len > 0)
		spool_spill(f);
	return b->going.len == 0;
}

bool
spool_leave(struct flight *f)
{
	/* Where the writer takes nothing, what is left is swept away once our lock on it is gone.
	 */
	return !f->body.file.unnamed || spool_submit(f, STORE_JOB_DISCARD) != 0;
}

void
spool_fini(struct spool *b)
{
	buf_free(&b->fresh);
	buf_free(&b->going);
	store_spill_close(&b->file);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static int
spool_read(const struct flight *f, uint64_t at, struct iovec *piece)
{
	uint64_t left = f->body.filed - at;
	size_t most = left < WORKER_SCRATCH ? (size_t)left : WORKER_SCRATCH;
	ssize_t n;

	do
		n = pread(f->body.file.read_fd, f->worker->scratch, most, (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return -EIO;
	*piece = (struct iovec){ f->worker->scratch, (size_t)n };
	return 0;
}

int
spool_find(const struct flight *f, uint64_t at, struct iovec *piece)
{
	const struct spool *b = &f->body;

	if (at >= b->fresh_at) {
		*piece = (struct iovec){ b->fresh.data + (at - b->fresh_at),
			(size_t)(spool_end(f) - at) };
		return 0;
	}
	if (at < b->filed)
		return spool_read(f, at, piece);
	*piece = (struct iovec){ b->going.data + (at - b->going_at),
		(size_t)(b->going_at + b->going.len - at) };
	return 0;
}

void
spool_trim(struct flight *f, uint64_t at)
{
	struct spool *b = &f->body;

	if (at < b->fresh_at)
		return;
	if (!b->busy)
		buf_free(&b->going);
	size_t gone = (size_t)(at - b->fresh_at);
	b->fresh.len -= gone;
	b->fresh_at = at;
	if (gone > 0)
		memmove(b->fresh.data, b->fresh.data + gone, b->fresh.len);
}
