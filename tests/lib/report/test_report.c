/* test_report.c -- Entries in pages, variants of a key, numbers, and what a deflate did. */
#include "desk.h"

#include "base/metrics.h"

enum { PAGES = 7 };

static void
store_pages(struct desk *d)
{
	char url[32];

	for (int i = 1; i <= PAGES; i++) {
		snprintf(url, sizeof(url), "/product/%d?q=%d", i, i);
		desk_store(
		    d, &(struct desk_page){ .url = url, .tags = i % 2 == 0 ? "even" : NULL });
	}
	desk_store(d, &(struct desk_page){ .url = "/list/books" });
}

static struct scope
product_scope(struct desk *d)
{
	struct slice field = SLICE("product");
	struct tuple tuple;

	ck_assert_int_eq(tuple_encode(&d->arena, &field, 1, &tuple), 0);
	return (struct scope){ SCOPE_KEY, tuple.bytes };
}

/* Walk all pages of `limit` entries; how many there were, and that each key came once. */
static size_t
count_entries(struct desk *d, struct scope scope, size_t limit)
{
	json_t *seen = json_object();
	char after[2048] = "";
	bool more = true;

	for (int i = 0; more && i < 2 * PAGES; i++) {
		json_t *page =
		    report_entries(d->routes, d->reader, scope, slice_of(after), limit, DESK_NOW);
		json_t *entries = json_object_get(page, "entries"), *entry;
		size_t j;
		ck_assert_uint_le(json_array_size(entries), limit);
		json_array_foreach(entries, j, entry)
		{
			const char *key = json_string_value(json_object_get(entry, "key"));
			ck_assert_ptr_null(json_object_get(seen, key));
			json_object_set_new(seen, key, json_true());
		}
		json_t *next = json_object_get(page, "next");
		more = json_is_string(next);
		if (more)
			snprintf(after, sizeof(after), "%s", json_string_value(next));
		json_decref(page);
	}
	ck_assert(!more);
	size_t n = json_object_size(seen);
	json_decref(seen);
	return n;
}

START_TEST(pages_hold_each_entry_once_whatever_their_size)
{
	struct desk *d = desk_new_with_store();
	store_pages(d);
	ck_assert_uint_eq(
	    count_entries(d, (struct scope){ .kind = SCOPE_ALL }, (size_t)_i), PAGES + 1);
	ck_assert_uint_eq(count_entries(d, product_scope(d), (size_t)_i), PAGES);
	struct scope even = { SCOPE_TAG, SLICE("even") };
	ck_assert_uint_eq(count_entries(d, even, (size_t)_i), PAGES / 2);
	struct scope none = { SCOPE_TAG, SLICE("none") };
	ck_assert_uint_eq(count_entries(d, none, (size_t)_i), 0);
	desk_free(d);
}
END_TEST

START_TEST(an_entry_tells_what_it_is)
{
	struct desk *d = desk_new_with_store();
	desk_store(
	    d, &(struct desk_page){ .url = "/product/7?q=1", .tags = "even", .age_s = 4000 });
	struct scope all = { .kind = SCOPE_ALL };
	json_t *page = report_entries(d->routes, d->reader, all, SLICE(""), 10, DESK_NOW);
	json_t *entry = json_array_get(json_object_get(page, "entries"), 0);

	ck_assert_uint_gt(json_string_length(json_object_get(entry, "name")), 0);
	json_object_del(entry, "name");
	desk_expect(entry, NULL,
	    "{'key':'product(7)','path':'/product/7?q=1','status':200,'age':4000,'ttl':-400,"
	    "'state':'stale','sequence':0,'deflated_by':null,'bytes':5,'tags':['even']}");
	desk_expect(page, "next", "null");
	json_decref(page);
	desk_free(d);
}
END_TEST

static const char *const no_names[] = { "zz", "0", "0g", "ff0", "ffffffff" };

START_TEST(what_is_no_name_ends_the_list)
{
	struct desk *d = desk_new_with_store();
	store_pages(d);
	struct scope all = { .kind = SCOPE_ALL };
	json_t *page =
	    report_entries(d->routes, d->reader, all, slice_of(no_names[_i]), 10, DESK_NOW);
	desk_expect(page, NULL, "{'entries':[],'next':null}");
	json_decref(page);
	desk_free(d);
}
END_TEST

START_TEST(records_of_what_varies_are_no_entries_and_variants_of_a_key_are_shown)
{
	struct desk *d = desk_new_with_store();
	const char *head = "Status: 200\r\nContent-Type: text/a; b=\"c:d\"\r\nX-Empty: \r\n";
	desk_store(d, &(struct desk_page){ .url = "/product/1",
			  .header = "Accept: text/a",
			  .vary = "accept x-b",
			  .head = head });
	desk_store(d,
	    &(struct desk_page){ .url = "/product/1", .header = "X-B: c", .vary = "accept x-b" });
	desk_store(d, &(struct desk_page){ .url = "/product/10" });

	struct scope all = { .kind = SCOPE_ALL };
	json_t *page = report_entries(d->routes, d->reader, all, SLICE(""), 10, DESK_NOW);
	ck_assert_uint_eq(json_array_size(json_object_get(page, "entries")), 3);
	json_decref(page);
	struct slice fields[] = { SLICE("product"), SLICE("1") };
	struct tuple key;
	ck_assert_int_eq(tuple_encode(&d->arena, fields, 2, &key), 0);
	json_t *tree = report_variants(d->routes, d->reader, &key, DESK_NOW);
	json_t *variants = json_object_get(tree, "variants");
	desk_expect(tree, "key", "'product(1)'");
	ck_assert_uint_eq(json_array_size(variants), 2);
	char *text = json_dumps(tree, JSON_COMPACT);
	ck_assert_ptr_nonnull(
	    strstr(text, "[[\"Content-Type\",\"text/a; b=\\\"c:d\\\"\"],[\"X-Empty\",\"\"]]"));
	ck_assert_ptr_nonnull(strstr(text, "[\"accept\",\"text/a\"],[\"x-b\",null]]"));
	ck_assert_ptr_nonnull(strstr(text, "[\"accept\",null],[\"x-b\",\"c\"]]"));
	free(text);
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(stat_counts_and_names_bloats)
{
	struct desk *d = desk_new_with_store();
	store_pages(d);
	desk_deflate(d, product_scope(d), false);
	desk_do(d, &(struct store_job){ .kind = STORE_JOB_SWITCH, .bloat = "list" });
	json_t *tree = report_stat(d->routes, d->reader), *store = json_object_get(tree, "store");

	desk_expect(store, "entries", "8");
	desk_expect(store, "sequence", "1");
	desk_expect(store, "deflated", "1");
	desk_expect(store, "intents", "0");
	ck_assert_int_gt(json_integer_value(json_object_get(store, "used_bytes")), 0);
	desk_expect(store, "size_bytes", "16777216");
	desk_expect(tree, "bloats",
	    "[{'name':'product','enabled':true},{'name':'list','enabled':false},"
	    "{'name':'off','enabled':false},{'name':'own','enabled':true}]");
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(counters_are_there_where_the_process_counts)
{
	struct desk *d = desk_new_with_store();
	metric_add(METRIC_HITS, 3);
	json_t *tree = report_stat(d->routes, d->reader);
	desk_expect(json_object_get(tree, "counters"), "hits", "3");
	json_decref(tree);
	desk_free(d);
}
END_TEST

START_TEST(a_deflate_is_told_in_the_words_it_was_asked_in)
{
	struct desk *d = desk_new();
	struct scope scopes[] = { product_scope(d), { SCOPE_TAG, SLICE("sale") },
		{ .kind = SCOPE_ALL } };
	json_t *tree = report_deflated(d->routes, scopes, COUNT(scopes), 7);
	desk_expect(tree, NULL, "{'sequence':7,'scopes':['product(*)','tag:sale','*']}");
	json_decref(tree);
	desk_free(d);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("report");
	tcase_add_loop_test(tests, pages_hold_each_entry_once_whatever_their_size, 1, PAGES + 3);
	tcase_add_test(tests, an_entry_tells_what_it_is);
	tcase_add_loop_test(tests, what_is_no_name_ends_the_list, 0, COUNT(no_names));
	tcase_add_test(
	    tests, records_of_what_varies_are_no_entries_and_variants_of_a_key_are_shown);
	tcase_add_test(tests, stat_counts_and_names_bloats);
	tcase_add_test(tests, counters_are_there_where_the_process_counts);
	tcase_add_test(tests, a_deflate_is_told_in_the_words_it_was_asked_in);
	return suite_run("lib/report/report", tests);
}
