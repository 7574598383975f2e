/* test_reference.c -- References are resolved as RFC 3986 section 5.4 shows. */
#include "http/reference.h"
#include "suite.h"

#include <errno.h>

/* Seen from http://a/b/c/d?q: path and query as they should come out, or NULL for an error. */
static const struct {
	const char *reference;
	const char *host;
	const char *path;
	const char *query;
} reference_cases[] = {
	{ "g", "a", "/b/c/g", NULL },
	{ "./g", "a", "/b/c/g", NULL },
	{ "g/", "a", "/b/c/g/", NULL },
	{ "/g", "a", "/g", NULL },
	{ "//g", "g", "/", NULL },
	{ "//g/x?y", "g", "/x", "y" },
	{ "?y", "a", "/b/c/d", "y" },
	{ "g?y", "a", "/b/c/g", "y" },
	{ "#s", "a", "/b/c/d", "q" },
	{ "g#s", "a", "/b/c/g", NULL },
	{ "g?y#s", "a", "/b/c/g", "y" },
	{ "", "a", "/b/c/d", "q" },
	{ ".", "a", "/b/c/", NULL },
	{ "./", "a", "/b/c/", NULL },
	{ "..", "a", "/b/", NULL },
	{ "../", "a", "/b/", NULL },
	{ "../g", "a", "/b/g", NULL },
	{ "../..", "a", "/", NULL },
	{ "../../g", "a", "/g", NULL },
	{ "../../../g", "a", "/g", NULL },
	{ "/./g", "a", "/g", NULL },
	{ "/../g", "a", "/g", NULL },
	{ "g.", "a", "/b/c/g.", NULL },
	{ "..g", "a", "/b/c/..g", NULL },
	{ "./../g", "a", "/b/g", NULL },
	{ "./g/.", "a", "/b/c/g/", NULL },
	{ "g/./h", "a", "/b/c/g/h", NULL },
	{ "g/../h", "a", "/b/c/h", NULL },
	{ "g?y/../x", "a", "/b/c/g", "y/../x" },
	{ "http://A:80/x", "a", "/x", NULL },
	{ "https://other.example/x?y#z", "other.example", "/x", "y" },
	{ "g;x=1/../y", "a", "/b/c/y", NULL },
	{ "/%7Eg", "a", "/~g", NULL },
	{ "g:h", NULL, NULL, NULL },
	{ "mailto:a@b", NULL, NULL, NULL },
	{ "http://", NULL, NULL, NULL },
	{ "/%zz", NULL, NULL, NULL },
	{ "/a b?c d", NULL, NULL, NULL },
	{ "/%2e%2e/x", NULL, NULL, NULL },
};

START_TEST(references_are_resolved)
{
	struct arena arena = { 0 };
	struct http_request request = { .scheme = SLICE("http"),
		.host = SLICE("a"),
		.path = SLICE("/b/c/d"),
		.query = SLICE("q") };
	const char *name = reference_cases[_i].reference;
	struct http_url url;

	int rc = reference_resolve(&request, slice_of(name), &arena, &url);
	ck_assert_msg(rc == (reference_cases[_i].path == NULL ? -EINVAL : 0), "%s: %d", name, rc);
	if (rc == 0) {
		ck_assert_msg(
		    slice_equal(url.host, slice_of(reference_cases[_i].host)), "%s", name);
		ck_assert_msg(slice_equal(url.path, slice_of(reference_cases[_i].path)), "%s: %.*s",
		    name, SLICE_ARGS(url.path));
		ck_assert_msg(
		    slice_equal(url.query, slice_of(reference_cases[_i].query)), "%s", name);
	}
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("reference");
	tcase_add_loop_test(tests, references_are_resolved, 0, COUNT(reference_cases));
	return suite_run("lib/http/reference", tests);
}
