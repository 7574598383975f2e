/* preference.c -- Accept-Language and Accept-Encoding in one spelling (RFC 9110 section 12.5). */
#include "http/preference.h"

#include "http/chars.h"
#include "http/message.h"

#include <strings.h>

enum { PREFERENCE_FULL = 1000 };

struct preference {
	struct slice name;
	unsigned quality; /* In thousandths. */
};

/* "0", "0.123", "1", "1.000" (section 12.4.2). Returns false for anything else. */
static bool
preference_read_quality(struct slice text, unsigned *out)
{
	unsigned quality = 0, unit = PREFERENCE_FULL;

	if (text.len == 0 || text.len > 5 || (text.len > 1 && text.at[1] != '.'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (i == 1)
			continue;
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		quality += (unsigned)(text.at[i] - '0') * unit;
		unit /= 10;
	}
	*out = quality;
	return quality <= PREFERENCE_FULL;
}

static bool
preference_read(struct slice member, struct preference *out)
{
	struct slice weight = member;

	out->name = slice_trim(slice_cut(&weight, ';'));
	out->quality = PREFERENCE_FULL;
	if (slice_equal_nocase(out->name, SLICE("x-gzip")) ||
	    slice_equal_nocase(out->name, SLICE("x-compress")))
		out->name = (struct slice){ out->name.at + 2, out->name.len - 2 };
	if (!http_is_token(out->name))
		return false;
	if (weight.at == NULL)
		return true;
	struct slice name = slice_trim(slice_cut(&weight, '='));
	return slice_equal_nocase(name, SLICE("q")) && weight.at != NULL &&
	       preference_read_quality(slice_trim(weight), &out->quality);
}

static bool
preference_is_before(const struct preference *a, const struct preference *b)
{
	size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;

	if (a->quality != b->quality)
		return a->quality > b->quality;
	int order = strncasecmp(a->name.at, b->name.at, len);
	return order != 0 ? order < 0 : a->name.len < b->name.len;
}

static void
preference_insert(struct preference *list, size_t n, struct preference new)
{
	while (n > 0 && preference_is_before(&new, &list[n - 1])) {
		list[n] = list[n - 1];
		n--;
	}
	list[n] = new;
}

static char *
preference_put(char *at, const struct preference *p)
{
	unsigned quality = p->quality;

	for (size_t i = 0; i < p->name.len; i++)
		*at++ = chars_lower(p->name.at[i]);
	/* ";q=0" is the shortest weight there is, so this always has room. */
	if (quality == PREFERENCE_FULL)
		return at;
	/* A byte that no field has, so that no malformed value looks like this. */
	*at++ = '\r';
	for (unsigned unit = 100; unit > 0; unit /= 10)
		*at++ = (char)('0' + quality / unit % 10);
	return at;
}

/* Those of `value`, best first. Returns how many; 0 for none, too many and what is malformed. */
static size_t
preference_read_all(struct slice value, struct preference *list)
{
	struct slice rest = value;
	size_t n = 0;

	while (rest.at != NULL) {
		struct slice member = slice_trim(slice_cut(&rest, ','));
		struct preference new;
		if (member.len == 0)
			continue;
		if (n == PREFERENCE_MEMBERS_MAX || !preference_read(member, &new))
			return 0;
		preference_insert(list, n++, new);
	}
	return n;
}

size_t
preference_normalise(struct slice value, char *at)
{
	struct preference list[PREFERENCE_MEMBERS_MAX];
	size_t n = preference_read_all(value, list);
	char *start = at;

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			*at++ = ',';
		at = preference_put(at, &list[i]);
	}
	return (size_t)(at - start);
}

struct slice
preference_first(struct slice value)
{
	struct preference list[PREFERENCE_MEMBERS_MAX];
	size_t n = preference_read_all(value, list);
	bool one = n > 0 && list[0].quality > 0 && (n == 1 || list[1].quality < list[0].quality);

	return one && !slice_equal(list[0].name, SLICE("*")) ? list[0].name
							     : (struct slice){ NULL, 0 };
}
