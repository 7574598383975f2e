/* test_apart.c -- Marks hold for their time, for their key, and go when they are cleared. */
#include "apart.h"
#include "suite.h"

static struct apart apart;

static void
apart_empty(void)
{
	apart = (struct apart){ 0 };
}

START_TEST(nothing_is_marked_at_first)
{
	ck_assert(!apart_is_marked(&apart, 0, 5));
	ck_assert(!apart_is_marked(&apart, 7, 5));
}
END_TEST

START_TEST(a_mark_holds_for_its_time_and_no_longer)
{
	apart_mark(&apart, 7, 100);
	ck_assert(apart_is_marked(&apart, 7, 100));
	ck_assert(apart_is_marked(&apart, 7, 100 + APART_MS - 1));
	ck_assert(!apart_is_marked(&apart, 7, 100 + APART_MS));
}
END_TEST

START_TEST(a_mark_is_of_one_key_only)
{
	apart_mark(&apart, 7, 100);
	ck_assert(!apart_is_marked(&apart, 7 + APART_MARKS, 100));
	apart_clear(&apart, 7 + APART_MARKS);
	ck_assert(apart_is_marked(&apart, 7, 100));
	apart_mark(&apart, 7 + APART_MARKS, 100);
	ck_assert(!apart_is_marked(&apart, 7, 100));
}
END_TEST

START_TEST(a_mark_that_is_cleared_is_gone)
{
	apart_mark(&apart, 7, 100);
	apart_clear(&apart, 7);
	ck_assert(!apart_is_marked(&apart, 7, 100));
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("apart");
	tcase_add_checked_fixture(tests, apart_empty, NULL);
	tcase_add_test(tests, nothing_is_marked_at_first);
	tcase_add_test(tests, a_mark_holds_for_its_time_and_no_longer);
	tcase_add_test(tests, a_mark_is_of_one_key_only);
	tcase_add_test(tests, a_mark_that_is_cleared_is_gone);
	return suite_run("proxy/apart", tests);
}
