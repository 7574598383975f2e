/* inflow.c -- What a peer sends: taken off its socket, and used piece by piece. */
#include "inflow.h"

#include <errno.h>
#include <sys/socket.h>

static struct slice
inflow_rest(const struct inflow *in)
{
	return (struct slice){ in->early.data + in->used, in->early.len - in->used };
}

static ssize_t
inflow_read_early(struct inflow *in, void *out, size_t size)
{
	struct slice rest = inflow_rest(in);
	size_t n = size < rest.len ? size : rest.len;

	memcpy(out, rest.at, n);
	in->used += n;
	if (n == rest.len)
		inflow_free(in);
	return (ssize_t)n;
}

ssize_t
inflow_read(struct inflow *in, void *out, size_t size)
{
	ssize_t n;

	if (!inflow_is_empty(in))
		return inflow_read_early(in, out, size);
	do
		n = recv(in->fd, out, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	in->maybe_more = n == (ssize_t)size;
	if (n > 0)
		return n;
	return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? -EAGAIN : -EPIPE;
}

int
inflow_unread(struct inflow *in, struct slice bytes)
{
	struct buf early = { 0 };

	if (bytes.len == 0)
		return 0;
	buf_slice(&early, bytes);
	buf_slice(&early, inflow_rest(in));
	inflow_free(in);
	in->early = early;
	return buf_error(&early);
}

bool
inflow_is_empty(const struct inflow *in)
{
	return in->used == in->early.len;
}

void
inflow_free(struct inflow *in)
{
	buf_free(&in->early);
	in->used = 0;
}
