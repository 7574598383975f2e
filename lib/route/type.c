/* type.c -- The types of arguments and key fields: which values fit, and how special they are. */
#include "route/type.h"

#include "route/order.h"

#include <errno.h>
#include <stdlib.h>

static const struct {
	const char *name;
	enum type_kind kind;
} types[] = {
	{ "int", TYPE_INT },
	{ "uint", TYPE_UINT },
	{ "slug", TYPE_SLUG },
	{ "uuid", TYPE_UUID },
	{ "date", TYPE_DATE },
	{ "str", TYPE_STR },
	{ "path", TYPE_PATH },
};

static bool
type_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
type_is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
type_is_letter(char c)
{
	return type_is_lower(c) || (c >= 'A' && c <= 'Z');
}

static int
type_parse_words(struct slice text, struct arena *arena, struct type *out, struct finding *why)
{
	unsigned n = 1, i = 0;

	for (size_t at = 0; at < text.len; at++)
		n += text.at[at] == '|';
	struct slice *words = arena_alloc(arena, n * sizeof(*words));
	if (words == NULL)
		return -ENOMEM;
	for (struct slice rest = text; rest.at != NULL; i++) {
		words[i] = slice_cut(&rest, '|');
		if (words[i].len == 0)
			return finding_set(
			    why, "an empty word in \"%.*s\"; write words as a|b", SLICE_ARGS(text));
	}
	qsort(words, n, sizeof(*words), order_by_slice);
	for (i = 1; i < n; i++) {
		if (slice_equal(words[i - 1], words[i]))
			return finding_set(why, "\"%.*s\" stands twice in \"%.*s\"; write it once",
			    SLICE_ARGS(words[i]), SLICE_ARGS(text));
	}
	out->kind = TYPE_ENUM;
	out->words = words;
	out->n_words = n;
	return 0;
}

int
type_parse(struct slice text, struct arena *arena, struct type *out, struct finding *why)
{
	const char *names[COUNT(types)];
	char *copy = arena_copy(arena, text);

	if (copy == NULL)
		return -ENOMEM;
	*out = (struct type){ .text = copy };
	if (memchr(copy, '|', text.len) != NULL)
		return type_parse_words((struct slice){ copy, text.len }, arena, out, why);
	for (size_t i = 0; i < COUNT(types); i++) {
		names[i] = types[i].name;
		if (slice_equal(text, slice_of(types[i].name))) {
			out->kind = types[i].kind;
			return 0;
		}
	}
	return finding_unknown(why, "type", text, names, COUNT(names),
	    "write int, uint, slug, uuid, date, str, path or words as a|b");
}

static bool
type_is_name(struct slice s)
{
	bool good = s.len > 0 && (type_is_letter(s.at[0]) || s.at[0] == '_');

	for (size_t i = 1; good && i < s.len; i++)
		good = type_is_letter(s.at[i]) || type_is_digit(s.at[i]) || s.at[i] == '_' ||
		       s.at[i] == '-';
	return good;
}

int
type_parse_argument(
    struct slice text, struct arena *arena, struct type_argument *out, struct finding *why)
{
	struct slice rest = text;
	struct slice name = slice_cut(&rest, ':');

	if (!type_is_name(name))
		return finding_set(why,
		    "\"{%.*s}\" has no name; write {name} or {name:type}, the name of letters, "
		    "digits, \"-\" and \"_\"",
		    SLICE_ARGS(text));
	out->name = arena_copy(arena, name);
	if (out->name == NULL)
		return -ENOMEM;
	return type_parse(rest.at == NULL ? SLICE("str") : rest, arena, &out->type, why);
}

static bool
type_fits_uint(struct slice s)
{
	uint64_t value;

	if (s.len == 0 || s.len > 20 || (s.at[0] == '0' && s.len > 1))
		return false;
	return slice_to_u64(s, &value) == 0;
}

static bool
type_fits_int(struct slice s)
{
	uint64_t value;

	if (s.len == 0 || s.at[0] != '-')
		return type_fits_uint(s);
	s = (struct slice){ s.at + 1, s.len - 1 };
	return type_fits_uint(s) && slice_to_u64(s, &value) == 0 && value > 0 &&
	       value <= (uint64_t)1 << 63;
}

static bool
type_fits_slug(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool inner = i > 0 && i + 1 < s.len && (s.at[i] == '-' || s.at[i] == '_');
		if (!inner && !type_is_lower(s.at[i]) && !type_is_digit(s.at[i]))
			return false;
	}
	return s.len > 0;
}

static bool
type_fits_uuid(struct slice s)
{
	if (s.len != 36)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = type_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
		if (dash ? c != '-' : !hex)
			return false;
	}
	return true;
}

static bool
type_fits_date(struct slice s)
{
	static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (s.len != 10)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (i == 4 || i == 7 ? s.at[i] != '-' : !type_is_digit(s.at[i]))
			return false;
	}
	int year =
	    (s.at[0] - '0') * 1000 + (s.at[1] - '0') * 100 + (s.at[2] - '0') * 10 + (s.at[3] - '0');
	int month = (s.at[5] - '0') * 10 + (s.at[6] - '0');
	int day = (s.at[8] - '0') * 10 + (s.at[9] - '0');
	if (month < 1 || month > 12)
		return false;
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

bool
type_fits(const struct type *t, struct slice value)
{
	switch (t->kind) {
	case TYPE_ENUM:
		return bsearch(&value, t->words, t->n_words, sizeof(value), order_by_slice) != NULL;
	case TYPE_INT:
		return type_fits_int(value);
	case TYPE_UINT:
		return type_fits_uint(value);
	case TYPE_UUID:
		return type_fits_uuid(value);
	case TYPE_DATE:
		return type_fits_date(value);
	case TYPE_SLUG:
		return type_fits_slug(value);
	case TYPE_STR:
		return value.len > 0;
	case TYPE_PATH:
		return true;
	}
	return false;
}

int
type_canonical(const struct type *t, struct arena *arena, struct slice *value)
{
	bool upper = false;

	for (size_t i = 0; t->kind == TYPE_UUID && i < value->len; i++)
		upper = upper || (value->at[i] >= 'A' && value->at[i] <= 'F');
	if (!upper)
		return 0;
	char *copy = arena_copy(arena, *value);
	if (copy == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < value->len; i++) {
		if (copy[i] >= 'A' && copy[i] <= 'F')
			copy[i] = (char)(copy[i] - 'A' + 'a');
	}
	value->at = copy;
	return 0;
}

bool
type_is_within(const struct type *inner, const struct type *outer)
{
	if (inner->kind == TYPE_ENUM) {
		bool within = true;
		for (unsigned i = 0; within && i < inner->n_words; i++)
			within = type_fits(outer, inner->words[i]);
		return within;
	}
	switch (outer->kind) {
	case TYPE_PATH:
		return true;
	case TYPE_STR:
		return inner->kind != TYPE_PATH;
	case TYPE_SLUG:
		return inner->kind == TYPE_SLUG || inner->kind == TYPE_UINT ||
		       inner->kind == TYPE_UUID || inner->kind == TYPE_DATE;
	case TYPE_INT:
		return inner->kind == TYPE_INT || inner->kind == TYPE_UINT;
	case TYPE_UINT:
	case TYPE_UUID:
	case TYPE_DATE:
		return inner->kind == outer->kind;
	case TYPE_ENUM:
		return false;
	}
	return false;
}

bool
type_overlaps(const struct type *a, const struct type *b)
{
	bool numbers = (a->kind == TYPE_INT && b->kind == TYPE_UINT) ||
		       (a->kind == TYPE_UINT && b->kind == TYPE_INT);
	bool overlap = false;

	if (a->kind != TYPE_ENUM || b->kind != TYPE_ENUM)
		return numbers || a->kind == b->kind;
	for (unsigned i = 0; !overlap && i < a->n_words; i++)
		overlap = type_fits(b, a->words[i]);
	return overlap;
}

bool
type_equal(const struct type *a, const struct type *b)
{
	bool equal = a->kind == b->kind && a->n_words == b->n_words;

	for (unsigned i = 0; equal && i < a->n_words; i++)
		equal = slice_equal(a->words[i], b->words[i]);
	return equal;
}

unsigned
type_class(const struct type *t)
{
	switch (t->kind) {
	case TYPE_ENUM:
		return 1;
	case TYPE_INT:
	case TYPE_UINT:
	case TYPE_UUID:
	case TYPE_DATE:
		return 2;
	case TYPE_SLUG:
		return 3;
	case TYPE_STR:
		return 4;
	case TYPE_PATH:
		return 5;
	}
	return 5;
}
