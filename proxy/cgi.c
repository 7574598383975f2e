/* cgi.c -- One request from the environment, as a CGI program gets it (RFC 3875). */
#include "cgi.h"

#include "base/buf.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CGI_BEGIN = 1, CGI_END = 3, CGI_PARAMS = 4, CGI_STDIN = 5, CGI_STDOUT = 6 };
enum { CGI_HEADER = 8, CGI_CONTENT_MAX = 32768, CGI_HELD_MAX = 1 << 20 };

extern char **environ;

/* Both directions of one request. */
struct cgi {
	int fd;
	struct buf out; /* Records for the worker. */
	size_t out_sent;
	bool body_done;
	uint64_t body_left;
	unsigned char header[CGI_HEADER];
	size_t header_len;
	size_t content_left;
	size_t padding_left;
	bool ended;
	struct buf held; /* The answer's front. */
	bool passing;    /* It was longer: what comes goes straight on. */
};

bool
cgi_is(void)
{
	return getenv("GATEWAY_INTERFACE") != NULL;
}

static void
cgi_put_record(struct buf *out, unsigned type, struct slice content)
{
	const unsigned char header[CGI_HEADER] = { 1, (unsigned char)type, 0, 1,
		(unsigned char)(content.len >> 8), (unsigned char)content.len };

	buf_append(out, header, sizeof(header));
	buf_slice(out, content);
}

static void
cgi_put_length(struct buf *out, size_t len)
{
	if (len < 0x80) {
		buf_char(out, (char)len);
		return;
	}
	const unsigned char bytes[4] = { (unsigned char)(0x80 | (len >> 24 & 0x7f)),
		(unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len };
	buf_append(out, bytes, sizeof(bytes));
}

/* Only what a web server sets: the rest of the environment is nobody's business. */
static bool
cgi_is_param(struct slice name)
{
	static const char *const names[] = { "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTPS",
		"PATH_INFO", "QUERY_STRING", "REMOTE_ADDR", "REMOTE_USER", "REQUEST_METHOD",
		"REQUEST_SCHEME", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL" };

	if (slice_starts_with(name, SLICE("HTTP_")))
		return true;
	for (size_t i = 0; i < COUNT(names); i++) {
		if (slice_equal(name, slice_of(names[i])))
			return true;
	}
	/* RFC 3875 section 4.1.13: SCRIPT_NAME is where this program is mounted, and PATH_INFO is
	 * what the application sees. Without a PATH_INFO the program was mounted on the path
	 * itself. */
	return slice_equal(name, SLICE("SCRIPT_NAME")) &&
	       (getenv("PATH_INFO") == NULL || *getenv("PATH_INFO") == '\0');
}

static void
cgi_put_params(struct buf *out)
{
	struct buf params = { 0 };

	for (char **at = environ; *at != NULL; at++) {
		struct slice value = slice_of(*at), name = slice_cut(&value, '=');
		if (value.at == NULL || name.len == 0 || !cgi_is_param(name))
			continue;
		cgi_put_length(&params, name.len);
		cgi_put_length(&params, value.len);
		buf_slice(&params, name);
		buf_slice(&params, value);
	}
	out->failed = out->failed || params.failed;
	for (size_t at = 0; at < params.len; at += CGI_CONTENT_MAX) {
		size_t len = params.len - at < CGI_CONTENT_MAX ? params.len - at : CGI_CONTENT_MAX;
		cgi_put_record(out, CGI_PARAMS, (struct slice){ params.data + at, len });
	}
	cgi_put_record(out, CGI_PARAMS, SLICE(""));
	buf_free(&params);
}

static int
cgi_begin(struct cgi *cgi)
{
	const char *length = getenv("CONTENT_LENGTH");

	cgi_put_record(&cgi->out, CGI_BEGIN, (struct slice){ "\0\1\0\0\0\0\0\0", 8 });
	cgi_put_params(&cgi->out);
	/* RFC 3875 section 4.2: without CONTENT_LENGTH there is no body, save a chunked one, to its
	 * end. */
	cgi->body_left = getenv("HTTP_TRANSFER_ENCODING") != NULL ? UINT64_MAX : 0;
	if (length != NULL && *length != '\0' &&
	    slice_to_u64(slice_of(length), &cgi->body_left) != 0)
		cgi->body_left = 0;
	if (cgi->body_left == 0) {
		cgi_put_record(&cgi->out, CGI_STDIN, SLICE(""));
		cgi->body_done = true;
	}
	return buf_error(&cgi->out);
}

static int
cgi_read_body(struct cgi *cgi)
{
	char bytes[CGI_CONTENT_MAX];
	size_t want = cgi->body_left < sizeof(bytes) ? (size_t)cgi->body_left : sizeof(bytes);

	ssize_t n = read(STDIN_FILENO, bytes, want);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	cgi->body_left -= (size_t)n;
	buf_clear(&cgi->out);
	cgi->out_sent = 0;
	if (n > 0)
		cgi_put_record(&cgi->out, CGI_STDIN, (struct slice){ bytes, (size_t)n });
	if (n == 0 || cgi->body_left == 0) {
		cgi_put_record(&cgi->out, CGI_STDIN, SLICE(""));
		cgi->body_done = true;
	}
	return buf_error(&cgi->out);
}

static int
cgi_send(struct cgi *cgi)
{
	ssize_t n = send(cgi->fd, cgi->out.data + cgi->out_sent, cgi->out.len - cgi->out_sent,
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	cgi->out_sent += (size_t)n;
	return 0;
}

static int
cgi_write(const char *at, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * A web server takes what a CGI program has written when it ends for the whole answer, so one that
 * breaks off must not have begun: up to a bound it is held back until it is whole.
 */
static int
cgi_pass(struct cgi *cgi, const char *at, size_t len)
{
	if (cgi->passing)
		return cgi_write(at, len);
	buf_append(&cgi->held, at, len);
	if (buf_error(&cgi->held) != 0)
		return -ENOMEM;
	if (cgi->held.len <= CGI_HELD_MAX)
		return 0;
	cgi->passing = true;
	return cgi_write(cgi->held.data, cgi->held.len);
}

/* It ended, whole or not: what is held goes out, or an error in its place. */
static int
cgi_finish(struct cgi *cgi, int rc)
{
	static const char broken[] = "Status: 502\r\nContent-Type: text/plain; charset=utf-8\r\n"
				     "Cache-Control: no-store\r\n\r\n502: the answer broke off\n";

	if (cgi->passing)
		return rc;
	if (rc < 0) {
		(void)!cgi_write(broken, sizeof(broken) - 1);
		return rc;
	}
	return cgi_write(cgi->held.data, cgi->held.len);
}

static size_t
cgi_take_header(struct cgi *cgi, struct slice bytes)
{
	size_t len = CGI_HEADER - cgi->header_len;

	len = len < bytes.len ? len : bytes.len;
	memcpy(cgi->header + cgi->header_len, bytes.at, len);
	cgi->header_len += len;
	if (cgi->header_len == CGI_HEADER) {
		cgi->content_left = (size_t)(cgi->header[4] << 8 | cgi->header[5]);
		cgi->padding_left = cgi->header[6];
		cgi->ended = cgi->ended || cgi->header[1] == CGI_END;
	}
	return len;
}

/* Unwrap the worker's records. */
static int
cgi_take(struct cgi *cgi, struct slice bytes)
{
	int rc = 0;

	while (bytes.len > 0 && rc == 0) {
		size_t len = bytes.len;
		if (cgi->header_len < CGI_HEADER) {
			len = cgi_take_header(cgi, bytes);
		} else if (cgi->content_left > 0) {
			len = len < cgi->content_left ? len : cgi->content_left;
			if (cgi->header[1] == CGI_STDOUT)
				rc = cgi_pass(cgi, bytes.at, len);
			cgi->content_left -= len;
		} else {
			len = len < cgi->padding_left ? len : cgi->padding_left;
			cgi->padding_left -= len;
		}
		if (cgi->header_len == CGI_HEADER && cgi->content_left == 0 &&
		    cgi->padding_left == 0)
			cgi->header_len = 0;
		bytes = (struct slice){ bytes.at + len, bytes.len - len };
	}
	return rc;
}

static int
cgi_receive(struct cgi *cgi)
{
	char bytes[65536];
	ssize_t n = recv(cgi->fd, bytes, sizeof(bytes), 0);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return cgi->ended ? 1 : -EPIPE;
	return cgi_take(cgi, (struct slice){ bytes, (size_t)n });
}

/* One round of whatever is possible. Returns 0 to go on; 1 at the end; -errno. */
static int
cgi_step(struct cgi *cgi)
{
	bool sending = cgi->out_sent < cgi->out.len;
	bool reading = !sending && !cgi->body_done;
	struct pollfd fds[] = {
		{ .fd = cgi->fd, .events = (short)(POLLIN | (sending ? POLLOUT : 0)) },
		{ .fd = reading ? STDIN_FILENO : -1, .events = POLLIN },
	};
	int rc = 0;

	if (poll(fds, COUNT(fds), -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents & POLLOUT)
		rc = cgi_send(cgi);
	if (rc == 0 && fds[1].revents != 0)
		rc = cgi_read_body(cgi);
	/* An answer may come before the body was taken up: then nobody wants the rest. */
	if (rc == -EPIPE || rc == -ECONNRESET) {
		cgi->body_done = true;
		cgi->out_sent = cgi->out.len;
		rc = 0;
	}
	if (rc == 0 && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
		rc = cgi_receive(cgi);
	return rc;
}

int
cgi_serve(int fd)
{
	struct cgi cgi = { .fd = fd };
	int rc = cgi_begin(&cgi);

	while (rc == 0)
		rc = cgi_step(&cgi);
	rc = cgi_finish(&cgi, rc);
	buf_free(&cgi.held);
	buf_free(&cgi.out);
	close(fd);
	return rc < 0 ? rc : 0;
}
