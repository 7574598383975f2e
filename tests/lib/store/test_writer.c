/* test_writer.c -- The writer does every job once, deflates first, within its bounds. */
#include "fill.h"

#include <semaphore.h>

/* Counts what came back; `hold` stops the writer in its first callback until `go`. */
struct counter {
	sem_t held, go, done;
	_Atomic int called, ok, stale, cancelled;
};

static void
counter_init(struct counter *c)
{
	memset(c, 0, sizeof(*c));
	sem_init(&c->held, 0, 0);
	sem_init(&c->go, 0, 0);
	sem_init(&c->done, 0, 0);
}

static void
counter_done(struct store_job *job)
{
	struct counter *c = job->owner;
	c->called++;
	c->ok += job->rc == 0;
	c->stale += job->rc == -ESTALE;
	c->cancelled += job->rc == -ECANCELED;
	sem_post(&c->done);
}

static void
counter_hold(struct store_job *job)
{
	struct counter *c = job->owner;
	sem_post(&c->held);
	sem_wait(&c->go);
	counter_done(job);
}

static void
counter_wait(struct counter *c, int n)
{
	for (int i = 0; i < n; i++)
		sem_wait(&c->done);
}

static struct store_job
counted(struct store_job job, struct counter *c)
{
	job.done = counter_done;
	job.owner = c;
	return job;
}

/* Stops the writer inside the callback of `job`. */
static void
writer_hold(struct shelf *f, struct store_job *job, struct counter *c)
{
	*job = counted(shelf_insert_job(f, "hold", SLICE("x")), c);
	job->done = counter_hold;
	ck_assert_int_eq(store_submit(f->store, job), 0);
	sem_wait(&c->held);
}

static uint64_t
writer_commits(struct shelf *f)
{
	MDB_envinfo info;
	mdb_env_info(f->store->env, &info);
	return info.me_last_txnid;
}

START_TEST(waiting_deflates_share_one_transaction_and_have_their_own_numbers)
{
	struct shelf *f = shelf_new();
	struct counter c;
	struct store_job hold, jobs[100];
	struct scope scope = shelf_scope(f, "p");
	bool seen[102] = { 0 };
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	writer_hold(f, &hold, &c);
	uint64_t before = writer_commits(f);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = counted(shelf_deflate_job(&scope, false), &c);
		ck_assert_int_eq(store_submit(f->store, &jobs[i]), 0);
	}
	sem_post(&c.go);
	counter_wait(&c, 1 + (int)COUNT(jobs));
	ck_assert_uint_le(writer_commits(f), before + 2);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		ck_assert_int_eq(jobs[i].rc, 0);
		ck_assert(jobs[i].deflated >= 1 && jobs[i].deflated <= 100);
		ck_assert(!seen[jobs[i].deflated]);
		seen[jobs[i].deflated] = true;
	}
	shelf_free(f);
}
END_TEST

START_TEST(a_deflate_overtakes_inserts_that_wait)
{
	struct shelf *f = shelf_new();
	struct counter c;
	struct store_job hold, inserts[40];
	struct scope scope = shelf_scope(f, "p");
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	writer_hold(f, &hold, &c);
	for (size_t i = 0; i < COUNT(inserts); i++) {
		inserts[i] = counted(shelf_insert_job(f, i % 2 ? "p/1" : "q/1", SLICE("x")), &c);
		ck_assert_int_eq(store_submit(f->store, &inserts[i]), 0);
	}
	struct store_job deflate = counted(shelf_deflate_job(&scope, false), &c);
	ck_assert_int_eq(store_submit(f->store, &deflate), 0);
	sem_post(&c.go);
	counter_wait(&c, 2 + (int)COUNT(inserts));
	ck_assert_int_eq(c.stale, 20);
	ck_assert_int_eq(c.ok, 22);
	ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
	ck_assert_int_eq(shelf_find(f, "q/1"), 0);
	shelf_free(f);
}
END_TEST

START_TEST(the_queue_has_bounds_in_jobs_and_bytes)
{
	struct shelf *f = shelf_new();
	struct counter c;
	struct store_job hold, large[3], *small = calloc(BACKLOG_INSERTS_MAX + 1, sizeof(*small));
	struct scope scope = shelf_scope(f, "p");
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	writer_hold(f, &hold, &c);
	for (int i = 0; i < BACKLOG_INSERTS_MAX; i++) {
		small[i] = counted(shelf_insert_job(f, "p/1", SLICE("x")), &c);
		ck_assert_int_eq(store_submit(f->store, &small[i]), 0);
	}
	struct store_job *over = &small[BACKLOG_INSERTS_MAX];
	*over = counted(shelf_insert_job(f, "p/1", SLICE("x")), &c);
	ck_assert_int_eq(store_submit(f->store, over), -EAGAIN);
	/* Full of inserts, it still takes deflates. */
	struct store_job deflate = counted(shelf_deflate_job(&scope, false), &c);
	ck_assert_int_eq(store_submit(f->store, &deflate), 0);
	sem_post(&c.go);
	counter_wait(&c, BACKLOG_INSERTS_MAX + 2);
	writer_hold(f, &hold, &c);
	for (size_t i = 0; i < COUNT(large); i++) {
		struct slice body = { calloc(1, 25 << 20), 25 << 20 };
		large[i] = counted(shelf_insert_job(f, "p/2", body), &c);
		ck_assert_int_eq(store_submit(f->store, &large[i]), i < 2 ? 0 : -EAGAIN);
	}
	sem_post(&c.go);
	counter_wait(&c, 3);
	for (size_t i = 0; i < COUNT(large); i++)
		free((void *)(uintptr_t)large[i].body.at);
	free(small);
	shelf_free(f);
}
END_TEST

START_TEST(closing_finishes_what_waits)
{
	struct shelf *f = shelf_new();
	struct counter c;
	struct store_job jobs[500];
	struct scope scope = shelf_scope(f, "p");
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		struct store_job job = i % 9 == 0 ? shelf_deflate_job(&scope, false)
						  : shelf_insert_job(f, "p/1", SLICE("x"));
		jobs[i] = counted(job, &c);
		ck_assert_int_eq(store_submit(f->store, &jobs[i]), 0);
	}
	shelf_close(f);
	ck_assert_int_eq(c.called, COUNT(jobs));
	ck_assert_int_eq(c.ok + c.stale, COUNT(jobs));
	shelf_free(f);
}
END_TEST

START_TEST(without_a_writer_closing_cancels_what_waits)
{
	struct shelf *f = shelf_new();
	struct counter c;
	struct store_job jobs[50];
	counter_init(&c);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = counted(shelf_insert_job(f, "p/1", SLICE("x")), &c);
		ck_assert_int_eq(store_submit(f->store, &jobs[i]), 0);
	}
	shelf_close(f);
	ck_assert_int_eq(c.called, COUNT(jobs));
	ck_assert_int_eq(c.cancelled, COUNT(jobs));
	shelf_free(f);
}
END_TEST

START_TEST(one_insert_too_many_does_not_cost_the_others_their_place)
{
	struct shelf *f = shelf_new_closed();
	struct store_options options = { .path = f->path, .size_bytes = 2 << 20 };
	struct counter c;
	struct store_job hold, jobs[20];
	char key[20];
	ck_assert_int_eq(store_open(&f->store, &options, f->why), 0);
	ck_assert_int_eq(store_reader_new(f->store, &f->reader), 0);
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	writer_hold(f, &hold, &c);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		snprintf(key, sizeof(key), "p/%zu", i);
		jobs[i] = counted(
		    shelf_insert_job(f, key, shelf_bytes(f, i == 5 ? 3 << 20 : 100, 1)), &c);
		ck_assert_int_eq(store_submit(f->store, &jobs[i]), 0);
	}
	sem_post(&c.go);
	counter_wait(&c, 1 + (int)COUNT(jobs));
	for (size_t i = 0; i < COUNT(jobs); i++)
		ck_assert_int_eq(jobs[i].rc, i == 5 ? -ENOSPC : 0);
	shelf_free(f);
}
END_TEST

/* In a full store, where a batch of all of them would take more than is made free at a time. */
START_TEST(a_batch_too_large_for_the_store_is_stored_in_parts)
{
	struct shelf *f = fill_shelf(0);
	struct counter c;
	struct store_job hold, jobs[24];
	char key[20];
	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(fill_put(f, i, (size_t)5 * BODY, 0), 0);
	store_read_end(f->reader);
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	writer_hold(f, &hold, &c);
	for (size_t i = 0; i < COUNT(jobs); i++) {
		snprintf(key, sizeof(key), "p/%zu", 100 + i);
		jobs[i] = counted(
		    shelf_insert_job(f, key, shelf_bytes(f, (size_t)5 * BODY, (unsigned)i)), &c);
		ck_assert_int_eq(store_submit(f->store, &jobs[i]), 0);
	}
	sem_post(&c.go);
	counter_wait(&c, 1 + (int)COUNT(jobs));
	ck_assert_int_eq(c.ok, 1 + (int)COUNT(jobs));
	shelf_free(f);
}
END_TEST

/* ---- Threads that read while others write: what was acknowledged is seen at once. ---- */

enum { RACE_ROUNDS = 400, RACE_READERS = 3 };

struct race {
	struct shelf *f;
	_Atomic uint64_t acknowledged;
	_Atomic bool over;
};

static void
race_acknowledge(struct store_job *job)
{
	struct race *race = job->owner;
	if (job->kind == STORE_JOB_DEFLATE && job->rc == 0)
		race->acknowledged = job->deflated;
}

static void *
race_read(void *context)
{
	struct race *race = context;
	struct store_reader *reader;
	struct store_entry entry;
	struct iovec body[4];
	struct arena arena = { 0 };
	struct slice fields[] = { SLICE("p"), SLICE("1") };
	struct tuple key;
	uintptr_t wrong = 0;
	if (tuple_encode(&arena, fields, 2, &key) != 0 ||
	    store_reader_new(race->f->store, &reader) != 0)
		return (void *)1;
	while (!race->over) {
		uint64_t acknowledged = race->acknowledged;
		size_t n = 4;
		if (store_read_begin(reader) != 0)
			return (void *)1;
		int rc = store_find(reader, &key, (struct slice){ NULL, 0 }, &entry, body, &n);
		bool alive =
		    rc == 0 &&
		    store_judge(reader, STORE_DOOR_HIT, entry.sequence, &key, entry.tags).life ==
			STORE_ALIVE;
		wrong += alive && entry.sequence < acknowledged;
		wrong += rc != 0 && rc != -ENOENT;
		store_read_end(reader);
	}
	store_reader_free(reader);
	arena_fini(&arena);
	return (void *)wrong;
}

START_TEST(no_reader_sees_alive_what_an_acknowledged_deflate_killed)
{
	struct shelf *f = shelf_new();
	struct race race = { .f = f };
	struct store_job *jobs = calloc(2 * RACE_ROUNDS, sizeof(*jobs));
	struct scope scope = shelf_scope(f, "p");
	pthread_t threads[RACE_READERS];
	ck_assert_int_eq(store_writer_start(f->store), 0);
	for (int i = 0; i < RACE_READERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, race_read, &race), 0);
	for (int i = 0; i < RACE_ROUNDS; i++) {
		shelf_look(f);
		jobs[2 * i] = shelf_insert_job(f, "p/1", SLICE("body"));
		jobs[2 * i + 1] = shelf_deflate_job(&scope, false);
		for (int j = 2 * i; j < 2 * i + 2; j++) {
			jobs[j].done = race_acknowledge;
			jobs[j].owner = &race;
			ck_assert_int_eq(store_submit(f->store, &jobs[j]), 0);
		}
		while (i % 4 == 0 && race.acknowledged < (uint64_t)i)
			sched_yield();
	}
	while (race.acknowledged < RACE_ROUNDS)
		sched_yield();
	race.over = true;
	for (int i = 0; i < RACE_READERS; i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		ck_assert_ptr_null(wrong);
	}
	store_read_end(f->reader);
	shelf_free(f);
	free(jobs);
}
END_TEST

START_TEST(trash_is_swept_while_nothing_else_happens)
{
	struct shelf *f = shelf_new();
	for (int i = 0; i < 4; i++) {
		struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 4 << 20, 1));
		ck_assert_int_eq(store_do(f->store, &job), 0);
	}
	ck_assert_uint_eq(shelf_rows(f, TABLE_TRASH), 3);
	store_read_end(f->reader);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	while (shelf_rows(f, TABLE_TRASH) > 0)
		sched_yield();
	ck_assert_uint_eq(shelf_rows(f, TABLE_CHUNK), chunk_count(4 << 20));
	shelf_free(f);
}
END_TEST

/* Housekeeping waits for the write lock as jobs do: what is behind it must know why. */
START_TEST(every_write_transaction_shows_that_the_store_is_busy)
{
	struct shelf *f = shelf_new();
	int64_t later_ms = clock_mono_ms() + 60000;
	struct change c;

	ck_assert_ptr_null(health_trouble(f->store, later_ms));
	ck_assert_int_eq(change_begin(f->store, &c), 0);
	ck_assert_str_eq(health_trouble(f->store, later_ms), "store-busy");
	change_abort(&c);
	ck_assert_ptr_null(health_trouble(f->store, later_ms));
	ck_assert_int_eq(change_begin(f->store, &c), 0);
	ck_assert_int_eq(change_commit(&c), 0);
	ck_assert_ptr_null(health_trouble(f->store, later_ms));
	shelf_free(f);
}
END_TEST

/* The longest list of freed pages that a transaction has left behind. */
static uint64_t
writer_most_freed(struct shelf *f)
{
	MDB_txn *txn;
	MDB_cursor *cursor;
	MDB_val key, value;
	uint64_t most = 0, count;

	ck_assert_int_eq(mdb_txn_begin(f->store->env, NULL, MDB_RDONLY, &txn), 0);
	ck_assert_int_eq(mdb_cursor_open(txn, 0, &cursor), 0);
	while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		memcpy(&count, value.mv_data, sizeof(count));
		most = count > most ? count : most;
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	return most;
}

/* Of a head that leaves room for no more than two entries on a page. */
static struct store_job
writer_large_job(struct shelf *f, int number)
{
	enum { LARGE = 9000, HEAD = 1700 };
	static char body[LARGE], head[HEAD];
	char key[16];

	memset(head, 'h', sizeof(head));
	snprintf(key, sizeof(key), "p/%06d", number);
	struct store_job job = shelf_insert_job(f, key, (struct slice){ body, sizeof(body) });
	job.head = (struct slice){ head, sizeof(head) };
	return job;
}

/* LMDB looks for a run of pages for a longer one: in a store that is nearly full that takes long.
 */
START_TEST(what_a_full_batch_frees_is_listed_on_one_page)
{
	enum { ENTRIES = 4000, STEP = 1567, LIST_MAX = RECORD_PAGE / 8 - 1 };
	struct shelf *f = shelf_new_closed();
	struct counter c;
	struct store_job hold, jobs[BACKLOG_INSERT_BATCH];

	f->size_bytes = 512 << 20;
	shelf_open(f);
	for (int i = 0; i < ENTRIES; i++) {
		struct store_job job = writer_large_job(f, i * STEP % ENTRIES);
		ck_assert_int_eq(store_do(f->store, &job), 0);
	}
	counter_init(&c);
	ck_assert_int_eq(store_writer_start(f->store), 0);
	writer_hold(f, &hold, &c);
	for (int i = 0; i < (int)COUNT(jobs); i++) {
		jobs[i] = counted(writer_large_job(f, i * STEP * 3 % ENTRIES), &c);
		ck_assert_int_eq(store_submit(f->store, &jobs[i]), 0);
	}
	sem_post(&c.go);
	counter_wait(&c, 1 + (int)COUNT(jobs));
	ck_assert_int_eq(c.ok, 1 + (int)COUNT(jobs));
	ck_assert_uint_gt(writer_most_freed(f), 2 * (uint64_t)BACKLOG_INSERT_BATCH);
	ck_assert_uint_le(writer_most_freed(f), LIST_MAX);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("writer");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, waiting_deflates_share_one_transaction_and_have_their_own_numbers);
	tcase_add_test(tests, a_deflate_overtakes_inserts_that_wait);
	tcase_add_test(tests, the_queue_has_bounds_in_jobs_and_bytes);
	tcase_add_test(tests, closing_finishes_what_waits);
	tcase_add_test(tests, without_a_writer_closing_cancels_what_waits);
	tcase_add_test(tests, a_batch_too_large_for_the_store_is_stored_in_parts);
	tcase_add_test(tests, one_insert_too_many_does_not_cost_the_others_their_place);
	tcase_add_test(tests, no_reader_sees_alive_what_an_acknowledged_deflate_killed);
	tcase_add_test(tests, every_write_transaction_shows_that_the_store_is_busy);
	tcase_add_test(tests, trash_is_swept_while_nothing_else_happens);
	tcase_add_test(tests, what_a_full_batch_frees_is_listed_on_one_page);
	return suite_run("lib/store/writer", tests);
}
