/* cachecontrol.c -- Cache-Control of requests and responses (RFC 9111 section 5.2). */
#include "http/cachecontrol.h"

#include "http/message.h"
#include "http/structured.h"

#include <errno.h>

/* What a delta-seconds too large to hold becomes (RFC 9111 section 1.2.2). */
static const int64_t cachecontrol_forever_s = (int64_t)1 << 31;

enum cachecontrol_kind {
	CACHECONTROL_FLAG,    /* Alone; an argument says nothing. */
	CACHECONTROL_SECONDS, /* With delta-seconds. */
	CACHECONTROL_FIELDS,  /* Alone, or with the field names it is about. */
};

struct cachecontrol_row {
	struct slice name;
	enum cachecontrol_kind kind;
	size_t at;        /* The member it sets. */
	size_t fields_at; /* Of CACHECONTROL_FIELDS: where its argument goes. */
};

#define AT(member) offsetof(struct cache_control, member)
#define ROW(text, kind, ...)                                                                       \
	{                                                                                          \
		{ text, sizeof(text) - 1 }, CACHECONTROL_##kind, __VA_ARGS__                       \
	}

static const struct cachecontrol_row cachecontrol_rows[] = {
	ROW("max-age", SECONDS, AT(max_age_s), 0),
	ROW("no-cache", FIELDS, AT(no_cache), AT(no_cache_fields)),
	ROW("no-store", FLAG, AT(no_store), 0),
	ROW("private", FIELDS, AT(is_private), AT(private_fields)),
	ROW("public", FLAG, AT(is_public), 0),
	ROW("s-maxage", SECONDS, AT(s_maxage_s), 0),
	ROW("must-revalidate", FLAG, AT(must_revalidate), 0),
	ROW("proxy-revalidate", FLAG, AT(proxy_revalidate), 0),
	ROW("must-understand", FLAG, AT(must_understand), 0),
	ROW("no-transform", FLAG, AT(no_transform), 0),
	ROW("immutable", FLAG, AT(immutable), 0),
	ROW("only-if-cached", FLAG, AT(only_if_cached), 0),
	ROW("min-fresh", SECONDS, AT(min_fresh_s), 0),
	ROW("max-stale", SECONDS, AT(max_stale_s), 0),
	ROW("stale-while-revalidate", SECONDS, AT(stale_while_revalidate_s), 0),
	ROW("stale-if-error", SECONDS, AT(stale_if_error_s), 0),
};

struct cache_control
cache_control_none(void)
{
	return (struct cache_control){
		.max_age_s = CC_ABSENT,
		.s_maxage_s = CC_ABSENT,
		.min_fresh_s = CC_ABSENT,
		.max_stale_s = CC_ABSENT,
		.stale_while_revalidate_s = CC_ABSENT,
		.stale_if_error_s = CC_ABSENT,
	};
}

static int64_t
cachecontrol_seconds(struct slice argument)
{
	uint64_t value = 0;

	for (size_t i = 0; i < argument.len; i++) {
		if (argument.at[i] < '0' || argument.at[i] > '9')
			return 0;
	}
	if (argument.len == 0)
		return 0;
	bool fits = slice_to_u64(argument, &value) == 0 && value < (uint64_t)cachecontrol_forever_s;
	return fits ? (int64_t)value : cachecontrol_forever_s;
}

/*
 * The length of the quoted-string that `s` begins with, its quotes included; 0 where none ends it.
 * To look in vain happens once a field: any quote that could open another string would have ended
 * this one. So reading stays linear.
 */
static size_t
cachecontrol_quoted(struct slice s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.at[i] == '"')
			return i + 1;
		if (s.at[i] == '\\')
			i++;
	}
	return 0;
}

/*
 * Take an argument off `*rest` up to its comma. Commas within a quoted-string are part of it; a
 * quote that is never closed is an ordinary byte, so that it hides no directive behind it.
 */
static struct slice
cachecontrol_argument(struct slice *rest)
{
	struct slice all = slice_trim(*rest);
	size_t quoted = all.len > 0 && all.at[0] == '"' ? cachecontrol_quoted(all) : 0;
	if (quoted == 0)
		return slice_trim(slice_cut(rest, ','));

	*rest = (struct slice){ all.at + quoted, all.len - quoted };
	struct slice behind = slice_trim(slice_cut(rest, ','));
	if (behind.len > 0)
		return (struct slice){ all.at, quoted };
	return (struct slice){ all.at + 1, quoted - 2 };
}

/* RFC 9111 section 5.2.2.4: a list of field names; at least one. */
static bool
cachecontrol_are_names(struct slice list)
{
	struct slice rest = list;
	size_t n = 0;

	while (rest.at != NULL) {
		struct slice name = slice_trim(slice_cut(&rest, ','));
		if (name.len > 0 && !http_is_token(name))
			return false;
		n += name.len > 0;
	}
	return n > 0;
}

bool
cache_control_names(struct slice fields, struct slice name)
{
	struct slice rest = fields;

	while (rest.at != NULL) {
		if (slice_equal_nocase(slice_trim(slice_cut(&rest, ',')), name))
			return true;
	}
	return false;
}

static void
cachecontrol_set(
    struct cache_control *cc, const struct cachecontrol_row *row, struct slice argument)
{
	void *at = (char *)cc + row->at, *fields_at = (char *)cc + row->fields_at;
	bool *flag = at;
	int64_t *seconds = at;
	struct slice *fields = fields_at;
	int64_t value;

	switch (row->kind) {
	case CACHECONTROL_FLAG:
		*flag = true;
		return;
	case CACHECONTROL_FIELDS:
		/* Said twice, or of what are no names, it is about the whole response: that cannot
		 * be too little. */
		*fields = *flag || !cachecontrol_are_names(argument) ? (struct slice){ NULL, 0 }
								     : argument;
		*flag = true;
		return;
	case CACHECONTROL_SECONDS:
		/* max-stale alone takes any staleness (RFC 9111 section 5.2.1.2). */
		value = argument.at == NULL && row->at == AT(max_stale_s)
			    ? INT64_MAX
			    : cachecontrol_seconds(argument);
		if (*seconds == CC_ABSENT || value < *seconds)
			*seconds = value;
		return;
	}
}

/* Where the name at the start of `s` ends: at "=", at a comma, or with `s`. */
static size_t
cachecontrol_name_len(struct slice s)
{
	size_t i = 0;

	while (i < s.len && s.at[i] != '=' && s.at[i] != ',')
		i++;
	return i;
}

void
cache_control_add(struct cache_control *cc, struct slice value)
{
	struct slice rest = value;

	cc->present = true;
	while (rest.len > 0) {
		size_t len = cachecontrol_name_len(rest);
		bool has_argument = len < rest.len && rest.at[len] == '=';
		/* White space around "=" is against the grammar, but leaves no doubt. */
		struct slice name = slice_trim((struct slice){ rest.at, len });
		struct slice argument = { NULL, 0 };
		size_t used = len < rest.len ? len + 1 : len;
		rest = (struct slice){ rest.at + used, rest.len - used };
		if (has_argument)
			argument = cachecontrol_argument(&rest);
		for (size_t i = 0; i < COUNT(cachecontrol_rows); i++) {
			if (slice_equal_nocase(name, cachecontrol_rows[i].name))
				cachecontrol_set(cc, &cachecontrol_rows[i], argument);
		}
	}
}

/* ---- Targeted fields ------------------------------------------------------------------------ */

/* Of equal keys the last counts, so each takes the place of what was there. */
static void
cachecontrol_set_member(struct cache_control *cc, const struct cachecontrol_row *row,
    const struct structured_member *member)
{
	void *at = (char *)cc + row->at, *fields_at = (char *)cc + row->fields_at;
	bool *flag = at;
	int64_t *seconds = at;
	struct slice *fields = fields_at;
	bool said = member->type != STRUCTURED_BOOLEAN || member->boolean;
	int64_t number = member->type == STRUCTURED_INTEGER ? member->integer : 0;
	bool names = (member->type == STRUCTURED_STRING || member->type == STRUCTURED_TOKEN) &&
		     cachecontrol_are_names(member->text);

	switch (row->kind) {
	case CACHECONTROL_FLAG:
		*flag = said;
		return;
	case CACHECONTROL_FIELDS:
		*flag = said;
		*fields = names ? member->text : (struct slice){ NULL, 0 };
		return;
	case CACHECONTROL_SECONDS:
		number = number < 0 ? 0 : number;
		*seconds = number < cachecontrol_forever_s ? number : cachecontrol_forever_s;
		return;
	}
}

int
cache_control_parse_targeted(struct cache_control *cc, struct slice value)
{
	struct cache_control read = cache_control_none();
	struct structured_member member;
	struct slice rest = value;
	int rc;

	while ((rc = structured_next(&rest, &member)) == 1) {
		read.present = true;
		for (size_t i = 0; i < COUNT(cachecontrol_rows); i++) {
			if (slice_equal(member.key, cachecontrol_rows[i].name))
				cachecontrol_set_member(&read, &cachecontrol_rows[i], &member);
		}
	}
	if (rc != 0 || !read.present)
		return -EINVAL;
	*cc = read;
	return 0;
}

/* "max-age=60+30": fresh for 60, and 30 more while it is asked about. */
static void
cachecontrol_set_surrogate_age(struct cache_control *cc, struct slice argument)
{
	struct slice grace = argument, fresh = slice_trim(slice_cut(&grace, '+'));

	cc->present = true;
	cc->max_age_s = cachecontrol_seconds(fresh);
	if (grace.at != NULL)
		cc->stale_while_revalidate_s = cachecontrol_seconds(slice_trim(grace));
}

int
cache_control_parse_surrogate(struct cache_control *cc, struct slice value)
{
	struct cache_control read = cache_control_none();
	struct slice rest = value;

	while (rest.at != NULL) {
		struct slice target = slice_cut(&rest, ',');
		struct slice argument = slice_cut(&target, ';');
		struct slice name = slice_trim(slice_cut(&argument, '='));
		if (target.at != NULL && !slice_equal(slice_trim(target), SLICE("dory")))
			continue;
		if (slice_equal_nocase(name, SLICE("no-store")))
			read.present = read.no_store = true;
		else if (slice_equal_nocase(name, SLICE("max-age")))
			cachecontrol_set_surrogate_age(&read, slice_trim(argument));
	}
	if (!read.present)
		return -ENOENT;
	*cc = read;
	return 0;
}
