/* reply.c -- Answers as bytes: hits, heads, errors, Cache-Status and the access log. */
#include "reply.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "conn.h"
#include "http/validation.h"
#include "multipart.h"
#include "part.h"
#include "route/scopetext.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

bool
reply_is_head_only(const struct exchange *x)
{
	return slice_equal(x->request.method, SLICE("HEAD"));
}

static bool
reply_has_status_header(const struct exchange *x)
{
	return x->site->config->dory.status_header;
}

/* ---- Cache-Status (RFC 9211) ---------------------------------------------------------------- */

/* A structured-field string (RFC 8941 section 3.3.3): printable ASCII, \ and " escaped. */
static void
reply_put_string(struct buf *out, struct slice text)
{
	char *at = buf_reserve(out, text.len * 2 + 2);

	if (at == NULL)
		return;
	*at++ = '"';
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] == '"' || text.at[i] == '\\')
			*at++ = '\\';
		if (text.at[i] >= 0x20 && text.at[i] < 0x7f)
			*at++ = text.at[i];
	}
	*at++ = '"';
	out->len = (size_t)(at - out->data);
}

static void
reply_put_key(struct exchange *x, struct buf *out)
{
	struct buf *key = &x->worker->key_text;

	buf_clear(key);
	key_print(x->site->routes, &x->plan.key, key);
	buf_text(out, "; key=");
	reply_put_string(out, buf_as_slice(key));
}

static const char *
reply_forward_name(enum forward_reason reason)
{
	static const char *const names[] = {
		[FORWARD_NONE] = "bypass",
		[FORWARD_BYPASS] = "bypass",
		[FORWARD_METHOD] = "method",
		[FORWARD_URI_MISS] = "uri-miss",
		[FORWARD_VARY_MISS] = "vary-miss",
		[FORWARD_MISS] = "miss",
		[FORWARD_STALE] = "stale",
		[FORWARD_REQUEST] = "request",
		[FORWARD_PARTIAL] = "partial",
	};
	return names[reason];
}

static void
reply_put_detail(const struct exchange *x, struct buf *out)
{
	if (x->deflated_by != 0)
		buf_printf(out, "; detail=\"deflated %" PRIu64 "\"", x->deflated_by);
	else if (x->detail != NULL)
		buf_printf(out, "; detail=\"%s\"", x->detail);
}

/* What the store's words for Cache-Status begin with: nothing is promised of it then. */
static bool
reply_is_store_ill(const struct exchange *x)
{
	return x->detail != NULL && slice_starts_with(slice_of(x->detail), SLICE("store-"));
}

static void
reply_put_fetch(struct exchange *x, const struct reply_fetch *fetch, struct buf *out)
{
	bool stored = fetch->stored && !reply_is_store_ill(x);

	buf_text(out, "Cache-Status: dory; fwd=");
	buf_text(out, reply_forward_name(x->forward));
	/* Section 2.3: where it is not the status of this very response. */
	if (fetch->status != 0 && fetch->status != x->status)
		buf_printf(out, "; fwd-status=%u", fetch->status);
	if (stored) {
		buf_text(out, "; stored; ttl=");
		buf_number(out, fetch->ttl_s);
	}
	buf_text(out, fetch->collapsed ? "; collapsed" : "");
	/* An answer of our own repeats nothing of the request. */
	if (x->plan.action == PLAN_CACHE && fetch->status != 0)
		reply_put_key(x, out);
	if (x->deflated_by == 0 && x->detail == NULL && fetch->refused != NULL)
		buf_printf(out, "; detail=\"%s\"", fetch->refused);
	reply_put_detail(x, out);
	buf_text(out, "\r\n");
}

void
reply_end_head(struct exchange *x, const struct reply_fetch *fetch, struct buf *out)
{
	if (reply_has_status_header(x))
		reply_put_fetch(x, fetch, out);
	buf_text(out, "\r\n");
}

/* ---- Hits ----------------------------------------------------------------------------------- */

static void
reply_put_hit(struct exchange *x, const struct store_entry *entry, int64_t age_s,
    enum reply_hit how, struct buf *out)
{
	int64_t ttl_s = entry->aging.lifetime_s - age_s;

	switch (how) {
	case REPLY_HIT_FRESH:
	case REPLY_HIT_STALE:
		buf_text(out, "hit; ttl=");
		buf_number(out, ttl_s);
		buf_text(out, how == REPLY_HIT_STALE ? "; fwd=stale" : "");
		break;
	case REPLY_HIT_VALIDATED:
		buf_printf(
		    out, "fwd=%s; fwd-status=304; stored; ttl=", reply_forward_name(x->forward));
		buf_number(out, ttl_s);
		break;
	}
	reply_put_key(x, out);
	reply_put_detail(x, out);
}

static void
reply_end_hit(struct exchange *x, const struct store_entry *entry, int64_t age_s,
    enum reply_hit how, struct buf *out)
{
	buf_text(out, "Age: ");
	buf_number(out, age_s);
	if (reply_has_status_header(x)) {
		buf_text(out, "\r\nCache-Status: dory; ");
		reply_put_hit(x, entry, age_s, how, out);
	}
	buf_text(out, "\r\n\r\n");
}

void
reply_put_status(struct buf *out, unsigned status)
{
	buf_text(out, "Status: ");
	buf_number(out, status);
	buf_text(out, "\r\n");
}

void
reply_put_length(struct buf *out, uint64_t length)
{
	buf_text(out, "Content-Length: ");
	buf_number(out, (int64_t)length);
	buf_text(out, "\r\n");
}

/* RFC 9110 section 15.4.5: only what a 304 carries of the stored head. */
static void
reply_put_304_head(struct slice head, struct buf *out)
{
	struct http_field field;
	struct slice line;

	buf_text(out, "Status: 304\r\n");
	while (http_head_next(&head, &field, &line))
		if (field.value.at != NULL && http_field_is_for_304(field.name))
			buf_slice(out, line);
}

bool
reply_not_modified(const struct exchange *x, struct slice etag, struct slice last_modified,
    struct slice head, int64_t now_s, struct buf *out)
{
	struct slice none = { NULL, 0 };
	struct slice match = http_fields_value(&x->request.fields, SLICE("if-none-match"));
	struct slice since = http_fields_value(&x->request.fields, SLICE("if-modified-since"));

	if (match.at == NULL && since.at == NULL)
		return false;
	/* RFC 9111 section 4.3.2: without Last-Modified, Date tells when it was what it is. */
	if (last_modified.len == 0)
		last_modified = http_head_value(head, SLICE("date"));
	if (!http_not_modified(match, since, etag.len > 0 ? etag : none,
		last_modified.len > 0 ? last_modified : none, now_s))
		return false;
	reply_put_304_head(head, out);
	return true;
}

/* ---- Ranges (RFC 9110 section 14) ----------------------------------------------------------- */

/* A 206 has all that the 200 would have but its length; a 416 nothing of it. */
static void
reply_put_range_head(
    struct slice head, uint64_t size_bytes, const struct range *range, struct buf *out)
{
	struct http_field field;
	struct slice line;

	if (range == NULL) {
		buf_printf(out,
		    "Status: 416\r\nContent-Range: bytes */%" PRIu64 "\r\nContent-Length: 0\r\n"
		    "Cache-Control: no-store\r\n",
		    size_bytes);
		return;
	}
	(void)slice_cut(&head, '\n'); /* Status */
	buf_text(out, "Status: 206\r\n");
	while (http_head_next(&head, &field, &line))
		if (!slice_equal_nocase(field.name, SLICE("content-length")) &&
		    !slice_equal_nocase(field.name, SLICE("content-range")))
			buf_slice(out, line);
	buf_printf(out,
	    "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n"
	    "Content-Length: %" PRIu64 "\r\n",
	    range->first, range->first + range->length - 1, size_bytes, range->length);
}

/* Of the parts of a body, leave those of the range. Returns: how many they are. */
static size_t
reply_cut_body(struct iovec *parts, size_t n, const struct range *range)
{
	uint64_t skip = range->first, left = range->length;
	size_t kept = 0;

	for (size_t i = 0; i < n && left > 0; i++) {
		struct iovec part = parts[i];
		size_t gone = skip < part.iov_len ? (size_t)skip : part.iov_len;
		skip -= gone;
		part.iov_base = (char *)part.iov_base + gone;
		part.iov_len -= gone;
		if (part.iov_len > left)
			part.iov_len = (size_t)left;
		left -= part.iov_len;
		if (part.iov_len > 0)
			parts[kept++] = part;
	}
	return kept;
}

enum range_verdict
reply_range(const struct exchange *x, const struct store_entry *entry, struct range_set *set,
    struct buf *out)
{
	struct slice value = http_fields_value(&x->request.fields, SLICE("range"));
	struct range_content have = { 0, entry->body_bytes, entry->body_bytes };
	bool ranged = entry->status == 200 ||
		      (entry->status == PART_STATUS && part_content(entry, &have) == 0);

	if (value.at == NULL || !ranged || !slice_equal(x->request.method, SLICE("GET")) ||
	    !range_if_range(http_fields_value(&x->request.fields, SLICE("if-range")), entry->etag,
		entry->last_modified, entry->response_s))
		return RANGE_WHOLE;
	enum range_verdict verdict = range_read(value, have.complete, set);
	switch (verdict) {
	case RANGE_WHOLE:
	case RANGE_SEVERAL:
		break;
	case RANGE_PART:
		reply_put_range_head(entry->head, have.complete, &set->items[0], out);
		set->items[0].first -= have.first;
		break;
	case RANGE_UNSATISFIABLE:
		reply_put_range_head(entry->head, have.complete, NULL, out);
		break;
	}
	return verdict;
}

/* Does the web server send it, told by a field of the head? A status other than 200 would be lost.
 */
static bool
reply_put_path(struct exchange *x, const struct store_entry *entry, struct buf *out)
{
	const char *field = x->site->config->dory.sendfile_header;
	char path[PATH_MAX];

	if (field == NULL || entry->status != 200 ||
	    store_body_path(store_of(x->worker->reader), entry, path, sizeof(path)) < 0)
		return false;
	buf_printf(out, "%s: %s\r\n", field, path);
	return true;
}

/* The head is in the first two parts. */
static void
reply_send_file(struct exchange *x, const struct range *range, struct iovec *parts)
{
	struct outbox_part file = { x->file.fd, range->first, range->length };

	x->file.open = false;
	conn_send_file(x, parts, REPLY_BODY_PARTS, &file);
}

/* Several ranges, copied. Returns false where they cannot be had: then the whole is sent. */
static bool
reply_hit_several(struct exchange *x, const struct store_entry *entry, const struct range_set *set,
    size_t n_body, struct slice end)
{
	const struct multipart_source from = { .head = entry->head,
		.size_bytes = entry->body_bytes,
		.pieces = (struct iovec *)x->worker->parts.items + REPLY_BODY_PARTS,
		.n = n_body,
		.fd = x->file.open ? x->file.fd : -1 };
	struct buf head = { 0 }, body = { 0 };
	bool made = multipart_make(&from, set, &head, &body) == 0;

	if (made) {
		const struct iovec parts[] = { { head.data, head.len },
			{ (void *)(uintptr_t)end.at, end.len }, { body.data, body.len } };
		x->status = 206;
		conn_send(x, parts, COUNT(parts));
	}
	buf_free(&head);
	buf_free(&body);
	return made;
}

void
reply_hit(struct exchange *x, const struct store_entry *entry, size_t n_body, int64_t now_s,
    enum reply_hit how)
{
	struct iovec *parts = x->worker->parts.items;
	int64_t since_s = now_s - entry->response_s;
	int64_t age_s = entry->aging.age_s + (since_s > 0 ? since_s : 0);
	struct buf head = { 0 }, *end = &x->worker->text;
	const struct range whole = { 0, entry->body_bytes };
	bool not_modified =
	    entry->status == 200 &&
	    reply_not_modified(x, entry->etag, entry->last_modified, entry->head, now_s, &head);

	if (how != REPLY_HIT_VALIDATED)
		metric_add(how == REPLY_HIT_FRESH ? METRIC_HITS : METRIC_STALE_HITS, 1);
	struct range_set set;
	enum range_verdict part = RANGE_WHOLE;

	/* Where the web server sends the file, it finds the range itself. */
	if (!not_modified && (entry->status == PART_STATUS || !x->file.open ||
				 x->site->config->dory.sendfile_header == NULL))
		part = reply_range(x, entry, &set, &head);
	x->status = not_modified                  ? 304
		    : part == RANGE_PART          ? 206
		    : part == RANGE_UNSATISFIABLE ? 416
						  : entry->status;
	x->hit = how != REPLY_HIT_VALIDATED;
	parts[0] = (struct iovec){ (void *)(uintptr_t)entry->head.at, entry->head.len };
	if (head.len > 0)
		parts[0] = (struct iovec){ head.data, head.len };
	bool body = !not_modified && part != RANGE_UNSATISFIABLE && !reply_is_head_only(x);
	bool file = body && x->file.open;
	if (part == RANGE_PART && !file)
		n_body = reply_cut_body(parts + REPLY_BODY_PARTS, n_body, &set.items[0]);
	buf_clear(end);
	if (file)
		file = !reply_put_path(x, entry, end);
	reply_end_hit(x, entry, age_s, how, end);
	parts[1] = (struct iovec){ end->data, end->len };
	if (part == RANGE_SEVERAL && buf_error(end) == 0 &&
	    reply_hit_several(x, entry, &set, n_body, buf_as_slice(end)))
		return;
	if (buf_error(&head) != 0 || buf_error(end) != 0)
		reply_error(x, 503, "out of memory");
	else if (file)
		reply_send_file(x, part == RANGE_PART ? &set.items[0] : &whole, parts);
	else
		conn_send(x, parts, REPLY_BODY_PARTS + (body ? n_body : 0));
	buf_free(&head);
}

/* ---- Dory's own answers --------------------------------------------------------------------- */

void
reply_text(struct exchange *x, unsigned status, const char *type, struct slice text)
{
	struct buf head = { 0 };

	x->status = status;
	buf_printf(&head,
	    "Status: %u\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n",
	    status, type, text.len);
	if (status == 503)
		buf_text(&head, "Retry-After: 1\r\n");
	if (x->forward != FORWARD_NONE && reply_has_status_header(x))
		reply_end_head(x, &(struct reply_fetch){ 0 }, &head);
	else
		buf_text(&head, "\r\n");
	if (buf_error(&head) != 0) {
		conn_cut(x);
	} else {
		struct iovec parts[] = { { head.data, head.len },
			{ (void *)(uintptr_t)text.at, text.len } };
		conn_send(x, parts, reply_is_head_only(x) ? 1 : 2);
	}
	buf_free(&head);
}

void
reply_error(struct exchange *x, unsigned status, const char *text)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "%u: %s\n", status, text);
	size_t n = len < 0 ? 0 : (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;

	reply_text(x, status, "text/plain; charset=utf-8", (struct slice){ line, n });
}

void
reply_json(struct exchange *x, unsigned status, json_t *json)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct buf line = { 0 };

	json_decref(json);
	if (text != NULL) {
		buf_text(&line, text);
		buf_char(&line, '\n');
	}
	if (text == NULL || buf_error(&line) != 0)
		reply_error(x, 503, "out of memory");
	else
		reply_text(x, status, "application/json", buf_as_slice(&line));
	buf_free(&line);
	free(text);
}

/* ---- The access log ------------------------------------------------------------------------- */

void
reply_log(struct exchange *x)
{
	char when[32];
	struct tm tm;
	time_t now = (time_t)clock_wall_s();
	struct buf line = { 0 };

	if (!log_has_access())
		return;
	gmtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_printf(&line, "%.*s %s \"%.*s %.*s%.*s%s%.*s\" %u %" PRIu64 " %" PRId64 "us %s",
	    SLICE_ARGS(x->request.remote_addr), when, SLICE_ARGS(x->request.method),
	    SLICE_ARGS(x->request.host), SLICE_ARGS(x->request.path),
	    x->request.query.at == NULL ? "" : "?", SLICE_ARGS(x->request.query), x->status,
	    x->sent_bytes, clock_mono_us() - x->began_us,
	    x->hit                       ? "hit"
	    : x->forward == FORWARD_NONE ? "-"
					 : reply_forward_name(x->forward));
	if (buf_error(&line) == 0)
		log_access(buf_as_slice(&line));
	buf_free(&line);
}
