/* test_explain.c -- What explain says of routes, keys, backends and of what is stored. */
#include "desk.h"

/* Parts of the answer where nothing is stored; a NULL is not looked at. */
static const struct {
	const char *name, *method, *url, *header;
	const char *route, *action, *reason, *bloat, *key, *scopes, *mode;
} cases[] = {
	{ "a page of a bloat", "GET", "/product/42", NULL,
	    "{'name':'product','file':'shop.ini','line':17}", "'cache'", "null", "'product'",
	    "'product(42)'", "[]", "'hard'" },
	{ "HEAD is as GET", "HEAD", "/product/42", NULL,
	    "{'name':'product','file':'shop.ini','line':17}", "'cache'", "null", "'product'",
	    "'product(42)'", "[]", "'hard'" },
	{ "a key from the query", "GET", "/list/books?page=2", NULL, NULL, "'cache'", "null",
	    "'list'", "'list(books, 2)'", "[]", NULL },
	{ "a write", "POST", "/product/42", NULL, "{'name':'save','file':'shop.ini','line':24}",
	    "'pass'", "'no-bloat'", "null", "null", "['product(42)','list(*)']", "'soft'" },
	{ "no route", "GET", "/elsewhere", NULL, "null", "'pass'", "'no-route'", "null", "null",
	    "[]", NULL },
	{ "a bypass", "GET", "/list/books", "Cookie: session7=x", NULL, "'pass'", "'bypass'",
	    "'list'", "null", "[]", NULL },
	{ "a body", "GET", "/product/42", "Content-Length: 3", NULL, "'pass'", "'body'",
	    "'product'", "null", "[]", NULL },
	{ "a bloat that is off", "GET", "/off/1", NULL, NULL, "'pass'", "'disabled'", "'off'",
	    "null", "[]", NULL },
};

static void
expect_part(json_t *tree, const char *name, const char *want)
{
	if (want != NULL)
		desk_expect(tree, name, want);
}

START_TEST(a_request_is_explained_without_a_store)
{
	struct desk *d = desk_new();
	json_t *tree = desk_explain(d, cases[_i].method, cases[_i].url, cases[_i].header);

	expect_part(tree, "route", cases[_i].route);
	expect_part(tree, "action", cases[_i].action);
	expect_part(tree, "reason", cases[_i].reason);
	expect_part(tree, "bloat", cases[_i].bloat);
	expect_part(tree, "key", cases[_i].key);
	expect_part(tree, "scopes", cases[_i].scopes);
	expect_part(tree, "deflate_mode", cases[_i].mode);
	desk_expect(tree, "backend", "{'name':'app','url':'http://127.0.0.1:8000'}");
	desk_expect(tree, "stored", "null");
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(what_fits_a_bypass_is_named)
{
	struct desk *d = desk_new();
	json_t *tree = desk_explain(d, "GET", "/list/books", "Cookie: session7=x");
	desk_expect(tree, "bypass", "'cookie:session*'");
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(a_path_that_only_other_methods_have_is_known)
{
	struct desk *d = desk_new();
	json_t *known = desk_explain(d, "DELETE", "/product/42", NULL);
	json_t *unknown = desk_explain(d, "DELETE", "/elsewhere", NULL);
	desk_expect(known, "route", "null");
	desk_expect(known, "path_known", "true");
	desk_expect(unknown, "path_known", "false");
	json_decref(known);
	json_decref(unknown);
	desk_free(d);
}
END_TEST

START_TEST(parts_of_the_variant_have_names)
{
	struct desk *d = desk_new();
	json_t *tree =
	    desk_explain(d, "GET", "http://shop.test/list/books?x=1&page=2", "X-Shop: 7");
	desk_expect(tree, "variant",
	    "[['scheme','http'],['host','shop.test'],['backend','app'],['path','/list/books'],"
	    "['query','page=2'],['language','en'],['cookie theme',null],['X-Shop','7']]");
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(what_would_be_sent_is_told)
{
	struct desk *d = desk_new();
	json_t *tree = desk_explain(
	    d, "HEAD", "http://shop.test/list/books?x=1&page=2", "Cookie: theme=a; b=c");
	json_t *request = json_object_get(tree, "request");
	char *fields = json_dumps(json_object_get(request, "fields"), JSON_COMPACT);

	desk_expect(request, "method", "'GET'");
	desk_expect(request, "target", "'/list/books?page=2'");
	ck_assert_ptr_nonnull(strstr(fields, "[\"host\",\"shop.test\"]"));
	ck_assert_ptr_nonnull(strstr(fields, "theme=a"));
	ck_assert_ptr_null(strstr(fields, "b=c"));
	free(fields);
	json_decref(tree);
	desk_free(d);
}
END_TEST

/* Which of the ranges that are asked for a miss sends on; a NULL: none. */
static const struct {
	const char *name, *method, *url, *header, *ranges, *want;
} range_cases[] = {
	{ "one range", "GET", "/product/42", "Range: bytes=0-4", "'forward'", "bytes=0-4" },
	{ "none is asked for", "GET", "/product/42", NULL, "'forward'", NULL },
	{ "several", "GET", "/product/42", "Range: bytes=0-1,4-5", "'forward'", NULL },
	{ "HEAD has none", "HEAD", "/product/42", "Range: bytes=0-4", "'whole'", NULL },
	{ "the origin is not obeyed", "GET", "/own/1", "Range: bytes=0-4", "'whole'", NULL },
	{ "what passes", "GET", "/elsewhere", "Range: bytes=0-4", "'forward'", "bytes=0-4" },
};

START_TEST(a_range_that_is_sent_on_is_told)
{
	struct desk *d = desk_new();
	json_t *tree =
	    desk_explain(d, range_cases[_i].method, range_cases[_i].url, range_cases[_i].header);
	json_t *request = json_object_get(tree, "request");
	char *fields = json_dumps(json_object_get(request, "fields"), JSON_COMPACT);
	const char *range = strstr(fields, "[\"range\",\"");

	desk_expect(tree, "ranges", range_cases[_i].ranges);
	ck_assert_msg((range != NULL) == (range_cases[_i].want != NULL), "%s: %s",
	    range_cases[_i].name, fields);
	if (range != NULL)
		ck_assert_ptr_nonnull(strstr(range, range_cases[_i].want));
	free(fields);
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(what_is_stored_is_told)
{
	struct desk *d = desk_new_with_store();
	desk_store(d, &(struct desk_page){ .url = "/product/42", .tags = "catalog", .age_s = 10 });

	json_t *tree = desk_explain(d, "GET", "/product/42", NULL);
	desk_expect(tree, "stored",
	    "{'status':200,'age':10,'ttl':3590,'state':'fresh','sequence':0,'deflated_by':null,"
	    "'bytes':5,'tags':['catalog']}");
	json_decref(tree);
	tree = desk_explain(d, "GET", "/product/43", NULL);
	desk_expect(tree, "stored", "null");
	json_decref(tree);
	desk_free(d);
}
END_TEST

static const struct {
	const char *name;
	int64_t age_s, grace_s;
	bool deflate, soft;
	const char *state, *ttl, *by;
} state_cases[] = {
	{ "a clock that went back", -100, 0, false, false, "'fresh'", "3600", "null" },
	{ "fresh to its last second", 3599, 0, false, false, "'fresh'", "1", "null" },
	{ "stale at its lifetime", 3600, 0, false, false, "'stale'", "0", "null" },
	{ "in its grace", 3601, 60, false, false, "'grace'", "-1", "null" },
	{ "deflated", 10, 60, true, false, "'deflated'", "0", "1" },
	{ "softly deflated, with grace", 10, 60, true, true, "'grace'", "0", "1" },
	{ "softly deflated, without", 10, 0, true, true, "'stale'", "0", "1" },
};

START_TEST(where_an_entry_stands)
{
	struct desk *d = desk_new_with_store();
	desk_store(d, &(struct desk_page){ .url = "/product/42",
			  .age_s = state_cases[_i].age_s,
			  .grace_s = state_cases[_i].grace_s });
	if (state_cases[_i].deflate)
		desk_deflate(d, (struct scope){ .kind = SCOPE_ALL }, state_cases[_i].soft);

	json_t *tree = desk_explain(d, "GET", "/product/42", NULL);
	json_t *stored = json_object_get(tree, "stored");
	desk_expect(stored, "state", state_cases[_i].state);
	desk_expect(stored, "ttl", state_cases[_i].ttl);
	desk_expect(stored, "deflated_by", state_cases[_i].by);
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(vary_leads_to_the_right_entry)
{
	struct desk *d = desk_new_with_store();
	desk_store(d, &(struct desk_page){
			  .url = "/product/42", .header = "Accept: text/a", .vary = "accept" });

	json_t *same = desk_explain(d, "GET", "/product/42", "Accept: text/a");
	json_t *other = desk_explain(d, "GET", "/product/42", "Accept: text/b");
	ck_assert(json_is_object(json_object_get(same, "stored")));
	desk_expect(other, "stored", "null");
	json_decref(same);
	json_decref(other);
	desk_free(d);
}
END_TEST

START_TEST(a_bloat_switched_off_in_the_store_passes_and_keeps_its_entries)
{
	struct desk *d = desk_new_with_store();
	desk_store(d, &(struct desk_page){ .url = "/product/42" });
	desk_do(d, &(struct store_job){ .kind = STORE_JOB_SWITCH, .bloat = "product" });

	json_t *tree = desk_explain(d, "GET", "/product/42", NULL);
	desk_expect(tree, "action", "'pass'");
	desk_expect(tree, "reason", "'disabled'");
	desk_expect(tree, "key", "'product(42)'");
	ck_assert(json_is_object(json_object_get(tree, "stored")));
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(bytes_that_are_no_utf8_are_spelled_out)
{
	struct desk *d = desk_new();
	json_t *tree = desk_explain(d, "GET", "/list/books", "X-Shop: caf\xe9");
	char *text = json_dumps(tree, 0);
	ck_assert_ptr_nonnull(strstr(text, "caf\\\\xe9"));
	free(text);
	json_decref(tree);
	desk_free(d);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("explain");
	tcase_add_loop_test(tests, a_request_is_explained_without_a_store, 0, COUNT(cases));
	tcase_add_test(tests, what_fits_a_bypass_is_named);
	tcase_add_test(tests, a_path_that_only_other_methods_have_is_known);
	tcase_add_test(tests, parts_of_the_variant_have_names);
	tcase_add_test(tests, what_would_be_sent_is_told);
	tcase_add_loop_test(tests, a_range_that_is_sent_on_is_told, 0, COUNT(range_cases));
	tcase_add_test(tests, what_is_stored_is_told);
	tcase_add_loop_test(tests, where_an_entry_stands, 0, COUNT(state_cases));
	tcase_add_test(tests, vary_leads_to_the_right_entry);
	tcase_add_test(tests, a_bloat_switched_off_in_the_store_passes_and_keeps_its_entries);
	tcase_add_test(tests, bytes_that_are_no_utf8_are_spelled_out);
	return suite_run("lib/report/explain", tests);
}
