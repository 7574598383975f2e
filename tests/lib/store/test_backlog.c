/* test_backlog.c -- Inserts that come fast are taken together; what cannot wait is not held up. */
#include "store/backlog.h"
#include "suite.h"

#include <pthread.h>

/* Longer than a test may take: who waits for its end fails. */
enum { FOR_EVER_MS = 3600000, MANY_PAGES = 1 << 20 };

/* One that takes what the next transaction should do, on a thread of its own. */
struct taker {
	struct backlog backlog;
	pthread_t thread;
	struct store_job *jobs;
	size_t n;
	bool stopped;
};

static void *
taker_main(void *context)
{
	struct taker *t = context;

	t->jobs = backlog_take(&t->backlog, FOR_EVER_MS, &t->n, &t->stopped);
	return NULL;
}

static void
taker_init(struct taker *t, int64_t gather_ms)
{
	*t = (struct taker){ 0 };
	ck_assert_int_eq(backlog_init(&t->backlog), 0);
	backlog_size(&t->backlog, MANY_PAGES);
	t->backlog.gather_ms = gather_ms;
}

static void
taker_start(struct taker *t)
{
	ck_assert_int_eq(pthread_create(&t->thread, NULL, taker_main, t), 0);
}

static void
taker_end(struct taker *t)
{
	pthread_join(t->thread, NULL);
}

static void
taker_add(struct taker *t, struct store_job *jobs, size_t n, enum store_job_kind kind)
{
	for (size_t i = 0; i < n; i++) {
		jobs[i] = (struct store_job){ .kind = kind };
		ck_assert_int_eq(backlog_add(&t->backlog, &jobs[i]), 0);
	}
}

/* It has found them, and waits for more. */
static void
taker_await_gathering(struct taker *t)
{
	bool gathering = false;

	while (!gathering) {
		pthread_mutex_lock(&t->backlog.lock);
		gathering = t->backlog.gathering;
		pthread_mutex_unlock(&t->backlog.lock);
		sched_yield();
	}
}

/* Take them all, on this thread: the store was busy. */
static void
taker_take_busy(struct taker *t, struct store_job *jobs)
{
	int64_t gather_ms = t->backlog.gather_ms;

	t->backlog.gather_ms = 0;
	taker_add(t, jobs, BACKLOG_FEW + 1, STORE_JOB_INSERT);
	t->jobs = backlog_take(&t->backlog, 0, &t->n, &t->stopped);
	ck_assert_uint_eq(t->n, BACKLOG_FEW + 1);
	for (size_t i = 0; i < BACKLOG_FEW + 1; i++)
		backlog_finish(&t->backlog, &jobs[i]);
	t->backlog.gather_ms = gather_ms;
}

START_TEST(inserts_that_come_fast_wait_for_a_full_batch)
{
	struct taker t;
	struct store_job jobs[BACKLOG_INSERT_BATCH];

	taker_init(&t, FOR_EVER_MS);
	taker_take_busy(&t, jobs);
	taker_add(&t, jobs, 1, STORE_JOB_INSERT);
	taker_start(&t);
	taker_await_gathering(&t);
	taker_add(&t, jobs + 1, BACKLOG_INSERT_BATCH - 1, STORE_JOB_INSERT);
	taker_end(&t);
	ck_assert_uint_eq(t.n, BACKLOG_INSERT_BATCH);
	backlog_fini(&t.backlog);
}
END_TEST

START_TEST(more_than_a_few_that_wait_are_reason_enough)
{
	struct taker t;
	struct store_job jobs[BACKLOG_INSERT_BATCH];

	taker_init(&t, FOR_EVER_MS);
	taker_add(&t, jobs, BACKLOG_FEW + 1, STORE_JOB_INSERT);
	taker_start(&t);
	taker_await_gathering(&t);
	taker_add(
	    &t, jobs + BACKLOG_FEW + 1, BACKLOG_INSERT_BATCH - BACKLOG_FEW - 1, STORE_JOB_INSERT);
	taker_end(&t);
	ck_assert_uint_eq(t.n, BACKLOG_INSERT_BATCH);
	backlog_fini(&t.backlog);
}
END_TEST

START_TEST(a_few_inserts_wait_for_no_others)
{
	struct taker t;
	struct store_job jobs[BACKLOG_FEW];

	taker_init(&t, FOR_EVER_MS);
	taker_add(&t, jobs, BACKLOG_FEW, STORE_JOB_INSERT);
	taker_start(&t);
	taker_end(&t);
	ck_assert_uint_eq(t.n, BACKLOG_FEW);
	backlog_fini(&t.backlog);
}
END_TEST

START_TEST(inserts_wait_no_longer_than_their_time)
{
	struct taker t;
	struct store_job jobs[BACKLOG_FEW + 1];

	taker_init(&t, BACKLOG_GATHER_MS);
	taker_add(&t, jobs, BACKLOG_FEW + 1, STORE_JOB_INSERT);
	taker_start(&t);
	taker_end(&t);
	ck_assert_uint_eq(t.n, BACKLOG_FEW + 1);
	backlog_fini(&t.backlog);
}
END_TEST

static const struct {
	const char *name;
	enum store_job_kind kind;
	size_t n; /* Taken. */
} hurry_cases[] = {
	{ "a deflate is taken at once", STORE_JOB_DEFLATE, 1 },
	{ "a note of a write is taken at once", STORE_JOB_INTEND, 1 },
	{ "a switch is taken at once", STORE_JOB_SWITCH, 1 },
	{ "for a spill the inserts before it are taken at once", STORE_JOB_SPILL, BACKLOG_FEW + 1 },
};

START_TEST(what_cannot_wait_ends_the_gathering)
{
	struct taker t;
	struct store_job jobs[BACKLOG_FEW + 1], hurried;

	taker_init(&t, FOR_EVER_MS);
	taker_add(&t, jobs, BACKLOG_FEW + 1, STORE_JOB_INSERT);
	taker_start(&t);
	taker_await_gathering(&t);
	taker_add(&t, &hurried, 1, hurry_cases[_i].kind);
	taker_end(&t);
	ck_assert_msg(t.n == hurry_cases[_i].n, "%s", hurry_cases[_i].name);
	bool urgent = t.jobs == &hurried;
	ck_assert_msg(
	    urgent == backlog_is_urgent(hurry_cases[_i].kind), "%s", hurry_cases[_i].name);
	backlog_fini(&t.backlog);
}
END_TEST

START_TEST(the_end_ends_the_gathering)
{
	struct taker t;
	struct store_job jobs[BACKLOG_FEW + 1];

	taker_init(&t, FOR_EVER_MS);
	taker_add(&t, jobs, BACKLOG_FEW + 1, STORE_JOB_INSERT);
	taker_start(&t);
	taker_await_gathering(&t);
	backlog_stop(&t.backlog);
	taker_end(&t);
	ck_assert_uint_eq(t.n, BACKLOG_FEW + 1);
	backlog_fini(&t.backlog);
}
END_TEST

START_TEST(a_small_store_has_small_batches)
{
	struct backlog b;

	ck_assert_int_eq(backlog_init(&b), 0);
	ck_assert_uint_eq(b.insert_batch, BACKLOG_INSERT_BATCH_LEAST);
	backlog_size(&b, 4096);
	ck_assert_uint_eq(b.insert_batch, BACKLOG_INSERT_BATCH_LEAST);
	backlog_size(&b, 65536);
	ck_assert_uint_eq(b.insert_batch, 64);
	backlog_size(&b, UINT64_MAX);
	ck_assert_uint_eq(b.insert_batch, BACKLOG_INSERT_BATCH);
	backlog_fini(&b);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("backlog");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, inserts_that_come_fast_wait_for_a_full_batch);
	tcase_add_test(tests, more_than_a_few_that_wait_are_reason_enough);
	tcase_add_test(tests, a_few_inserts_wait_for_no_others);
	tcase_add_test(tests, inserts_wait_no_longer_than_their_time);
	tcase_add_loop_test(tests, what_cannot_wait_ends_the_gathering, 0, (int)COUNT(hurry_cases));
	tcase_add_test(tests, the_end_ends_the_gathering);
	tcase_add_test(tests, a_small_store_has_small_batches);
	return suite_run("lib/store/backlog", tests);
}
