/* nearest.c -- The name that was probably meant. */
#include "config/config.h"

enum { NEAREST_NAME_MAX = 64, NEAREST_DISTANCE = 2, NEAREST_SHORT = 3 };

static unsigned char
nearest_fold(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static unsigned
nearest_min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * How many characters were left out, added, mistaken or swapped with their neighbour; case does not
 * count. The last three rows of the usual matrix are all that is kept.
 */
static unsigned
nearest_distance(struct slice a, struct slice b)
{
	unsigned rows[3][NEAREST_NAME_MAX + 1];

	for (unsigned j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3];
		unsigned *twice_above = rows[(i + 1) % 3];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned char x = nearest_fold(a.at[i - 1]), y = nearest_fold(b.at[j - 1]);
			row[j] = nearest_min(above[j], row[j - 1]) + 1;
			row[j] = nearest_min(row[j], above[j - 1] + (x != y));
			bool swapped = i > 1 && j > 1 && x == nearest_fold(b.at[j - 2]) &&
				       y == nearest_fold(a.at[i - 2]);
			if (swapped)
				row[j] = nearest_min(row[j], twice_above[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

const char *
config_nearest(struct slice name, const char *const *names, size_t n)
{
	const char *best = NULL;
	/* In a short name two slips leave nothing to recognise it by. */
	unsigned limit = name.len <= NEAREST_SHORT ? 1 : NEAREST_DISTANCE;

	if (name.len <= 1 || name.len > NEAREST_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		struct slice other = slice_of(names[i]);
		if (other.len > NEAREST_NAME_MAX || other.len > name.len + limit)
			continue;
		unsigned distance = nearest_distance(name, other);
		if (distance > limit || (best != NULL && distance == limit))
			continue;
		best = names[i];
		if (distance == 0)
			break;
		limit = distance;
	}
	return best;
}
