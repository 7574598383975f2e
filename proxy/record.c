/* record.c -- Output as FastCGI records: parts of an answer laid out for sendmsg. */
#include "record.h"

#include <errno.h>
#include <sys/socket.h>

enum { RECORD_IOV = 512, RECORD_HEADERS = 64, RECORD_HEADER = 8 };
enum { RECORD_VERSION = 1, RECORD_END_REQUEST = 3, RECORD_STDOUT = 6 };

/* What one sendmsg carries. */
struct record_batch {
	struct iovec iov[RECORD_IOV];
	size_t n;
	unsigned char headers[RECORD_HEADERS][RECORD_HEADER];
	size_t n_headers;
	unsigned char tail[RECORD_FRAME_MAX];
};

/* Where in the parts the next byte is. */
struct record_cursor {
	const struct iovec *parts;
	size_t n;
	size_t at;
	size_t offset;
	size_t left; /* Bytes in all parts together from here. */
	size_t most; /* What one record may hold. */
};

static void
record_header(unsigned char *at, unsigned type, uint16_t request_id, size_t content)
{
	at[0] = RECORD_VERSION;
	at[1] = (unsigned char)type;
	at[2] = (unsigned char)(request_id >> 8);
	at[3] = (unsigned char)request_id;
	at[4] = (unsigned char)(content >> 8);
	at[5] = (unsigned char)content;
	at[6] = 0;
	at[7] = 0;
}

/* Application status 0, and the request is complete. */
static void
record_tail(unsigned char at[RECORD_FRAME_MAX], uint16_t request_id)
{
	memset(at, 0, RECORD_FRAME_MAX);
	record_header(at, RECORD_STDOUT, request_id, 0);
	record_header(at + RECORD_HEADER, RECORD_END_REQUEST, request_id, RECORD_HEADER);
}

size_t
record_frame(unsigned char at[RECORD_FRAME_MAX], uint16_t request_id, size_t content)
{
	if (content > 0)
		record_header(at, RECORD_STDOUT, request_id, content);
	else
		record_tail(at, request_id);
	return content > 0 ? RECORD_HEADER : RECORD_FRAME_MAX;
}

static void
record_push(struct record_batch *batch, const void *at, size_t len)
{
	batch->iov[batch->n++] = (struct iovec){ (void *)(uintptr_t)at, len };
}

/* How many bytes the next `pieces` pieces hold, up to a record's most; empty ones are none. */
static size_t
record_measure(const struct record_cursor *cursor, size_t pieces)
{
	size_t len = 0, offset = cursor->offset;

	for (size_t i = cursor->at; i < cursor->n && pieces > 0 && len < cursor->most; i++) {
		size_t here = cursor->parts[i].iov_len - offset;
		len += here;
		pieces -= here > 0;
		offset = 0;
	}
	return len < cursor->most ? len : cursor->most;
}

static void
record_take(struct record_batch *batch, struct record_cursor *cursor, size_t len)
{
	cursor->left -= len;
	while (len > 0) {
		const struct iovec *part = &cursor->parts[cursor->at];
		size_t here = part->iov_len - cursor->offset;
		here = here < len ? here : len;
		if (here > 0)
			record_push(batch, (const char *)part->iov_base + cursor->offset, here);
		cursor->offset += here;
		len -= here;
		if (cursor->offset == part->iov_len) {
			cursor->at++;
			cursor->offset = 0;
		}
	}
}

/* As many whole records as fit one sendmsg; the end too when nothing is left. */
static void
record_fill(struct record_batch *batch, struct record_cursor *cursor, uint16_t request_id,
    enum record_end end)
{
	batch->n = batch->n_headers = 0;
	while (cursor->left > 0 && batch->n_headers < RECORD_HEADERS && batch->n + 3 < RECORD_IOV) {
		size_t len = record_measure(cursor, RECORD_IOV - 2 - batch->n);
		unsigned char *header = batch->headers[batch->n_headers++];
		record_header(header, RECORD_STDOUT, request_id, len);
		record_push(batch, header, RECORD_HEADER);
		record_take(batch, cursor, len);
	}
	if (cursor->left > 0 || end == RECORD_MORE)
		return;
	record_tail(batch->tail, request_id);
	record_push(batch, batch->tail, sizeof(batch->tail));
}

/* Returns what the socket took, at most all; -errno. */
static ssize_t
record_sendmsg(int fd, struct record_batch *batch)
{
	struct msghdr message = { .msg_iov = batch->iov, .msg_iovlen = batch->n };
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
	return sent;
}

/* Copy what lies behind the first `sent` bytes of a batch. */
static void
record_keep(const struct record_batch *batch, size_t sent, struct buf *backlog)
{
	for (size_t i = 0; i < batch->n; i++) {
		size_t len = batch->iov[i].iov_len;
		size_t skip = sent < len ? sent : len;
		buf_append(backlog, (const char *)batch->iov[i].iov_base + skip, len - skip);
		sent -= skip;
	}
}

static struct record_cursor
record_begin(const struct iovec *parts, size_t n, size_t most)
{
	struct record_cursor cursor = { .parts = parts, .n = n, .most = most };

	for (size_t i = 0; i < n; i++)
		cursor.left += parts[i].iov_len;
	return cursor;
}

int
record_send(int fd, uint16_t request_id, const struct iovec *parts, size_t n, enum record_end end,
    struct buf *backlog)
{
	struct record_cursor cursor = record_begin(parts, n, RECORD_CONTENT_MAX);
	struct record_batch batch;
	bool more = cursor.left > 0 || end == RECORD_LAST;

	/* Nothing may follow what could not be kept: the peer would read on in the wrong place. */
	while (more && !backlog->failed) {
		record_fill(&batch, &cursor, request_id, end);
		more = cursor.left > 0;
		ssize_t sent = fd < 0 || backlog->len > 0 ? 0 : record_sendmsg(fd, &batch);
		if (sent < 0)
			return (int)sent;
		record_keep(&batch, (size_t)sent, backlog);
	}
	return buf_error(backlog);
}

static bool
record_is_header(const struct record_batch *batch, const void *at)
{
	return (uintptr_t)at - (uintptr_t)batch->headers < sizeof(batch->headers);
}

/* Copy the rest of the record that was cut, and of `must` bytes. Returns how much content of the
 * batch is sent or copied. */
static size_t
record_keep_cut(const struct record_batch *batch, size_t sent, size_t must, struct buf *backlog)
{
	size_t taken = 0;

	for (size_t i = 0; i < batch->n; i++) {
		const void *at = batch->iov[i].iov_base;
		size_t len = batch->iov[i].iov_len, skip = sent < len ? sent : len;
		bool header = record_is_header(batch, at);
		if (header && sent == 0 && taken >= must)
			break;
		buf_append(backlog, (const char *)at + skip, len - skip);
		sent -= skip;
		taken += header || at == batch->tail ? 0 : len;
	}
	return taken;
}

int
record_offer(int fd, uint16_t request_id, const struct iovec *parts, size_t n,
    struct record_offer *offer, struct buf *backlog)
{
	struct record_cursor cursor =
	    record_begin(parts, n, RECORD_OFFER_KEPT - RECORD_HEADER - RECORD_FRAME_MAX);
	struct record_batch batch;
	/* Of a record at least, so that room in the socket is waited for. */
	size_t must = offer->must > 0 ? offer->must : 1;
	bool more = cursor.left > 0 || offer->end == RECORD_LAST;

	offer->taken = 0;
	while (more && !backlog->failed) {
		record_fill(&batch, &cursor, request_id, offer->end);
		ssize_t sent = backlog->len > 0 ? 0 : record_sendmsg(fd, &batch);
		if (sent < 0)
			return (int)sent;
		size_t taken = record_keep_cut(&batch, (size_t)sent, must, backlog);
		offer->taken += taken;
		must -= taken < must ? taken : must;
		more = cursor.left > 0 && (backlog->len == 0 || must > 0);
	}
	return buf_error(backlog);
}
