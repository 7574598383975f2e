/* worker.h -- One thread with one event loop, and all that it owns. */
#ifndef DORY_PROXY_WORKER_H
#define DORY_PROXY_WORKER_H

#include "inbox.h"
#include "site.h"
#include "store/keeper.h"
#include "timer.h"

#include <pthread.h>

struct conn;
struct flights;
struct origin;
struct breakers;
struct resolver;

/* Embedded in what a file descriptor belongs to. */
struct watch {
	void (*ready)(struct watch *watch, uint32_t events);
};

/* Where an entry's body pieces and an answer's parts are laid out before they are sent. */
struct worker_parts {
	struct iovec *items;
	size_t size;
};

/* Shared-nothing: all of it is the owning thread's, save where it says otherwise. */
struct worker {
	/* Set once by worker_new(); read by every thread. */
	unsigned index;
	struct workers *all;
	struct inbox inbox;

	/* Owning worker only. */
	pthread_t thread;
	int epoll_fd;
	int listen_fd; /* Borrowed; -1 once it takes no more connections. */
	struct watch listen_watch;
	struct timer rest; /* From accepting, while no descriptor is left. */
	struct watch inbox_watch;
	struct timers timers;
	struct site *site;           /* What new requests are served by. */
	struct store_reader *reader; /* While it cannot begin, everything passes. */
	struct origin *origin;
	struct flights *flights;
	struct message *arrived; /* Requests of this turn that are whole, to be served. */
	struct message **arrived_end;
	struct conn *conns;      /* All that are open. */
	struct conn *conns_dead; /* Freed when the events at hand are done. */
	struct conn *conns_spare;
	unsigned n_spare;
	char *scratch; /* For looking at heads and joining them, then for request bodies. */
	struct worker_parts parts;
	struct buf text, key_text; /* Used again for every hit. */
	struct message drain;
	struct message poke;
	_Atomic bool poked; /* Any thread. */
	struct timer drain_deadline;
	bool draining;
	bool hurried; /* No connection is open any more. */
	bool stopped;
};

enum { WORKER_SCRATCH = 2 * 65536 }; /* At least HEAD_SCRATCH. */

/* The process: its workers and what they share. Read-only while they run. */
struct workers {
	struct worker **items;
	unsigned n;
	struct keeper *store;
	struct leases *leases; /* The store's. */
	struct resolver *resolver;
	struct breakers *breakers;
	_Atomic int open; /* Connections, those on their way between workers included. */
	_Atomic bool draining;
	int64_t drain_ms; /* Set before the workers are told. */
};

/*
 * Make and start `n` workers that accept on `listen_fd` (non-blocking, borrowed; -1: none).
 *
 * site:    each worker takes its own reference.
 * Returns: 0; -errno. On error nothing runs.
 */
int workers_start(struct workers *all, unsigned n, int listen_fd, struct site *site) NODISCARD;

/* Serve new requests by another site. Any thread. */
void workers_reload(struct workers *all, struct site *site);

/* Take no more connections; end when requests in progress are answered, or after `wait_ms`. */
void workers_drain(struct workers *all, int64_t wait_ms);

/* Wait for all threads. */
void workers_join(struct workers *all);

/* Once they have ended, and the store's writer with them: it may hold their jobs till then. */
void workers_free(struct workers *all);

/* Give a worker something to run on its thread. Any thread. */
static inline void
worker_post(struct worker *worker, struct message *message)
{
	inbox_push(&worker->inbox, message);
}

/*
 * Have a request served once all of this turn's are whole: they then share one snapshot of the
 * store, as none of them can arrive later than it was taken. Owning worker only.
 */
void worker_arrived(struct worker *worker, struct message *message);

/* A connection of this worker's was opened, or closed: the last one ends a process that drains. */
void worker_conn_opened(struct worker *worker);
void worker_conn_closed(struct worker *worker);

/* A place at a backend is free: have the other workers look whether one of theirs waits for it. */
void workers_poke(struct worker *worker);

/* Returns: 0; -errno. Owning worker only. */
int worker_watch(struct worker *worker, int fd, uint32_t events, struct watch *watch) NODISCARD;
int worker_rewatch(struct worker *worker, int fd, uint32_t events, struct watch *watch) NODISCARD;
void worker_unwatch(struct worker *worker, int fd);

#endif
