/* spill.c -- Bodies that become files while they are still arriving. */
#include "store/spill.h"

#include "base/metrics.h"
#include "store/bodyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

static uint64_t
spill_least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* No spill of this store's any more: it has an entry, or it is gone. */
static void
spill_end(struct store *s, struct store_spill *spill)
{
	if (spill->store_id == s->id)
		s->spilled_bytes -= spill_least(spill->bytes, s->spilled_bytes);
	spilled_tell(s);
	XXH3_freeState(spill->hash);
	spill->hash = NULL;
	spill->unnamed = false;
}

static void
spill_discard(struct store *s, struct store_spill *spill)
{
	char temporary[BODYFILE_TEMPORARY];

	if (!spill->unnamed)
		return;
	bodyfile_temporary(spill->id, temporary);
	unlinkat(s->bodies_fd, temporary, 0);
	close(spill->fd);
	spill_end(s, spill);
}

static int
spill_make(struct store *s, struct store_spill *spill)
{
	if (s->bodies_fd < 0 || getrandom(&spill->id, sizeof(spill->id), 0) < 0)
		return -EIO;
	spill->id |= 1;
	int directory = bodyfile_open_directory(s, spill->id);
	if (directory < 0)
		return directory;
	close(directory);
	spill->fd = bodyfile_create(s, spill->id);
	return spill->fd < 0 ? spill->fd : 0;
}

/* Read through a descriptor of its own, for that one lives longer than the lock. */
static int
spill_open(struct store *s, struct store_spill *spill)
{
	char temporary[BODYFILE_TEMPORARY];
	int rc = spill_make(s, spill);

	if (rc != 0)
		return rc;
	spill->unnamed = true;
	spill->store_id = s->id;
	bodyfile_temporary(spill->id, temporary);
	spill->read_fd = openat(s->bodies_fd, temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	spill->readable = spill->read_fd >= 0;
	spill->hash = XXH3_createState();
	if (spill->readable && spill->hash != NULL && XXH3_64bits_reset(spill->hash) == XXH_OK) {
		metric_add(METRIC_SPILLED, 1);
		return 0;
	}
	rc = spill->readable ? -ENOMEM : bodyfile_error(errno);
	spill_discard(s, spill);
	store_spill_close(spill);
	return rc;
}

static int
spill_append(struct store *s, struct store_job *job)
{
	struct store_spill *spill = job->spill;
	int rc = spill->unnamed ? 0 : spill_open(s, spill);

	if (rc != 0)
		return rc;
	if (spill->store_id != s->id)
		return -ESTALE;
	if (job->file.rc != 0)
		return job->file.rc;
	if (spill->bytes + job->body.len > RECORD_BODY_MAX)
		return -E2BIG;
	if (!spilled_may(s, job->body.len, s->size_bytes / SPILL_SHARE))
		return -ENOSPC;
	rc = health_judge_body(s, bodyfile_fill(spill->fd, job->body, spill->bytes));
	if (rc != 0)
		return rc;
	XXH3_64bits_update(spill->hash, job->body.at, job->body.len);
	spill->bytes += job->body.len;
	s->spilled_bytes += job->body.len;
	spilled_tell(s);
	return 0;
}

void
spill_run(struct store *s, struct store_job *job)
{
	job->rc = 0;
	if (job->kind == STORE_JOB_SPILL)
		job->rc = spill_append(s, job);
	else
		spill_discard(s, job->spill);
}

void
spill_seal(struct store *s, struct store_job *job)
{
	struct store_spill *spill = job->spill;

	/* Of another store: it is for DISCARD to end it. */
	if (!spill->unnamed || spill->store_id != s->id) {
		job->file.rc = -ESTALE;
		return;
	}
	job->file.id = spill->id;
	job->file.fd = spill->fd;
	job->file.hash = XXH3_64bits_digest(spill->hash);
	spill_end(s, spill);
	job->file.rc = health_judge_body(s, bodyfile_finish(s, job));
	if (job->file.rc != 0)
		return;
	int directory = bodyfile_open_directory(s, spill->id);
	job->file.rc = directory < 0           ? directory
		       : fsync(directory) != 0 ? bodyfile_error(errno)
					       : 0;
	if (directory >= 0)
		close(directory);
}

void
store_spill_close(struct store_spill *spill)
{
	if (spill->readable)
		close(spill->read_fd);
	if (spill->unnamed)
		close(spill->fd);
	XXH3_freeState(spill->hash);
	*spill = (struct store_spill){ 0 };
}
