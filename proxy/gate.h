/* gate.h -- What may reach libfcgi: the bytes at the front of a connection, checked to the last. */
#ifndef DORY_PROXY_GATE_H
#define DORY_PROXY_GATE_H

#include "base/slice.h"

/*
 * libfcgi waits for what has not arrived, takes any amount of parameters, and has inputs that end
 * the process. So nothing but one whole, bounded, well-formed BEGIN_REQUEST and PARAMS block is let
 * through to it (FastCGI specification 3.3, 3.4, 5.1, 5.2).
 */
enum {
	GATE_HEAD_MAX = 65000, /* All records of the head with their headers; a pipe holds 65536. */
	GATE_PARAMS_MAX = 256,
};

enum gate_verdict {
	GATE_MORE,  /* Good so far, not all here. */
	GATE_READY, /* The head is here. */
	GATE_BAD,   /* Close the connection. */
};

struct gate {
	const char *why;   /* GATE_BAD: in words. Static. */
	size_t head_bytes; /* GATE_READY: up to and with the empty PARAMS record. */
	/* GATE_READY: the whole request where its empty STDIN record follows at once (no body);
	 * else 0. */
	size_t request_bytes;
	uint16_t request_id;
};

/*
 * Look at what has arrived.
 *
 * scratch: GATE_HEAD_MAX bytes, caller keeps: parameters that are split over records are joined
 * there. A request that names no body (no CONTENT_LENGTH or 0, no Transfer-Encoding) is only ready
 * when its first STDIN record is here too. Thread-safe: pure.
 */
enum gate_verdict gate_check(struct slice arrived, char *scratch, struct gate *out);

#endif
