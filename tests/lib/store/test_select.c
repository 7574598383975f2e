/* test_select.c -- Which variant a request selects, and how many of them there may be. */
#include "store/select.h"

#include "http/vary.h"
#include "shelf.h"

static const char *const select_vary = "accept-language";

/* Store what a request with this Accept-Language got. */
static void
select_store(struct shelf *f, const char *accept, const char *language, uint64_t sequence)
{
	struct http_field field = { SLICE("accept-language"), slice_of(accept) };
	struct http_request request = { .fields = { &field, 1 } };
	struct store_job lead = shelf_insert_job(f, "page/1", SLICE("")), job;
	struct buf variant = { 0 };
	struct store_variant item;
	struct slice values;

	ck_assert_int_eq(vary_values(slice_of(select_vary), &request, &f->arena, &values), 0);
	buf_slice(&variant, lead.variant);
	tuple_append(&variant, values);
	store_variant_make(buf_as_slice(&variant), slice_of(language), &item);
	lead.entry_kind = STORE_ENTRY_VARY;
	lead.vary = slice_of(select_vary);
	lead.head = SLICE("");
	lead.body = (struct slice){ (char *)&item, sizeof(item) };
	lead.sequence = sequence;
	ck_assert_int_eq(store_do(f->store, &lead), 0);
	job = shelf_insert_job(f, "page/1", slice_of(accept));
	job.variant = buf_as_slice(&variant);
	job.vary = slice_of(select_vary);
	job.sequence = sequence;
	ck_assert_int_eq(store_do(f->store, &job), 0);
	buf_free(&variant);
}

/* What a request with this Accept-Language is given: "" where it is nothing. */
static struct slice
select_ask(struct shelf *f, const char *accept)
{
	struct http_field field = { SLICE("accept-language"), slice_of(accept) };
	struct http_request request = { .fields = { &field, 1 } };
	struct tuple key = shelf_key(f, "page/1");
	struct selection s = {
		.reader = f->reader,
		.key = &key,
		.variant = shelf_insert_job(f, "page/1", SLICE("")).variant,
		.request = &request,
		.arena = &f->arena,
		.pieces = f->pieces,
		.room = SHELF_PIECES,
	};

	shelf_look(f);
	int rc = select_find(&s);
	if (rc == -ENOENT)
		return SLICE("");
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(s.n_pieces, 1);
	return (struct slice){ s.pieces[0].iov_base, s.pieces[0].iov_len };
}

static void
select_check(struct shelf *f, const char *accept, const char *want)
{
	struct slice got = select_ask(f, accept);

	ck_assert_msg(slice_equal(got, slice_of(want)), "%s: \"%.*s\", not \"%s\"", accept,
	    SLICE_ARGS(got), want);
}

START_TEST(a_language_is_found_by_who_prefers_it)
{
	struct shelf *f = shelf_new();

	select_store(f, "en, de", "DE", 0);
	select_check(f, "de, en", "en, de");
	select_check(f, "fr;q=0.5, de;q=1.0", "en, de");
	select_check(f, "de", "en, de");
	select_check(f, "fr;q=0.5, de;q=0.5", "");
	select_check(f, "fr, de;q=0.9", "");
	select_check(f, "*", "");
	select_check(f, "de-AT", "");
	shelf_free(f);
}
END_TEST

START_TEST(what_answered_the_very_value_comes_before_its_language)
{
	struct shelf *f = shelf_new();

	select_store(f, "de", "en", 0);
	select_store(f, "de, en", "de", 0);
	select_check(f, "de", "de");
	shelf_free(f);
}
END_TEST

START_TEST(several_languages_at_once_are_none)
{
	struct shelf *f = shelf_new();

	select_store(f, "en, de", "de, en", 0);
	select_check(f, "de", "");
	select_check(f, "en", "");
	shelf_free(f);
}
END_TEST

START_TEST(the_oldest_variant_goes_where_there_are_too_many)
{
	struct shelf *f = shelf_new();
	char accept[STORE_VARIANTS_MAX + 2][8];
	int n = STORE_VARIANTS_MAX + 1;

	for (int i = 0; i < n; i++) {
		snprintf(accept[i], sizeof(accept[i]), "a%d", i);
		select_store(f, accept[i], "", 0);
		/* Stored anew, the first one is no longer the oldest. */
		if (i == 1)
			select_store(f, accept[0], "", 0);
	}
	select_check(f, accept[0], accept[0]);
	select_check(f, accept[1], "");
	for (int i = 2; i < n; i++)
		select_check(f, accept[i], accept[i]);
	ck_assert_uint_eq(shelf_rows(f, TABLE_ENTRY), STORE_VARIANTS_MAX + 1);
	ck_assert_uint_eq(shelf_rows(f, TABLE_QUEUE), STORE_VARIANTS_MAX + 1);
	shelf_free(f);
}
END_TEST

START_TEST(a_fetch_that_ends_late_takes_nothing_off_the_list)
{
	struct shelf *f = shelf_new();

	uint64_t before = shelf_deflate(f, "other", false);
	uint64_t after = shelf_deflate(f, "other", false);
	select_store(f, "de", "de", after);
	select_store(f, "en", "en", before);
	select_check(f, "en;q=0.9, fr;q=0.1", "en");
	select_check(f, "de;q=0.9, fr;q=0.1", "de");
	shelf_free(f);
}
END_TEST

START_TEST(a_record_without_its_one_variant_is_refused)
{
	struct shelf *f = shelf_new();
	struct store_job lead = shelf_insert_job(f, "page/1", SLICE("short"));

	lead.entry_kind = STORE_ENTRY_VARY;
	ck_assert_int_eq(store_do(f->store, &lead), -EINVAL);
	ck_assert_uint_eq(shelf_rows(f, TABLE_ENTRY), 0);
	shelf_free(f);
}
END_TEST

/* What a request for that query is given where nothing is stored for it alone. */
static struct slice
select_ask_search(struct shelf *f, const char *query)
{
	struct http_request request = { .fields = { NULL, 0 } };
	struct tuple key = shelf_key(f, "page/1");
	struct selection s = { .reader = f->reader,
		.key = &key,
		.request = &request,
		.arena = &f->arena,
		.pieces = f->pieces,
		.room = SHELF_PIECES };

	shelf_look(f);
	int rc = select_find_search(&s, SLICE("\001?"), slice_of(query));
	ck_assert(rc == 0 || rc == -ENOENT);
	return rc != 0 ? SLICE("") : (struct slice){ s.pieces[0].iov_base, s.pieces[0].iov_len };
}

START_TEST(a_signpost_leads_to_what_its_rule_leaves_of_a_query)
{
	struct shelf *f = shelf_new();
	struct store_job job = shelf_insert_job(f, "page/1", SLICE("one")),
			 lead = shelf_insert_job(f, "page/1", SLICE(""));

	ck_assert_int_eq(select_search_variant(SLICE("\001?"), SLICE("ox&utm"), SLICE("a=1&utm=2"),
			     &f->arena, &job.variant),
	    0);
	ck_assert_int_eq(store_do(f->store, &job), 0);
	ck_assert(slice_equal(select_ask_search(f, "a=1"), SLICE("")));
	lead.variant = SLICE("\001?");
	ck_assert_int_eq(store_do(f->store, &lead), 0);
	ck_assert(slice_equal(select_ask_search(f, "a=1"), SLICE("")));
	lead.entry_kind = STORE_ENTRY_SEARCH;
	lead.vary = SLICE("ox&utm");
	ck_assert_int_eq(store_do(f->store, &lead), 0);
	ck_assert(slice_equal(select_ask_search(f, "a=1"), SLICE("one")));
	ck_assert(slice_equal(select_ask_search(f, "utm=3&%61=1"), SLICE("one")));
	ck_assert(slice_equal(select_ask_search(f, "a=2"), SLICE("")));
	ck_assert(slice_equal(select_ask_search(f, "a=%z"), SLICE("")));
	shelf_free(f);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("select");
	tcase_add_test(tests, a_language_is_found_by_who_prefers_it);
	tcase_add_test(tests, what_answered_the_very_value_comes_before_its_language);
	tcase_add_test(tests, several_languages_at_once_are_none);
	tcase_add_test(tests, the_oldest_variant_goes_where_there_are_too_many);
	tcase_add_test(tests, a_fetch_that_ends_late_takes_nothing_off_the_list);
	tcase_add_test(tests, a_record_without_its_one_variant_is_refused);
	tcase_add_test(tests, a_signpost_leads_to_what_its_rule_leaves_of_a_query);
	return suite_run("lib/store/select", tests);
}
