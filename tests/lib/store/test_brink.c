/* test_brink.c -- A deflate is acknowledged where there is no room for it, and then it holds. */
#include "fill.h"

#include <sys/stat.h>
#include <sys/wait.h>

enum { LEAST = 1 << 20, DEFLATES = 1000 };

/* Full, with a reader that was stopped: nothing that goes makes room. */
static struct shelf *
brink_shelf(uint64_t size_bytes, struct store_reader **stopped)
{
	struct shelf *f = shelf_new_closed();

	f->size_bytes = size_bytes;
	shelf_open(f);
	for (int i = 0; i < (int)(size_bytes / BODY * 2); i++)
		(void)!fill_put(f, i, BODY, 0);
	ck_assert_int_eq(store_reader_new(f->store, stopped), 0);
	ck_assert_int_eq(store_read_begin(*stopped), 0);
	return f;
}

static bool
brink_was_reached(struct shelf *f)
{
	struct meta_state table, now;

	shelf_look(f);
	ck_assert_int_eq(meta_read_stored(f->store, f->reader->txn, &table), 0);
	ck_assert_int_eq(meta_read(f->store, f->reader->txn, &now), 0);
	return now.sequence > table.sequence;
}

static void
brink_deflate_until_it_is_reached(struct shelf *f)
{
	store_read_end(f->reader);
	for (int i = 0; i < DEFLATES && !brink_was_reached(f); i++) {
		store_read_end(f->reader);
		shelf_deflate(f, "q", false);
	}
	ck_assert(brink_was_reached(f));
	store_read_end(f->reader);
}

static const uint64_t brink_sizes[] = { LEAST, SMALL, 10 << 20 };

START_TEST(a_thousand_deflates_are_done_under_a_stopped_reader)
{
	struct store_reader *stopped;
	struct shelf *f = brink_shelf(brink_sizes[_i], &stopped);
	char key[20];

	for (int i = 0; i < (_i == 0 ? DEFLATES : DEFLATES / 4); i++) {
		snprintf(key, sizeof(key), "p/%d", i);
		shelf_look(f);
		uint64_t before = store_sequence(f->reader);
		ck_assert_int_eq(shelf_judge(f, key, before, "").life, STORE_ALIVE);
		store_read_end(f->reader);
		shelf_deflate(f, key, false);
		ck_assert_int_eq(shelf_judge(f, key, before, "").life, STORE_DEAD);
		ck_assert_uint_eq(store_sequence(f->reader), before + 1);
	}
	ck_assert(brink_was_reached(f));
	ck_assert_uint_le(fill_disk_bytes(f), brink_sizes[_i] + brink_sizes[_i] / 100);
	store_read_end(stopped);
	store_reader_free(stopped);
	shelf_free(f);
}
END_TEST

START_TEST(as_soon_as_there_is_room_a_deflate_covers_no_more_than_it_says)
{
	struct store_reader *stopped;
	struct shelf *f = brink_shelf(SMALL, &stopped);

	brink_deflate_until_it_is_reached(f);
	store_read_end(stopped);
	store_reader_free(stopped);
	for (int i = 1; i < 4; i++) {
		shelf_look(f);
		ck_assert_int_eq(fill_put(f, i, BODY, 0), 0);
	}
	ck_assert(!brink_was_reached(f));
	store_read_end(f->reader);
	shelf_deflate(f, "p/2", false);
	ck_assert(!brink_was_reached(f));
	ck_assert(fill_hit(f, 1) && fill_hit(f, 3));
	ck_assert_int_eq(shelf_judge(f, "p/2", f->entry.sequence, "").life, STORE_DEAD);
	shelf_free(f);
}
END_TEST

/* What the number of the last deflate is, as another process has it. */
static uint64_t
brink_sequence_elsewhere(struct shelf *f)
{
	uint64_t sequence = 0;
	int ends[2], status = -1;

	ck_assert_int_eq(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		f->store = NULL;
		shelf_open(f);
		shelf_look(f);
		sequence = store_sequence(f->reader);
		_exit(write(ends[1], &sequence, sizeof(sequence)) == sizeof(sequence) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(ends[0], &sequence, sizeof(sequence)), sizeof(sequence));
	close(ends[0]);
	close(ends[1]);
	return sequence;
}

START_TEST(others_know_of_it_at_once_and_the_next_start_too)
{
	struct store_reader *stopped;
	struct shelf *f = brink_shelf(SMALL, &stopped);

	brink_deflate_until_it_is_reached(f);
	shelf_look(f);
	uint64_t sequence = store_sequence(f->reader);
	store_read_end(f->reader);
	ck_assert_uint_eq(brink_sequence_elsewhere(f), sequence);
	store_read_end(stopped);
	store_reader_free(stopped);
	shelf_close(f);
	shelf_open(f);
	shelf_look(f);
	ck_assert_uint_eq(store_sequence(f->reader), sequence);
	ck_assert_int_eq(shelf_judge(f, "p/1", sequence - 1, "").life, STORE_DEAD);
	ck_assert_int_eq(shelf_judge(f, "p/1", sequence, "").life, STORE_ALIVE);
	shelf_free(f);
}
END_TEST

static void
spoil_number(const char *path)
{
	shelf_overwrite(path, 8, SLICE("\0\0"));
}

static void
spoil_length(const char *path)
{
	ck_assert_int_eq(truncate(path, 0), 0);
}

static void
spoil_name(const char *path)
{
	ck_assert_int_eq(unlink(path), 0);
}

static void (*const spoils[])(const char *path) = { spoil_number, spoil_length, spoil_name };

START_TEST(where_it_is_damaged_nothing_is_served_any_more)
{
	struct store_reader *stopped;
	struct shelf *f = brink_shelf(SMALL, &stopped);
	char path[64];

	brink_deflate_until_it_is_reached(f);
	shelf_look(f);
	uint64_t sequence = store_sequence(f->reader), id = f->store->id;
	store_read_end(stopped);
	store_reader_free(stopped);
	shelf_close(f);
	snprintf(path, sizeof(path), "%s/floor", f->path);
	spoils[_i](path);
	shelf_open(f);
	/* Nor what is on its way yet: it is another store's. */
	ck_assert_uint_ne(f->store->id, id);
	for (int i = 0; i < 1000; i++)
		ck_assert(!fill_hit(f, i) ||
			  shelf_judge(f, "p", f->entry.sequence, "").life == STORE_DEAD);
	ck_assert_int_eq(fill_put(f, 1, BODY, 0), 0);
	ck_assert(fill_hit(f, 1));
	ck_assert_int_eq(shelf_judge(f, "p/1", f->entry.sequence, "").life, STORE_ALIVE);
	ck_assert_uint_lt(store_sequence(f->reader), sequence + DEFLATES);
	shelf_free(f);
}
END_TEST

START_TEST(a_store_whose_file_goes_in_use_is_opened_anew)
{
	struct shelf *f = fill_shelf(0);
	char path[64];

	ck_assert_int_eq(health_examine(f->store, f->why), 0);
	snprintf(path, sizeof(path), "%s/floor", f->path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_ne(health_examine(f->store, f->why), 0);
	shelf_free(f);
}
END_TEST

/* Where inserts fail, and whatever else is no deflate, nothing is forgotten. */
START_TEST(only_a_deflate_deflates)
{
	struct store_reader *stopped;
	struct shelf *f = brink_shelf(SMALL, &stopped);

	shelf_look(f);
	uint64_t sequence = store_sequence(f->reader);
	for (int i = 1000; i < 1100; i++)
		(void)!fill_put(f, i, BODY, 0);
	ck_assert_uint_eq(store_sequence(f->reader), sequence);
	store_read_end(stopped);
	store_reader_free(stopped);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("brink");

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(
	    tests, a_thousand_deflates_are_done_under_a_stopped_reader, 0, (int)COUNT(brink_sizes));
	tcase_add_test(tests, as_soon_as_there_is_room_a_deflate_covers_no_more_than_it_says);
	tcase_add_test(tests, others_know_of_it_at_once_and_the_next_start_too);
	tcase_add_loop_test(
	    tests, where_it_is_damaged_nothing_is_served_any_more, 0, (int)COUNT(spoils));
	tcase_add_test(tests, a_store_whose_file_goes_in_use_is_opened_anew);
	tcase_add_test(tests, only_a_deflate_deflates);
	return suite_run("lib/store/brink", tests);
}
