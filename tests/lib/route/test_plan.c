/* test_plan.c -- What is cached under which key and variant, what passes and why, what is deflated.
 */
#include "route/scopetext.h"
#include "site.h"

static const char site_ini[] =
    "[dory]\nbackend = app\n"
    "[backend app]\nurl = http://127.0.0.1:8000\n"
    "[backend fixed]\nurl = http://127.0.0.1:8001\nhost = inner.example\n"
    "[bloat product]\nkey = {id:uint}\nprefix = p\ntags = catalog product-{id}\n"
    "[bloat list]\nkey = {category:slug} {page:uint}\nquery = page:uint=1 sort:name|price=name\n"
    "[bloat home]\nquery = none\nlang = en de fr\n"
    "[bloat page]\nkey = {host} {path}\nvary = X-Region X-Plan\n"
    "[bloat theme]\nkey = {theme} {region:eu|us} {lang}\ncookie = theme seen\nvary = X-Region\n"
    "lang = en de\n"
    "[bloat search]\nkey = {q}\n"
    "[bloat off]\nenabled = no\n"
    "[bloat files]\nkey = {name:path}\ntags = file-{name} {name}\n"
    "[route product]\nmatch = GET|POST /product/{id:uint}\nbloat = product(id)\n"
    "deflate = product(id) list(*), tag:product-{id}\ndeflate_mode = soft\n"
    "[route list]\nmatch = /list/{category:slug}\nbloat = list(category, page=query.page)\n"
    "[route home]\nmatch = /\nbloat = home\n"
    "[route page]\nmatch = /page/{rest:path}\nbloat = page(host, path)\n"
    "[route fixed]\nmatch = /fixed/{rest:path}\nbloat = page(\"books\", path)\nbackend = fixed\n"
    "[route theme]\nmatch = /theme\nbloat = theme(cookie.theme, header.X-Region, lang)\n"
    "[route search]\nmatch = /search\nbloat = search(query.q)\nbypass = query:preview*\n"
    "[route off]\nmatch = /off\nbloat = off\n"
    "[route files]\nmatch = /files/{name:path}\nbloat = files(name)\n"
    "bypass = cookie:session* cookie:wp header:X-Debug\n"
    "[route open]\nmatch = /open\nbloat = home()\nbypass = none\n"
    "[route plain]\nmatch = * /plain/{x}\n"
    "deflate = list(\"books\", *) search(query.q) tag:\"x {x}\" home() *\n";

/* A request, and its plan: "key(...) [tags] ?query" or a reason. */
static const struct {
	const char *method;
	const char *url;
	const char *field; /* "name: value", or NULL. */
	const char *want;
} plan_cases[] = {
	{ "GET", "/product/42", NULL, "product(42) catalog product-42" },
	{ "HEAD", "/product/42", NULL, "product(42) catalog product-42" },
	{ "GET", "/product/42?x=1", NULL, "product(42) catalog product-42 ?x=1" },
	{ "GET", "/product/42?", NULL, "product(42) catalog product-42 ?" },
	{ "POST", "/product/42", NULL, "method" },
	{ "GET", "/product/42", "authorization: Bearer a", "bypass header:Authorization" },
	{ "GET", "/product/42", "cookie: session=1", "product(42) catalog product-42" },
	{ "GET", "/product/x", NULL, "no-route" },
	{ "GET", "/list/books", NULL, "list(books, 1)" },
	{ "GET", "/list/books?page=1", NULL, "list(books, 1)" },
	{ "GET", "/list/books?page=2&utm=x", NULL, "list(books, 2) ?page=2" },
	{ "GET", "/list/books?page=zwei", NULL, "list(books, 1)" },
	{ "GET", "/list/books?sort=price&page=3", NULL, "list(books, 3) ?page=3&sort=price" },
	{ "GET", "/?x=1", NULL, "home() /en" },
	{ "GET", "/", "accept-language: de-AT, en;q=0.5", "home() /de" },
	{ "GET", "/", "accept-language: ja", "home() /en" },
	{ "GET", "http://shop.example/page/a/b", NULL, "page(shop.example, /page/a/b)" },
	{ "GET", "/page/a", NULL, "key-value" },
	{ "GET", "/fixed/a%20b", NULL, "page(books, /fixed/a%20b)" },
	{ "GET", "/theme", NULL, "key-value" },
	{ "GET", "/theme", "cookie: theme=dark", "key-value" },
	{ "GET", "/search?q=a+b", NULL, "search(\"a b\") ?q=a+b" },
	{ "GET", "/search?q=a&q=b", NULL, "search(a) ?q=a&q=b" },
	{ "GET", "/search?q=", NULL, "key-value" },
	{ "GET", "/search", NULL, "key-value" },
	{ "GET", "/search?q=1&preview=1", NULL, "bypass query:preview*" },
	{ "GET", "/search?q=1&%70reviewed", NULL, "bypass query:preview*" },
	{ "GET", "/search?q=preview", NULL, "search(preview) ?q=preview" },
	{ "GET", "/off", NULL, "disabled" },
	{ "GET", "/files/", NULL, "files(\"\") file-" },
	{ "GET", "/files/a/b", NULL, "files(a/b) file-a/b a/b" },
	{ "GET", "/files/a", "cookie: a=1; session_id=2", "bypass cookie:session*" },
	{ "GET", "/files/a", "cookie: wp=", "bypass cookie:wp" },
	{ "GET", "/files/a", "cookie: wp2=1", "files(a) file-a a" },
	{ "GET", "/files/a", "x-debug: 1", "bypass header:X-Debug" },
	{ "GET", "/files/a", "authorization: x", "files(a) file-a a" },
	{ "GET", "/open", "authorization: x", "home() /en" },
	{ "GET", "/plain/1?q=2", NULL, "no-bloat" },
	{ "DELETE", "/plain/1", NULL, "no-bloat" },
	{ "GET", "/nowhere", NULL, "no-route" },
};

static void
field_add(struct http_request *request, const char *text, char *name)
{
	const char *colon = text == NULL ? NULL : strstr(text, ": ");

	if (colon == NULL)
		return;
	snprintf(name, 64, "%.*s", (int)(colon - text), text);
	site_field(request, name, colon + 2);
}

static void
plan_print(const struct site *s, const struct plan *plan, struct buf *out)
{
	struct slice rest = plan->tags, tag;

	if (plan->action == PLAN_PASS) {
		buf_text(out, plan_reason_name(plan->reason));
		if (plan->reason == PLAN_BYPASS)
			buf_printf(out, " %.*s", SLICE_ARGS(plan->bypass));
		return;
	}
	key_print(s->routes, &plan->key, out);
	while (rest.len > 0 && tuple_next(&rest, &tag) == 0)
		buf_printf(out, " %.*s", SLICE_ARGS(tag));
	if (plan->language.at != NULL)
		buf_printf(out, " /%.*s", SLICE_ARGS(plan->language));
	if (plan->query.at != NULL)
		buf_printf(out, " ?%.*s", SLICE_ARGS(plan->query));
}

START_TEST(a_request_has_its_plan)
{
	struct buf got = { 0 };
	struct site site;
	char name[64];

	site_open(&site, site_ini);
	struct http_request request =
	    site_request(&site, plan_cases[_i].method, plan_cases[_i].url);
	field_add(&request, plan_cases[_i].field, name);
	struct plan plan = site_plan(&site, &request);
	plan_print(&site, &plan, &got);
	ck_assert_msg(slice_equal(buf_as_slice(&got), slice_of(plan_cases[_i].want)), "%s %s: %.*s",
	    plan_cases[_i].method, plan_cases[_i].url, SLICE_ARGS(buf_as_slice(&got)));
	ck_assert((plan.action == PLAN_CACHE) == (plan.reason == PLAN_REASON_NONE));
	buf_free(&got);
	site_close(&site);
}
END_TEST

START_TEST(a_key_may_come_from_cookie_header_and_language)
{
	struct buf got = { 0 };
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "GET", "/theme");
	site_field(&request, "cookie", "seen=1; theme=dark");
	site_field(&request, "x-region", "eu");
	site_field(&request, "accept-language", "de");
	struct plan plan = site_plan(&site, &request);
	plan_print(&site, &plan, &got);
	ck_assert(slice_equal(buf_as_slice(&got), SLICE("theme(dark, eu, de) /de")));
	buf_free(&got);
	site_close(&site);
}
END_TEST

START_TEST(a_body_an_authenticated_user_or_a_long_key_passes)
{
	struct site site;
	char path[TUPLE_BYTES_MAX + 64] = "/files/";

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "GET", "/product/42");
	request.has_body = true;
	ck_assert_int_eq(site_plan(&site, &request).reason, PLAN_BODY);
	request.has_body = false;
	request.remote_user = SLICE("mary");
	struct plan plan = site_plan(&site, &request);
	ck_assert(
	    plan.reason == PLAN_BYPASS && slice_equal(plan.bypass, SLICE("header:Authorization")));
	request = site_request(&site, "GET", "/open");
	request.remote_user = SLICE("mary");
	ck_assert_int_eq(site_plan(&site, &request).action, PLAN_CACHE);
	memset(path + 7, 'a', 100);
	request = site_request(&site, "GET", path);
	ck_assert_int_eq(site_plan(&site, &request).action, PLAN_CACHE);
	memset(path + 7, 'a', SCOPE_TAG_MAX);
	request = site_request(&site, "GET", path);
	ck_assert_int_eq(site_plan(&site, &request).reason, PLAN_KEY_SIZE);
	memset(path + 7, 'a', TUPLE_BYTES_MAX);
	request = site_request(&site, "GET", path);
	ck_assert_int_eq(site_plan(&site, &request).reason, PLAN_KEY_SIZE);
	site_close(&site);
}
END_TEST

START_TEST(the_backend_is_the_routes_own_or_the_default)
{
	struct site site;

	site_open(&site, site_ini);
	struct http_request request = site_request(&site, "GET", "/fixed/a");
	ck_assert_str_eq(site_plan(&site, &request).backend->name, "fixed");
	request = site_request(&site, "GET", "/");
	ck_assert_str_eq(site_plan(&site, &request).backend->name, "app");
	request = site_request(&site, "GET", "/nowhere");
	ck_assert_str_eq(site_plan(&site, &request).backend->name, "app");
	site_close(&site);
	site_open(&site, "[backend a]\nurl = http://127.0.0.1:1\n[backend b]\n"
			 "url = http://127.0.0.1:2\n[route r]\nmatch = /\nbackend = b\n");
	request = site_request(&site, "GET", "/nowhere");
	ck_assert_ptr_null(site_plan(&site, &request).backend);
	site_close(&site);
}
END_TEST

/* Two requests, and whether they are one variant. Fields are "name: value". */
static const struct {
	const char *name;
	const char *url[2];
	const char *field[2];
	bool equal;
} variant_cases[] = {
	{ "the same", { "/product/1", "/product/1" }, { NULL, NULL }, true },
	{ "another query", { "/product/1?a", "/product/1?b" }, { NULL, NULL }, false },
	{ "an empty query", { "/product/1", "/product/1?" }, { NULL, NULL }, false },
	{ "the order of a query", { "/product/1?a&b", "/product/1?b&a" }, { NULL, NULL }, false },
	{ "an undeclared parameter", { "/list/a?utm=1", "/list/a" }, { NULL, NULL }, true },
	{ "a default value", { "/list/a?page=1", "/list/a" }, { NULL, NULL }, true },
	{ "the order of declared parameters",
	    { "/list/a?sort=price&page=2", "/list/a?page=2&sort=price" }, { NULL, NULL }, true },
	{ "another host", { "http://a.example/product/1", "http://b.example/product/1" },
	    { NULL, NULL }, false },
	{ "one host spelled differently",
	    { "http://a.example/product/1", "http://A.EXAMPLE.:80/product/1" }, { NULL, NULL },
	    true },
	{ "another host where the backend's is fixed",
	    { "http://a.example/fixed/1", "http://b.example/fixed/1" }, { NULL, NULL }, true },
	{ "another scheme", { "http://a.example/product/1", "https://a.example/product/1" },
	    { NULL, NULL }, false },
	{ "one path spelled differently", { "/product/1", "/product/%31" }, { NULL, NULL }, true },
	{ "another language", { "/", "/" }, { "accept-language: de", "accept-language: fr" },
	    false },
	{ "languages that choose alike", { "/", "/" },
	    { "accept-language: de-AT,fr;q=0.1", "accept-language: de" }, true },
	{ "languages that nobody declared", { "/product/1", "/product/1" },
	    { "accept-language: de", "accept-language: fr" }, true },
	{ "a vary field", { "http://a/page/1", "http://a/page/1" }, { "x-region: eu", NULL },
	    false },
	{ "an empty vary field", { "http://a/page/1", "http://a/page/1" }, { "x-region: ", NULL },
	    false },
	{ "one vary field for another", { "http://a/page/1", "http://a/page/1" },
	    { "x-region: a", "x-plan: a" }, false },
	{ "an undeclared field", { "http://a/page/1", "http://a/page/1" }, { "x-other: eu", NULL },
	    true },
	{ "an undeclared cookie", { "/product/1", "/product/1" }, { "cookie: a=1", NULL }, true },
};

START_TEST(equal_variants_are_equal_requests)
{
	struct slice variants[2];
	struct site site;
	char name[64];

	site_open(&site, site_ini);
	for (int i = 0; i < 2; i++) {
		struct http_request request = site_request(&site, "GET", variant_cases[_i].url[i]);
		field_add(&request, variant_cases[_i].field[i], name);
		struct plan plan = site_plan(&site, &request);
		ck_assert_int_eq(plan.action, PLAN_CACHE);
		variants[i] = plan.variant;
	}
	ck_assert_msg(slice_equal(variants[0], variants[1]) == variant_cases[_i].equal, "%s",
	    variant_cases[_i].name);
	site_close(&site);
}
END_TEST

START_TEST(cookies_count_as_declared_absent_and_empty_apart)
{
	static const char *const cookies[] = { "theme=dark",
		"theme=dark; seen=", "theme=dark; seen=1", "seen=1; theme=dark; other=2" };
	struct slice variants[COUNT(cookies)];
	struct site site;

	site_open(&site, site_ini);
	for (size_t i = 0; i < COUNT(cookies); i++) {
		struct http_request request = site_request(&site, "GET", "/theme");
		site_field(&request, "cookie", cookies[i]);
		site_field(&request, "x-region", "eu");
		variants[i] = site_plan(&site, &request).variant;
	}
	ck_assert(!slice_equal(variants[0], variants[1]));
	ck_assert(!slice_equal(variants[1], variants[2]));
	ck_assert(slice_equal(variants[2], variants[3]));
	site_close(&site);
}
END_TEST

START_TEST(queries_of_one_key_share_a_signpost)
{
	static const char *const urls[] = { "/list/books?page=2&x=1", "/list/books?page=3",
		"/list/books" };
	struct slice signposts[COUNT(urls)], again;
	struct plan plans[COUNT(urls)];
	struct site site;

	site_open(&site, site_ini);
	for (size_t i = 0; i < COUNT(urls); i++) {
		struct http_request request = site_request(&site, "GET", urls[i]);
		plans[i] = site_plan(&site, &request);
		ck_assert_int_eq(plan_search(&plans[i], &site.arena, &signposts[i]), 0);
		ck_assert(!slice_equal(signposts[i], plans[i].variant));
		ck_assert(slice_equal(signposts[i], signposts[0]));
	}
	ck_assert_int_eq(plan_search(&plans[0], &site.arena, &again), 0);
	ck_assert(slice_equal(again, signposts[0]));
	plans[0].action = PLAN_PASS;
	ck_assert_int_eq(plan_search(&plans[0], &site.arena, &again), 0);
	ck_assert_ptr_null(again.at);
	site_close(&site);
}
END_TEST

static const struct {
	const char *method;
	const char *url;
	const char *want;
} deflate_cases[] = {
	{ "POST", "/product/42", "product(42) list(*) tag:product-42" },
	{ "GET", "/product/42", "" },
	{ "HEAD", "/product/42", "" },
	{ "POST", "/plain/a", "list(books, *) search(\"\") tag:\"x a\" home() *" },
	{ "PURGE", "/plain/a?q=1", "list(books, *) search(1) tag:\"x a\" home() *" },
	{ "OPTIONS", "/plain/a?q=1", "" },
	{ "POST", "/nowhere", "" },
	{ "DELETE", "/list/books?page=2&x=1", "list(books, 2)" },
	{ "PUT", "http://shop.example/page/a", "page(shop.example, /page/a)" },
	{ "POST", "/off", "off()" },
};

START_TEST(an_unsafe_request_deflates_what_its_route_says_and_its_url)
{
	struct buf got = { 0 };
	struct site site;

	site_open(&site, site_ini);
	struct http_request request =
	    site_request(&site, deflate_cases[_i].method, deflate_cases[_i].url);
	struct plan plan = site_plan(&site, &request);
	for (size_t i = 0; i < plan.n_scopes; i++) {
		if (i > 0)
			buf_char(&got, ' ');
		scope_print(site.routes, plan.scopes[i], &got);
	}
	ck_assert_msg(slice_equal(buf_as_slice(&got), slice_of(deflate_cases[_i].want)),
	    "%s %s: %.*s", deflate_cases[_i].method, deflate_cases[_i].url,
	    SLICE_ARGS(buf_as_slice(&got)));
	if (_i == 0)
		ck_assert_int_eq(plan.deflate_mode, DEFLATE_SOFT);
	buf_free(&got);
	site_close(&site);
}
END_TEST

/* T37: what a scope lacks must not make it wider; a tuple of no fields would cover everything. */
START_TEST(a_scope_with_a_missing_or_oversized_value_covers_nothing)
{
	struct site site;
	struct buf url = { 0 };
	const char *without = "/plain/a";

	site_open(&site, site_ini);
	struct http_request stored = site_request(&site, "GET", "/search?q=1");
	struct plan key = site_plan(&site, &stored);
	struct http_request request = site_request(&site, "POST", without);
	struct plan plan = site_plan(&site, &request);
	ck_assert_uint_eq(plan.n_scopes, 5);
	ck_assert(!scope_covers(plan.scopes[1], &key.key));
	buf_text(&url, "/plain/a?q=");
	for (int i = 0; i < TUPLE_BYTES_MAX; i++)
		buf_char(&url, 'a');
	buf_char(&url, '\0');
	request = site_request(&site, "POST", url.data);
	plan = site_plan(&site, &request);
	ck_assert_uint_eq(plan.n_scopes, 4);
	for (size_t i = 0; i < plan.n_scopes; i++)
		ck_assert(plan.scopes[i].kind == SCOPE_ALL || plan.scopes[i].bytes.len > 0);
	buf_free(&url);
	site_close(&site);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("plan");
	tcase_add_loop_test(tests, a_request_has_its_plan, 0, COUNT(plan_cases));
	tcase_add_test(tests, a_key_may_come_from_cookie_header_and_language);
	tcase_add_test(tests, a_body_an_authenticated_user_or_a_long_key_passes);
	tcase_add_test(tests, the_backend_is_the_routes_own_or_the_default);
	tcase_add_loop_test(tests, equal_variants_are_equal_requests, 0, COUNT(variant_cases));
	tcase_add_test(tests, cookies_count_as_declared_absent_and_empty_apart);
	tcase_add_test(tests, queries_of_one_key_share_a_signpost);
	tcase_add_loop_test(tests, an_unsafe_request_deflates_what_its_route_says_and_its_url, 0,
	    COUNT(deflate_cases));
	tcase_add_test(tests, a_scope_with_a_missing_or_oversized_value_covers_nothing);
	return suite_run("lib/route/plan", tests);
}
