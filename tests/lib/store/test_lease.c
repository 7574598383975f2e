/* test_lease.c -- Leases in one process, among forked ones, and in a file full of garbage. */
#include "base/clock.h"
#include "store/lease.h"
#include "store/leasefile.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };
static const uint64_t some_hash = 0x123456789abcdef0;

/* The store's directory: each test's own. */
static char lease_path[32];

static void
lease_path_make(void)
{
	strcpy(lease_path, "/tmp/dory-lease-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(lease_path));
}

static int
lease_path_drop_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static void
lease_path_drop(void)
{
	nftw(lease_path, lease_path_drop_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct leases *
open_leases(const char *path)
{
	struct leases *l = NULL;
	ck_assert_int_eq(leases_new(&l), 0);
	ck_assert_int_eq(leases_attach(l, path), 0);
	return l;
}

static enum lease_verdict
take(struct leases *l, uint64_t hash, struct lease *out)
{
	struct lease other;
	return lease_take(l, hash, 7, 0, out, &other);
}

/* Somebody who waits, and is told. */
struct waiter {
	struct lease_wait wait;
	sem_t told;
};

static void
waiter_told(struct lease_wait *wait)
{
	sem_post(&((struct waiter *)wait)->told);
}

static void
waiter_begin(struct waiter *w, struct leases *l, uint64_t hash, int64_t patience_ms)
{
	struct lease none;
	*w = (struct waiter){ .wait.told = waiter_told,
		.wait.until_ms = clock_mono_ms() + patience_ms };
	sem_init(&w->told, 0, 0);
	ck_assert_int_eq(lease_take(l, hash, 7, 0, &none, &w->wait.other), LEASE_OTHER);
	ck_assert_int_eq(lease_await(l, &w->wait), 0);
}

/* Returns after how long it was told. */
static int64_t
waiter_end(struct waiter *w)
{
	struct timespec until;
	int64_t began_ms = clock_mono_ms();
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_MS / 1000;
	ck_assert_int_eq(sem_timedwait(&w->told, &until), 0);
	sem_destroy(&w->told);
	return clock_mono_ms() - began_ms;
}

/* A process that holds the lease for some_hash, until it is killed. */
static pid_t
fork_owner(const char *path)
{
	int ready[2];
	char byte;
	ck_assert_int_eq(pipe(ready), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct leases *l = NULL;
		struct lease lease;
		if (leases_new(&l) != 0 || leases_attach(l, path) != 0 ||
		    take(l, some_hash, &lease) != LEASE_TAKEN || write(ready[1], "x", 1) != 1)
			_exit(1);
		alarm(60);
		for (;;) {
			usleep(LEASE_RENEW_MS * 1000);
			lease_renew(&lease);
		}
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void
end_owner(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

START_TEST(one_of_two_takes_it_and_the_other_waits)
{
	char *path = lease_path;
	struct leases *a = open_leases(path), *b = open_leases(path);
	struct lease lease, other, mine;
	struct waiter w;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	ck_assert(lease_is_ours(&lease));
	ck_assert_int_eq(lease_take(b, some_hash, 9, 0, &mine, &other), LEASE_OTHER);
	ck_assert_uint_eq(other.sequence, 7);
	waiter_begin(&w, b, some_hash, WAIT_MS);
	lease_release(a, &lease, false);
	ck_assert_int_lt(waiter_end(&w), 1000);
	ck_assert_int_eq(take(b, some_hash, &mine), LEASE_TAKEN);
	lease_release(b, &mine, false);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(who_takes_it_next_learns_in_which_snapshot_the_last_was_stored)
{
	char *path = lease_path;
	struct leases *a = open_leases(path), *b = open_leases(path);
	struct lease first, next;
	ck_assert_int_eq(take(a, some_hash, &first), LEASE_TAKEN);
	ck_assert_uint_eq(first.stored, 0);
	lease_set_stored(&first, 42);
	lease_release(a, &first, false);
	ck_assert_int_eq(take(b, some_hash, &next), LEASE_TAKEN);
	ck_assert_uint_eq(next.stored, 42);
	lease_release(b, &next, false);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(in_its_own_process_nobody_waits)
{
	struct leases *l = open_leases(lease_path);
	struct lease lease, again;
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_TAKEN);
	ck_assert_int_eq(take(l, some_hash, &again), LEASE_OWN);
	leases_free(l);
}
END_TEST

START_TEST(two_keys_in_one_slot_do_not_wait_for_each_other)
{
	char *path = lease_path;
	struct leases *a = open_leases(path), *b = open_leases(path);
	struct lease lease, other;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	ck_assert_int_eq(take(b, some_hash + ((uint64_t)LEASE_SLOTS << 40), &other), LEASE_NONE);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(what_is_for_nobody_else_is_fetched_side_by_side)
{
	char *path = lease_path;
	struct leases *a = open_leases(path), *b = open_leases(path);
	struct lease lease, other;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	lease_release(a, &lease, true);
	ck_assert(lease_is_alone(a, some_hash) && lease_is_alone(b, some_hash));
	ck_assert(!lease_is_alone(b, some_hash + 1));
	/* Who does not wait may hold it none the less. */
	ck_assert_int_eq(take(b, some_hash, &other), LEASE_TAKEN);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(one_that_is_of_no_use_is_overtaken_and_its_owner_sees_it)
{
	char *path = lease_path;
	struct leases *a = open_leases(path), *b = open_leases(path);
	struct lease lease, other, mine;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	ck_assert_int_eq(lease_take(b, some_hash, 9, 0, &mine, &other), LEASE_OTHER);
	ck_assert_int_eq(lease_take(b, some_hash, 9, other.word, &mine, &other), LEASE_TAKEN);
	ck_assert(!lease_is_ours(&lease));
	lease_release(a, &lease, true);
	ck_assert(lease_is_ours(&mine));
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_OTHER);
	leases_free(a);
	leases_free(b);
}
END_TEST

/* Which failure `b` is told of that waits for a fetch of `a`, which ends with that status; 0: well.
 */
static unsigned
told_of(struct leases *a, struct leases *b, unsigned status)
{
	struct lease lease;
	struct waiter w;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	waiter_begin(&w, b, some_hash, WAIT_MS);
	if (status == 0)
		lease_release(a, &lease, false);
	else
		lease_fail(a, &lease, status);
	waiter_end(&w);
	return w.wait.failed_status;
}

START_TEST(what_fails_fails_for_who_waits_and_for_nobody_later)
{
	struct leases *a = open_leases(lease_path), *b = open_leases(lease_path);
	struct lease lease, other;
	struct waiter w;
	ck_assert_uint_eq(told_of(a, b, 504), 504);
	/* Not of the next, nor where it is no status of a failure. */
	ck_assert_uint_eq(told_of(a, b, 0), 0);
	ck_assert_uint_eq(told_of(a, b, 200), 0);
	/* Who was overtaken has nothing to say. */
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	ck_assert_int_eq(lease_take(b, some_hash, 9, lease.word, &other, &other), LEASE_TAKEN);
	waiter_begin(&w, a, some_hash, WAIT_MS);
	lease_fail(a, &lease, 504);
	lease_release(b, &other, false);
	waiter_end(&w);
	ck_assert_uint_eq(w.wait.failed_status, 0);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(a_number_that_is_noted_later_is_told)
{
	struct leases *a = open_leases(lease_path), *b = open_leases(lease_path);
	struct lease lease, other;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	lease_set_sequence(&lease, 12);
	ck_assert_int_eq(take(b, some_hash, &other), LEASE_OTHER);
	ck_assert_int_eq(lease_take(b, some_hash, 9, 0, &lease, &other), LEASE_OTHER);
	ck_assert_uint_eq(other.sequence, 12);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(who_is_killed_is_overtaken_at_once)
{
	char *path = lease_path;
	struct leases *l = open_leases(path);
	struct lease lease;
	struct waiter w;
	pid_t owner = fork_owner(path);
	waiter_begin(&w, l, some_hash, WAIT_MS);
	end_owner(owner);
	ck_assert_int_lt(waiter_end(&w), 1000);
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_TAKEN);
	leases_free(l);
}
END_TEST

START_TEST(whose_number_is_given_again_holds_nothing)
{
	char *path = lease_path;
	struct leases *l;
	struct lease lease;
	end_owner(fork_owner(path));
	l = open_leases(path); /* Has the number that was just given up. */
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_TAKEN);
	leases_free(l);
}
END_TEST

START_TEST(who_is_stopped_is_overtaken_after_its_deadline)
{
	char *path = lease_path;
	struct leases *l = open_leases(path);
	struct lease lease;
	struct waiter w;
	pid_t owner = fork_owner(path);
	waiter_begin(&w, l, some_hash, WAIT_MS);
	kill(owner, SIGSTOP);
	int64_t took_ms = waiter_end(&w);
	ck_assert_int_lt(took_ms, 2 * LEASE_MS);
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_TAKEN);
	end_owner(owner);
	leases_free(l);
}
END_TEST

START_TEST(who_renews_keeps_it_and_who_waits_has_a_limit)
{
	char *path = lease_path;
	struct leases *l = open_leases(path);
	struct lease lease;
	struct waiter w;
	pid_t owner = fork_owner(path);
	waiter_begin(&w, l, some_hash, LEASE_MS + LEASE_RENEW_MS);
	waiter_end(&w);
	ck_assert_int_ge(clock_mono_ms(), w.wait.until_ms);
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_OTHER);
	end_owner(owner);
	leases_free(l);
}
END_TEST

static void
write_garbage(const char *path, int seed)
{
	char file[4096];
	snprintf(file, sizeof(file), "%s/leases", path);
	FILE *f = fopen(file, "r+");
	ck_assert_ptr_nonnull(f);
	struct stat st;
	ck_assert_int_eq(stat(file, &st), 0);
	for (off_t i = 0; i < st.st_size; i++)
		fputc(seed >= 0 ? seed : rand(), f);
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(garbage_in_the_file_costs_no_more_than_a_wait)
{
	static const int seeds[] = { -1, 0xff, 0x01, 0x80 };
	char *path = lease_path;
	struct leases *a = open_leases(path), *b;
	write_garbage(path, seeds[_i]);
	b = open_leases(path);
	for (uint64_t i = 0; i < 2000; i++) {
		struct lease lease = { 0 }, other = { 0 };
		uint64_t hash = i * 0x9e3779b97f4a7c15;
		struct leases *l = i % 2 == 0 ? a : b;
		if (lease_take(l, hash, 1, 0, &lease, &other) == LEASE_TAKEN) {
			lease_renew(&lease);
			lease_release(l, &lease, false);
		}
	}
	/* Where garbage made nothing of it, it works as ever. */
	struct lease lease = { 0 }, other = { 0 };
	struct waiter w;
	ck_assert_int_eq(take(a, some_hash, &lease), LEASE_TAKEN);
	waiter_begin(&w, b, some_hash, WAIT_MS);
	lease_release(a, &lease, false);
	waiter_end(&w);
	ck_assert_int_eq(take(b, some_hash, &other), LEASE_TAKEN);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(what_is_no_plain_file_of_ours_is_refused)
{
	char *path = lease_path, file[4096];
	struct leases *l = NULL;
	struct lease lease;
	ck_assert_int_eq(leases_new(&l), 0);
	snprintf(file, sizeof(file), "%s/leases", path);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	ck_assert_int_eq(leases_attach(l, path), -EINVAL);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(symlink("/dev/zero", file), 0);
	ck_assert_int_eq(leases_attach(l, path), -EINVAL);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(leases_attach(l, "/nowhere/at/all"), -ENOENT);
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_NONE);
	/* Once there is one, it is taken as if it had always been. */
	ck_assert_int_eq(leases_attach(l, path), 0);
	ck_assert_int_eq(take(l, some_hash, &lease), LEASE_TAKEN);
	lease_release(l, &lease, false);
	leases_free(l);
}
END_TEST

START_TEST(a_file_that_is_replaced_is_followed_and_who_waited_looks_again)
{
	struct leases *a = open_leases(lease_path), *b = open_leases(lease_path);
	struct lease old, lease, other;
	struct waiter w;
	char file[4096];
	ck_assert_int_eq(take(a, some_hash, &old), LEASE_TAKEN);
	waiter_begin(&w, b, some_hash, WAIT_MS);
	ck_assert_int_eq(leases_attach(b, lease_path), 0); /* The same: nothing happens. */
	ck_assert_int_eq(take(b, some_hash, &lease), LEASE_OTHER);
	snprintf(file, sizeof(file), "%s/leases", lease_path);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(leases_attach(b, lease_path), 0);
	ck_assert_int_lt(waiter_end(&w), 1000);
	ck_assert_int_eq(leases_attach(a, lease_path), 0);
	/* They meet in the new one; what is held in the old one can still be given back. */
	ck_assert_int_eq(take(b, some_hash, &lease), LEASE_TAKEN);
	ck_assert_int_eq(lease_take(a, some_hash, 7, 0, &other, &other), LEASE_OTHER);
	ck_assert(lease_is_ours(&old));
	lease_release(a, &old, true);
	ck_assert(lease_is_ours(&lease));
	ck_assert_int_eq(lease_take(a, some_hash, 7, 0, &other, &other), LEASE_OTHER);
	ck_assert_int_eq(leases_attach(a, lease_path), 0);
	leases_free(a);
	leases_free(b);
}
END_TEST

START_TEST(of_eight_processes_one_takes_it_each_round)
{
	enum { PROCESSES = 8, ROUNDS = 200 };
	char *path = lease_path, byte = 0;
	int go[2], said[2], taken = 0;
	ck_assert_int_eq(pipe(go) | pipe(said), 0);
	pid_t children[PROCESSES];
	for (int i = 0; i < PROCESSES; i++) {
		children[i] = fork();
		ck_assert_int_ge(children[i], 0);
		if (children[i] != 0)
			continue;
		struct leases *l = NULL;
		struct lease leases[ROUNDS], other;
		alarm(60);
		if (leases_new(&l) != 0 || leases_attach(l, path) != 0 ||
		    write(said[1], "r", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		/* Held to the end: whoever comes later finds it held. */
		for (uint64_t round = 0; round < ROUNDS; round++) {
			bool ours =
			    lease_take(l, round + 1, 1, 0, &leases[round], &other) == LEASE_TAKEN;
			if (write(said[1], ours ? "y" : "n", 1) != 1)
				_exit(1);
		}
		for (;;)
			pause();
	}
	for (int i = 0; i < PROCESSES; i++)
		ck_assert_int_eq(read(said[0], &byte, 1), 1);
	ck_assert_int_eq(write(go[1], "gggggggg", PROCESSES), PROCESSES);
	for (int i = 0; i < PROCESSES * ROUNDS; i++) {
		ck_assert_int_eq(read(said[0], &byte, 1), 1);
		taken += byte == 'y';
	}
	ck_assert_int_eq(taken, ROUNDS);
	for (int i = 0; i < PROCESSES; i++)
		end_owner(children[i]);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("lease");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, lease_path_make, lease_path_drop);
	tcase_add_test(tests, one_of_two_takes_it_and_the_other_waits);
	tcase_add_test(tests, who_takes_it_next_learns_in_which_snapshot_the_last_was_stored);
	tcase_add_test(tests, in_its_own_process_nobody_waits);
	tcase_add_test(tests, two_keys_in_one_slot_do_not_wait_for_each_other);
	tcase_add_test(tests, what_is_for_nobody_else_is_fetched_side_by_side);
	tcase_add_test(tests, one_that_is_of_no_use_is_overtaken_and_its_owner_sees_it);
	tcase_add_test(tests, what_fails_fails_for_who_waits_and_for_nobody_later);
	tcase_add_test(tests, a_number_that_is_noted_later_is_told);
	tcase_add_test(tests, who_is_killed_is_overtaken_at_once);
	tcase_add_test(tests, whose_number_is_given_again_holds_nothing);
	tcase_add_test(tests, who_is_stopped_is_overtaken_after_its_deadline);
	tcase_add_test(tests, who_renews_keeps_it_and_who_waits_has_a_limit);
	tcase_add_loop_test(tests, garbage_in_the_file_costs_no_more_than_a_wait, 0, 4);
	tcase_add_test(tests, what_is_no_plain_file_of_ours_is_refused);
	tcase_add_test(tests, a_file_that_is_replaced_is_followed_and_who_waited_looks_again);
	tcase_add_test(tests, of_eight_processes_one_takes_it_each_round);
	return suite_run("lib/store/lease", tests);
}
