/* buf.h -- Bytes that grow: what is being written before it is sent or stored. */
#ifndef DORY_BASE_BUF_H
#define DORY_BASE_BUF_H

#include "base/slice.h"

/*
 * A zeroed struct is an empty buffer. One thread at a time. Running out of memory sets `failed` and
 * makes every later append do nothing, so a writer of many pieces checks once, at its end.
 */
struct buf {
	char *data;
	size_t len;
	size_t size;
	bool failed;
};

void buf_append(struct buf *b, const void *bytes, size_t len);
void buf_slice(struct buf *b, struct slice s);
void buf_text(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* In decimal. */
void buf_number(struct buf *b, int64_t number);

/* Room for `len` more bytes at data + len; the caller adds what it wrote to len. NULL if out of
 * memory. */
char *buf_reserve(struct buf *b, size_t len) NODISCARD;

/* Returns: 0; -ENOMEM if any append failed. */
int buf_error(const struct buf *b) NODISCARD;

static inline struct slice
buf_as_slice(const struct buf *b)
{
	return (struct slice){ b->data, b->len };
}

/* Empty it, keep its memory. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);

#endif
