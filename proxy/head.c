/* head.c -- A request's head on its way in: looked at until it is whole, then read. */
#include "head.h"

#include <errno.h>
#include <sys/socket.h>

enum { HEAD_PEEK = GATE_HEAD_MAX + 8 };

void
head_reset(struct head *h)
{
	buf_free(&h->kept);
	*h = (struct head){ 0 };
}

/* Take the head up to `bytes` off the socket; scratch then holds it whole. */
static int
head_take(struct head *h, int fd, char *scratch, size_t bytes)
{
	size_t left = bytes - h->kept.len;

	if (left > 0 && recv(fd, scratch + h->kept.len, left, MSG_DONTWAIT) != (ssize_t)left)
		return -EIO;
	return 0;
}

/*
 * Looking does not take bytes off the socket, and its buffer counts small pieces dear: a head in
 * many of them fills it long before it is whole, and then nothing more arrives to be told of. So
 * the first look that is in vain asks to be told again at once, which is time enough for a web
 * server that writes a head in a few pieces; from then on what is surely head is taken.
 */
static int
head_keep(struct head *h, int fd, char *scratch)
{
	size_t take = h->gate.head_bytes > 0 ? h->gate.head_bytes : h->arrived;

	if (h->arrived == 0 || ++h->looks == 1 || take <= h->kept.len)
		return 0;
	int rc = head_take(h, fd, scratch, take);
	if (rc == 0)
		buf_append(&h->kept, scratch + h->kept.len, take - h->kept.len);
	return rc != 0 ? rc : buf_error(&h->kept);
}

enum head_state
head_look(struct head *h, int fd, char *scratch)
{
	size_t kept = h->kept.len;
	ssize_t n;

	if (kept > 0)
		memcpy(scratch, h->kept.data, kept);
	do
		n = recv(fd, scratch + kept, HEAD_PEEK - kept, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK))
		return HEAD_GONE;
	h->arrived = kept + (n < 0 ? 0 : (size_t)n);
	h->gate = (struct gate){ 0 };
	switch (gate_check((struct slice){ scratch, h->arrived }, scratch + HEAD_PEEK, &h->gate)) {
	case GATE_MORE:
		return head_keep(h, fd, scratch) == 0 ? HEAD_MORE : HEAD_GONE;
	case GATE_READY:
		return HEAD_READY;
	case GATE_BAD:
		break;
	}
	return HEAD_BAD;
}

int
head_read(struct head *h, int fd, char *scratch, struct arena *arena, struct params *out)
{
	const struct gate *gate = &h->gate;
	size_t bytes = gate->request_bytes > 0 ? gate->request_bytes : gate->head_bytes;
	int rc = head_take(h, fd, scratch, bytes);

	if (rc != 0)
		return rc;
	char *block = arena_copy(arena, gate->params);
	if (block == NULL)
		return -ENOMEM;
	params_take((struct slice){ block, gate->params.len }, out);
	return 0;
}
