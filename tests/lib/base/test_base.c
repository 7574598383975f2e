/* test_base.c -- Slices, arenas, buffers. */
#include "base/arena.h"
#include "base/buf.h"
#include "suite.h"

#include <errno.h>

static const struct {
	const char *text;
	int rc;
	uint64_t want;
} number_cases[] = {
	{ "0", 0, 0 },
	{ "18446744073709551615", 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 7 },
	{ "99999999999999999999999", -ERANGE, 7 },
	{ "", -EINVAL, 7 },
	{ "+5", -EINVAL, 7 },
	{ "-1", -EINVAL, 7 },
	{ " 5", -EINVAL, 7 },
	{ "5x", -EINVAL, 7 },
};

START_TEST(number_is_read_exactly_or_refused)
{
	uint64_t got = 7;
	int rc = slice_to_u64(slice_of(number_cases[_i].text), &got);
	ck_assert_msg(rc == number_cases[_i].rc, "%s: %d", number_cases[_i].text, rc);
	ck_assert_uint_eq(got, number_cases[_i].want);
}
END_TEST

START_TEST(cut_gives_every_part_and_then_absence)
{
	struct slice rest = SLICE("a,,b");
	ck_assert(slice_equal(slice_cut(&rest, ','), SLICE("a")));
	ck_assert(slice_equal(slice_cut(&rest, ','), SLICE("")));
	ck_assert(slice_equal(slice_cut(&rest, ','), SLICE("b")));
	ck_assert_ptr_null(rest.at);
}
END_TEST

START_TEST(trim_takes_blanks_at_both_ends_only)
{
	ck_assert(slice_equal(slice_trim(SLICE(" \ta b\t ")), SLICE("a b")));
	ck_assert(slice_equal(slice_trim(SLICE(" \t")), SLICE("")));
}
END_TEST

START_TEST(arena_holds_small_and_large_and_forgets_all)
{
	struct arena a = { 0 };
	for (int round = 0; round < 3; round++) {
		char *small = arena_copy(&a, SLICE("small"));
		char *large = arena_zalloc(&a, 100000);
		ck_assert_str_eq(small, "small");
		ck_assert_int_eq(large[99999], 0);
		ck_assert_str_eq(arena_printf(&a, "%d-%s", 42, "x"), "42-x");
		ck_assert_uint_eq((uintptr_t)arena_alloc(&a, 3) % 16, 0);
		arena_reset(&a);
	}
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	arena_fini(&a);
	arena_fini(&a);
}
END_TEST

START_TEST(buf_grows_and_keeps_what_was_written)
{
	struct buf b = { 0 };
	for (int i = 0; i < 10000; i++)
		buf_printf(&b, "%d,", i);
	ck_assert_int_eq(buf_error(&b), 0);
	ck_assert(slice_starts_with(buf_as_slice(&b), SLICE("0,1,2,3,")));
	ck_assert_uint_eq(b.len, 48890);
	ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX / 2));
	ck_assert_int_eq(buf_error(&b), -ENOMEM);
	buf_free(&b);
}
END_TEST

START_TEST(buf_writes_numbers_of_every_size)
{
	struct buf b = { 0 };
	buf_number(&b, 0);
	buf_char(&b, ' ');
	buf_number(&b, INT64_MAX);
	buf_char(&b, ' ');
	buf_number(&b, INT64_MIN);
	ck_assert(
	    slice_equal(buf_as_slice(&b), SLICE("0 9223372036854775807 -9223372036854775808")));
	buf_free(&b);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("base");
	tcase_add_loop_test(tests, number_is_read_exactly_or_refused, 0, COUNT(number_cases));
	tcase_add_test(tests, cut_gives_every_part_and_then_absence);
	tcase_add_test(tests, trim_takes_blanks_at_both_ends_only);
	tcase_add_test(tests, arena_holds_small_and_large_and_forgets_all);
	tcase_add_test(tests, buf_writes_numbers_of_every_size);
	tcase_add_test(tests, buf_grows_and_keeps_what_was_written);
	return suite_run("lib/base", tests);
}
