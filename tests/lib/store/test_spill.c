/* test_spill.c -- Bodies that become files while they arrive: stored, discarded, bounded, swept. */
#include "shelf.h"
#include "store/bodyfile.h"
#include "store/bodysweep.h"
#include "store/spill.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { PIECE = 40000, PIECES = 5, SIZE = PIECE * PIECES, MIN = 65536 };

static struct shelf *
spill_shelf_new(void)
{
	struct shelf *f = shelf_new_closed();

	f->body_file_min = MIN;
	shelf_open(f);
	return f;
}

static int
spill_add(struct shelf *f, struct store_spill *spill, struct slice piece)
{
	struct store_job job = { .kind = STORE_JOB_SPILL, .spill = spill, .body = piece };

	return store_do(f->store, &job);
}

static void
spill_add_all(struct shelf *f, struct store_spill *spill)
{
	struct slice body = shelf_bytes(f, SIZE, 1);

	for (size_t i = 0; i < PIECES; i++)
		ck_assert_int_eq(
		    spill_add(f, spill, (struct slice){ body.at + i * PIECE, PIECE }), 0);
	ck_assert_uint_eq(spill->bytes, SIZE);
}

static int
spill_insert(struct shelf *f, struct store_spill *spill, uint64_t sequence)
{
	struct store_job job = shelf_insert_job(f, "p/1", SLICE(""));

	job.spill = spill;
	job.sequence = sequence;
	return store_do(f->store, &job);
}

static void
spill_discard(struct shelf *f, struct store_spill *spill)
{
	struct store_job job = { .kind = STORE_JOB_DISCARD, .spill = spill };

	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert(!spill->unnamed);
}

static void
spill_check(struct shelf *f, int fd)
{
	char *got = arena_alloc(&f->arena, SIZE + 1);

	ck_assert_int_eq(pread(fd, got, SIZE + 1, 0), SIZE);
	ck_assert(slice_equal((struct slice){ got, SIZE }, shelf_bytes(f, SIZE, 1)));
}

static int spill_files;

static int
spill_count_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)path;
	(void)st;
	(void)where;
	spill_files += kind == FTW_F;
	return 0;
}

/* Files below `bodies`, after a look for those that nobody names. */
static int
spill_count(struct shelf *f)
{
	struct bodysweep walk = { 0 };
	char path[64];

	while (bodysweep_step(&walk, f->store))
		continue;
	bodysweep_end(&walk);
	snprintf(path, sizeof(path), "%s/bodies", f->path);
	spill_files = 0;
	nftw(path, spill_count_one, 8, FTW_PHYS);
	return spill_files;
}

START_TEST(a_spilled_body_is_read_while_it_grows_and_then_the_entry_s)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };

	spill_add_all(f, &spill);
	spill_check(f, spill.read_fd);
	ck_assert_int_eq(spill_insert(f, &spill, 0), 0);
	ck_assert(!spill.unnamed);
	spill_check(f, spill.read_fd);
	store_spill_close(&spill);
	ck_assert_int_eq(spill_count(f), 1);
	/* Another process checks its hash. */
	shelf_close(f);
	shelf_open(f);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	ck_assert_uint_eq(f->entry.body_bytes, SIZE);
	int fd = store_open_body(f->reader, &f->entry);
	ck_assert_int_ge(fd, 0);
	spill_check(f, fd);
	close(fd);
	shelf_free(f);
}
END_TEST

START_TEST(what_is_discarded_may_be_read_on_and_leaves_no_file)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };

	spill_add_all(f, &spill);
	ck_assert_int_eq(spill_count(f), 1); /* It is locked, so it is not swept. */
	spill_discard(f, &spill);
	ck_assert_int_eq(spill_count(f), 0);
	spill_check(f, spill.read_fd);
	store_spill_close(&spill);
	spill_discard(f, &spill);
	shelf_free(f);
}
END_TEST

START_TEST(what_is_let_go_of_is_swept)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };

	spill_add_all(f, &spill);
	store_spill_close(&spill);
	ck_assert_int_eq(spill_count(f), 0);
	shelf_free(f);
}
END_TEST

START_TEST(a_spilled_body_that_was_deflated_leaves_no_file)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };

	spill_add_all(f, &spill);
	shelf_deflate(f, "p/1", false);
	ck_assert_int_eq(spill_insert(f, &spill, 0), -ESTALE);
	ck_assert_int_eq(spill_count(f), 0);
	spill_check(f, spill.read_fd);
	store_spill_close(&spill);
	shelf_free(f);
}
END_TEST

START_TEST(all_that_is_spilling_has_a_share_of_the_store)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill first = { 0 }, second = { 0 };
	uint64_t most = f->store->size_bytes / SPILL_SHARE;
	char *bytes = calloc(1, most);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(spill_add(f, &first, (struct slice){ bytes, most - 10 }), 0);
	ck_assert_int_eq(spill_add(f, &second, (struct slice){ bytes, 10 }), 0);
	ck_assert_int_eq(spill_add(f, &second, (struct slice){ bytes, 1 }), -ENOSPC);
	spill_discard(f, &first);
	ck_assert_int_eq(spill_add(f, &second, (struct slice){ bytes, most - 10 }), 0);
	ck_assert_int_eq(spill_insert(f, &second, 0), 0);
	ck_assert_uint_eq(f->store->spilled_bytes, 0); /* It is counted as stored from now on. */
	store_spill_close(&first);
	store_spill_close(&second);
	free(bytes);
	shelf_free(f);
}
END_TEST

/* Another process, with so many bytes in a file of no entry; it stays so until it is killed. */
static pid_t
spill_elsewhere(const struct shelf *f, size_t bytes)
{
	int ends[2];
	char said;

	ck_assert_int_eq(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		struct shelf *own = calloc(1, sizeof(*own));
		struct store_spill spill = { 0 };
		*own = *f;
		own->store = NULL;
		shelf_open(own);
		ck_assert_int_eq(
		    spill_add(own, &spill, (struct slice){ calloc(1, bytes), bytes }), 0);
		ck_assert_int_eq(write(ends[1], "o", 1), 1);
		pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ends[0], &said, 1), 1);
	close(ends[0]);
	close(ends[1]);
	return child;
}

START_TEST(processes_that_spill_at_once_share_the_share)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };
	uint64_t most = f->store->size_bytes / SPILL_SHARE;
	char *bytes = calloc(1, most);
	struct change c;

	ck_assert_int_eq(change_begin(f->store, &c), 0);
	uint64_t room = c.file_room;
	change_abort(&c);
	pid_t child = spill_elsewhere(f, most - 10);
	ck_assert_int_eq(change_begin(f->store, &c), 0);
	ck_assert_uint_le(c.file_room, room - (most - 10) + BODYFILE_BLOCK);
	change_abort(&c);
	ck_assert_int_eq(spill_add(f, &spill, (struct slice){ bytes, 10 }), 0);
	ck_assert_int_eq(spill_add(f, &spill, (struct slice){ bytes, 1 }), -ENOSPC);
	/* It counts until it is known to be gone, and its file to be nobody's. */
	ck_assert(!spilled_forget_dead(f->store));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(spill_add(f, &spill, (struct slice){ bytes, 1 }), -ENOSPC);
	ck_assert(spilled_forget_dead(f->store));
	ck_assert(!spilled_forget_dead(f->store));
	ck_assert_int_eq(spill_add(f, &spill, (struct slice){ bytes, most - 10 }), 0);
	spill_discard(f, &spill);
	store_spill_close(&spill);
	free(bytes);
	shelf_free(f);
}
END_TEST

static uint64_t spill_disk;

static int
spill_add_blocks(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)path;
	(void)where;
	spill_disk += kind == FTW_F ? (uint64_t)st->st_blocks * 512 : 0;
	return 0;
}

/* What the store has of the disk. */
static uint64_t
spill_measure(const struct shelf *f)
{
	spill_disk = 0;
	nftw(f->path, spill_add_blocks, 8, FTW_PHYS);
	return spill_disk;
}

START_TEST(a_full_store_makes_room_for_what_spills)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };
	struct slice piece = shelf_bytes(f, 1 << 20, 1);
	char key[16];

	for (int i = 0; i < 80; i++) {
		snprintf(key, sizeof(key), "f/%d", i);
		struct store_job job = shelf_insert_job(f, key, piece);
		ck_assert_int_eq(store_do(f->store, &job), 0);
	}
	ck_assert_uint_gt(spill_measure(f), SHELF_SIZE / 4 * 3);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(spill_add(f, &spill, piece), 0);
		ck_assert_uint_le(spill_measure(f), SHELF_SIZE);
	}
	ck_assert_int_eq(spill_insert(f, &spill, 0), 0);
	ck_assert_uint_le(spill_measure(f), SHELF_SIZE);
	ck_assert_int_eq(shelf_find(f, "p/1"), 0);
	store_spill_close(&spill);
	shelf_free(f);
}
END_TEST

START_TEST(what_was_spilled_in_another_store_is_not_this_one_s)
{
	struct shelf *f = spill_shelf_new(), *other = spill_shelf_new();
	struct store_spill spill = { 0 };

	spill_add_all(f, &spill);
	ck_assert_int_eq(spill_add(other, &spill, SLICE("x")), -ESTALE);
	ck_assert_int_eq(spill_insert(other, &spill, 0), -ESTALE);
	ck_assert(spill.unnamed);
	ck_assert_int_eq(spill_count(f), 1);
	ck_assert_int_eq(spill_insert(f, &spill, 0), 0);
	store_spill_close(&spill);
	shelf_free(f);
	shelf_free(other);
}
END_TEST

START_TEST(without_its_directory_nothing_is_spilled_or_leaked)
{
	struct shelf *f = spill_shelf_new();
	struct store_spill spill = { 0 };
	int bodies = f->store->bodies_fd;

	f->store->bodies_fd = -1;
	ck_assert_int_eq(spill_add(f, &spill, SLICE("x")), -EIO);
	f->store->bodies_fd = bodies;
	ck_assert(!spill.readable && !spill.unnamed);
	spill_discard(f, &spill);
	store_spill_close(&spill);
	ck_assert_int_eq(spill_count(f), 0);
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("spill");

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_spilled_body_is_read_while_it_grows_and_then_the_entry_s);
	tcase_add_test(tests, what_is_discarded_may_be_read_on_and_leaves_no_file);
	tcase_add_test(tests, what_is_let_go_of_is_swept);
	tcase_add_test(tests, a_spilled_body_that_was_deflated_leaves_no_file);
	tcase_add_test(tests, processes_that_spill_at_once_share_the_share);
	tcase_add_test(tests, all_that_is_spilling_has_a_share_of_the_store);
	tcase_add_test(tests, a_full_store_makes_room_for_what_spills);
	tcase_add_test(tests, what_was_spilled_in_another_store_is_not_this_one_s);
	tcase_add_test(tests, without_its_directory_nothing_is_spilled_or_leaked);
	return suite_run("spill", tests);
}
