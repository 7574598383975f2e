/* type.h -- The types of arguments and key fields: which values fit, and how special they are. */
#ifndef DORY_ROUTE_TYPE_H
#define DORY_ROUTE_TYPE_H

#include "route/finding.h"

enum type_kind {
	TYPE_ENUM, /* a|b|c */
	TYPE_INT,  /* -2^63 to 2^64-1, shortest form: every uint is an int. */
	TYPE_UINT, /* 0 to 2^64-1, shortest form. */
	TYPE_UUID, /* 8-4-4-4-12 hex digits; its value is in lower case. */
	TYPE_DATE, /* YYYY-MM-DD, a day of the calendar. */
	TYPE_SLUG, /* a-z, 0-9 and inner - and _. */
	TYPE_STR,  /* Not empty: one segment of a path, any value elsewhere. */
	TYPE_PATH, /* The rest of a path, may be empty. */
};

struct type {
	enum type_kind kind;
	unsigned n_words;
	const struct slice *words; /* TYPE_ENUM: sorted. */
	const char *text;          /* As written, for messages. */
};

/* `{id:uint}`: a part of a pattern or of a key. */
struct type_argument {
	const char *name;
	struct type type;
};

/* "uint", "a|b". Returns: 0; -EINVAL with `why`; -ENOMEM. */
int type_parse(
    struct slice text, struct arena *arena, struct type *out, struct finding *why) NODISCARD;

/* What stands between braces: "id" (a str) or "id:uint". Returns: as type_parse(). */
int type_parse_argument(struct slice text, struct arena *arena, struct type_argument *out,
    struct finding *why) NODISCARD;

/* Does a decoded value fit? Thread-safe: pure. */
bool type_fits(const struct type *t, struct slice value);

/* Give a value that fits its one spelling (uuid: lower case, made in `arena`). Returns: 0; -ENOMEM.
 */
int type_canonical(const struct type *t, struct arena *arena, struct slice *value) NODISCARD;

/* Does every value of `inner` fit `outer`? Thread-safe: pure. */
bool type_is_within(const struct type *inner, const struct type *outer);

/* Of two types of equal class: is there a value that fits both? Thread-safe: pure. */
bool type_overlaps(const struct type *a, const struct type *b);
bool type_equal(const struct type *a, const struct type *b);

/* 1 for the most special, an enumeration, to 5 for a path; 0 is left for literals. */
unsigned type_class(const struct type *t);

#endif
