/* cookie.c -- One cookie out of a Cookie field (RFC 6265 section 4.2). */
#include "http/cookie.h"

bool
cookie_next(struct slice *rest, struct slice *name, struct slice *value)
{
	while (rest->at != NULL) {
		struct slice pair = slice_trim(slice_cut(rest, ';'));
		if (pair.len == 0)
			continue;
		struct slice after = pair;
		struct slice before = slice_cut(&after, '=');
		bool named = after.at != NULL;
		*name = named ? slice_trim(before) : SLICE("");
		*value = named ? slice_trim(after) : pair;
		return true;
	}
	return false;
}

struct slice
cookie_find(struct slice cookies, struct slice name)
{
	struct slice found, value;

	while (cookie_next(&cookies, &found, &value)) {
		if (slice_equal(found, name))
			return value;
	}
	return (struct slice){ NULL, 0 };
}
