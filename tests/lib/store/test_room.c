/* test_room.c -- The cap holds, and there is always room for what must have it. */
#include "fill.h"

#include <signal.h>
#include <sys/wait.h>

enum { DEFLATES = 10, LARGE = 100000 };

START_TEST(the_cap_holds_whatever_is_stored)
{
	struct shelf *f = fill_shelf(_i == 0 ? 0 : 16384);

	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(fill_put(f, i, (size_t)(i * 7919 % 40000), 0), 0);
		if (i % 50 == 0)
			ck_assert_uint_le(fill_disk_bytes(f), SMALL + SMALL / 100);
		ck_assert(fill_has(f, i));
	}
	ck_assert(!fill_has(f, 0));
	shelf_free(f);
}
END_TEST

static void
room_set_aside(struct shelf *f)
{
	char path[64];

	shelf_close(f);
	snprintf(path, sizeof(path), "%s/data.mdb", f->path);
	for (int at = 0; at < 2; at++)
		shelf_overwrite(path, at * 4096L + 16, SLICE("garbage garbage "));
	shelf_open(f);
}

static bool
room_is_aside(const struct shelf *f)
{
	char command[96];

	snprintf(command, sizeof(command), "ls -d %s/store.bad-* >/dev/null 2>&1", f->path);
	return system(command) == 0;
}

START_TEST(what_is_set_aside_counts_and_goes_when_its_room_is_needed)
{
	struct shelf *f = fill_shelf(_i == 0 ? 0 : 16384);
	int n = 0;

	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	room_set_aside(f);
	ck_assert(room_is_aside(f));
	/* It is looked at only where something is to be stored. */
	ck_assert(!f->store->aside_known);
	ck_assert_int_eq(fill_put(f, 0, BODY, 0), 0);
	ck_assert_uint_gt(f->store->aside_bytes, 60 * BODY);
	for (; room_is_aside(f) && n < 500; n++) {
		ck_assert_int_eq(fill_put(f, n, BODY, 0), 0);
		if (n % 8 == 0)
			ck_assert_uint_le(fill_disk_bytes(f), SMALL + SMALL / 100);
	}
	/* As long as there was room, it was kept; and nothing had to go for it. */
	ck_assert_int_gt(n, 40);
	for (int i = 0; i < n; i++)
		ck_assert(fill_has(f, i));
	for (int i = n; i < 300; i++) {
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
		if (i % 20 == 0)
			ck_assert_uint_le(fill_disk_bytes(f), SMALL + SMALL / 100);
	}
	ck_assert(!fill_has(f, 0));
	shelf_free(f);
}
END_TEST

/* What others' files are like, or a miscount: less room than it was thought to have. */
static void
shrink_to_fit(struct shelf *f)
{
	store_read_end(f->reader);
	ck_assert_int_eq(mdb_env_set_mapsize(f->store->env, 1), 0);
}

START_TEST(a_full_map_costs_one_batch_and_one_try_more)
{
	struct shelf *f = shelf_new();
	bool more = true;

	fill_large(f, 0, 11);
	ck_assert_int_eq(fill_remove(f, 11), 0);
	while (more)
		ck_assert_int_eq(trash_sweep(f->store, &more), 0);
	shelf_deflate(f, "q", false);
	shelf_deflate(f, "q", false);
	shrink_to_fit(f);
	int64_t evicted = metric_get(METRIC_EVICTED);
	/* There is room for a hundred pages. */
	shelf_look(f);
	ck_assert_int_eq(fill_put(f, 12, (size_t)300 * RECORD_PAGE, 0), 0);
	ck_assert_str_eq(who_is_there(f), "4 5 6 7 8 9 10 12");
	ck_assert_int_eq(metric_get(METRIC_EVICTED), evicted + 4);
	/* More than a batch frees: it is not stored, and says why. */
	shelf_look(f);
	ck_assert_int_eq(fill_put(f, 13, (size_t)1500 * RECORD_PAGE, 0), -ENOSPC);
	ck_assert_str_eq(who_is_there(f), "8 9 10 12");
	shelf_deflate(f, "q", false);
	shelf_free(f);
}
END_TEST

START_TEST(a_full_store_still_removes)
{
	struct shelf *f = fill_shelf(_i == 0 ? 0 : 16384);

	for (int i = 0; i < 250; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	for (int i = 0; i < 250; i++)
		ck_assert_int_eq(fill_remove(f, i), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_ENTRY), 0);
	ck_assert_uint_eq(shelf_rows(f, TABLE_QUEUE), 0);
	shelf_free(f);
}
END_TEST

START_TEST(a_full_store_still_deflates)
{
	struct shelf *f = fill_shelf(0);

	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	store_read_end(f->reader);
	for (int i = 0; i < 200; i++)
		shelf_deflate(f, "p", false);
	ck_assert_int_eq(shelf_judge(f, "p/399", 0, "").life, STORE_DEAD);
	shelf_free(f);
}
END_TEST

/* One that was stopped in a look-up: nothing that goes after it began can be used again. */
START_TEST(a_reader_that_stopped_takes_no_room_from_deflates)
{
	struct shelf *f = fill_shelf(0);
	struct store_reader *stopped;
	int refused = 0;

	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	ck_assert_int_eq(store_reader_new(f->store, &stopped), 0);
	ck_assert_int_eq(store_read_begin(stopped), 0);
	int64_t evicted = metric_get(METRIC_EVICTED);
	for (int i = 400; i < 700; i++) {
		int rc = fill_put(f, i, BODY, 0);
		ck_assert(rc == 0 || rc == -ENOSPC);
		refused += rc != 0;
	}
	store_read_end(f->reader);
	for (int i = 0; i < DEFLATES; i++)
		shelf_deflate(f, "p", false);
	/* They made no room by going: nearly all are still there. */
	ck_assert_int_gt(refused, 250);
	ck_assert_int_lt(metric_get(METRIC_EVICTED) - evicted, 100);
	/* As soon as it goes on, there is room again. */
	store_read_end(stopped);
	shelf_look(f);
	for (int i = 700; i < 1000; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	store_reader_free(stopped);
	shelf_free(f);
}
END_TEST

static void
read_until_killed(struct shelf *f, int out)
{
	shelf_open(f);
	ck_assert_int_eq(write(out, "", 1), 1);
	pause();
	_exit(1);
}

/* Nobody has to wait for the next look at the slots of the dead. */
START_TEST(a_reader_that_died_holds_nothing_back)
{
	struct shelf *f = shelf_new_closed();
	int pipes[2];
	char began;

	f->size_bytes = SMALL;
	ck_assert_int_eq(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0)
		read_until_killed(f, pipes[1]);
	ck_assert_int_eq(read(pipes[0], &began, 1), 1);
	shelf_open(f);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	close(pipes[0]);
	close(pipes[1]);
	shelf_free(f);
}
END_TEST

START_TEST(an_entry_larger_than_half_the_store_takes_nobodys_place)
{
	struct shelf *f = fill_shelf(_i == 0 ? 0 : 65536);

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	ck_assert_int_eq(fill_put(f, 1000, SMALL, 0), -ENOSPC);
	for (int i = 0; i < 20; i++)
		ck_assert(fill_has(f, i));
	shelf_free(f);
}
END_TEST

START_TEST(files_make_room_for_files)
{
	struct shelf *f = fill_shelf(16384);

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(fill_put(f, i, 100, 0), 0);
	for (int i = 100; i < 400; i++)
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	ck_assert(!fill_has(f, 100) && fill_has(f, 399));
	for (int i = 0; i < 20; i++)
		ck_assert(fill_has(f, i));
	shelf_free(f);
}
END_TEST

/* A web server may be about to open them: those that went make room only a little later. */
START_TEST(files_that_linger_do_not_make_the_others_go)
{
	struct shelf *f = shelf_new_closed();
	int n = 0, kept = 0, rc = 0;

	f->size_bytes = SMALL;
	f->body_file_min = 16384;
	f->share_bodies = true;
	shelf_open(f);
	while (rc == 0 && n < 1000)
		rc = fill_put(f, n++, LARGE, 0);
	ck_assert_int_eq(rc, -ENOSPC);
	for (int i = n; i < n + 5; i++)
		ck_assert_int_eq(fill_put(f, i, LARGE, 0), -ENOSPC);
	for (int i = 0; i < n - 1; i++)
		kept += fill_has(f, i);
	ck_assert_int_ge(kept, n - 6);
	ck_assert_uint_le(fill_disk_bytes(f), SMALL + SMALL / 100);
	/* No sweep but what a store in need of room does itself. */
	int64_t end_ms = clock_mono_ms() + 20000;
	while ((rc = fill_put(f, 2000, LARGE, 0)) != 0 && clock_mono_ms() < end_ms)
		usleep(20000);
	ck_assert_int_eq(rc, 0);
	/* Nor is there room for one only: more went than that one asked for. */
	ck_assert_int_eq(fill_put(f, 2001, LARGE, 0), 0);
	shelf_free(f);
}
END_TEST

/* Replaced, say: nothing that lives goes while what lingers makes room enough. */
START_TEST(what_lingers_goes_before_what_lives)
{
	struct shelf *f = fill_shelf(16384);
	int64_t evicted = metric_get(METRIC_EVICTED);

	for (int i = 0; i < 60; i++)
		ck_assert_int_eq(fill_put(f, i % 5, LARGE, 0), 0);
	ck_assert_int_eq(metric_get(METRIC_EVICTED), evicted);
	ck_assert_uint_le(fill_disk_bytes(f), SMALL + SMALL / 100);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("room");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, the_cap_holds_whatever_is_stored, 0, 2);
	tcase_add_loop_test(tests, what_is_set_aside_counts_and_goes_when_its_room_is_needed, 0, 2);
	tcase_add_test(tests, a_full_map_costs_one_batch_and_one_try_more);
	tcase_add_loop_test(tests, a_full_store_still_removes, 0, 2);
	tcase_add_test(tests, a_full_store_still_deflates);
	tcase_add_test(tests, a_reader_that_stopped_takes_no_room_from_deflates);
	tcase_add_test(tests, a_reader_that_died_holds_nothing_back);
	tcase_add_loop_test(tests, an_entry_larger_than_half_the_store_takes_nobodys_place, 0, 2);
	tcase_add_test(tests, files_make_room_for_files);
	tcase_add_test(tests, files_that_linger_do_not_make_the_others_go);
	tcase_add_test(tests, what_lingers_goes_before_what_lives);
	return suite_run("lib/store/room", tests);
}
