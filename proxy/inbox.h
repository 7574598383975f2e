/* inbox.h -- How threads hand things to a worker: many push, one takes, nobody waits. */
#ifndef DORY_PROXY_INBOX_H
#define DORY_PROXY_INBOX_H

#include "base/attributes.h"

#include <stdatomic.h>

struct worker;

/* Embedded in what is handed over, which then belongs to the worker that runs it. */
struct message {
	struct message *next;
	void (*run)(struct worker *worker, struct message *message);
};

struct inbox {
	_Atomic(struct message *) newest;
	int eventfd; /* Readable while something is in it. */
};

/* Returns: 0; -EMFILE and its like. */
int inbox_init(struct inbox *inbox) NODISCARD;
void inbox_fini(struct inbox *inbox);

/* Thread-safe, lock-free. */
void inbox_push(struct inbox *inbox, struct message *message);

/* Make the worker look up from its wait. Thread-safe. */
void inbox_wake(struct inbox *inbox);

/* Everything in it, oldest first. Owning worker only. */
struct message *inbox_take(struct inbox *inbox);

#endif
