/* test_forward.c -- What reaches the backend: nothing that the key leaves out decides an answer. */
#include "site.h"

static const char site_ini[] =
    "[dory]\nbackend = app\n"
    "[backend app]\nurl = http://127.0.0.1:8000\n"
    "[backend fixed]\nurl = http://127.0.0.1:8001\nhost = inner.example\n"
    "[bloat all]\n"
    "[bloat some]\nforward = Accept User-Agent\nvary = X-Region CF-IPCountry\ncookie = b a\n"
    "lang = en de\n"
    "[bloat bare]\nforward = none\n"
    "[route all]\nmatch = /all\nbloat = all\n"
    "[route some]\nmatch = /some\nbloat = some\n"
    "[route none]\nmatch = /none\nbloat = bare\nbackend = fixed\n"
    "[route pass]\nmatch = * /pass\n";

/* T1 of the threats: names by which a cache is poisoned, and others that carry who asks. */
static const char *const closed_names[] = { "authorization", "cookie", "cookie2", "forwarded",
	"x-forwarded", "x-forwarded-host", "x-forwarded-scheme", "x-forwarded-proto",
	"x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server", "x-forwarded-for",
	"x-forwarded-ssl", "x-forwarded-path", "x-forwarded-uri", "x-forwarded-user", "x-host",
	"x-original-url", "x-original-host", "x-original-uri", "x-rewrite-url", "x-rewrite-uri",
	"x-http-method", "x-http-method-override", "x-method-override", "x-http-host-override",
	"x-http-destinationurl", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip",
	"cf-connecting-ip", "x-cluster-client-ip", "x-originating-ip", "x-remote-ip",
	"x-remote-user", "x-url-scheme", "x-scheme", "front-end-https", "via", "range", "if-range",
	"if-none-match", "if-modified-since", "if-match", "if-unmodified-since", "cache-control",
	"pragma", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy",
	"te", "trailer", "transfer-encoding", "upgrade", "content-length", "content-type",
	"content-encoding", "expect", "dory-token", "dory-anything", "x-middleware-subrequest",
	"x-script-name", "max-forwards", "host" };

/* "name=value" of each field, a blank between them. */
static void
fields_print(const struct http_fields *fields, struct buf *out)
{
	for (size_t i = 0; i < fields->n; i++)
		buf_printf(out, "%s%.*s=%.*s", i == 0 ? "" : " ", SLICE_ARGS(fields->items[i].name),
		    SLICE_ARGS(fields->items[i].value));
}

static void
forward_check(
    struct site *s, const struct http_request *request, enum plan_action action, const char *want)
{
	struct plan plan = site_plan(s, request);
	struct http_fields fields;
	struct buf got = { 0 };

	ck_assert_int_eq(plan.action, action);
	ck_assert_int_eq(plan_forward(&plan, request, &s->arena, &fields), 0);
	/* Last comes, where something may be stored, by which name we are meant. */
	if (action == PLAN_CACHE) {
		const struct http_field *last = &fields.items[--fields.n];
		ck_assert(slice_equal(last->name, SLICE("surrogate-capability")));
		ck_assert(slice_equal(last->value, SLICE("dory=\"Surrogate/1.0\"")));
	}
	fields_print(&fields, &got);
	ck_assert_msg(slice_equal(buf_as_slice(&got), slice_of(want)), "%.*s",
	    SLICE_ARGS(buf_as_slice(&got)));
	buf_free(&got);
}

START_TEST(a_name_of_the_closed_world_never_reaches_the_backend)
{
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "GET", "http://shop.example/all");
	site_field(&request, closed_names[_i], "evil");
	site_field(&request, "accept", "text/html");
	bool bypassed = strcmp(closed_names[_i], "authorization") == 0;
	if (!bypassed)
		forward_check(&site, &request, PLAN_CACHE,
		    "host=shop.example x-forwarded-proto=http x-forwarded-host=shop.example "
		    "accept=text/html");
	site_close(&site);
}
END_TEST

START_TEST(authorization_is_forwarded_where_the_route_says_so)
{
	struct site site;

	site_open(&site, SITE_BACKEND "[bloat all]\n[route all]\nmatch = /all\nbloat = all\n"
				      "bypass = none\nauthorization = forward\n");
	struct http_request request = site_request(&site, "GET", "/all");
	forward_check(&site, &request, PLAN_CACHE, "x-forwarded-proto=http");
	site_field(&request, "authorization", "me");
	forward_check(&site, &request, PLAN_CACHE, "x-forwarded-proto=http authorization=me");
	site_close(&site);
}
END_TEST

START_TEST(authorization_is_dropped_where_nothing_bypasses)
{
	struct site site;

	site_open(&site, SITE_BACKEND "[bloat all]\n[route all]\nmatch = /all\nbloat = all\n"
				      "bypass = none\n");
	struct http_request request = site_request(&site, "GET", "/all");
	site_field(&request, "authorization", "evil");
	forward_check(&site, &request, PLAN_CACHE, "x-forwarded-proto=http");
	site_close(&site);
}
END_TEST

START_TEST(no_name_is_told_where_the_response_says_nothing_to_us)
{
	struct site site;

	site_open(&site, SITE_BACKEND "[bloat all]\norigin = ignore\ntimeout = 1h\n"
				      "[route all]\nmatch = /all\nbloat = all\n");
	struct http_request request = site_request(&site, "GET", "/all");
	struct plan plan = site_plan(&site, &request);
	struct http_fields fields;
	ck_assert_int_eq(plan_forward(&plan, &request, &site.arena, &fields), 0);
	ck_assert_ptr_null(http_fields_find(&fields, SLICE("surrogate-capability")));
	site_close(&site);
}
END_TEST

START_TEST(declared_cookies_language_and_vary_are_sent_in_one_form)
{
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "GET", "https://shop.example/some");
	site_field(&request, "cookie", "c=3; a=1;b=2; a=4");
	site_field(&request, "accept-language", "fr, de-AT;q=0.9");
	site_field(&request, "x-region", "eu");
	site_field(&request, "cf-ipcountry", "AT");
	site_field(&request, "accept", "text/html");
	site_field(&request, "referer", "http://a/");
	site_field(&request, "user-agent", "curl");
	forward_check(&site, &request, PLAN_CACHE,
	    "host=shop.example x-forwarded-proto=https x-forwarded-host=shop.example "
	    "cookie=b=2; a=1 accept-language=de x-region=eu cf-ipcountry=AT accept=text/html "
	    "user-agent=curl");
	site_close(&site);
}
END_TEST

START_TEST(a_fixed_host_is_all_that_an_application_hears_of_hosts)
{
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "GET", "http://shop.example/none");
	site_field(&request, "user-agent", "curl");
	forward_check(&site, &request, PLAN_CACHE, "host=inner.example x-forwarded-proto=http");
	site_close(&site);
}
END_TEST

START_TEST(what_connection_names_is_dropped_but_not_what_decides)
{
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "POST", "/pass");
	site_field(&request, "connection", "close, X-Hop , Cookie");
	site_field(&request, "x-hop", "1");
	site_field(&request, "cookie", "a=1");
	forward_check(&site, &request, PLAN_PASS, "x-forwarded-proto=http cookie=a=1");
	request = site_request(&site, "GET", "/all");
	site_field(&request, "connection", "x-hop");
	site_field(&request, "x-hop", "1");
	site_field(&request, "x-stays", "1");
	forward_check(&site, &request, PLAN_CACHE, "x-forwarded-proto=http x-stays=1");
	site_close(&site);
}
END_TEST

START_TEST(a_request_that_passes_keeps_what_is_the_clients)
{
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "POST", "http://shop.example/pass");
	request.remote_addr = SLICE("192.0.2.7");
	site_field(&request, "host", "evil.example");
	site_field(&request, "authorization", "Bearer a");
	site_field(&request, "cookie", "session=1");
	site_field(&request, "content-type", "text/plain");
	site_field(&request, "if-none-match", "\"a\"");
	site_field(&request, "range", "bytes=0-1");
	site_field(&request, "x-forwarded-for", "10.0.0.1");
	site_field(&request, "x-forwarded-port", "1");
	site_field(&request, "forwarded", "for=10.0.0.1");
	site_field(&request, "dory-token", "secret");
	site_field(&request, "content-length", "3");
	site_field(&request, "expect", "100-continue");
	site_field(&request, "proxy", "http://evil/");
	forward_check(&site, &request, PLAN_PASS,
	    "host=shop.example x-forwarded-for=192.0.2.7 x-forwarded-host=shop.example "
	    "x-forwarded-proto=http authorization=Bearer a cookie=session=1 "
	    "content-type=text/plain if-none-match=\"a\" range=bytes=0-1");
	site_close(&site);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("forward");
	tcase_add_loop_test(
	    tests, a_name_of_the_closed_world_never_reaches_the_backend, 0, COUNT(closed_names));
	tcase_add_test(tests, authorization_is_dropped_where_nothing_bypasses);
	tcase_add_test(tests, authorization_is_forwarded_where_the_route_says_so);
	tcase_add_test(tests, no_name_is_told_where_the_response_says_nothing_to_us);
	tcase_add_test(tests, declared_cookies_language_and_vary_are_sent_in_one_form);
	tcase_add_test(tests, a_fixed_host_is_all_that_an_application_hears_of_hosts);
	tcase_add_test(tests, what_connection_names_is_dropped_but_not_what_decides);
	tcase_add_test(tests, a_request_that_passes_keeps_what_is_the_clients);
	return suite_run("lib/route/forward", tests);
}
