/* test_date.c -- HTTP dates are read in three forms and written in one. */
#include "http/date.h"
#include "mutate.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { NOW_S = 1767225600 }; /* 2026-01-01 */

static const struct {
	const char *name;
	const char *text;
	int64_t want_s;
} date_good[] = {
	{ "IMF-fixdate, RFC 9110 5.6.7", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "RFC 850, RFC 9110 5.6.7", "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
	{ "asctime, RFC 9110 5.6.7", "Sun Nov  6 08:49:37 1994", 784111777 },
	{ "asctime with two digits", "Wed Nov 16 08:49:37 1994", 784975777 },
	{ "case does not count", "sUN, 06 nOV 1994 08:49:37 gmt", 784111777 },
	{ "the epoch", "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "before the epoch", "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
	{ "year 0", "Sat, 01 Jan 0000 00:00:00 GMT", -62167219200 },
	{ "year 9999", "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
	{ "over 32 bits", "Tue, 19 Jan 2038 03:14:08 GMT", 2147483648 },
	{ "leap day", "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
	{ "leap second", "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
	{ "the weekday is not checked", "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 },
	{ "two digits, 24 years ahead", "Thursday, 18-Aug-50 02:01:18 GMT", 2544400878 },
	{ "two digits, 50 years ahead", "Wednesday, 01-Jan-76 00:00:00 GMT", 3345062400 },
	{ "two digits, 51 years ahead", "Saturday, 01-Jan-77 00:00:00 GMT", 220924800 },
};

START_TEST(dates_are_read)
{
	int64_t got = 42;
	struct slice text = slice_of(date_good[_i].text);
	ck_assert_msg(http_date_parse(text, NOW_S, &got) == 0, "%s", date_good[_i].name);
	ck_assert_msg(got == date_good[_i].want_s, "%s: %lld", date_good[_i].name, (long long)got);
}
END_TEST

static const char *const date_bad[] = {
	"",
	"0",
	"-1",
	"Thu",
	"Thu, 18 Aug 2050 02:01:18 UTC",
	"Thu, 18 Aug 2050 02:01:18 AEST",
	"Thu, 18 Aug 50 02:01:18 GMT",
	"Thu 18 Aug 2050 02:01:18 GMT",
	"Thu, 18  Aug  2050 02:01:18 GMT",
	"Thu, 18-Aug-2050 02:01:18 GMT",
	"Thu, 18 Aug 2050 02.01.18 GMT",
	"Thu, 18 Aug 2050 2:01:18 GMT",
	"Thu, 8 Aug 2050 02:01:18 GMT",
	"Thu, 18 Aug 2050 02:01:18 GMT ",
	" Thu, 18 Aug 2050 02:01:18 GMT",
	"Thu, 18 Aug 2050 02:01:18",
	"Thu, 18 Aug 2050 02:01:18 GMTx",
	"Thursday, 18 Aug 2050 02:01:18 GMT",
	"Thu, 18-Aug-50 02:01:18 GMT",
	"Xyz, 18 Aug 2050 02:01:18 GMT",
	"Thu, 18 Xyz 2050 02:01:18 GMT",
	"Thu, 00 Aug 2050 02:01:18 GMT",
	"Thu, 32 Aug 2050 02:01:18 GMT",
	"Thu, 31 Apr 2050 02:01:18 GMT",
	"Tue, 29 Feb 1900 00:00:00 GMT",
	"Tue, 29 Feb 2026 00:00:00 GMT",
	"Thu, 18 Aug 2050 24:00:00 GMT",
	"Thu, 18 Aug 2050 23:60:00 GMT",
	"Thu, 18 Aug 2050 23:59:61 GMT",
	"Thu, 18 Aug -050 02:01:18 GMT",
	"Thu, 18 Aug 12050 02:01:18 GMT",
	"Thu Aug 8 02:01:18 2050",
	"Thu Aug  18 02:01:18 2050",
	"Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
};

START_TEST(what_is_no_date_is_refused_and_leaves_the_result_alone)
{
	int64_t got = 42;
	ck_assert_msg(
	    http_date_parse(slice_of(date_bad[_i]), NOW_S, &got) == -EINVAL, "%s", date_bad[_i]);
	ck_assert_int_eq(got, 42);
}
END_TEST

START_TEST(written_dates_agree_with_the_library_and_are_read_again)
{
	unsigned state = 11;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		char text[HTTP_DATE_SIZE], want[64];
		int64_t t = ((int64_t)mutate_random(&state, 1 << 24) << 14) +
			    mutate_random(&state, 86400) - 62167219200 / 4 * 4;
		t = t > 253402300799 ? 253402300799 : t;
		time_t when = (time_t)t;
		struct tm tm;
		int64_t back;
		http_date_format(t, text);
		ck_assert_ptr_nonnull(gmtime_r(&when, &tm));
		strftime(want, sizeof(want), "%a, %d %b ", &tm);
		snprintf(want + 12, sizeof(want) - 12, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900,
		    tm.tm_hour, tm.tm_min, tm.tm_sec);
		ck_assert_str_eq(text, want);
		ck_assert_int_eq(http_date_parse(slice_of(text), NOW_S, &back), 0);
		ck_assert_int_eq(back, t);
	}
}
END_TEST

START_TEST(times_out_of_range_are_clamped)
{
	char text[HTTP_DATE_SIZE];
	http_date_format(INT64_MAX, text);
	ck_assert_str_eq(text, "Fri, 31 Dec 9999 23:59:59 GMT");
	http_date_format(INT64_MIN, text);
	ck_assert_str_eq(text, "Sat, 01 Jan 0000 00:00:00 GMT");
}
END_TEST

START_TEST(two_digit_years_follow_any_clock)
{
	int64_t got;
	struct slice text = SLICE("Monday, 06-Nov-10 00:00:00 GMT");
	/* From 2080 the year 10 is 30 years ahead: 2110. */
	ck_assert_int_eq(http_date_parse(text, 3471292800, &got), 0);
	ck_assert_int_eq(got, 4444675200);
	ck_assert_int_eq(http_date_parse(text, INT64_MAX, &got), 0);
	ck_assert_int_eq(http_date_parse(text, INT64_MIN, &got), 0);
}
END_TEST

START_TEST(mutated_dates_are_refused_or_mean_what_they_are_written_as)
{
	static const char *const seeds[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994" };
	unsigned state = 3, read = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		char text[HTTP_DATE_SIZE];
		int64_t got = INT64_MIN, back = 0;
		if (http_date_parse(s, NOW_S, &got) == 0) {
			http_date_format(got, text);
			ck_assert_int_eq(http_date_parse(slice_of(text), NOW_S, &back), 0);
			ck_assert_int_eq(got, back);
			read++;
		} else {
			ck_assert(got == INT64_MIN);
		}
		mutate_free(s);
	}
	ck_assert_uint_gt(read, 1000);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("date");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, dates_are_read, 0, COUNT(date_good));
	tcase_add_loop_test(
	    tests, what_is_no_date_is_refused_and_leaves_the_result_alone, 0, COUNT(date_bad));
	tcase_add_test(tests, written_dates_agree_with_the_library_and_are_read_again);
	tcase_add_test(tests, times_out_of_range_are_clamped);
	tcase_add_test(tests, two_digit_years_follow_any_clock);
	tcase_add_test(tests, mutated_dates_are_refused_or_mean_what_they_are_written_as);
	return suite_run("lib/http/date", tests);
}
