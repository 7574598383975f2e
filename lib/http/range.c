/* range.c -- Which part of a stored body a Range field asks for (RFC 9110 section 14). */
#include "http/range.h"

#include "http/date.h"
#include "http/validation.h"

#include <errno.h>

enum { RANGE_STRONG_DATE_S = 60 };

/* Digits, where too many of them are as good as the largest number. */
static bool
range_number(struct slice text, uint64_t *out)
{
	int rc = slice_to_u64(text, out);

	if (rc == -ERANGE)
		*out = UINT64_MAX;
	return rc == 0 || rc == -ERANGE;
}

static enum range_verdict
range_read_suffix(struct slice text, uint64_t size_bytes, struct range *out)
{
	uint64_t length;

	if (!range_number(text, &length))
		return RANGE_WHOLE;
	if (length == 0)
		return RANGE_UNSATISFIABLE;
	if (length > size_bytes)
		length = size_bytes;
	*out = (struct range){ size_bytes - length, length };
	return RANGE_PART;
}

enum range_verdict
range_read(struct slice value, uint64_t size_bytes, struct range *out)
{
	uint64_t first, last = UINT64_MAX;
	struct slice end = value, unit = slice_cut(&end, '=');

	if (value.at == NULL || end.at == NULL || size_bytes == 0 ||
	    !slice_equal_nocase(unit, SLICE("bytes")))
		return RANGE_WHOLE;
	end = slice_trim(end);
	struct slice start = slice_cut(&end, '-');
	if (end.at == NULL)
		return RANGE_WHOLE;
	if (start.len == 0)
		return range_read_suffix(end, size_bytes, out);
	if (!range_number(start, &first) || (end.len > 0 && !range_number(end, &last)) ||
	    last < first)
		return RANGE_WHOLE;
	if (first >= size_bytes)
		return RANGE_UNSATISFIABLE;
	if (last >= size_bytes)
		last = size_bytes - 1;
	*out = (struct range){ first, last - first + 1 };
	return RANGE_PART;
}

bool
range_if_range(
    struct slice if_range, struct slice etag, struct slice last_modified, int64_t response_s)
{
	int64_t modified_s;

	if (if_range.at == NULL)
		return true;
	/* Neither may be weak, and equal strong ones are equal bytes (section 8.8.3.2). */
	if (if_range.len > 0 && if_range.at[0] == '"')
		return http_etag_is_valid(if_range) && slice_equal(if_range, etag);
	return if_range.len > 0 && slice_equal(if_range, last_modified) &&
	       http_date_parse(last_modified, response_s, &modified_s) == 0 &&
	       modified_s <= response_s - RANGE_STRONG_DATE_S;
}
