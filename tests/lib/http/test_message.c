/* test_message.c -- Fields are found, joined, checked, and those of a connection known. */
#include "http/chars.h"
#include "http/message.h"
#include "suite.h"

#include <ctype.h>

static struct http_field message_items[] = {
	{ { "Vary", 4 }, { "a", 1 } },
	{ { "ETag", 4 }, { "\"x\"", 3 } },
	{ { "vary", 4 }, { "", 0 } },
	{ { "X-Empty", 7 }, { NULL, 0 } },
	{ { "VARY", 4 }, { "b, c", 4 } },
};
static const struct http_fields message_fields = { message_items, COUNT(message_items) };

START_TEST(the_first_field_of_a_name_is_found)
{
	ck_assert(http_fields_find(&message_fields, SLICE("vary")) == &message_items[0]);
	ck_assert(http_fields_find(&message_fields, SLICE("eTAG")) == &message_items[1]);
	ck_assert_ptr_null(http_fields_find(&message_fields, SLICE("etagx")));
	ck_assert_ptr_null(http_fields_find(&(struct http_fields){ 0 }, SLICE("etag")));
}
END_TEST

START_TEST(values_of_one_name_are_joined)
{
	struct arena arena = { 0 };
	struct slice got = http_fields_join(&message_fields, SLICE("Vary"), &arena);
	ck_assert(slice_equal(got, SLICE("a, , b, c")));
	got = http_fields_join(&message_fields, SLICE("etag"), &arena);
	ck_assert(got.at == message_items[1].value.at);
	got = http_fields_join(&message_fields, SLICE("x-empty"), &arena);
	ck_assert(got.at != NULL && got.len == 0);
	ck_assert_ptr_null(http_fields_join(&message_fields, SLICE("none"), &arena).at);
	arena_fini(&arena);
}
END_TEST

START_TEST(bytes_are_what_the_grammar_says)
{
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		bool alnum = c < 128 && isalnum(c);
		bool token = alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
		bool path = alnum || (c != 0 && strchr("-._~!$&'()*+,;=:@/", c) != NULL);
		bool host = alnum || (c != 0 && strchr("-._", c) != NULL);
		ck_assert_msg(chars_is(byte, CHARS_TOKEN) == token, "%02x", (unsigned)c);
		ck_assert_msg(chars_is(byte, CHARS_PATH) == path, "%02x", (unsigned)c);
		ck_assert_msg(chars_is(byte, CHARS_HOST) == host, "%02x", (unsigned)c);
		ck_assert(http_is_token((struct slice){ &byte, 1 }) == token);
		bool value = c == '\t' || (c >= 0x20 && c != 0x7f);
		ck_assert(http_is_field_value((struct slice){ &byte, 1 }) == value);
	}
	ck_assert(!http_is_token(SLICE("")));
	ck_assert(!http_is_token(SLICE("a b")));
	ck_assert(http_is_field_value(SLICE("")));
	ck_assert(!http_is_field_value(SLICE("a\r\nb: c")));
}
END_TEST

START_TEST(methods_are_safe_as_written)
{
	ck_assert(http_method_is_safe(SLICE("GET")) && http_method_is_safe(SLICE("HEAD")));
	ck_assert(http_method_is_safe(SLICE("OPTIONS")) && http_method_is_safe(SLICE("TRACE")));
	ck_assert(!http_method_is_safe(SLICE("POST")) && !http_method_is_safe(SLICE("get")));
	ck_assert(!http_method_is_safe(SLICE("GETX")) && !http_method_is_safe(SLICE("")));
}
END_TEST

START_TEST(fields_of_the_connection_are_known)
{
	static const char *const yes[] = { "Connection", "keep-alive", "Proxy-Connection",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info", "TE",
		"Trailer", "TRANSFER-ENCODING", "Upgrade", "Content-Length", "Expect" };
	static const char *const no[] = { "", "Content-Type", "ETag", "T", "Trailers", "Date" };
	for (size_t i = 0; i < COUNT(yes); i++)
		ck_assert_msg(http_field_is_hop_by_hop(slice_of(yes[i])), "%s", yes[i]);
	for (size_t i = 0; i < COUNT(no); i++)
		ck_assert_msg(!http_field_is_hop_by_hop(slice_of(no[i])), "%s", no[i]);
}
END_TEST

START_TEST(a_head_is_read_line_by_line)
{
	struct slice head = SLICE("Status: 200\r\nA:  b \r\nbare\nC:"), line;
	struct http_field field;

	ck_assert(http_head_next(&head, &field, NULL));
	ck_assert(slice_equal(field.name, SLICE("Status")));
	ck_assert(http_head_next(&head, &field, &line));
	ck_assert(slice_equal(field.value, SLICE("b")));
	ck_assert(slice_equal(line, SLICE("A:  b \r\n")));
	ck_assert(http_head_next(&head, &field, &line));
	ck_assert(slice_equal(field.name, SLICE("bare")));
	ck_assert_ptr_null(field.value.at);
	ck_assert(http_head_next(&head, &field, &line));
	ck_assert(slice_equal(line, SLICE("C:")));
	ck_assert_uint_eq(field.value.len, 0);
	ck_assert_ptr_nonnull(field.value.at);
	ck_assert(!http_head_next(&head, &field, &line));
	head = (struct slice){ NULL, 0 };
	ck_assert(!http_head_next(&head, &field, &line));
}
END_TEST

START_TEST(the_first_value_of_a_name_is_found_in_a_head)
{
	const struct slice head = SLICE("Status: 200\r\nA:  b \r\nc\nC: d\r\na: e\r\nF:\r\n");

	ck_assert(slice_equal(http_head_value(head, SLICE("a")), SLICE("b")));
	/* A line without a colon is no field. */
	ck_assert(slice_equal(http_head_value(head, SLICE("c")), SLICE("d")));
	ck_assert_ptr_nonnull(http_head_value(head, SLICE("f")).at);
	ck_assert_ptr_null(http_head_value(head, SLICE("g")).at);
	ck_assert_ptr_null(http_head_value((struct slice){ NULL, 0 }, SLICE("a")).at);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("message");
	tcase_add_test(tests, the_first_field_of_a_name_is_found);
	tcase_add_test(tests, values_of_one_name_are_joined);
	tcase_add_test(tests, bytes_are_what_the_grammar_says);
	tcase_add_test(tests, methods_are_safe_as_written);
	tcase_add_test(tests, fields_of_the_connection_are_known);
	tcase_add_test(tests, a_head_is_read_line_by_line);
	tcase_add_test(tests, the_first_value_of_a_name_is_found_in_a_head);
	return suite_run("lib/http/message", tests);
}
