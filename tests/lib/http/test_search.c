/* test_search.c -- Which queries are one to a response, by its No-Vary-Search. */
#include "http/search.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>

static struct arena search_arena;

static struct slice
search_rule_of(const char *first, const char *second)
{
	struct http_field items[] = { { SLICE("x"), SLICE("params") },
		{ SLICE("No-Vary-Search"), slice_of(first) },
		{ SLICE("no-vary-search"), slice_of(second) } };
	struct http_fields fields = { items, second != NULL ? 3u : first != NULL ? 2u : 1u };
	struct slice rule = { NULL, 0 };

	ck_assert_int_eq(search_rule(&fields, &search_arena, &rule), 0);
	return rule;
}

/* Of draft-ietf-httpbis-no-vary-search, sections "parse" and "examples", among others. */
static const struct {
	const char *name;
	const char *lines[2];
	const char *want; /* "": all of a query matters. */
} rule_cases[] = {
	{ "no field", { NULL }, "" },
	{ "nothing said", { "" }, "" },
	{ "all parameters", { "params" }, "o*" },
	{ "none of them", { "params=?0" }, "" },
	{ "an empty list", { "params=()" }, "" },
	{ "two by name", { "params=(\"a\" \"b\")" }, "ox&a&b" },
	{ "names as forms spell them", { "params=(\"a+b\" \"%26\" \"c%3dd\")" },
	    "ox&a b&%26&c%3Dd" },
	{ "all but one", { "params, except=(\"id\")" }, "o*&id" },
	{ "the order", { "key-order" }, "-x" },
	{ "not the order", { "key-order=?0" }, "" },
	{ "both", { "key-order, params=(\"a\")" }, "-x&a" },
	{ "on two lines", { "key-order", "params=(\"a\")" }, "-x&a" },
	{ "parameters of items are passed over", { "params=(\"a\";x=1);y" }, "ox&a" },
	{ "the last of a key counts", { "params=(\"a\"), params=(\"b\")" }, "ox&b" },
	{ "keys that are not known", { "params=(\"a\"), other=1" }, "ox&a" },
	{ "except without params", { "except=(\"id\")" }, "" },
	{ "except with a list", { "params=(\"a\"), except=(\"id\")" }, "" },
	{ "except that is no list", { "params, except=\"id\"" }, "" },
	{ "params of tokens", { "params=(a)" }, "" },
	{ "params that is a string", { "params=\"a\"" }, "" },
	{ "an order that is a number", { "key-order=1" }, "" },
	{ "one fault spoils all", { "params=(\"a\"), &" }, "" },
	{ "a broken name", { "params=(\"%4\")" }, "" },
	{ "a name with an escape", { "params=(\"a\\\"\")" }, "" },
};

START_TEST(a_rule_is_what_the_field_says)
{
	struct slice got = search_rule_of(rule_cases[_i].lines[0], rule_cases[_i].lines[1]);
	ck_assert_msg(slice_equal(got, slice_of(rule_cases[_i].want)), "%s: %.*s",
	    rule_cases[_i].name, SLICE_ARGS(got));
}
END_TEST

static const struct {
	const char *rule, *query; /* NULL: no query. */
	const char *want;         /* NULL: cannot be compared. */
} reduce_cases[] = {
	{ "ox&utm", "id=1&utm=x", "id=1&" },
	{ "ox&utm", "utm=x&id=1&utm", "id=1&" },
	{ "ox&utm", "UTM=x", "UTM=x&" },
	{ "ox&utm", NULL, "" },
	{ "ox&utm", "", "" },
	{ "ox&utm", "&&a&=&", "a=&=&" },
	{ "ox&utm", "b=2&a=1", "b=2&a=1&" },
	{ "ox&a b", "a+b=1&a%20b=2&a%2Bb=3", "a%2Bb=3&" },
	{ "ox&%26", "%26=1&%25=%3d", "%25=%3D&" },
	{ "-x", "b=2&a=2&a=1&aa=0", "a=2&a=1&aa=0&b=2&" },
	{ "-x&b", "b=2&a=2&a=1&aa=0", "a=2&a=1&aa=0&" },
	{ "o*", "a=1&b=2", "" },
	{ "o*&id", "a=1&id=3&b=2&id=2", "id=3&id=2&" },
	{ "ox&utm", "utm=%zz", "" },
	{ "ox&utm", "id=%zz", NULL },
	{ "ox&utm", "%z=1", NULL },
	{ "o", "a", NULL },
};

START_TEST(a_query_is_what_the_rule_leaves_of_it)
{
	struct slice got = { NULL, 0 };
	int rc = search_reduce(
	    slice_of(reduce_cases[_i].rule), slice_of(reduce_cases[_i].query), &search_arena, &got);
	ck_assert_int_eq(rc, reduce_cases[_i].want == NULL ? -EINVAL : 0);
	ck_assert_msg(slice_equal(got, slice_of(reduce_cases[_i].want)), "%s of %s: %.*s",
	    reduce_cases[_i].rule, reduce_cases[_i].query, SLICE_ARGS(got));
}
END_TEST

START_TEST(both_are_bounded)
{
	char text[4096];
	size_t len = 0;
	struct slice got;

	for (int i = 0; i < SEARCH_PAIRS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "a=%d&", i);
	ck_assert_int_eq(search_reduce(SLICE("-x"), slice_of(text), &search_arena, &got), 0);
	snprintf(text + len, sizeof(text) - len, "utm=1");
	ck_assert_int_eq(search_reduce(SLICE("-x&utm"), slice_of(text), &search_arena, &got), 0);
	ck_assert_int_eq(search_reduce(SLICE("-x"), slice_of(text), &search_arena, &got), -EINVAL);
	snprintf(text, sizeof(text), "params=(\"%0*d\")", SEARCH_RULE_MAX, 0);
	ck_assert_uint_eq(search_rule_of(text, NULL).len, 0);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("search");
	tcase_add_loop_test(tests, a_rule_is_what_the_field_says, 0, COUNT(rule_cases));
	tcase_add_loop_test(tests, a_query_is_what_the_rule_leaves_of_it, 0, COUNT(reduce_cases));
	tcase_add_test(tests, both_are_bounded);
	return suite_run("lib/http/search", tests);
}
