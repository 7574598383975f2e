/* test_target.c -- Path, query and host have one spelling, and nothing hides in it. */
#include "http/target.h"
#include "mutate.h"
#include "suite.h"

#include <errno.h>

static struct arena target_arena;

static const struct {
	struct slice decoded;
	const char *want; /* NULL: refused. */
} encode_cases[] = {
	{ { "/", 1 }, "/" },
	{ { "/a/b", 4 }, "/a/b" },
	{ { "/a//b/", 6 }, "/a//b/" },
	{ { "/a?b#c%d", 8 }, "/a%3Fb%23c%25d" },
	{ { "/a%2Fb", 6 }, "/a%252Fb" },
	{ { "/-._~!$&'()*+,;=:@", 18 }, "/-._~!$&'()*+,;=:@" },
	{ { "/a b\"<>[]\\^`{|}", 15 }, "/a%20b%22%3C%3E%5B%5D%5C%5E%60%7B%7C%7D" },
	{ { "/\xc3\xa9\xff", 4 }, "/%C3%A9%FF" },
	{ { "/...", 4 }, "/..." },
	{ { "/.a/..b/c./d..", 14 }, "/.a/..b/c./d.." },
	{ { "", 0 }, NULL },
	{ { "a", 1 }, NULL },
	{ { "*", 1 }, NULL },
	{ { "/a\0b", 4 }, NULL },
	{ { "/a\nb", 4 }, NULL },
	{ { "/a\r\nX: y", 8 }, NULL },
	{ { "/a\tb", 4 }, NULL },
	{ { "/a\x7f", 3 }, NULL },
	{ { "/.", 2 }, NULL },
	{ { "/..", 3 }, NULL },
	{ { "/a/.", 4 }, NULL },
	{ { "/a/../b", 7 }, NULL },
	{ { "/./a", 4 }, NULL },
};

START_TEST(decoded_paths_are_encoded_or_refused)
{
	struct slice got = { NULL, 0 };
	int rc = http_path_encode(encode_cases[_i].decoded, &target_arena, &got);
	ck_assert_int_eq(rc, encode_cases[_i].want == NULL ? -EINVAL : 0);
	ck_assert_msg(slice_equal(got, slice_of(encode_cases[_i].want)), "%.*s", SLICE_ARGS(got));
}
END_TEST

START_TEST(what_is_canonical_is_borrowed)
{
	struct slice path = SLICE("/product/42"), host = SLICE("example.com:8080"), got;
	ck_assert_int_eq(http_path_encode(path, &target_arena, &got), 0);
	ck_assert(got.at == path.at);
	ck_assert_int_eq(http_path_normalise(path, &target_arena, &got), 0);
	ck_assert(got.at == path.at);
	ck_assert_int_eq(http_host_normalise(host, SLICE("http"), &target_arena, &got), 0);
	ck_assert(got.at == host.at);
	ck_assert_ptr_null(target_arena.blocks);
}
END_TEST

static const struct {
	const char *encoded;
	const char *want;
} normalise_cases[] = {
	{ "/a%2Fb", "/a/b" }, /* As a web server would hand it over. */
	{ "/a%2fb%3f", "/a/b%3F" },
	{ "/%7Ea%41", "/~aA" },
	{ "/a%252Fb", "/a%252Fb" },
	{ "/a b", "/a%20b" },
	{ "/%E9", "/%E9" },
	{ "/a%", NULL },
	{ "/a%4", NULL },
	{ "/a%4x", NULL },
	{ "/a%x4", NULL },
	{ "/a%00", NULL },
	{ "/a%0d%0aX", NULL },
	{ "/a/%2e%2E/b", NULL },
	{ "%2Fa", "/a" },
	{ "", NULL },
};

START_TEST(encoded_paths_get_the_same_form)
{
	struct slice got = { NULL, 0 };
	int rc = http_path_normalise(slice_of(normalise_cases[_i].encoded), &target_arena, &got);
	ck_assert_int_eq(rc, normalise_cases[_i].want == NULL ? -EINVAL : 0);
	ck_assert_msg(slice_equal(got, slice_of(normalise_cases[_i].want)), "%s",
	    normalise_cases[_i].encoded);
}
END_TEST

static const struct {
	const char *text;
	const char *want; /* NULL: refused. */
} form_cases[] = {
	{ "", "" },
	{ "ab", "ab" },
	{ "a+b+", "a b " },
	{ "+", " " },
	{ "a%20b", "a b" },
	{ "a%2Bb+c", "a+b c" },
	{ "%2b", "+" },
	{ "a+%4", NULL },
	{ "%zz", NULL },
	{ "%", NULL },
};

START_TEST(names_and_values_of_forms_are_decoded_or_refused)
{
	struct slice text = slice_of(form_cases[_i].text), got = { NULL, 0 };
	int rc = http_form_decode(text, &target_arena, &got);
	ck_assert_int_eq(rc, form_cases[_i].want == NULL ? -EINVAL : 0);
	ck_assert_msg(slice_equal(got, slice_of(form_cases[_i].want)), "%s", form_cases[_i].text);
}
END_TEST

START_TEST(queries_pass_as_they_came_or_not_at_all)
{
	static const char *const good[] = { "", "a=1&b=2", "?/;%zz", "\xc3\xa9", "x=%00",
		"a=\"b\"" };
	static const char *const bad[] = { " ", "a b", "a\nb", "\r", "\x7f", "\t", "a#b" };
	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(http_query_is_valid(slice_of(good[i])), "%s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!http_query_is_valid(slice_of(bad[i])), "%s", bad[i]);
	ck_assert(http_query_is_valid((struct slice){ NULL, 0 }));
	ck_assert(!http_query_is_valid((struct slice){ "a\0", 2 }));
}
END_TEST

static const struct {
	const char *host;
	const char *scheme;
	const char *want;
} host_cases[] = {
	{ "example.com", "http", "example.com" },
	{ "EXAMPLE.com.:80", "http", "example.com" },
	{ "EXAMPLE.com.:8080", "http", "example.com:8080" },
	{ "example.com.:8080", "http", "example.com:8080" },
	{ "example.com:443", "http", "example.com:443" },
	{ "example.com:443", "https", "example.com" },
	{ "example.com:80", "https", "example.com:80" },
	{ "example.com:80", "", "example.com:80" },
	{ "example.com:", "http", "example.com" },
	{ "example.com:00080", "http", "example.com" },
	{ "example.com:08080", "http", "example.com:8080" },
	{ "127.0.0.1:8080", "http", "127.0.0.1:8080" },
	{ "[::1]", "http", "[::1]" },
	{ "[2001:DB8::1]:80", "http", "[2001:db8::1]" },
	{ "[2001:DB8::ffff:1.2.3.4]:81", "http", "[2001:db8::ffff:1.2.3.4]:81" },
	{ "a_b-c.d", "http", "a_b-c.d" },
	{ "", "http", "" },
	{ ".", "http", NULL },
	{ "a..", "http", NULL },
	{ ":80", "http", NULL },
	{ "a:b", "http", NULL },
	{ "a:80:80", "http", NULL },
	{ "a:65536", "http", NULL },
	{ "a:-1", "http", NULL },
	{ "::1", "http", NULL },
	{ "[::1", "http", NULL },
	{ "[]", "http", NULL },
	{ "[", "http", NULL },
	{ "[::1]x", "http", NULL },
	{ "[::1].", "http", NULL },
	{ "[fe80::1%25eth0]", "http", NULL },
	{ "user@host", "http", NULL },
	{ "a b", "http", NULL },
	{ "a/b", "http", NULL },
	{ "a,b", "http", NULL },
	{ "a%41", "http", NULL },
	{ "\xc3\xa9", "http", NULL },
	{ "a\r\n", "http", NULL },
};

START_TEST(hosts_have_one_spelling)
{
	struct slice got = { NULL, 0 };
	int rc = http_host_normalise(
	    slice_of(host_cases[_i].host), slice_of(host_cases[_i].scheme), &target_arena, &got);
	ck_assert_msg(rc == (host_cases[_i].want == NULL ? -EINVAL : 0), "%s", host_cases[_i].host);
	ck_assert_msg(slice_equal(got, slice_of(host_cases[_i].want)), "%.*s", SLICE_ARGS(got));
}
END_TEST

static const struct {
	const char *url;
	const char *scheme, *host, *path, *query; /* scheme NULL: refused. */
} url_cases[] = {
	{ "http://h/p?q", "http", "h", "/p", "q" },
	{ "HTTPS://EXAMPLE.com:443/a%2fb", "https", "example.com", "/a/b", NULL },
	{ "/p?q", "", "", "/p", "q" },
	{ "/p?", "", "", "/p", "" },
	{ "/p?a?b", "", "", "/p", "a?b" },
	{ "//x/y", "", "", "//x/y", NULL },
	{ "http://h", "http", "h", "/", NULL },
	{ "http://h?q=/", "http", "h", "/", "q=/" },
	{ "http://[::1]:80/", "http", "[::1]", "/", NULL },
	{ "", NULL, NULL, NULL, NULL },
	{ "p", NULL, NULL, NULL, NULL },
	{ "?q", NULL, NULL, NULL, NULL },
	{ "http:///p", NULL, NULL, NULL, NULL },
	{ "http://", NULL, NULL, NULL, NULL },
	{ "http:/h/p", NULL, NULL, NULL, NULL },
	{ "ftp://h/p", NULL, NULL, NULL, NULL },
	{ "http://u:p@h/", NULL, NULL, NULL, NULL },
	{ "http://h/p#f", NULL, NULL, NULL, NULL },
	{ "/p?q#f", NULL, NULL, NULL, NULL },
	{ "/p?a b", NULL, NULL, NULL, NULL },
	{ "/a/../b", NULL, NULL, NULL, NULL },
	{ "/a%00", NULL, NULL, NULL, NULL },
};

START_TEST(urls_come_apart)
{
	struct http_url got;
	int rc = http_url_parse(slice_of(url_cases[_i].url), &target_arena, &got);
	ck_assert_msg(rc == (url_cases[_i].scheme == NULL ? -EINVAL : 0), "%s", url_cases[_i].url);
	if (rc != 0)
		return;
	ck_assert(slice_equal(got.scheme, slice_of(url_cases[_i].scheme)));
	ck_assert(slice_equal(got.host, slice_of(url_cases[_i].host)));
	ck_assert(slice_equal(got.path, slice_of(url_cases[_i].path)));
	ck_assert_int_eq(got.query.at == NULL, url_cases[_i].query == NULL);
	ck_assert(slice_equal(got.query, slice_of(url_cases[_i].query)));
}
END_TEST

START_TEST(mutated_paths_are_refused_or_decode_to_themselves)
{
	static const char *const seeds[] = { "/a/b.c/..d", "/%41/%2e%2E/x", "/\xc3\xa9 q?x" };
	unsigned state = 17, encoded = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds)), out, back;
		if (http_path_encode(s, &target_arena, &out) == 0) {
			encoded++;
			for (size_t j = 0; j < out.len; j++) {
				char c = out.at[j];
				ck_assert(c > ' ' && c < 0x7f && c != '?' && c != '#');
			}
			ck_assert_int_eq(http_percent_decode(out, &target_arena, &back), 0);
			ck_assert(slice_equal(back, s));
			ck_assert_int_eq(http_path_normalise(out, &target_arena, &back), 0);
			ck_assert(slice_equal(back, out));
		}
		if (http_path_normalise(s, &target_arena, &out) == 0) {
			ck_assert_int_eq(http_path_normalise(out, &target_arena, &back), 0);
			ck_assert(slice_equal(back, out));
		}
		arena_reset(&target_arena);
		mutate_free(s);
	}
	ck_assert_uint_gt(encoded, 1000);
}
END_TEST

START_TEST(mutated_queries_hold_nothing_that_ends_a_line)
{
	static const char *const seeds[] = { "a=1&b=%20", "" };
	unsigned state = 19;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		bool want = true;
		for (size_t j = 0; j < s.len; j++) {
			unsigned char c = (unsigned char)s.at[j];
			want = want && c > 0x20 && c != 0x7f && c != '#';
		}
		ck_assert_int_eq(http_query_is_valid(s), want);
		mutate_free(s);
	}
}
END_TEST

START_TEST(mutated_hosts_are_refused_or_stay_as_they_are)
{
	static const char *const seeds[] = { "EXAMPLE.com.:8080", "[2001:DB8::1]:80", "a:080",
		"h" };
	unsigned state = 23, good = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds)), out, again;
		if (http_host_normalise(s, SLICE("http"), &target_arena, &out) == 0) {
			good++;
			for (size_t j = 0; j < out.len; j++)
				ck_assert_ptr_nonnull(memchr("abcdefghijklmnopqrstuvwxyz0123456789"
							     "-._:[]",
				    out.at[j], 42));
			ck_assert_int_eq(
			    http_host_normalise(out, SLICE("http"), &target_arena, &again), 0);
			ck_assert(slice_equal(out, again));
		}
		arena_reset(&target_arena);
		mutate_free(s);
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

START_TEST(mutated_urls_are_refused_or_their_parts_are_good)
{
	static const char *const seeds[] = { "http://EXAMPLE.com:8080/a%2fb?q=1", "/p?q",
		"https://h" };
	unsigned state = 29, good = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		struct http_url url;
		if (http_url_parse(s, &target_arena, &url) == 0) {
			good++;
			ck_assert(url.path.len > 0 && url.path.at[0] == '/');
			ck_assert(http_query_is_valid(url.query));
			ck_assert_int_eq(url.scheme.len == 0, url.host.len == 0);
		}
		arena_reset(&target_arena);
		mutate_free(s);
	}
	ck_assert_uint_gt(good, 1000);
}
END_TEST

static void
target_teardown(void)
{
	arena_fini(&target_arena);
}

int
main(void)
{
	TCase *tests = tcase_create("target");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, target_teardown);
	tcase_add_loop_test(tests, decoded_paths_are_encoded_or_refused, 0, COUNT(encode_cases));
	tcase_add_test(tests, what_is_canonical_is_borrowed);
	tcase_add_loop_test(tests, encoded_paths_get_the_same_form, 0, COUNT(normalise_cases));
	tcase_add_loop_test(
	    tests, names_and_values_of_forms_are_decoded_or_refused, 0, COUNT(form_cases));
	tcase_add_test(tests, queries_pass_as_they_came_or_not_at_all);
	tcase_add_loop_test(tests, hosts_have_one_spelling, 0, COUNT(host_cases));
	tcase_add_loop_test(tests, urls_come_apart, 0, COUNT(url_cases));
	tcase_add_test(tests, mutated_paths_are_refused_or_decode_to_themselves);
	tcase_add_test(tests, mutated_queries_hold_nothing_that_ends_a_line);
	tcase_add_test(tests, mutated_hosts_are_refused_or_stay_as_they_are);
	tcase_add_test(tests, mutated_urls_are_refused_or_their_parts_are_good);
	return suite_run("lib/http/target", tests);
}
