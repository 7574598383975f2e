/* test_open.c -- A store opens where it should, and says why where it cannot. */
#include "shelf.h"

#include <fcntl.h>
#include <sys/stat.h>

START_TEST(what_was_stored_is_there_after_reopening)
{
	struct shelf *f = shelf_new();
	ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
	shelf_deflate(f, "p/2", false);
	shelf_close(f);
	shelf_open(f);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert(shelf_body_is(f, SLICE("one")));
	ck_assert_uint_eq(store_sequence(f->reader), 1);
	shelf_free(f);
}
END_TEST

static int
open_at(struct shelf *f, const char *path, bool must_exist)
{
	struct store_options options = {
		.path = path, .size_bytes = SHELF_SIZE, .must_exist = must_exist
	};
	int rc = store_open(&f->store, &options, f->why);
	ck_assert_msg((rc == 0) == (f->why[0] == '\0'), "%d: %s", rc, f->why);
	return rc;
}

START_TEST(places_that_are_no_store_are_refused_with_a_reason)
{
	struct shelf *f = shelf_new_closed();
	char path[128];
	ck_assert_int_eq(open_at(f, f->path, true), -ENOENT);
	snprintf(path, sizeof(path), "%s/missing", f->path);
	ck_assert_int_eq(open_at(f, path, true), -ENOENT);
	snprintf(path, sizeof(path), "%s/missing/store", f->path);
	ck_assert_int_eq(open_at(f, path, false), -ENOENT);
	ck_assert_int_eq(open_at(f, "/dev/null", false), -EINVAL);
	chmod(f->path, 0770);
	ck_assert_int_eq(open_at(f, f->path, false), -EACCES);
	ck_assert_ptr_nonnull(strstr(f->why, "chmod"));
	chmod(f->path, 0700);
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(open_at(f, f->path, false), -EINVAL);
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(write(fd, "garbage ", 8), 8);
	close(fd);
	ck_assert_int_eq(open_at(f, f->path, false), -EINVAL);
	shelf_free(f);
}
END_TEST

START_TEST(a_store_cut_short_is_refused)
{
	struct shelf *f = shelf_new();
	char path[128];
	struct stat st;
	struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 1 << 20, 1));
	ck_assert_int_eq(store_do(f->store, &job), 0);
	shelf_close(f);
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 40 * 4096), 0);
	ck_assert_int_eq(open_at(f, f->path, false), -EINVAL);
	ck_assert_ptr_nonnull(strstr(f->why, "cut short"));
	shelf_free(f);
}
END_TEST

START_TEST(the_last_pages_may_be_missing_and_are_not_trusted)
{
	struct shelf *f = shelf_new();
	char path[128];
	struct stat st;
	struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 1 << 20, 1));
	ck_assert_int_eq(store_do(f->store, &job), 0);
	shelf_close(f);
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 4096), 0);
	int rc = open_at(f, f->path, false);
	if (rc == 0) {
		ck_assert_int_eq(store_reader_new(f->store, &f->reader), 0);
		if (store_read_begin(f->reader) == 0 && shelf_find(f, "p/1") == 0)
			ck_assert(shelf_body_is(f, job.body));
	}
	shelf_free(f);
}
END_TEST

START_TEST(a_store_of_another_version_is_refused)
{
	struct shelf *f = shelf_new();
	shelf_flip(f, TABLE_META, 12);
	shelf_close(f);
	ck_assert_int_eq(open_at(f, f->path, false), -EINVAL);
	ck_assert_ptr_nonnull(strstr(f->why, "version"));
	shelf_free(f);
}
END_TEST

START_TEST(the_larger_size_wins)
{
	struct shelf *f = shelf_new();
	struct store_options options = {
		.path = f->path, .size_bytes = SHELF_SIZE / 2, .must_exist = true
	};
	ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
	shelf_close(f);
	ck_assert_int_eq(store_open(&f->store, &options, f->why), 0);
	ck_assert_uint_eq(f->store->size_bytes, SHELF_SIZE);
	store_close(f->store);
	options.size_bytes = SHELF_SIZE * 2 + 1;
	ck_assert_int_eq(store_open(&f->store, &options, f->why), 0);
	ck_assert_uint_eq(f->store->size_bytes, SHELF_SIZE * 2 + 4096);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("open");
	tcase_add_test(tests, what_was_stored_is_there_after_reopening);
	tcase_add_test(tests, places_that_are_no_store_are_refused_with_a_reason);
	tcase_add_test(tests, a_store_cut_short_is_refused);
	tcase_add_test(tests, the_last_pages_may_be_missing_and_are_not_trusted);
	tcase_add_test(tests, a_store_of_another_version_is_refused);
	tcase_add_test(tests, the_larger_size_wins);
	return suite_run("lib/store/open", tests);
}
