/* test_inbox.c -- Whatever many threads push arrives once, and each thread's in its order. */
#include "inbox.h"
#include "suite.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { THREADS = 4, MESSAGES = 100000, WAIT_MS = 20000 };

struct note {
	struct message message;
	unsigned thread;
	unsigned number;
};

struct pusher {
	pthread_t thread;
	struct inbox *inbox;
	unsigned which;
};

static void *
pusher_main(void *argument)
{
	struct pusher *p = argument;
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct note *note = malloc(sizeof(*note));
		if (note == NULL)
			abort();
		*note = (struct note){ .thread = p->which, .number = i };
		inbox_push(p->inbox, &note->message);
	}
	return NULL;
}

static bool
inbox_is_readable(const struct inbox *inbox, int wait_ms)
{
	struct pollfd poller = { .fd = inbox->eventfd, .events = POLLIN };
	return poll(&poller, 1, wait_ms) == 1;
}

/* Returns how many there were. Each is freed: nobody else may look at it any more. */
static unsigned
inbox_check_all(struct message *message, unsigned next[THREADS])
{
	unsigned n = 0;
	for (; message != NULL; n++) {
		struct note *note = (struct note *)message;
		message = message->next;
		ck_assert_uint_lt(note->thread, THREADS);
		ck_assert_uint_eq(note->number, next[note->thread]);
		next[note->thread]++;
		free(note);
	}
	return n;
}

START_TEST(four_threads_push_and_nothing_is_lost)
{
	struct pusher pushers[THREADS];
	struct inbox inbox;
	unsigned next[THREADS] = { 0 }, taken = 0;
	ck_assert_int_eq(inbox_init(&inbox), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pushers[i] = (struct pusher){ .inbox = &inbox, .which = i };
		ck_assert_int_eq(
		    pthread_create(&pushers[i].thread, NULL, pusher_main, &pushers[i]), 0);
	}
	while (taken < THREADS * MESSAGES) {
		/* Only the eventfd tells: a wake that is lost ends here. */
		ck_assert(inbox_is_readable(&inbox, WAIT_MS));
		taken += inbox_check_all(inbox_take(&inbox), next);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(pushers[i].thread, NULL);
	ck_assert_uint_eq(taken, THREADS * MESSAGES);
	ck_assert_ptr_null(inbox_take(&inbox));
	inbox_fini(&inbox);
}
END_TEST

START_TEST(it_is_readable_while_something_is_in_it)
{
	struct note one = { .number = 1 }, two = { .number = 2 };
	struct inbox inbox;
	ck_assert_int_eq(inbox_init(&inbox), 0);
	ck_assert(!inbox_is_readable(&inbox, 0));
	ck_assert_ptr_null(inbox_take(&inbox));
	inbox_push(&inbox, &one.message);
	inbox_push(&inbox, &two.message);
	ck_assert(inbox_is_readable(&inbox, 0));
	struct message *oldest = inbox_take(&inbox);
	ck_assert(oldest == &one.message && oldest->next == &two.message);
	ck_assert_ptr_null(oldest->next->next);
	ck_assert(!inbox_is_readable(&inbox, 0));
	inbox_push(&inbox, &one.message);
	ck_assert(inbox_is_readable(&inbox, 0));
	inbox_fini(&inbox);
}
END_TEST

START_TEST(a_wake_needs_no_message)
{
	struct inbox inbox;
	ck_assert_int_eq(inbox_init(&inbox), 0);
	inbox_wake(&inbox);
	inbox_wake(&inbox);
	ck_assert(inbox_is_readable(&inbox, 0));
	ck_assert_ptr_null(inbox_take(&inbox));
	ck_assert(!inbox_is_readable(&inbox, 0));
	inbox_fini(&inbox);
	inbox_fini(&inbox);
	ck_assert_int_eq(inbox.eventfd, -1);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("inbox");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, four_threads_push_and_nothing_is_lost);
	tcase_add_test(tests, it_is_readable_while_something_is_in_it);
	tcase_add_test(tests, a_wake_needs_no_message);
	return suite_run("proxy/inbox", tests);
}
