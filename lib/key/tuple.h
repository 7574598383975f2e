/* tuple.h -- The key of a cached thing as bytes: equal exactly when all its fields are. */
#ifndef DORY_KEY_TUPLE_H
#define DORY_KEY_TUPLE_H

#include "base/arena.h"
#include "base/buf.h"

/*
 * Each field is its length (LEB128: seven bits a byte, lowest first, shortest form) followed by its
 * bytes. The code is prefix-free, so one encoding is a byte prefix of another exactly when its
 * tuple is a prefix of the other's, and no delimiter in a value can ever mean anything.
 */
enum { TUPLE_FIELDS_MAX = 16, TUPLE_BYTES_MAX = 16384 };

/* field[0] is the bloat's prefix. ends[i] is where field i ends within `bytes`. */
struct tuple {
	struct slice bytes;
	unsigned n;
	uint16_t ends[TUPLE_FIELDS_MAX];
};

/*
 * Encode `n` fields into memory of `arena`.
 *
 * Returns: 0; -E2BIG over TUPLE_FIELDS_MAX fields or TUPLE_BYTES_MAX bytes; -ENOMEM.
 */
int tuple_encode(
    struct arena *arena, const struct slice *fields, unsigned n, struct tuple *out) NODISCARD;

/*
 * Find the fields of encoded bytes again; `out->bytes` borrows them.
 *
 * Returns: 0; -EINVAL where they are no whole tuple in shortest form.
 */
int tuple_decode(struct slice bytes, struct tuple *out) NODISCARD;

/* Field `i` of `t`, borrowed from it. i < t->n. Thread-safe: pure. */
struct slice tuple_field(const struct tuple *t, unsigned i);

/* Append one field in the encoding above. */
void tuple_append(struct buf *out, struct slice field);

/* Take one field off the front of `*rest`. Returns: 0; -EINVAL. */
int tuple_next(struct slice *rest, struct slice *field) NODISCARD;

#endif
