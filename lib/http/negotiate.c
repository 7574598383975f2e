/* negotiate.c -- Accept-Language reduced to one of the languages a site has (RFC 9110 12.5.4). */
#include "http/negotiate.h"

/* Browsers send fewer than ten; what comes after is not read, so work is bounded. */
enum { NEGOTIATE_RANGES_MAX = 64, NEGOTIATE_BEST = 1000 };

struct negotiate_range {
	struct slice tag; /* "*" too. */
	int quality;      /* Thousandths. */
};

struct negotiate_ranges {
	struct negotiate_range items[NEGOTIATE_RANGES_MAX];
	size_t n;
};

/* qvalue of RFC 9110 section 12.4.2 in thousandths, or -1. */
static int
negotiate_quality(struct slice s)
{
	int value = 0;

	if (s.len == 0 || s.len > 5 || (s.len > 1 && s.at[1] != '.'))
		return -1;
	for (size_t i = 0; i < 5; i++) {
		char digit = i < s.len ? s.at[i] : '0';
		if (i == 1)
			continue;
		if (digit < '0' || digit > '9')
			return -1;
		value = value * 10 + (digit - '0');
	}
	return value <= NEGOTIATE_BEST ? value : -1;
}

/* A range whose weight cannot be read neither asks for anything nor excludes it. */
static bool
negotiate_read_range(struct slice member, struct negotiate_range *out)
{
	struct slice weight = member;

	out->tag = slice_trim(slice_cut(&weight, ';'));
	out->quality = NEGOTIATE_BEST;
	if (weight.at != NULL) {
		struct slice name = slice_cut(&weight, '=');
		bool is_q = slice_equal_nocase(slice_trim(name), SLICE("q"));
		out->quality = is_q ? negotiate_quality(slice_trim(weight)) : -1;
	}
	return out->tag.len > 0 && out->quality >= 0;
}

static void
negotiate_read(struct slice value, struct negotiate_ranges *out)
{
	struct slice rest = value;

	out->n = 0;
	while (rest.at != NULL && out->n < NEGOTIATE_RANGES_MAX) {
		struct slice member = slice_cut(&rest, ',');
		out->n += negotiate_read_range(member, &out->items[out->n]);
	}
}

/* Is `range` the whole of `tag` or its first subtags (RFC 4647 section 3.3.1)? */
static bool
negotiate_covers(struct slice range, struct slice tag)
{
	return range.len <= tag.len && (range.len == tag.len || tag.at[range.len] == '-') &&
	       slice_equal_nocase(range, (struct slice){ tag.at, range.len });
}

/*
 * What the most specific range about a language says decides whether it is acceptable. `*` is not
 * asked: it speaks of what no other range finds, and of weight 0 it finds nothing.
 */
static bool
negotiate_is_excluded(const struct negotiate_ranges *ranges, struct slice language)
{
	const struct negotiate_range *most = NULL;

	for (size_t i = 0; i < ranges->n; i++) {
		const struct negotiate_range *r = &ranges->items[i];
		bool closer = most == NULL || r->tag.len > most->tag.len;
		if (closer && negotiate_covers(r->tag, language))
			most = r;
	}
	return most != NULL && most->quality == 0;
}

/* Without its last subtag, and without one of a single character before that (RFC 4647 3.4). */
static struct slice
negotiate_shorten(struct slice tag)
{
	do {
		while (tag.len > 0 && tag.at[tag.len - 1] != '-')
			tag.len--;
		if (tag.len > 0)
			tag.len--;
	} while (tag.len >= 2 && tag.at[tag.len - 2] == '-');
	return tag;
}

/* Lookup of one range. Returns: an index, or n. */
static size_t
negotiate_lookup(const struct negotiate_ranges *ranges, struct slice range,
    const struct slice *languages, size_t n)
{
	bool any = slice_equal(range, SLICE("*"));

	for (struct slice tag = range; tag.len > 0; tag = negotiate_shorten(tag)) {
		for (size_t i = 0; i < n; i++) {
			if ((any || slice_equal_nocase(tag, languages[i])) &&
			    !negotiate_is_excluded(ranges, languages[i]))
				return i;
		}
	}
	return n;
}

size_t
negotiate_language(struct slice accept_language, const struct slice *languages, size_t n)
{
	struct negotiate_ranges ranges;
	size_t found = 0;
	int quality = 0;

	negotiate_read(accept_language, &ranges);
	for (size_t i = 0; i < ranges.n; i++) {
		/* Of equal ones the first stays. */
		if (ranges.items[i].quality <= quality)
			continue;
		size_t index = negotiate_lookup(&ranges, ranges.items[i].tag, languages, n);
		if (index == n)
			continue;
		found = index;
		quality = ranges.items[i].quality;
	}
	return found;
}
