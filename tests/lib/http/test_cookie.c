/* test_cookie.c -- Cookies come out of a Cookie field as they went in. */
#include "http/cookie.h"
#include "mutate.h"
#include "suite.h"

static const struct {
	const char *cookies;
	const char *name;
	const char *want; /* NULL: none. */
} cookie_cases[] = {
	{ "SID=31d4d96e407aad42", "SID", "31d4d96e407aad42" }, /* RFC 6265 section 3.1. */
	{ "SID=31d4d96e407aad42; lang=en-US", "lang", "en-US" },
	{ "SID=31d4d96e407aad42; lang=en-US", "LANG", NULL },
	{ "lang=en; lang=de", "lang", "en" },
	{ "a=1;b=2", "b", "2" },
	{ "a=b=c", "a", "b=c" },
	{ "a=", "a", "" },
	{ "a", "a", NULL },
	{ "a", "", "a" },
	{ "=a", "", "a" },
	{ "a=\"q\"", "a", "\"q\"" },
	{ " ;; a = 1 ;", "a", "1" },
	{ "xa=1", "a", NULL },
	{ "", "a", NULL },
	{ NULL, "a", NULL },
};

START_TEST(the_first_of_a_name_is_found)
{
	struct slice got =
	    cookie_find(slice_of(cookie_cases[_i].cookies), slice_of(cookie_cases[_i].name));
	ck_assert_int_eq(got.at == NULL, cookie_cases[_i].want == NULL);
	ck_assert(slice_equal(got, slice_of(cookie_cases[_i].want)));
}
END_TEST

START_TEST(pairs_come_in_order)
{
	struct slice rest = SLICE("a=1; ;b;=c;"), name, value;
	ck_assert(cookie_next(&rest, &name, &value));
	ck_assert(slice_equal(name, SLICE("a")) && slice_equal(value, SLICE("1")));
	ck_assert(cookie_next(&rest, &name, &value));
	ck_assert(name.len == 0 && slice_equal(value, SLICE("b")));
	ck_assert(cookie_next(&rest, &name, &value));
	ck_assert(name.len == 0 && slice_equal(value, SLICE("c")));
	ck_assert(!cookie_next(&rest, &name, &value));
	ck_assert(!cookie_next(&rest, &name, &value));
}
END_TEST

START_TEST(mutated_cookies_stay_in_bounds)
{
	static const char *const seeds[] = { "SID=31d4d96e407aad42; lang=en-US", "a=b; c; =d;;" };
	unsigned state = 9;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		struct slice rest = s, name, value;
		for (size_t n = 0; cookie_next(&rest, &name, &value); n++) {
			ck_assert_uint_le(n, s.len);
			ck_assert(mutate_is_within(name, s) && mutate_is_within(value, s));
			ck_assert(cookie_find(s, name).at != NULL);
		}
		mutate_free(s);
	}
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("cookie");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_first_of_a_name_is_found, 0, COUNT(cookie_cases));
	tcase_add_test(tests, pairs_come_in_order);
	tcase_add_test(tests, mutated_cookies_stay_in_bounds);
	return suite_run("lib/http/cookie", tests);
}
