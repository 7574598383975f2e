/* units.c -- Durations and sizes, read and written. */
#include "config/units.h"

#include "config/config.h"

#include <errno.h>

enum { UNITS_YEAR_DAYS = 365 };

/* In falling order, as they must stand in a duration. */
static const struct {
	const char *name;
	int64_t ms;
} units_duration[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	{ "ms", 1 } };

static const char units_size[] = "KMGT";

/* Cut the bytes from `low` to `high` off the front of `*rest`. */
static struct slice
units_span(struct slice *rest, char low, char high)
{
	struct slice span = { rest->at, 0 };

	while (span.len < rest->len && rest->at[span.len] >= low && rest->at[span.len] <= high)
		span.len++;
	*rest = (struct slice){ rest->at + span.len, rest->len - span.len };
	return span;
}

/* The unit of that name at place `from` or later; COUNT(units_duration) if there is none. */
static size_t
units_find(struct slice name, size_t from)
{
	while (
	    from < COUNT(units_duration) && !slice_equal(name, slice_of(units_duration[from].name)))
		from++;
	return from;
}

int
config_parse_duration(struct slice text, int64_t *out_ms)
{
	int64_t total = 0;
	size_t next = 0;

	if (slice_equal(text, SLICE("0"))) {
		*out_ms = 0;
		return 0;
	}
	if (text.len == 0)
		return -EINVAL;
	while (text.len > 0) {
		uint64_t number;
		struct slice digits = units_span(&text, '0', '9');
		size_t unit = units_find(units_span(&text, 'a', 'z'), next);
		if (unit == COUNT(units_duration))
			return -EINVAL;
		int rc = slice_to_u64(digits, &number);
		if (rc != 0)
			return rc;
		if (number > (uint64_t)((INT64_MAX - total) / units_duration[unit].ms))
			return -ERANGE;
		total += (int64_t)number * units_duration[unit].ms;
		next = unit + 1;
	}
	*out_ms = total;
	return 0;
}

int
config_parse_size(struct slice text, uint64_t *out_bytes)
{
	uint64_t number;
	unsigned shift = 0;
	struct slice digits = units_span(&text, '0', '9');

	if (text.len > 1)
		return -EINVAL;
	if (text.len == 1) {
		const char *suffix = memchr(units_size, text.at[0], sizeof(units_size) - 1);
		if (suffix == NULL)
			return -EINVAL;
		shift = 10 * (unsigned)(suffix - units_size + 1);
	}
	int rc = slice_to_u64(digits, &number);
	if (rc != 0)
		return rc;
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*out_bytes = number << shift;
	return 0;
}

void
units_print_duration(int64_t ms, struct buf *out)
{
	int64_t year_ms = UNITS_YEAR_DAYS * units_duration[0].ms;

	if (ms == 0)
		buf_char(out, '0');
	if (ms != 0 && ms % year_ms == 0) {
		long long years = (long long)(ms / year_ms);
		buf_printf(out, "%lld year%s", years, years == 1 ? "" : "s");
		return;
	}
	for (size_t i = 0; i < COUNT(units_duration); i++) {
		int64_t number = ms / units_duration[i].ms;
		if (number > 0)
			buf_printf(out, "%lld%s", (long long)number, units_duration[i].name);
		ms %= units_duration[i].ms;
	}
}

void
units_print_size(uint64_t bytes, struct buf *out)
{
	unsigned power = 0;

	while (power < sizeof(units_size) - 1 && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		power++;
	}
	buf_printf(out, "%llu", (unsigned long long)bytes);
	if (power > 0)
		buf_char(out, units_size[power - 1]);
}
