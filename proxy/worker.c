/* worker.c -- One thread with one event loop, and all that it owns. */
#include "worker.h"

#include "base/clock.h"
#include "base/log.h"
#include "conn.h"
#include "flight.h"
#include "origin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WORKER_EVENTS = 64,
	WORKER_ACCEPT_BATCH = 16,
	WORKER_REST_MS = 100,
	WORKER_LAST_MS =
	    5000, /* For what is left to do where nobody waits for an answer any more. */
	WORKER_BODY_PIECE = 4080,
	WORKER_PARTS_SPARE = 64
};

#define WORKER_OF(pointer, member)                                                                 \
	((struct worker *)((char *)(pointer)-offsetof(struct worker, member)))

/* Word of a new site. Freed by the worker that takes it. */
struct worker_order {
	struct message message;
	struct site *site;
};

int
worker_watch(struct worker *worker, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int
worker_rewatch(struct worker *worker, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : -errno;
}

void
worker_unwatch(struct worker *worker, int fd)
{
	epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* A few at a time. Returns: 0; -EMFILE and its like: what waits cannot be accepted now. */
static int
worker_accept(struct worker *worker)
{
	int rc = 0;

	for (int i = 0; i < WORKER_ACCEPT_BATCH && rc == 0; i++) {
		int fd = accept4(worker->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		rc = fd < 0 ? -errno : conn_adopt(worker, fd);
	}
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM ? rc : 0;
}

static void
worker_on_listen(struct watch *watch, uint32_t events)
{
	struct worker *worker = WORKER_OF(watch, listen_watch);

	(void)events;
	if (worker->listen_fd < 0 || worker_accept(worker) == 0)
		return;
	/* No descriptor is left. Who waits is told of again and again: look away for a moment. */
	log_warn("no more connections can be taken for a moment: raise the limit of open files");
	if (timer_set(&worker->timers, &worker->rest, clock_mono_ms() + WORKER_REST_MS) == 0)
		worker_unwatch(worker, worker->listen_fd);
}

static void
worker_listen_again(struct timer *timer)
{
	struct worker *worker = WORKER_OF(timer, rest);

	if (worker->listen_fd >= 0 &&
	    worker_watch(
		worker, worker->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, &worker->listen_watch) != 0 &&
	    timer_set(&worker->timers, &worker->rest, clock_mono_ms() + WORKER_REST_MS) != 0)
		log_error("worker %u: out of memory: it takes no more connections", worker->index);
}

static void
worker_on_inbox(struct watch *watch, uint32_t events)
{
	struct worker *worker = WORKER_OF(watch, inbox_watch);

	(void)events;
	for (struct message *m = inbox_take(&worker->inbox), *next; m != NULL; m = next) {
		next = m->next;
		m->run(worker, m);
	}
}

void
worker_arrived(struct worker *worker, struct message *message)
{
	message->next = NULL;
	*worker->arrived_end = message;
	worker->arrived_end = &message->next;
}

static void
worker_serve_arrived(struct worker *worker)
{
	struct message *m = worker->arrived, *next;

	worker->arrived = NULL;
	worker->arrived_end = &worker->arrived;
	store_read_share(worker->reader);
	for (; m != NULL; m = next) {
		next = m->next;
		m->run(worker, m);
	}
	store_read_unshare(worker->reader);
}

/* ---- The loop ------------------------------------------------------------------------------- */

/* Connections on their way from worker to worker count too, so nobody ends while one may come. */
static bool
worker_is_idle(struct worker *worker)
{
	return worker->draining && atomic_load(&worker->all->open) == 0 &&
	       flights_count(worker->flights) == 0;
}

/* The store may have a lock to wait for that another process does not give back. */
static void
worker_hurry(struct worker *worker)
{
	if (!worker->draining || worker->hurried || atomic_load(&worker->all->open) > 0)
		return;
	worker->hurried = true;
	if (worker->all->drain_ms > WORKER_LAST_MS &&
	    timer_set(&worker->timers, &worker->drain_deadline, clock_mono_ms() + WORKER_LAST_MS) !=
		0)
		worker->stopped = true;
}

static void
worker_loop(struct worker *worker)
{
	struct epoll_event events[WORKER_EVENTS];

	while (!worker->stopped && !worker_is_idle(worker)) {
		int wait_ms = timers_wait_ms(&worker->timers, clock_mono_ms());
		int n = epoll_wait(worker->epoll_fd, events, WORKER_EVENTS, wait_ms);
		for (int i = 0; i < n; i++) {
			struct watch *watch = events[i].data.ptr;
			watch->ready(watch, events[i].events);
		}
		timers_run(&worker->timers, clock_mono_ms());
		/* Last: a timer may have found a request. */
		while (worker->arrived != NULL)
			worker_serve_arrived(worker);
		conn_reap(worker);
		origin_reap(worker->origin);
		worker_hurry(worker);
	}
}

static void *
worker_main(void *context)
{
	struct worker *worker = context;
	char name[16];

	snprintf(name, sizeof(name), "worker %u", worker->index % 1000);
	prctl(PR_SET_NAME, name);
	worker_loop(worker);
	conn_close_all(worker);
	flights_end_all(worker->flights);
	return NULL;
}

static void
workers_wake(struct workers *all)
{
	for (unsigned i = 0; i < all->n; i++)
		inbox_wake(&all->items[i]->inbox);
}

void
worker_conn_opened(struct worker *worker)
{
	atomic_fetch_add(&worker->all->open, 1);
}

void
worker_conn_closed(struct worker *worker)
{
	if (atomic_fetch_sub(&worker->all->open, 1) == 1 && atomic_load(&worker->all->draining))
		workers_wake(worker->all);
}

static void
worker_take_poke(struct worker *worker, struct message *message)
{
	(void)message;
	atomic_store(&worker->poked, false);
	lanes_run(worker->flights);
}

void
workers_poke(struct worker *worker)
{
	for (unsigned i = 0; i < worker->all->n; i++) {
		struct worker *other = worker->all->items[i];
		if (other == worker || atomic_exchange(&other->poked, true))
			continue;
		other->poke.run = worker_take_poke;
		worker_post(other, &other->poke);
	}
}

/* ---- Making and ending ---------------------------------------------------------------------- */

static void
worker_free(struct worker *worker)
{
	if (worker == NULL)
		return;
	flights_free(worker->flights);
	origin_free(worker->origin);
	store_reader_free(worker->reader);
	site_unref(worker->site);
	timers_fini(&worker->timers);
	inbox_fini(&worker->inbox);
	if (worker->epoll_fd >= 0)
		close(worker->epoll_fd);
	buf_free(&worker->text);
	buf_free(&worker->key_text);
	free(worker->parts.items);
	free(worker->scratch);
	free(worker);
}

/* Have room for the pieces of the largest object that may be stored by the site at hand. */
static int
worker_fit_parts(struct worker *worker)
{
	uint64_t max_object = worker->site->config->dory.max_object_bytes;
	size_t size = (size_t)(max_object / WORKER_BODY_PIECE) + WORKER_PARTS_SPARE;
	struct iovec *items = NULL;

	if (size <= worker->parts.size)
		return 0;
	items = realloc(worker->parts.items, size * sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	worker->parts = (struct worker_parts){ items, size };
	return 0;
}

static int
worker_prepare(struct worker *worker)
{
	worker->scratch = malloc(WORKER_SCRATCH);
	if (worker->scratch == NULL || worker_fit_parts(worker) != 0)
		return -ENOMEM;
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (worker->epoll_fd < 0)
		return -errno;
	int rc = inbox_init(&worker->inbox);
	if (rc == 0)
		rc = worker_watch(worker, worker->inbox.eventfd, EPOLLIN, &worker->inbox_watch);
	if (rc == 0 && worker->listen_fd >= 0)
		rc = worker_watch(
		    worker, worker->listen_fd, EPOLLIN | EPOLLEXCLUSIVE, &worker->listen_watch);
	if (rc == 0)
		rc = origin_new(worker, &worker->origin);
	if (rc == 0)
		rc = flights_new(worker, &worker->flights);
	if (rc == 0)
		rc = keeper_reader_new(worker->all->store, &worker->reader);
	return rc;
}

static int
worker_new(
    struct workers *all, unsigned index, int listen_fd, struct site *site, struct worker **out)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (worker == NULL)
		return -ENOMEM;
	worker->all = all;
	worker->index = index;
	worker->arrived_end = &worker->arrived;
	worker->listen_fd = listen_fd;
	worker->epoll_fd = -1;
	worker->inbox.eventfd = -1;
	worker->listen_watch.ready = worker_on_listen;
	worker->inbox_watch.ready = worker_on_inbox;
	worker->rest.fire = worker_listen_again;
	worker->site = site_ref(site);
	int rc = worker_prepare(worker);
	if (rc != 0)
		worker_free(worker);
	else
		*out = worker;
	return rc;
}

int
workers_start(struct workers *all, unsigned n, int listen_fd, struct site *site)
{
	int rc = 0;

	all->n = 0;
	all->items = calloc(n, sizeof(*all->items));
	if (all->items == NULL)
		return -ENOMEM;
	while (all->n < n && rc == 0) {
		rc = worker_new(all, all->n, listen_fd, site, &all->items[all->n]);
		all->n += rc == 0;
	}
	unsigned running = 0;
	while (rc == 0 && running < n) {
		struct worker *worker = all->items[running];
		rc = -pthread_create(&worker->thread, NULL, worker_main, worker);
		running += rc == 0;
	}
	if (rc == 0)
		return 0;
	for (unsigned i = 0; i < running; i++) {
		all->items[i]->stopped = true;
		inbox_wake(&all->items[i]->inbox);
		pthread_join(all->items[i]->thread, NULL);
	}
	workers_free(all);
	return rc;
}

static void
worker_take_site(struct worker *worker, struct message *message)
{
	struct worker_order *order = (struct worker_order *)message;

	site_unref(worker->site);
	worker->site = order->site;
	if (worker_fit_parts(worker) != 0)
		log_error("out of memory: larger objects than before will be fetched each time");
	free(order);
}

static void
worker_give_up(struct timer *timer)
{
	struct worker *worker = WORKER_OF(timer, drain_deadline);

	int open = atomic_load(&worker->all->open);

	if (open > 0)
		log_warn("worker %u: %d connections were cut when the time to drain was over",
		    worker->index, open);
	worker->stopped = true;
}

static void
worker_take_drain(struct worker *worker, struct message *message)
{
	(void)message;
	if (worker->listen_fd >= 0)
		worker_unwatch(worker, worker->listen_fd);
	worker->listen_fd = -1;
	worker->draining = true;
	worker->drain_deadline.fire = worker_give_up;
	if (timer_set(&worker->timers, &worker->drain_deadline,
		clock_mono_ms() + worker->all->drain_ms) != 0)
		worker->stopped = true;
	conn_drain_all(worker);
}

void
workers_drain(struct workers *all, int64_t wait_ms)
{
	all->drain_ms = wait_ms;
	atomic_store(&all->draining, true);
	for (unsigned i = 0; i < all->n; i++) {
		all->items[i]->drain.run = worker_take_drain;
		worker_post(all->items[i], &all->items[i]->drain);
	}
}

void
workers_reload(struct workers *all, struct site *site)
{
	for (unsigned i = 0; i < all->n; i++) {
		struct worker_order *order = calloc(1, sizeof(*order));
		if (order == NULL)
			continue;
		order->message.run = worker_take_site;
		order->site = site_ref(site);
		worker_post(all->items[i], &order->message);
	}
}

void
workers_join(struct workers *all)
{
	for (unsigned i = 0; i < all->n; i++)
		pthread_join(all->items[i]->thread, NULL);
}

void
workers_free(struct workers *all)
{
	for (unsigned i = 0; i < all->n; i++)
		worker_free(all->items[i]);
	free(all->items);
	all->items = NULL;
	all->n = 0;
}
