/* test_request.c -- A question's request is made as a web server would hand it over, or refused. */
#include "desk.h"

#include <errno.h>

enum { HEADERS_MAX = 3 };

static const struct {
	const char *name, *method, *url;
	const char *headers[HEADERS_MAX];
	const char *scheme, *host, *path, *query;
} good_cases[] = {
	{ "a path", "GET", "/p", { NULL }, "http", "", "/p", NULL },
	{ "a query", "GET", "/p?q=1", { NULL }, "http", "", "/p", "q=1" },
	{ "an empty query is none", "GET", "/p?", { NULL }, "http", "", "/p", NULL },
	{ "a URL", "GET", "http://Shop.Test:80/p", { NULL }, "http", "shop.test", "/p", NULL },
	{ "https", "GET", "https://shop.test:443/", { NULL }, "https", "shop.test", "/", NULL },
	{ "no path", "GET", "http://shop.test", { NULL }, "http", "shop.test", "/", NULL },
	{ "a Host field", "GET", "/p", { "Host: Shop.Test" }, "http", "shop.test", "/p", NULL },
	{ "the same host twice", "GET", "http://shop.test/p", { "Host: shop.test:80" }, "http",
	    "shop.test", "/p", NULL },
	{ "another spelling of a path", "PUT", "/%7ea", { NULL }, "http", "", "/~a", NULL },
};

static size_t
count_headers(const char *const *texts, struct slice *out)
{
	size_t n = 0;

	while (n < HEADERS_MAX && texts[n] != NULL) {
		out[n] = slice_of(texts[n]);
		n++;
	}
	return n;
}

START_TEST(what_is_written_becomes_a_request)
{
	struct arena arena = { 0 };
	struct http_request r;
	struct slice headers[HEADERS_MAX];
	const char *name = good_cases[_i].name, *why;
	size_t n = count_headers(good_cases[_i].headers, headers);

	int rc = report_request(&(struct report_question){ slice_of(good_cases[_i].method),
				    slice_of(good_cases[_i].url), headers, n },
	    &arena, &r, &why);
	ck_assert_msg(rc == 0, "%s: %s", name, why);
	ck_assert_msg(slice_equal(r.method, slice_of(good_cases[_i].method)), "%s", name);
	ck_assert_msg(slice_equal(r.scheme, slice_of(good_cases[_i].scheme)), "%s", name);
	ck_assert_msg(slice_equal(r.host, slice_of(good_cases[_i].host)), "%s", name);
	ck_assert_msg(slice_equal(r.path, slice_of(good_cases[_i].path)), "%s", name);
	ck_assert_msg(slice_equal(r.query, slice_of(good_cases[_i].query)), "%s", name);
	ck_assert_msg((r.query.at == NULL) == (good_cases[_i].query == NULL), "%s", name);
	ck_assert_uint_eq(r.fields.n, 0);
	arena_fini(&arena);
}
END_TEST

START_TEST(fields_are_spelled_as_a_web_server_does)
{
	struct arena arena = { 0 };
	struct http_request r;
	struct slice headers[] = { SLICE("X_Shop-Id:  7 "), SLICE("Accept:") };
	const char *why;

	ck_assert_int_eq(
	    report_request(&(struct report_question){ SLICE("GET"), SLICE("/"), headers, 2 },
		&arena, &r, &why),
	    0);
	ck_assert_uint_eq(r.fields.n, 2);
	ck_assert(slice_equal(r.fields.items[0].name, SLICE("x-shop-id")));
	ck_assert(slice_equal(r.fields.items[0].value, SLICE("7")));
	ck_assert(slice_equal(r.fields.items[1].name, SLICE("accept")));
	ck_assert_uint_eq(r.fields.items[1].value.len, 0);
	ck_assert(!r.has_body);
	ck_assert_int_eq(r.body_bytes, -1);
	arena_fini(&arena);
}
END_TEST

static const struct {
	const char *name, *header;
	bool has_body;
	int64_t bytes;
} body_cases[] = {
	{ "a length", "Content-Length: 7", true, 7 },
	{ "a length of nothing", "Content-Length: 0", false, 0 },
	{ "chunks", "Transfer-Encoding: chunked", true, -1 },
};

START_TEST(a_length_or_chunks_mean_a_body)
{
	struct arena arena = { 0 };
	struct http_request r;
	struct slice header = slice_of(body_cases[_i].header);
	const char *why;

	ck_assert_int_eq(
	    report_request(&(struct report_question){ SLICE("POST"), SLICE("/"), &header, 1 },
		&arena, &r, &why),
	    0);
	ck_assert_msg(r.has_body == body_cases[_i].has_body, "%s", body_cases[_i].name);
	ck_assert_msg(r.body_bytes == body_cases[_i].bytes, "%s", body_cases[_i].name);
	arena_fini(&arena);
}
END_TEST

static const struct {
	const char *name, *method, *url;
	const char *headers[HEADERS_MAX];
	const char *why; /* A part of it. */
} bad_cases[] = {
	{ "no method", "", "/", { NULL }, "method" },
	{ "a method with a blank", "GE T", "/", { NULL }, "method" },
	{ "no URL", "GET", "", { NULL }, "URL" },
	{ "no leading slash", "GET", "p", { NULL }, "/path" },
	{ "a fragment", "GET", "/p#x", { NULL }, "#fragment" },
	{ "a dot segment", "GET", "/a/../b", { NULL }, "URL" },
	{ "a control byte", "GET", "/a\nb", { NULL }, "URL" },
	{ "another scheme", "GET", "ftp://shop.test/", { NULL }, "http://" },
	{ "no colon", "GET", "/", { "Accept" }, "header 1 has no colon" },
	{ "no name", "GET", "/", { ": x" }, "header 1" },
	{ "a blank in a name", "GET", "/", { "A: b", "X Y: z" }, "header 2" },
	{ "a control byte in a value", "GET", "/", { "A: b\r\nC: d" }, "control byte" },
	{ "a name twice", "GET", "/", { "A: b", "a: c" }, "header 2" },
	{ "a name in two spellings", "GET", "/", { "X-A: b", "X_A: c" }, "header 2" },
	{ "two hosts", "GET", "http://a.test/", { "Host: b.test" }, "two hosts" },
	{ "a Host that is none", "GET", "/", { "Host: a/b" }, "Host" },
	{ "a length that is none", "GET", "/", { "Content-Length: -1" }, "Content-Length" },
	{ "a length past all bounds", "GET", "/", { "Content-Length: 18446744073709551615" },
	    "Content-Length" },
};

START_TEST(what_is_wrong_is_said)
{
	struct arena arena = { 0 };
	struct http_request r;
	struct slice headers[HEADERS_MAX];
	const char *name = bad_cases[_i].name, *why = NULL;
	size_t n = count_headers(bad_cases[_i].headers, headers);

	int rc = report_request(&(struct report_question){ slice_of(bad_cases[_i].method),
				    slice_of(bad_cases[_i].url), headers, n },
	    &arena, &r, &why);
	ck_assert_msg(rc == -EINVAL, "%s: %d", name, rc);
	ck_assert_msg(strstr(why, bad_cases[_i].why) != NULL, "%s: %s", name, why);
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("request");
	tcase_add_loop_test(tests, what_is_written_becomes_a_request, 0, COUNT(good_cases));
	tcase_add_test(tests, fields_are_spelled_as_a_web_server_does);
	tcase_add_loop_test(tests, a_length_or_chunks_mean_a_body, 0, COUNT(body_cases));
	tcase_add_loop_test(tests, what_is_wrong_is_said, 0, COUNT(bad_cases));
	return suite_run("lib/report/request", tests);
}
