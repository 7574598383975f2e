/* test_trust.c -- After a crash a store is used at once where only LMDB wrote to it. */
#include "shelf.h"

#include "store/trust.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void
trust_data_path(const struct shelf *f, char *out, size_t size)
{
	snprintf(out, size, "%s/data.mdb", f->path);
}

/* A process that has the store open, stores something in it, and is gone. */
static void
trust_crash(struct shelf *f, const char *key, bool trusted)
{
	pid_t child = fork();
	if (child == 0) {
		shelf_open(f);
		f->store->trusted = trusted;
		_exit(shelf_insert(f, key, "kept") == 0 ? 0 : 1);
	}
	int status = -1;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

static struct shelf *
trust_shelf(void)
{
	struct shelf *f = shelf_new_closed();
	trust_crash(f, "p/1", true);
	return f;
}

START_TEST(a_store_that_a_killed_process_left_is_good)
{
	struct shelf *f = trust_shelf();
	ck_assert(trust_holds(f->path));
	trust_crash(f, "p/2", true);
	ck_assert(trust_holds(f->path));
	shelf_open(f);
	ck_assert(f->store->trusted);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_int_eq(shelf_find(f, "p/2"), 0);
	shelf_free(f);
}
END_TEST

START_TEST(every_commit_is_noted)
{
	struct shelf *f = shelf_new();
	for (int i = 0; i < 3; i++) {
		shelf_look(f);
		ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
		ck_assert(trust_holds(f->path));
		shelf_deflate(f, "p/1", false);
		ck_assert(trust_holds(f->path));
	}
	shelf_free(f);
}
END_TEST

static void
touch_write(const char *path)
{
	shelf_overwrite(path, 8192, SLICE("g"));
}

static void
touch_length(const char *path)
{
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 4096), 0);
}

/* Written, and dated back. */
static void
touch_and_date_back(const char *path)
{
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	touch_write(path);
	const struct timespec times[2] = { st.st_atim, st.st_mtim };
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The same bytes, as another file. */
static void
touch_copy(const char *path)
{
	char command[256], copy[160];
	snprintf(copy, sizeof(copy), "%s.copy", path);
	snprintf(command, sizeof(command), "cp -p %s %s", path, copy);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(rename(copy, path), 0);
}

static void (*const touches[])(
    const char *path) = { touch_write, touch_length, touch_and_date_back, touch_copy };

START_TEST(what_somebody_else_wrote_to_is_not)
{
	struct shelf *f = trust_shelf();
	char path[64];
	trust_data_path(f, path, sizeof(path));
	const struct timespec tick = { .tv_nsec = 20000000 };
	nanosleep(&tick, NULL); /* File systems tell times apart by the tick. */
	touches[_i](path);
	ck_assert(!trust_holds(f->path));
	shelf_free(f);
}
END_TEST

START_TEST(a_store_that_was_not_found_good_does_not_become_so)
{
	struct shelf *f = shelf_new_closed();
	trust_crash(f, "p/1", false);
	ck_assert(!trust_holds(f->path));
	ck_assert_int_eq(trust_read(f->path), TRUST_UNKNOWN);
	shelf_free(f);
}
END_TEST

START_TEST(writes_that_failed_end_it)
{
	struct shelf *f = shelf_new();
	f->store->health.failures = 1;
	ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
	ck_assert(!trust_holds(f->path));
	shelf_free(f);
}
END_TEST

/* The mark as a crash at another moment would have left it. */
static void
trust_change(const struct shelf *f, void (*change)(struct trust_mark *mark, int how), int how)
{
	char path[64];
	struct trust_mark mark;
	snprintf(path, sizeof(path), "%s/trust", f->path);
	int fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, &mark, sizeof(mark), 0), sizeof(mark));
	change(&mark, how);
	mark.checksum = trust_checksum(&mark);
	ck_assert_int_eq(pwrite(fd, &mark, sizeof(mark), 0), sizeof(mark));
	close(fd);
}

static void
change_boot(struct trust_mark *mark, int how)
{
	mark->boot += (uint64_t)how;
}

START_TEST(another_run_of_the_kernel_knows_nothing)
{
	struct shelf *f = trust_shelf();
	trust_change(f, change_boot, 0);
	ck_assert(trust_holds(f->path));
	trust_change(f, change_boot, 1);
	ck_assert(!trust_holds(f->path));
	shelf_free(f);
}
END_TEST

START_TEST(a_damaged_mark_says_nothing)
{
	struct shelf *f = trust_shelf();
	char path[64];
	snprintf(path, sizeof(path), "%s/trust", f->path);
	touch_write(path);
	ck_assert(trust_holds(f->path)); /* Behind its end. */
	shelf_overwrite(path, 20, SLICE("\x7f"));
	ck_assert(!trust_holds(f->path));
	ck_assert_int_eq(truncate(path, 8), 0);
	ck_assert(!trust_holds(f->path));
	unlink(path);
	ck_assert(!trust_holds(f->path));
	shelf_free(f);
}
END_TEST

/* A commit began `how` ms before the file was last changed, and did not end. */
static void
change_writing(struct trust_mark *mark, int how)
{
	mark->writing_ns = mark->modified_ns - how * 1000000LL;
	mark->modified_ns -= 5000000000;
}

static const struct {
	int began_ms;
	bool holds;
} trust_commits[] = { { 0, true }, { TRUST_COMMIT_MS / 2, true }, { TRUST_COMMIT_MS * 2, false },
	{ -TRUST_CLOCK_MS * 2, false } };

START_TEST(a_commit_that_was_under_way_may_have_changed_it_for_a_moment)
{
	struct shelf *f = trust_shelf();
	trust_change(f, change_writing, trust_commits[_i].began_ms);
	ck_assert(trust_holds(f->path) == trust_commits[_i].holds);
	shelf_free(f);
}
END_TEST

START_TEST(who_joins_takes_over_what_is_known)
{
	struct shelf *f = shelf_new_closed();
	int ends[2], status;
	char byte;
	ck_assert_int_eq(pipe(ends), 0);
	pid_t other = fork();
	if (other == 0) {
		shelf_open(f);
		f->store->trusted = _i == 0;
		if (shelf_insert(f, "p/1", "one") == 0)
			(void)!write(ends[1], "o", 1);
		pause();
	}
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	shelf_open(f);
	ck_assert(!f->store->alone);
	ck_assert(f->store->trusted == (_i == 0));
	kill(other, SIGKILL);
	waitpid(other, &status, 0);
	close(ends[0]);
	shelf_free(f);
}
END_TEST

/* ---- Another file, or an older one ---------------------------------------------------------- */

enum trust_return { RETURN_COPY, RETURN_IN_PLACE, RETURN_NOTHING, RETURN_WITHOUT_MARK };

static const struct {
	enum trust_return how;
	bool rebooted, kept;
} trust_returns[] = {
	{ RETURN_COPY, false, false },
	{ RETURN_COPY, true, false },
	{ RETURN_IN_PLACE, false, false },
	{ RETURN_IN_PLACE, true, false },
	{ RETURN_NOTHING, false, true },
	{ RETURN_NOTHING, true, true },
	{ RETURN_WITHOUT_MARK, false, false },
	{ RETURN_WITHOUT_MARK, true, false },
};

/* In the store's directory. */
static void
trust_run(const struct shelf *f, const char *doing)
{
	char command[256];

	snprintf(command, sizeof(command), "cd %s && %s", f->path, doing);
	ck_assert_int_eq(system(command), 0);
}

static void
trust_bring_back(const struct shelf *f, enum trust_return how)
{
	switch (how) {
	case RETURN_COPY:
		trust_run(f, "mv old data.mdb");
		break;
	case RETURN_IN_PLACE:
		trust_run(f, "cp -p old data.mdb");
		break;
	case RETURN_NOTHING:
		break;
	case RETURN_WITHOUT_MARK:
		trust_run(f, "rm trust");
		break;
	}
}

/* What a process that is killed leaves behind: a deflate, and nothing after it. */
static void
trust_crash_after_deflate(struct shelf *f)
{
	pid_t child = fork();
	if (child == 0) {
		shelf_open(f);
		shelf_deflate(f, "p/1", false);
		_exit(0);
	}
	int status = -1;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

START_TEST(what_was_deflated_does_not_come_back_with_an_older_file)
{
	struct shelf *f = shelf_new_closed();
	trust_crash(f, "p/1", true);
	trust_crash(f, "p/2", true);
	trust_run(f, "cp -p data.mdb old");
	trust_crash_after_deflate(f);
	trust_bring_back(f, trust_returns[_i].how);
	if (trust_returns[_i].rebooted && trust_returns[_i].how != RETURN_WITHOUT_MARK)
		trust_change(f, change_boot, 1);
	shelf_open(f);
	ck_assert_int_ne(shelf_judge(f, "p/1", 0, "").life, STORE_ALIVE);
	ck_assert_int_eq(
	    shelf_judge(f, "p/2", 0, "").life, trust_returns[_i].kept ? STORE_ALIVE : STORE_DEAD);
	/* What comes then is as good as anything. */
	shelf_look(f);
	ck_assert_int_eq(shelf_insert(f, "p/1", "new"), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	shelf_free(f);
}
END_TEST

START_TEST(what_was_found_bad_is_set_aside_once_nobody_has_it)
{
	struct shelf *f = shelf_new();
	char path[64];
	ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
	uint64_t id = f->store->id;
	trust_condemn(f->store);
	/* Commits that others make meanwhile do not wash it off. */
	ck_assert_int_eq(shelf_insert(f, "p/2", "two"), 0);
	ck_assert_int_eq(trust_read(f->path), TRUST_BAD);
	struct store_options options = { .path = f->path, .size_bytes = SHELF_SIZE };
	struct store *second = NULL;
	pid_t other = fork();
	if (other == 0)
		_exit(store_open(&second, &options, f->why) == -EINVAL ? 0 : 1);
	int status = -1;
	waitpid(other, &status, 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_ne(health_examine(f->store, f->why), 0);
	shelf_close(f);
	shelf_open(f);
	ck_assert_uint_ne(f->store->id, id);
	ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
	snprintf(path, sizeof(path), "%s/trust", f->path);
	ck_assert_int_eq(trust_read(f->path), TRUST_GOOD);
	shelf_free(f);
}
END_TEST

/* ---- What there was no time to look at before ------------------------------------------------ */

static enum inspection
trust_walk(struct shelf *f, bool writing)
{
	enum inspection verdict = INSPECTION_LATE;
	inspect_begin(&f->store->walk, f->path, f->store->size_bytes, 20000);
	ck_assert_int_gt(f->store->walk.child, 0);
	for (int i = 0; verdict == INSPECTION_LATE && f->store->walk.child != 0; i++) {
		char name[16];
		snprintf(name, sizeof(name), "p/%d", i % 300);
		int rc = writing ? shelf_insert(f, name, name) : 0;
		/* A busy machine may let the child wait with its snapshot until nothing is free. */
		ck_assert(rc == 0 || rc == -ENOSPC);
		verdict = inspect_ask(&f->store->walk);
	}
	return verdict;
}

/* Some of every table, more than one snapshot's worth. */
static struct shelf *
trust_full_shelf(void)
{
	struct shelf *f = shelf_new();
	char name[16];
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "large/%d", i);
		struct store_job job = shelf_insert_job(f, name, shelf_bytes(f, 200000, 1));
		ck_assert_int_eq(store_do(f->store, &job), 0);
		snprintf(name, sizeof(name), "gone/%d", i);
		shelf_deflate(f, name, false);
		shelf_look(f);
	}
	store_read_end(f->reader);
	return f;
}

START_TEST(a_walk_beside_a_writer_finds_nothing_wrong)
{
	struct shelf *f = trust_full_shelf();
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(trust_walk(f, i % 2 == 0), INSPECTION_GOOD);
	shelf_free(f);
}
END_TEST

static void
trust_damage(const struct shelf *f, unsigned step)
{
	char path[64], page[4096];
	struct stat st;
	trust_data_path(f, path, sizeof(path));
	ck_assert_int_eq(stat(path, &st), 0);
	memset(page, 'g', sizeof(page));
	int fd = open(path, O_WRONLY);
	for (off_t at = 8192 + (step == 1 ? 0 : 4096L * step); at < st.st_size; at += 4096L * step)
		ck_assert_int_eq(pwrite(fd, page, sizeof(page), at), sizeof(page));
	close(fd);
}

/* From all pages to every hundredth. */
START_TEST(a_walk_beside_finds_damaged_pages)
{
	static const unsigned steps[] = { 1, 10, 100 };
	struct shelf *f = trust_full_shelf();
	trust_damage(f, steps[_i]);
	ck_assert_int_eq(trust_walk(f, false), INSPECTION_BAD);
	shelf_free(f);
}
END_TEST

START_TEST(a_store_that_was_opened_in_doubt_is_walked_and_known_after)
{
	struct shelf *f = trust_full_shelf();
	const struct timespec tick = { .tv_nsec = 1000000 };
	int rc = 0;
	f->store->trusted = false;
	if (_i == 1)
		trust_damage(f, 1);
	for (int i = 0; i < 10000 && rc == 0 && !f->store->trusted; i++) {
		rc = health_examine(f->store, f->why);
		nanosleep(&tick, NULL);
	}
	ck_assert(f->store->trusted == (_i == 0));
	ck_assert(rc == (_i == 0 ? 0 : -EIO));
	ck_assert(trust_read(f->path) == (_i == 0 ? TRUST_GOOD : TRUST_BAD));
	shelf_free(f);
}
END_TEST

/* A client's connection ends when doryd closes it. */
START_TEST(a_walk_holds_no_descriptor_of_its_parent)
{
	struct shelf *f = trust_full_shelf();
	struct stat st, link;
	char path[64], byte;
	bool met = false;
	trust_data_path(f, path, sizeof(path));
	ck_assert_int_eq(stat(path, &st), 0);
	for (int i = 0; i < 50 && !met; i++) {
		int ends[2];
		ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
		inspect_begin(&f->store->walk, f->path, f->store->size_bytes, 20000);
		close(ends[1]);
		/* Its own descriptors are the lowest there are: so it has closed ours. */
		snprintf(path, sizeof(path), "/proc/%d/fd/3", (int)f->store->walk.child);
		siginfo_t over = { .si_pid = 0 };
		while (!met && over.si_pid == 0 &&
		       waitid(P_PID, (id_t)f->store->walk.child, &over,
			   WEXITED | WNOHANG | WNOWAIT) == 0)
			met = stat(path, &link) == 0 && link.st_ino == st.st_ino;
		kill(f->store->walk.child, SIGSTOP);
		if (met)
			ck_assert_int_eq(read(ends[0], &byte, 1), 0);
		inspect_end(&f->store->walk);
		close(ends[0]);
	}
	ck_assert(met);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("trust");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, a_store_that_a_killed_process_left_is_good);
	tcase_add_test(tests, every_commit_is_noted);
	tcase_add_loop_test(tests, what_somebody_else_wrote_to_is_not, 0, (int)COUNT(touches));
	tcase_add_test(tests, a_store_that_was_not_found_good_does_not_become_so);
	tcase_add_test(tests, writes_that_failed_end_it);
	tcase_add_test(tests, another_run_of_the_kernel_knows_nothing);
	tcase_add_test(tests, a_damaged_mark_says_nothing);
	tcase_add_loop_test(tests, a_commit_that_was_under_way_may_have_changed_it_for_a_moment, 0,
	    (int)COUNT(trust_commits));
	tcase_add_loop_test(tests, who_joins_takes_over_what_is_known, 0, 2);
	tcase_add_loop_test(tests, what_was_deflated_does_not_come_back_with_an_older_file, 0,
	    (int)COUNT(trust_returns));
	tcase_add_test(tests, what_was_found_bad_is_set_aside_once_nobody_has_it);
	tcase_add_test(tests, a_walk_beside_a_writer_finds_nothing_wrong);
	tcase_add_loop_test(tests, a_walk_beside_finds_damaged_pages, 0, 3);
	tcase_add_loop_test(
	    tests, a_store_that_was_opened_in_doubt_is_walked_and_known_after, 0, 2);
	tcase_add_test(tests, a_walk_holds_no_descriptor_of_its_parent);
	return suite_run("lib/store/trust", tests);
}
