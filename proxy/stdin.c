/* stdin.c -- The STDIN stream of a FastCGI request: its body, read as it arrives. */
#include "stdin.h"

#include <errno.h>

enum { STDIN_RECORD_TYPE = 5, STDIN_PADDING_MAX = 255 };

void
stdin_init(struct stdin_stream *s, uint16_t request_id, bool open)
{
	*s = (struct stdin_stream){ .state = open ? STDIN_OPEN : STDIN_NONE,
		.request_id = request_id };
}

/* Returns bytes, never 0; -EAGAIN; -EPIPE. */
static ssize_t
stdin_take(struct stdin_stream *s, struct inflow *in, void *out, size_t size)
{
	ssize_t n = inflow_read(in, out, size);

	if (n == -EPIPE)
		s->state = STDIN_BROKEN;
	return n;
}

static ssize_t
stdin_skip_padding(struct stdin_stream *s, struct inflow *in)
{
	char padding[STDIN_PADDING_MAX];
	ssize_t n = stdin_take(s, in, padding, s->padding_left);

	if (n > 0)
		s->padding_left -= (size_t)n;
	return n;
}

static ssize_t
stdin_read_header(struct stdin_stream *s, struct inflow *in)
{
	ssize_t n = stdin_take(s, in, s->header + s->header_len, sizeof(s->header) - s->header_len);

	if (n < 0)
		return n;
	s->header_len += (size_t)n;
	if (s->header_len < sizeof(s->header))
		return n;
	s->header_len = 0;
	uint16_t id = (uint16_t)(s->header[2] << 8 | s->header[3]);
	/* FCGI_ABORT_REQUEST too ends here: the client is gone. */
	if (s->header[0] != 1 || s->header[1] != STDIN_RECORD_TYPE || id != s->request_id) {
		s->state = STDIN_BROKEN;
		return -EPIPE;
	}
	s->record_left = (size_t)(s->header[4] << 8 | s->header[5]);
	s->padding_left = s->header[6];
	s->last_record = s->record_left == 0;
	return n;
}

ssize_t
stdin_read(struct stdin_stream *s, struct inflow *in, char *out, size_t size)
{
	ssize_t n = 0;

	while (s->state == STDIN_OPEN && n >= 0) {
		if (s->record_left > 0) {
			n = stdin_take(s, in, out, size < s->record_left ? size : s->record_left);
			if (n > 0)
				s->record_left -= (size_t)n;
			return n;
		}
		if (s->padding_left > 0)
			n = stdin_skip_padding(s, in);
		else if (s->last_record)
			s->state = STDIN_NONE;
		else
			n = stdin_read_header(s, in);
	}
	if (n < 0)
		return n;
	return s->state == STDIN_BROKEN ? -EPIPE : 0;
}
