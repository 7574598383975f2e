/* record.h -- Output as FastCGI records: parts of an answer laid out for sendmsg. */
#ifndef DORY_PROXY_RECORD_H
#define DORY_PROXY_RECORD_H

#include "base/buf.h"

#include <sys/uio.h>

/* Whether an answer ends with these parts. */
enum record_end { RECORD_MORE, RECORD_LAST };

/*
 * Send `parts` as STDOUT records, and with RECORD_LAST the empty one and END_REQUEST (FastCGI
 * specification 5.3, 5.5), on a non-blocking socket. What it does not take at once is copied to
 * `backlog`; where that holds something already, all is.
 *
 * Returns: 0; -EPIPE and its like when the peer is gone; -ENOMEM.
 */
int record_send(int fd, uint16_t request_id, const struct iovec *parts, size_t n,
    enum record_end end, struct buf *backlog) NODISCARD;

#endif
