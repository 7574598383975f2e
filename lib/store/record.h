/* record.h -- One stored entry as bytes: laid out, read back and checked. Knows nothing of LMDB. */
#ifndef DORY_STORE_RECORD_H
#define DORY_STORE_RECORD_H

#include "store/store.h"

/* What fits one overflow page of LMDB beside its header: a longer value would need a run of pages.
 */
enum { RECORD_PAGE = 4080 };

/* Key, variant, tags and vary together; head; body. A transaction must stay far under LMDB's bound
 * on dirty pages. */
enum { RECORD_NAMES_MAX = 128 * 1024, RECORD_HEAD_MAX = 1024 * 1024, RECORD_BODY_MAX = 256 << 20 };

struct record_span {
	uint32_t at;
	uint32_t len;
};

/* An entry and what only the store knows of it. */
struct record {
	struct store_entry entry;
	size_t head_bytes;
	uint64_t head_id;   /* Head in chunks; 0: inline. */
	uint64_t head_hash; /* Of the head, where it is in chunks. */
	uint64_t body_hash; /* Of the body, where it is in chunks. */
	uint64_t queue;     /* Its number in the table `queue`. */
	struct record_span etag, last_modified;
};

/* May an entry of this size be stored at all? Returns: 0; -E2BIG. Thread-safe: pure. */
int record_check_size(const struct record *r, struct slice body) NODISCARD;

/* Take `head` as r's head, and find ETag and Last-Modified in it. Thread-safe: pure. */
void record_set_head(struct record *r, struct slice head);

/* Bytes of the record, with the head where head_id is 0, and the body where body_id is 0.
 * Thread-safe: pure. */
size_t record_size(const struct record *r);

/* Write record_size(r) bytes to `at`. Thread-safe: pure. */
void record_encode(const struct record *r, char *at);

/*
 * Read a record back. Slices borrow `value`. Where head_id is not 0 the head is still to be fetched
 * and given to record_place_head().
 *
 * Returns: 0; -EBADMSG if it is not exactly what record_encode() wrote. Thread-safe: pure.
 */
int record_decode(struct slice value, struct record *out) NODISCARD;

/* The fetched head, head_bytes long. Thread-safe: pure. */
void record_place_head(struct record *r, const char *head);

#endif
