/* test_routes.c -- The most special route wins; what could match alike is refused. */
#include "site.h"

#include <errno.h>

static const char site_ini[] =
    SITE_BACKEND "[route root]\nmatch = /\n"
		 "[route about]\nmatch = GET /about\n"
		 "[route about-slash]\nmatch = GET /about/\n"
		 "[route product]\nmatch = GET /product/{id:uint}\n"
		 "[route product-new]\nmatch = GET /product/new\n"
		 "[route product-int]\nmatch = POST /product/{id:int}\n"
		 "[route product-uuid]\nmatch = GET /product/{id:uuid}\n"
		 "[route product-day]\nmatch = GET /product/{day:date}\n"
		 "[route product-slug]\nmatch = GET /product/{name:slug}\n"
		 "[route product-any]\nmatch = GET /product/{name}\n"
		 "[route product-sort]\nmatch = GET /product/{order:asc|desc}\n"
		 "[route product-rest]\nmatch = GET /product/{rest:path}\n"
		 "[route edit]\nmatch = POST|PUT /product/{id:uint}/edit\n"
		 "[route edit-any]\nmatch = * /product/{id:uint}/edit\n"
		 "[route page]\nmatch = /list/page-{n:uint}\n"
		 "[route html]\nmatch = /list/{name}.html\n"
		 "[route index]\nmatch = /list/index-{name}.html\n"
		 "[route listed]\nmatch = /list/{name}\n"
		 "[route files]\nmatch = /files/{p:path}\n"
		 "[route deep]\nmatch = /a/{x:uint}/c/{y}\n"
		 "[route deep-b]\nmatch = /a/{x}/c/d\n"
		 "[route deep-all]\nmatch = /a/{rest:path}\n"
		 "[route cafe]\nmatch = /caf%c3%a9\n"
		 "[route braces]\nmatch = /%7bx%7d\n"
		 "[route two]\nmatch = /old/{id:uint}\nmatch = /older/{id:uint}\n"
		 "[route shop]\nmatch = /where\nhost = shop.example, SHOP.example:8080\n"
		 "[route blog]\nmatch = /where\nhost = blog.example\n"
		 "[route where]\nmatch = /where\n"
		 "[route host-deep]\nmatch = /where/{x}\nhost = shop.example\n"
		 "[route where-literal]\nmatch = /where/lit\n"
		 "[route head]\nmatch = HEAD /about\n"
		 "[route same-a]\nmatch = /same/{x:int}/{s}\n"
		 "[route same-b]\nmatch = /same/{y:uint}/a\n"
		 "[route enum-a]\nmatch = /enum/{x:red|blue}/one\n"
		 "[route enum-b]\nmatch = /enum/{y:blue|green}/{s}\n"
		 "[route enum-c]\nmatch = /enum/{z:red|green}.txt\n"
		 "[route double]\nmatch = /double//slash\n"
		 "[route search]\nmatch = M-SEARCH /find\n"
		 "[route any]\nmatch = DELETE *\n";

static const struct {
	const char *method;
	const char *url;
	const char *route; /* NULL: none. */
	const char *args;
} match_cases[] = {
	{ "GET", "/", "root", "" },
	{ "HEAD", "/", "root", "" },
	{ "POST", "/", NULL, "" },
	{ "GET", "/about", "about", "" },
	{ "HEAD", "/about", "head", "" },
	{ "GET", "/about/", "about-slash", "" },
	{ "HEAD", "/about/", "about-slash", "" },
	{ "GET", "/about//", NULL, "" },
	{ "GET", "/About", NULL, "" },
	{ "GET", "/abou", NULL, "" },
	{ "GET", "/aboutx", NULL, "" },
	{ "get", "/about", NULL, "" },
	{ "GET", "/product/42", "product", "id=42" },
	{ "GET", "/product/0", "product", "id=0" },
	{ "GET", "/product/042", "product-slug", "name=042" },
	{ "GET", "/product/4%32", "product", "id=42" },
	{ "GET", "/product/-42", "product-any", "name=-42" },
	{ "POST", "/product/-42", "product-int", "id=-42" },
	{ "POST", "/product/42", "product-int", "id=42" },
	{ "PUT", "/product/42", NULL, "" },
	{ "GET", "/product/18446744073709551616", "product-slug", "name=18446744073709551616" },
	{ "GET", "/product/new", "product-new", "" },
	{ "GET", "/product/n%65w", "product-new", "" },
	{ "GET", "/product/asc", "product-sort", "order=asc" },
	{ "GET", "/product/ascending", "product-slug", "name=ascending" },
	{ "GET", "/product/2024-02-29", "product-day", "day=2024-02-29" },
	{ "GET", "/product/2023-02-29", "product-slug", "name=2023-02-29" },
	{ "GET", "/product/123E4567-E89B-12D3-A456-426614174000", "product-uuid",
	    "id=123e4567-e89b-12d3-a456-426614174000" },
	{ "GET", "/product/Red%20Shoes", "product-any", "name=Red Shoes" },
	{ "GET", "/product/a%3Ab", "product-any", "name=a:b" },
	{ "GET", "/product/%25", "product-any", "name=%" },
	{ "GET", "/product/", "product-rest", "rest=" },
	{ "GET", "/product/42/", "product-rest", "rest=42/" },
	{ "GET", "/product/42/reviews", "product-rest", "rest=42/reviews" },
	{ "GET", "/product/a%20b/c%20d", "product-rest", "rest=a b/c d" },
	{ "GET", "/product", NULL, "" },
	{ "POST", "/product/42/edit", "edit", "id=42" },
	{ "PUT", "/product/42/edit", "edit", "id=42" },
	{ "PATCH", "/product/42/edit", "edit-any", "id=42" },
	{ "HEAD", "/product/42/edit", "edit-any", "id=42" },
	{ "PATCH", "/product/x/edit", NULL, "" },
	{ "GET", "/list/page-7", "page", "n=7" },
	{ "GET", "/list/page-", "listed", "name=page-" },
	{ "GET", "/list/page-x", "listed", "name=page-x" },
	{ "GET", "/list/about.html", "html", "name=about" },
	{ "GET", "/list/.html", "listed", "name=.html" },
	{ "GET", "/list/index-a.html", "index", "name=a" },
	{ "GET", "/list/index-.html", "html", "name=index-" },
	{ "GET", "/list/page-7.html", "html", "name=page-7" },
	{ "GET", "/list/7", "listed", "name=7" },
	{ "GET", "/list/", NULL, "" },
	{ "GET", "/files/", "files", "p=" },
	{ "GET", "/files/a", "files", "p=a" },
	{ "GET", "/files/a/b", "files", "p=a/b" },
	{ "GET", "/files/a//b/", "files", "p=a//b/" },
	{ "GET", "/files", NULL, "" },
	{ "GET", "/a/1/c/d", "deep", "x=1 y=d" },
	{ "GET", "/a/z/c/d", "deep-b", "x=z" },
	{ "GET", "/a/z/c/e", "deep-all", "rest=z/c/e" },
	{ "GET", "/a/1/c/", "deep-all", "rest=1/c/" },
	{ "GET", "/a/1/b/d", "deep-all", "rest=1/b/d" },
	{ "GET", "/caf%C3%A9", "cafe", "" },
	{ "GET", "/cafe", NULL, "" },
	{ "GET", "/%7Bx%7D", "braces", "" },
	{ "GET", "/old/1", "two", "id=1" },
	{ "GET", "/older/2", "two", "id=2" },
	{ "GET", "http://shop.example/where", "shop", "" },
	{ "GET", "http://SHOP.EXAMPLE.:80/where", "shop", "" },
	{ "GET", "http://shop.example:8080/where", "shop", "" },
	{ "GET", "http://shop.example:8081/where", "where", "" },
	{ "GET", "http://blog.example/where", "blog", "" },
	{ "GET", "http://other.example/where", "where", "" },
	{ "GET", "/where", "where", "" },
	{ "GET", "http://shop.example/where/x", "host-deep", "x=x" },
	{ "GET", "http://blog.example/where/x", NULL, "" },
	{ "GET", "http://shop.example/where/lit", "where-literal", "" },
	{ "GET", "/same/5/a", "same-b", "y=5" },
	{ "GET", "/same/5/b", "same-a", "x=5 s=b" },
	{ "GET", "/same/-5/a", "same-a", "x=-5 s=a" },
	{ "GET", "/enum/red/one", "enum-a", "x=red" },
	{ "GET", "/enum/blue/one", "enum-a", "x=blue" },
	{ "GET", "/enum/blue/two", "enum-b", "y=blue s=two" },
	{ "GET", "/enum/green/one", "enum-b", "y=green s=one" },
	{ "GET", "/enum/red/two", NULL, "" },
	{ "GET", "/enum/red.txt", "enum-c", "z=red" },
	{ "GET", "/double//slash", "double", "" },
	{ "GET", "/double/slash", NULL, "" },
	{ "M-SEARCH", "/find", "search", "" },
	{ "DELETE", "/", "any", "" },
	{ "DELETE", "/product/42", "any", "" },
	{ "DELETE", "/product/42/edit", "edit-any", "id=42" },
	{ "DELETE", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/1/2/3/4/5/6/7/8/9/0",
	    "any", "" },
};

static void
args_print(const struct route_args *args, struct buf *out)
{
	for (unsigned i = 0; i < args->n; i++)
		buf_printf(out, "%s%.*s=%.*s", i == 0 ? "" : " ", SLICE_ARGS(args->names[i]),
		    SLICE_ARGS(args->values[i]));
}

START_TEST(the_most_special_route_that_fits_wins)
{
	const char *want = match_cases[_i].route;
	struct site site;
	struct buf args = { 0 };
	const struct route *route;
	struct route_args found;

	site_open(&site, site_ini);
	struct http_request request =
	    site_request(&site, match_cases[_i].method, match_cases[_i].url);
	ck_assert_int_eq(routes_match(site.routes, &request, &site.arena, &route, &found), 0);
	args_print(&found, &args);
	const char *got = route == NULL ? NULL : route_config(route)->name;
	ck_assert_msg((got == NULL) == (want == NULL) && (got == NULL || strcmp(got, want) == 0),
	    "%s %s: %s", match_cases[_i].method, match_cases[_i].url, got);
	ck_assert_msg(slice_equal(buf_as_slice(&args), slice_of(match_cases[_i].args)),
	    "%s %s: %.*s", match_cases[_i].method, match_cases[_i].url,
	    SLICE_ARGS(buf_as_slice(&args)));
	buf_free(&args);
	site_close(&site);
}
END_TEST

/* Pairs of `match` lines, and whether they may stand in one file. */
static const struct {
	const char *one;
	const char *other;
	bool clash;
} clash_cases[] = {
	{ "/a", "/a", true },
	{ "/a", "GET /a", true },
	{ "/a", "/b", false },
	{ "/a", "/a/", false },
	{ "/%61", "/a", true },
	{ "/a/{x:uint}", "/a/{y:uint}", true },
	{ "/a/{x:int}", "/a/{y:uint}", true },
	{ "/a/{x:uuid}", "/a/{y:uint}", false },
	{ "/a/{x:date}", "/a/{y:uuid}", false },
	{ "/a/{x:slug}", "/a/{y:slug}", true },
	{ "/a/{x:slug}", "/a/{y:str}", false },
	{ "/a/{x}", "/a/{y:str}", true },
	{ "/a/{x:path}", "/a/{y:path}", true },
	{ "/a/{x:path}", "/a/{y}", false },
	{ "*", "/{rest:path}", true },
	{ "*", "* *", false },
	{ "/a/{x:b|c}", "/a/{y:c|d}", true },
	{ "/a/{x:b|c}", "/a/{y:d|e}", false },
	{ "/a/{x:b|c}", "/a/{y:c|b}", true },
	{ "/a/{x:b|c}", "/a/b", false },
	{ "/{x:b|c}/d", "/{y:c|d}/e", false },
	{ "/{x:b|c}/{z}", "/{y:c|d}/{z}", true },
	{ "GET /a", "POST /a", false },
	{ "GET|POST /a", "POST|PUT /a", true },
	{ "GET /a", "HEAD /a", false },
	{ "GET /a", "* /a", false },
	{ "* /a", "* /a", true },
	{ "/{x}/b", "/a/{y}", false },
	{ "/{x}/{y:uint}", "/{z}/{w:int}", true },
	{ "/p-{x}", "/p-{y}", true },
	{ "/p-{x}", "/q-{y}", false },
	{ "/p-{x}", "/pq{y}", false },
	{ "/p{x}", "/pq{y}", false },
	{ "/p-{x}", "/{y}-p", true },
	{ "/p-{x:uint}", "/p-{y:slug}", false },
	{ "/{x}.html", "/{y}.htm", false },
	{ "/{x:a|b}.js", "/{y:a|c}.js", true },
	{ "/{x:a|b}.js", "/{y:c|d}.js", false },
};

START_TEST(two_that_could_match_alike_are_refused)
{
	const char *one = clash_cases[_i].one, *other = clash_cases[_i].other;
	char ini[512], want[512];
	struct site site;

	for (int turn = 0; turn < 2; turn++) {
		const char *first = turn == 0 ? one : other, *second = turn == 0 ? other : one;
		snprintf(ini, sizeof(ini),
		    SITE_BACKEND "[route one]\nmatch = %s\n[route other]\n"
				 "match = %s\n",
		    first, second);
		int rc = site_try(&site, ini);
		ck_assert_msg(
		    rc == (clash_cases[_i].clash ? -EINVAL : 0), "%s and %s", first, second);
		snprintf(want, sizeof(want),
		    "site.ini:6: [route other] match: \"%s\" and \"%s\" of [route one] in line 4 "
		    "can match one request with equal rank; give one of them a narrower type, "
		    "method or host\n",
		    second, first);
		ck_assert_msg(
		    rc == 0 || slice_equal(buf_as_slice(&site.errors.text), slice_of(want)), "%.*s",
		    SLICE_ARGS(buf_as_slice(&site.errors.text)));
		site_close(&site);
	}
}
END_TEST

START_TEST(one_pattern_for_many_hosts_is_no_clash_but_one_host_twice_is)
{
	struct site site;

	site_open(&site, SITE_BACKEND "[route a]\nmatch = /\nhost = a.example b.example\n"
				      "[route c]\nmatch = /\nhost = c.example\n"
				      "[route any]\nmatch = /\n");
	site_close(&site);
	ck_assert_int_eq(
	    site_try(&site, SITE_BACKEND "[route a]\nmatch = /\nhost = a.example b.example\n"
					 "[route c]\nmatch = /\nhost = B.example:80\n"),
	    -EINVAL);
	site_close(&site);
}
END_TEST

START_TEST(a_path_is_known_whatever_the_method)
{
	struct site site;

	site_open(&site, SITE_BACKEND "[route a]\nmatch = GET /a/{x:uint}\n");
	struct http_request request = site_request(&site, "POST", "/a/1");
	ck_assert(routes_path_known(site.routes, &request));
	request = site_request(&site, "GET", "/a/x");
	ck_assert(!routes_path_known(site.routes, &request));
	site_close(&site);
}
END_TEST

START_TEST(ten_thousand_routes_are_each_found)
{
	struct buf ini = { 0 };
	struct site site;
	const struct route *route;
	struct route_args args;
	char text[64];

	buf_text(&ini, SITE_BACKEND);
	for (int i = 0; i < 10000; i++)
		buf_printf(
		    &ini, "[route r%d]\nmatch = /section%d/item%d/{id:uint}\n", i, i % 100, i);
	buf_char(&ini, '\0');
	site_open(&site, ini.data);
	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "/section%d/item%d/%d", i % 100, i, i);
		struct http_request request = site_request(&site, "GET", text);
		ck_assert_int_eq(
		    routes_match(site.routes, &request, &site.arena, &route, &args), 0);
		snprintf(text, sizeof(text), "r%d", i);
		ck_assert(route != NULL && strcmp(route_config(route)->name, text) == 0);
		arena_reset(&site.arena);
	}
	buf_free(&ini);
	site_close(&site);
}
END_TEST

START_TEST(bloats_are_found_by_name_and_by_prefix)
{
	struct site site;

	site_open(&site, SITE_BACKEND "[bloat product]\nprefix = p\nkey = {id:uint}\n"
				      "timeout = 1500ms\ntimeout_404 = 30s\norigin = cap\n"
				      "[bloat list]\nkey = {category:slug} {page:uint}\n");
	const struct bloat *product = routes_bloat(site.routes, SLICE("product"));
	ck_assert_ptr_nonnull(product);
	ck_assert_ptr_eq(routes_bloat_of_prefix(site.routes, SLICE("p")), product);
	ck_assert_ptr_null(routes_bloat(site.routes, SLICE("p")));
	ck_assert_ptr_null(routes_bloat_of_prefix(site.routes, SLICE("product")));
	ck_assert_uint_eq(bloat_fields(product), 1);
	bool own;
	struct storing_policy policy = bloat_policy(product, 200, &own);
	ck_assert(policy.timeout_s == 2 && !own && policy.origin == STORING_CAP);
	policy = bloat_policy(product, 404, &own);
	ck_assert(policy.timeout_s == 30 && own);
	site_close(&site);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("routes");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, the_most_special_route_that_fits_wins, 0, COUNT(match_cases));
	tcase_add_loop_test(tests, two_that_could_match_alike_are_refused, 0, COUNT(clash_cases));
	tcase_add_test(tests, one_pattern_for_many_hosts_is_no_clash_but_one_host_twice_is);
	tcase_add_test(tests, a_path_is_known_whatever_the_method);
	tcase_add_test(tests, ten_thousand_routes_are_each_found);
	tcase_add_test(tests, bloats_are_found_by_name_and_by_prefix);
	return suite_run("lib/route/routes", tests);
}
