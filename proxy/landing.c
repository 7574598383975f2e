/* landing.c -- What a response is, and how it gets from a flight to the store. */
#include "await.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http/date.h"
#include "http/search.h"
#include "http/tags.h"
#include "http/vary.h"
#include "reply.h"
#include "store/select.h"

#include <assert.h>
#include <errno.h>

/* Fields that are meant for the cache, not for the client. */
static bool
landing_is_for_cache(struct slice name)
{
	static const char *const names[] = { "surrogate-key", "surrogate-control", "cache-tag",
		"xkey", "cache-status" };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (slice_equal_nocase(name, slice_of(names[i])))
			return true;
	}
	return false;
}

/*
 * Where the web server sends the files that its application names, what a backend names is not
 * ours to pass on: it would be a file of ours, or none. Besides the field that is configured
 * these are lighttpd's, which honours all of them or none.
 */
static bool
landing_names_a_file(const struct flight *f, struct slice name)
{
	const char *field = f->site->config->dory.sendfile_header;

	return field != NULL && (slice_equal_nocase(name, slice_of(field)) ||
				    slice_equal_nocase(name, SLICE("x-sendfile")) ||
				    slice_equal_nocase(name, SLICE("x-sendfile2")) ||
				    slice_equal_nocase(name, SLICE("x-lighttpd-send-file")));
}

bool
landing_passes_on(const struct flight *f, struct slice name)
{
	/* RFC 3875 section 6.3.3: to the web server Status is the answer's own. */
	return !landing_is_for_cache(name) && !landing_names_a_file(f, name) &&
	       !slice_equal_nocase(name, SLICE("status"));
}

static int
landing_make_head(struct flight *f, const struct http_response *response)
{
	bool strip = f->plan.action == PLAN_CACHE &&
		     bloat_config(f->plan.bloat)->set_cookie == SET_COOKIE_STRIP;
	bool dated = false;

	bool ranged = f->content.complete > 0 && f->completes;

	reply_put_status(&f->head, f->status);
	f->age = (struct slice){ NULL, 0 };
	for (size_t i = 0; i < response->fields.n; i++) {
		const struct http_field *field = &response->fields.items[i];
		if (!landing_passes_on(f, field->name) ||
		    (strip && slice_equal_nocase(field->name, SLICE("set-cookie"))) ||
		    (ranged && slice_equal_nocase(field->name, SLICE("content-range"))))
			continue;
		if (slice_equal_nocase(field->name, SLICE("age"))) {
			f->age = field->value;
			continue;
		}
		dated = dated || slice_equal_nocase(field->name, SLICE("date"));
		buf_slice(&f->head, field->name);
		buf_text(&f->head, ": ");
		buf_slice(&f->head, field->value);
		buf_text(&f->head, "\r\n");
	}
	/* RFC 9110 section 6.6.1: a recipient that stores or forwards a response adds what is
	 * missing. */
	char date[HTTP_DATE_SIZE];
	http_date_format(f->response_s, date);
	if (!dated)
		buf_printf(&f->head, "Date: %s\r\n", date);
	if (f->age.at != NULL)
		f->age.at = arena_copy(&f->arena, f->age);
	return buf_error(&f->head);
}

/* What others than who asked may have: all but the fields that no-cache or private name. */
static int
landing_make_public_head(struct flight *f)
{
	struct slice rest = buf_as_slice(&f->head);
	char *at = arena_alloc(&f->arena, rest.len), *start = at;

	f->public_head = rest;
	if (f->storing.hidden[0].len + f->storing.hidden[1].len == 0)
		return 0;
	if (at == NULL)
		return -ENOMEM;
	while (rest.len > 0) {
		struct slice after = rest, line = slice_cut(&after, '\n'), name = line;
		line.len++;
		if (!storing_hides(&f->storing, slice_cut(&name, ':'))) {
			memcpy(at, line.at, line.len);
			at += line.len;
		}
		rest = after;
	}
	f->public_head = (struct slice){ start, (size_t)(at - start) };
	return 0;
}

/* The bloat's tags and those the response names, in one list. What not all of them can deflate is
 * neither kept nor shared. */
static int
landing_take_tags(struct flight *f, const struct http_fields *fields)
{
	struct buf tags = { 0 };

	buf_slice(&tags, f->plan.tags);
	if (http_tags_append(fields, &tags) != 0)
		f->storable = f->shareable = false;
	f->tags = (struct slice){ arena_copy(&f->arena, buf_as_slice(&tags)), tags.len };
	int rc = f->tags.at == NULL ? -ENOMEM : buf_error(&tags);
	buf_free(&tags);
	return rc;
}

static struct slice
landing_copy_field(struct flight *f, const struct http_fields *fields, struct slice name)
{
	const struct http_field *field = http_fields_find(fields, name);

	if (field == NULL)
		return (struct slice){ NULL, 0 };
	return (struct slice){ arena_copy(&f->arena, field->value), field->value.len };
}

int
landing_judge(struct flight *f, const struct http_response *from)
{
	/* RFC 9111 section 3.3: a part may be stored where the whole might. */
	struct http_response judged = { part_is_stored(f) ? 200 : from->status, from->fields };
	const struct http_response *response = &judged;
	bool status_timeout;
	struct storing_policy policy = bloat_policy(f->plan.bloat, judged.status, &status_timeout);

	policy.authorized = f->plan.authorization.len > 0;
	f->storing =
	    storing_judge(response, &policy, status_timeout, f->sent_s, f->response_s, &f->arena);
	f->etag = landing_copy_field(f, &response->fields, SLICE("etag"));
	f->last_modified = landing_copy_field(f, &response->fields, SLICE("last-modified"));
	struct slice language =
	    http_fields_join(&response->fields, SLICE("content-language"), &f->arena);
	/* Of one field it is the fetch's own, which is gone before the response is stored. */
	f->vary.language = (struct slice){ arena_copy(&f->arena, language), language.len };
	f->storable = f->storing.verdict == STORING_YES && f->sequenced && !f->unstored;
	/* A failing backend is asked once for all; other answers are shared where they may be
	 * stored. */
	f->shareable = f->storing.verdict == STORING_YES ||
		       (f->status >= 500 && (f->storing.verdict == STORING_STATUS ||
						f->storing.verdict == STORING_NO_LIFETIME));
	int rc = vary_names(&response->fields, &f->arena, &f->vary.names);
	if (rc == -ENOMEM)
		return rc;
	if (rc != 0)
		f->storable = f->shareable = false;
	else
		rc = vary_values(f->vary.names, &f->request, &f->arena, &f->vary.values);
	if (rc != -ENOMEM)
		rc = search_rule(&response->fields, &f->arena, &f->search);
	return rc == -ENOMEM ? rc : landing_take_tags(f, &response->fields);
}

static void
landing_read_sequence(struct flight *f)
{
	if (store_read_begin(f->worker->reader) != 0)
		return;
	f->sequence = store_sequence(f->worker->reader);
	store_read_end(f->worker->reader);
}

int
landing_take_response(struct flight *f, const struct http_response *response)
{
	f->status = response->status;
	f->response_s = clock_wall_s();
	/* The mistake that others make, for the test that would find it. */
	if (fault_is("sequence-late"))
		landing_read_sequence(f);
	int rc =
	    f->plan.action == PLAN_CACHE ? landing_judge(f, response) : posted_judge(f, response);
	if (rc == 0)
		rc = landing_make_head(f, response);
	return rc != 0 ? rc : landing_make_public_head(f);
}

int
landing_take_head(struct flight *f, const struct answer *answer)
{
	struct http_response response = answer->response;
	unsigned status = response.status;

	f->has_length = answer->has_length;
	f->length = answer->length;
	f->bodyless =
	    status == 204 || status == 304 || slice_equal(f->request.method, SLICE("HEAD"));
	f->response_s = clock_wall_s();
	int rc = f->range.at == NULL ? 0 : part_take_head(f, answer, &response);
	if (rc == 0)
		rc = landing_take_response(f, &response);
	return rc != 0 ? rc : part_check_tags(f);
}

bool
landing_may_answer(struct flight *f, struct exchange *x)
{
	struct store_reader *reader = f->worker->reader;

	if (x == f->leader)
		return true;
	if (!f->shareable && !fault_is("shareable")) {
		x->alone = true;
		return false;
	}
	if (vary_selects(&f->vary, &x->request, &x->arena) != 1 && !fault_is("share-vary"))
		return false;
	if (f->tags.len == 0 || x->sequence <= f->sequence)
		return true;
	/* Deflates came between the sending and its arrival: maybe one of a tag, known only now. */
	if (store_read_begin(reader) != 0)
		return false;
	struct store_judgement judgement =
	    store_judge(reader, STORE_DOOR_TAGS, f->sequence, &f->plan.key, f->tags);
	bool same = store_id(reader) == f->store_id;
	store_read_end(reader);
	return same && judgement.life == STORE_ALIVE;
}

/* ---- Storing -------------------------------------------------------------------------------- */

static void
landing_stored(struct flight *f, struct store_job *job)
{
	if (job->rc != 0 && job->rc != -ESTALE)
		log_warn("a response could not be stored: %s", strerror(-job->rc));
	flight_turn_soon(f);
}

static void
landing_fill_job(struct flight *f, struct flight_job *job)
{
	job->landed = landing_stored;
	job->job = (struct store_job){
		.kind = STORE_JOB_INSERT,
		.key = f->plan.key,
		.variant = f->plan.variant,
		.vary = f->vary.names,
		.status = f->status,
		.sequence = f->sequence,
		.store_id = f->store_id,
		.response_s = f->response_s,
		.aging = f->storing,
		.tags = f->tags,
	};
}

/* Where Vary selects, the plain variant leads to the one with the values of the request's fields.
 */
static bool
landing_store_vary(struct flight *f)
{
	struct flight_job *lead = &f->stores[1];
	struct store_variant *item = arena_alloc(&f->arena, sizeof(*item));
	struct slice full;

	if (item == NULL ||
	    select_varied(f->stores[0].job.variant, f->vary.values, &f->arena, &full) != 0)
		return false;
	landing_fill_job(f, lead);
	lead->job.variant = f->stores[0].job.variant;
	lead->job.entry_kind = STORE_ENTRY_VARY;
	store_variant_make(full, f->vary.language, item);
	lead->job.body = (struct slice){ (char *)item, sizeof(*item) };
	f->stores[0].job.variant = full;
	return flight_submit(f, lead) == 0;
}

/*
 * Under what it says of queries, where it says something, and with a signpost that leads there.
 * What was stored for its own query alone would stand before that: it goes.
 */
static bool
landing_store_search(struct flight *f)
{
	struct flight_job *lead = &f->searches[0], *old = &f->searches[1];
	struct slice signpost, full;

	if (f->search.len == 0 || plan_search(&f->plan, &f->arena, &signpost) != 0 ||
	    signpost.at == NULL ||
	    select_search_variant(signpost, f->search, f->plan.query, &f->arena, &full) != 0)
		return true;
	f->stores[0].job.variant = full;
	landing_fill_job(f, lead);
	lead->job.entry_kind = STORE_ENTRY_SEARCH;
	lead->job.variant = signpost;
	lead->job.vary = f->search;
	landing_fill_job(f, old);
	old->job.kind = STORE_JOB_REMOVE;
	return flight_submit(f, lead) == 0 && flight_submit(f, old) == 0;
}

static int
landing_fill_whole(struct flight *f, struct store_job *job)
{
	struct buf head = { 0 };

	buf_slice(&head, f->public_head);
	if (!f->bodyless)
		reply_put_length(&head, spool_end(f));
	char *stored = buf_error(&head) == 0 ? arena_copy(&f->arena, buf_as_slice(&head)) : NULL;
	job->head = (struct slice){ stored, stored == NULL ? 0 : head.len };
	job->body = buf_as_slice(&f->body.fresh);
	job->spill = f->body.filed > 0 ? &f->body.file : NULL;
	buf_free(&head);
	return stored == NULL ? -ENOMEM : 0;
}

void
landing_store(struct flight *f)
{
	struct store_job *job = &f->stores[0].job;

	if (f->stored || f->posted)
		return;
	f->storable = f->storable && !await_was_overtaken(f);
	if (!f->storable || !spool_settle(f))
		return;
	assert(spool_has_all(f));
	f->stored = true;
	landing_fill_job(f, &f->stores[0]);
	int rc = part_is_stored(f) ? part_fill_job(f, job) : landing_fill_whole(f, job);
	if (rc != 0 || (!part_is_stored(f) && !landing_store_search(f)) ||
	    (f->vary.names.len > 0 && !landing_store_vary(f)) ||
	    flight_submit(f, &f->stores[0]) != 0) {
		metric_add(METRIC_STORE_ERRORS, 1);
		job->rc = -EIO;
	}
}
