/* test_evict.c -- Who goes when room runs out. */
#include "fill.h"
#include "store/evict.h"

#include <sys/stat.h>
#include <sys/wait.h>

START_TEST(the_hand_goes_round_as_sieve_says)
{
	struct shelf *f = shelf_new();

	fill_large(f, 0, 11);
	ck_assert(fill_hit(f, 1) && fill_hit(f, 2) && fill_hit(f, 5) && fill_hit(f, 5));
	store_read_end(f->reader);
	ck_assert_int_eq(evict_batch(f->store), 0);
	ck_assert_str_eq(who_is_there(f), "1 2 5 7 8 9 10 11");
	/* A hit on one that was spared counts anew; one that is stored anew keeps its place. */
	ck_assert(fill_hit(f, 1));
	fill_large(f, 12, 12);
	fill_large(f, 9, 9);
	/* The hand is where it was, for whoever opens the store. */
	shelf_close(f);
	shelf_open(f);
	store_read_end(f->reader);
	ck_assert_int_eq(evict_batch(f->store), 0);
	ck_assert_str_eq(who_is_there(f), "1 2 5 11 12");
	/* Round the end: 1 is spared, 2 was not hit since. */
	ck_assert_int_eq(evict_batch(f->store), 0);
	ck_assert_str_eq(who_is_there(f), "1");
	/* Nor was 1. */
	ck_assert_int_eq(evict_batch(f->store), 0);
	ck_assert_str_eq(who_is_there(f), "");
	ck_assert_int_eq(evict_batch(f->store), -ENOENT);
	shelf_free(f);
}
END_TEST

/* Their chunks are deleted one batch after the other: they count all the same. */
START_TEST(no_more_large_entries_go_than_must)
{
	struct shelf *f = shelf_new_closed();
	int n = 0, kept = 0;

	f->size_bytes = 16 << 20;
	shelf_open(f);
	for (; n == 0 || fill_has(f, 0); n++)
		fill_large(f, n, n);
	for (int i = n; i < 3 * n; i++) {
		fill_large(f, i, i);
		kept = 0;
		for (int k = 0; k <= i; k++)
			kept += fill_has(f, k);
		ck_assert_int_ge(kept, n - 5);
	}
	shelf_free(f);
}
END_TEST

START_TEST(what_was_hit_stays_and_the_oldest_other_goes)
{
	struct shelf *f = fill_shelf(0);
	int n = 0;

	for (; n == 0 || fill_has(f, 0); n++)
		ck_assert_int_eq(fill_put(f, n, BODY, 0), 0);
	shelf_free(f);
	/* The same again, with three that are hit: they outlive all that came with them. */
	f = fill_shelf(0);
	for (int i = 0; i < 3 * n; i++) {
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
		ck_assert(
		    fill_hit(f, 0) && (i < 7 || fill_hit(f, 7)) && (i < 20 || fill_hit(f, 20)));
	}
	ck_assert(!fill_has(f, 1) && !fill_has(f, 6) && !fill_has(f, 8) && !fill_has(f, 19));
	ck_assert(fill_has(f, 3 * n - 1));
	shelf_free(f);
}
END_TEST

/* Both are met by the hand before the entries that must stay. */
START_TEST(what_is_dead_goes_though_it_was_hit)
{
	struct shelf *f = fill_shelf(0);
	int64_t dead = metric_get(METRIC_EVICTED_DEAD);

	ck_assert_int_eq(fill_put(f, 0, BODY, 0), 0);
	ck_assert_int_eq(fill_put(f, 1, BODY, 90000), 0);
	ck_assert(fill_hit(f, 0) && fill_hit(f, 1));
	shelf_deflate(f, "p/0", false);
	for (int i = 2; i < 400 && (fill_has(f, 0) || fill_has(f, 1)); i++) {
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
		ck_assert(fill_hit(f, 2));
	}
	ck_assert(!fill_has(f, 0) && !fill_has(f, 1) && fill_has(f, 2));
	ck_assert_int_eq(metric_get(METRIC_EVICTED_DEAD), dead + 2);
	shelf_free(f);
}
END_TEST

/* Looked for where they are newer than what lives. */
START_TEST(the_dead_are_found_before_the_living_must_go)
{
	struct shelf *f = fill_shelf(0);
	struct evict_search search = { 0 };
	int n = 0;

	for (; fill_has(f, 0) || n == 0; n++)
		ck_assert_int_eq(fill_put(f, n, BODY, 0), 0);
	shelf_deflate(f, "p/100", false);
	ck_assert(fill_has(f, 100));
	store_read_end(f->reader);
	while (evictdead_run(f->store, &search))
		continue;
	ck_assert(!fill_has(f, 100) && fill_has(f, 99) && fill_has(f, 101));
	/* Not again at once. */
	shelf_deflate(f, "p/101", false);
	store_read_end(f->reader);
	ck_assert(!evictdead_run(f->store, &search));
	ck_assert(fill_has(f, 101));
	shelf_free(f);
}
END_TEST

START_TEST(processes_share_what_was_hit)
{
	struct shelf *f = fill_shelf(0);
	int status = -1;

	ck_assert_int_eq(fill_put(f, 0, BODY, 0), 0);
	ck_assert(fill_hit(f, 0));
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
	struct shelf *f = fill_shelf(0);

	ck_assert_int_eq(fill_put(f, 0, BODY, 0), 0);
	shelf_close(f);
	spoil_visited(f, _i);
	shelf_open(f);
	for (int i = 1; i < 400; i++) {
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
		ck_assert(fill_hit(f, 1));
	}
	ck_assert(fill_has(f, 1) && !fill_has(f, 2));
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("evict");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, the_hand_goes_round_as_sieve_says);
	tcase_add_test(tests, no_more_large_entries_go_than_must);
	tcase_add_test(tests, what_was_hit_stays_and_the_oldest_other_goes);
	tcase_add_test(tests, what_is_dead_goes_though_it_was_hit);
	tcase_add_test(tests, the_dead_are_found_before_the_living_must_go);
	tcase_add_test(tests, processes_share_what_was_hit);
	tcase_add_loop_test(tests, a_spoilt_map_of_hits_costs_nothing_but_order, 0, 4);
	return suite_run("lib/store/evict", tests);
}
