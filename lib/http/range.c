/* range.c -- Which parts of a stored body a Range field asks for (RFC 9110 section 14). */
#include "http/range.h"

#include "http/date.h"
#include "http/validation.h"

#include <errno.h>

enum { RANGE_STRONG_DATE_S = 60 };

/* `bytes=` and two numbers of 64 bits, with blanks between. */
enum { RANGE_SINGLE_MAX = 64 };

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

/* One of the list: `2-5`, `2-`, `-5`. */
static enum range_verdict
range_read_one(struct slice text, uint64_t size_bytes, struct range *out)
{
	uint64_t first, last = UINT64_MAX;
	struct slice end = text, start = slice_cut(&end, '-');

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

static bool
range_touches(const struct range *a, const struct range *b)
{
	return a->first <= b->first + b->length && b->first <= a->first + a->length;
}

static struct range
range_join(const struct range *a, const struct range *b)
{
	uint64_t first = a->first < b->first ? a->first : b->first;
	uint64_t a_end = a->first + a->length, b_end = b->first + b->length;

	return (struct range){ first, (a_end > b_end ? a_end : b_end) - first };
}

/* Section 15.3.7.2: those that overlap become one; the others stay in the order asked for. */
static void
range_add(struct range_set *set, struct range range)
{
	size_t at = set->n, i = 0;

	while (i < set->n) {
		if (!range_touches(&set->items[i], &range)) {
			i++;
			continue;
		}
		range = range_join(&set->items[i], &range);
		set->n--;
		memmove(&set->items[i], &set->items[i + 1], (set->n - i) * sizeof(range));
		at = i < at ? i : at;
		i = 0; /* It is larger now, and may touch those before. */
	}
	at = at < set->n ? at : set->n;
	memmove(&set->items[at + 1], &set->items[at], (set->n - at) * sizeof(range));
	set->items[at] = range;
	set->n++;
}

enum range_verdict
range_read(struct slice value, uint64_t size_bytes, struct range_set *out)
{
	struct slice rest = value, unit = slice_cut(&rest, '=');
	size_t asked = 0;

	out->n = 0;
	if (value.at == NULL || rest.at == NULL || size_bytes == 0 ||
	    !slice_equal_nocase(unit, SLICE("bytes")))
		return RANGE_WHOLE;
	while (rest.at != NULL) {
		struct range range = { 0, 0 };
		struct slice text = slice_trim(slice_cut(&rest, ','));
		/* RFC 9110 section 5.6.1.2: empty elements of a list do not count. */
		if (text.len == 0)
			continue;
		enum range_verdict verdict = range_read_one(text, size_bytes, &range);
		if (verdict == RANGE_WHOLE || asked++ == RANGE_SET_MAX)
			return RANGE_WHOLE;
		if (verdict == RANGE_PART)
			range_add(out, range);
	}
	if (asked == 0)
		return RANGE_WHOLE;
	return out->n == 0 ? RANGE_UNSATISFIABLE : out->n == 1 ? RANGE_PART : RANGE_SEVERAL;
}

bool
range_is_single(struct slice value)
{
	struct range_set set;

	return value.len > 0 && value.len <= RANGE_SINGLE_MAX &&
	       memchr(value.at, ',', value.len) == NULL &&
	       range_read(value, UINT64_MAX, &set) == RANGE_PART &&
	       set.items[0].length < UINT64_MAX;
}

bool
range_has_conditions(const struct http_request *request)
{
	static const char *const names[] = { "if-match", "if-none-match", "if-modified-since",
		"if-unmodified-since" };

	for (size_t i = 0; i < COUNT(names); i++) {
		if (http_fields_find(&request->fields, slice_of(names[i])) != NULL)
			return true;
	}
	return false;
}

int
range_read_content(struct slice value, struct range_content *out)
{
	struct slice rest = value, unit = slice_cut(&rest, ' ');
	uint64_t last;

	if (rest.at == NULL || !slice_equal_nocase(unit, SLICE("bytes")))
		return -EINVAL;
	struct slice complete = rest, range = slice_cut(&complete, '/');
	struct slice end = range, start = slice_cut(&end, '-');
	if (complete.at == NULL || end.at == NULL || slice_to_u64(start, &out->first) != 0 ||
	    slice_to_u64(end, &last) != 0 || slice_to_u64(complete, &out->complete) != 0 ||
	    last < out->first || last >= out->complete)
		return -EINVAL;
	out->length = last - out->first + 1;
	return 0;
}

/* Section 8.8.2.2: it had been so for a minute when it was sent. */
static bool
range_is_strong_date(struct slice last_modified, int64_t response_s)
{
	int64_t modified_s;

	return http_date_parse(last_modified, response_s, &modified_s) == 0 &&
	       modified_s <= response_s - RANGE_STRONG_DATE_S;
}

struct slice
range_validator(struct slice etag, struct slice last_modified, int64_t response_s)
{
	bool is_strong = etag.len > 0 ? etag.at[0] == '"' && http_etag_is_valid(etag)
				      : range_is_strong_date(last_modified, response_s);

	if (!is_strong)
		return (struct slice){ NULL, 0 };
	return etag.len > 0 ? etag : last_modified;
}

bool
range_if_range(
    struct slice if_range, struct slice etag, struct slice last_modified, int64_t response_s)
{
	if (if_range.at == NULL)
		return true;
	/* Neither may be weak, and equal strong ones are equal bytes (section 8.8.3.2). */
	if (if_range.len > 0 && if_range.at[0] == '"')
		return http_etag_is_valid(if_range) && slice_equal(if_range, etag);
	return if_range.len > 0 && slice_equal(if_range, last_modified) &&
	       range_is_strong_date(last_modified, response_s);
}
