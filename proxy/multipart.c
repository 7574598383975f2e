/* multipart.c -- Several ranges of one body as multipart/byteranges (RFC 9110 section 14.6). */
#include "multipart.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

/* Too long to be met in a body by chance, or to be guessed by who wrote that. */
enum { MULTIPART_BOUNDARY = 24 };

static int
multipart_make_boundary(char out[2 * MULTIPART_BOUNDARY + 1])
{
	unsigned char bytes[MULTIPART_BOUNDARY];

	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* What the 200 has, but its length, and its type, which goes to each part. Returns the type,
 * with its line end. */
static struct slice
multipart_put_head(struct slice head, struct buf *out)
{
	struct slice type = { NULL, 0 }, line;
	struct http_field field;

	(void)slice_cut(&head, '\n'); /* Status */
	buf_text(out, "Status: 206\r\n");
	while (http_head_next(&head, &field, &line)) {
		if (slice_equal_nocase(field.name, SLICE("content-type")))
			type = line;
		else if (!slice_equal_nocase(field.name, SLICE("content-length")))
			buf_slice(out, line);
	}
	return type;
}

static int
multipart_read_file(int fd, const struct range *range, char *out)
{
	uint64_t done = 0;

	while (done < range->length) {
		ssize_t n = pread(
		    fd, out + done, (size_t)(range->length - done), (off_t)(range->first + done));
		if (n == 0 || (n < 0 && errno != EINTR))
			return -EIO;
		done += n > 0 ? (uint64_t)n : 0;
	}
	return 0;
}

int
multipart_read(const struct multipart_source *from, const struct range *range, char *out)
{
	uint64_t skip = range->first, left = range->length;

	if (from->fd >= 0)
		return multipart_read_file(from->fd, range, out);
	for (size_t i = 0; i < from->n && left > 0; i++) {
		const struct iovec *piece = &from->pieces[i];
		size_t gone = skip < piece->iov_len ? (size_t)skip : piece->iov_len;
		size_t len = piece->iov_len - gone;
		len = len < left ? len : (size_t)left;
		memcpy(out, (const char *)piece->iov_base + gone, len);
		out += len;
		skip -= gone;
		left -= len;
	}
	return left == 0 ? 0 : -EIO;
}

static int
multipart_put_bytes(const struct multipart_source *from, const struct range *range, struct buf *out)
{
	char *at = buf_reserve(out, (size_t)range->length);
	int rc = at == NULL ? -ENOMEM : multipart_read(from, range, at);

	if (rc == 0)
		out->len += (size_t)range->length;
	return rc;
}

int
multipart_make(const struct multipart_source *from, const struct range_set *set, struct buf *head,
    struct buf *body)
{
	char boundary[2 * MULTIPART_BOUNDARY + 1];
	uint64_t total = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (set->items[i].length > MULTIPART_MAX - total)
			return -EFBIG;
		total += set->items[i].length;
	}
	int rc = multipart_make_boundary(boundary);
	struct slice type = multipart_put_head(from->head, head);
	for (size_t i = 0; i < set->n && rc == 0; i++) {
		const struct range *range = &set->items[i];
		buf_printf(body, "%s--%s\r\n", i > 0 ? "\r\n" : "", boundary);
		buf_slice(body, type);
		buf_printf(body, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n\r\n",
		    range->first, range->first + range->length - 1, from->size_bytes);
		rc = multipart_put_bytes(from, range, body);
	}
	if (rc != 0)
		return rc;
	buf_printf(body, "\r\n--%s--\r\n", boundary);
	buf_printf(head,
	    "Content-Type: multipart/byteranges; boundary=%s\r\nContent-Length: %zu\r\n", boundary,
	    body->len);
	return buf_error(body) != 0 ? -ENOMEM : buf_error(head);
}
