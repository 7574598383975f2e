/* slice.h -- Borrowed bytes: a pointer and a length, never NUL-terminated. */
#ifndef DORY_BASE_SLICE_H
#define DORY_BASE_SLICE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const char *at; /* May be NULL where len is 0: an absent value. */
	size_t len;
};

#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })
/* The same in a table that is static. */
#define SLICE_ROW(literal)                                                                         \
	{                                                                                          \
		"" literal, sizeof(literal) - 1                                                    \
	}
/* For printf's "%.*s". */
#define SLICE_ARGS(s) (int)(s).len, (s).len > 0 ? (s).at : ""

static inline struct slice
slice_of(const char *text)
{
	return (struct slice){ text, text == NULL ? 0 : strlen(text) };
}

static inline bool
slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII case does not count, as in header field names (RFC 9110 section 5.1). Thread-safe: pure. */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_starts_with(struct slice s, struct slice prefix);

/* Without SP and HTAB at both ends: OWS of RFC 9110 section 5.6.3. Thread-safe: pure. */
struct slice slice_trim(struct slice s);

/*
 * Cut `*rest` at its first `separator`: returns what stands before it and leaves what stands behind
 * it. Without one, returns all and leaves an absent slice (at == NULL), which is how a loop ends:
 *     while (rest.at != NULL) { part = slice_cut(&rest, ','); ... }
 * Thread-safe: pure.
 */
struct slice slice_cut(struct slice *rest, char separator);

/*
 * Decimal digits only, no sign and no blanks, at most UINT64_MAX.
 * Returns: 0; -EINVAL if empty or not digits; -ERANGE. On error `*out` is untouched.
 */
int slice_to_u64(struct slice s, uint64_t *out) NODISCARD;

#endif
