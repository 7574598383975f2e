/* test_order.c -- What goes to a backend is spelled as it was checked. */
#include "origin.h"
#include "suite.h"

#include <errno.h>

static struct arena order_arena;

static const struct {
	const char *path, *query; /* query NULL: none. */
	const char *want;         /* NULL: refused. */
} target_cases[] = {
	{ "/", NULL, "/" },
	{ "/a/b", NULL, "/a/b" },
	{ "/a", "x=1&y=%20", "/a?x=1&y=%20" },
	{ "/a", "", "/a?" },
	{ "//evil/x", NULL, "//evil/x" },
	{ "/@evil", NULL, "/@evil" },
	{ "/%3Fy=1", "?", "/%3Fy=1??" },
	{ "/\xc3\xa4", "\xff", "/\xc3\xa4?\xff" },
	{ "", NULL, NULL },
	{ "a", NULL, NULL },
	{ "*", NULL, NULL },
	{ "/a b", NULL, NULL },
	{ "/a\r\nx: y", NULL, NULL },
	{ "/a", "b c", NULL },
	{ "/a", "b\nx: y", NULL },
	{ "/a", "b\x7f", NULL },
	{ "/a#b", NULL, NULL },
	{ "/a", "b#", NULL },
};

START_TEST(a_target_is_path_and_query_and_nothing_else)
{
	struct fetch_order order = { .arena = &order_arena,
		.path = slice_of(target_cases[_i].path),
		.query = slice_of(target_cases[_i].query) };
	const char *want = target_cases[_i].want;
	char *target = NULL;
	int rc = fetch_order_target(&order, &target);
	ck_assert_int_eq(rc, want == NULL ? -EINVAL : 0);
	if (want != NULL)
		ck_assert_str_eq(target, want);
}
END_TEST

START_TEST(a_field_is_a_line_that_libcurl_sends)
{
	struct http_field fields[] = { { SLICE("accept"), SLICE("text/html, */*") },
		{ SLICE("x-empty"), SLICE("") }, { SLICE("x-absent"), { NULL, 0 } },
		{ SLICE("x-part"), { "value and more", 5 } } };
	struct fetch_order order = { .arena = &order_arena, .fields = { fields, COUNT(fields) } };
	static const char *const want[] = { "accept: text/html, */*", "x-empty;", "x-absent;",
		"x-part: value" };
	for (size_t i = 0; i < COUNT(want); i++)
		ck_assert_str_eq(fetch_order_line(&order, i), want[i]);
}
END_TEST

START_TEST(all_fields_are_lines_of_one_text)
{
	struct http_field fields[] = { { SLICE("host"), SLICE("a.example") },
		{ SLICE("x-empty"), SLICE("") }, { SLICE("x-absent"), { NULL, 0 } },
		{ SLICE("x-part"), { "value: and more", 10 } }, { SLICE("x-tab"), SLICE("a\tb") } };
	struct fetch_order order = { .arena = &order_arena, .fields = { fields, COUNT(fields) } };
	const char *lines;

	ck_assert_int_eq(fetch_order_lines(&order, &lines), 0);
	ck_assert_str_eq(lines,
	    "host: a.example\r\nx-empty: \r\nx-absent: \r\nx-part: value: and\r\nx-tab: a\tb");
}
END_TEST

static const struct {
	const char *what;
	struct slice name, value;
} no_line_cases[] = {
	{ "a line break in a value", SLICE_ROW("x"), SLICE_ROW("a\r\nhost: evil") },
	{ "a line feed in a value", SLICE_ROW("x"), SLICE_ROW("a\nhost: evil") },
	{ "a carriage return in a value", SLICE_ROW("x"), SLICE_ROW("a\rhost: evil") },
	{ "an end of all fields", SLICE_ROW("x"), SLICE_ROW("a\r\n\r\nGET / HTTP/1.1") },
	{ "a NUL in a value", SLICE_ROW("x"), { "a\0b", 3 } },
	{ "a line break at the end", SLICE_ROW("x"), SLICE_ROW("a\r\n") },
	{ "a line break in a name", SLICE_ROW("x: a\r\nhost"), SLICE_ROW("evil") },
	{ "a colon in a name", SLICE_ROW("host: evil\r\nx"), SLICE_ROW("a") },
	{ "a blank in a name", SLICE_ROW("x y"), SLICE_ROW("a") },
	{ "a NUL in a name", { "x\0y", 3 }, SLICE_ROW("a") },
	{ "no name", SLICE_ROW(""), SLICE_ROW("a") },
};

START_TEST(what_is_not_one_line_is_refused)
{
	struct http_field fields[] = { { SLICE("host"), SLICE("a.example") },
		{ no_line_cases[_i].name, no_line_cases[_i].value }, { SLICE("y"), SLICE("z") } };
	struct fetch_order order = { .arena = &order_arena, .fields = { fields, COUNT(fields) } };
	const char *lines = NULL;

	ck_assert_msg(fetch_order_lines(&order, &lines) == -EINVAL, "%s", no_line_cases[_i].what);
	ck_assert_ptr_null(lines);
}
END_TEST

START_TEST(every_end_has_words)
{
	for (int end = FETCH_WHOLE; end <= FETCH_CANCELLED; end++)
		ck_assert_uint_gt(strlen(fetch_end_name((enum fetch_end)end)), 0);
}
END_TEST

static void
order_teardown(void)
{
	arena_fini(&order_arena);
}

int
main(void)
{
	TCase *tests = tcase_create("order");
	tcase_add_checked_fixture(tests, NULL, order_teardown);
	tcase_add_loop_test(
	    tests, a_target_is_path_and_query_and_nothing_else, 0, COUNT(target_cases));
	tcase_add_test(tests, a_field_is_a_line_that_libcurl_sends);
	tcase_add_test(tests, all_fields_are_lines_of_one_text);
	tcase_add_loop_test(tests, what_is_not_one_line_is_refused, 0, COUNT(no_line_cases));
	tcase_add_test(tests, every_end_has_words);
	return suite_run("proxy/order", tests);
}
