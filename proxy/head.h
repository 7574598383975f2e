/* head.h -- A request's head on its way in: looked at until it is whole, then read. */
#ifndef DORY_PROXY_HEAD_H
#define DORY_PROXY_HEAD_H

#include "base/arena.h"
#include "base/buf.h"
#include "gate.h"
#include "params.h"

/* A zeroed struct waits for its first byte. One thread at a time. */
struct head {
	struct gate gate;
	struct buf kept; /* The front of one that comes in pieces, taken off the socket. */
	unsigned looks;  /* That were in vain. */
	size_t arrived;  /* Bytes, `kept` included, at the last look. */
};

enum head_state {
	HEAD_MORE,  /* Look again when there is more; after the first time, ask to be told at once.
		     */
	HEAD_READY, /* head_read() it. */
	HEAD_BAD,   /* gate.why says what was wrong. */
	HEAD_GONE,  /* The peer closed, or memory is out. */
};

/* How much memory a look needs: what arrived, and room to join split parameters. */
enum { HEAD_SCRATCH = 2 * (GATE_HEAD_MAX + 8) };

/*
 * Look at what has arrived, without taking it off the socket unless it comes in many pieces. What
 * was seen lies in `scratch` (HEAD_SCRATCH bytes), where head_read() expects it untouched.
 */
enum head_state head_look(struct head *h, int fd, char *scratch);

/*
 * Read a head that is ready: its request's body, if it has one, or else the next request is then
 * next on the socket.
 *
 * out:     in `arena`.
 * Returns: 0; -EIO; -ENOMEM.
 */
int head_read(
    struct head *h, int fd, char *scratch, struct arena *arena, struct params *out) NODISCARD;

/* Forget it; a zeroed one is fine. */
void head_reset(struct head *h);

#endif
