/* test_loader.c -- Good files become what they say; bad ones are reported whole. */
#include "base/log.h"
#include "config/config.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

#define BACKEND "[backend a]\nurl = http://x\n"

static struct config *
loader_read(struct slice text)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	FILE *stream = fmemopen((void *)(uintptr_t)text.at, text.len, "r");

	ck_assert_ptr_nonnull(stream);
	int rc = config_read(stream, "dory.ini", &config, &errors);
	fclose(stream);
	ck_assert_msg(rc == 0, "%.*s", SLICE_ARGS(buf_as_slice(&errors.text)));
	ck_assert_uint_eq(errors.n, 0);
	config_errors_free(&errors);
	return config;
}

static void
loader_expect_text(struct config_text got, const char *want, unsigned line)
{
	ck_assert_str_eq(got.text, want);
	ck_assert_uint_eq(got.line, line);
}

/* The items, each followed by a slash. */
static void
loader_expect_list(struct config_list list, const char *want)
{
	struct buf got = { 0 };

	for (size_t i = 0; i < list.n; i++)
		buf_printf(&got, "%s/", list.items[i].text);
	ck_assert_msg(slice_equal(buf_as_slice(&got), slice_of(want)), "wanted %s got %.*s", want,
	    SLICE_ARGS(buf_as_slice(&got)));
	buf_free(&got);
}

START_TEST(a_file_that_says_little_has_the_defaults)
{
	struct config *c = loader_read(SLICE(BACKEND "[bloat p]\n[route r]\nmatch = GET /\n"));

	ck_assert_str_eq(c->file, "dory.ini");
	ck_assert_str_eq(c->dory.listen, "unix:/run/dory/dory.sock");
	ck_assert_uint_eq(c->dory.workers, 0);
	ck_assert_str_eq(c->dory.store, "/var/cache/dory");
	ck_assert_uint_eq(c->dory.size_bytes, 1 << 30);
	ck_assert_uint_eq(c->dory.body_file_min_bytes, 64 << 10);
	ck_assert_ptr_null(c->dory.sendfile_header);
	ck_assert_uint_eq(c->dory.max_object_bytes, 64 << 20);
	ck_assert_str_eq(c->dory.backend.text, "a");
	ck_assert_int_eq(c->dory.log_level, LOG_INFO);
	ck_assert_ptr_null(c->dory.access_log);
	ck_assert(c->dory.status_header);
	ck_assert_int_eq(c->dory.client_cache_control, CLIENT_CONTROL_IGNORE);
	ck_assert_str_eq(c->admin.path, "/_dory");
	ck_assert_ptr_null(c->admin.token_file.text);
	loader_expect_list(c->admin.hosts, "localhost/127.0.0.1/[::1]/");
	ck_assert_uint_eq(c->n_backends, 1);
	const struct config_backend *a = &c->backends[0];
	ck_assert_str_eq(a->name, "a");
	ck_assert_uint_eq(a->line, 1);
	ck_assert_ptr_null(a->socket);
	ck_assert_ptr_null(a->host);
	ck_assert_int_eq(a->connect_timeout_ms, 2000);
	ck_assert_int_eq(a->first_byte_timeout_ms, 30000);
	ck_assert_int_eq(a->idle_timeout_ms, 15000);
	ck_assert_int_eq(a->timeout_ms, 300000);
	ck_assert_uint_eq(a->max_fetches, 128);
	config_free(c);
}
END_TEST

START_TEST(a_bloat_and_a_route_that_say_little_have_the_defaults)
{
	struct config *c = loader_read(SLICE(BACKEND "[bloat p]\n[route r]\nmatch = GET /\n"));

	ck_assert_uint_eq(c->n_bloats, 1);
	const struct config_bloat *p = &c->bloats[0];
	ck_assert_str_eq(p->name, "p");
	ck_assert_str_eq(p->prefix, "p");
	ck_assert_uint_eq(p->line, 3);
	ck_assert_ptr_null(p->key.text);
	ck_assert_int_eq(p->timeout_ms, 0);
	ck_assert_uint_eq(p->n_status_timeouts, 0);
	ck_assert(p->enabled && !p->heuristic);
	ck_assert_int_eq(p->origin, ORIGIN_OBEY);
	ck_assert_int_eq(p->grace_ms + p->stale_if_error_ms + p->keep_ms, 0);
	loader_expect_text(p->query, "*", 3);
	ck_assert_uint_eq(p->vary.n + p->cookie.n + p->lang.n + p->forward.n + p->tags.n, 0);
	ck_assert_int_eq(p->set_cookie, SET_COOKIE_REFUSE);
	ck_assert_uint_eq(c->n_routes, 1);
	const struct config_route *r = &c->routes[0];
	ck_assert_str_eq(r->name, "r");
	ck_assert_uint_eq(r->line, 4);
	loader_expect_text(r->match.items[0], "GET /", 5);
	ck_assert_uint_eq(r->host.n, 0);
	loader_expect_text(r->backend, "a", 4);
	ck_assert_ptr_null(r->bloat.text);
	ck_assert_ptr_null(r->deflate.text);
	ck_assert_int_eq(r->deflate_mode, DEFLATE_HARD);
	loader_expect_list(r->bypass, "header:Authorization/");
	config_free(c);
}
END_TEST

START_TEST(a_file_that_says_much_is_read_whole)
{
	struct config *c = loader_read(SLICE("[dory]\nlisten = [::1]:9000\nworkers = 4\n"
					     "size = 4G\nsendfile_header = X-Sendfile\n"
					     "backend = b\nlog_level = debug\n"
					     "access_log = /var/log/dory/access log\n"
					     "status_header = OFF\nclient_cache_control = honour\n"
					     "[admin]\ntoken_file = /etc/dory/token\n" BACKEND
					     "url = https://y:8443/, http://[::1]:80\n"
					     "socket = /run/app.sock\nhost = shop.example:80\n"
					     "connect_timeout = 1s500ms\n"
					     "[ backend  b ] ; the other one\nurl = http://z\n"));

	ck_assert_str_eq(c->dory.listen, "[::1]:9000");
	ck_assert_uint_eq(c->dory.workers, 4);
	ck_assert_str_eq(c->dory.sendfile_header, "X-Sendfile");
	loader_expect_text(c->dory.backend, "b", 6);
	ck_assert_int_eq(c->dory.log_level, LOG_DEBUG);
	ck_assert_str_eq(c->dory.access_log, "/var/log/dory/access log");
	ck_assert(!c->dory.status_header);
	ck_assert_int_eq(c->dory.client_cache_control, CLIENT_CONTROL_HONOUR);
	loader_expect_text(c->admin.token_file, "/etc/dory/token", 12);
	ck_assert_uint_eq(c->n_backends, 2);
	loader_expect_list(c->backends[0].urls, "http://x/https://y:8443//http://[::1]:80/");
	ck_assert_uint_eq(c->backends[0].urls.items[2].line, 15);
	ck_assert_str_eq(c->backends[0].socket, "/run/app.sock");
	ck_assert_str_eq(c->backends[0].host, "shop.example:80");
	ck_assert_int_eq(c->backends[0].connect_timeout_ms, 1500);
	ck_assert_str_eq(c->backends[1].name, "b");
	ck_assert_uint_eq(c->backends[1].line, 19);
	config_free(c);
}
END_TEST

START_TEST(bloats_and_routes_that_say_much_are_read_whole)
{
	struct config *c =
	    loader_read(SLICE(BACKEND "[bloat p]\nprefix = q\nkey = {id:uint}  {c:a|b}\n"
				      "timeout = 1h30m\ntimeout_404 = 30s ; briefly\n"
				      "timeout_301 = 0\nenabled = no\norigin = ignore\n"
				      "query = sort:name|price=name\nvary = A,B  C\n"
				      "forward = none\ntags = catalog product-{id}\n"
				      "[route r]\nmatch = GET|HEAD /a\nmatch = * /b\n"
				      "match = PUT /c\nbypass = none\nhost = a.example b.example\n"
				      "bloat = p(id, a;b)\ndeflate = p(*) tag:x\n"
				      "deflate_mode = soft\n"));
	const struct config_bloat *p = &c->bloats[0];
	const struct config_route *r = &c->routes[0];

	ck_assert_str_eq(p->prefix, "q");
	loader_expect_text(p->key, "{id:uint}  {c:a|b}", 5);
	ck_assert_int_eq(p->timeout_ms, 5400000);
	ck_assert_uint_eq(p->n_status_timeouts, 2);
	ck_assert_uint_eq(p->status_timeouts[0].status, 404);
	ck_assert_int_eq(p->status_timeouts[0].timeout_ms, 30000);
	ck_assert_uint_eq(p->status_timeouts[1].status, 301);
	ck_assert(!p->enabled);
	ck_assert_int_eq(p->origin, ORIGIN_IGNORE);
	loader_expect_text(p->query, "sort:name|price=name", 11);
	loader_expect_list(p->vary, "A/B/C/");
	loader_expect_list(p->forward, "none/");
	loader_expect_list(p->tags, "catalog/product-{id}/");
	loader_expect_list(r->match, "GET|HEAD /a/* /b/PUT /c/");
	ck_assert_uint_eq(r->match.items[2].line, 18);
	ck_assert_uint_eq(r->bypass.n, 0);
	loader_expect_list(r->host, "a.example/b.example/");
	loader_expect_text(r->bloat, "p(id, a;b)", 21);
	loader_expect_text(r->deflate, "p(*) tag:x", 22);
	ck_assert_int_eq(r->deflate_mode, DEFLATE_SOFT);
	config_free(c);
}
END_TEST

#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
static const struct {
	const char *name;
	struct slice text;
} shape_cases[] = {
#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}
	{ "LF", TEXT("[backend a]\nurl = http://x\n") },
	{ "CR LF", TEXT("[backend a]\r\n\r\n; c\r\nurl = http://x\r\n") },
	{ "CR at the end", TEXT("[backend a]\nurl = http://x\r") },
	{ "no newline at the end", TEXT("[backend a]\nurl = http://x") },
	{ "byte order mark", TEXT("\xef\xbb\xbf[backend a]\nurl = http://x\n") },
	{ "no blanks", TEXT("[backend a]\nurl=http://x\n") },
	{ "many blanks", TEXT("[\tbackend \t a ]  \nurl\t =\t http://x \t\n") },
	{ "comments", TEXT("# a = b\n  ; c\n[backend a];d\nurl = http://x ; e = f\n \t \n") },
	{ "198 bytes",
	    TEXT("#" X40 X40 X40 X40 "1234567890123456789012345678901234567\n" BACKEND) },
	{ "198 bytes and CR LF",
	    TEXT("#" X40 X40 X40 X40 "1234567890123456789012345678901234567\r\n" BACKEND) },
	{ "UTF-8 in a comment", TEXT("# gr\xc3\xbc\xc3\x9f\n" BACKEND) },
	{ "name of 40 bytes", TEXT(BACKEND "[backend " X40 "]\nurl = http://y\n") },
};

START_TEST(a_file_of_any_good_shape_is_read)
{
	struct config *c = loader_read(shape_cases[_i].text);

	ck_assert_str_eq(c->backends[0].name, "a");
	loader_expect_list(c->backends[0].urls, "http://x/");
	config_free(c);
}
END_TEST

START_TEST(all_that_is_wrong_is_reported_at_once)
{
	static const char text[] = "size = 1G\n"
				   "[dory]\n"
				   "sice = 1G\n"
				   "workers = 100\n"
				   "[backend a]\n"
				   "url = x\n"
				   "  timeout = 1s\n"
				   "[bloat p]\n"
				   "timeout = 3x\n"
				   "timout = 3s\n"
				   "grace\n"
				   "[bloat q]\n"
				   "prefix = p\n"
				   "[route r]\n"
				   "backend = b\n"
				   "bypass = none none\n"
				   "[bloat p]\n";
	static const char want[] =
	    "dory.ini:1: size stands before the first section; begin with one of [dory], [admin], "
	    "[backend NAME], [bloat NAME] or [route NAME]\n"
	    "dory.ini:3: [dory] unknown key \"sice\"; did you mean \"size\"?\n"
	    "dory.ini:4: [dory] workers: \"100\" is out of range; write a number from 0 to 64\n"
	    "dory.ini:6: [backend a] url: \"x\" does not begin with http:// or https://; write "
	    "http://HOST:PORT or https://HOST:PORT\n"
	    "dory.ini:7: line begins with a blank; write it at the margin\n"
	    "dory.ini:9: [bloat p] timeout: \"3x\" is no duration; write one like 500ms, 30s, 5m, "
	    "1h30m or 2d (0 to 10 years)\n"
	    "dory.ini:10: [bloat p] unknown key \"timout\"; did you mean \"timeout\"?\n"
	    "dory.ini:11: no \"=\" in the line; write KEY = VALUE\n"
	    "dory.ini:12: [bloat q] prefix: \"p\" is the prefix of [bloat p] in line 8 already; "
	    "choose another\n"
	    "dory.ini:14: [route r] has no match; write match = GET /product/{id:uint}\n"
	    "dory.ini:15: [route r] backend: there is no [backend b]; write the NAME of a "
	    "[backend NAME]\n"
	    "dory.ini:16: [route r] bypass: \"none\" stands among others; write one like "
	    "header:NAME, cookie:NAME* or query:NAME, or none\n"
	    "dory.ini:17: [bloat p] stands in line 8 already; move its keys there or choose "
	    "another name\n";
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	FILE *stream = fmemopen((void *)(uintptr_t)text, sizeof(text) - 1, "r");

	ck_assert_int_eq(config_read(stream, "dory.ini", &config, &errors), -EINVAL);
	fclose(stream);
	struct slice got = buf_as_slice(&errors.text);
	ck_assert_msg(slice_equal(got, slice_of(want)), "got\n%.*s", SLICE_ARGS(got));
	ck_assert_uint_eq(errors.n, 13);
	config_free(config);
	config_errors_free(&errors);
}
END_TEST

static const struct {
	const char *file;
	int rc;
	const char *want;
} unreadable_cases[] = {
	{ "/nowhere/dory.ini", -ENOENT,
	    "cannot read /nowhere/dory.ini: No such file or directory; name one with -c FILE\n" },
	{ "/", -EISDIR, "cannot read /: Is a directory; name one with -c FILE\n" },
	{ "/dev/zero", -EINVAL,
	    "/dev/zero: no [backend NAME] section; write one with url = http://HOST:PORT\n"
	    "/dev/zero:1: NUL byte in the line; write the file as plain text in UTF-8\n"
	    "/dev/zero:1: file of more than 16M; write a smaller one\n" },
};

START_TEST(a_file_that_cannot_be_read_is_reported)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;

	ck_assert_int_eq(
	    config_load(unreadable_cases[_i].file, &config, &errors), unreadable_cases[_i].rc);
	ck_assert((config != NULL) == (unreadable_cases[_i].rc == -EINVAL));
	struct slice got = buf_as_slice(&errors.text);
	ck_assert_msg(
	    slice_equal(got, slice_of(unreadable_cases[_i].want)), "got\n%.*s", SLICE_ARGS(got));
	config_free(config);
	config_errors_free(&errors);
}
END_TEST

START_TEST(thousands_of_routes_and_matches_are_read_in_order)
{
	enum { ROUTES = 10000 };
	struct buf text = { 0 };

	buf_text(&text, BACKEND);
	for (unsigned i = 0; i < ROUTES; i++)
		buf_printf(&text, "[route r%u]\nmatch = GET /%u\n", i, i);
	for (unsigned i = 0; i < ROUTES; i++)
		buf_printf(&text, "match = GET /also/%u\n", i);
	struct config *c = loader_read(buf_as_slice(&text));
	ck_assert_uint_eq(c->n_routes, ROUTES);
	ck_assert_str_eq(c->routes[1234].name, "r1234");
	ck_assert_uint_eq(c->routes[ROUTES - 1].match.n, ROUTES + 1);
	ck_assert_str_eq(c->routes[ROUTES - 1].match.items[ROUTES].text, "GET /also/9999");
	config_free(c);
	buf_free(&text);
}
END_TEST

START_TEST(routes_take_the_backend_of_dory_where_they_name_none)
{
	struct config *c = loader_read(SLICE("[route r]\nmatch = GET /\n" BACKEND
					     "[backend b]\nurl = http://y\n[dory]\nbackend = b\n"
					     "[route s]\nmatch = GET /s\nbackend = a\n"));

	ck_assert_str_eq(c->routes[0].backend.text, "b");
	ck_assert_str_eq(c->routes[1].backend.text, "a");
	config_free(c);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("loader");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, a_file_that_says_little_has_the_defaults);
	tcase_add_test(tests, a_bloat_and_a_route_that_say_little_have_the_defaults);
	tcase_add_test(tests, a_file_that_says_much_is_read_whole);
	tcase_add_test(tests, bloats_and_routes_that_say_much_are_read_whole);
	tcase_add_loop_test(tests, a_file_of_any_good_shape_is_read, 0, COUNT(shape_cases));
	tcase_add_test(tests, all_that_is_wrong_is_reported_at_once);
	tcase_add_loop_test(
	    tests, a_file_that_cannot_be_read_is_reported, 0, COUNT(unreadable_cases));
	tcase_add_test(tests, thousands_of_routes_and_matches_are_read_in_order);
	tcase_add_test(tests, routes_take_the_backend_of_dory_where_they_name_none);
	return suite_run("lib/config/loader", tests);
}
