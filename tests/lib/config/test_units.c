/* test_units.c -- Durations, sizes and the nearest of some names. */
#include "config/config.h"
#include "config/units.h"
#include "suite.h"

#include <errno.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

static const struct {
	const char *text;
	int rc;
	int64_t want_ms;
	const char *printed; /* NULL: as `text`. */
} duration_cases[] = {
	{ "0", 0, 0, NULL },
	{ "0s", 0, 0, "0" },
	{ "1ms", 0, 1, NULL },
	{ "500ms", 0, 500, NULL },
	{ "30s", 0, 30 * SECOND_MS, NULL },
	{ "5m", 0, 5 * MINUTE_MS, NULL },
	{ "90m", 0, 90 * MINUTE_MS, "1h30m" },
	{ "1h30m", 0, 90 * MINUTE_MS, NULL },
	{ "2d", 0, 2 * DAY_MS, NULL },
	{ "1d2h3m4s5ms", 0, DAY_MS + 2 * HOUR_MS + 3 * MINUTE_MS + 4 * SECOND_MS + 5, NULL },
	{ "1m1ms", 0, MINUTE_MS + 1, NULL },
	{ "0001s", 0, SECOND_MS, "1s" },
	{ "365d", 0, 365 * DAY_MS, "1 year" },
	{ "3650d", 0, 3650 * DAY_MS, "10 years" },
	{ "9223372036854775807ms", 0, INT64_MAX, "106751991167d7h12m55s807ms" },
	{ "9223372036854775808ms", -ERANGE, 0, NULL },
	{ "106751991168d", -ERANGE, 0, NULL },
	{ "9223372036854775s808ms", -ERANGE, 0, NULL },
	{ "99999999999999999999s", -ERANGE, 0, NULL },
	{ "", -EINVAL, 0, NULL },
	{ "1", -EINVAL, 0, NULL },
	{ "00", -EINVAL, 0, NULL },
	{ "s", -EINVAL, 0, NULL },
	{ "1x", -EINVAL, 0, NULL },
	{ "1S", -EINVAL, 0, NULL },
	{ "1h30", -EINVAL, 0, NULL },
	{ "1h 30m", -EINVAL, 0, NULL },
	{ " 1h", -EINVAL, 0, NULL },
	{ "1hm", -EINVAL, 0, NULL },
	{ "30m1h", -EINVAL, 0, NULL },
	{ "1s1s", -EINVAL, 0, NULL },
	{ "1.5h", -EINVAL, 0, NULL },
	{ "+1s", -EINVAL, 0, NULL },
	{ "-1s", -EINVAL, 0, NULL },
};

START_TEST(a_duration_is_read_and_written_back)
{
	struct buf printed = { 0 };
	const char *text = duration_cases[_i].text;
	int64_t got = -7;
	int rc = config_parse_duration(slice_of(text), &got);

	ck_assert_msg(rc == duration_cases[_i].rc, "%s: returned %d", text, rc);
	if (rc != 0) {
		ck_assert_msg(got == -7, "%s: *out was touched", text);
		return;
	}
	ck_assert_msg(got == duration_cases[_i].want_ms, "%s: %lld ms", text, (long long)got);
	units_print_duration(got, &printed);
	const char *want = duration_cases[_i].printed == NULL ? text : duration_cases[_i].printed;
	ck_assert_msg(slice_equal(buf_as_slice(&printed), slice_of(want)), "%s: printed %.*s", text,
	    SLICE_ARGS(printed.len == 0 ? SLICE("nothing") : buf_as_slice(&printed)));
	buf_free(&printed);
}
END_TEST

static const struct {
	const char *text;
	int rc;
	uint64_t want;
	const char *printed; /* NULL: as `text`. */
} size_cases[] = {
	{ "0", 0, 0, NULL },
	{ "512", 0, 512, NULL },
	{ "64K", 0, 65536, NULL },
	{ "1024K", 0, 1048576, "1M" },
	{ "16M", 0, 16777216, NULL },
	{ "1G", 0, 1073741824, NULL },
	{ "64T", 0, UINT64_C(64) << 40, NULL },
	{ "1025", 0, 1025, NULL },
	{ "18446744073709551615", 0, UINT64_MAX, NULL },
	{ "16777215T", 0, UINT64_C(16777215) << 40, NULL },
	{ "16777216T", -ERANGE, 0, NULL },
	{ "18446744073709551616", -ERANGE, 0, NULL },
	{ "", -EINVAL, 0, NULL },
	{ "K", -EINVAL, 0, NULL },
	{ "1k", -EINVAL, 0, NULL },
	{ "1KB", -EINVAL, 0, NULL },
	{ "1 K", -EINVAL, 0, NULL },
	{ "1.5G", -EINVAL, 0, NULL },
	{ "-1K", -EINVAL, 0, NULL },
	{ "1P", -EINVAL, 0, NULL },
};

START_TEST(a_size_is_read_and_written_back)
{
	struct buf printed = { 0 };
	const char *text = size_cases[_i].text;
	uint64_t got = 7;
	int rc = config_parse_size(slice_of(text), &got);

	ck_assert_msg(rc == size_cases[_i].rc, "%s: returned %d", text, rc);
	if (rc != 0) {
		ck_assert_msg(got == 7, "%s: *out was touched", text);
		return;
	}
	ck_assert_msg(got == size_cases[_i].want, "%s: %llu", text, (unsigned long long)got);
	units_print_size(got, &printed);
	const char *want = size_cases[_i].printed == NULL ? text : size_cases[_i].printed;
	ck_assert_msg(slice_equal(buf_as_slice(&printed), slice_of(want)), "%s", text);
	buf_free(&printed);
}
END_TEST

static const struct {
	const char *name;
	const char *want; /* NULL: none. */
} nearest_cases[] = {
	{ "timout", "timeout" },   /* left out */
	{ "timeoutt", "timeout" }, /* added */
	{ "timeaut", "timeout" },  /* mistaken */
	{ "itmeout", "timeout" },  /* swapped */
	{ "tmieotu", "timeout" },  /* swapped twice */
	{ "TIMEOUT", "timeout" },  /* case does not count */
	{ "time", NULL },          /* three are missing */
	{ "ulr", "url" },          /* one slip in a short name */
	{ "uxx", NULL },           /* two in a short name */
	{ "grce", "grace" },
	{ "gracf", "grace" }, /* nearer than grade by nothing, but first */
	{ "grbde", "grade" }, /* the nearer of two */
	{ "u", NULL },
	{ "", NULL },
	{ "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL },
};

START_TEST(the_nearest_name_is_suggested)
{
	static const char *const names[] = { "timeout", "url", "grace", "grade" };
	const char *name = nearest_cases[_i].name, *want = nearest_cases[_i].want;
	const char *got = config_nearest(slice_of(name), names, COUNT(names));

	ck_assert_msg(slice_equal(slice_of(got), slice_of(want)), "%s: got %s", name,
	    got == NULL ? "none" : got);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("units");
	tcase_add_loop_test(tests, a_duration_is_read_and_written_back, 0, COUNT(duration_cases));
	tcase_add_loop_test(tests, a_size_is_read_and_written_back, 0, COUNT(size_cases));
	tcase_add_loop_test(tests, the_nearest_name_is_suggested, 0, COUNT(nearest_cases));
	return suite_run("lib/config/units", tests);
}
