/* test_processes.c -- Several processes share a store, and nothing breaks when one is killed. */
#include "shelf.h"

#include <signal.h>
#include <sys/wait.h>

/* A process that runs `main_of` with a store of its own; it is told and tells through pipes. */
struct child {
	pid_t pid;
	int to, from;
};

typedef void child_main(struct shelf *f, int in, int out);

static struct child
child_start(struct shelf *f, child_main *main_of)
{
	int to[2], from[2];
	ck_assert_int_eq(pipe(to), 0);
	ck_assert_int_eq(pipe(from), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct store_options options = { .path = f->path, .size_bytes = SHELF_SIZE };
		close(to[1]);
		close(from[0]);
		/* Whatever the parent has open is not ours: a new environment. */
		if (store_open(&f->store, &options, f->why) != 0 ||
		    store_reader_new(f->store, &f->reader) != 0)
			_exit(1);
		main_of(f, to[0], from[1]);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	return (struct child){ pid, to[1], from[0] };
}

static void
child_kill(struct child *c)
{
	ck_assert_int_eq(kill(c->pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(c->pid, NULL, 0), c->pid);
	close(c->to);
	close(c->from);
}

static void
tell(int fd, uint64_t what)
{
	if (write(fd, &what, sizeof(what)) != sizeof(what))
		_exit(3);
}

static uint64_t
hear(int fd)
{
	uint64_t what = 0;
	return read(fd, &what, sizeof(what)) == sizeof(what) ? what : UINT64_MAX;
}

/* Answers each question with its sequence, and whether p/1 as of 0 is dead. */
static void
child_answer(struct shelf *f, int in, int out)
{
	while (hear(in) != UINT64_MAX) {
		struct store_judgement got = shelf_judge(f, "p/1", 0, "");
		tell(out, store_sequence(f->reader));
		tell(out, got.life == STORE_DEAD);
	}
}

START_TEST(another_process_sees_a_deflate_in_its_next_snapshot)
{
	struct shelf *f = shelf_new_closed();
	struct child child = child_start(f, child_answer);
	shelf_open(f);
	for (uint64_t i = 0; i < 200; i++) {
		tell(child.to, 1);
		ck_assert_uint_eq(hear(child.from), i);
		ck_assert_uint_eq(hear(child.from), i > 0);
		ck_assert_uint_eq(shelf_deflate(f, "p", false), i + 1);
	}
	child_kill(&child);
	/* Its reader slot is found to be dead. */
	struct store_stat stat;
	int dead;
	ck_assert_int_eq(mdb_reader_check(f->store->env, &dead), 0);
	ck_assert_int_eq(dead, 1);
	shelf_look(f);
	ck_assert_int_eq(store_stat(f->reader, &stat), 0);
	ck_assert_uint_eq(stat.readers, 1);
	shelf_free(f);
}
END_TEST

static void
child_acknowledge(struct store_job *job)
{
	if (job->rc != 0)
		_exit(2);
	tell(*(int *)job->owner, job->deflated);
}

/* Deflates k/0 to k/9 in turn and inserts as it goes, and tells of each deflate that is on disk. */
static void
child_deflate(struct shelf *f, int in, int out)
{
	(void)in;
	if (store_writer_start(f->store) != 0)
		_exit(1);
	for (uint64_t i = 0;; i++) {
		char key[32];
		struct store_job *jobs = calloc(2, sizeof(*jobs));
		struct scope *scope = malloc(sizeof(*scope));
		shelf_look(f);
		snprintf(key, sizeof(key), "k/%u", (unsigned)(store_sequence(f->reader) % 10));
		*scope = shelf_scope(f, key);
		jobs[0] = shelf_deflate_job(scope, false);
		jobs[0].done = child_acknowledge;
		jobs[0].owner = &out;
		jobs[1] = shelf_insert_job(f, key, shelf_bytes(f, 20000, 1));
		for (int j = 0; j < 2; j++) {
			while (store_submit(f->store, &jobs[j]) != 0)
				sched_yield();
		}
	}
}

START_TEST(what_was_acknowledged_outlives_kill_9)
{
	struct shelf *f = shelf_new_closed();
	struct deflated row;
	uint64_t last = 0;
	for (int round = 0; round < 8; round++) {
		struct child child = child_start(f, child_deflate);
		for (int i = 0; i < 10 + 37 * round; i++) {
			uint64_t acknowledged = hear(child.from);
			ck_assert_uint_ne(acknowledged, UINT64_MAX);
			ck_assert_uint_gt(acknowledged, last);
			last = acknowledged;
		}
		kill(child.pid, SIGKILL);
		for (uint64_t more = hear(child.from); more != UINT64_MAX; more = hear(child.from))
			last = more;
		waitpid(child.pid, NULL, 0);
		close(child.to);
		close(child.from);
		shelf_open(f);
		ck_assert_uint_ge(store_sequence(f->reader), last);
		uint64_t highest = 0;
		for (int k = 0; k < 10; k++) {
			char key[32];
			snprintf(key, sizeof(key), "k/%d", k);
			if (deflated_get(f->store, f->reader->txn, shelf_scope(f, key), &row) ==
				0 &&
			    row.hard > highest)
				highest = row.hard;
			int rc = shelf_find(f, key);
			ck_assert(rc == 0 || rc == -ENOENT);
		}
		ck_assert_uint_ge(highest, last);
		last = store_sequence(f->reader);
		shelf_close(f);
	}
	shelf_free(f);
}
END_TEST

static struct store_job
intend_job(const struct scope *scopes, size_t n, bool soft)
{
	struct store_job job = shelf_deflate_job(scopes, soft);
	job.kind = STORE_JOB_INTEND;
	job.n_scopes = n;
	return job;
}

static void
child_intend(struct shelf *f, int in, int out)
{
	struct scope scopes[] = { shelf_scope(f, "p/1"), shelf_scope(f, "tag:t") };
	struct store_job hard = intend_job(scopes, 2, false), soft;
	struct scope other = shelf_scope(f, "s");
	soft = intend_job(&other, 1, true);
	if (store_do(f->store, &hard) != 0 || store_do(f->store, &soft) != 0)
		_exit(1);
	tell(out, hard.intent != 0);
	hear(in);
}

START_TEST(what_a_killed_process_announced_is_deflated)
{
	struct shelf *f = shelf_new_closed();
	struct deflated row;
	struct child child = child_start(f, child_intend);
	ck_assert_uint_eq(hear(child.from), 1);
	/* It lives: its write may yet fail. */
	shelf_open(f);
	ck_assert_int_eq(intent_recover(f->store), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_INTENT), 2);
	ck_assert_uint_eq(store_sequence(f->reader), 0);
	if (_i == 0) {
		child_kill(&child);
		ck_assert_int_eq(intent_recover(f->store), 0);
	} else {
		/* Opening finds it too, and a process that nobody has waited for is dead. */
		shelf_close(f);
		kill(child.pid, SIGKILL);
		siginfo_t info;
		waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT);
		shelf_open(f);
		child_kill(&child);
	}
	ck_assert_uint_eq(shelf_rows(f, TABLE_INTENT), 0);
	ck_assert_int_eq(shelf_judge(f, "p/1", 0, "").life, STORE_DEAD);
	ck_assert_int_eq(shelf_judge(f, "p/2", 0, "t").life, STORE_DEAD);
	ck_assert_int_eq(shelf_judge(f, "s/2", 0, "").life, STORE_SOFT);
	ck_assert_int_eq(shelf_judge(f, "p/2", 0, "").life, STORE_ALIVE);
	ck_assert_int_eq(deflated_get(f->store, f->reader->txn, shelf_scope(f, "p/1"), &row), 0);
	ck_assert_str_eq(row.by, "test");
	shelf_free(f);
}
END_TEST

START_TEST(a_note_ends_with_its_write)
{
	struct shelf *f = shelf_new();
	struct scope scope = shelf_scope(f, "p/1");
	struct store_job note = intend_job(&scope, 1, false);
	ck_assert_int_eq(store_do(f->store, &note), 0);
	struct store_job end = shelf_deflate_job(&scope, false);
	end.intent = note.intent;
	ck_assert_int_eq(store_do(f->store, &end), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_INTENT), 0);
	uint64_t sequence = store_sequence(f->reader);
	/* It was taken for dead and carried out by another: no harm. */
	ck_assert_int_eq(store_do(f->store, &end), 0);
	ck_assert_int_eq(store_do(f->store, &note), 0);
	end.kind = STORE_JOB_ABANDON;
	end.intent = note.intent;
	ck_assert_int_eq(store_do(f->store, &end), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_INTENT), 0);
	ck_assert_uint_eq(store_sequence(f->reader), sequence + 1);
	shelf_free(f);
}
END_TEST

static const struct {
	const char *name;
	size_t len;
} damaged_cases[] = { { "empty", 0 }, { "cut within its owner", 10 },
	{ "cut within a scope", 70 } };

START_TEST(a_damaged_note_deflates_everything)
{
	struct shelf *f = shelf_new();
	struct scope scope = shelf_scope(f, "p/1");
	struct store_job note = intend_job(&scope, 1, false);
	struct change c;
	char copy[100];
	MDB_val value, key = { sizeof(note.intent), &note.intent };
	f->store->self.boot++;
	ck_assert_int_eq(store_do(f->store, &note), 0);
	f->store->self.boot--;
	ck_assert_int_eq(change_begin(f->store, &c), 0);
	ck_assert_int_eq(mdb_get(c.txn, f->store->tables[TABLE_INTENT], &key, &value), 0);
	memcpy(copy, value.mv_data, damaged_cases[_i].len);
	value = (MDB_val){ damaged_cases[_i].len, copy };
	ck_assert_int_eq(mdb_put(c.txn, f->store->tables[TABLE_INTENT], &key, &value, 0), 0);
	ck_assert_int_eq(change_commit(&c), 0);
	ck_assert_int_eq(intent_recover(f->store), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_INTENT), 0);
	ck_assert_msg(shelf_judge(f, "q", 0, "").life == STORE_DEAD, "%s", damaged_cases[_i].name);
	shelf_free(f);
}
END_TEST

START_TEST(a_process_number_given_again_is_not_its_first_owner)
{
	struct owner self, other;
	ck_assert_int_eq(owner_self(&self), 0);
	ck_assert(!owner_is_dead(&self, &self));
	other = self;
	other.started++;
	ck_assert(owner_is_dead(&other, &self));
	other = self;
	other.boot++;
	ck_assert(owner_is_dead(&other, &self));
	other = self;
	other.pid = 0;
	ck_assert(owner_is_dead(&other, &self));
	other.pid = INT64_MIN;
	ck_assert(owner_is_dead(&other, &self));
}
END_TEST

/* Opens, deflates and closes again and again. */
static void
child_come_and_go(struct shelf *f, int in, int out)
{
	(void)in;
	for (int i = 0; i < 60; i++) {
		struct scope scope = { SCOPE_ALL, { NULL, 0 } };
		struct store_job job = shelf_deflate_job(&scope, false);
		struct store_options options = { .path = f->path, .size_bytes = SHELF_SIZE };
		if (store_do(f->store, &job) != 0)
			_exit(1);
		shelf_close(f);
		if (store_open(&f->store, &options, f->why) != 0) {
			fprintf(stderr, "%s\n", f->why);
			_exit(1);
		}
	}
	tell(out, 1);
}

START_TEST(processes_come_and_go_at_once)
{
	struct shelf *f = shelf_new_closed();
	struct child children[6];
	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = child_start(f, child_come_and_go);
	for (size_t i = 0; i < COUNT(children); i++) {
		int status;
		ck_assert_uint_eq(hear(children[i].from), 1);
		waitpid(children[i].pid, &status, 0);
		close(children[i].to);
		close(children[i].from);
	}
	shelf_open(f);
	ck_assert_uint_eq(store_sequence(f->reader), 60 * COUNT(children));
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("processes");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, another_process_sees_a_deflate_in_its_next_snapshot);
	tcase_add_test(tests, what_was_acknowledged_outlives_kill_9);
	tcase_add_loop_test(tests, what_a_killed_process_announced_is_deflated, 0, 2);
	tcase_add_test(tests, a_note_ends_with_its_write);
	tcase_add_loop_test(tests, a_damaged_note_deflates_everything, 0, COUNT(damaged_cases));
	tcase_add_test(tests, a_process_number_given_again_is_not_its_first_owner);
	tcase_add_test(tests, processes_come_and_go_at_once);
	return suite_run("lib/store/processes", tests);
}
