/* tuple.c -- The key of a cached thing as bytes: equal exactly when all its fields are. */
#include "key/tuple.h"

#include <errno.h>

enum { TUPLE_LENGTH_BYTES = 3 }; /* 21 bits: enough for TUPLE_BYTES_MAX. */

static size_t
tuple_put_length(char *at, size_t len)
{
	size_t n = 0;

	for (; len >= 0x80; len >>= 7)
		at[n++] = (char)(0x80 | (len & 0x7f));
	at[n++] = (char)len;
	return n;
}

int
tuple_next(struct slice *rest, struct slice *field)
{
	size_t len = 0, i = 0;
	unsigned char byte;

	do {
		if (i == rest->len || i == TUPLE_LENGTH_BYTES)
			return -EINVAL;
		byte = (unsigned char)rest->at[i];
		len |= (size_t)(byte & 0x7f) << (7 * i);
		i++;
	} while (byte & 0x80);
	bool shortest = byte != 0 || i == 1;
	if (!shortest || len > rest->len - i)
		return -EINVAL;
	*field = (struct slice){ rest->at + i, len };
	*rest = (struct slice){ rest->at + i + len, rest->len - i - len };
	return 0;
}

int
tuple_encode(struct arena *arena, const struct slice *fields, unsigned n, struct tuple *out)
{
	size_t total = 0, used = 0;

	if (n > TUPLE_FIELDS_MAX)
		return -E2BIG;
	for (unsigned i = 0; i < n; i++) {
		if (fields[i].len > TUPLE_BYTES_MAX)
			return -E2BIG;
		total += fields[i].len + TUPLE_LENGTH_BYTES;
	}
	if (total > TUPLE_BYTES_MAX)
		return -E2BIG;
	char *at = arena_alloc(arena, total + 1);
	if (at == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		used += tuple_put_length(at + used, fields[i].len);
		if (fields[i].len > 0)
			memcpy(at + used, fields[i].at, fields[i].len);
		used += fields[i].len;
		out->ends[i] = (uint16_t)used;
	}
	out->bytes = (struct slice){ at, used };
	out->n = n;
	return 0;
}

int
tuple_decode(struct slice bytes, struct tuple *out)
{
	struct slice rest = bytes, field;
	struct tuple t = { .bytes = bytes };

	if (bytes.len > TUPLE_BYTES_MAX)
		return -EINVAL;
	while (rest.len > 0) {
		if (t.n == TUPLE_FIELDS_MAX || tuple_next(&rest, &field) != 0)
			return -EINVAL;
		t.ends[t.n++] = (uint16_t)(bytes.len - rest.len);
	}
	*out = t;
	return 0;
}

struct slice
tuple_field(const struct tuple *t, unsigned i)
{
	size_t start = i == 0 ? 0 : t->ends[i - 1];
	struct slice rest = { t->bytes.at + start, t->ends[i] - start };
	struct slice field = { NULL, 0 };

	return tuple_next(&rest, &field) == 0 ? field : (struct slice){ NULL, 0 };
}

void
tuple_append(struct buf *out, struct slice field)
{
	char length[10];

	buf_append(out, length, tuple_put_length(length, field.len));
	buf_slice(out, field);
}
