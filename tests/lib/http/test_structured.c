/* test_structured.c -- Dictionaries are read as RFC 9651 says, and nothing else is taken for one.
 */
#include "http/cachecontrol.h"
#include "http/structured.h"
#include "suite.h"

#include <errno.h>

/* The number of members, or -EINVAL. */
static int
structured_count(struct slice text)
{
	struct structured_member member;
	struct slice rest = text;
	int n = 0, rc;

	while ((rc = structured_next(&rest, &member)) == 1)
		n++;
	return rc != 0 ? rc : n;
}

/* Those with words for names are the examples of RFC 9651 and RFC 9213. */
static const struct {
	const char *text;
	int want;
} count_cases[] = {
	{ "", 0 },
	{ "   ", 0 },
	{ "en=\"Applepie\", da=:w4ZibGV0w6ZydGU=:", 2 },
	{ "a=?0, b, c; foo=bar", 3 },
	{ "rating=1.5, feelings=(joy sadness)", 2 },
	{ "a=(1 2), b=3, c=4;aa=bb, d=(5 6);valid", 4 },
	{ "foo=1, bar=2", 2 },
	{ "max-age=60, s-maxage=120, CDN", -EINVAL },
	{ "max-age=600, stale-while-revalidate=60", 2 },
	{ "a=@1659578233", 1 },
	{ "a=%\"This is intended for display to %c3%bcsers.\"", 1 },
	{ "a=\"x\\\"y\\\\\"", 1 },
	{ "a=*tok:en/x", 1 },
	{ "*a=1", 1 },
	{ "a , b", 2 },
	{ "a\t,\tb", 2 },
	{ "a=();x", 1 },
	{ "a=( 1  2 )", 1 },
	{ "a=999999999999999", 1 },
	{ "a=-1", 1 },
	{ "a;b;  c=2", 1 },
	{ "a,", -EINVAL },
	{ "a,,b", -EINVAL },
	{ ",a", -EINVAL },
	{ "a b", -EINVAL },
	{ "A=1", -EINVAL },
	{ "1=a", -EINVAL },
	{ "a= 1", -EINVAL },
	{ "a =1", -EINVAL },
	{ "\ta", -EINVAL },
	{ "a=", -EINVAL },
	{ "a=1000000000000000", -EINVAL },
	{ "a=1.", -EINVAL },
	{ "a=1.2345", -EINVAL },
	{ "a=1234567890123.1", -EINVAL },
	{ "a=-", -EINVAL },
	{ "a=--1", -EINVAL },
	{ "a=\"x", -EINVAL },
	{ "a=\"x\\y\"", -EINVAL },
	{ "a=\"x\\", -EINVAL },
	{ "a=\"\x7f\"", -EINVAL },
	{ "a=\"\xc3\xa9\"", -EINVAL },
	{ "a=:a_b:", -EINVAL },
	{ "a=:ab", -EINVAL },
	{ "a=?2", -EINVAL },
	{ "a=?", -EINVAL },
	{ "a=@1.5", -EINVAL },
	{ "a=%\"%C3\"", -EINVAL },
	{ "a=%\"%c", -EINVAL },
	{ "a=%x", -EINVAL },
	{ "a=(1", -EINVAL },
	{ "a=(1,2)", -EINVAL },
	{ "a=(1 (2))", -EINVAL },
	{ "a=&", -EINVAL },
	{ "a;=1", -EINVAL },
	{ "a ;b", -EINVAL },
	{ "max-age=10000, &&&&&", -EINVAL },
};

START_TEST(dictionaries_are_read_strictly)
{
	ck_assert_msg(structured_count(slice_of(count_cases[_i].text)) == count_cases[_i].want,
	    "%s: %d", count_cases[_i].text, structured_count(slice_of(count_cases[_i].text)));
}
END_TEST

START_TEST(members_keep_type_and_value)
{
	struct slice rest = SLICE("i=-42, s=\"a\\\"b\", t=tok, f=?0, d=@9, n=1.5");
	struct structured_member m;

	ck_assert_int_eq(structured_next(&rest, &m), 1);
	ck_assert(m.type == STRUCTURED_INTEGER && m.integer == -42);
	ck_assert_int_eq(structured_next(&rest, &m), 1);
	ck_assert(m.type == STRUCTURED_STRING && slice_equal(m.text, SLICE("a\\\"b")));
	ck_assert_int_eq(structured_next(&rest, &m), 1);
	ck_assert(m.type == STRUCTURED_TOKEN && slice_equal(m.text, SLICE("tok")));
	ck_assert_int_eq(structured_next(&rest, &m), 1);
	ck_assert(m.type == STRUCTURED_BOOLEAN && !m.boolean);
	ck_assert_int_eq(structured_next(&rest, &m), 1);
	ck_assert(m.type == STRUCTURED_DATE && m.integer == 9);
	ck_assert_int_eq(structured_next(&rest, &m), 1);
	ck_assert(m.type == STRUCTURED_DECIMAL);
	ck_assert_int_eq(structured_next(&rest, &m), 0);
}
END_TEST

/* What a targeted field makes of these; -2 is "not taken". */
static const struct {
	const char *text;
	int64_t max_age_s;
	bool no_store;
} targeted_cases[] = {
	{ "max-age=60", 60, false },
	{ "max-age=60, max-age=5", 5, false },
	{ "max-age=5, max-age=60", 60, false },
	{ "max-age=-1", 0, false },
	{ "max-age=1.5", 0, false },
	{ "max-age=\"60\"", 0, false },
	{ "max-age", 0, false },
	{ "max-age=99999999999", 2147483648, false },
	{ "max-age=60;x=y, ext=(a b)", 60, false },
	{ "no-store", -1, true },
	{ "no-store=?1", -1, true },
	{ "no-store=1", -1, true },
	{ "no-store=?0, max-age=7", 7, false },
	{ "no-store, no-store=?0", -1, false },
	{ "ext", -1, false },
	{ "", -2, false },
	{ "Max-Age=60", -2, false },
	{ "max-age =60", -2, false },
};

START_TEST(targeted_fields_are_dictionaries)
{
	struct cache_control cc = cache_control_none();

	cc.max_age_s = -2;
	int rc = cache_control_parse_targeted(&cc, slice_of(targeted_cases[_i].text));
	ck_assert_int_eq(rc, targeted_cases[_i].max_age_s == -2 ? -EINVAL : 0);
	ck_assert_msg(cc.max_age_s == targeted_cases[_i].max_age_s &&
			  cc.no_store == targeted_cases[_i].no_store,
	    "%s", targeted_cases[_i].text);
}
END_TEST

START_TEST(targeted_fields_name_fields)
{
	struct cache_control cc = cache_control_none();

	ck_assert_int_eq(cache_control_parse_targeted(
			     &cc, SLICE("private=\"x-a, x-b\", no-cache=x-c, max-age=1")),
	    0);
	ck_assert(cc.is_private && cache_control_names(cc.private_fields, SLICE("X-B")));
	ck_assert(cc.no_cache && cache_control_names(cc.no_cache_fields, SLICE("x-c")));
	ck_assert(!cache_control_names(cc.private_fields, SLICE("x-c")));
	ck_assert_int_eq(cache_control_parse_targeted(&cc, SLICE("private=\"a b\"")), 0);
	ck_assert(cc.is_private && cc.private_fields.at == NULL);
}
END_TEST

static const struct {
	const char *text;
	int64_t max_age_s, grace_s;
	bool no_store;
	int rc;
} surrogate_cases[] = {
	{ "max-age=60", 60, -1, false, 0 },
	{ "MaX-aGe=60", 60, -1, false, 0 },
	{ "max-age=60+30", 60, 30, false, 0 },
	{ "max-age=60;dory", 60, -1, false, 0 },
	{ "max-age=60;other, max-age=5", 5, -1, false, 0 },
	{ "max-age=60;other", -1, -1, false, -ENOENT },
	{ "no-store, max-age=60", 60, -1, true, 0 },
	{ "max-age=x", 0, -1, false, 0 },
	{ "content=\"ESI/1.0\"", -1, -1, false, -ENOENT },
	{ "", -1, -1, false, -ENOENT },
};

START_TEST(surrogate_control_is_for_us_or_not)
{
	struct cache_control cc = cache_control_none();
	int rc = cache_control_parse_surrogate(&cc, slice_of(surrogate_cases[_i].text));

	ck_assert_int_eq(rc, surrogate_cases[_i].rc);
	ck_assert_msg(cc.max_age_s == surrogate_cases[_i].max_age_s &&
			  cc.stale_while_revalidate_s == surrogate_cases[_i].grace_s &&
			  cc.no_store == surrogate_cases[_i].no_store,
	    "%s", surrogate_cases[_i].text);
}
END_TEST

START_TEST(items_of_a_list_are_told_one_by_one)
{
	struct slice rest = SLICE("a=( \"x\" b;c=1  -2 );d");
	struct structured_member list, item;

	ck_assert_int_eq(structured_next(&rest, &list), 1);
	ck_assert(list.type == STRUCTURED_LIST && slice_equal(list.key, SLICE("a")));
	rest = list.text;
	ck_assert_int_eq(structured_item(&rest, &item), 1);
	ck_assert(item.type == STRUCTURED_STRING && slice_equal(item.text, SLICE("x")));
	ck_assert_int_eq(structured_item(&rest, &item), 1);
	ck_assert(item.type == STRUCTURED_TOKEN && slice_equal(item.text, SLICE("b")));
	ck_assert_int_eq(structured_item(&rest, &item), 1);
	ck_assert(item.type == STRUCTURED_INTEGER && item.integer == -2);
	ck_assert_int_eq(structured_item(&rest, &item), 0);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("structured");
	tcase_add_loop_test(tests, dictionaries_are_read_strictly, 0, COUNT(count_cases));
	tcase_add_test(tests, members_keep_type_and_value);
	tcase_add_test(tests, items_of_a_list_are_told_one_by_one);
	tcase_add_loop_test(tests, targeted_fields_are_dictionaries, 0, COUNT(targeted_cases));
	tcase_add_test(tests, targeted_fields_name_fields);
	tcase_add_loop_test(tests, surrogate_control_is_for_us_or_not, 0, COUNT(surrogate_cases));
	return suite_run("lib/http/structured", tests);
}
