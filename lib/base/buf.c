/* buf.c -- Bytes that grow: what is being written before it is sent or stored. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST = 256 };

char *
buf_reserve(struct buf *b, size_t len)
{
	if (b->failed)
		return NULL;
	if (b->size - b->len >= len)
		return b->data + b->len;
	size_t size = b->size < BUF_FIRST ? BUF_FIRST : b->size;
	while (size - b->len < len && size <= SIZE_MAX / 4)
		size *= 2;
	char *data = size - b->len < len ? NULL : realloc(b->data, size);
	if (data == NULL) {
		b->failed = true;
		return NULL;
	}
	b->data = data;
	b->size = size;
	return data + b->len;
}

void
buf_append(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	char *at = buf_reserve(b, len);
	if (at == NULL)
		return;
	memcpy(at, bytes, len);
	b->len += len;
}

void
buf_slice(struct buf *b, struct slice s)
{
	buf_append(b, s.at, s.len);
}

void
buf_text(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void
buf_char(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void
buf_number(struct buf *b, int64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

	do
		digits[--at] = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (number < 0)
		digits[--at] = '-';
	buf_append(b, digits + at, sizeof(digits) - at);
}

void
buf_printf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	/* Where it fits the room there is, once is enough. */
	size_t room = b->failed ? 0 : b->size - b->len;
	int len = vsnprintf(room > 0 ? b->data + b->len : NULL, room, format, args);
	if (len >= 0 && (size_t)len >= room) {
		char *at = buf_reserve(b, (size_t)len + 1);
		if (at != NULL)
			vsnprintf(at, (size_t)len + 1, format, again);
	}
	if (len >= 0 && !b->failed)
		b->len += (size_t)len;
	va_end(again);
	va_end(args);
}

int
buf_error(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}
