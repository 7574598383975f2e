/* gate.h -- The bytes at the front of a connection: a whole request head, checked to the last. */
#ifndef DORY_PROXY_GATE_H
#define DORY_PROXY_GATE_H

#include "base/slice.h"

/*
 * Nothing but one whole, bounded, well-formed BEGIN_REQUEST and PARAMS block is let through
 * (FastCGI specification 3.3, 3.4, 5.1, 5.2), with PARAMS_MAX parameters at most.
 */
enum { GATE_HEAD_MAX = 65000 }; /* All records of the head with their headers. */

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
	bool keep; /* FCGI_KEEP_CONN: the web server wants the connection left open. */
	/* GATE_READY: the block, for params_take(); in what arrived, or in `scratch`. */
	struct slice params;
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
