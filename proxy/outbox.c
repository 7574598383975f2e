/* outbox.c -- What a socket did not take at once: sent on as there is room. */
#include "outbox.h"

#include "record.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
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

static int
outbox_send_bytes(struct outbox *o, int fd)
{
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL | (o->file.record_left > 0 ? MSG_MORE : 0);

	while (outbox_left(o) > 0) {
		ssize_t n = send(fd, o->bytes.data + o->sent, outbox_left(o), flags);
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
	buf_clear(&o->bytes);
	o->sent = 0;
	return 0;
}

/* ---- Files ---------------------------------------------------------------------------------- */

/* The next record's header; behind the last one the end of the answer. */
static void
outbox_begin_record(struct outbox *o)
{
	struct outbox_file *f = &o->file;
	size_t len = f->left < RECORD_CONTENT_MAX ? (size_t)f->left : RECORD_CONTENT_MAX;

	if (len > 0)
		record_put_header(f->request_id, len, &o->bytes);
	else
		record_put_end(f->request_id, &o->bytes);
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

/* The rest of the record that was begun. */
static int
outbox_send_record(struct outbox_file *f, int fd)
{
	while (f->record_left > 0) {
		off_t at = (off_t)f->at;
		ssize_t n = sendfile(fd, f->fd, &at, f->record_left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EWOULDBLOCK ? -EAGAIN : -errno;
		if (n == 0)
			return -EIO;
		f->at += (uint64_t)n;
		f->record_left -= (size_t)n;
	}
	return 0;
}

int
outbox_send(struct outbox *o, int fd)
{
	uint64_t from = o->file.at;
	int rc = buf_error(&o->bytes);

	if (rc == 0)
		rc = outbox_send_bytes(o, fd);
	o->file.yielded = false;
	while (rc == 0 && o->file.record_left > 0) {
		rc = outbox_send_record(&o->file, fd);
		if (rc != 0)
			break;
		outbox_begin_record(o);
		rc = buf_error(&o->bytes);
		if (rc == 0 && o->file.at - from >= OUTBOX_TURN) {
			o->file.yielded = true;
			return -EAGAIN;
		}
		if (rc == 0)
			rc = outbox_send_bytes(o, fd);
	}
	if (rc == 0)
		outbox_free(o);
	return rc;
}
