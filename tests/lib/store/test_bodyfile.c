/* test_bodyfile.c -- Bodies that are files: stored, found, replaced, removed, swept, never wrong.
 */
#include "base/clock.h"
#include "shelf.h"
#include "store/bodysweep.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { BIG = 100000, BIG_BLOCKS = 102400, MIN = 65536 };

static struct shelf *
files_new(void)
{
	struct shelf *f = shelf_new_closed();

	f->body_file_min = MIN;
	shelf_open(f);
	return f;
}

static int
files_insert(struct shelf *f, const char *key, size_t len, unsigned seed)
{
	struct store_job job = shelf_insert_job(f, key, shelf_bytes(f, len, seed));

	return store_do(f->store, &job);
}

static int files_count_found;

static int
files_count_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)path;
	(void)st;
	(void)where;
	files_count_found += kind == FTW_F;
	return 0;
}

/* Files below `bodies`. */
static int
files_count(const struct shelf *f)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/bodies", f->path);
	files_count_found = 0;
	nftw(path, files_count_one, 8, FTW_PHYS);
	return files_count_found;
}

static void
files_path(const struct shelf *f, char *out)
{
	char name[BODYFILE_NAME];

	bodyfile_name(f->entry.body_file, name);
	snprintf(out, 256, "%s/bodies/%s", f->path, name);
}

static bool
files_body_is(struct shelf *f, size_t len, unsigned seed)
{
	char *got = arena_alloc(&f->arena, len + 1);
	int fd = store_open_body(f->reader, &f->entry);

	ck_assert_int_ge(fd, 0);
	ssize_t n = pread(fd, got, len + 1, 0);
	close(fd);
	return n == (ssize_t)len &&
	       slice_equal((struct slice){ got, len }, shelf_bytes(f, len, seed));
}

static uint64_t
files_bytes(struct shelf *f)
{
	shelf_look(f);
	return f->reader->state.file_bytes;
}

static void
files_remove(struct shelf *f, const char *key)
{
	struct store_job job = { .kind = STORE_JOB_REMOVE, .key = shelf_key(f, key) };

	ck_assert_int_eq(store_do(f->store, &job), 0);
}

static void
files_walk(struct shelf *f)
{
	struct bodysweep walk = { 0 };

	while (bodysweep_step(&walk, f->store))
		continue;
	bodysweep_end(&walk);
}

static void
files_sweep_doomed(struct shelf *f, int64_t now_s)
{
	bool more = true;

	while (more)
		ck_assert_int_eq(bodysweep_doomed(f->store, now_s, BODYFILE_LINGER_S, &more), 0);
}

START_TEST(a_body_of_body_file_min_is_a_file_with_its_bytes)
{
	struct shelf *f = files_new();

	ck_assert_int_eq(files_insert(f, "p/1", MIN, 1), 0);
	ck_assert_int_eq(files_insert(f, "p/2", MIN - 1, 2), 0);
	ck_assert_int_eq(files_count(f), 1);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_uint_ne(f->entry.body_file, 0);
	ck_assert_uint_eq(f->n_pieces, 0);
	ck_assert_uint_eq(f->entry.body_bytes, MIN);
	ck_assert(files_body_is(f, MIN, 1));
	ck_assert_int_eq(shelf_find(f, "p/2"), 0);
	ck_assert_uint_eq(f->entry.body_file, 0);
	ck_assert(shelf_body_is(f, shelf_bytes(f, MIN - 1, 2)));
	shelf_free(f);
}
END_TEST

START_TEST(files_are_counted_in_blocks_while_entries_name_them)
{
	struct shelf *f = files_new();
	struct store_stat stat;

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	ck_assert_int_eq(files_insert(f, "p/2", MIN, 2), 0);
	ck_assert_uint_eq(files_bytes(f), BIG_BLOCKS + MIN);
	ck_assert_int_eq(store_stat(f->reader, &stat), 0);
	ck_assert_uint_ge(stat.used_bytes, BIG_BLOCKS + MIN);
	ck_assert_int_eq(files_insert(f, "p/1", MIN, 3), 0);
	ck_assert_uint_eq(files_bytes(f), 2 * MIN);
	ck_assert_int_eq(files_insert(f, "p/1", 10, 3), 0);
	ck_assert_uint_eq(files_bytes(f), MIN);
	files_remove(f, "p/2");
	ck_assert_uint_eq(files_bytes(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(files_fill_the_store)
{
	struct shelf *f = files_new();
	int rc = 0, stored = 0;

	/* Far more than the store takes: it refuses, or has thrown others out for it. */
	for (int i = 0; rc == 0 && i < 2 * SHELF_SIZE / (1 << 20); i++) {
		char key[16];
		snprintf(key, sizeof(key), "p/%d", i);
		rc = files_insert(f, key, 1 << 20, (unsigned)i);
		stored += rc == 0;
	}
	ck_assert(rc == 0 || rc == -ENOSPC);
	ck_assert_int_gt(stored, 32);
	ck_assert_uint_le(files_bytes(f), SHELF_SIZE);
	ck_assert_int_le(files_count(f), stored);
	shelf_free(f);
}
END_TEST

START_TEST(a_file_outlives_its_entry_for_a_while_and_its_descriptor_for_longer)
{
	struct shelf *f = files_new();
	char path[256], byte;

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	files_path(f, path);
	int fd = store_open_body(f->reader, &f->entry);
	int64_t now_s = clock_wall_s();
	ck_assert_int_eq(files_insert(f, "p/1", MIN, 2), 0);
	files_sweep_doomed(f, now_s + BODYFILE_LINGER_S - 1);
	files_walk(f);
	ck_assert_int_eq(access(path, R_OK), 0);
	files_sweep_doomed(f, now_s + BODYFILE_LINGER_S + 2);
	ck_assert_int_ne(access(path, R_OK), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_FILE), 1);
	ck_assert_uint_eq(shelf_rows(f, TABLE_DOOMED), 0);
	ck_assert_int_eq(pread(fd, &byte, 1, BIG - 1), 1);
	close(fd);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert(files_body_is(f, MIN, 2));
	shelf_free(f);
}
END_TEST

START_TEST(a_clock_that_was_set_back_keeps_no_file)
{
	struct shelf *f = files_new();

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	files_remove(f, "p/1");
	files_sweep_doomed(f, clock_wall_s() - 86400);
	ck_assert_int_eq(files_count(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(what_lingers_counts_as_used)
{
	struct shelf *f = files_new();
	struct store_stat stat;

	ck_assert_int_eq(files_insert(f, "p/1", SHELF_SIZE / 128, 1), 0);
	files_remove(f, "p/1");
	files_sweep_doomed(f, clock_wall_s() + 1);
	ck_assert_int_eq(files_count(f), 1);
	shelf_look(f);
	ck_assert_int_eq(store_stat(f->reader, &stat), 0);
	ck_assert_uint_gt(stat.used_bytes, SHELF_SIZE / 128);
	files_sweep_doomed(f, clock_wall_s() + BODYFILE_LINGER_S + 1);
	ck_assert_int_eq(files_count(f), 0);
	shelf_look(f);
	ck_assert_uint_eq(f->reader->state.doomed_bytes, 0);
	shelf_free(f);
}
END_TEST

START_TEST(the_file_of_a_record_that_failed_its_check_goes_too)
{
	struct shelf *f = files_new();

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	shelf_flip(f, TABLE_ENTRY, 60);
	ck_assert_int_eq(shelf_find(f, "p/1"), -EBADMSG);
	files_remove(f, "p/1");
	ck_assert_uint_eq(files_bytes(f), BIG_BLOCKS);
	files_walk(f);
	ck_assert_uint_eq(files_bytes(f), 0);
	files_sweep_doomed(f, clock_wall_s() + BODYFILE_LINGER_S + 1);
	ck_assert_int_eq(files_count(f), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_FILE), 0);
	shelf_free(f);
}
END_TEST

START_TEST(freshening_keeps_the_file)
{
	struct shelf *f = files_new();

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	struct store_job job = shelf_insert_job(f, "p/1", (struct slice){ NULL, 0 });
	job.kind = STORE_JOB_FRESHEN;
	job.aging.lifetime_s = 600;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_int_eq(f->entry.aging.lifetime_s, 600);
	ck_assert(files_body_is(f, BIG, 1));
	ck_assert_uint_eq(files_bytes(f), BIG_BLOCKS);
	files_sweep_doomed(f, clock_wall_s() + 1000);
	files_walk(f);
	ck_assert(files_body_is(f, BIG, 1));
	shelf_free(f);
}
END_TEST

START_TEST(a_refused_insert_leaves_no_file)
{
	struct shelf *f = files_new();

	struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, BIG, 1));
	shelf_deflate(f, "p", false);
	ck_assert_int_eq(store_do(f->store, &job), -ESTALE);
	ck_assert_int_eq(files_count(f), 0);
	ck_assert_uint_eq(files_bytes(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(a_missing_short_or_changed_file_is_no_body)
{
	struct shelf *f = files_new();
	char path[256];

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	shelf_close(f);
	shelf_open(f);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	files_path(f, path);
	int fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	switch (_i) {
	case 0:
		ck_assert_int_eq(ftruncate(fd, BIG - 1), 0);
		break;
	case 1:
		ck_assert_int_eq(ftruncate(fd, BIG + 1), 0);
		break;
	case 2:
		ck_assert_int_eq(pwrite(fd, "?!", 2, 5000), 2);
		break;
	case 3:
		unlink(path);
		break;
	default:
		unlink(path);
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		break;
	}
	close(fd);
	ck_assert_int_eq(store_open_body(f->reader, &f->entry), -EBADMSG);
	files_remove(f, "p/1");
	ck_assert_uint_eq(files_bytes(f), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
	files_sweep_doomed(f, clock_wall_s() + 1000);
	ck_assert_int_eq(files_count(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(a_disk_that_is_full_stores_nothing_and_keeps_nothing)
{
	struct shelf *f = files_new();
	const struct rlimit tight = { 2 << 20, RLIM_INFINITY },
			    wide = { RLIM_INFINITY, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
	ck_assert_int_eq(files_insert(f, "p/1", 3 << 20, 1), -ENOSPC);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &wide), 0);
	ck_assert_int_eq(files_count(f), 0);
	ck_assert_uint_eq(files_bytes(f), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), -ENOENT);
	ck_assert_int_eq(files_insert(f, "p/1", 3 << 20, 1), 0);
	shelf_free(f);
}
END_TEST

static void
files_put(const struct shelf *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/bodies/ab", f->path);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/bodies/ab/%s", f->path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(files_that_nobody_names_are_swept_but_not_what_is_being_written)
{
	struct shelf *f = files_new();
	char path[128];

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	files_put(f, "ab00000000000001");
	files_put(f, "ab00000000000002.tmp");
	files_put(f, "ab00000000000003");
	files_put(f, "ab00000000000004.tmp");
	files_put(f, "somebody's own");
	snprintf(path, sizeof(path), "%s/bodies/ab/ab00000000000003", f->path);
	int ready = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "%s/bodies/ab/ab00000000000004.tmp", f->path);
	int begun = open(path, O_RDONLY);
	ck_assert_int_eq(flock(ready, LOCK_SH), 0);
	ck_assert_int_eq(flock(begun, LOCK_SH), 0);
	files_walk(f);
	ck_assert_int_eq(files_count(f), 4);
	close(ready);
	close(begun);
	files_walk(f);
	ck_assert_int_eq(files_count(f), 2);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert(files_body_is(f, BIG, 1));
	shelf_free(f);
}
END_TEST

START_TEST(what_a_killed_writer_left_is_swept_by_the_next)
{
	struct shelf *f = files_new();
	int ready[2];
	char byte = 0;

	ck_assert_int_eq(pipe(ready), 0);
	shelf_close(f);
	pid_t child = fork();
	if (child == 0) {
		shelf_open(f);
		struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, BIG, 1));
		bodyfile_prepare(f->store, &job, 1);
		(void)!write(ready[1], &byte, 1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	shelf_open(f);
	files_walk(f);
	ck_assert_int_eq(files_count(f), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	files_walk(f);
	ck_assert_int_eq(files_count(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(only_where_it_is_asked_for_may_our_group_read_them)
{
	struct shelf *f = shelf_new_closed();
	char path[256], told[256];
	struct stat st;

	f->body_file_min = MIN;
	f->share_bodies = _i == 1;
	shelf_open(f);
	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	files_path(f, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, _i == 1 ? 0640 : 0600);
	int len = store_body_path(f->store, &f->entry, told, sizeof(told));
	ck_assert_int_eq(len, _i == 1 ? (int)strlen(path) : -EACCES);
	ck_assert(_i == 0 || strcmp(told, path) == 0);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, _i == 1 ? 0750 : 0700);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, _i == 1 ? 0750 : 0700);
	ck_assert_int_eq(stat(f->path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, _i == 1 ? 0710 : 0700);
	shelf_free(f);
}
END_TEST

START_TEST(files_from_before_they_were_shared_are_shared_when_they_are_opened)
{
	struct shelf *f = files_new();
	char path[256];
	struct stat st;

	ck_assert_int_eq(files_insert(f, "p/1", BIG, 1), 0);
	shelf_close(f);
	f->share_bodies = true;
	shelf_open(f);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert(files_body_is(f, BIG, 1));
	files_path(f, path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0750);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("bodyfile");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_body_of_body_file_min_is_a_file_with_its_bytes);
	tcase_add_test(tests, files_are_counted_in_blocks_while_entries_name_them);
	tcase_add_test(tests, files_fill_the_store);
	tcase_add_test(tests, a_file_outlives_its_entry_for_a_while_and_its_descriptor_for_longer);
	tcase_add_test(tests, a_clock_that_was_set_back_keeps_no_file);
	tcase_add_test(tests, what_lingers_counts_as_used);
	tcase_add_test(tests, the_file_of_a_record_that_failed_its_check_goes_too);
	tcase_add_test(tests, freshening_keeps_the_file);
	tcase_add_test(tests, a_refused_insert_leaves_no_file);
	tcase_add_loop_test(tests, a_missing_short_or_changed_file_is_no_body, 0, 5);
	tcase_add_test(tests, a_disk_that_is_full_stores_nothing_and_keeps_nothing);
	tcase_add_test(tests, files_that_nobody_names_are_swept_but_not_what_is_being_written);
	tcase_add_test(tests, what_a_killed_writer_left_is_swept_by_the_next);
	tcase_add_loop_test(tests, only_where_it_is_asked_for_may_our_group_read_them, 0, 2);
	tcase_add_test(tests, files_from_before_they_were_shared_are_shared_when_they_are_opened);
	return suite_run("bodyfile", tests);
}
