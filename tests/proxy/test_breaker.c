/* test_breaker.c -- An address that cannot be reached is left alone, but for one probe a second. */
#include "breaker.h"

#include "base/metrics.h"
#include "suite.h"

enum { LIMIT = 3 };

static struct breakers *
breakers_made(void)
{
	struct breakers *b;

	ck_assert_int_eq(breakers_new(&b), 0);
	return b;
}

static void
fail_times(struct breakers *b, const char *address, int n, int64_t now_ms)
{
	for (int i = 0; i < n; i++)
		breaker_failed(b, "app", address, LIMIT, now_ms);
}

START_TEST(what_never_failed_is_tried)
{
	struct breakers *b = breakers_made();

	ck_assert(breaker_lets_through(b, "a", LIMIT, 0));
	breaker_reached(b, "app", "a");
	breakers_free(b);
}
END_TEST

START_TEST(it_opens_at_the_limit_and_not_before)
{
	struct breakers *b = breakers_made();

	fail_times(b, "a", LIMIT - 1, 5000);
	ck_assert(breaker_lets_through(b, "a", LIMIT, 5000));
	ck_assert(breaker_lets_through(b, "a", LIMIT, 5000));
	fail_times(b, "a", 1, 5000);
	ck_assert(!breaker_lets_through(b, "a", LIMIT, 5000));
	ck_assert(breaker_lets_through(b, "b", LIMIT, 5000));
	ck_assert_int_eq(metric_get(METRIC_BACKENDS_DOWN), 1);
	breakers_free(b);
	ck_assert_int_eq(metric_get(METRIC_BACKENDS_DOWN), 0);
}
END_TEST

START_TEST(one_a_second_may_try)
{
	struct breakers *b = breakers_made();

	fail_times(b, "a", LIMIT, 5000);
	ck_assert(!breaker_lets_through(b, "a", LIMIT, 5000 + BREAKER_PROBE_MS - 1));
	ck_assert(breaker_lets_through(b, "a", LIMIT, 5000 + BREAKER_PROBE_MS));
	ck_assert(!breaker_lets_through(b, "a", LIMIT, 5000 + BREAKER_PROBE_MS));
	/* It still waits for its connection: one more may try a second later. */
	ck_assert(breaker_lets_through(b, "a", LIMIT, 5000 + 2 * BREAKER_PROBE_MS));
	fail_times(b, "a", 1, 9000);
	ck_assert(!breaker_lets_through(b, "a", LIMIT, 9000 + BREAKER_PROBE_MS - 1));
	breakers_free(b);
}
END_TEST

START_TEST(the_first_connection_closes_it)
{
	struct breakers *b = breakers_made();

	fail_times(b, "a", LIMIT, 5000);
	breaker_reached(b, "app", "b");
	ck_assert(!breaker_lets_through(b, "a", LIMIT, 5000));
	breaker_reached(b, "app", "a");
	ck_assert(breaker_lets_through(b, "a", LIMIT, 5000));
	ck_assert_int_eq(metric_get(METRIC_BACKENDS_DOWN), 0);
	/* And the count begins anew. */
	fail_times(b, "a", LIMIT - 1, 5000);
	ck_assert(breaker_lets_through(b, "a", LIMIT, 5000));
	breakers_free(b);
}
END_TEST

START_TEST(without_a_limit_there_is_none)
{
	struct breakers *b = breakers_made();

	for (int i = 0; i < 100; i++)
		breaker_failed(b, "app", "a", 0, 0);
	ck_assert(breaker_lets_through(b, "a", 0, 0));
	/* Turned off by a reload while it is open. */
	fail_times(b, "a", LIMIT, 0);
	ck_assert(breaker_lets_through(b, "a", 0, 0));
	breakers_free(b);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("breaker");
	tcase_add_test(tests, what_never_failed_is_tried);
	tcase_add_test(tests, it_opens_at_the_limit_and_not_before);
	tcase_add_test(tests, one_a_second_may_try);
	tcase_add_test(tests, the_first_connection_closes_it);
	tcase_add_test(tests, without_a_limit_there_is_none);
	return suite_run("proxy/breaker", tests);
}
