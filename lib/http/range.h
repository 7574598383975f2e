/* range.h -- Which parts of a stored body a Range field asks for (RFC 9110 section 14). */
#ifndef DORY_HTTP_RANGE_H
#define DORY_HTTP_RANGE_H

#include "http/message.h"

enum range_verdict {
	RANGE_WHOLE,         /* There is no range, or one that is to be ignored. */
	RANGE_PART,          /* 206. */
	RANGE_SEVERAL,       /* 206 of several parts, or as if there was no range. */
	RANGE_UNSATISFIABLE, /* 416. */
};

struct range {
	uint64_t first, length;
};

/* Apart from each other: what overlaps or adjoins has become one. In the order asked for. */
enum { RANGE_SET_MAX = 16 };
struct range_set {
	struct range items[RANGE_SET_MAX + 1];
	size_t n;
};

/*
 * Byte ranges: `bytes=2-5`, `bytes=2-`, `bytes=-5`, `bytes=0-1, 5-`. What is malformed or of
 * another unit is ignored, and so are more than RANGE_SET_MAX: many small ones cost more than the
 * whole (section 14.2). Nothing overflows: a number too large is one beyond the end.
 *
 * value:      of the request's Range, at == NULL where absent.
 * size_bytes: of the whole body; of an empty one there are no parts.
 * out:        set where RANGE_PART, to one, and RANGE_SEVERAL: each at least one byte, within the
 *             body, and together no more than it.
 */
enum range_verdict range_read(struct slice value, uint64_t size_bytes, struct range_set *out);

/*
 * Does If-Range let the range stand? By strong comparison of entity-tags, or by a date that is
 * exactly Last-Modified, and that at least a minute before the response came (section 8.8.2.2).
 *
 * if_range, etag, last_modified: at == NULL or empty where absent; without if_range it does.
 */
bool range_if_range(
    struct slice if_range, struct slice etag, struct slice last_modified, int64_t response_s);

/* What a Content-Range says that its body is: bytes of a representation of `complete` bytes. */
struct range_content {
	uint64_t first, length, complete;
};

/*
 * `bytes 0-4/10`, strictly (section 14.4): one byte at least, within a length that is known, for
 * only of such a part can be told where it belongs. Returns: 0; -EINVAL. Thread-safe: pure.
 */
int range_read_content(struct slice value, struct range_content *out) NODISCARD;

/*
 * What of a response proves that two parts are of the same bytes (section 15.3.7.3): its strong
 * entity-tag, or without any entity-tag a Last-Modified that is strong (as with If-Range, where
 * either can be sent). at == NULL where it has none. Thread-safe: pure.
 */
struct slice range_validator(struct slice etag, struct slice last_modified, int64_t response_s);

/*
 * Is the value one range, not a list, that asks for less than everything: one to be passed on as it
 * is? Thread-safe: pure.
 */
bool range_is_single(struct slice value);

/*
 * Has the request conditions that come before its range, and that are for the whole to answer
 * (section 13.2.2)? If-Range is none of these. Thread-safe: pure.
 */
bool range_has_conditions(const struct http_request *request);

#endif
