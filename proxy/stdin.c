/* stdin.c -- The STDIN stream of a FastCGI request: its body, read as it arrives. */
#include "stdin.h"

#include <errno.h>
#include <sys/socket.h>

enum { STDIN_RECORD_TYPE = 5, STDIN_PADDING_MAX = 255 };

void
stdin_init(struct stdin_stream *s, uint16_t request_id, bool open)
{
	*s = (struct stdin_stream){ .state = open ? STDIN_OPEN : STDIN_NONE,
		.request_id = request_id };
}

/* Returns bytes, never 0; -EAGAIN; -EPIPE. */
static ssize_t
stdin_recv(struct stdin_stream *s, int fd, void *out, size_t size)
{
	ssize_t n;

	do
		n = recv(fd, out, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	s->state = STDIN_BROKEN;
	return -EPIPE;
}

static ssize_t
stdin_skip_padding(struct stdin_stream *s, int fd)
{
	char padding[STDIN_PADDING_MAX];
	ssize_t n = stdin_recv(s, fd, padding, s->padding_left);

	if (n > 0)
		s->padding_left -= (size_t)n;
	return n;
}

static ssize_t
stdin_read_header(struct stdin_stream *s, int fd)
{
	ssize_t n = stdin_recv(s, fd, s->header + s->header_len, sizeof(s->header) - s->header_len);

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
stdin_read(struct stdin_stream *s, int fd, char *out, size_t size)
{
	ssize_t n = 0;

	while (s->state == STDIN_OPEN && n >= 0) {
		if (s->record_left > 0) {
			n = stdin_recv(s, fd, out, size < s->record_left ? size : s->record_left);
			if (n > 0)
				s->record_left -= (size_t)n;
			return n;
		}
		if (s->padding_left > 0)
			n = stdin_skip_padding(s, fd);
		else if (s->last_record)
			s->state = STDIN_NONE;
		else
			n = stdin_read_header(s, fd);
	}
	if (n < 0)
		return n;
	return s->state == STDIN_BROKEN ? -EPIPE : 0;
}
