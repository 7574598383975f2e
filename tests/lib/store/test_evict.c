/* test_evict.c -- Who goes when room runs out, and that the cap holds. */
#include "shelf.h"

#include "base/clock.h"
#include "base/metrics.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SMALL = 4 << 20, BODY = 20000, DEFLATES = 10 };

static struct shelf *
evict_shelf(uint64_t body_file_min)
{
	struct shelf *f = shelf_new_closed();

	f->size_bytes = SMALL;
	f->body_file_min = body_file_min;
	shelf_open(f);
	return f;
}

/* Fresh for a day from now on. */
static int
put(struct shelf *f, int number, size_t bytes, int64_t age_s)
{
	char key[20];

	snprintf(key, sizeof(key), "p/%d", number);
	struct store_job job = shelf_insert_job(f, key, shelf_bytes(f, bytes, (unsigned)number));
	job.response_s = clock_wall_s() - age_s;
	job.aging = (struct storing){ .lifetime_s = 86400 };
	store_read_end(f->reader);
	int rc = store_do(f->store, &job);
	arena_reset(&f->arena);
	shelf_look(f);
	return rc;
}

/* Without being a hit. */
static bool
is_there(struct shelf *f, int number)
{
	struct entry_name name;
	struct record record;
	char text[20];

	snprintf(text, sizeof(text), "p/%d", number);
	struct tuple key = shelf_key(f, text);
	entry_name(&key, (struct slice){ NULL, 0 }, &name);
	shelf_look(f);
	return entry_get(f->store, f->reader->txn, &name, &record) == 0;
}

static bool
hit(struct shelf *f, int number)
{
	char text[20];

	snprintf(text, sizeof(text), "p/%d", number);
	return shelf_find(f, text) == 0;
}

/* What the cap is about: database and bodies, in blocks. */
static uint64_t
disk_bytes(const struct shelf *f)
{
	char command[160], text[32] = "";

	snprintf(command, sizeof(command),
	    "find %s -type f ! -name '*lock*' -printf '%%b\\n' | awk '{n += $1} END {print n * "
	    "512}'",
	    f->path);
	FILE *find = popen(command, "r");
	ck_assert_ptr_nonnull(find);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), find));
	ck_assert_int_eq(pclose(find), 0);
	return strtoull(text, NULL, 10);
}

START_TEST(the_cap_holds_whatever_is_stored)
{
	struct shelf *f = evict_shelf(_i == 0 ? 0 : 16384);

	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(put(f, i, (size_t)(i * 7919 % 40000), 0), 0);
		if (i % 50 == 0)
			ck_assert_uint_le(disk_bytes(f), SMALL + SMALL / 100);
		ck_assert(is_there(f, i));
	}
	ck_assert(!is_there(f, 0));
	shelf_free(f);
}
END_TEST

START_TEST(what_was_hit_stays_and_the_oldest_other_goes)
{
	struct shelf *f = evict_shelf(0);
	int n = 0;

	for (; n == 0 || is_there(f, 0); n++)
		ck_assert_int_eq(put(f, n, BODY, 0), 0);
	shelf_free(f);
	/* The same again, with three that are hit: they outlive all that came with them. */
	f = evict_shelf(0);
	for (int i = 0; i < 3 * n; i++) {
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
		ck_assert(hit(f, 0) && (i < 7 || hit(f, 7)) && (i < 20 || hit(f, 20)));
	}
	ck_assert(!is_there(f, 1) && !is_there(f, 6) && !is_there(f, 8) && !is_there(f, 19));
	ck_assert(is_there(f, 3 * n - 1));
	shelf_free(f);
}
END_TEST

/* Both are met by the hand before the entries that must stay. */
START_TEST(what_is_dead_goes_though_it_was_hit)
{
	struct shelf *f = evict_shelf(0);
	int64_t dead = metric_get(METRIC_EVICTED_DEAD);

	ck_assert_int_eq(put(f, 0, BODY, 0), 0);
	ck_assert_int_eq(put(f, 1, BODY, 90000), 0);
	ck_assert(hit(f, 0) && hit(f, 1));
	shelf_deflate(f, "p/0", false);
	for (int i = 2; i < 400 && (is_there(f, 0) || is_there(f, 1)); i++) {
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
		ck_assert(hit(f, 2));
	}
	ck_assert(!is_there(f, 0) && !is_there(f, 1) && is_there(f, 2));
	ck_assert_int_eq(metric_get(METRIC_EVICTED_DEAD), dead + 2);
	shelf_free(f);
}
END_TEST

/* Looked for where they are newer than what lives. */
START_TEST(the_dead_are_found_before_the_living_must_go)
{
	struct shelf *f = evict_shelf(0);
	struct evict_search search = { 0 };
	int n = 0;

	for (; is_there(f, 0) || n == 0; n++)
		ck_assert_int_eq(put(f, n, BODY, 0), 0);
	shelf_deflate(f, "p/100", false);
	ck_assert(is_there(f, 100));
	store_read_end(f->reader);
	while (evict_dead(f->store, &search))
		continue;
	ck_assert(!is_there(f, 100) && is_there(f, 99) && is_there(f, 101));
	/* Not again at once. */
	shelf_deflate(f, "p/101", false);
	store_read_end(f->reader);
	ck_assert(!evict_dead(f->store, &search));
	ck_assert(is_there(f, 101));
	shelf_free(f);
}
END_TEST

START_TEST(a_full_store_still_deflates)
{
	struct shelf *f = evict_shelf(0);

	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
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
	struct shelf *f = evict_shelf(0);
	struct store_reader *stopped;
	int refused = 0;

	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
	ck_assert_int_eq(store_reader_new(f->store, &stopped), 0);
	ck_assert_int_eq(store_read_begin(stopped), 0);
	int64_t evicted = metric_get(METRIC_EVICTED);
	for (int i = 400; i < 700; i++) {
		int rc = put(f, i, BODY, 0);
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
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
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
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
	close(pipes[0]);
	close(pipes[1]);
	shelf_free(f);
}
END_TEST

START_TEST(an_entry_larger_than_half_the_store_takes_nobodys_place)
{
	struct shelf *f = evict_shelf(_i == 0 ? 0 : 65536);

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
	ck_assert_int_eq(put(f, 1000, SMALL, 0), -ENOSPC);
	for (int i = 0; i < 20; i++)
		ck_assert(is_there(f, i));
	shelf_free(f);
}
END_TEST

START_TEST(files_make_room_for_files)
{
	struct shelf *f = evict_shelf(16384);

	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(put(f, i, 100, 0), 0);
	for (int i = 100; i < 400; i++)
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
	ck_assert(!is_there(f, 100) && is_there(f, 399));
	for (int i = 0; i < 20; i++)
		ck_assert(is_there(f, i));
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
		rc = put(f, n++, BODY, 0);
	ck_assert_int_eq(rc, -ENOSPC);
	for (int i = n; i < n + 20; i++)
		ck_assert_int_eq(put(f, i, BODY, 0), -ENOSPC);
	for (int i = 0; i < n - 1; i++)
		kept += is_there(f, i);
	ck_assert_int_gt(kept, n * 8 / 10);
	ck_assert_uint_le(disk_bytes(f), SMALL + SMALL / 100);
	/* No sweep but what a store in need of room does itself. */
	int64_t end_ms = clock_mono_ms() + 20000;
	while ((rc = put(f, 2000, BODY, 0)) != 0 && clock_mono_ms() < end_ms)
		usleep(20000);
	ck_assert_int_eq(rc, 0);
	/* Nor is there room for one only: more went than that one asked for. */
	for (int i = 2001; i < 2004; i++)
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
	shelf_free(f);
}
END_TEST

/* Replaced, say: nothing that lives goes while what lingers makes room enough. */
START_TEST(what_lingers_goes_before_what_lives)
{
	struct shelf *f = evict_shelf(16384);
	int64_t evicted = metric_get(METRIC_EVICTED);

	for (int i = 0; i < 400; i++)
		ck_assert_int_eq(put(f, i % 20, BODY, 0), 0);
	ck_assert_int_eq(metric_get(METRIC_EVICTED), evicted);
	ck_assert_uint_le(disk_bytes(f), SMALL + SMALL / 100);
	shelf_free(f);
}
END_TEST

START_TEST(processes_share_what_was_hit)
{
	struct shelf *f = evict_shelf(0);
	int status = -1;

	ck_assert_int_eq(put(f, 0, BODY, 0), 0);
	ck_assert(hit(f, 0));
	store_read_end(f->reader);
	shelf_close(f);
	pid_t child = fork();
	if (child == 0) {
		shelf_open(f);
		_exit(visited_take(f->store, 1) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	shelf_open(f);
	ck_assert(!visited_take(f->store, 1));
	shelf_free(f);
}
END_TEST

static void
spoil_visited(const struct shelf *f, int how)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/visited", f->path);
	switch (how) {
	case 0:
		ck_assert_int_eq(unlink(file), 0);
		return;
	case 1:
		ck_assert_int_eq(truncate(file, 3), 0);
		return;
	case 2:
		ck_assert_int_eq(unlink(file), 0);
		ck_assert_int_eq(mkdir(file, 0700), 0);
		return;
	case 3:
		ck_assert_int_eq(unlink(file), 0);
		ck_assert_int_eq(symlink("/etc/passwd", file), 0);
		return;
	}
}

START_TEST(a_spoilt_map_of_hits_costs_nothing_but_order)
{
	struct shelf *f = evict_shelf(0);

	ck_assert_int_eq(put(f, 0, BODY, 0), 0);
	shelf_close(f);
	spoil_visited(f, _i);
	shelf_open(f);
	for (int i = 1; i < 400; i++) {
		ck_assert_int_eq(put(f, i, BODY, 0), 0);
		ck_assert(hit(f, 1));
	}
	ck_assert(is_there(f, 1) && !is_there(f, 2));
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("evict");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, the_cap_holds_whatever_is_stored, 0, 2);
	tcase_add_test(tests, what_was_hit_stays_and_the_oldest_other_goes);
	tcase_add_test(tests, what_is_dead_goes_though_it_was_hit);
	tcase_add_test(tests, the_dead_are_found_before_the_living_must_go);
	tcase_add_test(tests, a_full_store_still_deflates);
	tcase_add_test(tests, a_reader_that_stopped_takes_no_room_from_deflates);
	tcase_add_test(tests, a_reader_that_died_holds_nothing_back);
	tcase_add_loop_test(tests, an_entry_larger_than_half_the_store_takes_nobodys_place, 0, 2);
	tcase_add_test(tests, files_make_room_for_files);
	tcase_add_test(tests, files_that_linger_do_not_make_the_others_go);
	tcase_add_test(tests, what_lingers_goes_before_what_lives);
	tcase_add_test(tests, processes_share_what_was_hit);
	tcase_add_loop_test(tests, a_spoilt_map_of_hits_costs_nothing_but_order, 0, 4);
	return suite_run("lib/store/evict", tests);
}
