/* test_preference.c -- Lists that prefer the same have one spelling, others have none. */
#include "http/preference.h"
#include "suite.h"

#include <stdlib.h>

static const struct {
	const char *value;
	const char *want;
} preference_cases[] = {
	{ "en, de", "de,en" },
	{ "de,en", "de,en" },
	{ " EN ,\tDe", "de,en" },
	{ ",en,,de,", "de,en" },
	/* RFC 9110 section 12.5.4. */
	{ "da, en-gb;q=0.8, en;q=0.7", "da,en-gb\r800,en\r700" },
	{ "en;q=0.7, en-gb;q=0.80, da;q=1.000", "da,en-gb\r800,en\r700" },
	/* RFC 9110 section 12.5.3. */
	{ "compress, gzip", "compress,gzip" },
	{ "*", "*" },
	{ "gzip;q=1.0, identity; q=0.5, *;q=0", "gzip,identity\r500,*\r000" },
	{ "x-gzip, br", "br,gzip" },
	{ "en;Q=0.5", "en\r500" },
	{ "en;q=0.5,de;q=0.25", "en\r500,de\r250" },
	{ "en,en-us", "en,en-us" },
	{ "", "" },
	{ " , ", "" },
	{ "en;q=2", "" },
	{ "en;q=1.001", "" },
	{ "en;q=0.1234", "" },
	{ "en;q=.5", "" },
	{ "en;q=", "" },
	{ "en;q", "" },
	{ "en;level=1", "" },
	{ "en de", "" },
	{ "en;q=0.5;q=0.6", "" },
	{ "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,"
	  "33",
	    "" },
};

START_TEST(lists_have_one_spelling)
{
	struct slice value = slice_of(preference_cases[_i].value);
	char *at = malloc(value.len + 1);

	ck_assert_ptr_nonnull(at);
	size_t n = preference_normalise(value, at);
	ck_assert_msg(slice_equal((struct slice){ at, n }, slice_of(preference_cases[_i].want)),
	    "%s: %.*s", preference_cases[_i].value, (int)n, at);
	ck_assert_uint_le(n, value.len);
	free(at);
}
END_TEST

static const struct {
	const char *value, *want;
} preference_firsts[] = {
	{ "de", "de" },
	{ "fr;q=0.5, de;q=1.0", "de" },
	{ "fr;q=0.5, de;q=0.4, en;q=0.1", "fr" },
	{ "*;q=0.5, de", "de" },
	{ "de, en", "" },
	{ "*", "" },
	{ "de;q=0", "" },
	{ "de;q=2", "" },
	{ "", "" },
};

START_TEST(one_may_be_preferred_to_all_others)
{
	struct slice got = preference_first(slice_of(preference_firsts[_i].value));

	ck_assert_msg(slice_equal(got, slice_of(preference_firsts[_i].want)), "%s: %.*s",
	    preference_firsts[_i].value, SLICE_ARGS(got));
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("preference");
	tcase_add_loop_test(tests, lists_have_one_spelling, 0, COUNT(preference_cases));
	tcase_add_loop_test(tests, one_may_be_preferred_to_all_others, 0, COUNT(preference_firsts));
	return suite_run("lib/http/preference", tests);
}
