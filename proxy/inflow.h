/* inflow.h -- What a peer sends: taken off its socket, and used piece by piece. */
#ifndef DORY_PROXY_INFLOW_H
#define DORY_PROXY_INFLOW_H

#include "base/buf.h"

#include <sys/types.h>

/* Zeroed but for `fd`, nothing has come yet. One thread at a time. */
struct inflow {
	int fd;           /* Borrowed. */
	struct buf early; /* Taken off the socket, and not used yet from `used` on. */
	size_t used;
	bool maybe_more; /* The socket may have had more at the last look. */
};

/* Does not wait. Returns: bytes, never 0; -EAGAIN; -EPIPE: the peer is gone, or sends no more. */
ssize_t inflow_read(struct inflow *in, void *out, size_t size);

/* Give back what was read and is not used: it is read again before all else. Returns: 0; -ENOMEM.
 */
int inflow_unread(struct inflow *in, struct slice bytes) NODISCARD;

/* Is nothing left of what was taken off the socket? */
bool inflow_is_empty(const struct inflow *in);

void inflow_free(struct inflow *in);

#endif
