/* bodyfile.c -- Bodies that are files beside the tables: written, opened, checked. */
#include "store/bodyfile.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "store/place.h"
#include "store/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { BODYFILE_DIRECTORY_SHIFT = 56, BODYFILE_PATH_MAX = 4096 };

int
bodyfile_error(int error)
{
	switch (error) {
	case 0:
		return 0;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case ENOMEM:
	case EACCES:
	case EROFS:
		return -error;
	default:
		return -EIO;
	}
}

void
bodyfile_directory(uint64_t id, char out[BODYFILE_DIRECTORY])
{
	snprintf(out, BODYFILE_DIRECTORY, "%02x", (unsigned)(id >> BODYFILE_DIRECTORY_SHIFT));
}

void
bodyfile_name(uint64_t id, char out[BODYFILE_NAME])
{
	snprintf(out, BODYFILE_NAME, "%02x/%016llx", (unsigned)(id >> BODYFILE_DIRECTORY_SHIFT),
	    (unsigned long long)id);
}

uint64_t
bodyfile_blocks(uint64_t bytes)
{
	return (bytes + BODYFILE_BLOCK - 1) / BODYFILE_BLOCK * BODYFILE_BLOCK;
}

/* ---- The directory -------------------------------------------------------------------------- */

/* Sets the mode, and keeps the bit that makes what is in a directory its group's. */
static int
bodyfile_set_mode(const struct store *s, int directory)
{
	struct stat st;

	if (fstat(directory, &st) != 0)
		return -1;
	return fchmod(directory, (s->share_bodies ? 0750 : 0700) | (st.st_mode & S_ISGID));
}

/* A web server in our group must get to the files, and to nothing else of the store. */
static int
bodyfile_share(const struct store *s)
{
	char directory[BODYFILE_DIRECTORY];
	struct stat st;

	if (bodyfile_set_mode(s, s->bodies_fd) != 0)
		return -1;
	if (!s->share_bodies)
		return 0;
	/* Those made before it was asked for. */
	for (uint64_t id = 0; id < BODYFILE_DIRECTORIES; id++) {
		bodyfile_directory(id << BODYFILE_DIRECTORY_SHIFT, directory);
		(void)!fchmodat(s->bodies_fd, directory, 0750, 0);
	}
	if (stat(s->path, &st) != 0)
		return -1;
	return (st.st_mode & S_IXGRP) != 0 ? 0 : chmod(s->path, (st.st_mode & 07777) | S_IXGRP);
}

int
bodyfile_start(struct store *s, const struct store_options *options, char *why)
{
	char path[BODYFILE_PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s/bodies", s->path), rc = 0;

	s->bodies_fd = -1;
	s->body_file_min = options->body_file_min;
	s->share_bodies = options->share_bodies;
	s->verified = calloc(BODYFILE_VERIFIED, sizeof(*s->verified));
	if (s->verified == NULL || len < 0 || (size_t)len >= sizeof(path))
		rc = ENOMEM;
	else if (!options->must_exist && mkdir(path, 0700) == 0)
		rc = -place_sync(s->path);
	else if (!options->must_exist && errno != EEXIST)
		rc = errno;
	if (rc == 0) {
		s->bodies_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		rc = s->bodies_fd < 0 ? errno : 0;
	}
	if (rc == ENOENT && options->must_exist)
		return 0;
	if (rc == 0 && !options->must_exist && bodyfile_share(s) != 0)
		rc = errno;
	if (rc == 0)
		s->bodies_path = realpath(path, NULL);
	if (rc != 0 || s->bodies_path == NULL) {
		rc = rc != 0 ? rc : errno;
		snprintf(why, STORE_WHY_SIZE, "store %s: cannot use its directory bodies: %s",
		    s->path, strerror(rc));
	}
	return bodyfile_error(rc);
}

void
bodyfile_stop(struct store *s)
{
	if (s->bodies_fd >= 0)
		close(s->bodies_fd);
	s->bodies_fd = -1;
	free(s->bodies_path);
	free(s->verified);
	s->bodies_path = NULL;
	s->verified = NULL;
}

/* ---- Writing -------------------------------------------------------------------------------- */

void
bodyfile_temporary(uint64_t id, char out[BODYFILE_TEMPORARY])
{
	char name[BODYFILE_NAME];

	bodyfile_name(id, name);
	snprintf(out, BODYFILE_TEMPORARY, "%s.tmp", name);
}

int
bodyfile_fill(int fd, struct slice body, uint64_t at)
{
	while (body.len > 0) {
		ssize_t n = pwrite(fd, body.at, body.len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bodyfile_error(n < 0 ? errno : EIO);
		at += (size_t)n;
		body = (struct slice){ body.at + n, body.len - (size_t)n };
	}
	/* A hint: the disk has all of a batch to do when the first is waited for. */
	(void)!sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

int
bodyfile_create(struct store *s, uint64_t id)
{
	char temporary[BODYFILE_TEMPORARY];
	mode_t mode = s->share_bodies ? 0640 : 0600;

	bodyfile_temporary(id, temporary);
	int fd = openat(
	    s->bodies_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return bodyfile_error(errno);
	/* The service's umask is narrower. */
	int rc = flock(fd, LOCK_SH | LOCK_NB) != 0 || fchmod(fd, mode) != 0 ? errno : 0;
	if (rc == 0)
		return fd;
	unlinkat(s->bodies_fd, temporary, 0);
	close(fd);
	return bodyfile_error(rc);
}

/* Its bytes on their way. Returns: 0 and job->file; negative errno. */
static int
bodyfile_write(struct store *s, struct store_job *job, uint64_t id)
{
	char temporary[BODYFILE_TEMPORARY];
	int fd = bodyfile_create(s, id), rc = fd < 0 ? fd : bodyfile_fill(fd, job->body, 0);

	if (rc != 0) {
		bodyfile_temporary(id, temporary);
		if (fd >= 0) {
			unlinkat(s->bodies_fd, temporary, 0);
			close(fd);
		}
		return rc;
	}
	job->file.id = id;
	job->file.fd = fd;
	job->file.hash = XXH3_64bits(job->body.at, job->body.len);
	return 0;
}

int
bodyfile_finish(struct store *s, struct store_job *job)
{
	char temporary[BODYFILE_TEMPORARY], name[BODYFILE_NAME];
	int rc = fdatasync(job->file.fd) == 0 ? 0 : errno;

	bodyfile_temporary(job->file.id, temporary);
	bodyfile_name(job->file.id, name);
	if (rc == 0 &&
	    renameat2(s->bodies_fd, temporary, s->bodies_fd, name, RENAME_NOREPLACE) != 0)
		rc = errno;
	if (rc != 0) {
		unlinkat(s->bodies_fd, temporary, 0);
		close(job->file.fd);
		job->file.id = 0;
	}
	return bodyfile_error(rc);
}

int
bodyfile_open_directory(struct store *s, uint64_t id)
{
	char directory[BODYFILE_DIRECTORY];

	bodyfile_directory(id, directory);
	bool made = mkdirat(s->bodies_fd, directory, 0700) == 0;
	int fd = openat(s->bodies_fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return bodyfile_error(errno);
	/* Made by a process that shares nothing, or under a narrow umask. */
	int rc = bodyfile_set_mode(s, fd);
	if (rc == 0 && made)
		rc = fsync(s->bodies_fd);
	if (rc == 0)
		return fd;
	rc = bodyfile_error(errno);
	close(fd);
	return rc;
}

bool
bodyfile_is_for(const struct store *s, const struct store_job *job)
{
	return job->kind == STORE_JOB_INSERT &&
	       (job->spill != NULL ||
		   (s->body_file_min > 0 && s->bodies_fd >= 0 &&
		       job->body.len >= s->body_file_min && job->body.len <= RECORD_BODY_MAX));
}

uint64_t
bodyfile_bytes(const struct store_job *job)
{
	return job->spill != NULL ? job->spill->bytes : job->body.len;
}

/* Is it to be written now? */
static bool
bodyfile_is_due(const struct store *s, const struct store_job *job)
{
	return job->file.rc == 0 && job->spill == NULL && bodyfile_is_for(s, job);
}

/* One directory a batch: one sync makes all its names last. */
static void
bodyfile_write_batch(struct store *s, struct store_job *first, size_t n)
{
	uint64_t id = 0, directory = 0;
	int fd = -1, rc = getrandom(&directory, sizeof(directory), 0) < 0 ? -EIO : 0;
	struct store_job *job = first;

	directory = directory >> BODYFILE_DIRECTORY_SHIFT << BODYFILE_DIRECTORY_SHIFT;
	if (rc == 0) {
		fd = bodyfile_open_directory(s, directory);
		rc = health_judge_body(s, fd < 0 ? fd : 0);
	}
	for (size_t i = 0; i < n; i++, job = job->next) {
		if (!bodyfile_is_due(s, job))
			continue;
		job->file.rc = rc;
		if (rc == 0 && getrandom(&id, sizeof(id), 0) < 0)
			job->file.rc = -EIO;
		id = directory | (id << 8 >> 8 | 1);
		if (job->file.rc == 0)
			job->file.rc = health_judge_body(s, bodyfile_write(s, job, id));
	}
	job = first;
	for (size_t i = 0; i < n; i++, job = job->next) {
		if (job->file.id != 0 && job->spill == NULL)
			job->file.rc = health_judge_body(s, bodyfile_finish(s, job));
	}
	rc = health_judge_body(s, fd >= 0 && fsync(fd) != 0 ? bodyfile_error(errno) : 0);
	for (size_t i = 0; rc != 0 && i < n; i++, first = first->next)
		first->file.rc = first->file.id != 0 && first->spill == NULL ? rc : first->file.rc;
	if (fd >= 0)
		close(fd);
}

void
bodyfile_prepare(struct store *s, struct store_job *first, size_t n)
{
	struct store_job *job = first;
	bool any = false;

	for (size_t i = 0; i < n; i++, job = job->next) {
		job->file.id = 0;
		any = any || bodyfile_is_due(s, job);
		if (job->file.rc == 0 && job->spill != NULL)
			spill_seal(s, job);
	}
	if (any)
		bodyfile_write_batch(s, first, n);
}

/* Its transaction failed, or refused it. Was it committed all the same, the file stays. */
static void
bodyfile_abandon(struct store *s, uint64_t id)
{
	char name[BODYFILE_NAME];
	struct bodyfile_row row;
	struct slice entry;
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return;
	bodyfile_name(id, name);
	if (bodyfile_get(s, txn, id, &row, &entry) == -ENOENT)
		unlinkat(s->bodies_fd, name, 0);
	mdb_txn_abort(txn);
}

static void
bodyfile_remember(struct store *s, uint64_t id)
{
	s->health.body_rc = 0;
	s->verified[XXH3_64bits(&id, sizeof(id)) % BODYFILE_VERIFIED] = id;
}

void
bodyfile_settle(struct store *s, struct store_job *first, size_t n)
{
	for (size_t i = 0; i < n; i++, first = first->next) {
		if (first->file.id == 0)
			continue;
		if (first->rc != 0)
			bodyfile_abandon(s, first->file.id);
		else
			bodyfile_remember(s, first->file.id);
		close(first->file.fd);
		first->file.id = 0;
	}
}

/* ---- In a transaction ----------------------------------------------------------------------- */

int
bodyfile_get(
    const struct store *s, MDB_txn *txn, uint64_t id, struct bodyfile_row *row, struct slice *name)
{
	MDB_val key = { sizeof(id), &id }, value;
	int rc = mdb_get(txn, s->tables[TABLE_FILE], &key, &value);

	if (rc != 0)
		return store_error(rc);
	if (value.mv_size < sizeof(*row))
		return -EIO;
	memcpy(row, value.mv_data, sizeof(*row));
	*name = store_slice(value);
	*name = (struct slice){ name->at + sizeof(*row), name->len - sizeof(*row) };
	return 0;
}

int
bodyfile_note(struct change *c, const struct entry_name *name, const struct record *r)
{
	struct bodyfile_row row = { .bytes = bodyfile_blocks(r->entry.body_bytes) };
	uint64_t id = r->entry.body_file;
	MDB_val key = { sizeof(id), &id }, value = { sizeof(row) + name->len, NULL };

	if (id == 0)
		return 0;
	int rc = mdb_put(
	    c->txn, c->store->tables[TABLE_FILE], &key, &value, MDB_NOOVERWRITE | MDB_RESERVE);
	if (rc != 0)
		return store_error(rc);
	memcpy(value.mv_data, &row, sizeof(row));
	memcpy((char *)value.mv_data + sizeof(row), name->bytes, name->len);
	c->state.file_bytes += row.bytes;
	return 0;
}

int
bodyfile_doom(struct change *c, const struct record *old)
{
	struct bodyfile_row row;
	struct slice name;
	uint64_t id = old->entry.body_file;
	int64_t when[2] = { (int64_t)id, clock_wall_s() };

	if (id == 0)
		return 0;
	int rc = bodyfile_get(c->store, c->txn, id, &row, &name);
	if (rc != 0 || row.doomed != 0)
		return rc == -ENOENT ? 0 : rc;
	uint64_t number = c->state.next_body++;
	c->state.file_bytes -= row.bytes < c->state.file_bytes ? row.bytes : c->state.file_bytes;
	c->state.doomed_bytes += row.bytes;
	row.doomed = 1;
	MDB_val key = { sizeof(id), &id }, value = { sizeof(row), &row };
	rc = mdb_put(c->txn, c->store->tables[TABLE_FILE], &key, &value, 0);
	key = (MDB_val){ sizeof(number), &number };
	value = (MDB_val){ sizeof(when), when };
	if (rc == 0)
		rc = mdb_put(c->txn, c->store->tables[TABLE_DOOMED], &key, &value, MDB_APPEND);
	return store_error(rc);
}

/* ---- At a hit ------------------------------------------------------------------------------- */

static bool
bodyfile_is_whole(struct store *s, int fd, const struct store_entry *e)
{
	size_t slot = XXH3_64bits(&e->body_file, sizeof(e->body_file)) % BODYFILE_VERIFIED;

	if (e->body_bytes > BODYFILE_VERIFY_MAX || e->body_bytes == 0 ||
	    s->verified[slot] == e->body_file)
		return true;
	void *at = mmap(NULL, e->body_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (at == MAP_FAILED)
		return false;
	bool whole = XXH3_64bits(at, e->body_bytes) == e->body_hash;
	munmap(at, e->body_bytes);
	if (whole)
		bodyfile_remember(s, e->body_file);
	return whole;
}

/* Evicted since the snapshot in which its entry was found: that is no damage. */
static bool
bodyfile_went(const struct store *s, uint64_t id)
{
	struct bodyfile_row row;
	struct slice name;
	MDB_txn *txn;

	if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn) != 0)
		return false;
	int rc = bodyfile_get(s, txn, id, &row, &name);
	mdb_txn_abort(txn);
	return rc == -ENOENT || (rc == 0 && row.doomed != 0);
}

int
store_open_body(struct store_reader *r, const struct store_entry *e)
{
	struct store *s = r->store;
	char name[BODYFILE_NAME];
	struct stat st;

	bodyfile_name(e->body_file, name);
	int fd = openat(s->bodies_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
		return -errno;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (uint64_t)st.st_size == e->body_bytes && bodyfile_is_whole(s, fd, e)) {
		/* Written before files were shared. */
		if (s->share_bodies && (st.st_mode & S_IRGRP) == 0)
			(void)!fchmod(fd, 0640);
		return fd;
	}
	if (fd >= 0)
		close(fd);
	if (fd < 0 && bodyfile_went(s, e->body_file))
		return -ENOENT;
	metric_add(METRIC_BAD_RECORDS, 1);
	log_warn(
	    "store %s: the file bodies/%s is missing or damaged; it is not used", s->path, name);
	return -EBADMSG;
}

int
store_body_path(const struct store *s, const struct store_entry *e, char *out, size_t size)
{
	char name[BODYFILE_NAME];

	if (!s->share_bodies)
		return -EACCES;
	bodyfile_name(e->body_file, name);
	int len = snprintf(out, size, "%s/%s", s->bodies_path, name);
	return len < 0 || (size_t)len >= size ? -ENAMETOOLONG : len;
}
