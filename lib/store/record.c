/* record.c -- One stored entry as bytes: laid out, read back and checked. Knows nothing of LMDB. */
#include "store/record.h"

#include <errno.h>
#include <xxhash.h>

static const uint32_t record_magic = 0x79726f44; /* "Dory" */
enum {
	RECORD_VERSION = 2,
	RECORD_VERSION_PART = 3, /* Not to be taken for the whole by who knows no parts. */
	RECORD_REVALIDATE = 1,
	RECORD_FILE = 2,
	RECORD_NEVER_STALE = 4,
	RECORD_SURROGATE = 8
};

/* In this machine's byte order: a store is not carried to another. Followed by key, variant, tags,
 * vary, the head where head_id is 0, and the body where body_id is 0 (of chunks, or with
 * RECORD_FILE of a file). */
struct record_fixed {
	uint64_t checksum; /* XXH3 of all that follows. */
	uint32_t magic;
	uint16_t version;
	uint8_t kind;
	uint8_t flags;
	uint32_t status;
	uint32_t verdict;
	uint32_t key_len, variant_len, tags_len, vary_len, head_len;
	uint32_t reserved;
	struct record_span etag, last_modified;
	uint64_t body_bytes, head_id, head_hash, body_id, body_hash, sequence, queue;
	int64_t response_s, age_s, lifetime_s, grace_s, stale_if_error_s, keep_s;
};
_Static_assert(sizeof(struct record_fixed) == 168, "no padding: every byte is checked");

int
record_check_size(const struct record *r, struct slice body)
{
	const struct store_entry *e = &r->entry;
	size_t names = RECORD_NAMES_MAX;
	const size_t lens[] = { e->key.len, e->variant.len, e->tags.len, e->vary.len };

	for (size_t i = 0; i < COUNT(lens); i++) {
		if (lens[i] > names)
			return -E2BIG;
		names -= lens[i];
	}
	return r->head_bytes > RECORD_HEAD_MAX || body.len > RECORD_BODY_MAX ? -E2BIG : 0;
}

static struct record_span
record_find_field(struct slice head, struct slice name)
{
	struct slice value = http_head_value(head, name);

	if (value.at == NULL)
		return (struct record_span){ 0, 0 };
	return (struct record_span){ (uint32_t)(value.at - head.at), (uint32_t)value.len };
}

static struct slice
record_cut_span(const char *head, struct record_span span)
{
	return span.len == 0 ? (struct slice){ NULL, 0 }
			     : (struct slice){ head + span.at, span.len };
}

void
record_place_head(struct record *r, const char *head)
{
	r->entry.head = (struct slice){ head, r->head_bytes };
	r->entry.etag = record_cut_span(head, r->etag);
	r->entry.last_modified = record_cut_span(head, r->last_modified);
}

void
record_set_head(struct record *r, struct slice head)
{
	r->head_bytes = head.len;
	r->etag = record_find_field(head, SLICE("ETag"));
	r->last_modified = record_find_field(head, SLICE("Last-Modified"));
	record_place_head(r, head.at);
}

static bool
record_has_body(const struct store_entry *e)
{
	return e->body_id == 0 && e->body_file == 0;
}

size_t
record_size(const struct record *r)
{
	const struct store_entry *e = &r->entry;

	return sizeof(struct record_fixed) + e->key.len + e->variant.len + e->tags.len +
	       e->vary.len + (r->head_id == 0 ? r->head_bytes : 0) +
	       (record_has_body(e) ? e->body_bytes : 0);
}

static char *
record_put(char *at, struct slice s)
{
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	return at + s.len;
}

static uint64_t
record_checksum(const char *at, size_t len)
{
	return XXH3_64bits(at + sizeof(uint64_t), len - sizeof(uint64_t));
}

static uint16_t
record_version(enum store_entry_kind kind, unsigned status)
{
	return kind == STORE_ENTRY_RESPONSE && status == 206 ? RECORD_VERSION_PART : RECORD_VERSION;
}

void
record_encode(const struct record *r, char *at)
{
	const struct store_entry *e = &r->entry;
	struct record_fixed fixed = {
		.magic = record_magic,
		.version = record_version(e->kind, e->status),
		.kind = (uint8_t)e->kind,
		.flags = (uint8_t)((e->aging.revalidate_always ? RECORD_REVALIDATE : 0) |
				   (e->aging.never_stale ? RECORD_NEVER_STALE : 0) |
				   (e->aging.by_surrogate ? RECORD_SURROGATE : 0) |
				   (e->body_file != 0 ? RECORD_FILE : 0)),
		.status = e->status,
		.verdict = (uint32_t)e->aging.verdict,
		.key_len = (uint32_t)e->key.len,
		.variant_len = (uint32_t)e->variant.len,
		.tags_len = (uint32_t)e->tags.len,
		.vary_len = (uint32_t)e->vary.len,
		.head_len = (uint32_t)r->head_bytes,
		.etag = r->etag,
		.last_modified = r->last_modified,
		.body_bytes = e->body_bytes,
		.head_id = r->head_id,
		.head_hash = r->head_hash,
		.body_id = e->body_file != 0 ? e->body_file : e->body_id,
		.body_hash = r->body_hash,
		.sequence = e->sequence,
		.queue = r->queue,
		.response_s = e->response_s,
		.age_s = e->aging.age_s,
		.lifetime_s = e->aging.lifetime_s,
		.grace_s = e->aging.grace_s,
		.stale_if_error_s = e->aging.stale_if_error_s,
		.keep_s = e->aging.keep_s,
	};
	char *end = record_put(at + sizeof(fixed), e->key);

	end = record_put(end, e->variant);
	end = record_put(end, e->tags);
	end = record_put(end, e->vary);
	if (r->head_id == 0)
		end = record_put(end, e->head);
	if (record_has_body(e))
		end = record_put(end, (struct slice){ e->body.at, e->body_bytes });
	memcpy(at, &fixed, sizeof(fixed));
	fixed.checksum = record_checksum(at, (size_t)(end - at));
	memcpy(at, &fixed.checksum, sizeof(fixed.checksum));
}

static bool
record_span_fits(struct record_span span, uint32_t head_len)
{
	return span.at <= head_len && span.len <= head_len - span.at;
}

static bool
record_fixed_is_sane(const struct record_fixed *f)
{
	return f->magic == record_magic &&
	       f->version == record_version((enum store_entry_kind)f->kind, f->status) &&
	       f->kind <= STORE_ENTRY_SEARCH && f->verdict <= STORING_VARY_BOUND &&
	       f->head_len <= RECORD_HEAD_MAX && f->body_bytes <= RECORD_BODY_MAX &&
	       record_span_fits(f->etag, f->head_len) &&
	       record_span_fits(f->last_modified, f->head_len);
}

/* `*ok` turns false, and stays so, where fewer than `len` bytes are left. */
static struct slice
record_take(struct slice *rest, uint64_t len, bool *ok)
{
	if (!*ok || len > rest->len) {
		*ok = false;
		return (struct slice){ NULL, 0 };
	}
	struct slice taken = { rest->at, (size_t)len };
	*rest = (struct slice){ rest->at + len, rest->len - (size_t)len };
	return taken;
}

static void
record_copy_numbers(struct record *r, const struct record_fixed *f)
{
	*r = (struct record){
		.entry = {
			.kind = (enum store_entry_kind)f->kind,
			.status = f->status,
			.sequence = f->sequence,
			.response_s = f->response_s,
			.aging = {
				.verdict = (enum storing_verdict)f->verdict,
				.age_s = f->age_s,
				.lifetime_s = f->lifetime_s,
				.grace_s = f->grace_s,
				.stale_if_error_s = f->stale_if_error_s,
				.keep_s = f->keep_s,
				.revalidate_always = (f->flags & RECORD_REVALIDATE) != 0,
				.never_stale = (f->flags & RECORD_NEVER_STALE) != 0,
				.by_surrogate = (f->flags & RECORD_SURROGATE) != 0,
			},
			.body_bytes = f->body_bytes,
			.body_id = (f->flags & RECORD_FILE) == 0 ? f->body_id : 0,
			.body_file = (f->flags & RECORD_FILE) != 0 ? f->body_id : 0,
		},
		.head_bytes = f->head_len,
		.head_id = f->head_id,
		.head_hash = f->head_hash,
		.body_hash = f->body_hash,
		.queue = f->queue,
		.etag = f->etag,
		.last_modified = f->last_modified,
	};
}

int
record_decode(struct slice value, struct record *out)
{
	struct record_fixed fixed;
	struct slice rest = value;
	struct record r;
	bool ok = true;

	if (value.len < sizeof(fixed))
		return -EBADMSG;
	/* LMDB aligns values to two bytes only. */
	memcpy(&fixed, value.at, sizeof(fixed));
	if (fixed.checksum != record_checksum(value.at, value.len) || !record_fixed_is_sane(&fixed))
		return -EBADMSG;
	record_take(&rest, sizeof(fixed), &ok);
	record_copy_numbers(&r, &fixed);
	r.entry.key = record_take(&rest, fixed.key_len, &ok);
	r.entry.variant = record_take(&rest, fixed.variant_len, &ok);
	r.entry.tags = record_take(&rest, fixed.tags_len, &ok);
	r.entry.vary = record_take(&rest, fixed.vary_len, &ok);
	struct slice head = record_take(&rest, fixed.head_id == 0 ? fixed.head_len : 0, &ok);
	if (fixed.body_id == 0)
		r.entry.body = record_take(&rest, fixed.body_bytes, &ok);
	if (!ok || rest.len > 0)
		return -EBADMSG;
	if (fixed.head_id == 0)
		record_place_head(&r, head.at);
	*out = r;
	return 0;
}
