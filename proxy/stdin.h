/* stdin.h -- The STDIN stream of a FastCGI request: its body, read as it arrives. */
#ifndef DORY_PROXY_STDIN_H
#define DORY_PROXY_STDIN_H

#include "inflow.h"

enum stdin_state { STDIN_NONE, STDIN_OPEN, STDIN_BROKEN };

/* FastCGI specification 3.3, 5.3. Reads nothing behind the stream's end: that is the next request.
 */
struct stdin_stream {
	enum stdin_state state;
	uint16_t request_id;
	bool last_record;
	size_t record_left;
	size_t padding_left;
	unsigned char header[8];
	size_t header_len;
};

/* open: its records are still to be read; else there is no body. */
void stdin_init(struct stdin_stream *s, uint16_t request_id, bool open);

/* Returns: bytes; 0 at the end; -EAGAIN; -EPIPE: the peer is gone or sent something else. */
ssize_t stdin_read(struct stdin_stream *s, struct inflow *in, char *out, size_t size);

#endif
