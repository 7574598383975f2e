/* record.h -- Output as FastCGI records: parts of an answer laid out for sendmsg. */
#ifndef DORY_PROXY_RECORD_H
#define DORY_PROXY_RECORD_H

#include "base/buf.h"

#include <sys/uio.h>

/* A content length that keeps the next record aligned; the most a record holds is 65535. */
enum { RECORD_CONTENT_MAX = 65528 };

/* Whether an answer ends with these parts. */
enum record_end { RECORD_MORE, RECORD_LAST };

/*
 * Send `parts` as STDOUT records, and with RECORD_LAST the empty one and END_REQUEST (FastCGI
 * specification 5.3, 5.5), on a non-blocking socket. What it does not take at once is copied to
 * `backlog`; where that holds something already, all is.
 *
 * fd:      -1: nothing is sent, all is kept.
 * Returns: 0; -EPIPE and its like when the peer is gone; -ENOMEM.
 */
int record_send(int fd, uint16_t request_id, const struct iovec *parts, size_t n,
    enum record_end end, struct buf *backlog) NODISCARD;

/*
 * Send as much of `parts` as the socket takes, in records so small that the rest of one that was
 * cut is all that has to be copied: whoever has the parts can offer the others again later.
 *
 * must:    so many of the first bytes are taken anyway, copied if need be.
 * end:     as above; the end is only sent once all is taken.
 * taken:   out: bytes of the parts that are sent or in `backlog`, which must be empty before.
 * Returns: as record_send().
 */
struct record_offer {
	size_t must;
	enum record_end end;
	size_t taken;
};
int record_offer(int fd, uint16_t request_id, const struct iovec *parts, size_t n,
    struct record_offer *offer, struct buf *backlog) NODISCARD;

/* The most that record_offer() has to copy, the answer's end included. */
enum { RECORD_OFFER_KEPT = 8192 };

/*
 * What stands before `content` bytes of output, at most RECORD_CONTENT_MAX: a STDOUT header; or,
 * with 0, what ends the answer: an empty STDOUT record and END_REQUEST. Returns its length.
 */
enum { RECORD_FRAME_MAX = 24 };
size_t record_frame(unsigned char at[RECORD_FRAME_MAX], uint16_t request_id, size_t content);

#endif
