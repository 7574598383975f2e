/* test_tags.c -- Tags are read from four fields, and what is too much is told. */
#include "http/tags.h"
#include "key/tuple.h"
#include "mutate.h"
#include "suite.h"

#include <errno.h>

static struct arena tags_arena;

/* The tags of a response as "a|b|", and a "!" behind them where some did not fit. */
static const char *
tags_of(const struct http_fields *response)
{
	struct buf out = { 0 };
	struct slice tag;
	const char *text = "";

	int rc = http_tags_append(response, &out);
	ck_assert(rc == 0 || rc == -E2BIG);
	ck_assert_int_eq(buf_error(&out), 0);
	for (struct slice rest = buf_as_slice(&out); rest.len > 0;) {
		ck_assert_int_eq(tuple_next(&rest, &tag), 0);
		ck_assert_uint_gt(tag.len, 0);
		ck_assert_uint_le(tag.len, HTTP_TAG_BYTES_MAX);
		text = arena_printf(&tags_arena, "%s%.*s|", text, SLICE_ARGS(tag));
		ck_assert_ptr_nonnull(text);
	}
	buf_free(&out);
	return rc == 0 ? text : arena_printf(&tags_arena, "%s!", text);
}

static const char *
tags_of_one(const char *name, struct slice value)
{
	struct http_field field = { slice_of(name), value };
	return tags_of(&(struct http_fields){ &field, 1 });
}

static const struct {
	const char *name;
	const char *value;
	const char *want;
} value_cases[] = {
	{ "Surrogate-Key", "a", "a|" },
	{ "surrogate-key", "a b  c", "a|b|c|" },
	{ "xkey", "a,b c", "a,b|c|" },
	{ "XKEY", "", "" },
	{ "Surrogate-Key", "   ", "" },
	{ "Cache-Tag", "a,b , c d,,e", "a|b|c d|e|" },
	{ "Cache-Tag", " , ", "" },
	{ "Cache-Groups", "\"a\"", "a|" },
	{ "Cache-Groups", "\"a\", \"b c\",\"d,e\"", "a|b c|d,e|" },
	{ "Cache-Groups", "\"a\\\"b\\\\c\"", "a\"b\\c|" },
	{ "Cache-Groups", "\"\", \"a\"", "a|" },
	{ "Cache-Groups", "", "" },
	{ "Cache-Groups", "a, b", "" },
	{ "Cache-Groups", "a, \"b\"", "b|" },
	{ "Cache-Groups", "\"a\", \"never ends", "a|" },
	{ "Cache-Groups", "\"", "" },
	{ "Cache-Groups", "\"\\", "" },
	{ "Cache-Groups", "\"a\\\"", "" },
	{ "Cache-Groups", "\"a\";x=1, \"b\";y", "a|b|" },
	{ "Cache-Groups", "\"a\";x=\"no tag\", \"b\"", "a|b|" },
	{ "Cache-Groups", "\"a\";x=\"no, \\\"tag\", \"b\"", "a|b|" },
	{ "Cache-Groups", "token;x=\"no tag\", \"b\"", "b|" },
	{ "X-Tag", "a", "" },
	{ "Surrogate-Control", "a", "" },
};

START_TEST(each_field_has_its_form)
{
	const char *got = tags_of_one(value_cases[_i].name, slice_of(value_cases[_i].value));
	ck_assert_msg(strcmp(got, value_cases[_i].want) == 0, "%s: %s: %s", value_cases[_i].name,
	    value_cases[_i].value, got);
}
END_TEST

START_TEST(all_fields_count_in_their_order)
{
	struct http_field fields[] = { { SLICE("xkey"), SLICE("a") },
		{ SLICE("Content-Type"), SLICE("b") }, { SLICE("Cache-Tag"), SLICE("c") },
		{ SLICE("Cache-Groups"), SLICE("\"d\"") }, { SLICE("xkey"), SLICE("e") },
		{ SLICE("Surrogate-Key"), { NULL, 0 } } };
	struct http_fields none = { NULL, 0 };
	ck_assert_str_eq(tags_of(&(struct http_fields){ fields, COUNT(fields) }), "a|c|d|e|");
	ck_assert_str_eq(tags_of(&none), "");
}
END_TEST

START_TEST(the_65th_tag_is_too_much)
{
	struct buf value = { 0 };
	struct http_field fields[2] = { { SLICE("xkey"), { NULL, 0 } },
		{ SLICE("Cache-Groups"), SLICE("\"y\", \"z\"") } };
	for (int i = 0; i < HTTP_TAGS_MAX - 1; i++)
		buf_text(&value, "x ");
	fields[0].value = buf_as_slice(&value);
	const char *got = tags_of(&(struct http_fields){ fields, 2 });
	ck_assert_str_eq(got + (HTTP_TAGS_MAX - 1) * 2, "y|!");
	fields[1].value = SLICE("\"y\"");
	got = tags_of(&(struct http_fields){ fields, 2 });
	ck_assert_str_eq(got + (HTTP_TAGS_MAX - 1) * 2, "y|");
	buf_free(&value);
}
END_TEST

START_TEST(a_tag_of_129_bytes_is_too_much)
{
	char tag[HTTP_TAG_BYTES_MAX + 3];
	static const char *const names[] = { "xkey", "Cache-Tag", "Cache-Groups" };
	bool quoted = _i == 2;
	for (size_t len = HTTP_TAG_BYTES_MAX; len <= HTTP_TAG_BYTES_MAX + 1; len++) {
		memset(tag, 'x', sizeof(tag));
		if (quoted)
			tag[0] = tag[len + 1] = '"';
		const char *got = tags_of_one(names[_i], (struct slice){ tag, len + 2 * quoted });
		if (len <= HTTP_TAG_BYTES_MAX)
			ck_assert_uint_eq(strlen(got), len + 1);
		else
			ck_assert_str_eq(got, "!");
	}
}
END_TEST

START_TEST(no_mutant_is_read_beyond_its_end)
{
	static const char *const seeds[] = { "\"a\", \"b\\\"c\";x=\"y\"", "a b c", "a, b ,c",
		"\"\\\\\"" };
	static const char *const names[] = { "Cache-Groups", "xkey", "Cache-Tag" };
	unsigned state = 2026;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice value = mutate_seed(&state, seeds, COUNT(seeds));
		tags_of_one(names[mutate_random(&state, COUNT(names))], value);
		arena_reset(&tags_arena);
		mutate_free(value);
	}
}
END_TEST

static void
tags_teardown(void)
{
	arena_fini(&tags_arena);
}

int
main(void)
{
	TCase *tests = tcase_create("tags");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, tags_teardown);
	tcase_add_loop_test(tests, each_field_has_its_form, 0, COUNT(value_cases));
	tcase_add_test(tests, all_fields_count_in_their_order);
	tcase_add_test(tests, the_65th_tag_is_too_much);
	tcase_add_loop_test(tests, a_tag_of_129_bytes_is_too_much, 0, 3);
	tcase_add_test(tests, no_mutant_is_read_beyond_its_end);
	return suite_run("lib/http/tags", tests);
}
