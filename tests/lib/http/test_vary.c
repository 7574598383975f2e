/* test_vary.c -- Two requests select one response exactly when the named fields agree. */
#include "http/vary.h"
#include "mutate.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>

static struct arena vary_arena;

static const struct {
	const char *name;
	const char *lines[3]; /* Vary fields. */
	int rc;
	const char *want;
} names_cases[] = {
	{ "none", { NULL }, 0, "" },
	{ "empty", { "" }, 0, "" },
	{ "one", { "Accept-Encoding" }, 0, "accept-encoding" },
	{ "RFC 9110 12.5.5", { "accept-encoding, accept-language" }, 0,
	    "accept-encoding accept-language" },
	{ "sorted, once", { "b, A,,a , B", "aa", "a-b" }, 0, "a a-b aa b" },
	{ "star", { "*" }, -EPERM, NULL },
	{ "star twice", { "*, *" }, -EPERM, NULL },
	{ "star on two lines", { "*", "*" }, -EPERM, NULL },
	{ "star behind nothing", { ", *" }, -EPERM, NULL },
	{ "star on the next line", { "", "*" }, -EPERM, NULL },
	{ "star first", { "*, Foo" }, -EPERM, NULL },
	{ "star last", { "Foo, *" }, -EPERM, NULL },
	{ "star behind a fault", { "a b", "*" }, -EPERM, NULL },
	{ "no token", { "a b" }, -EINVAL, NULL },
	{ "no token, quoted", { "\"a\"" }, -EINVAL, NULL },
	{ "no token, high byte", { "\xc3\xa9" }, -EINVAL, NULL },
};

START_TEST(names_are_lower_case_sorted_and_once)
{
	struct http_field items[] = { { SLICE("Vary"), { NULL, 0 } }, { SLICE("x"), SLICE("*") },
		{ SLICE("VARY"), { NULL, 0 } }, { SLICE("vary"), { NULL, 0 } } };
	struct http_fields fields = { items, COUNT(items) };
	struct slice got = { NULL, 0 };
	items[0].value = slice_of(names_cases[_i].lines[0]);
	items[2].value = slice_of(names_cases[_i].lines[1]);
	items[3].value = slice_of(names_cases[_i].lines[2]);
	ck_assert_msg(vary_names(&fields, &vary_arena, &got) == names_cases[_i].rc, "%s",
	    names_cases[_i].name);
	ck_assert_msg(slice_equal(got, slice_of(names_cases[_i].want)), "%s: %.*s",
	    names_cases[_i].name, SLICE_ARGS(got));
}
END_TEST

START_TEST(names_are_bounded)
{
	char text[4096];
	size_t len = 0;
	struct http_field field = { SLICE("vary"), { text, 0 } };
	struct http_fields fields = { &field, 1 };
	struct slice got;
	for (int i = 0; i < VARY_NAMES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "n%d, N%d,", i, i);
	field.value.len = len;
	ck_assert_int_eq(vary_names(&fields, &vary_arena, &got), 0);
	snprintf(text + len, sizeof(text) - len, "x");
	field.value.len = len + 1;
	ck_assert_int_eq(vary_names(&fields, &vary_arena, &got), -E2BIG);
	memset(text, 'a', sizeof(text));
	field.value.len = VARY_BYTES_MAX;
	ck_assert_int_eq(vary_names(&fields, &vary_arena, &got), 0);
	field.value.len = VARY_BYTES_MAX + 1;
	ck_assert_int_eq(vary_names(&fields, &vary_arena, &got), -E2BIG);
	text[VARY_BYTES_MAX - 2] = ',';
	field.value.len = VARY_BYTES_MAX;
	ck_assert_int_eq(vary_names(&fields, &vary_arena, &got), 0);
	field.value.len = VARY_BYTES_MAX + 1;
	ck_assert_int_eq(vary_names(&fields, &vary_arena, &got), -E2BIG);
}
END_TEST

static const struct {
	const char *name;
	const char *a_foo, *a_bar, *b_foo, *b_bar; /* NULL: absent. */
	bool same;
} values_cases[] = {
	{ "both absent", NULL, NULL, NULL, NULL, true },
	{ "equal", "1", "abc", "1", "abc", true },
	{ "one differs", "1", "abc", "1", "abd", false },
	{ "absent and empty", NULL, "abc", "", "abc", false },
	{ "swapped", "abc", NULL, NULL, "abc", false },
	{ "case counts", "a", NULL, "A", NULL, false },
	{ "blanks around commas", "1,2", NULL, " 1, 2 ", NULL, true },
	{ "tabs too", "1,2", NULL, "1\t,\t2", NULL, true },
	{ "blanks elsewhere count", "1 2", NULL, "12", NULL, false },
	{ "order counts", "1, 2", NULL, "2, 1", NULL, false },
	{ "empty members count", "1,,2", NULL, "1,2", NULL, false },
	{ "blanks in quotes count", "\"1, 2\"", NULL, "\"1,2\"", NULL, false },
	{ "blanks behind quotes do not", "\"1\" , 2", NULL, "\"1\",2", NULL, true },
	{ "a quoted quote ends nothing", "\"\\\", 2\"", NULL, "\"\\\",2\"", NULL, false },
	{ "blanks in an open quote count", "\"1, 2", NULL, "\"1,2", NULL, false },
	{ "only blanks are empty", " ", NULL, "", NULL, true },
};

static struct slice
vary_values_of(const char *foo, const char *bar)
{
	struct http_field items[3] = { { SLICE("other"), SLICE("1") } };
	struct http_request request = { .fields = { items, 1 } };
	struct slice got = { NULL, 0 };
	if (bar != NULL)
		items[request.fields.n++] = (struct http_field){ SLICE("bar"), slice_of(bar) };
	if (foo != NULL)
		items[request.fields.n++] = (struct http_field){ SLICE("foo"), slice_of(foo) };
	ck_assert_int_eq(vary_values(SLICE("bar foo"), &request, &vary_arena, &got), 0);
	return got;
}

START_TEST(values_are_equal_exactly_when_they_select_the_same)
{
	struct slice a = vary_values_of(values_cases[_i].a_foo, values_cases[_i].a_bar);
	struct slice b = vary_values_of(values_cases[_i].b_foo, values_cases[_i].b_bar);
	ck_assert_msg(slice_equal(a, b) == values_cases[_i].same, "%s", values_cases[_i].name);
}
END_TEST

START_TEST(no_names_have_no_values)
{
	struct http_request request = { .fields = { NULL, 0 } };
	struct slice got = { NULL, 1 };
	ck_assert_int_eq(vary_values(SLICE(""), &request, &vary_arena, &got), 0);
	ck_assert_uint_eq(got.len, 0);
	ck_assert_ptr_null(vary_arena.blocks);
}
END_TEST

START_TEST(mutated_names_are_refused_or_canonical)
{
	static const char *const seeds[] = { "Accept-Encoding, Accept-Language", "b,a, B,A",
		"*, x" };
	unsigned state = 37, good = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds)), once, again;
		struct http_field items[16] = { { SLICE("vary"), s } };
		struct http_fields fields = { items, 1 };
		if (vary_names(&fields, &vary_arena, &once) == 0) {
			good++;
			fields.n = 0;
			for (struct slice rest = once; rest.at != NULL && fields.n < 16;)
				items[fields.n++] =
				    (struct http_field){ SLICE("Vary"), slice_cut(&rest, ' ') };
			ck_assert_int_eq(vary_names(&fields, &vary_arena, &again), 0);
			ck_assert(slice_equal(once, again));
		}
		arena_reset(&vary_arena);
		mutate_free(s);
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

START_TEST(mutated_values_lose_nothing_but_blanks)
{
	static const char *const seeds[] = { "gzip , br;q=1.0,\t*;q=0", "\"a , b\" , c", "en, de" };
	unsigned state = 41;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds)), got;
		struct http_field field = { SLICE("foo"), s };
		struct http_request request = { .fields = { &field, 1 } };
		size_t j = 0;
		ck_assert_int_eq(vary_values(SLICE("foo"), &request, &vary_arena, &got), 0);
		ck_assert(got.at[0] == '+' && got.at[got.len - 1] == '\n');
		for (size_t k = 1; k + 1 < got.len; k++) {
			while (j < s.len && s.at[j] != got.at[k])
				ck_assert(memchr(" \t", s.at[j++], 2) != NULL);
			ck_assert_uint_lt(j++, s.len);
		}
		while (j < s.len)
			ck_assert(memchr(" \t", s.at[j++], 2) != NULL);
		arena_reset(&vary_arena);
		mutate_free(s);
	}
}
END_TEST

static void
vary_teardown(void)
{
	arena_fini(&vary_arena);
}

int
main(void)
{
	TCase *tests = tcase_create("vary");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, vary_teardown);
	tcase_add_loop_test(tests, names_are_lower_case_sorted_and_once, 0, COUNT(names_cases));
	tcase_add_test(tests, names_are_bounded);
	tcase_add_loop_test(
	    tests, values_are_equal_exactly_when_they_select_the_same, 0, COUNT(values_cases));
	tcase_add_test(tests, no_names_have_no_values);
	tcase_add_test(tests, mutated_names_are_refused_or_canonical);
	tcase_add_test(tests, mutated_values_lose_nothing_but_blanks);
	return suite_run("lib/http/vary", tests);
}
