/* part.c -- Parts of responses: served, asked for, put together (RFC 9111 sections 3.3 and 3.4). */
#include "part.h"

#include "flight_state.h"
#include "multipart.h"
#include "reply.h"
#include "serve.h"

#include <errno.h>
#include <inttypes.h>

/* ---- What is stored ------------------------------------------------------------------------- */

int
part_content(const struct store_entry *entry, struct range_content *out)
{
	struct slice value = http_head_value(entry->head, SLICE("content-range"));
	int rc = range_read_content(value, out);

	return rc == 0 && out->length == entry->body_bytes ? 0 : -EINVAL;
}

bool
part_holds(const struct exchange *x, const struct store_entry *entry)
{
	struct slice value = http_fields_value(&x->request.fields, SLICE("range"));
	struct slice if_range = http_fields_value(&x->request.fields, SLICE("if-range"));
	struct range_content have;
	struct range_set set;

	if (value.at == NULL || !slice_equal(x->request.method, SLICE("GET")) ||
	    range_has_conditions(&x->request) || part_content(entry, &have) != 0 ||
	    !range_if_range(if_range, entry->etag, entry->last_modified, entry->response_s) ||
	    range_read(value, have.complete, &set) != RANGE_PART)
		return false;
	const struct range *want = &set.items[0];
	return want->first >= have.first && want->first + want->length <= have.first + have.length;
}

static struct slice
part_copy_body(struct exchange *x, const struct store_entry *entry, size_t n_body)
{
	const struct multipart_source from = { .pieces = x->worker->parts.items + REPLY_BODY_PARTS,
		.n = n_body,
		.fd = x->file.open ? x->file.fd : -1 };
	const struct range all = { 0, entry->body_bytes };
	char *bytes = arena_alloc(&x->arena, (size_t)all.length);

	if (bytes == NULL || multipart_read(&from, &all, bytes) != 0)
		return (struct slice){ NULL, 0 };
	return (struct slice){ bytes, (size_t)all.length };
}

void
part_note(struct exchange *x, const struct store_entry *entry, size_t n_body)
{
	struct slice validator =
	    range_validator(entry->etag, entry->last_modified, entry->response_s);
	struct range_content have;

	if (x->unconditional || x->alone || validator.at == NULL || entry->body_bytes > PART_MAX ||
	    part_content(entry, &have) != 0)
		return;
	x->part = (struct part){ .bytes = part_copy_body(x, entry, n_body),
		.first = have.first,
		.complete = have.complete,
		.validator = { arena_copy(&x->arena, validator), validator.len },
		.tags = { arena_copy(&x->arena, entry->tags), entry->tags.len },
		.sequence = entry->sequence,
		.store_id = store_id(x->worker->reader) };
	if (x->part.validator.at == NULL || x->part.tags.at == NULL)
		x->part.bytes.at = NULL;
}

void
part_wish(struct exchange *x)
{
	if (!x->unconditional && !x->alone)
		x->range = plan_range(&x->plan, &x->request);
}

/* ---- Asking --------------------------------------------------------------------------------- */

static void
part_forget(struct flight *f)
{
	f->range = (struct slice){ NULL, 0 };
	f->part = (struct part){ 0 };
	f->completes = false;
}

/* What the stored part lacks to be the whole, where that is one range. */
static bool
part_plan_rest(struct flight *f)
{
	const struct part *p = &f->part;
	char *range = NULL;

	if (p->complete > f->site->config->dory.max_object_bytes)
		return false;
	if (p->first == 0)
		range = arena_printf(&f->arena, "bytes=%zu-", p->bytes.len);
	else if (p->first + p->bytes.len == p->complete)
		range = arena_printf(&f->arena, "bytes=0-%" PRIu64, p->first - 1);
	f->range = slice_of(range);
	return range != NULL;
}

int
part_take(struct flight *f, const struct exchange *x)
{
	if (f->plan.action != PLAN_CACHE)
		return 0;
	if (x->part.bytes.at != NULL) {
		f->part = x->part;
		f->part.bytes.at = arena_copy(&f->arena, x->part.bytes);
		f->part.validator.at = arena_copy(&f->arena, x->part.validator);
		f->part.tags.at = arena_copy(&f->arena, x->part.tags);
		if (f->part.bytes.at == NULL || f->part.validator.at == NULL ||
		    f->part.tags.at == NULL)
			return -ENOMEM;
	}
	if (x->range.at != NULL) {
		f->range = (struct slice){ arena_copy(&f->arena, x->range), x->range.len };
		return f->range.at == NULL ? -ENOMEM : 0;
	}
	f->completes = f->part.bytes.at != NULL && part_plan_rest(f);
	if (!f->completes)
		part_forget(f);
	return 0;
}

int
part_ask(struct flight *f, struct http_fields *fields)
{
	bool same_store = f->sequenced && f->store_id == f->part.store_id;

	if (f->part.bytes.at != NULL && !same_store)
		f->part = (struct part){ 0 };
	if (f->completes && f->part.bytes.at == NULL)
		part_forget(f);
	if (f->range.at == NULL)
		return 0;
	struct http_field *items = arena_alloc(&f->arena, (fields->n + 2) * sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	memcpy(items, fields->items, fields->n * sizeof(*items));
	fields->items = items;
	items[fields->n++] = (struct http_field){ SLICE("range"), f->range };
	if (!f->completes)
		return 0;
	items[fields->n++] = (struct http_field){ SLICE("if-range"), f->part.validator };
	/* What comes of it is as old as its oldest bytes: whoever joins is judged by these. */
	f->sequence = f->part.sequence;
	return 0;
}

/* ---- The answer ----------------------------------------------------------------------------- */

static int
part_refuse(struct flight *f)
{
	f->refused = true;
	return -ESTALE;
}

/* RFC 9110 section 15.3.7.3: the same strong validator. */
static bool
part_is_same(const struct flight *f, struct slice etag, struct slice last_modified)
{
	struct slice validator = range_validator(etag, last_modified, f->response_s);

	return validator.at != NULL && slice_equal(validator, f->part.validator);
}

/* Is it exactly what was lacking? */
static bool
part_fits(const struct flight *f, const struct http_fields *fields)
{
	const struct range_content *c = &f->content;
	uint64_t end = f->part.first + f->part.bytes.len;

	return c->complete == f->part.complete &&
	       (f->part.first == 0 ? c->first == end && c->length == c->complete - end
				   : c->first == 0 && c->length == f->part.first) &&
	       part_is_same(f, http_fields_value(fields, SLICE("etag")),
		   http_fields_value(fields, SLICE("last-modified")));
}

static int
part_complete(struct flight *f, struct http_response *response)
{
	unsigned status = response->status;

	if (status == 416 || (status == PART_STATUS && !part_fits(f, &response->fields)))
		return part_refuse(f);
	if (status != PART_STATUS) {
		part_forget(f);
		return 0;
	}
	response->status = 200;
	f->has_length = true;
	f->length = f->part.complete;
	return f->part.first > 0 ? 0 : spool_append(f, f->part.bytes.at, f->part.bytes.len);
}

static bool
part_is_wrong_length(const struct flight *f, uint64_t length)
{
	return f->completes ? length != f->content.length : length > f->content.length;
}

int
part_take_head(struct flight *f, const struct answer *answer, struct http_response *response)
{
	const struct http_fields *fields = &answer->response.fields;
	unsigned status = response->status;
	struct range_content *c = &f->content;

	/* Is the length wrong, or where it begins? It is for who asked, and for nobody else. */
	if (status != PART_STATUS ||
	    range_read_content(http_fields_value(fields, SLICE("content-range")), c) != 0 ||
	    (answer->has_length && part_is_wrong_length(f, answer->length)))
		*c = (struct range_content){ 0 };
	if (f->completes)
		return part_complete(f, response);
	if (status == 200)
		part_forget(f);
	else if (c->complete == 0 || c->length > PART_MAX)
		f->unstored = true;
	return 0;
}

int
part_check_tags(struct flight *f)
{
	return f->completes && !slice_equal(f->tags, f->part.tags) ? part_refuse(f) : 0;
}

static uint64_t
part_expected_end(const struct flight *f)
{
	if (!f->completes)
		return f->content.length;
	return f->part.first == 0 ? f->part.complete : f->part.first;
}

bool
part_has_room(const struct flight *f, uint64_t end)
{
	return !f->completes || end <= part_expected_end(f);
}

/*
 * Fewer bytes than announced, and no fault of the connection's: they are where it says that they
 * begin, as whoever received them would have it. Nothing is ever joined to them, for without a
 * strong validator nothing can be.
 */
static void
part_take_fewer(struct flight *f)
{
	uint64_t end = spool_end(f);

	if (!f->completes && end > 0 && end < f->content.length &&
	    range_validator(f->etag, f->last_modified, f->response_s).at == NULL)
		f->content.length = end;
}

int
part_end(struct flight *f)
{
	if (f->content.complete == 0)
		return 0;
	part_take_fewer(f);
	bool exact = spool_end(f) == part_expected_end(f);
	f->storable = f->storable && exact;
	if (!f->completes)
		return 0;
	if (!exact)
		return -EBADMSG;
	return f->part.first == 0 ? 0 : spool_append(f, f->part.bytes.at, f->part.bytes.len);
}

void
part_again(struct flight *f)
{
	while (f->waiters != NULL) {
		struct exchange *x = f->waiters;
		flight_detach(x);
		x->unconditional = true;
		serve_again(x);
	}
}

/* ---- Storing -------------------------------------------------------------------------------- */

bool
part_is_stored(const struct flight *f)
{
	return f->content.complete > 0 && !f->completes;
}

static uint64_t
part_union_end(const struct flight *f)
{
	uint64_t end = f->content.first + f->content.length;
	uint64_t part_end = f->part.first + f->part.bytes.len;

	return end > part_end ? end : part_end;
}

/* RFC 9111 section 3.4: the same bytes, as far as they overlap, and no gap between. */
static bool
part_can_join(const struct flight *f)
{
	const struct range_content *c = &f->content;
	const struct part *p = &f->part;
	uint64_t first = c->first < p->first ? c->first : p->first;

	return p->bytes.at != NULL && p->complete == c->complete &&
	       part_is_same(f, f->etag, f->last_modified) && slice_equal(f->tags, p->tags) &&
	       c->first <= p->first + p->bytes.len && p->first <= c->first + c->length &&
	       part_union_end(f) - first <= PART_MAX;
}

/* Both as one: as old as the older of the two. */
static int
part_join(struct flight *f, struct store_job *job)
{
	struct range_content *c = &f->content;
	const struct part *p = &f->part;
	uint64_t first = c->first < p->first ? c->first : p->first;
	uint64_t length = part_union_end(f) - first;
	char *bytes = arena_alloc(&f->arena, (size_t)length);

	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes + (p->first - first), p->bytes.at, p->bytes.len);
	memcpy(bytes + (c->first - first), job->body.at, job->body.len);
	job->body = (struct slice){ bytes, (size_t)length };
	job->sequence = p->sequence < job->sequence ? p->sequence : job->sequence;
	c->first = first;
	c->length = length;
	return 0;
}

int
part_fill_job(struct flight *f, struct store_job *job)
{
	const struct range_content *c = &f->content;
	struct slice head = f->public_head, line;
	struct http_field field;
	struct buf out = { 0 };

	job->body = buf_as_slice(&f->body.fresh);
	int rc = part_can_join(f) ? part_join(f, job) : 0;
	/* RFC 9110 section 15.3.7.3: what is all of it is a 200. */
	job->status = c->length == c->complete ? 200 : PART_STATUS;
	(void)slice_cut(&head, '\n');
	reply_put_status(&out, job->status);
	while (http_head_next(&head, &field, &line))
		if (!slice_equal_nocase(field.name, SLICE("content-range")))
			buf_slice(&out, line);
	if (job->status == PART_STATUS)
		buf_printf(&out, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
		    c->first, c->first + c->length - 1, c->complete);
	reply_put_length(&out, c->length);
	job->head = (struct slice){ arena_copy(&f->arena, buf_as_slice(&out)), out.len };
	rc = rc == 0 ? buf_error(&out) : rc;
	buf_free(&out);
	return rc == 0 && job->head.at == NULL ? -ENOMEM : rc;
}

bool
part_serves(const struct flight *f, const struct exchange *x, struct store_entry *entry)
{
	const struct store_job *job = &f->stores[0].job;

	/* Where it was joined to another, it is not what the flight has. */
	if (!f->stored || !part_is_stored(f) || x == f->leader || job->status != PART_STATUS ||
	    job->body.at != f->body.fresh.data)
		return false;
	*entry = (struct store_entry){ .status = job->status,
		.head = job->head,
		.etag = f->etag,
		.last_modified = f->last_modified,
		.response_s = f->response_s,
		.body_bytes = job->body.len };
	return part_holds(x, entry);
}
