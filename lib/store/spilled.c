/* spilled.c -- How much all processes have in files of no entry yet: one number each, shared. */
#include "store/store_internal.h"

#include "store/place.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SPILLED_SLOTS = 128 };

struct spilled_slot {
	struct owner owner; /* pid 0: free. */
	_Atomic uint64_t bytes;
};
enum { SPILLED_BYTES = SPILLED_SLOTS * sizeof(struct spilled_slot) };

/* Its blocks are taken now: a page that finds none later would end the process. */
static int
spilled_open_file(const struct store *s, bool must_exist)
{
	int fd = place_open(s->path, "spilled", O_RDWR | (must_exist ? 0 : O_CREAT), NULL);

	if (fd < 0 || posix_fallocate(fd, 0, SPILLED_BYTES) == 0)
		return fd;
	close(fd);
	return -1;
}

/* One that is free; else one whose process is gone. NULL: there is none. */
static struct spilled_slot *
spilled_find(struct store *s)
{
	for (int i = 0; i < SPILLED_SLOTS; i++) {
		if (s->spilled.slots[i].owner.pid == 0)
			return &s->spilled.slots[i];
	}
	for (int i = 0; i < SPILLED_SLOTS; i++) {
		if (owner_is_dead(&s->spilled.slots[i].owner, &s->self))
			return &s->spilled.slots[i];
	}
	return NULL;
}

void
spilled_open(struct store *s, bool must_exist)
{
	int fd = spilled_open_file(s, must_exist);
	void *at = fd < 0 ? MAP_FAILED
			  : mmap(NULL, SPILLED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return;
	s->spilled.slots = at;
	s->spilled.mine = must_exist ? NULL : spilled_find(s);
	if (s->spilled.mine == NULL)
		return;
	atomic_store(&s->spilled.mine->bytes, 0);
	s->spilled.mine->owner = s->self;
}

void
spilled_close(struct store *s)
{
	if (s->spilled.mine != NULL) {
		atomic_store(&s->spilled.mine->bytes, 0);
		s->spilled.mine->owner.pid = 0;
	}
	if (s->spilled.slots != NULL)
		munmap(s->spilled.slots, SPILLED_BYTES);
	s->spilled.slots = NULL;
	s->spilled.mine = NULL;
}

void
spilled_tell(struct store *s)
{
	if (s->spilled.mine != NULL)
		atomic_store(&s->spilled.mine->bytes, s->spilled_bytes);
}

bool
spilled_may(const struct store *s, uint64_t bytes, uint64_t most)
{
	return s->spilled.mine != NULL && spilled_sum(s) + bytes <= most;
}

uint64_t
spilled_sum(const struct store *s)
{
	uint64_t sum = s->spilled_bytes;

	for (int i = 0; s->spilled.slots != NULL && i < SPILLED_SLOTS; i++) {
		const struct spilled_slot *slot = &s->spilled.slots[i];
		uint64_t bytes = atomic_load(&slot->bytes);
		if (slot != s->spilled.mine && bytes > 0)
			sum += bytes < s->size_bytes ? bytes : s->size_bytes;
	}
	return sum;
}

bool
spilled_forget_dead(struct store *s)
{
	bool any = false;

	for (int i = 0; s->spilled.slots != NULL && i < SPILLED_SLOTS; i++) {
		struct spilled_slot *slot = &s->spilled.slots[i];
		uint64_t bytes = atomic_load(&slot->bytes);
		/* Not if another process was given the slot meanwhile. */
		if (bytes > 0 && owner_is_dead(&slot->owner, &s->self))
			any = atomic_compare_exchange_strong(&slot->bytes, &bytes, 0) || any;
	}
	return any;
}
