/* test_query.c -- A query reaches the backend in one spelling, with what is declared alone. */
#include "route/query.h"
#include "suite.h"

static const struct {
	const char *rules;
	const char *query; /* NULL: none. */
	const char *sent;  /* NULL: none. */
} apply_cases[] = {
	{ "*", NULL, NULL },
	{ "*", "", "" },
	{ "*", "b=2&a=1&a=2", "b=2&a=1&a=2" },
	{ "*", "x=1;y=2", "x=1;y=2" },
	{ "none", "a=1", NULL },
	{ "none", NULL, NULL },
	{ "page:uint=1 sort:name|price=name q", NULL, NULL },
	{ "page:uint=1 sort:name|price=name q", "", NULL },
	{ "page:uint=1 sort:name|price=name q", "page=1", NULL },
	{ "page:uint=1 sort:name|price=name q", "page=2", "page=2" },
	{ "page:uint=1 sort:name|price=name q", "page=%32", "page=2" },
	{ "page:uint=1 sort:name|price=name q", "%70age=2", "page=2" },
	{ "page:uint=1 sort:name|price=name q", "page=02", NULL },
	{ "page:uint=1 sort:name|price=name q", "page=x", NULL },
	{ "page:uint=1 sort:name|price=name q", "page", NULL },
	{ "page:uint=1 sort:name|price=name q", "page=2&page=3", "page=2" },
	{ "page:uint=1 sort:name|price=name q", "page=x&page=3", NULL },
	{ "page:uint=1 sort:name|price=name q", "sort=price&page=2", "page=2&sort=price" },
	{ "page:uint=1 sort:name|price=name q", "sort=size&utm_source=x", NULL },
	{ "page:uint=1 sort:name|price=name q", "q=a+b%20c&&", "q=a%20b%20c" },
	{ "page:uint=1 sort:name|price=name q", "q=a%26page%3D9", "q=a%26page%3D9" },
	{ "page:uint=1 sort:name|price=name q", "q=%C3%A9", "q=%C3%A9" },
	{ "page:uint=1 sort:name|price=name q", "q=", NULL },
	{ "page:uint=1 sort:name|price=name q", "q=%zz&q=1", "q=1" },
	{ "page:uint=1 sort:name|price=name q", "q=a=b", "q=a%3Db" },
	{ "page:uint=1 sort:name|price=name q", "page=2;q=1", NULL },
	{ "page:uint=1 sort:name|price=name q", "PAGE=2", NULL },
	{ "id:uuid", "id=123E4567-E89B-12D3-A456-426614174000",
	    "id=123e4567-e89b-12d3-a456-426614174000" },
	{ "f[a]:path", "f%5Ba%5D=", "f%5Ba%5D=" },
};

START_TEST(what_is_sent_has_one_spelling)
{
	struct slice values[QUERY_PARAMETERS_MAX], sent;
	const char *want = apply_cases[_i].sent;
	struct arena arena = { 0 };
	struct query_rules rules;
	struct finding why;

	ck_assert_int_eq(query_parse(slice_of(apply_cases[_i].rules), &arena, &rules, &why), 0);
	ck_assert_int_eq(
	    query_apply(&rules, slice_of(apply_cases[_i].query), &arena, values, &sent), 0);
	ck_assert_msg((sent.at == NULL) == (want == NULL) && slice_equal(sent, slice_of(want)),
	    "%s ? %s: %.*s", apply_cases[_i].rules, apply_cases[_i].query, SLICE_ARGS(sent));
	arena_fini(&arena);
}
END_TEST

/* What is sent is sent again unchanged: else two spellings would make two entries. */
START_TEST(a_random_query_is_sent_in_its_final_form)
{
	static const char alphabet[] = "paqge=12&&+%203Dx;";
	struct slice values[QUERY_PARAMETERS_MAX], sent, again;
	struct arena arena = { 0 };
	struct query_rules rules;
	struct finding why;
	unsigned state = 2026, some = 0;
	char query[24];

	for (int i = 0; i < 200000; i++) {
		size_t len = 0, end = (state >> 8) % sizeof(query);
		for (; len < end; len++) {
			state = state * 1664525u + 1013904223u;
			query[len] = alphabet[(state >> 8) % (sizeof(alphabet) - 1)];
		}
		state = state * 1664525u + 1013904223u;
		ck_assert_int_eq(
		    query_parse(SLICE("page:uint=1 q p a=x"), &arena, &rules, &why), 0);
		struct slice text = { query, len };
		ck_assert_int_eq(query_apply(&rules, text, &arena, values, &sent), 0);
		ck_assert_int_eq(query_apply(&rules, sent, &arena, values, &again), 0);
		ck_assert_msg(slice_equal(sent, again) && (sent.at == NULL) == (again.at == NULL),
		    "%.*s", SLICE_ARGS(text));
		some += sent.at != NULL;
		arena_reset(&arena);
	}
	ck_assert_uint_gt(some, 1000);
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("query");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, what_is_sent_has_one_spelling, 0, COUNT(apply_cases));
	tcase_add_test(tests, a_random_query_is_sent_in_its_final_form);
	return suite_run("lib/route/query", tests);
}
