/* outbox.h -- What a socket did not take at once: sent on as there is room. */
#ifndef DORY_PROXY_OUTBOX_H
#define DORY_PROXY_OUTBOX_H

#include "base/buf.h"

/*
 * What waits for a socket: bytes, and behind them a part of a file, which is sent as STDOUT
 * records from its descriptor and ends the answer. Nothing may be added behind a
 * file. A zeroed struct is empty. One thread at a time.
 */
struct outbox {
	struct buf bytes; /* record_send() appends to it. */
	size_t sent;      /* Of them, from the front. */
	struct outbox_file {
		bool open;
		bool yielded; /* More may fit at once: others had to have their turn. */
		int fd;
		uint16_t request_id;
		uint64_t at;
		uint64_t left;      /* Beyond the record that is being sent, */
		size_t record_left; /* of which this is still to come. */
	} file;
};

/* What the answer of a hit sends of a file. */
struct outbox_part {
	int fd;
	uint64_t offset, length;
};

bool outbox_is_empty(const struct outbox *o);
size_t outbox_left(const struct outbox *o); /* Bytes in memory. */

/* Put part of a file, and the end of the answer, behind what is there. Takes the descriptor. */
void outbox_put_file(struct outbox *o, const struct outbox_part *part, uint16_t request_id);

/*
 * Send what `fd` takes. Returns: 0: all of it; -EAGAIN: some is left; -EPIPE and its like; -EIO:
 * the file is shorter than was said.
 */
int outbox_send(struct outbox *o, int fd) NODISCARD;
void outbox_free(struct outbox *o);

#endif
