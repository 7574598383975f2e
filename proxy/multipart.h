/* multipart.h -- Several ranges of one body as multipart/byteranges (RFC 9110 section 14.6). */
#ifndef DORY_PROXY_MULTIPART_H
#define DORY_PROXY_MULTIPART_H

#include "base/buf.h"
#include "http/range.h"

#include <sys/uio.h>

/* The most that the ranges may be together: they are copied, as a small body is. */
enum { MULTIPART_MAX = 64 << 10 };

/* A stored 200, and where its body is. */
struct multipart_source {
	struct slice head; /* "Status: 200" and fields. */
	uint64_t size_bytes;
	const struct iovec *pieces; /* All of the body, where fd is -1. */
	size_t n;
	int fd; /* Of its file. */
};

/*
 * Copy the bytes of one range, which `out` has room for, whatever the head says.
 * Returns: 0; -EIO: they are not all there.
 */
int multipart_read(
    const struct multipart_source *from, const struct range *range, char *out) NODISCARD;

/*
 * Make the head of a 206, without the blank line that ends it, and its body.
 *
 * Returns: 0; -EFBIG: more than MULTIPART_MAX, send the whole instead (section 14.2); -EIO;
 *          -ENOMEM. On error `head` and `body` are of no use.
 */
int multipart_make(const struct multipart_source *from, const struct range_set *set,
    struct buf *head, struct buf *body) NODISCARD;

#endif
