/* test_open.c -- A store opens where it should, and says why where it cannot. */
#include "shelf.h"

#include "store/inspect.h"
#include "store/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
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
	shelf_free(f);
}
END_TEST

/* What was done to data.mdb while nobody had it open, and whether a visitor is told so. */
static void
damage_cut(const char *path)
{
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 40 * 4096), 0);
}

static void
damage_fifo(const char *path)
{
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void
damage_directory(const char *path)
{
	unlink(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void
damage_link(const char *path)
{
	unlink(path);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
}

/* All of it but so many bytes at the start. */
static void
damage_from(const char *path, off_t from)
{
	struct stat st;
	char page[4096];
	int fd = open(path, O_WRONLY);
	ck_assert_int_eq(fstat(fd, &st), 0);
	memset(page, 'g', sizeof(page));
	for (off_t at = from; at < st.st_size; at += (off_t)sizeof(page))
		ck_assert_int_eq(pwrite(fd, page, sizeof(page), at), sizeof(page));
	close(fd);
}

static void
damage_all(const char *path)
{
	damage_from(path, 0);
}

static void
damage_pages(const char *path)
{
	damage_from(path, 2 * 4096L);
}

static const struct {
	const char *name;
	void (*damage)(const char *path);
} open_damages[] = {
	{ "cut short", damage_cut },
	{ "a FIFO", damage_fifo },
	{ "a directory", damage_directory },
	{ "a symbolic link", damage_link },
	{ "garbage", damage_all },
	{ "garbage behind its header", damage_pages },
};

static unsigned
open_count_aside(const struct shelf *f)
{
	DIR *directory = opendir(f->path);
	const struct dirent *item;
	unsigned n = 0;
	while ((item = readdir(directory)) != NULL)
		n += strncmp(item->d_name, "store.bad-", 10) == 0;
	closedir(directory);
	return n;
}

START_TEST(what_cannot_be_trusted_is_set_aside_and_a_new_store_begun)
{
	struct shelf *f = shelf_new();
	char path[128];
	struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 1 << 20, 1));
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	ck_assert_int_eq(store_do(f->store, &job), 0);
	uint64_t id = f->store->id;
	/* Twice: one is kept. */
	for (int i = 0; i < 2; i++) {
		shelf_close(f);
		open_damages[_i].damage(path);
		shelf_open(f);
		ck_assert_msg(shelf_find(f, "p/1") == -ENOENT, "%s", open_damages[_i].name);
		ck_assert_uint_eq(open_count_aside(f), 1);
		ck_assert_uint_ne(f->store->id, id);
		store_read_end(f->reader);
		ck_assert_int_eq(store_do(f->store, &job), 0);
		/* What was fetched for the old one is not for this one. */
		job.store_id = id;
		ck_assert_int_eq(store_do(f->store, &job), -ESTALE);
		job.store_id = 0;
	}
	shelf_free(f);
}
END_TEST

START_TEST(nothing_is_set_aside_while_another_process_has_the_store_open)
{
	struct shelf *f = shelf_new();
	char path[128];
	bool alone;
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	shelf_close(f);
	damage_all(path);
	int other = place_hold(f->path, &alone);
	ck_assert(alone);
	place_share(other);
	ck_assert_int_eq(open_at(f, f->path, false), -EINVAL);
	ck_assert_uint_eq(open_count_aside(f), 0);
	place_leave(other);
	ck_assert_int_eq(open_at(f, f->path, false), 0);
	ck_assert_uint_eq(open_count_aside(f), 1);
	shelf_free(f);
}
END_TEST

enum { FRUITLESS_OPENS = 300 };

struct fruitless {
	const char *path;
	atomic_bool over;
};

static void *
open_in_vain(void *context)
{
	struct fruitless *f = context;
	const struct store_options options = {
		.path = f->path, .size_bytes = SHELF_SIZE, .must_exist = true
	};
	char why[STORE_WHY_SIZE];
	struct store *store = NULL;

	for (int i = 0; i < FRUITLESS_OPENS; i++)
		ck_assert_int_eq(store_open(&store, &options, why), -ENOENT);
	atomic_store(&f->over, true);
	return NULL;
}

/* Or two that retry could keep each other from opening alone for as long as they keep step. */
START_TEST(who_fails_to_open_has_left_before_another_may_try)
{
	struct shelf *f = shelf_new_closed();
	struct fruitless fruitless = { .path = f->path };
	bool alone, always_alone = true;
	pthread_t thread;
	int guard = place_guard(f->path);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_in_vain, &fruitless), 0);
	while (!atomic_load(&fruitless.over)) {
		bool its_turn = false;
		(void)!flock(guard, LOCK_UN);
		/* Sooner than place_guard(), which sleeps between its tries. */
		while (flock(guard, LOCK_EX | LOCK_NB) != 0)
			its_turn = true;
		if (its_turn) {
			place_leave(place_hold(f->path, &alone));
			always_alone = always_alone && alone;
		}
	}
	place_unguard(guard);
	pthread_join(thread, NULL);
	ck_assert(always_alone);
	shelf_free(f);
}
END_TEST

START_TEST(a_visitor_sets_nothing_aside)
{
	struct shelf *f = shelf_new();
	char path[128];
	struct store_job job = shelf_insert_job(f, "p/1", shelf_bytes(f, 1 << 20, 1));
	ck_assert_int_eq(store_do(f->store, &job), 0);
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	shelf_close(f);
	damage_cut(path);
	ck_assert_int_eq(open_at(f, f->path, true), -EINVAL);
	ck_assert_ptr_nonnull(strstr(f->why, "cut short"));
	ck_assert_uint_eq(open_count_aside(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(an_empty_file_is_a_new_store)
{
	struct shelf *f = shelf_new();
	char path[128];
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	shelf_close(f);
	ck_assert_int_eq(truncate(path, 0), 0);
	shelf_open(f);
	ck_assert_uint_eq(open_count_aside(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(a_store_is_clean_until_it_is_written_to)
{
	struct shelf *f = shelf_new();
	ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
	ck_assert(!place_is_clean(f->path));
	shelf_close(f);
	ck_assert(place_is_clean(f->path));
	ck_assert_int_eq(inspect_store(f->path, 10000), INSPECTION_GOOD);
	shelf_open(f);
	ck_assert(place_is_clean(f->path));
	store_read_end(f->reader);
	ck_assert_int_eq(shelf_insert(f, "p/2", "two"), 0);
	ck_assert(!place_is_clean(f->path));
	shelf_free(f);
}
END_TEST

/* Any page at all: the store opens, and what it serves is what was stored. */
START_TEST(no_damaged_page_serves_wrong_bytes)
{
	struct shelf *f = shelf_new();
	char path[128], name[16];
	struct stat st;
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "p/%d", i);
		ck_assert_int_eq(shelf_insert(f, name, name), 0);
	}
	shelf_close(f);
	ck_assert_int_eq(stat(path, &st), 0);
	int fd = open(path, O_WRONLY);
	off_t page = 2 + _i * 3 % (st.st_size / 4096 - 2);
	for (off_t at = page * 4096; at < (page + 1) * 4096; at += 8)
		ck_assert_int_eq(pwrite(fd,
				     "\x02"
				     "\x06"
				     "arbage",
				     8, at),
		    8);
	close(fd);
	shelf_open(f);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "p/%d", i);
		if (shelf_find(f, name) == 0)
			ck_assert(shelf_body_is(f, slice_of(name)));
	}
	store_read_end(f->reader);
	ck_assert_int_eq(shelf_insert(f, "p/1", "new"), 0);
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

START_TEST(a_store_of_another_version_is_set_aside)
{
	struct shelf *f = shelf_new();
	shelf_flip(f, TABLE_META, 12);
	shelf_close(f);
	ck_assert_int_eq(open_at(f, f->path, true), -EINVAL);
	ck_assert_ptr_nonnull(strstr(f->why, "version"));
	ck_assert_int_eq(open_at(f, f->path, false), 0);
	ck_assert_uint_eq(open_count_aside(f), 1);
	shelf_free(f);
}
END_TEST

/* What is said in the log while the store is opened with this size. */
static void
open_and_listen(struct shelf *f, uint64_t size_bytes, char said[1024])
{
	struct store_options options = { .path = f->path, .size_bytes = size_bytes };
	char file[64];
	int before = dup(STDERR_FILENO);

	snprintf(file, sizeof(file), "%s/said", f->path);
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(dup2(fd, STDERR_FILENO), 0);
	int rc = store_open(&f->store, &options, f->why);
	ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
	ck_assert_msg(rc == 0, "%s", f->why);
	ssize_t n = pread(fd, said, 1023, 0);
	said[n > 0 ? n : 0] = '\0';
	close(fd);
	close(before);
}

START_TEST(the_larger_size_wins_and_that_is_said)
{
	struct shelf *f = shelf_new();
	char said[1024];

	ck_assert_int_eq(shelf_insert(f, "p/1", "one"), 0);
	shelf_close(f);
	open_and_listen(f, SHELF_SIZE / 2, said);
	ck_assert_uint_eq(f->store->size_bytes, SHELF_SIZE);
	ck_assert_msg(
	    strstr(said, "67108864 bytes: that is used, not 33554432") != NULL, "%s", said);
	store_close(f->store);
	open_and_listen(f, SHELF_SIZE, said);
	ck_assert_str_eq(said, "");
	store_close(f->store);
	open_and_listen(f, SHELF_SIZE * 2 + 1, said);
	ck_assert_uint_eq(f->store->size_bytes, SHELF_SIZE * 2 + 4096);
	ck_assert_str_eq(said, "");
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("open");
	tcase_add_test(tests, what_was_stored_is_there_after_reopening);
	tcase_add_test(tests, places_that_are_no_store_are_refused_with_a_reason);
	tcase_add_loop_test(tests, what_cannot_be_trusted_is_set_aside_and_a_new_store_begun, 0,
	    (int)COUNT(open_damages));
	tcase_add_test(tests, nothing_is_set_aside_while_another_process_has_the_store_open);
	tcase_add_test(tests, who_fails_to_open_has_left_before_another_may_try);
	tcase_add_test(tests, a_visitor_sets_nothing_aside);
	tcase_add_test(tests, an_empty_file_is_a_new_store);
	tcase_add_test(tests, a_store_is_clean_until_it_is_written_to);
	tcase_add_loop_test(tests, no_damaged_page_serves_wrong_bytes, 0, 40);
	tcase_add_test(tests, the_last_pages_may_be_missing_and_are_not_trusted);
	tcase_add_test(tests, a_store_of_another_version_is_set_aside);
	tcase_add_test(tests, the_larger_size_wins_and_that_is_said);
	return suite_run("lib/store/open", tests);
}
