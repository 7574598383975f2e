/* outbox.h -- What a socket did not take at once: sent on as there is room. */
#ifndef DORY_PROXY_OUTBOX_H
#define DORY_PROXY_OUTBOX_H

#include "base/buf.h"

/* A zeroed struct is empty. record_send() appends to `bytes`. One thread at a time. */
struct outbox {
	struct buf bytes;
	size_t sent; /* Of them, from the front. */
};

size_t outbox_left(const struct outbox *o);

/* Send what `fd` takes. Returns: 0: all of it; -EAGAIN: some is left; -EPIPE and its like. */
int outbox_send(struct outbox *o, int fd) NODISCARD;
void outbox_free(struct outbox *o);

#endif
