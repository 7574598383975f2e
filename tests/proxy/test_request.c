/* test_request.c -- Parameters become one reading of a request, or are refused. */
#include "request.h"
#include "suite.h"

#include <errno.h>

enum { CASE_PARAMS = 8 };

static struct arena request_arena;

/* "NAME=value" each; names are copied, as request_make() writes them in lower case. */
static void
params_make(struct params *params, const char *const *texts, size_t n)
{
	*params = (struct params){ 0 };
	for (size_t i = 0; i < n && texts[i] != NULL; i++) {
		struct slice rest = slice_of(texts[i]);
		rest.at = arena_copy(&request_arena, rest);
		ck_assert_ptr_nonnull(rest.at);
		params->items[i].name = slice_cut(&rest, '=');
		params->items[i].value = rest;
		params->n++;
	}
}

/* "METHOD scheme://host/path?query name: value|..." */
static const char *
request_text(const struct http_request *r)
{
	const char *text = arena_printf(&request_arena, "%.*s %.*s://%.*s%.*s%s%.*s",
	    SLICE_ARGS(r->method), SLICE_ARGS(r->scheme), SLICE_ARGS(r->host), SLICE_ARGS(r->path),
	    r->query.at == NULL ? "" : "?", SLICE_ARGS(r->query));
	for (size_t i = 0; i < r->fields.n; i++)
		text = arena_printf(&request_arena, "%s %.*s: %.*s|", text,
		    SLICE_ARGS(r->fields.items[i].name), SLICE_ARGS(r->fields.items[i].value));
	ck_assert_ptr_nonnull(text);
	return text;
}

static const struct {
	const char *name;
	const char *params[CASE_PARAMS];
	const char *want;
} good_cases[] = {
	{ "the least", { "REQUEST_METHOD=GET" }, "GET http:///" },
	{ "all of it",
	    { "REQUEST_METHOD=GET", "HTTP_HOST=h", "PATH_INFO=/a", "QUERY_STRING=b=c",
		"HTTP_ACCEPT=x" },
	    "GET http://h/a?b=c accept: x|" },
	/* Where the path is. */
	{ "SCRIPT_NAME and PATH_INFO are one path",
	    { "REQUEST_METHOD=GET", "SCRIPT_NAME=/shop", "PATH_INFO=/a" }, "GET http:///shop/a" },
	{ "SCRIPT_NAME alone, as Apache's ProxyPass sends it",
	    { "REQUEST_METHOD=GET", "SCRIPT_NAME=/shop/a" }, "GET http:///shop/a" },
	{ "an empty PATH_INFO", { "REQUEST_METHOD=GET", "SCRIPT_NAME=/shop", "PATH_INFO=" },
	    "GET http:///shop" },
	{ "an empty SCRIPT_NAME", { "REQUEST_METHOD=GET", "SCRIPT_NAME=", "PATH_INFO=/a" },
	    "GET http:///a" },
	{ "a path is encoded anew",
	    { "REQUEST_METHOD=GET", "SCRIPT_NAME=/s p", "PATH_INFO=/a?b#c%d\xff" },
	    "GET http:///s%20p/a%3Fb%23c%25d%FF" },
	{ "REQUEST_URI is not read",
	    { "REQUEST_METHOD=GET", "REQUEST_URI=http://other/evil", "PATH_INFO=/a" },
	    "GET http:///a" },
	{ "an empty query is none", { "REQUEST_METHOD=GET", "QUERY_STRING=" }, "GET http:///" },
	{ "a query is passed as it came",
	    { "REQUEST_METHOD=GET", "QUERY_STRING=a=%2f&a=%2F;b=\xc3\xa9" },
	    "GET http:///?a=%2f&a=%2F;b=\xc3\xa9" },
	/* Scheme and host. */
	{ "HTTPS=on", { "REQUEST_METHOD=GET", "HTTPS=on", "HTTP_HOST=h:443" }, "GET https://h/" },
	{ "HTTPS=1", { "REQUEST_METHOD=GET", "HTTPS=1" }, "GET https:///" },
	{ "HTTPS=off", { "REQUEST_METHOD=GET", "HTTPS=Off", "HTTP_HOST=h:443" },
	    "GET http://h:443/" },
	{ "an empty HTTPS", { "REQUEST_METHOD=GET", "HTTPS=" }, "GET http:///" },
	{ "a host has one spelling", { "REQUEST_METHOD=GET", "HTTP_HOST=EXAMPLE.com.:80" },
	    "GET http://example.com/" },
	{ "an IPv6 host", { "REQUEST_METHOD=GET", "HTTP_HOST=[::1]:8080" },
	    "GET http://[::1]:8080/" },
	{ "without Host the server's name counts",
	    { "REQUEST_METHOD=GET", "SERVER_NAME=Site", "SERVER_PORT=8080" },
	    "GET http://site:8080/" },
	{ "the server's default port is left out",
	    { "REQUEST_METHOD=GET", "SERVER_NAME=site", "SERVER_PORT=80" }, "GET http://site/" },
	{ "the server's name alone", { "REQUEST_METHOD=GET", "SERVER_NAME=site" },
	    "GET http://site/" },
	{ "an empty server name", { "REQUEST_METHOD=GET", "SERVER_NAME=", "SERVER_PORT=80" },
	    "GET http:///" },
	{ "Host comes before the server's name",
	    { "REQUEST_METHOD=GET", "SERVER_NAME=site", "SERVER_PORT=80", "HTTP_HOST=h" },
	    "GET http://h/" },
	/* Fields. */
	{ "names in lower case, dashes for underscores",
	    { "REQUEST_METHOD=GET", "HTTP_ACCEPT_LANGUAGE=de", "HTTP_X_A1=b" },
	    "GET http:/// accept-language: de| x-a1: b|" },
	{ "values are trimmed", { "REQUEST_METHOD=GET", "HTTP_A= \tb c\t", "HTTP_B= " },
	    "GET http:/// a: b c| b: |" },
	{ "HTAB and bytes from 0x80 may be in a value",
	    { "REQUEST_METHOD=GET", "HTTP_A=b\tc\x80\xff" }, "GET http:/// a: b\tc\x80\xff|" },
	{ "CONTENT_TYPE is a field", { "REQUEST_METHOD=POST", "CONTENT_TYPE= text/plain " },
	    "POST http:/// content-type: text/plain|" },
	{ "an empty CONTENT_TYPE is none", { "REQUEST_METHOD=POST", "CONTENT_TYPE=" },
	    "POST http:///" },
	{ "a client's own Content_Length and Content_Type are dropped",
	    { "REQUEST_METHOD=POST", "HTTP_CONTENT_LENGTH=999", "CONTENT_LENGTH=3",
		"HTTP_CONTENT_TYPE=x" },
	    "POST http:///" },
	{ "what is no field stays out",
	    { "REQUEST_METHOD=GET", "PATH=/bin", "FCGI_ROLE=RESPONDER", "HTTPX=y",
		"AUTH_TYPE=Basic" },
	    "GET http:///" },
	{ "Connection takes what it names off the way",
	    { "REQUEST_METHOD=GET", "HTTP_X_FOO=a", "HTTP_X_BAR=b",
		"HTTP_CONNECTION=close, X-Foo" },
	    "GET http:/// connection: a| x-bar: b| connection: close, X-Foo|" },
	{ "Connection may name what is not there, and itself",
	    { "REQUEST_METHOD=GET", "HTTP_CONNECTION=, ,connection,,x-none," },
	    "GET http:/// connection: , ,connection,,x-none,|" },
};

START_TEST(good_parameters_are_one_request)
{
	struct params params;
	struct http_request request;
	const char *why = NULL;
	params_make(&params, good_cases[_i].params, CASE_PARAMS);
	int rc = request_make(&params, false, &request_arena, &request, &why);
	ck_assert_msg(rc == 0, "%s: %s", good_cases[_i].name, why == NULL ? "" : why);
	ck_assert_str_eq(request_text(&request), good_cases[_i].want);
}
END_TEST

static const char twice[] = "a header field that came twice, or in two spellings";
static const char no_token[] = "a header field name that is no token";
static const char control[] = "a control byte in a header field";
static const char no_path[] = "a path with control bytes or dot segments";
static const char no_host[] = "a Host that is no host name";
static const char no_length[] = "a Content-Length that is no number";
static const char needed[] = "Connection names a field that is needed";
static const char no_method[] = "a method that is no token";
static const char no_query[] = "a query with control bytes, blanks or #";

static const struct {
	const char *name;
	const char *params[CASE_PARAMS];
	const char *why;
} bad_cases[] = {
	{ "X-A and X_A, as lighttpd hands them over",
	    { "REQUEST_METHOD=GET", "HTTP_X_A=dash", "HTTP_X_A=under" }, twice },
	{ "a name twice with one value", { "REQUEST_METHOD=GET", "HTTP_A=b", "HTTP_A=b" }, twice },
	{ "a second method", { "REQUEST_METHOD=GET", "REQUEST_METHOD=POST" }, twice },
	{ "a second PATH_INFO", { "REQUEST_METHOD=GET", "PATH_INFO=/a", "PATH_INFO=/b" }, twice },
	{ "a second CONTENT_LENGTH",
	    { "REQUEST_METHOD=GET", "CONTENT_LENGTH=1", "CONTENT_LENGTH=2" }, twice },
	{ "a name in two spellings", { "REQUEST_METHOD=GET", "HTTP_X_A=b", "HTTP_x_a=c" },
	    no_token },
	{ "a name with a dash, which no server sends", { "REQUEST_METHOD=GET", "HTTP_X-A=b" },
	    no_token },
	{ "a field without a name", { "REQUEST_METHOD=GET", "HTTP_=b" }, no_token },
	{ "a blank in a name", { "REQUEST_METHOD=GET", "HTTP_A B=c" }, no_token },
	{ "a colon in a name", { "REQUEST_METHOD=GET", "HTTP_A:=c" }, no_token },
	{ "a control in a name", { "REQUEST_METHOD=GET", "HTTP_A\r\n=c" }, no_token },
	{ "CR LF in a value", { "REQUEST_METHOD=GET", "HTTP_X_A=a\r\nX-Evil: 1" }, control },
	{ "LF in a value", { "REQUEST_METHOD=GET", "HTTP_X_A=a\nb" }, control },
	{ "DEL in a value", { "REQUEST_METHOD=GET", "HTTP_X_A=a\x7f" }, control },
	{ "CR LF in CONTENT_TYPE", { "REQUEST_METHOD=POST", "CONTENT_TYPE=a\r\nb: c" }, control },
	{ "CR LF in a path, as Apache hands it over", { "REQUEST_METHOD=GET", "PATH_INFO=/a\r\nb" },
	    no_path },
	{ "HTAB in a path", { "REQUEST_METHOD=GET", "PATH_INFO=/a\tb" }, no_path },
	{ "DEL in SCRIPT_NAME", { "REQUEST_METHOD=GET", "SCRIPT_NAME=/\x7f", "PATH_INFO=/a" },
	    no_path },
	{ "a dot segment", { "REQUEST_METHOD=GET", "PATH_INFO=/a/../b" }, no_path },
	{ "a dot segment made by joining",
	    { "REQUEST_METHOD=GET", "SCRIPT_NAME=/.", "PATH_INFO=/b" }, no_path },
	{ "a path without its slash", { "REQUEST_METHOD=GET", "PATH_INFO=a" }, no_path },
	{ "the path of OPTIONS *", { "REQUEST_METHOD=OPTIONS", "SCRIPT_NAME=*" }, no_path },
	{ "no method", { "PATH_INFO=/" }, no_method },
	{ "an empty method", { "REQUEST_METHOD=" }, no_method },
	{ "a method with a blank", { "REQUEST_METHOD=GET /" }, no_method },
	{ "a method with CR LF", { "REQUEST_METHOD=GET\r\nA: b" }, no_method },
	{ "a blank in the query", { "REQUEST_METHOD=GET", "QUERY_STRING=a b" }, no_query },
	{ "LF in the query", { "REQUEST_METHOD=GET", "QUERY_STRING=a\nb" }, no_query },
	{ "# in the query", { "REQUEST_METHOD=GET", "QUERY_STRING=a#b" }, no_query },
	{ "a path in Host", { "REQUEST_METHOD=GET", "HTTP_HOST=h/x" }, no_host },
	{ "a user in Host", { "REQUEST_METHOD=GET", "HTTP_HOST=a@h" }, no_host },
	{ "two hosts", { "REQUEST_METHOD=GET", "HTTP_HOST=a, b" }, no_host },
	{ "a port that is none", { "REQUEST_METHOD=GET", "HTTP_HOST=h:99999" }, no_host },
	{ "a server name that is none", { "REQUEST_METHOD=GET", "SERVER_NAME=a b" }, no_host },
	{ "a server port that is none", { "REQUEST_METHOD=GET", "SERVER_NAME=a", "SERVER_PORT=x" },
	    no_host },
	{ "a length with a sign", { "REQUEST_METHOD=POST", "CONTENT_LENGTH=+5" }, no_length },
	{ "a negative length", { "REQUEST_METHOD=POST", "CONTENT_LENGTH=-1" }, no_length },
	{ "two lengths", { "REQUEST_METHOD=POST", "CONTENT_LENGTH=5, 5" }, no_length },
	{ "a length with a blank", { "REQUEST_METHOD=POST", "CONTENT_LENGTH=5 " }, no_length },
	{ "a length of 2^63", { "REQUEST_METHOD=POST", "CONTENT_LENGTH=9223372036854775808" },
	    no_length },
	{ "a length of 2^64", { "REQUEST_METHOD=POST", "CONTENT_LENGTH=18446744073709551616" },
	    no_length },
};

START_TEST(whatever_has_two_readings_is_refused)
{
	struct params params;
	struct http_request request;
	const char *why = NULL;
	params_make(&params, bad_cases[_i].params, CASE_PARAMS);
	int rc = request_make(&params, false, &request_arena, &request, &why);
	ck_assert_msg(rc == -EINVAL, "%s: %d", bad_cases[_i].name, rc);
	ck_assert_msg(why != NULL, "%s", bad_cases[_i].name);
	ck_assert_str_eq(why, bad_cases[_i].why);
}
END_TEST

static const char *const needed_names[] = { "host", "Host", "content-length", "Content-Type",
	"authorization", "COOKIE", "Cache-Control", "range", "If-None-Match", "accept",
	"Accept-Encoding", "accept-language", "Dory-Token", "x-forwarded-for", "X-Forwarded-Host",
	"X-FORWARDED-PROTO" };

START_TEST(connection_may_not_name_what_is_needed)
{
	struct params params;
	struct http_request request;
	const char *why = NULL;
	const char *texts[] = { "REQUEST_METHOD=GET",
		arena_printf(&request_arena, "HTTP_CONNECTION=close,\t%s , x", needed_names[_i]) };
	params_make(&params, texts, COUNT(texts));
	int rc = request_make(&params, false, &request_arena, &request, &why);
	ck_assert_msg(rc == -EINVAL, "%s", needed_names[_i]);
	ck_assert_str_eq(why, needed);
}
END_TEST

static const struct {
	const char *length;
	int64_t want;
} length_cases[] = {
	{ "CONTENT_LENGTH=0", 0 },
	{ "CONTENT_LENGTH=5", 5 },
	{ "CONTENT_LENGTH=007", 7 },
	{ "CONTENT_LENGTH=9223372036854775807", INT64_MAX },
	{ "CONTENT_LENGTH=", -1 },
	{ "HTTP_CONTENT_LENGTH=5", -1 },
};

START_TEST(a_length_is_taken_or_not_said)
{
	struct params params;
	struct http_request request;
	const char *why = NULL, *texts[] = { "REQUEST_METHOD=PUT", length_cases[_i].length };
	params_make(&params, texts, COUNT(texts));
	ck_assert_int_eq(request_make(&params, true, &request_arena, &request, &why), 0);
	ck_assert_int_eq(request.body_bytes, length_cases[_i].want);
	ck_assert(request.has_body);
}
END_TEST

START_TEST(client_and_user_are_known)
{
	struct params params;
	struct http_request request;
	const char *why = NULL,
		   *texts[] = { "REQUEST_METHOD=GET", "REMOTE_ADDR=::1", "REMOTE_USER=eve" };
	params_make(&params, texts, COUNT(texts));
	ck_assert_int_eq(request_make(&params, false, &request_arena, &request, &why), 0);
	ck_assert(slice_equal(request.remote_addr, SLICE("::1")));
	ck_assert(slice_equal(request.remote_user, SLICE("eve")));
	ck_assert(!request.has_body);
}
END_TEST

/* A table that is full, the last of its names as `last` says. */
static int
request_make_full(const char *last)
{
	static const char *texts[PARAMS_MAX];
	struct params params;
	struct http_request request;
	const char *why = NULL;
	texts[0] = "REQUEST_METHOD=GET";
	for (int i = 1; i < PARAMS_MAX; i++)
		texts[i] = arena_printf(&request_arena, "HTTP_X_%d=%d", i, i);
	texts[PARAMS_MAX - 1] = last;
	params_make(&params, texts, PARAMS_MAX);
	ck_assert_uint_eq(params.n, PARAMS_MAX);
	int rc = request_make(&params, false, &request_arena, &request, &why);
	if (rc == 0)
		ck_assert_uint_eq(request.fields.n, PARAMS_MAX - 1);
	return rc;
}

START_TEST(a_full_table_is_searched_whole_for_repeated_names)
{
	ck_assert_int_eq(request_make_full("HTTP_X=last"), 0);
	for (int i = 1; i < PARAMS_MAX - 1; i++) {
		ck_assert_int_eq(
		    request_make_full(arena_printf(&request_arena, "HTTP_X_%d=again", i)), -EINVAL);
		arena_reset(&request_arena);
	}
}
END_TEST

static void
request_teardown(void)
{
	arena_fini(&request_arena);
}

int
main(void)
{
	TCase *tests = tcase_create("request");
	tcase_add_checked_fixture(tests, NULL, request_teardown);
	tcase_add_loop_test(tests, good_parameters_are_one_request, 0, COUNT(good_cases));
	tcase_add_loop_test(tests, whatever_has_two_readings_is_refused, 0, COUNT(bad_cases));
	tcase_add_loop_test(tests, connection_may_not_name_what_is_needed, 0, COUNT(needed_names));
	tcase_add_loop_test(tests, a_length_is_taken_or_not_said, 0, COUNT(length_cases));
	tcase_add_test(tests, client_and_user_are_known);
	tcase_add_test(tests, a_full_table_is_searched_whole_for_repeated_names);
	return suite_run("proxy/request", tests);
}
