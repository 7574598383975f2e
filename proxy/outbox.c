/* outbox.c -- What a socket did not take at once: sent on as there is room. */
#include "outbox.h"

#include <errno.h>
#include <sys/socket.h>

size_t
outbox_left(const struct outbox *o)
{
	return o->bytes.len - o->sent;
}

void
outbox_free(struct outbox *o)
{
	buf_free(&o->bytes);
	o->sent = 0;
}

/* What was sent goes once it is the most of it: an answer without end must not pile up. */
static void
outbox_trim(struct outbox *o)
{
	if (o->sent <= o->bytes.len / 2)
		return;
	o->bytes.len -= o->sent;
	memmove(o->bytes.data, o->bytes.data + o->sent, o->bytes.len);
	o->sent = 0;
}

int
outbox_send(struct outbox *o, int fd)
{
	while (outbox_left(o) > 0) {
		ssize_t n =
		    send(fd, o->bytes.data + o->sent, outbox_left(o), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			outbox_trim(o);
			return -EAGAIN;
		}
		if (n < 0)
			return -errno;
		o->sent += (size_t)n;
	}
	outbox_free(o);
	return 0;
}
