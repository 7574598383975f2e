/* serve.c -- The story of one request, edge to edge. */
#include "serve.h"

#include "admin.h"
#include "base/clock.h"
#include "conn.h"
#include "flight.h"
#include "http/wish.h"
#include "part.h"
#include "pending.h"
#include "reply.h"
#include "store/select.h"

#include <errno.h>
#include <unistd.h>
#include <xxhash.h>

/* What the store has for a request. */
enum look {
	LOOK_ANSWERED, /* A hit: the exchange is over. */
	LOOK_MISS,
	LOOK_BROKEN, /* The store cannot be read: nothing is promised, nothing shared. */
};

/* All requests for one key meet on one worker, so that its flights need no lock. */
static struct worker *
serve_owner(const struct exchange *x)
{
	struct slice key = x->plan.key.bytes;
	return x->worker->all->items[XXH3_64bits(key.at, key.len) % x->worker->all->n];
}

/* ---- Looking it up -------------------------------------------------------------------------- */

static void
serve_close_file(struct exchange *x)
{
	if (x->file.open)
		close(x->file.fd);
	x->file.open = false;
}

/* Before it is served, for nothing may fail then: one without its file is removed, and a miss. */
static int
serve_open_file(struct exchange *x, const struct store_entry *entry)
{
	serve_close_file(x);
	if (entry->body_file == 0)
		return 0;
	int fd = store_open_body(x->worker->reader, entry);
	x->file.open = fd >= 0;
	x->file.fd = fd;
	if (fd != -EBADMSG)
		return fd < 0 ? fd : 0;
	x->detail = "bad-record";
	pending_remove(x, entry->variant);
	return -ENOENT;
}

/* Where nothing is stored for its query: the response of another that is as good. */
static int
serve_find_search(struct exchange *x, struct selection *s)
{
	struct slice signpost;
	int rc = plan_search(&x->plan, &x->arena, &signpost);

	return rc != 0 ? rc : select_find_search(s, signpost, x->plan.query);
}

/* The entry that the request selects, with its body's pieces behind those of the head. */
static int
serve_find(struct exchange *x, struct store_entry *entry, size_t *n_body)
{
	struct worker_parts *parts = &x->worker->parts;
	struct selection s = {
		.reader = x->worker->reader,
		.key = &x->plan.key,
		.variant = x->plan.variant,
		.request = &x->request,
		.arena = &x->arena,
		.pieces = parts->items + REPLY_BODY_PARTS,
		.room = parts->size - REPLY_BODY_PARTS,
	};
	int rc = select_find(&s);

	if (rc == -ENOENT)
		rc = serve_find_search(x, &s);
	if (s.varied.at != NULL) {
		x->forward = FORWARD_VARY_MISS;
		x->lease_variant = XXH3_64bits(s.varied.at, s.varied.len);
		x->by_language = s.by_language;
	}
	*entry = s.entry;
	*n_body = s.n_pieces;
	return rc == 0 ? serve_open_file(x, entry) : rc;
}

/* Is the entry one that this request may have now? Notes on x why not. */
static enum freshness
serve_judge(
    struct exchange *x, const struct store_entry *entry, int64_t now_s, enum store_door door)
{
	int64_t since_s = now_s - entry->response_s;
	struct store_judgement judgement =
	    store_judge(x->worker->reader, door, entry->sequence, &x->plan.key, entry->tags);

	x->forward = judgement.life == STORE_DEAD ? FORWARD_MISS : FORWARD_STALE;
	x->deflated_by = judgement.by;
	if (judgement.life == STORE_DEAD)
		return FRESHNESS_STALE;
	/* A clock that went back makes nothing younger than it was. */
	int64_t age_s = entry->aging.age_s + (since_s > 0 ? since_s : 0);
	bool soft = judgement.life == STORE_SOFT;
	enum freshness freshness = storing_freshness(&entry->aging, age_s, soft);
	if (x->wish == NULL)
		return freshness;
	if (freshness == FRESHNESS_FRESH)
		x->forward = FORWARD_REQUEST;
	return wish_freshness(x->wish, &entry->aging, age_s, soft);
}

/* Is the entry alive, and only too old for this request? */
static bool
serve_can_ask(const struct exchange *x)
{
	return x->forward == FORWARD_STALE || x->forward == FORWARD_REQUEST;
}

/* What a backend can be asked about is asked about, not fetched again (RFC 9111 section 4.3.1). */
static void
serve_note_stale(struct exchange *x, const struct store_entry *entry)
{
	if (x->unconditional || !serve_can_ask(x) ||
	    (entry->etag.len == 0 && entry->last_modified.len == 0))
		return;
	char *head = arena_copy(&x->arena, entry->head), *etag = arena_copy(&x->arena, entry->etag);
	char *modified = arena_copy(&x->arena, entry->last_modified);
	char *variant = arena_copy(&x->arena, entry->variant);

	if (head == NULL || etag == NULL || modified == NULL || variant == NULL)
		return;
	x->stale =
	    (struct stale){ { etag, entry->etag.len }, { modified, entry->last_modified.len },
		    { head, entry->head.len }, { variant, entry->variant.len }, entry->sequence,
		    entry->aging.by_surrogate, entry->aging.lifetime_s, entry->aging.grace_s };
}

/* A 304 that came after this request has said that the entry is good, however long it is fresh. */
static bool
serve_is_validated(const struct exchange *x, const struct store_entry *entry)
{
	return x->validated && entry->sequence >= x->validated_from && serve_can_ask(x);
}

static enum look
serve_answer_entry(struct exchange *x, const struct store_entry *entry, size_t n_body)
{
	int64_t now_s = clock_wall_s();
	enum freshness freshness = serve_judge(x, entry, now_s, STORE_DOOR_HIT);

	if (serve_is_validated(x, entry)) {
		reply_hit(x, entry, n_body, now_s, REPLY_HIT_VALIDATED);
		return LOOK_ANSWERED;
	}
	if (freshness != FRESHNESS_FRESH)
		serve_note_stale(x, entry);
	switch (freshness) {
	case FRESHNESS_FRESH:
		x->forward = FORWARD_NONE;
		reply_hit(x, entry, n_body, now_s, REPLY_HIT_FRESH);
		return LOOK_ANSWERED;
	case FRESHNESS_GRACE:
		if (serve_judge(x, entry, now_s, STORE_DOOR_STALE) != FRESHNESS_GRACE)
			return LOOK_MISS;
		flight_refresh(x, serve_owner(x));
		reply_hit(x, entry, n_body, now_s, REPLY_HIT_STALE);
		return LOOK_ANSWERED;
	case FRESHNESS_ERROR_ONLY:
	case FRESHNESS_STALE:
		break;
	}
	return LOOK_MISS;
}

/* A part answers what lies within it; else it may be of use to what is fetched. */
static enum look
serve_answer_part(struct exchange *x, const struct store_entry *entry, size_t n_body)
{
	int64_t now_s = clock_wall_s();

	if (serve_judge(x, entry, now_s, STORE_DOOR_HIT) != FRESHNESS_FRESH)
		return LOOK_MISS;
	if (!part_holds(x, entry)) {
		x->forward = FORWARD_PARTIAL;
		part_note(x, entry, n_body);
		return LOOK_MISS;
	}
	x->forward = FORWARD_NONE;
	reply_hit(x, entry, n_body, now_s, REPLY_HIT_FRESH);
	return LOOK_ANSWERED;
}

/* A record that fails its check is a miss, and is removed. */
static void
serve_drop_bad_record(struct exchange *x)
{
	x->detail = "bad-record";
	pending_remove(x, x->plan.variant);
}

/* A bloat may be switched off while we run: its requests pass, its entries stay. */
static void
serve_apply_switch(struct exchange *x)
{
	struct store_reader *reader = x->worker->reader;

	if (store_switches(reader) == 0 || !store_bloat_disabled(reader, bloat_name(x->plan.bloat)))
		return;
	x->plan.action = PLAN_PASS;
	x->plan.reason = PLAN_DISABLED;
}

static void
serve_say_broken(struct exchange *x, int rc)
{
	const char *trouble = keeper_trouble(x->worker->all->store);

	x->forward = FORWARD_MISS;
	if (rc == -EAGAIN)
		trouble = "store-readers-full";
	x->detail = trouble != NULL ? trouble : "store-unavailable";
	x->alone = true;
}

static enum look
serve_look_up(struct exchange *x)
{
	struct store_entry entry;
	size_t n_body;
	enum look look = LOOK_MISS;
	int rc = serve_find(x, &entry, &n_body);
	bool is_part = rc == 0 && entry.status == PART_STATUS;

	if (rc == 0)
		look = is_part ? serve_answer_part(x, &entry, n_body)
			       : serve_answer_entry(x, &entry, n_body);
	else if (rc == -EBADMSG)
		serve_drop_bad_record(x);
	/* What is whole, and too old only, is fetched whole. */
	if (look == LOOK_MISS && (rc != 0 || is_part || !serve_can_ask(x)))
		part_wish(x);
	return look;
}

static enum look
serve_look(struct exchange *x)
{
	enum look look = LOOK_MISS;

	struct store_reader *reader = x->worker->reader;
	int rc = store_read_begin(reader);
	if (rc != 0) {
		serve_say_broken(x, rc);
		return LOOK_BROKEN;
	}
	x->sequence = store_sequence(reader);
	x->snapshot = store_snapshot(reader);
	x->forward = FORWARD_URI_MISS;
	x->deflated_by = 0;
	x->stale = (struct stale){ 0 };
	x->range = (struct slice){ NULL, 0 };
	x->part = (struct part){ 0 };
	x->lease_variant = 0;
	serve_apply_switch(x);
	if (x->plan.action == PLAN_CACHE)
		look = serve_look_up(x);
	store_read_end(reader);
	if (look != LOOK_ANSWERED)
		serve_close_file(x);
	/* It will be fetched, and maybe cannot be stored. */
	if (look == LOOK_MISS && x->plan.action == PLAN_CACHE && x->detail == NULL)
		x->detail = keeper_trouble(x->worker->all->store);
	return look;
}

/* ---- The story ------------------------------------------------------------------------------ */

/* RFC 9211 section 2.2: a method that must be forwarded says all; other reasons are told in detail.
 */
static void
serve_pass(struct exchange *x)
{
	bool method = !slice_equal(x->request.method, SLICE("GET")) &&
		      !slice_equal(x->request.method, SLICE("HEAD"));

	x->forward = method ? FORWARD_METHOD : FORWARD_BYPASS;
	x->detail = method ? NULL : plan_reason_name(x->plan.reason);
	flight_start(x);
}

/* On the worker that owns the key. */
static void
serve_miss(struct exchange *x)
{
	if (!flight_join(x))
		flight_start(x);
}

/* It was on its way between workers: a flight may have landed meanwhile. */
static void
serve_arrived(struct exchange *x)
{
	if (flight_join(x) || serve_look(x) == LOOK_ANSWERED)
		return;
	if (x->plan.action == PLAN_PASS)
		serve_pass(x);
	else
		flight_start(x);
}

/* RFC 9111 section 5.2.1, where the configuration honours it. No memory: as if it asked nothing. */
static void
serve_read_wish(struct exchange *x)
{
	struct cache_control wish, *kept;

	if (x->site->config->dory.client_cache_control != CLIENT_CONTROL_HONOUR)
		return;
	wish = wish_read(&x->request.fields);
	kept = wish.present || wish.no_cache ? arena_alloc(&x->arena, sizeof(*kept)) : NULL;
	if (kept == NULL)
		return;
	*kept = wish;
	x->wish = kept;
	/* Section 5.2.1.5: what comes of it is kept from the store, and from everybody else. */
	x->alone = x->unconditional = wish.no_store;
}

/* Section 5.2.1.7: who wants only what is stored gets 504 where there is nothing. */
static bool
serve_refuses_fetch(struct exchange *x)
{
	if (x->wish == NULL || !x->wish->only_if_cached)
		return false;
	x->forward = FORWARD_NONE;
	reply_error(x, 504, "not stored, and only what is stored was asked for");
	return true;
}

static void
serve_cache(struct exchange *x)
{
	switch (serve_look(x)) {
	case LOOK_ANSWERED:
		return;
	case LOOK_BROKEN:
		flight_start(x);
		return;
	case LOOK_MISS:
		break;
	}
	if (serve_refuses_fetch(x))
		return;
	struct worker *owner = serve_owner(x);
	if (x->plan.action == PLAN_PASS)
		serve_pass(x);
	else if (owner != x->worker)
		conn_move(x, owner, serve_arrived);
	else
		serve_miss(x);
}

static void
serve_begin(struct exchange *x)
{
	struct slice method = x->request.method;

	if (slice_equal(method, SLICE("TRACE")) || slice_equal(method, SLICE("CONNECT"))) {
		reply_error(x, 405, "this method is not served here");
		return;
	}
	if (admin_takes(x)) {
		admin_serve(x);
		return;
	}
	if (plan_make(x->site->routes, &x->request, &x->arena, &x->plan) != 0) {
		reply_error(x, 503, "out of memory");
		return;
	}
	serve_read_wish(x);
	/* What comes back may be for this client alone (RFC 9111 section 3.5). */
	x->alone = x->alone || x->plan.authorization.len > 0;
	if (x->plan.backend == NULL)
		reply_error(x, 404, "no route leads here");
	else if (x->plan.action == PLAN_PASS)
		serve_pass(x);
	else
		serve_cache(x);
}

static void
serve_arrival(struct worker *worker, struct message *message)
{
	(void)worker;
	serve_begin(exchange_of(message));
}

void
serve_soon(struct exchange *x)
{
	x->message.run = serve_arrival;
	worker_arrived(x->worker, &x->message);
}

void
serve_again(struct exchange *x)
{
	if (x->alone)
		flight_start(x);
	else
		serve_arrived(x);
}

bool
serve_stale_if_error(struct exchange *x)
{
	struct store_reader *reader = x->worker->reader;
	struct store_entry entry;
	size_t n_body;
	bool answered = false;

	if (x->plan.action != PLAN_CACHE || store_read_begin(reader) != 0)
		return false;
	int64_t now_s = clock_wall_s();
	enum freshness freshness = FRESHNESS_STALE;
	if (serve_find(x, &entry, &n_body) == 0 && entry.status != PART_STATUS)
		freshness = serve_judge(x, &entry, now_s, STORE_DOOR_STALE);
	if (freshness != FRESHNESS_STALE) {
		if (x->flight != NULL)
			flight_detach(x);
		reply_hit(x, &entry, n_body, now_s, REPLY_HIT_STALE);
		answered = true;
	}
	store_read_end(reader);
	if (!answered)
		serve_close_file(x);
	return answered;
}

void
serve_failed(struct exchange *x, unsigned status, const char *why)
{
	if (!serve_stale_if_error(x))
		reply_error(x, status, why);
}

/* ---- Events of its connection --------------------------------------------------------------- */

void
serve_writable(struct exchange *x)
{
	if (x->flight != NULL)
		flight_writable(x);
}

void
serve_readable(struct exchange *x)
{
	if (x->flight != NULL)
		flight_upload_ready(x);
	else
		admin_readable(x);
}

void
serve_gone(struct exchange *x)
{
	if (x->flight != NULL)
		flight_leave(x);
	if (x->pending != NULL)
		pending_leave(x);
}

void
serve_over(struct exchange *x)
{
	serve_close_file(x);
	admin_end(x);
}
