/* revalidation.c -- Asking whether what is stored is still good, and freshening it (RFC 9111 4.3).
 */
#include "await.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "serve.h"

#include <errno.h>

static struct slice
revalidation_copy(struct flight *f, struct slice s)
{
	return (struct slice){ arena_copy(&f->arena, s), s.len };
}

int
revalidation_take(struct flight *f, const struct stale *stale)
{
	if (stale->head.at == NULL)
		return 0;
	f->stale = (struct stale){
		.etag = revalidation_copy(f, stale->etag),
		.last_modified = revalidation_copy(f, stale->last_modified),
		.head = revalidation_copy(f, stale->head),
		.variant = revalidation_copy(f, stale->variant),
		.sequence = stale->sequence,
		.by_surrogate = stale->by_surrogate,
		.lifetime_s = stale->lifetime_s,
		.grace_s = stale->grace_s,
	};
	bool good = f->stale.etag.at != NULL && f->stale.last_modified.at != NULL &&
		    f->stale.head.at != NULL && f->stale.variant.at != NULL;
	return good ? 0 : -ENOMEM;
}

void
revalidation_note_landing(const struct flight *f, struct exchange *x)
{
	const struct store_job *job = &f->stores[0].job;

	if (x->unconditional || (f->etag.len == 0 && f->last_modified.len == 0))
		return;
	x->forward = FORWARD_STALE;
	x->stale = (struct stale){
		.etag = f->etag,
		.last_modified = f->last_modified,
		.head = job->head,
		.variant = job->variant,
		.sequence = f->sequence,
		.by_surrogate = f->storing.by_surrogate,
		.lifetime_s = f->storing.lifetime_s,
		.grace_s = f->storing.grace_s,
	};
}

int
revalidation_ask(struct flight *f, struct http_fields *fields)
{
	struct http_field *items = arena_alloc(&f->arena, (fields->n + 2) * sizeof(*items));

	if (f->stale.head.at == NULL || fault_is("conditional"))
		return 0;
	if (items == NULL)
		return -ENOMEM;
	memcpy(items, fields->items, fields->n * sizeof(*items));
	fields->items = items;
	if (f->stale.etag.len > 0)
		items[fields->n++] = (struct http_field){ SLICE("if-none-match"), f->stale.etag };
	if (f->stale.last_modified.len > 0)
		items[fields->n++] =
		    (struct http_field){ SLICE("if-modified-since"), f->stale.last_modified };
	return 0;
}

/* RFC 9111 section 3.2: what describes the stored body is not for a 304 to change. Content-Type may
 * be: we do nothing with it. */
static bool
revalidation_is_of_body(struct slice name)
{
	static const char *const names[] = { "content-digest", "content-encoding", "content-length",
		"content-md5", "content-range", "etag" };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (slice_equal_nocase(name, slice_of(names[i])))
			return true;
	}
	return false;
}

static void
revalidation_put_field(struct http_fields *out, size_t room, struct slice name, struct slice value)
{
	if (out->n < room)
		out->items[out->n++] = (struct http_field){ name, value };
}

/* The stored fields, each replaced by what the 304 says of it. */
static void
revalidation_merge(
    struct slice head, const struct http_fields *update, struct http_fields *out, size_t room)
{
	struct http_field field;

	(void)slice_cut(&head, '\n'); /* Status */
	while (http_head_next(&head, &field, NULL)) {
		if (revalidation_is_of_body(field.name) ||
		    http_fields_find(update, field.name) == NULL)
			revalidation_put_field(out, room, field.name, field.value);
	}
	for (size_t i = 0; i < update->n; i++) {
		if (!revalidation_is_of_body(update->items[i].name))
			revalidation_put_field(
			    out, room, update->items[i].name, update->items[i].value);
	}
}

/* Surrogate-Control ends here, and so is in no stored head: what the stored response said by it
 * stands, as its other fields do, until a 304 says otherwise. */
static int
revalidation_add_surrogate(struct flight *f, struct http_fields *merged, size_t room)
{
	const struct slice name = SLICE("surrogate-control");

	if (!f->stale.by_surrogate || http_fields_find(merged, name) != NULL)
		return 0;
	char *value = arena_printf(&f->arena, "max-age=%lld+%lld", (long long)f->stale.lifetime_s,
	    (long long)f->stale.grace_s);
	if (value == NULL)
		return -ENOMEM;
	revalidation_put_field(merged, room, name, slice_of(value));
	return 0;
}

static size_t
revalidation_count_lines(struct slice head)
{
	size_t n = 0;

	while (head.at != NULL) {
		(void)slice_cut(&head, '\n');
		n++;
	}
	return n;
}

static unsigned
revalidation_stored_status(struct slice head)
{
	struct slice line = slice_cut(&head, '\r');
	uint64_t status = 200;

	(void)slice_cut(&line, ' ');
	return line.at != NULL && slice_to_u64(line, &status) == 0 ? (unsigned)status : 200;
}

int
revalidation_take_head(struct flight *f, const struct answer *answer)
{
	size_t room = revalidation_count_lines(f->stale.head) + answer->response.fields.n + 1;
	struct http_field *items = arena_alloc(&f->arena, room * sizeof(*items));
	struct http_response merged = { .status = revalidation_stored_status(f->stale.head),
		.fields = { items, 0 } };

	if (items == NULL)
		return -ENOMEM;
	revalidation_merge(f->stale.head, &answer->response.fields, &merged.fields, room);
	if (revalidation_add_surrogate(f, &merged.fields, room) != 0)
		return -ENOMEM;
	int rc = landing_take_response(f, &merged);
	f->freshens = true;
	f->shared = false;
	f->held = true;
	return rc;
}

/* Those who waited look again: at what is fresh now, or, where asking led nowhere, for a whole
 * fetch. */
static void
revalidation_landed(struct flight *f, struct store_job *job)
{
	f->held = false;
	while (f->waiters != NULL) {
		struct exchange *x = f->waiters;
		flight_detach(x);
		x->stale = (struct stale){ 0 };
		x->unconditional = true;
		x->validated = job->rc == 0;
		x->validated_from = f->sequence;
		serve_again(x);
	}
	flight_turn_soon(f);
}

void
revalidation_store(struct flight *f)
{
	struct flight_job *job = &f->stores[0];

	if (f->stored)
		return;
	/* A 304 that names no tags says nothing of those that the stored response named: they stay,
	 * and the bloat's own among them. */
	bool names_tags = f->tags.len > f->plan.tags.len;
	f->stored = true;
	f->storable = f->storable && !await_was_overtaken(f);
	job->landed = revalidation_landed;
	job->job = (struct store_job){
		.kind = STORE_JOB_FRESHEN,
		.key = f->plan.key,
		.variant = f->stale.variant,
		.vary = f->vary.names,
		.tags = names_tags ? f->tags : SLICE(""),
		.head = f->public_head,
		.status = f->status,
		.sequence = f->sequence,
		.store_id = f->store_id,
		.response_s = f->response_s,
		.aging = f->storing,
		.freshen_sequence = f->stale.sequence,
	};
	job->job.rc = -EIO;
	if (!f->storable || flight_submit(f, job) != 0)
		revalidation_landed(f, &job->job);
}
