/* fetch.c -- One fetch: what is asked, what comes back, and how it ends. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "breaker.h"
#include "origin_state.h"
#include "resolver.h"

#include <errno.h>
#include <stdlib.h>

/*
 * The time limit counts from the last sign of life; while we hold the fetch back only that of the
 * whole runs. libcurl is told of neither: it would read the clock a dozen times a fetch for it.
 */
static void
fetch_alive(struct fetch *f)
{
	int64_t at_ms = f->end_ms;

	if (f->cancelled)
		return;
	if (!f->body_paused && !f->upload_paused) {
		int64_t silent_ms = clock_mono_ms() + f->limit_ms;
		at_ms = silent_ms < at_ms ? silent_ms : at_ms;
	}
	if (timer_set(&f->origin->worker->timers, &f->deadline, at_ms) != 0)
		f->late = true;
}

static const char *
fetch_address(const struct fetch *f)
{
	const struct config_backend *backend = f->order.backend;

	return backend->socket != NULL ? backend->socket : backend->urls.items[f->url].text;
}

/* There is a connection, new or kept, and nothing was sent on it yet. */
int
fetch_on_connected(void *context, char *peer, char *own, int peer_port, int own_port)
{
	struct fetch *f = context;

	(void)peer;
	(void)own;
	(void)peer_port;
	(void)own_port;
	f->connected = true;
	breaker_reached(f->origin->worker->all->breakers, f->order.backend->name, fetch_address(f));
	return f->cancelled ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

size_t
fetch_on_header(char *bytes, size_t size, size_t n, void *context)
{
	struct fetch *f = context;

	switch (answer_take_line(&f->answer, (struct slice){ bytes, size * n })) {
	case ANSWER_WAITING:
	case ANSWER_HEAD:
		break;
	case ANSWER_INTERIM:
		f->order.interim(f->order.context, &f->answer);
		break;
	case ANSWER_DONE:
		if (!f->announced) {
			f->announced = true;
			f->limit_ms = f->order.backend->idle_timeout_ms;
			f->order.head(f->order.context, &f->answer);
		}
		break;
	case ANSWER_BAD:
		return 0;
	}
	fetch_alive(f);
	return f->cancelled ? 0 : size * n;
}

/*
 * Before libcurl 8.1.1 a handle used again remembers the last field of the answer before, and
 * appends a folded line that comes first in the next to freed memory (curl issue 11101). There each
 * line of the head is shown here too (CURLOPT_HEADER), before it is taken apart: that one is
 * refused in time.
 */
static bool
fetch_refuses_line(struct fetch *f, struct slice line)
{
	const struct answer *a = &f->answer;
	bool first = a->state == ANSWER_HEAD && a->lines == 0;

	return first && (line.at[0] == ' ' || line.at[0] == '\t') &&
	       answer_take_line(&f->answer, line) == ANSWER_BAD;
}

size_t
fetch_on_body(char *bytes, size_t size, size_t n, void *context)
{
	struct fetch *f = context;

	if (f->cancelled)
		return 0;
	if (!f->announced)
		return fetch_refuses_line(f, (struct slice){ bytes, size * n }) ? 0 : size * n;
	f->body_paused = !f->order.body(f->order.context, bytes, size * n);
	fetch_alive(f);
	if (f->cancelled)
		return 0;
	return f->body_paused ? CURL_WRITEFUNC_PAUSE : size * n;
}

size_t
fetch_on_upload(char *out, size_t size, size_t n, void *context)
{
	struct fetch *f = context;
	ssize_t got = f->cancelled ? -EPIPE : f->order.upload(f->order.context, out, size * n);

	f->upload_paused = got == -EAGAIN;
	/* Broken off by the client: no fault of the backend's. */
	f->cancelled = f->cancelled || (got < 0 && !f->upload_paused);
	fetch_alive(f);
	if (f->upload_paused)
		return CURL_READFUNC_PAUSE;
	if (got < 0)
		return CURL_READFUNC_ABORT;
	return (size_t)got;
}

/* Returns 0; -EHOSTUNREACH where the backend's name was never found; -EAGAIN while that is being
 * looked up; -ENOMEM. */
static int
fetch_set_address(struct fetch *f)
{
	const struct config_backend *backend = f->order.backend;
	const char *address = NULL;

	f->address = NULL;
	switch (backend->socket != NULL
		    ? RESOLVER_NUMERIC
		    : resolver_find(f->origin->worker->all->resolver,
			  backend->urls.items[f->url].text, f->order.arena, &address)) {
	case RESOLVER_NUMERIC:
		break;
	case RESOLVER_PENDING:
		return -EAGAIN;
	case RESOLVER_UNKNOWN:
		return -EHOSTUNREACH;
	case RESOLVER_KNOWN:
		f->address = handle_line(f->order.arena, address);
		return f->address == NULL ? -ENOMEM : 0;
	}
	return 0;
}

/* The first of the backend's addresses, from the one at hand on, that is not left alone. */
static int
fetch_pick_address(struct fetch *f)
{
	const struct config_backend *backend = f->order.backend;
	int rc = -ECONNREFUSED;

	for (; f->url < backend->urls.n; f->url++) {
		rc = fetch_set_address(f);
		if (rc == -EHOSTUNREACH)
			continue;
		/* Only then: the one probe a second is for an address that there is. */
		if (rc != 0 || breaker_lets_through(f->origin->worker->all->breakers,
				   fetch_address(f), backend->breaker, clock_mono_ms()))
			break;
		rc = -ECONNREFUSED;
	}
	return rc;
}

/* Where the address at hand is not known yet, that is waited for as a connection would be. */
static int
fetch_wait_for_name(struct fetch *f)
{
	if (!f->naming) {
		f->naming = true;
		f->limit_ms = f->order.backend->connect_timeout_ms;
		if (!fault_is("name-time"))
			fetch_alive(f);
	}
	if (fault_is("name-found"))
		return 0;
	return timer_set(
	    &f->origin->worker->timers, &f->ask_name, clock_mono_ms() + RESOLVER_AGAIN_MS);
}

/* Returns: 0; -ECONNREFUSED (no address is to be tried now); as fetch_start(). */
static int
fetch_begin(struct fetch *f)
{
	const struct config_backend *backend = f->order.backend;

	f->connected = f->late = false;
	int rc = fetch_pick_address(f);
	if (rc == -EAGAIN)
		return fetch_wait_for_name(f);
	f->naming = false;
	timer_clear(&f->origin->worker->timers, &f->ask_name);
	if (rc != 0)
		return rc;
	rc = handle_tell(f);
	if (rc != 0)
		return rc;
	answer_init(&f->answer, f->order.arena);
	f->limit_ms =
	    backend->connect_timeout_ms + backend->first_byte_timeout_ms - f->order.waited_ms;
	if (fault_is("queue-first-byte"))
		f->limit_ms += f->order.waited_ms;
	fetch_alive(f);
	metric_add(METRIC_FETCHES, 1);
	return curl_multi_add_handle(f->origin->multi, f->easy) == CURLM_OK ? 0 : -ENOMEM;
}

static void
fetch_free(struct fetch *f)
{
	struct origin *o = f->origin;

	timer_clear(&o->worker->timers, &f->deadline);
	timer_clear(&o->worker->timers, &f->resume);
	timer_clear(&o->worker->timers, &f->ask_name);
	handle_give(o, f->easy, f->clean);
	free(f);
}

static enum fetch_end
fetch_judge_ok(const struct fetch *f)
{
	unsigned status = f->answer.response.status;

	if (f->answer.state != ANSWER_DONE)
		return FETCH_MALFORMED;
	if (f->answer.has_length || f->answer.chunked || status == 204 || status == 304 ||
	    slice_equal(f->order.method, SLICE("HEAD")))
		return FETCH_WHOLE;
	return FETCH_UNFRAMED;
}

static enum fetch_end
fetch_judge(const struct fetch *f, CURLcode code)
{
	if (f->cancelled)
		return FETCH_CANCELLED;
	if (f->late)
		return FETCH_TIMEOUT;
	if (f->answer.state == ANSWER_BAD)
		return FETCH_MALFORMED;
	if (code == CURLE_OK)
		return fetch_judge_ok(f);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return FETCH_TIMEOUT;
	if (f->announced)
		return FETCH_CUT;
	if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	    code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION)
		return FETCH_UNREACHABLE;
	if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY ||
	    code == CURLE_OUT_OF_MEMORY)
		return FETCH_MALFORMED;
	return FETCH_FAILED;
}

/* Another of the backend's addresses, where this one could not even be reached: nothing was sent,
 * so that whatever is asked for is asked for once. */
static bool
fetch_try_next(struct fetch *f, enum fetch_end end)
{
	if ((f->connected && !fault_is("sent-once")) || fault_is("next-url") ||
	    (end != FETCH_UNREACHABLE && end != FETCH_TIMEOUT))
		return false;
	if (!f->naming || fault_is("name-blame"))
		breaker_failed(f->origin->worker->all->breakers, f->order.backend->name,
		    fetch_address(f), f->order.backend->breaker, clock_mono_ms());
	f->naming = false;
	if (clock_mono_ms() >= f->end_ms)
		return false;
	bool late = f->late;
	f->url++;
	if (fetch_begin(f) == 0)
		return true;
	f->late = late;
	return false;
}

/* `detail`: for the log, where the answer itself does not say what is wrong with it. */
static void
fetch_tell(struct fetch *f, enum fetch_end end, const char *detail)
{
	const char *why = f->answer.why;

	if (end > FETCH_UNFRAMED && end != FETCH_CANCELLED) {
		metric_add(METRIC_FETCH_ERRORS, 1);
		log_warn("backend %s: %s (%s)", f->order.backend->name, fetch_end_name(end),
		    why != NULL ? why : detail);
	}
	if (why == NULL && end > FETCH_UNFRAMED)
		why = fetch_end_name(end);
	f->order.ended(f->order.context, end, why);
	f->clean = end <= FETCH_UNFRAMED;
	fetch_free(f);
}

void
fetch_finish(struct fetch *f, CURLcode code)
{
	enum fetch_end end = fetch_judge(f, code);
	const char *detail = f->naming ? "its name is still being looked up"
			     : f->late ? "its time limit"
				       : curl_easy_strerror(code);

	curl_multi_remove_handle(f->origin->multi, f->easy);
	if (!fetch_try_next(f, end))
		fetch_tell(f, end, detail);
}

static void
fetch_ask_name(struct timer *timer)
{
	struct fetch *f = ORIGIN_OF(struct fetch, timer, ask_name);

	int rc = f->cancelled ? 0 : fetch_begin(f);
	if (rc != 0)
		fetch_tell(f, FETCH_UNREACHABLE,
		    rc == -EHOSTUNREACH ? "its name has no address" : strerror(-rc));
}

static void
fetch_late(struct timer *timer)
{
	struct fetch *f = ORIGIN_OF(struct fetch, timer, deadline);

	f->late = !f->cancelled;
	fetch_finish(f, CURLE_OPERATION_TIMEDOUT);
}

static void
fetch_go_on(struct timer *timer)
{
	struct fetch *f = ORIGIN_OF(struct fetch, timer, resume);
	struct origin *o = f->origin;

	f->body_paused = f->upload_paused = false;
	fetch_alive(f);
	curl_easy_pause(f->easy, CURLPAUSE_CONT);
	origin_act(o, CURL_SOCKET_TIMEOUT, 0);
}

int
fetch_start(struct origin *o, const struct fetch_order *order, struct fetch **out)
{
	struct fetch *f = malloc(sizeof(*f));
	int rc = -ENOMEM;

	if (f == NULL)
		return -ENOMEM;
	memset(f, 0, offsetof(struct fetch, answer));
	answer_init(&f->answer, order->arena);
	f->origin = o;
	f->order = *order;
	f->end_ms = clock_mono_ms() + order->backend->timeout_ms -
		    (fault_is("queue-timeout") ? 0 : order->waited_ms);
	f->deadline.fire = fetch_late;
	f->resume.fire = fetch_go_on;
	f->ask_name.fire = fetch_ask_name;
	f->easy = handle_take(o);
	if (f->easy != NULL)
		rc = fetch_order_target(order, &f->target);
	if (rc == 0)
		rc = handle_make_fields(f);
	if (rc == 0)
		rc = fetch_begin(f);
	if (rc != 0) {
		fetch_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

void
fetch_resume(struct fetch *f)
{
	if (f->body_paused || f->upload_paused)
		timer_set_soon(&f->origin->worker->timers, &f->resume);
}

void
fetch_cancel(struct fetch *f)
{
	f->cancelled = true;
	timer_set_soon(&f->origin->worker->timers, &f->deadline);
}

void
fetch_drop(struct fetch *f)
{
	curl_multi_remove_handle(f->origin->multi, f->easy);
	fetch_free(f);
}
