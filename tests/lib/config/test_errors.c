/* test_errors.c -- Findings are gathered, put in the order of their lines, and bounded. */
#include "config/config.h"
#include "suite.h"

static void
errors_expect(struct config_errors *e, const char *want)
{
	config_errors_sort(e);
	struct slice got = buf_as_slice(&e->text);
	ck_assert_msg(slice_equal(got, slice_of(want)), "got\n%.*s", SLICE_ARGS(got));
	config_errors_free(e);
}

START_TEST(findings_stand_in_the_order_of_lines_then_of_arrival)
{
	struct config_errors e = { 0 };

	config_error(&e, "f", 10, "c %d", 3);
	config_error(&e, "f", 2, "b");
	config_error(&e, "f", 10, "a");
	config_error(&e, "f", 0, "of no line");
	config_error(&e, NULL, 0, "of no file");
	ck_assert_uint_eq(e.n, 5);
	config_errors_sort(&e);
	config_error(&e, "f", 9, "later");
	errors_expect(&e, "f: of no line\nof no file\nf:2: b\nf:9: later\nf:10: c 3\nf:10: a\n");
}
END_TEST

START_TEST(a_finding_is_one_printable_line)
{
	struct config_errors e = { 0 };

	config_error(&e, "a\nb", 1, "x\033[2J\ty\177");
	errors_expect(&e, "a?b:1: x?[2J?y?\n");
}
END_TEST

START_TEST(none_is_an_empty_text)
{
	struct config_errors e = { 0 };

	errors_expect(&e, "");
	config_errors_free(&e);
}
END_TEST

START_TEST(more_than_anybody_reads_is_counted_only)
{
	struct config_errors e = { 0 };
	unsigned lines = 0;

	for (unsigned i = 0; i < 3 * CONFIG_ERRORS_MAX; i++)
		config_error(&e, "f", 3 * CONFIG_ERRORS_MAX - i, "x");
	ck_assert_uint_eq(e.n, 3 * CONFIG_ERRORS_MAX);
	config_errors_sort(&e);
	struct slice rest = buf_as_slice(&e.text), last = { NULL, 0 };
	while (rest.len > 0) {
		last = slice_cut(&rest, '\n');
		lines++;
	}
	ck_assert_uint_eq(lines, CONFIG_ERRORS_MAX + 1);
	ck_assert(slice_equal(last, SLICE("more is wrong, but not shown; mend this first")));
	config_errors_free(&e);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("errors");
	tcase_add_test(tests, findings_stand_in_the_order_of_lines_then_of_arrival);
	tcase_add_test(tests, a_finding_is_one_printable_line);
	tcase_add_test(tests, none_is_an_empty_text);
	tcase_add_test(tests, more_than_anybody_reads_is_counted_only);
	return suite_run("lib/config/errors", tests);
}
