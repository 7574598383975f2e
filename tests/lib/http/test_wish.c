/* test_wish.c -- What clients ask of caches decides as RFC 9111 section 5.2.1 says. */
#include "http/wish.h"
#include "suite.h"

#define LIVES .lifetime_s = 60

static const struct {
	const char *wish;
	const char *pragma;
	struct storing s;
	int64_t age_s;
	bool soft;
	enum freshness want;
} wish_cases[] = {
	{ "", NULL, { LIVES }, 10, false, FRESHNESS_FRESH },
	{ "foo=1", NULL, { LIVES }, 10, false, FRESHNESS_FRESH },
	{ "no-cache", NULL, { LIVES }, 10, false, FRESHNESS_STALE },
	{ "no-store", NULL, { LIVES }, 10, false, FRESHNESS_STALE },
	{ NULL, "no-cache", { LIVES }, 10, false, FRESHNESS_STALE },
	{ NULL, "x, No-Cache", { LIVES }, 10, false, FRESHNESS_STALE },
	{ NULL, "x", { LIVES }, 10, false, FRESHNESS_FRESH },
	{ "max-age=60", "no-cache", { LIVES }, 10, false, FRESHNESS_FRESH },
	{ "max-age=10", NULL, { LIVES }, 10, false, FRESHNESS_FRESH },
	{ "max-age=9", NULL, { LIVES }, 10, false, FRESHNESS_STALE },
	{ "max-age=0", NULL, { LIVES }, 0, false, FRESHNESS_STALE },
	{ "max-age=x", NULL, { LIVES }, 0, false, FRESHNESS_STALE },
	{ "max-age=100", NULL, { LIVES, .grace_s = 9 }, 61, false, FRESHNESS_STALE },
	{ "foo", NULL, { LIVES, .grace_s = 9 }, 61, false, FRESHNESS_GRACE },
	{ "min-fresh=50", NULL, { LIVES }, 10, false, FRESHNESS_FRESH },
	{ "min-fresh=51", NULL, { LIVES }, 10, false, FRESHNESS_STALE },
	{ "min-fresh=99999999999", NULL, { LIVES }, 10, false, FRESHNESS_STALE },
	{ "max-stale", NULL, { LIVES }, 100000, false, FRESHNESS_FRESH },
	{ "max-stale=40", NULL, { LIVES }, 100, false, FRESHNESS_FRESH },
	{ "max-stale=39", NULL, { LIVES }, 100, false, FRESHNESS_STALE },
	{ "max-stale=40", NULL, { LIVES, .never_stale = true }, 100, false, FRESHNESS_STALE },
	{ "max-stale=40", NULL, { LIVES, .revalidate_always = true }, 1, false, FRESHNESS_STALE },
	{ "max-stale=40", NULL, { LIVES }, 10, true, FRESHNESS_STALE },
	{ "max-stale, max-age=50", NULL, { LIVES }, 100, false, FRESHNESS_STALE },
	{ "max-stale, max-age=200", NULL, { LIVES }, 100, false, FRESHNESS_FRESH },
	{ "only-if-cached", NULL, { LIVES }, 10, false, FRESHNESS_FRESH },
};

START_TEST(a_wish_decides)
{
	struct http_field items[2];
	struct http_fields fields = { items, 0 };
	const char *wish = wish_cases[_i].wish, *pragma = wish_cases[_i].pragma;

	if (wish != NULL)
		items[fields.n++] = (struct http_field){ SLICE("cache-control"), slice_of(wish) };
	if (pragma != NULL)
		items[fields.n++] = (struct http_field){ SLICE("pragma"), slice_of(pragma) };
	struct cache_control cc = wish_read(&fields);
	ck_assert_msg(wish_freshness(&cc, &wish_cases[_i].s, wish_cases[_i].age_s,
			  wish_cases[_i].soft) == wish_cases[_i].want,
	    "%s, Pragma %s", wish, pragma);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("wish");
	tcase_add_loop_test(tests, a_wish_decides, 0, COUNT(wish_cases));
	return suite_run("lib/http/wish", tests);
}
