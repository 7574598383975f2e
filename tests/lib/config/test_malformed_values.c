/* test_malformed_values.c -- Keys and values that are wrong, each with its exact message.
 */
#include "config/config.h"
#include "suite.h"

#include <errno.h>

#define DURATION "; write one like 500ms, 30s, 5m, 1h30m or 2d (0 to 10 years)\n"
#define URL "; write http://HOST:PORT or https://HOST:PORT\n"
#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X100 X40 X40 "xxxxxxxxxxxxxxxxxxxx"
#define BACKEND "[backend a]\nurl = http://x\n"
#define BLOAT BACKEND "[bloat p]\n"
#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

/* The whole of what is reported, all findings of the file in the order of their lines. */
static const struct {
	const char *name;
	struct slice text;
	const char *want;
} malformed_cases[] = {
	{ "unknown key near a known", TEXT(BLOAT "timout = 1s\n"),
	    "dory.ini:4: [bloat p] unknown key \"timout\"; did you mean \"timeout\"?\n" },
	{ "unknown key in the wrong case", TEXT(BLOAT "Timeout = 1s\n"),
	    "dory.ini:4: [bloat p] unknown key \"Timeout\"; did you mean \"timeout\"?\n" },
	{ "unknown key near none",
	    TEXT(BACKEND "[admin]\n"
			 "password = secret\n"),
	    "dory.ini:4: [admin] unknown key \"password\"; write one of path, token_file, "
	    "hosts\n" },
	{ "key of another section", TEXT(BLOAT "bypass = none\n"),
	    "dory.ini:4: [bloat p] unknown key \"bypass\"; write one of prefix, key, timeout, "
	    "timeout_STATUS, enabled, origin, heuristic, grace, stale_if_error, keep, query, vary, "
	    "cookie, lang, forward, tags, set_cookie, store_post\n" },
	{ "key twice",
	    TEXT(BLOAT "timeout = 1s\n"
		       "grace = 1s\n"
		       "timeout = 2s\n"),
	    "dory.ini:6: [bloat p] timeout stands in line 4 already; keep one of them\n" },
	{ "key thrice names the first",
	    TEXT(BLOAT "timeout = 1s\n"
		       "timeout = 2s\n"
		       "timeout = 3s\n"),
	    "dory.ini:5: [bloat p] timeout stands in line 4 already; keep one of them\n"
	    "dory.ini:6: [bloat p] timeout stands in line 4 already; keep one of them\n" },
	{ "list key twice",
	    TEXT(BLOAT "vary = A\n"
		       "vary = B\n"),
	    "dory.ini:5: [bloat p] vary stands in line 4 already; keep one of them\n" },
	{ "status twice",
	    TEXT(BLOAT "timeout_404 = 1s\n"
		       "timeout_404 = 1s\n"),
	    "dory.ini:5: [bloat p] timeout_404 stands in line 4 already; keep one of them\n" },
	{ "status of 99", TEXT(BLOAT "timeout_99 = 1s\n"),
	    "dory.ini:4: [bloat p] unknown key \"timeout_99\"; write timeout_STATUS with a status "
	    "from 200 to 599\n" },
	{ "status of 600", TEXT(BLOAT "timeout_600 = 1s\n"),
	    "dory.ini:4: [bloat p] unknown key \"timeout_600\"; write timeout_STATUS with a status "
	    "from 200 to 599\n" },
	{ "status that is no number", TEXT(BLOAT "timeout_STATUS = 1s\n"),
	    "dory.ini:4: [bloat p] unknown key \"timeout_STATUS\"; write timeout_STATUS with a "
	    "status from 200 to 599\n" },
	{ "key without a value", TEXT(BLOAT "timeout =\n"),
	    "dory.ini:4: [bloat p] timeout needs a value: write one like 500ms, 30s, 5m, 1h30m or "
	    "2d (0 to 10 years)\n" },
	{ "key with only a comment", TEXT(BLOAT "key = ; none\n"),
	    "dory.ini:4: [bloat p] key needs a value: write fields like {id:uint} or "
	    "{category:slug} {page:uint}, or none\n" },
	{ "duration of an unknown unit", TEXT(BLOAT "timeout = 3x\n"),
	    "dory.ini:4: [bloat p] timeout: \"3x\" is no duration" DURATION },
	{ "duration without a unit", TEXT(BLOAT "timeout = 30\n"),
	    "dory.ini:4: [bloat p] timeout: \"30\" has no unit" DURATION },
	{ "duration with a blank", TEXT(BLOAT "timeout = 1h 30m\n"),
	    "dory.ini:4: [bloat p] timeout: \"1h 30m\" is no duration" DURATION },
	{ "duration in rising order", TEXT(BLOAT "timeout = 30m1h\n"),
	    "dory.ini:4: [bloat p] timeout: \"30m1h\" is no duration" DURATION },
	{ "duration with a unit twice", TEXT(BLOAT "timeout = 1h1h\n"),
	    "dory.ini:4: [bloat p] timeout: \"1h1h\" is no duration" DURATION },
	{ "duration with a fraction", TEXT(BLOAT "timeout = 1.5h\n"),
	    "dory.ini:4: [bloat p] timeout: \"1.5h\" is no duration" DURATION },
	{ "duration below zero", TEXT(BLOAT "timeout = -1s\n"),
	    "dory.ini:4: [bloat p] timeout: \"-1s\" is no duration" DURATION },
	{ "duration over ten years", TEXT(BLOAT "timeout = 3651d\n"),
	    "dory.ini:4: [bloat p] timeout: \"3651d\" is out of range" DURATION },
	{ "duration that overflows", TEXT(BLOAT "timeout = 99999999999999999999s\n"),
	    "dory.ini:4: [bloat p] timeout: \"99999999999999999999s\" is out of range" DURATION },
	{ "duration with a comment of the wrong kind",
	    TEXT(BLOAT "timeout = 30s # half a minute\n"),
	    "dory.ini:4: [bloat p] timeout: \"30s # half a minute\" is no duration" DURATION },
	{ "duration of a status without a unit", TEXT(BLOAT "timeout_404 = 5\n"),
	    "dory.ini:4: [bloat p] timeout_404: \"5\" has no unit" DURATION },
	{ "connect timeout of zero", TEXT(BACKEND "connect_timeout = 0\n"),
	    "dory.ini:3: [backend a] connect_timeout: \"0\" is out of range; write one like 500ms, "
	    "30s, 5m, 1h30m or 2d (1ms to 1h)\n" },
	{ "size with an unknown unit",
	    TEXT(BACKEND "[dory]\n"
			 "size = 1GB\n"),
	    "dory.ini:4: [dory] size: \"1GB\" is no size; write one like 16M or 1G (1M to 64T)\n" },
	{ "size under its least",
	    TEXT(BACKEND "[dory]\n"
			 "size = 64K\n"),
	    "dory.ini:4: [dory] size: \"64K\" is out of range; write one like 16M or 1G (1M to "
	    "64T)\n" },
	{ "size that overflows",
	    TEXT(BACKEND "[dory]\n"
			 "size = 99999999999T\n"),
	    "dory.ini:4: [dory] size: \"99999999999T\" is out of range; write one like 16M or 1G "
	    "(1M to 64T)\n" },
	{ "number with a letter",
	    TEXT(BACKEND "[dory]\n"
			 "workers = two\n"),
	    "dory.ini:4: [dory] workers: \"two\" is no number; write a number from 0 to 64\n" },
	{ "number over its most",
	    TEXT(BACKEND "[dory]\n"
			 "workers = 65\n"),
	    "dory.ini:4: [dory] workers: \"65\" is out of range; write a number from 0 to 64\n" },
	{ "number under its least", TEXT(BACKEND "max_fetches = 0\n"),
	    "dory.ini:3: [backend a] max_fetches: \"0\" is out of range; write a number from 1 to "
	    "100000\n" },
	{ "switch that is neither", TEXT(BLOAT "enabled = maybe\n"),
	    "dory.ini:4: [bloat p] enabled: \"maybe\" is neither yes nor no; write yes, no, on, "
	    "off, true or false\n" },
	{ "word that is not known", TEXT(BLOAT "origin = obye\n"),
	    "dory.ini:4: [bloat p] origin: \"obye\" is not known here; write obey, cap or "
	    "ignore\n" },
	{ "log level that is not known",
	    TEXT(BACKEND "[dory]\n"
			 "log_level = verbose\n"),
	    "dory.ini:4: [dory] log_level: \"verbose\" is not known here; write error, warn, info "
	    "or debug\n" },
	{ "listen without a port",
	    TEXT(BACKEND "[dory]\n"
			 "listen = localhost\n"),
	    "dory.ini:4: [dory] listen: \"localhost\" names no port; write unix:/PATH, HOST:PORT "
	    "or [IPV6]:PORT\n" },
	{ "listen on port zero",
	    TEXT(BACKEND "[dory]\n"
			 "listen = localhost:0\n"),
	    "dory.ini:4: [dory] listen: \"localhost:0\" has a port that is none of 1 to 65535; "
	    "write unix:/PATH, HOST:PORT or [IPV6]:PORT\n" },
	{ "listen on a bare ipv6 address",
	    TEXT(BACKEND "[dory]\n"
			 "listen = ::1:9000\n"),
	    "dory.ini:4: [dory] listen: \"::1:9000\" is no host name or address; write unix:/PATH, "
	    "HOST:PORT or [IPV6]:PORT\n" },
	{ "listen on a relative socket",
	    TEXT(BACKEND "[dory]\n"
			 "listen = unix:dory.sock\n"),
	    "dory.ini:4: [dory] listen: \"unix:dory.sock\" is no absolute path; write unix:/PATH, "
	    "HOST:PORT or [IPV6]:PORT\n" },
	{ "listen on a socket of 108 bytes",
	    TEXT(BACKEND "[dory]\n"
			 "listen = unix:/" X100 "xxxxxxx\n"),
	    "dory.ini:4: [dory] listen: \"unix:/" X100
	    "xxxxxxx\" is longer than the 107 bytes that a Unix socket's path may have; write "
	    "unix:/PATH, HOST:PORT or [IPV6]:PORT\n" },
	{ "store that is relative",
	    TEXT(BACKEND "[dory]\n"
			 "store = cache\n"),
	    "dory.ini:4: [dory] store: \"cache\" is no absolute path; write an absolute path\n" },
	{ "path with a comment of the wrong kind",
	    TEXT(BACKEND "[dory]\n"
			 "store = /var/cache/dory # here\n"),
	    "dory.ini:4: [dory] store: \"/var/cache/dory # here\" holds \"#\", which begins no "
	    "comment; write an absolute path\n" },
	{ "sendfile header with a colon",
	    TEXT(BACKEND "[dory]\n"
			 "sendfile_header = X-Sendfile:\n"),
	    "dory.ini:4: [dory] sendfile_header: \"X-Sendfile:\" is no header name; write a header "
	    "name or none\n" },
	{ "admin path without its slash",
	    TEXT(BACKEND "[admin]\n"
			 "path = _dory\n"),
	    "dory.ini:4: [admin] path: \"_dory\" does not begin with \"/\"; write one like /_dory, "
	    "without percent signs\n" },
	{ "admin path of the whole site",
	    TEXT(BACKEND "[admin]\n"
			 "path = /\n"),
	    "dory.ini:4: [admin] path: \"/\" ends with \"/\"; write one like /_dory, without "
	    "percent signs\n" },
	{ "admin path with a percent sign",
	    TEXT(BACKEND "[admin]\n"
			 "path = /a%2fb\n"),
	    "dory.ini:4: [admin] path: \"/a%2fb\" holds a character that stands for itself in no "
	    "path; write one like /_dory, without percent signs\n" },
	{ "admin path with dots",
	    TEXT(BACKEND "[admin]\n"
			 "path = /a/../b\n"),
	    "dory.ini:4: [admin] path: \"/a/../b\" holds \"//\" or \"/.\"; write one like /_dory, "
	    "without percent signs\n" },
	{ "admin host with a port",
	    TEXT(BACKEND "[admin]\n"
			 "hosts = localhost 127.0.0.1:80\n"),
	    "dory.ini:4: [admin] hosts: \"127.0.0.1:80\" is no host name or address; write host "
	    "names or addresses, without ports\n" },
	{ "url without a scheme",
	    TEXT("[backend a]\n"
		 "url = 127.0.0.1:8000\n"),
	    "dory.ini:2: [backend a] url: \"127.0.0.1:8000\" does not begin with http:// or "
	    "https://" URL },
	{ "url with a path",
	    TEXT("[backend a]\n"
		 "url = http://x/app\n"),
	    "dory.ini:2: [backend a] url: \"http://x/app\" has a path" URL },
	{ "url with a query",
	    TEXT("[backend a]\n"
		 "url = http://x?y\n"),
	    "dory.ini:2: [backend a] url: \"http://x?y\" has a query or fragment" URL },
	{ "url with a user",
	    TEXT("[backend a]\n"
		 "url = http://me@x\n"),
	    "dory.ini:2: [backend a] url: \"http://me@x\" has a user name" URL },
	{ "url with a bad port",
	    TEXT("[backend a]\n"
		 "url = http://x:70000\n"),
	    "dory.ini:2: [backend a] url: \"http://x:70000\" has a port that is none of 1 to "
	    "65535" URL },
	{ "url without a host",
	    TEXT("[backend a]\n"
		 "url = http://\n"),
	    "dory.ini:2: [backend a] url: \"http://\" names no host, or none that can be one" URL },
	{ "second url of a line",
	    TEXT("[backend a]\n"
		 "url = http://x, ftp://y\n"),
	    "dory.ini:2: [backend a] url: \"ftp://y\" does not begin with http:// or "
	    "https://" URL },
	{ "backend without a url",
	    TEXT("[backend a]\n"
		 "timeout = 1s\n"),
	    "dory.ini:1: [backend a] has no url; write url = http://127.0.0.1:8000\n" },
	{ "backend socket that is relative", TEXT(BACKEND "socket = app.sock\n"),
	    "dory.ini:3: [backend a] socket: \"app.sock\" is no absolute path; write an absolute "
	    "path or none\n" },
	{ "backend host with a path", TEXT(BACKEND "host = x/y\n"),
	    "dory.ini:3: [backend a] host: \"x/y\" is no host name or address; write keep, HOST or "
	    "HOST:PORT\n" },
	{ "list of commas", TEXT(BLOAT "vary = , ,\n"),
	    "dory.ini:4: [bloat p] vary: \", ,\" holds no word; write header names or none\n" },
	{ "list with none among others", TEXT(BLOAT "vary = Accept none\n"),
	    "dory.ini:4: [bloat p] vary: \"none\" stands among others; write header names or "
	    "none\n" },
	{ "list with a star among others", TEXT(BLOAT "forward = * X-A\n"),
	    "dory.ini:4: [bloat p] forward: \"*\" stands among others; write *, none or header "
	    "names\n" },
	{ "list with a comment of the wrong kind", TEXT(BLOAT "tags = sale # and more\n"),
	    "dory.ini:4: [bloat p] tags: \"#\" begins no comment behind a value; write tags like "
	    "catalog product-{id}, or none\n" },
	{ "vary that is no header", TEXT(BLOAT "vary = Accept(\n"),
	    "dory.ini:4: [bloat p] vary: \"Accept(\" is no header name; write header names or "
	    "none\n" },
	{ "cookie that is no cookie", TEXT(BLOAT "cookie = a=b\n"),
	    "dory.ini:4: [bloat p] cookie: \"a=b\" is no cookie name; write cookie names or "
	    "none\n" },
	{ "language that is none", TEXT(BLOAT "lang = en de_DE\n"),
	    "dory.ini:4: [bloat p] lang: \"de_DE\" is no language; write languages like en fr de, "
	    "or none\n" },
};

START_TEST(a_malformed_file_is_refused_with_its_message)
{
	struct slice text = malformed_cases[_i].text;
	const char *name = malformed_cases[_i].name, *want = malformed_cases[_i].want;
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	FILE *stream = fmemopen((void *)(uintptr_t)text.at, text.len, "r");

	ck_assert_ptr_nonnull(stream);
	int rc = config_read(stream, "dory.ini", &config, &errors);
	fclose(stream);
	ck_assert_msg(rc == -EINVAL, "%s: returned %d", name, rc);
	ck_assert_msg(config != NULL, "%s: what could be read is not there", name);
	struct slice got = buf_as_slice(&errors.text);
	ck_assert_msg(slice_equal(got, slice_of(want)), "%s: wanted\n%sgot\n%.*s", name, want,
	    SLICE_ARGS(got));
	config_free(config);
	config_errors_free(&errors);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("malformed_values");
	tcase_add_loop_test(
	    tests, a_malformed_file_is_refused_with_its_message, 0, COUNT(malformed_cases));
	return suite_run("lib/config/malformed_values", tests);
}
