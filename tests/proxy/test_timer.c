/* test_timer.c -- Timers fire in the order of their deadlines, each once, none that was cleared. */
#include "suite.h"
#include "timer.h"
#include "wire.h"

#include <limits.h>

enum { TIMERS = 300, ROUNDS = 20000, SPAN_MS = 1000 };

/* A timer, and what a list without any order knows about it. */
struct clocked {
	struct timer timer;
	bool set;
	int64_t at_ms;
};

/* What the fire functions see: the model, and the time it is. */
static struct clocked model[TIMERS];
static int64_t model_now_ms, model_last_ms;
static unsigned model_fired;

static void
model_fire(struct timer *timer)
{
	struct clocked *c = (struct clocked *)timer;
	ck_assert_uint_eq(timer->place, 0);
	ck_assert(c->set);
	ck_assert_int_le(c->at_ms, model_now_ms);
	ck_assert_int_ge(c->at_ms, model_last_ms);
	model_last_ms = c->at_ms;
	c->set = false;
	model_fired++;
}

/* The nearest of the model; -1 without any. */
static int64_t
model_nearest(size_t *n)
{
	int64_t nearest = -1;
	*n = 0;
	for (size_t i = 0; i < TIMERS; i++) {
		if (!model[i].set)
			continue;
		++*n;
		if (nearest < 0 || model[i].at_ms < nearest)
			nearest = model[i].at_ms;
	}
	return nearest;
}

static void
model_check(const struct timers *timers)
{
	size_t n;
	int64_t nearest = model_nearest(&n);
	int64_t wait = nearest < 0 ? -1 : nearest < model_now_ms ? 0 : nearest - model_now_ms;
	ck_assert_uint_eq(timers->n, n);
	ck_assert_int_eq(timers_wait_ms(timers, model_now_ms), wait);
}

static void
model_step(struct timers *timers, unsigned *state)
{
	struct clocked *c = &model[wire_random(state, TIMERS)];
	switch (wire_random(state, 4)) {
	case 0:
		timer_clear(timers, &c->timer);
		c->set = false;
		break;
	case 1:
		model_now_ms += (int64_t)wire_random(state, 30);
		model_last_ms = INT64_MIN;
		timers_run(timers, model_now_ms);
		break;
	default:
		c->at_ms = model_now_ms + (int64_t)wire_random(state, SPAN_MS) - 20;
		ck_assert_int_eq(timer_set(timers, &c->timer, c->at_ms), 0);
		c->set = true;
	}
}

START_TEST(timers_agree_with_a_list_without_order)
{
	struct timers timers = { 0 };
	unsigned state = 2026;
	for (size_t i = 0; i < TIMERS; i++)
		model[i] = (struct clocked){ .timer.fire = model_fire };
	for (int i = 0; i < ROUNDS; i++) {
		model_step(&timers, &state);
		model_check(&timers);
	}
	model_now_ms += 2 * SPAN_MS;
	model_last_ms = INT64_MIN;
	timers_run(&timers, model_now_ms);
	model_check(&timers);
	ck_assert_uint_eq(timers.n, 0);
	ck_assert_uint_gt(model_fired, ROUNDS / 20);
	timers_fini(&timers);
}
END_TEST

START_TEST(the_wait_is_what_poll_takes)
{
	struct timers timers = { 0 };
	struct timer timer = { 0 };
	ck_assert_int_eq(timers_wait_ms(&timers, 0), -1);
	ck_assert_int_eq(timer_set(&timers, &timer, 100), 0);
	ck_assert_int_eq(timers_wait_ms(&timers, 99), 1);
	ck_assert_int_eq(timers_wait_ms(&timers, 100), 0);
	ck_assert_int_eq(timers_wait_ms(&timers, 1000), 0);
	ck_assert_int_eq(timer_set(&timers, &timer, (int64_t)INT_MAX * 8), 0);
	ck_assert_int_eq(timers_wait_ms(&timers, 0), INT_MAX);
	ck_assert_uint_eq(timers.n, 1);
	timer_clear(&timers, &timer);
	timer_clear(&timers, &timer);
	ck_assert_int_eq(timers_wait_ms(&timers, 0), -1);
	timers_fini(&timers);
	timers_fini(&timers);
}
END_TEST

/* A timer that acts on others from within. */
struct chain {
	struct timer timer;
	struct timers *timers;
	struct timer *other;
	int64_t next_ms; /* Sets itself anew. */
	unsigned fired;
};

static void
chain_fire(struct timer *timer)
{
	struct chain *c = (struct chain *)timer;
	if (c->fired++ == 0)
		ck_assert_int_eq(timer_set(c->timers, timer, c->next_ms), 0);
	if (c->other != NULL)
		timer_clear(c->timers, c->other);
}

START_TEST(a_timer_may_set_itself_and_clear_another)
{
	struct timers timers = { 0 };
	struct chain one = { .timer.fire = chain_fire, .timers = &timers, .next_ms = 20 };
	struct chain two = { .timer.fire = chain_fire, .timers = &timers };
	one.other = &two.timer;
	ck_assert_int_eq(timer_set(&timers, &one.timer, 10), 0);
	ck_assert_int_eq(timer_set(&timers, &two.timer, 11), 0);
	timers_run(&timers, 15);
	ck_assert_uint_eq(one.fired, 1);
	ck_assert_uint_eq(two.fired, 0);
	ck_assert_int_eq(timers_wait_ms(&timers, 15), 5);
	timers_run(&timers, 20);
	ck_assert_uint_eq(one.fired, 2);
	ck_assert_int_eq(timers_wait_ms(&timers, 20), -1);
	timers_fini(&timers);
}
END_TEST

/* ---- Soon ----------------------------------------------------------------------------------- */

enum { SOON = 1000 };

struct soon {
	struct timer timer;
	struct timers *timers;
	unsigned *turn;
	unsigned fired_at; /* 1: it was the first. */
	bool again;
};

static void
soon_fire(struct timer *timer)
{
	struct soon *s = (struct soon *)timer;
	s->fired_at = ++*s->turn;
	if (s->again)
		timer_set_soon(s->timers, timer);
}

static void
soon_make(struct soon *all, size_t n, struct timers *timers, unsigned *turn)
{
	for (size_t i = 0; i < n; i++)
		all[i] = (struct soon){ .timer.fire = soon_fire, .timers = timers, .turn = turn };
}

START_TEST(what_is_to_fire_soon_fires_in_order_behind_what_is_due)
{
	struct timers timers = { 0 };
	struct soon s[5];
	unsigned turn = 0;
	soon_make(s, 5, &timers, &turn);
	timer_set_soon(&timers, &s[0].timer);
	ck_assert_int_eq(timers_wait_ms(&timers, 0), 0);
	timer_set_soon(&timers, &s[1].timer);
	timer_set_soon(&timers, &s[2].timer);
	timer_set_soon(&timers, &s[0].timer); /* Keeps its place. */
	ck_assert_int_eq(timer_set(&timers, &s[3].timer, 100), 0);
	ck_assert_int_eq(timer_set(&timers, &s[4].timer, 101), 0);
	timer_clear(&timers, &s[1].timer);
	timers_run(&timers, 100);
	ck_assert_uint_eq(s[3].fired_at, 1);
	ck_assert_uint_eq(s[0].fired_at, 2);
	ck_assert_uint_eq(s[2].fired_at, 3);
	ck_assert_uint_eq(s[1].fired_at + s[4].fired_at, 0);
	ck_assert_int_eq(timers_wait_ms(&timers, 100), 1);
	timers_fini(&timers);
}
END_TEST

START_TEST(what_is_to_fire_soon_may_get_a_deadline_and_lose_it)
{
	struct timers timers = { 0 };
	struct soon s[3];
	unsigned turn = 0;
	soon_make(s, 3, &timers, &turn);
	for (size_t i = 0; i < 3; i++)
		timer_set_soon(&timers, &s[i].timer);
	ck_assert_int_eq(timer_set(&timers, &s[1].timer, 50), 0);
	timers_run(&timers, 49);
	ck_assert_uint_eq(turn, 2);
	ck_assert_uint_eq(s[1].fired_at, 0);
	timer_set_soon(&timers, &s[1].timer);
	ck_assert_uint_eq(timers.n, 0);
	timers_run(&timers, 49);
	ck_assert_uint_eq(s[1].fired_at, 3);
	ck_assert_int_eq(timers_wait_ms(&timers, 49), -1);
	timers_fini(&timers);
}
END_TEST

START_TEST(who_always_fires_soon_keeps_nobody_waiting)
{
	struct timers timers = { 0 };
	struct soon s[2];
	unsigned turn = 0;
	soon_make(s, 2, &timers, &turn);
	s[0].again = true;
	timer_set_soon(&timers, &s[0].timer);
	ck_assert_int_eq(timer_set(&timers, &s[1].timer, 10), 0);
	timers_run(&timers, 9); /* It ends. */
	ck_assert_uint_gt(turn, 1);
	ck_assert_int_eq(timers_wait_ms(&timers, 9), 0);
	timers_run(&timers, 10);
	ck_assert_uint_ne(s[1].fired_at, 0);
	timer_clear(&timers, &s[0].timer);
	timers_fini(&timers);
}
END_TEST

START_TEST(many_that_fire_soon_all_fire_and_once)
{
	static struct soon s[SOON];
	struct timers timers = { 0 };
	unsigned turn = 0;
	soon_make(s, SOON, &timers, &turn);
	for (size_t i = 0; i < SOON; i++)
		timer_set_soon(&timers, &s[i].timer);
	for (size_t i = 0; i < SOON; i += 2)
		timer_clear(&timers, &s[i].timer);
	while (timers_wait_ms(&timers, 0) == 0)
		timers_run(&timers, 0);
	ck_assert_uint_eq(turn, SOON / 2);
	for (size_t i = 0; i < SOON; i++)
		ck_assert_uint_eq(s[i].fired_at, i % 2 == 0 ? 0 : i / 2 + 1);
	timers_fini(&timers);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("timer");
	tcase_add_test(tests, timers_agree_with_a_list_without_order);
	tcase_add_test(tests, the_wait_is_what_poll_takes);
	tcase_add_test(tests, a_timer_may_set_itself_and_clear_another);
	tcase_add_test(tests, what_is_to_fire_soon_fires_in_order_behind_what_is_due);
	tcase_add_test(tests, what_is_to_fire_soon_may_get_a_deadline_and_lose_it);
	tcase_add_test(tests, who_always_fires_soon_keeps_nobody_waiting);
	tcase_add_test(tests, many_that_fire_soon_all_fire_and_once);
	return suite_run("proxy/timer", tests);
}
