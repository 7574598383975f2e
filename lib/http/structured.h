/* structured.h -- Dictionaries of structured fields, read strictly (RFC 9651). */
#ifndef DORY_HTTP_STRUCTURED_H
#define DORY_HTTP_STRUCTURED_H

#include "base/slice.h"

enum structured_type {
	STRUCTURED_BOOLEAN,
	STRUCTURED_INTEGER,
	STRUCTURED_DECIMAL,
	STRUCTURED_STRING,
	STRUCTURED_TOKEN,
	STRUCTURED_BYTES,
	STRUCTURED_DATE,
	STRUCTURED_DISPLAY, /* A display string. */
	STRUCTURED_LIST,    /* An inner list: see structured_item(). */
};

/* One member of a dictionary; its parameters are checked and left out. */
struct structured_member {
	struct slice key;
	enum structured_type type;
	bool boolean;
	int64_t integer;   /* Of an integer or a date. */
	struct slice text; /* Of a string without its quotes, escapes as they came; of a token; of a
			      list what is between its parentheses. */
};

/*
 * Take the next member off `*rest`, which begins as the whole value: the lines of a field joined by
 * commas (RFC 9651 section 4.2). A value is good only if all of its members are, so go through it
 * to the end before believing any. Of equal keys the last counts.
 *
 * Returns: 1; 0 at the end; -EINVAL. Thread-safe: pure.
 * Spec:    RFC 9651 section 4.2.2.
 */
int structured_next(struct slice *rest, struct structured_member *out) NODISCARD;

/*
 * Take the next item off a list's text: its key is empty, its parameters are left out.
 *
 * Returns: 1; 0 at the end; -EINVAL, of no text that structured_next() told. Thread-safe: pure.
 */
int structured_item(struct slice *list, struct structured_member *out) NODISCARD;

#endif
