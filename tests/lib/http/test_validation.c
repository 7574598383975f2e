/* test_validation.c -- A stored response answers conditions as RFC 9110 section 13 says. */
#include "http/validation.h"
#include "mutate.h"
#include "suite.h"

enum { NOW_S = 1767225600 }; /* 2026-01-01 */

START_TEST(entity_tags_are_quoted)
{
	static const char *const good[] = { "\"xyzzy\"", "W/\"xyzzy\"", "\"\"", "\"a,b\"",
		"\"\xfc\"", "\"\\\"" };
	static const char *const bad[] = { "", "xyzzy", "\"xyzzy", "xyzzy\"", "w/\"xyzzy\"",
		"W\"x\"", "W/x", "W/", "\"", "\"a b\"", "\"a\"b\"", "\"a\" ", "\"a\tb\"" };
	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(http_etag_is_valid(slice_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!http_etag_is_valid(slice_of(bad[i])), "%s", bad[i]);
}
END_TEST

/* RFC 9110 section 8.8.3.2, table 3, and what is no entity-tag. */
static const struct {
	const char *a, *b;
	bool want;
} weak_cases[] = {
	{ "W/\"1\"", "W/\"1\"", true },
	{ "W/\"1\"", "W/\"2\"", false },
	{ "W/\"1\"", "\"1\"", true },
	{ "\"1\"", "\"1\"", true },
	{ "\"a\"", "\"A\"", false },
	{ "1", "1", false },
	{ "", "", false },
};

START_TEST(weak_comparison_ignores_the_mark)
{
	struct slice a = slice_of(weak_cases[_i].a), b = slice_of(weak_cases[_i].b);
	ck_assert_int_eq(http_etag_match_weak(a, b), weak_cases[_i].want);
	ck_assert_int_eq(http_etag_match_weak(b, a), weak_cases[_i].want);
}
END_TEST

#define NOV_5 "Sat, 05 Nov 1994 08:49:37 GMT"
#define NOV_6 "Sun, 06 Nov 1994 08:49:37 GMT"
#define NOV_7 "Mon, 07 Nov 1994 08:49:37 GMT"

static const struct {
	const char *name;
	const char *if_none_match, *if_modified_since, *etag, *last_modified;
	bool want;
} modified_cases[] = {
	{ "no condition", NULL, NULL, "\"a\"", NOV_6, false },
	{ "RFC 9110 13.1.2", "\"xyzzy\"", NULL, "\"xyzzy\"", NULL, true },
	{ "weak", "W/\"xyzzy\"", NULL, "\"xyzzy\"", NULL, true },
	{ "a list", "\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", NULL, "\"r2d2xxxx\"", NULL, true },
	{ "a weak list", "W/\"xyzzy\", W/\"r2d2xxxx\"", NULL, "W/\"r2d2xxxx\"", NULL, true },
	{ "last of a list", "\"1\",\"2\",,\t\"3\" ", NULL, "\"3\"", NULL, true },
	{ "not of a list", "\"1\", \"2\"", NULL, "\"3\"", NULL, false },
	{ "anything", "*", NULL, NULL, NULL, true },
	{ "anything is not of a list", "*, \"1\"", NULL, "\"2\"", NULL, false },
	{ "a comma in a tag", "\"a,b\", \"c\"", NULL, "\"a,b\"", NULL, true },
	{ "half a tag with a comma", "\"a,b\"", NULL, "\"b\"", NULL, false },
	{ "unquoted", "a", NULL, "\"a\"", NULL, false },
	{ "unquoted and stored so", "a", NULL, "a", NULL, false },
	{ "unclosed", "\"a", NULL, "\"a\"", NULL, false },
	{ "more behind it", "\"a\"b", NULL, "\"a\"", NULL, false },
	{ "a good one behind a bad one", "a b, \"a\"", NULL, "\"a\"", NULL, true },
	{ "no stored tag", "\"a\"", NULL, NULL, NULL, false },
	{ "empty", "", NOV_7, "\"a\"", NOV_6, false },
	{ "If-None-Match comes first", "\"b\"", NOV_7, "\"a\"", NOV_6, false },
	{ "and wins", "\"a\"", NOV_5, "\"a\"", NOV_6, true },
	{ "the same date", NULL, NOV_6, NULL, NOV_6, true },
	{ "not modified since", NULL, NOV_7, NULL, NOV_6, true },
	{ "modified since", NULL, NOV_5, NULL, NOV_6, false },
	{ "another form", NULL, "Sunday, 06-Nov-94 08:49:37 GMT", NULL, NOV_6, true },
	{ "no date is ignored", NULL, "yesterday", NULL, NOV_6, false },
	{ "two dates are none", NULL, NOV_6 ", " NOV_6, NULL, NOV_6, false },
	{ "no date stored", NULL, NOV_7, NULL, NULL, false },
	{ "a bad date stored", NULL, NOV_7, NULL, "0", false },
};

START_TEST(conditions_are_answered)
{
	bool got = http_not_modified(slice_of(modified_cases[_i].if_none_match),
	    slice_of(modified_cases[_i].if_modified_since), slice_of(modified_cases[_i].etag),
	    slice_of(modified_cases[_i].last_modified), NOW_S);
	ck_assert_msg(got == modified_cases[_i].want, "%s", modified_cases[_i].name);
}
END_TEST

START_TEST(long_lists_take_linear_time)
{
	static const char *const members[] = { "\"a,\"b,", "\"a b,", "W/,", "\"a\",",
		"\"\x01,\"," };
	enum { MEMBERS = 100000 };
	for (size_t m = 0; m < COUNT(members); m++) {
		size_t len = strlen(members[m]);
		char *bytes = malloc(len * MEMBERS);
		ck_assert_ptr_nonnull(bytes);
		for (size_t i = 0; i < MEMBERS; i++)
			memcpy(bytes + i * len, members[m], len);
		struct slice none = { NULL, 0 };
		ck_assert(!http_not_modified(
		    (struct slice){ bytes, len * MEMBERS }, none, SLICE("\"x\""), none, NOW_S));
		free(bytes);
	}
}
END_TEST

START_TEST(a_304_carries_what_rfc_9110_lists)
{
	static const char *const yes[] = { "Content-Location", "Date", "ETag", "Vary",
		"Cache-Control", "Expires" };
	static const char *const no[] = { "Content-Type", "Content-Length", "Set-Cookie", "" };
	for (size_t i = 0; i < COUNT(yes); i++)
		ck_assert_msg(http_field_is_for_304(slice_of(yes[i])), "%s", yes[i]);
	for (size_t i = 0; i < COUNT(no); i++)
		ck_assert_msg(!http_field_is_for_304(slice_of(no[i])), "%s", no[i]);
}
END_TEST

START_TEST(mutated_tags_match_exactly_when_well_formed)
{
	static const char *const seeds[] = { "\"xyzzy\"", "W/\"xyzzy\"", "\"a\", W/\"b,c\", *" };
	struct slice none = { NULL, 0 };
	unsigned state = 31, good = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		bool valid = http_etag_is_valid(s);
		good += valid;
		ck_assert_int_eq(http_etag_match_weak(s, s), valid);
		if (valid)
			ck_assert(http_not_modified(s, none, s, none, NOW_S));
		if (s.at != NULL && http_not_modified(s, none, SLICE("\"b,c\""), none, NOW_S))
			ck_assert(memchr(s.at, '*', s.len) != NULL ||
				  memmem(s.at, s.len, "\"b,c\"", 5) != NULL);
		mutate_free(s);
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("validation");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, entity_tags_are_quoted);
	tcase_add_loop_test(tests, weak_comparison_ignores_the_mark, 0, COUNT(weak_cases));
	tcase_add_loop_test(tests, conditions_are_answered, 0, COUNT(modified_cases));
	tcase_add_test(tests, long_lists_take_linear_time);
	tcase_add_test(tests, a_304_carries_what_rfc_9110_lists);
	tcase_add_test(tests, mutated_tags_match_exactly_when_well_formed);
	return suite_run("lib/http/validation", tests);
}
