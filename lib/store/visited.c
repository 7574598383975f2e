/* visited.c -- Which entries were hit since eviction last came by: one bit each, shared. */
#include "store/store_internal.h"

#include "store/place.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* One bit for each KiB the store may hold: an entry is seldom smaller. */
enum { VISITED_BYTES_MIN = 4096, VISITED_BYTES_MAX = 64 << 20, VISITED_SHARE = 8192 };

static size_t
visited_bytes(uint64_t size_bytes)
{
	uint64_t bytes = size_bytes / VISITED_SHARE / VISITED_BYTES_MIN * VISITED_BYTES_MIN;

	if (bytes < VISITED_BYTES_MIN)
		return VISITED_BYTES_MIN;
	return bytes < VISITED_BYTES_MAX ? (size_t)bytes : VISITED_BYTES_MAX;
}

/* Its blocks are taken now: a full disk must not be met while a hit is answered. */
static int
visited_open_file(const struct store *s, bool must_exist, size_t *bytes)
{
	struct stat st;
	int fd = place_open(s->path, "visited", O_RDWR | (must_exist ? 0 : O_CREAT), &st);

	if (fd < 0)
		return fd;
	/* One that another process has mapped is not made shorter under its hands. */
	if ((uint64_t)st.st_size > *bytes && st.st_size <= VISITED_BYTES_MAX)
		*bytes = (size_t)st.st_size;
	if (posix_fallocate(fd, 0, (off_t)*bytes) == 0)
		return fd;
	close(fd);
	return -1;
}

void
visited_open(struct store *s, bool must_exist)
{
	size_t bytes = visited_bytes(s->size_bytes);
	int fd = visited_open_file(s, must_exist, &bytes);
	int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return;
	s->visited.bits = at;
	s->visited.bytes = bytes;
}

void
visited_close(struct store *s)
{
	if (s->visited.bits != NULL)
		munmap((void *)(uintptr_t)s->visited.bits, s->visited.bytes);
	s->visited = (struct visited){ 0 };
}

static _Atomic unsigned char *
visited_find(const struct store *s, uint64_t number, unsigned char *mask)
{
	if (s->visited.bits == NULL)
		return NULL;
	uint64_t bit = number % (s->visited.bytes * 8);
	*mask = (unsigned char)(1U << bit % 8);
	return &s->visited.bits[bit / 8];
}

void
visited_mark(const struct store *s, uint64_t number)
{
	unsigned char mask;
	_Atomic unsigned char *at = visited_find(s, number, &mask);

	/* Read first: a hot entry's bit is set, and its cache line stays shared. */
	if (at != NULL && (atomic_load_explicit(at, memory_order_relaxed) & mask) == 0)
		atomic_fetch_or_explicit(at, mask, memory_order_relaxed);
}

bool
visited_take(const struct store *s, uint64_t number)
{
	unsigned char mask;
	_Atomic unsigned char *at = visited_find(s, number, &mask);

	if (at == NULL || (atomic_load_explicit(at, memory_order_relaxed) & mask) == 0)
		return false;
	atomic_fetch_and_explicit(at, (unsigned char)~mask, memory_order_relaxed);
	return true;
}
