/* test_negotiate.c -- Accept-Language picks the language its sender would pick. */
#include "http/negotiate.h"
#include "mutate.h"
#include "suite.h"

#include <stdio.h>

/* "en fr de" as slices. */
static size_t
negotiate_site(const char *text, struct slice *out)
{
	size_t n = 0;
	for (struct slice rest = slice_of(text); rest.at != NULL; n++)
		out[n] = slice_cut(&rest, ' ');
	return n;
}

static const struct {
	const char *accept;
	const char *site;
	size_t want;
} negotiate_cases[] = {
	{ "da, en-gb;q=0.8, en;q=0.7", "de en da", 2 }, /* RFC 9110 section 12.5.4. */
	{ "da, en-gb;q=0.8, en;q=0.7", "de en", 1 },
	{ "da, en-gb;q=0.8, en;q=0.7", "de en en-GB", 2 },
	{ "zh-Hant-CN-x-private1-private2", "en zh zh-Hant-CN-x zh-Hant-CN", 3 }, /* RFC 4647 3.4 */
	{ "zh-Hant-CN-x-private1-private2", "en zh zh-Hant", 2 },
	{ "zh-Hant-CN-x-private1-private2", "en zh-Hant-CN-x-private1 zh", 1 },
	{ "de-AT", "en de", 1 },
	{ "DE-at", "en de-AT", 1 },
	{ "de", "en de-AT", 0 },
	{ "dex", "en de", 0 },
	{ "fr, de", "en de fr", 2 },
	{ "de, fr", "en de fr", 1 },
	{ "fr;q=0.5, de;q=0.5", "en de fr", 2 },
	{ "fr;q=0.5, de;q=0.501", "en de fr", 1 },
	{ "xx, fr;q=0.1", "en fr", 1 },
	{ "*", "en fr", 0 },
	{ "fr;q=0.5, *", "en fr", 0 },
	{ "fr, *;q=0.5", "en fr", 1 },
	{ "en;q=0, *", "en fr", 1 },
	{ "en;q=0, en-GB, fr;q=0.1", "en fr", 1 },
	{ "en-GB, *;q=0", "fr en", 1 },
	{ "en;q=0", "en fr", 0 },
	{ "", "en fr", 0 },
	{ ",;,", "en fr", 0 },
	{ NULL, "en fr", 0 },
	{ "fr;q=", "en fr", 0 },
	{ "fr;q=2", "en fr", 0 },
	{ "fr;q=1.001", "en fr", 0 },
	{ "fr;q=0.1234", "en fr", 0 },
	{ "fr;q=-1", "en fr", 0 },
	{ "fr;x=1", "en fr", 0 },
	{ "fr ; Q = 1.", "en fr", 1 },
};

START_TEST(the_best_language_is_found)
{
	struct slice site[8];
	size_t n = negotiate_site(negotiate_cases[_i].site, site);
	size_t got = negotiate_language(slice_of(negotiate_cases[_i].accept), site, n);
	ck_assert_msg(got == negotiate_cases[_i].want, "%s of %s: %zu", negotiate_cases[_i].accept,
	    negotiate_cases[_i].site, got);
}
END_TEST

START_TEST(long_lists_are_read_in_bounds)
{
	struct slice site[8];
	size_t n = negotiate_site("en fr", site), len = 0, size = 1 << 18;
	char *bytes = malloc(size);
	ck_assert_ptr_nonnull(bytes);
	while (len + 8 < size)
		len += (size_t)snprintf(bytes + len, size - len, "xx-yy,");
	ck_assert_uint_eq(negotiate_language((struct slice){ bytes, len }, site, n), 0);
	memset(bytes, '-', size);
	ck_assert_uint_eq(negotiate_language((struct slice){ bytes, size }, site, n), 0);
	free(bytes);
}
END_TEST

START_TEST(mutated_fields_find_a_language_of_the_site)
{
	static const char *const seeds[] = { "da, en-gb;q=0.8, en;q=0.7, *;q=0",
		"zh-Hant-CN-x-private1-private2;q=0.5" };
	struct slice site[8];
	size_t n = negotiate_site("en da zh-Hant", site);
	unsigned state = 13;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		ck_assert_uint_lt(negotiate_language(s, site, n), n);
		mutate_free(s);
	}
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("negotiate");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_best_language_is_found, 0, COUNT(negotiate_cases));
	tcase_add_test(tests, long_lists_are_read_in_bounds);
	tcase_add_test(tests, mutated_fields_find_a_language_of_the_site);
	return suite_run("lib/http/negotiate", tests);
}
