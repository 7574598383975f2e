/* values.c -- Texts of the file turned into what a setting holds. */
#include "config/values.h"

#include <errno.h>

/* What is wrong, said of the text. Returns what values_set() shall. */
static int
values_flaw(struct values_place place, struct slice text, const char *what, const char **flaw)
{
	*flaw = arena_printf(place.arena, "\"%.*s\" %s", SLICE_ARGS(text), what);
	return *flaw == NULL ? -ENOMEM : -EINVAL;
}

static int
values_out_of_range(struct values_place place, struct slice text, const char **flaw)
{
	return values_flaw(place, text, "is out of range", flaw);
}

static int
values_duration(const struct setting *s, struct slice text, struct values_place place,
    int64_t *out_ms, const char **flaw)
{
	uint64_t number;
	int64_t ms = 0;
	int rc = config_parse_duration(text, &ms);

	if (rc == -EINVAL && slice_to_u64(text, &number) == 0)
		return values_flaw(place, text, "has no unit", flaw);
	if (rc == -EINVAL)
		return values_flaw(place, text, "is no duration", flaw);
	if (rc != 0 || (uint64_t)ms < s->min || (uint64_t)ms > s->max)
		return values_out_of_range(place, text, flaw);
	*out_ms = ms;
	return 0;
}

/* A number or a size. */
static int
values_number(const struct setting *s, struct slice text, struct values_place place, uint64_t *out,
    const char **flaw)
{
	uint64_t number = 0;
	bool size = s->type == SETTING_SIZE;
	int rc = size ? config_parse_size(text, &number) : slice_to_u64(text, &number);

	if (rc == -EINVAL)
		return values_flaw(place, text, size ? "is no size" : "is no number", flaw);
	if (rc != 0 || number < s->min || number > s->max)
		return values_out_of_range(place, text, flaw);
	*out = number;
	return 0;
}

static int
values_bool(struct slice text, struct values_place place, bool *out, const char **flaw)
{
	static const char *const no_yes[] = { "no", "yes", "off", "on", "false", "true" };

	for (size_t i = 0; i < COUNT(no_yes); i++) {
		if (!slice_equal_nocase(text, slice_of(no_yes[i])))
			continue;
		*out = i % 2 != 0;
		return 0;
	}
	return values_flaw(place, text, "is neither yes nor no", flaw);
}

static int
values_word(const struct setting *s, struct slice text, struct values_place place, void *out,
    const char **flaw)
{
	for (size_t i = 0; s->words[i].word != NULL; i++) {
		if (!slice_equal(text, slice_of(s->words[i].word)))
			continue;
		/* Enums of the configuration are as large as an int; test_settings.c checks it. */
		memcpy(out, &s->words[i].value, sizeof(s->words[i].value));
		return 0;
	}
	return values_flaw(place, text, "is not known here", flaw);
}

static bool
values_absent(const struct setting *s, struct slice text)
{
	return s->absent != NULL && slice_equal(text, slice_of(s->absent));
}

/* A checked, NUL-terminated copy; NULL for the word that stands for nothing. */
static int
values_string(const struct setting *s, struct slice text, struct values_place place,
    const char **out, const char **flaw)
{
	*out = NULL;
	if (values_absent(s, text))
		return 0;
	const char *what = s->flaw == NULL ? NULL : s->flaw(text);
	if (what != NULL)
		return values_flaw(place, text, what, flaw);
	*out = arena_copy(place.arena, text);
	return *out == NULL ? -ENOMEM : 0;
}

/* Append to a list. Its memory is as many items as the power of two that its n fits. */
static int
values_append(struct config_list *list, const char *text, struct values_place place)
{
	bool full = (list->n & (list->n - 1)) == 0;

	if (full) {
		size_t room = list->n == 0 ? 1 : 2 * list->n;
		struct config_text *items = arena_alloc(place.arena, room * sizeof(*items));
		if (items == NULL)
			return -ENOMEM;
		if (list->n > 0)
			memcpy(items, list->items, list->n * sizeof(*items));
		list->items = items;
	}
	list->items[list->n++] = (struct config_text){ text, place.line };
	return 0;
}

static bool
values_separates(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

/* Take the next word off `*rest`; empty at its end. */
static struct slice
values_next(struct slice *rest)
{
	struct slice word = *rest;

	while (word.len > 0 && values_separates(word.at[0])) {
		word.at++;
		word.len--;
	}
	size_t len = 0;
	while (len < word.len && !values_separates(word.at[len]))
		len++;
	*rest = (struct slice){ word.at + len, word.len - len };
	word.len = len;
	return word;
}

/* Words that mean all or nothing may not stand among others. */
static bool
values_stands_alone(const struct setting *s, struct slice word)
{
	return s->absent != NULL && (values_absent(s, word) || slice_equal(word, SLICE("none")));
}

static int
values_list(const struct setting *s, struct slice text, struct values_place place,
    struct config_list *list, const char **flaw)
{
	struct slice rest = text, word = values_next(&rest);

	if (word.len == 0)
		return values_flaw(place, text, "holds no word", flaw);
	for (; word.len > 0; word = values_next(&rest)) {
		const char *item;
		if (values_stands_alone(s, word) && word.len < slice_trim(text).len)
			return values_flaw(place, word, "stands among others", flaw);
		if (word.at[0] == '#')
			return values_flaw(place, word, "begins no comment behind a value", flaw);
		int rc = values_string(s, word, place, &item, flaw);
		if (rc == 0 && item != NULL)
			rc = values_append(list, item, place);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
values_text(const struct setting *s, struct slice text, struct values_place place,
    struct config_text *out, const char **flaw)
{
	int rc = values_string(s, text, place, &out->text, flaw);

	out->line = place.line;
	return rc;
}

static int
values_line(const struct setting *s, struct slice text, struct values_place place,
    struct config_list *list, const char **flaw)
{
	const char *item;
	int rc = values_string(s, text, place, &item, flaw);

	return rc == 0 && item != NULL ? values_append(list, item, place) : rc;
}

int
values_set(const struct setting *s, struct slice text, struct values_place place, void *section,
    const char **flaw)
{
	void *at = (char *)section + s->offset;

	switch (s->type) {
	case SETTING_BOOL:
		return values_bool(text, place, at, flaw);
	case SETTING_COUNT:
	case SETTING_SIZE:
		return values_number(s, text, place, at, flaw);
	case SETTING_LINES:
		return values_line(s, text, place, at, flaw);
	case SETTING_LIST:
	case SETTING_WORDS:
		return values_list(s, text, place, at, flaw);
	case SETTING_MS:
		return values_duration(s, text, place, at, flaw);
	case SETTING_STATUS_MS:
		return -EINVAL;
	case SETTING_STRING:
		return values_string(s, text, place, at, flaw);
	case SETTING_TEXT:
		return values_text(s, text, place, at, flaw);
	case SETTING_WORD:
		return values_word(s, text, place, at, flaw);
	}
	return -EINVAL;
}

int
values_set_status(const struct setting *s, unsigned status, struct slice text,
    struct values_place place, struct config_bloat *bloat, const char **flaw)
{
	struct config_status_timeout one = { .status = status };
	size_t n = bloat->n_status_timeouts;
	int rc = values_duration(s, text, place, &one.timeout_ms, flaw);

	if (rc != 0)
		return rc;
	struct config_status_timeout *all = arena_alloc(place.arena, (n + 1) * sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	if (n > 0)
		memcpy(all, bloat->status_timeouts, n * sizeof(*all));
	all[n] = one;
	bloat->status_timeouts = all;
	bloat->n_status_timeouts = n + 1;
	return 0;
}
