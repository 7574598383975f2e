/* leasefile.c -- The file in which processes keep their leases: mapped, and a number in it taken.
 */
#include "store/leasefile.h"

#include "base/fault.h"
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char leasefile_name[] = "leases";

enum { LEASEFILE_BLOCK = 512 };

bool
leasefile_process_lives(const struct leasefile *t, unsigned process)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = process, .l_len = 1
	};

	if (fault_is("lease-dead"))
		return true;
	return fcntl(t->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void
leasefile_ring(struct leasefile *t)
{
	atomic_fetch_add(&t->file->bell, 1);
	syscall(SYS_futex, &t->file->bell, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool
leasefile_is_in(const struct leasefile *t, const char *directory)
{
	struct stat st;

	return place_stat(directory, leasefile_name, &st) == 0 && st.st_dev == t->device &&
	       st.st_ino == t->inode;
}

static int
leasefile_open_file(struct leasefile *t, const char *directory)
{
	struct stat st;

	t->fd = place_open(directory, leasefile_name, O_RDWR | O_CREAT, &st);
	if (t->fd < 0)
		return t->fd;
	if (st.st_uid != geteuid())
		return -EINVAL;
	t->device = st.st_dev;
	t->inode = st.st_ino;
	/* Room for all of it now: a page that finds none later would end the process. */
	if (st.st_blocks * LEASEFILE_BLOCK < (blkcnt_t)sizeof(struct lease_file))
		return -posix_fallocate(t->fd, 0, sizeof(struct lease_file));
	return 0;
}

static int
leasefile_take_number(struct leasefile *t)
{
	for (t->process = 0; t->process < LEASE_PROCESSES; t->process++) {
		struct flock lock = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = t->process, .l_len = 1
		};
		if (fcntl(t->fd, F_OFD_SETLK, &lock) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
	}
	return -EBUSY;
}

/* Who had our number before may have been killed: what it held must not seem to be ours. */
static void
leasefile_clear_number(struct leasefile *t)
{
	if (atomic_exchange(&t->file->held[t->process], 0) == 0)
		return;
	for (size_t i = 0; i < LEASE_SLOTS; i++) {
		uint64_t word = atomic_load(&t->file->slots[i].word);
		if (word != 0 && leasefile_process_of(word) == t->process)
			atomic_compare_exchange_strong(&t->file->slots[i].word, &word, 0);
	}
	leasefile_ring(t);
}

static int
leasefile_map(struct leasefile *t)
{
	void *at = mmap(NULL, sizeof(*t->file), PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	t->file = at;
	return 0;
}

int
leasefile_open(const char *directory, struct leasefile **out)
{
	struct leasefile *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	t->fd = -1;
	int rc = leasefile_open_file(t, directory);
	if (rc == 0)
		rc = leasefile_map(t);
	if (rc == 0)
		rc = leasefile_take_number(t);
	if (rc != 0) {
		leasefile_close(t);
		return rc;
	}
	leasefile_clear_number(t);
	*out = t;
	return 0;
}

void
leasefile_close(struct leasefile *t)
{
	if (t == NULL)
		return;
	if (t->file != NULL)
		munmap(t->file, sizeof(*t->file));
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}
