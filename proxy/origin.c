/* origin.c -- Fetches from backends: the only door to libcurl. */
#include "origin.h"

#include "base/clock.h"
#include "origin_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { ORIGIN_IDLE_CONNECTIONS = 64 };

static void origin_socket_ready(struct watch *watch, uint32_t events);

/* ---- Sockets --------------------------------------------------------------------------------- */

static struct origin_socket *
origin_find_socket(const struct origin *o, curl_socket_t fd)
{
	return (size_t)fd < o->n_sockets ? o->sockets[fd] : NULL;
}

static struct origin_socket *
origin_make_socket(struct origin *o, curl_socket_t fd)
{
	if ((size_t)fd >= o->n_sockets) {
		size_t n = (size_t)fd * 2 + 64;
		struct origin_socket **more = realloc(o->sockets, n * sizeof(*more));
		if (more == NULL)
			return NULL;
		memset(more + o->n_sockets, 0, (n - o->n_sockets) * sizeof(*more));
		o->sockets = more;
		o->n_sockets = n;
	}
	struct origin_socket *s = calloc(1, sizeof(*s));
	if (s != NULL)
		*s = (struct origin_socket){
			.watch.ready = origin_socket_ready, .origin = o, .fd = fd
		};
	o->sockets[fd] = s;
	return s;
}

/* Events at hand may still name it: it is freed behind them. */
static void
origin_forget_socket(struct origin *o, struct origin_socket *s)
{
	o->sockets[s->fd] = NULL;
	s->fd = CURL_SOCKET_BAD;
	s->next_dead = o->dead;
	o->dead = s;
}

static int
origin_watch_socket(struct origin *o, struct origin_socket *s, uint32_t events)
{
	int rc = 0;

	if (s->events == 0)
		rc = worker_watch(o->worker, s->fd, events, &s->watch);
	else if (s->events != events)
		rc = worker_rewatch(o->worker, s->fd, events, &s->watch);
	s->events = rc == 0 ? events : 0;
	return rc;
}

static void
origin_unwatch_socket(struct origin *o, struct origin_socket *s)
{
	worker_unwatch(o->worker, s->fd);
	s->events = 0;
}

/*
 * A connection that is kept for the next fetch stays watched, as it was: two system calls less a
 * fetch. Only one that was in use tells of its end for sure (origin_on_close); others are let go.
 */
static int
origin_on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *assigned)
{
	struct origin *o = context;
	struct origin_socket *s = origin_find_socket(o, fd);
	struct fetch *f = NULL;
	uint32_t events =
	    (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);

	(void)assigned;
	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&f);
	bool connected = f != NULL && f->connected;
	if (s != NULL && !connected && (what == CURL_POLL_REMOVE || s->resting)) {
		origin_unwatch_socket(o, s);
		origin_forget_socket(o, s);
		s = NULL;
	}
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			s->resting = true;
		return 0;
	}
	if (s == NULL)
		s = origin_make_socket(o, fd);
	if (s == NULL)
		return -1;
	s->resting = false;
	return origin_watch_socket(o, s, events) == 0 ? 0 : -1;
}

int
origin_on_close(void *context, curl_socket_t fd)
{
	struct origin *o = context;
	struct origin_socket *s = origin_find_socket(o, fd);

	if (s != NULL)
		origin_forget_socket(o, s);
	return close(fd);
}

static void
origin_socket_ready(struct watch *watch, uint32_t events)
{
	struct origin_socket *s = ORIGIN_OF(struct origin_socket, watch, watch);
	int what = (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP) ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & EPOLLERR ? CURL_CSELECT_ERR : 0);

	if (s->fd == CURL_SOCKET_BAD)
		return;
	/* The backend has closed it: libcurl finds that out when it would use it. */
	if (s->resting)
		origin_unwatch_socket(s->origin, s);
	else
		origin_act(s->origin, s->fd, what);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static int
origin_on_timer(CURLM *multi, long wait_ms, void *context)
{
	struct origin *o = context;

	(void)multi;
	if (wait_ms < 0)
		timer_clear(&o->worker->timers, &o->timer);
	else if (wait_ms == 0)
		timer_set_soon(&o->worker->timers, &o->timer);
	else if (timer_set(&o->worker->timers, &o->timer, clock_mono_ms() + wait_ms) != 0)
		return -1;
	return 0;
}

/* ---- Acting ---------------------------------------------------------------------------------- */

static void
origin_collect(struct origin *o)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(o->multi, &left)) != NULL) {
		struct fetch *f = NULL;
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode code = message->data.result;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&f);
		if (f != NULL)
			fetch_finish(f, code);
	}
}

void
origin_reap(struct origin *o)
{
	while (o->dead != NULL) {
		struct origin_socket *s = o->dead;
		o->dead = s->next_dead;
		free(s);
	}
}

void
origin_act(struct origin *o, curl_socket_t fd, int what)
{
	int running;

	curl_multi_socket_action(o->multi, fd, what, &running);
	origin_collect(o);
}

static void
origin_late(struct timer *timer)
{
	origin_act(ORIGIN_OF(struct origin, timer, timer), CURL_SOCKET_TIMEOUT, 0);
}

int
origin_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

void
origin_fini(void)
{
	curl_global_cleanup();
}

int
origin_new(struct worker *worker, struct origin **out)
{
	struct origin *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return -ENOMEM;
	o->worker = worker;
	o->timer.fire = origin_late;
	o->multi = curl_multi_init();
	if (o->multi == NULL) {
		free(o);
		return -ENOMEM;
	}
	curl_multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, origin_on_socket);
	curl_multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
	curl_multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, origin_on_timer);
	curl_multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
	curl_multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, (long)ORIGIN_IDLE_CONNECTIONS);
	curl_multi_setopt(o->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	*out = o;
	return 0;
}

void
origin_free(struct origin *o)
{
	if (o == NULL)
		return;
	handle_drop_all(o);
	curl_multi_cleanup(o->multi);
	origin_reap(o);
	free(o->sockets);
	timer_clear(&o->worker->timers, &o->timer);
	free(o);
}
