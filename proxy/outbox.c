/* outbox.c -- What a socket did not take at once: sent on as there is room. */
#include "outbox.h"

#include "record.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* After so much of a file others have their turn, however fast this peer is. */
enum { OUTBOX_TURN = 4 << 20 };

size_t
outbox_left(const struct outbox *o)
{
	return o->bytes.len - o->sent;
}

bool
outbox_is_empty(const struct outbox *o)
{
	return outbox_left(o) == 0 && !o->file.open;
}

static void
outbox_close_file(struct outbox *o)
{
	if (o->file.open)
		close(o->file.fd);
	o->file = (struct outbox_file){ 0 };
}

void
outbox_free(struct outbox *o)
{
	buf_free(&o->bytes);
	o->sent = 0;
	outbox_close_file(o);
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

/* ---- Files ---------------------------------------------------------------------------------- */

/* The next record's header takes the place of what was sent; behind the last one the end does. */
static void
outbox_begin_record(struct outbox *o)
{
	struct outbox_file *f = &o->file;
	size_t len = f->left < RECORD_CONTENT_MAX ? (size_t)f->left : RECORD_CONTENT_MAX;
	unsigned char frame[RECORD_FRAME_MAX];

	buf_append(&o->bytes, frame, record_frame(frame, f->request_id, len));
	f->record_left = len;
	f->left -= len;
}

void
outbox_put_file(struct outbox *o, const struct outbox_part *part, uint16_t request_id)
{
	o->file = (struct outbox_file){
		.open = true,
		.fd = part->fd,
		.request_id = request_id,
		.at = part->offset,
		.left = part->length,
	};
	outbox_begin_record(o);
}

/* Returns 0, or -EIO where the file ends before. */
static int
outbox_read(const struct outbox_file *f, char *content)
{
	ssize_t n;

	do
		n = pread(f->fd, content, f->record_left, (off_t)f->at);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)f->record_left ? 0 : -EIO;
}

/* ---- Sending -------------------------------------------------------------------------------- */

static size_t
outbox_take(size_t *sent, size_t most)
{
	size_t n = *sent < most ? *sent : most;

	*sent -= n;
	return n;
}

/* Of the bytes, a record's content, and the frame behind it, so many were taken. */
static void
outbox_account(struct outbox *o, size_t sent)
{
	struct outbox_file *f = &o->file;
	bool record = f->record_left > 0;

	o->sent += outbox_take(&sent, outbox_left(o));
	size_t content = outbox_take(&sent, f->record_left);
	f->at += content;
	f->record_left -= content;
	if (outbox_left(o) > 0)
		return;
	buf_clear(&o->bytes);
	o->sent = 0;
	if (record && f->record_left == 0) {
		outbox_begin_record(o);
		o->sent = sent;
	}
}

/*
 * What is there, up to the end of a record: one system call. sendfile(2) would save a copy, but
 * over a Unix socket it costs a third more than reading into a buffer that stays in the cache.
 */
static int
outbox_send_some(struct outbox *o, int fd)
{
	char content[RECORD_CONTENT_MAX];
	unsigned char frame[RECORD_FRAME_MAX];
	struct outbox_file *f = &o->file;
	struct iovec parts[3] = { { o->bytes.data + o->sent, outbox_left(o) } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 1 };

	if (f->record_left > 0) {
		size_t next = f->left < RECORD_CONTENT_MAX ? (size_t)f->left : RECORD_CONTENT_MAX;
		if (outbox_read(f, content) != 0)
			return -EIO;
		parts[1] = (struct iovec){ content, f->record_left };
		parts[2] = (struct iovec){ frame, record_frame(frame, f->request_id, next) };
		message.msg_iovlen = 3;
	}
	ssize_t n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EINTR ? 0 : errno == EWOULDBLOCK ? -EAGAIN : -errno;
	outbox_account(o, (size_t)n);
	return buf_error(&o->bytes);
}

int
outbox_send(struct outbox *o, int fd)
{
	uint64_t from = o->file.at;
	int rc = buf_error(&o->bytes);

	o->file.yielded = false;
	while (rc == 0 && (outbox_left(o) > 0 || o->file.record_left > 0)) {
		o->file.yielded = o->file.at - from >= OUTBOX_TURN;
		rc = o->file.yielded ? -EAGAIN : outbox_send_some(o, fd);
	}
	if (rc == -EAGAIN)
		outbox_trim(o);
	if (rc == 0)
		outbox_free(o);
	return rc;
}
