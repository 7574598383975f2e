/* inbox.c -- How threads hand things to a worker: many push, one takes, nobody waits. */
#include "inbox.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
inbox_init(struct inbox *inbox)
{
	inbox->newest = NULL;
	inbox->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return inbox->eventfd < 0 ? -errno : 0;
}

void
inbox_fini(struct inbox *inbox)
{
	if (inbox->eventfd >= 0)
		close(inbox->eventfd);
	inbox->eventfd = -1;
}

void
inbox_wake(struct inbox *inbox)
{
	uint64_t one = 1;

	/* It fails only where the counter is full, and then the worker is being woken. */
	if (write(inbox->eventfd, &one, sizeof(one)) < 0)
		return;
}

void
inbox_push(struct inbox *inbox, struct message *message)
{
	struct message *newest = atomic_load_explicit(&inbox->newest, memory_order_relaxed);

	do
		message->next = newest;
	while (!atomic_compare_exchange_weak_explicit(
	    &inbox->newest, &newest, message, memory_order_release, memory_order_relaxed));
	/* Only the first needs to wake the worker, which takes all. */
	if (newest == NULL)
		inbox_wake(inbox);
}

struct message *
inbox_take(struct inbox *inbox)
{
	uint64_t count;
	struct message *oldest = NULL;

	if (read(inbox->eventfd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return NULL;
	struct message *at = atomic_exchange_explicit(&inbox->newest, NULL, memory_order_acquire);
	while (at != NULL) {
		struct message *next = at->next;
		at->next = oldest;
		oldest = at;
		at = next;
	}
	return oldest;
}
