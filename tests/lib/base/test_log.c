/* test_log.c -- One event is one line, whatever is in it, and a log that is not read costs nothing
 * but lines. */
#include "base/buf.h"
#include "base/log.h"
#include "base/metrics.h"
#include "suite.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, LINE_MAX_BYTES = 4096 };

/* Ends of a pipe; the log writes to one of them. */
static int log_ends[2], log_stderr;

static void
log_setup(void)
{
	ck_assert_int_eq(pipe(log_ends), 0);
	log_stderr = dup(STDERR_FILENO);
}

static void
log_teardown(void)
{
	dup2(log_stderr, STDERR_FILENO);
	close(log_stderr);
	close(log_ends[0]);
}

/* All lines for the operator go to the pipe. */
static void
log_take_stderr(void)
{
	dup2(log_ends[1], STDERR_FILENO);
	close(log_ends[1]);
}

static int64_t
log_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What stands in the pipe up to `lines` line ends, NUL-terminated. */
static const char *
log_read(struct buf *out, size_t lines)
{
	struct pollfd poller = { .fd = log_ends[0], .events = POLLIN };
	char byte;
	buf_clear(out);
	while (lines > 0) {
		ck_assert_int_eq(poll(&poller, 1, PATIENCE_MS), 1);
		ck_assert_int_eq(read(log_ends[0], &byte, 1), 1);
		buf_char(out, byte);
		lines -= byte == '\n';
	}
	buf_char(out, '\0');
	return out->data;
}

static bool
log_is_silent(void)
{
	struct pollfd poller = { .fd = log_ends[0], .events = POLLIN };
	return poll(&poller, 1, 0) == 0;
}

static const struct {
	struct slice text;
	const char *want;
} escape_cases[] = {
	{ { "plain", 5 }, "plain\n" },
	{ { "", 0 }, "\n" },
	{ { "a\nb\r\n", 5 }, "a\\x0ab\\x0d\\x0a\n" },
	{ { "\0\t\33[2J", 6 }, "\\x00\\x09\\x1b[2J\n" },
	{ { " ~\x7f\x80\xff", 5 }, " ~\\x7f\\x80\\xff\n" },
	{ { "%s%n\"", 5 }, "%s%n\"\n" },
};

START_TEST(one_event_is_one_printable_line)
{
	struct buf out = { 0 };
	ck_assert_int_eq(log_start(LOG_INFO, log_ends[1]), 0);
	ck_assert(log_has_access());
	log_access(escape_cases[_i].text);
	ck_assert_str_eq(log_read(&out, 1), escape_cases[_i].want);
	log_stop();
	ck_assert(log_is_silent());
	buf_free(&out);
}
END_TEST

START_TEST(a_long_line_is_cut_and_ends)
{
	char text[2 * LINE_MAX_BYTES];
	struct buf out = { 0 };
	memset(text, _i == 0 ? 'x' : '\1', sizeof(text));
	ck_assert_int_eq(log_start(LOG_INFO, log_ends[1]), 0);
	log_access((struct slice){ text, sizeof(text) });
	log_access(SLICE("next"));
	size_t len = strlen(log_read(&out, 1));
	ck_assert_uint_ge(len, 4000);
	/* A pipe takes so many bytes whole or not at all (PIPE_BUF). */
	ck_assert_uint_le(len, LINE_MAX_BYTES);
	ck_assert_str_eq(log_read(&out, 1), "next\n");
	log_stop();
	buf_free(&out);
}
END_TEST

START_TEST(lines_have_their_level_and_only_as_many_as_wanted)
{
	struct buf out = { 0 };
	log_take_stderr();
	log_set_level(LOG_WARN);
	log_error("%s %d", "broken", 7);
	log_warn("odd\n");
	log_info("not seen");
	log_debug("not seen");
	ck_assert_str_eq(log_read(&out, 2), "dory: error: broken 7\ndory: warning: odd\\x0a\n");
	ck_assert(log_is_silent());
	log_set_level(LOG_DEBUG);
	log_info("a");
	log_debug("b");
	ck_assert_str_eq(log_read(&out, 2), "dory: info: a\ndory: debug: b\n");
	buf_free(&out);
}
END_TEST

START_TEST(a_line_is_cut_before_it_is_too_long_to_format)
{
	char text[2 * LINE_MAX_BYTES];
	struct buf out = { 0 };
	log_take_stderr();
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	size_t len = strlen(log_read(&out, 1));
	ck_assert_uint_ge(len, 4000);
	ck_assert_uint_le(len, LINE_MAX_BYTES);
	ck_assert(log_is_silent());
	buf_free(&out);
}
END_TEST

START_TEST(stopping_writes_what_is_queued_in_order)
{
	struct buf out = { 0 };
	char want[32];
	int64_t before = metric_get(METRIC_LOG_DROPPED);
	ck_assert_int_eq(log_start(LOG_INFO, log_ends[1]), 0);
	for (int i = 0; i < 1000; i++) {
		snprintf(want, sizeof(want), "%d", i);
		log_access(slice_of(want));
	}
	log_stop();
	for (int i = 0; i < 1000; i++) {
		snprintf(want, sizeof(want), "%d\n", i);
		ck_assert_str_eq(log_read(&out, 1), want);
	}
	ck_assert(log_is_silent());
	ck_assert_int_eq(metric_get(METRIC_LOG_DROPPED), before);
	buf_free(&out);
}
END_TEST

START_TEST(it_may_be_started_again)
{
	struct buf out = { 0 };
	log_take_stderr();
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(log_start(LOG_INFO, -1), 0);
		log_info("%d", i);
		log_read(&out, 1);
		log_stop();
	}
	log_info("at once");
	ck_assert_str_eq(log_read(&out, 1), "dory: info: at once\n");
	buf_free(&out);
}
END_TEST

START_TEST(without_an_access_log_its_lines_go_nowhere)
{
	log_take_stderr();
	ck_assert(!log_has_access());
	log_access(SLICE("nowhere"));
	ck_assert_int_eq(log_start(LOG_INFO, -1), 0);
	ck_assert(!log_has_access());
	log_access(SLICE("nowhere"));
	log_stop();
	ck_assert(log_is_silent());
}
END_TEST

START_TEST(the_access_log_is_swapped_and_taken_away)
{
	struct buf out = { 0 };
	int other[2];
	ck_assert_int_eq(pipe(other), 0);
	ck_assert_int_eq(log_start(LOG_INFO, other[1]), 0);
	log_access(SLICE("old"));
	char line[8];
	ck_assert_int_eq(read(other[0], line, sizeof(line)), 4);
	log_set_access(log_ends[1]);
	ck_assert(log_has_access());
	log_access(SLICE("new"));
	ck_assert_str_eq(log_read(&out, 1), "new\n");
	/* Nothing holds the old one open any more. */
	ck_assert_int_eq(read(other[0], line, sizeof(line)), 0);
	log_set_access(-1);
	ck_assert(!log_has_access());
	log_access(SLICE("nowhere"));
	log_stop();
	ck_assert_int_eq(read(log_ends[0], line, sizeof(line)), 0);
	close(other[0]);
	buf_free(&out);
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_costs_lines_and_no_time)
{
	char text[1001];
	memset(text, 'x', 1000);
	text[1000] = '\0';
	if (_i == 0)
		fcntl(log_ends[1], F_SETFL, fcntl(log_ends[1], F_GETFL) | O_NONBLOCK);
	ck_assert_int_eq(log_start(LOG_INFO, log_ends[1]), 0);
	int64_t began_ms = log_now_ms(), before = metric_get(METRIC_LOG_DROPPED);
	for (int i = 0; i < 20000; i++)
		log_access(slice_of(text));
	log_stop();
	ck_assert_int_lt(log_now_ms() - began_ms, PATIENCE_MS);
	/* The pipe holds 65536 bytes: whole lines of 1001. */
	ck_assert_int_ge(metric_get(METRIC_LOG_DROPPED) - before, 20000 - 66);
	ck_assert_int_lt(metric_get(METRIC_LOG_DROPPED) - before, 20000);
	close(log_ends[1]);
}
END_TEST

static void *
log_shout(void *unused)
{
	(void)unused;
	for (int i = 0; i < 1000; i++)
		log_access(SLICE("all of it\n"));
	return NULL;
}

START_TEST(lines_of_many_threads_stay_whole)
{
	pthread_t threads[4];
	struct buf out = { 0 };
	ck_assert_int_eq(log_start(LOG_INFO, log_ends[1]), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_shout, NULL), 0);
	for (int i = 0; i < 4000; i++)
		ck_assert_str_eq(log_read(&out, 1), "all of it\\x0a\n");
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_stop();
	ck_assert(log_is_silent());
	buf_free(&out);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("log");
	tcase_set_timeout(tests, 30);
	tcase_add_checked_fixture(tests, log_setup, log_teardown);
	tcase_add_loop_test(tests, one_event_is_one_printable_line, 0, COUNT(escape_cases));
	tcase_add_loop_test(tests, a_long_line_is_cut_and_ends, 0, 2);
	tcase_add_test(tests, lines_have_their_level_and_only_as_many_as_wanted);
	tcase_add_test(tests, a_line_is_cut_before_it_is_too_long_to_format);
	tcase_add_test(tests, stopping_writes_what_is_queued_in_order);
	tcase_add_test(tests, it_may_be_started_again);
	tcase_add_test(tests, without_an_access_log_its_lines_go_nowhere);
	tcase_add_test(tests, the_access_log_is_swapped_and_taken_away);
	tcase_add_loop_test(tests, a_pipe_that_nobody_reads_costs_lines_and_no_time, 0, 2);
	tcase_add_test(tests, lines_of_many_threads_stay_whole);
	return suite_run("lib/base/log", tests);
}
