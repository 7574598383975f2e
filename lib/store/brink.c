/* brink.c -- Deflates for which the tables have no room left: all that is older is dead. */
#include "store/store_internal.h"

#include "store/place.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { BRINK_BYTES = 4096, BRINK_SAY_MS = 60000 };

/* The whole file; the rest of its block is never used. */
struct brink_row {
	uint64_t id; /* Of the store that it is about. */
	_Atomic uint64_t sequence;
	uint64_t checksum; /* Of both. */
};

static uint64_t
brink_checksum(uint64_t id, uint64_t sequence)
{
	const uint64_t parts[] = { id, sequence };

	return XXH3_64bits(parts, sizeof(parts));
}

/* Its block is taken now: a full disk is what it is for. */
static int
brink_open_file(struct store *s, bool must_exist, char *why)
{
	struct stat st;
	int fd = place_open(s->path, "floor", O_RDWR | (must_exist ? 0 : O_CREAT), &st);

	if (fd == -EINVAL)
		return store_say(s, -EIO, why, "its file floor is not a plain file: remove it");
	if (fd < 0)
		return store_say(s, -EIO, why, "its file floor cannot be opened");
	int rc = -posix_fallocate(fd, 0, BRINK_BYTES);
	s->health.floor = st.st_ino;
	if (rc == 0)
		return fd;
	close(fd);
	return store_say(
	    s, rc == -ENOSPC ? rc : -EIO, why, "its file floor finds no room on the disk");
}

int
brink_open(struct store *s, bool must_exist, char *why)
{
	int fd = brink_open_file(s, must_exist, why);

	if (fd < 0)
		return fd;
	void *at = mmap(NULL, BRINK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED) {
		close(fd);
		return store_say(s, -ENOMEM, why, "its file floor cannot be mapped");
	}
	s->brink.fd = fd;
	s->brink.row = at;
	const struct brink_row *row = s->brink.row;
	s->brink.sound = row->id == s->id &&
			 row->checksum == brink_checksum(row->id, atomic_load(&row->sequence));
	return 0;
}

void
brink_close(struct store *s)
{
	if (s->brink.row == NULL)
		return;
	munmap(s->brink.row, BRINK_BYTES);
	close(s->brink.fd);
	s->brink.row = NULL;
}

/* Others see it at once, and all that counts is what is there before it is acknowledged. */
static int
brink_write(struct store *s, uint64_t sequence)
{
	struct brink_row row = { s->id, sequence, brink_checksum(s->id, sequence) };

	atomic_store(&s->brink.row->sequence, sequence);
	if (pwrite(s->brink.fd, &row, sizeof(row), 0) != (ssize_t)sizeof(row) ||
	    fdatasync(s->brink.fd) != 0)
		return health_commit_error(s, EIO);
	return 0;
}

int
brink_begin(struct store *s)
{
	int rc = brink_write(s, 0);

	s->brink.sound = rc == 0;
	return rc == 0 ? place_sync(s->path) : rc;
}

void
brink_merge(const struct store *s, struct meta_state *state)
{
	uint64_t sequence;

	if (s->brink.row == NULL || !s->brink.sound || fault_is("brink"))
		return;
	sequence = atomic_load(&s->brink.row->sequence);
	if (sequence > state->floor)
		state->floor = sequence;
	if (sequence > state->sequence)
		state->sequence = sequence;
}

/* LMDB's lock makes us the only one who gives out a number; its tables are only looked at. */
int
brink_deflate(struct store *s, uint64_t *sequence)
{
	struct change c;
	int64_t now_ms = clock_mono_ms();
	int rc = s->brink.sound ? change_begin(s, &c) : -EIO;

	if (rc != 0)
		return rc;
	*sequence = c.state.sequence + 1;
	rc = brink_write(s, *sequence);
	change_abort(&c);
	if (rc == 0 && (s->brink.said_ms == 0 || now_ms - s->brink.said_ms > BRINK_SAY_MS)) {
		log_warn("store %s: no room to note what a deflate covers: all that was fetched "
			 "before deflate %" PRIu64 " is forgotten",
		    s->path, *sequence);
		s->brink.said_ms = now_ms;
	}
	return rc;
}
