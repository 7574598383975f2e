/* test_metrics.c -- Counters count what all threads did, and are printed as OpenMetrics. */
#include "base/metrics.h"
#include "suite.h"

#include <pthread.h>

enum { THREADS = 4, STEPS = 100000 };

static void *
metrics_count(void *unused)
{
	(void)unused;
	for (int i = 0; i < STEPS; i++) {
		metric_add(METRIC_HITS, 1);
		metric_add(METRIC_FLIGHTS, i % 2 == 0 ? 1 : -1);
	}
	return NULL;
}

START_TEST(threads_count_together)
{
	pthread_t threads[THREADS];
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, metrics_count, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(metric_get(METRIC_HITS), THREADS * STEPS);
	ck_assert_int_eq(metric_get(METRIC_FLIGHTS), 0);
	ck_assert_int_eq(metric_get(METRIC_MISSES), 0);
}
END_TEST

START_TEST(every_name_is_its_own)
{
	for (int i = 0; i < METRIC_COUNT; i++) {
		const char *name = metric_name((enum metric)i);
		ck_assert_uint_gt(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), 0);
		ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(name, metric_name((enum metric)j));
	}
	ck_assert_str_eq(metric_name(METRIC_LOG_DROPPED), "log_dropped");
}
END_TEST

START_TEST(the_table_is_open_metrics)
{
	struct buf out = { 0 };
	metric_add(METRIC_REQUESTS, 42);
	metric_add(METRIC_CONNECTIONS, 3);
	metric_add(METRIC_CONNECTIONS, -1);
	metrics_print(&out);
	buf_char(&out, '\0');
	ck_assert_int_eq(buf_error(&out), 0);
	static const char *const wanted[] = {
		"# TYPE dory_requests counter\n# HELP dory_requests Requests read from web "
		"servers.\ndory_requests_total 42\n",
		"# TYPE dory_connections gauge\n# HELP dory_connections FastCGI connections "
		"open.\ndory_connections 2\n",
		"\ndory_misses_total 0\n",
	};
	for (size_t i = 0; i < COUNT(wanted); i++)
		ck_assert_msg(strstr(out.data, wanted[i]) != NULL, "%s", wanted[i]);
	size_t lines = 0;
	for (const char *at = out.data; *at != '\0'; at++)
		lines += *at == '\n';
	ck_assert_uint_eq(lines, 3 * METRIC_COUNT);
	buf_free(&out);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("metrics");
	tcase_add_test(tests, threads_count_together);
	tcase_add_test(tests, every_name_is_its_own);
	tcase_add_test(tests, the_table_is_open_metrics);
	return suite_run("lib/base/metrics", tests);
}
