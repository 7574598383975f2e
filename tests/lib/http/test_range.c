/* test_range.c -- A Range field names parts of a body, or none. */
#include "http/range.h"
#include "suite.h"

#include <errno.h>
#include <inttypes.h>

enum { NOW_S = 1767225600 }; /* 2026-01-01 */

static const struct {
	const char *value;
	uint64_t size;
	enum range_verdict want;
	uint64_t first, length;
} read_cases[] = {
	/* RFC 9110 section 14.1.2. */
	{ "bytes=0-499", 10000, RANGE_PART, 0, 500 },
	{ "bytes=500-999", 10000, RANGE_PART, 500, 500 },
	{ "bytes=-500", 10000, RANGE_PART, 9500, 500 },
	{ "bytes=9500-", 10000, RANGE_PART, 9500, 500 },
	{ "bytes=500-600,601-999", 10000, RANGE_PART, 500, 500 },
	{ "bytes=500-700,601-999", 10000, RANGE_PART, 500, 500 },
	{ "BYTES=1-1", 3, RANGE_PART, 1, 1 },
	{ "bytes= 1-1 ", 3, RANGE_PART, 1, 1 },
	{ "bytes=2-9", 3, RANGE_PART, 2, 1 },
	{ "bytes=-9", 3, RANGE_PART, 0, 3 },
	{ "bytes=3-", 3, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=-0", 3, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=0-", 0, RANGE_WHOLE, 0, 0 },
	{ "bytes=-1", 0, RANGE_WHOLE, 0, 0 },
	{ "bytes=2-1", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes=", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes=-", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes=1", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes=a-b", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes=--1", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes=+1-2", 3, RANGE_WHOLE, 0, 0 },
	{ "lines=0-1", 3, RANGE_WHOLE, 0, 0 },
	{ "bytes", 3, RANGE_WHOLE, 0, 0 },
	{ "", 3, RANGE_WHOLE, 0, 0 },
	{ NULL, 3, RANGE_WHOLE, 0, 0 },
	/* Nothing overflows. */
	{ "bytes=-18446744073709551615", 3, RANGE_PART, 0, 3 },
	{ "bytes=-18446744073709551616", 3, RANGE_PART, 0, 3 },
	{ "bytes=9223372036854775807-", 3, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=99999999999999999999999-", 3, RANGE_UNSATISFIABLE, 0, 0 },
	{ "bytes=1-18446744073709551615", 3, RANGE_PART, 1, 2 },
	{ "bytes=1-99999999999999999999999", 3, RANGE_PART, 1, 2 },
	{ "bytes=0-", UINT64_MAX, RANGE_PART, 0, UINT64_MAX },
};

START_TEST(ranges_are_read)
{
	struct range_set set = { 0 };
	enum range_verdict got =
	    range_read(slice_of(read_cases[_i].value), read_cases[_i].size, &set);

	ck_assert_msg(got == read_cases[_i].want, "%s", read_cases[_i].value);
	ck_assert_uint_eq(set.items[0].first, read_cases[_i].first);
	ck_assert_uint_eq(set.items[0].length, read_cases[_i].length);
}
END_TEST

#define NINE "0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,"

static const struct {
	const char *value;
	uint64_t size;
	enum range_verdict want;
	const char *parts;
} set_cases[] = {
	/* RFC 9110 section 14.1.2. */
	{ "bytes=0-0,-1", 10000, RANGE_SEVERAL, "0-0 9999-9999 " },
	{ "bytes= 0-999, 4500-5499, -1000", 10000, RANGE_SEVERAL, "0-999 4500-5499 9000-9999 " },
	/* In the order asked for; what overlaps stands where the first of it was. */
	{ "bytes=8-9,0-1", 10, RANGE_SEVERAL, "8-9 0-1 " },
	{ "bytes=6-7,0-1,8-9,3-3", 10, RANGE_SEVERAL, "6-9 0-1 3-3 " },
	{ "bytes=0-1,4-5,8-9,2-3", 10, RANGE_SEVERAL, "0-5 8-9 " },
	{ "bytes=0-1,4-5,8-9,1-8", 10, RANGE_PART, "0-9 " },
	{ "bytes=0-,0-,0-,-5", 10, RANGE_PART, "0-9 " },
	/* What there is not is left out. */
	{ "bytes=20-,0-0", 10, RANGE_PART, "0-0 " },
	{ "bytes=20-,-0", 10, RANGE_UNSATISFIABLE, "" },
	{ "bytes=,0-0,, ,2-2,", 10, RANGE_SEVERAL, "0-0 2-2 " },
	{ "bytes=,", 10, RANGE_WHOLE, "" },
	{ "bytes=0-0,x", 10, RANGE_WHOLE, NULL },
	{ "bytes=0-0,2-1", 10, RANGE_WHOLE, NULL },
	/* As many as there may be, and one more. */
	{ "bytes=" NINE "18-18,20-20,22-22,24-24,26-26,28-28,30-30", 99, RANGE_SEVERAL,
	    "0-0 2-2 4-4 6-6 8-8 10-10 12-12 14-14 16-16 18-18 20-20 22-22 24-24 26-26 28-28 "
	    "30-30 " },
	{ "bytes=" NINE NINE, 99, RANGE_WHOLE, NULL },
	{ "bytes=0-0,18446744073709551614-", UINT64_MAX, RANGE_SEVERAL,
	    "0-0 18446744073709551614-18446744073709551614 " },
};

START_TEST(several_ranges_are_read)
{
	struct range_set set;
	struct buf text = { 0 };
	enum range_verdict got =
	    range_read(slice_of(set_cases[_i].value), set_cases[_i].size, &set);

	ck_assert_msg(got == set_cases[_i].want, "%s", set_cases[_i].value);
	for (size_t i = 0; i < set.n; i++)
		buf_printf(&text, "%" PRIu64 "-%" PRIu64 " ", set.items[i].first,
		    set.items[i].first + set.items[i].length - 1);
	if (set_cases[_i].parts != NULL)
		ck_assert(slice_equal(buf_as_slice(&text), slice_of(set_cases[_i].parts)));
	buf_free(&text);
}
END_TEST

#define OLD "Thu, 01 Jan 2015 00:00:00 GMT"
#define JUST_NOW "Wed, 31 Dec 2025 23:59:30 GMT"

static const struct {
	const char *if_range, *etag, *last_modified;
	bool want;
} if_range_cases[] = {
	{ NULL, NULL, NULL, true },
	{ "\"a\"", "\"a\"", NULL, true },
	{ "\"a\"", "\"b\"", NULL, false },
	{ "W/\"a\"", "W/\"a\"", NULL, false },
	{ "\"a\"", "W/\"a\"", NULL, false },
	{ "\"a", "\"a", NULL, false },
	{ "\"a\"", NULL, OLD, false },
	{ OLD, "\"a\"", OLD, true },
	{ OLD, NULL, NULL, false },
	{ JUST_NOW, NULL, OLD, false },
	{ JUST_NOW, NULL, JUST_NOW, false },
	{ "x", NULL, "x", false },
	{ "", "", "", false },
};

START_TEST(if_range_compares_strongly)
{
	ck_assert_msg(
	    range_if_range(slice_of(if_range_cases[_i].if_range), slice_of(if_range_cases[_i].etag),
		slice_of(if_range_cases[_i].last_modified), NOW_S) == if_range_cases[_i].want,
	    "%s", if_range_cases[_i].if_range);
}
END_TEST

static const struct {
	const char *value;
	int want;
	struct range_content content;
} content_cases[] = {
	/* RFC 9110 section 14.4. */
	{ "bytes 42-1233/1234", 0, { 42, 1192, 1234 } },
	{ "bytes 0-0/1", 0, { 0, 1, 1 } },
	{ "BYTES 0-499/1234", 0, { 0, 500, 1234 } },
	{ "bytes 0-18446744073709551613/18446744073709551615", 0,
	    { 0, UINT64_MAX - 1, UINT64_MAX } },
	{ "bytes 42-1233/*", -EINVAL, { 0 } },
	{ "bytes */1234", -EINVAL, { 0 } },
	{ "bytes 5-4/10", -EINVAL, { 0 } },
	{ "bytes 4-10/10", -EINVAL, { 0 } },
	{ "bytes 0-0/0", -EINVAL, { 0 } },
	{ "bytes=0-4/10", -EINVAL, { 0 } },
	{ "bytes  0-4/10", -EINVAL, { 0 } },
	{ "bytes 0-4/10 ", -EINVAL, { 0 } },
	{ "bytes -4/10", -EINVAL, { 0 } },
	{ "bytes 0-/10", -EINVAL, { 0 } },
	{ "bytes +0-4/10", -EINVAL, { 0 } },
	{ "bytes 0-4/18446744073709551616", -EINVAL, { 0 } },
	{ "bytes 0-4/10, bytes 5-9/10", -EINVAL, { 0 } },
	{ "items 0-4/10", -EINVAL, { 0 } },
	{ "bytes", -EINVAL, { 0 } },
	{ "", -EINVAL, { 0 } },
	{ NULL, -EINVAL, { 0 } },
};

START_TEST(content_ranges_are_read_strictly)
{
	struct range_content got = { 0 };
	int rc = range_read_content(slice_of(content_cases[_i].value), &got);

	ck_assert_msg(rc == content_cases[_i].want, "%s", content_cases[_i].value);
	if (rc != 0)
		return;
	ck_assert_uint_eq(got.first, content_cases[_i].content.first);
	ck_assert_uint_eq(got.length, content_cases[_i].content.length);
	ck_assert_uint_eq(got.complete, content_cases[_i].content.complete);
}
END_TEST

static const struct {
	const char *etag, *last_modified, *want;
} validator_cases[] = {
	{ "\"a\"", OLD, "\"a\"" },
	{ "W/\"a\"", OLD, NULL },
	{ "\"a", OLD, NULL },
	{ "a", OLD, NULL },
	{ NULL, OLD, OLD },
	{ "", OLD, OLD },
	{ NULL, JUST_NOW, NULL },
	{ NULL, "x", NULL },
	{ NULL, NULL, NULL },
};

START_TEST(only_a_strong_validator_proves_that_bytes_are_the_same)
{
	struct slice got = range_validator(
	    slice_of(validator_cases[_i].etag), slice_of(validator_cases[_i].last_modified), NOW_S);

	ck_assert_int_eq(got.at == NULL, validator_cases[_i].want == NULL);
	ck_assert(slice_equal(got, slice_of(validator_cases[_i].want)));
}
END_TEST

static const struct {
	const char *value;
	bool want;
} single_cases[] = {
	{ "bytes=0-4", true },
	{ "bytes=5-", true },
	{ "bytes=-5", true },
	{ "Bytes=1-1", true },
	{ "bytes=0-", false },
	{ "bytes=0-18446744073709551615", false },
	{ "bytes=-0", false },
	{ "bytes=4-0", false },
	{ "bytes=0-4,6-9", false },
	{ "bytes=0-4,", false },
	{ "bytes=", false },
	{ "items=0-4", false },
	{ "bytes=0000000000000000000000000000000000000000000000000000000000000001-4", false },
	{ "", false },
	{ NULL, false },
};

START_TEST(one_range_of_less_than_all_may_be_passed_on)
{
	ck_assert_msg(range_is_single(slice_of(single_cases[_i].value)) == single_cases[_i].want,
	    "%s", single_cases[_i].value);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("range");
	tcase_add_loop_test(tests, ranges_are_read, 0, COUNT(read_cases));
	tcase_add_loop_test(tests, several_ranges_are_read, 0, COUNT(set_cases));
	tcase_add_loop_test(tests, if_range_compares_strongly, 0, COUNT(if_range_cases));
	tcase_add_loop_test(tests, content_ranges_are_read_strictly, 0, COUNT(content_cases));
	tcase_add_loop_test(tests, only_a_strong_validator_proves_that_bytes_are_the_same, 0,
	    COUNT(validator_cases));
	tcase_add_loop_test(
	    tests, one_range_of_less_than_all_may_be_passed_on, 0, COUNT(single_cases));
	return suite_run("lib/http/range", tests);
}
