/* slice.c -- Borrowed bytes: a pointer and a length, never NUL-terminated. */
#include "base/slice.h"

#include <errno.h>
#include <strings.h>

bool
slice_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || strncasecmp(a.at, b.at, a.len) == 0);
}

bool
slice_starts_with(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.at, prefix.at, prefix.len) == 0);
}

static bool
slice_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && slice_is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && slice_is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

struct slice
slice_cut(struct slice *rest, char separator)
{
	struct slice whole = *rest;
	const char *at = whole.len == 0 ? NULL : memchr(whole.at, separator, whole.len);

	if (at == NULL) {
		*rest = (struct slice){ NULL, 0 };
		return whole;
	}
	size_t len = (size_t)(at - whole.at);
	*rest = (struct slice){ at + 1, whole.len - len - 1 };
	return (struct slice){ whole.at, len };
}

int
slice_to_u64(struct slice s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return -EINVAL;
		uint64_t digit = (uint64_t)(s.at[i] - '0');
		if (value > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		value = value * 10 + digit;
	}
	*out = value;
	return 0;
}
