/* test_cachecontrol.c -- Cache-Control says what RFC 9111 section 5.2 makes of it, and no more. */
#include "http/cachecontrol.h"
#include "mutate.h"
#include "suite.h"

#include <stdio.h>

enum { MEMBERS = 100000 };
#define FOREVER_S ((int64_t)1 << 31)

/* What was said, in one line, in a fixed order. */
static const char *
cachecontrol_text(const struct cache_control *cc)
{
	static char text[1024];
	const struct {
		const char *name;
		bool is;
	} flags[] = { { "no-store", cc->no_store }, { "no-cache", cc->no_cache },
		{ "private", cc->is_private }, { "public", cc->is_public },
		{ "must-revalidate", cc->must_revalidate },
		{ "proxy-revalidate", cc->proxy_revalidate },
		{ "must-understand", cc->must_understand }, { "no-transform", cc->no_transform },
		{ "immutable", cc->immutable }, { "only-if-cached", cc->only_if_cached } };
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = { { "max-age", cc->max_age_s }, { "s-maxage", cc->s_maxage_s },
		{ "min-fresh", cc->min_fresh_s }, { "max-stale", cc->max_stale_s },
		{ "swr", cc->stale_while_revalidate_s }, { "sie", cc->stale_if_error_s } };
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < COUNT(flags); i++) {
		if (flags[i].is)
			len +=
			    (size_t)snprintf(text + len, sizeof(text) - len, "%s ", flags[i].name);
	}
	for (size_t i = 0; i < COUNT(numbers); i++) {
		if (numbers[i].value != CC_ABSENT)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s=%lld ",
			    numbers[i].name, (long long)numbers[i].value);
	}
	if (len > 0)
		text[len - 1] = '\0';
	return text;
}

static const struct {
	const char *value;
	const char *want;
} cachecontrol_cases[] = {
	{ "", "" },
	{ ",", "" },
	{ " , ,, ", "" },
	{ "max-age=3600", "max-age=3600" },
	{ "MaX-aGe=3600", "max-age=3600" },
	{ "max-age=\"3600\"", "max-age=3600" },
	{ "max-age=003600", "max-age=3600" },
	{ "max-age = 3600", "max-age=3600" },
	{ "max-age= \"3600\" , no-store", "no-store max-age=3600" },
	{ "max-age=0", "max-age=0" },
	{ "max-age", "max-age=0" },
	{ "max-age=", "max-age=0" },
	{ "max-age=\"\"", "max-age=0" },
	{ "max-age=-1", "max-age=0" },
	{ "max-age=+1", "max-age=0" },
	{ "max-age=1.5", "max-age=0" },
	{ "max-age=3600a", "max-age=0" },
	{ "max-age=a3600", "max-age=0" },
	{ "max-age='3600'", "max-age=0" },
	{ "max-age=36 00", "max-age=0" },
	{ "max-age=\"36\"00", "max-age=0" },
	{ "max-age=\"36\\00\"", "max-age=0" },
	{ "max-age=3600; public", "max-age=0" },
	{ "max-age=2147483647", "max-age=2147483647" },
	{ "max-age=2147483648", "max-age=2147483648" },
	{ "max-age=2147483649", "max-age=2147483648" },
	{ "max-age=18446744073709551616", "max-age=2147483648" },
	{ "max-age=99999999999999999999999", "max-age=2147483648" },
	{ "max-age=99999999999999999999999x", "max-age=0" },
	{ "max-age=1800, max-age=1", "max-age=1" },
	{ "max-age=1, max-age=1800", "max-age=1" },
	{ "max-age=1, max-age=x", "max-age=0" },
	{ "extension=\"max-age=3600\", max-age=1", "max-age=1" },
	{ "max-age=1, extension=\"max-age=3600\"", "max-age=1" },
	{ "extension=\"a, no-store\", max-age=1", "max-age=1" },
	{ "extension=\"a\\\", no-store\", max-age=1", "max-age=1" },
	{ "extension=\"a, no-store", "no-store" },
	{ "max-age=\"60, private", "private max-age=0" },
	{ "a=\", b=\\\", no-store", "no-store" },
	{ "\"no-store\"", "" },
	{ "=5, no-store", "no-store" },
	{ "no-store=1", "no-store" },
	{ "xno-store, no-storex, s-max-age=5, max-age-=5", "" },
	{ "no-cache", "no-cache" },
	{ "private, community=\"UCI\"", "private" },
	{ "public, max-age=31536000, immutable", "public immutable max-age=31536000" },
	{ "must-understand, no-store", "no-store must-understand" },
	{ "s-maxage=10,proxy-revalidate,must-revalidate,no-transform",
	    "must-revalidate proxy-revalidate no-transform s-maxage=10" },
	{ "max-age=600, stale-while-revalidate=30", "max-age=600 swr=30" },
	{ "max-age=600, stale-if-error=1200", "max-age=600 sie=1200" },
	{ "only-if-cached, min-fresh=20, max-stale=30",
	    "only-if-cached min-fresh=20 max-stale=30" },
	{ "max-stale", "max-stale=9223372036854775807" },
	{ "max-stale, max-stale=7", "max-stale=7" },
	{ "max-stale=7, max-stale", "max-stale=7" },
	{ "max-stale=", "max-stale=0" },
};

START_TEST(directives_are_read)
{
	struct cache_control cc = cache_control_none();
	ck_assert(!cc.present);
	cache_control_add(&cc, slice_of(cachecontrol_cases[_i].value));
	ck_assert(cc.present);
	ck_assert_msg(strcmp(cachecontrol_text(&cc), cachecontrol_cases[_i].want) == 0, "%s: %s",
	    cachecontrol_cases[_i].value, cachecontrol_text(&cc));
}
END_TEST

START_TEST(several_fields_are_one_list)
{
	struct cache_control cc = cache_control_none();
	cache_control_add(&cc, SLICE("max-age=3600"));
	cache_control_add(&cc, SLICE("max-age=1, private"));
	ck_assert_str_eq(cachecontrol_text(&cc), "private max-age=1");
}
END_TEST

static const struct {
	const char *value;
	const char *want; /* Of no-cache. NULL: the whole response. */
} fields_cases[] = {
	{ "no-cache", NULL },
	{ "no-cache=\"\"", NULL },
	{ "no-cache=a", "a" },
	{ "no-cache=\"a, b\"", "a, b" },
	{ "no-cache = \"a, b\" , max-age=1", "a, b" },
	{ "no-cache=\"a\", no-cache", NULL },
	{ "no-cache, no-cache=\"a\"", NULL },
	{ "no-cache=\"a\", no-cache=\"b\"", NULL },
};

START_TEST(field_names_are_those_it_is_about)
{
	struct cache_control cc = cache_control_none();
	cache_control_add(&cc, slice_of(fields_cases[_i].value));
	ck_assert(cc.no_cache);
	ck_assert(cc.private_fields.at == NULL);
	ck_assert_msg((cc.no_cache_fields.at == NULL) == (fields_cases[_i].want == NULL), "%s",
	    fields_cases[_i].value);
	ck_assert_msg(slice_equal(cc.no_cache_fields, slice_of(fields_cases[_i].want)), "%s",
	    fields_cases[_i].value);
}
END_TEST

START_TEST(long_lists_take_linear_time)
{
	static const char *const members[] = { "max-age=\"7\",", "x=\\\",", "y=\"\\\",", ",,,,",
		"=,=\"," };
	for (size_t m = 0; m < COUNT(members); m++) {
		size_t len = strlen(members[m]);
		char *bytes = malloc(len * MEMBERS);
		ck_assert_ptr_nonnull(bytes);
		for (size_t i = 0; i < MEMBERS; i++)
			memcpy(bytes + i * len, members[m], len);
		struct cache_control cc = cache_control_none();
		cache_control_add(&cc, (struct slice){ bytes, len * MEMBERS });
		ck_assert_int_eq(cc.max_age_s, m == 0 ? 7 : CC_ABSENT);
		free(bytes);
	}
}
END_TEST

START_TEST(mutated_fields_stay_in_bounds)
{
	static const char *const seeds[] = { "max-age=\"60\", no-cache=\"a, b\", no-store",
		"private=\"x\", s-maxage=1, stale-if-error=5", "ext=\"a\\\"b, c\", max-stale" };
	unsigned state = 5;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice s = mutate_seed(&state, seeds, COUNT(seeds));
		struct cache_control once = cache_control_none();
		cache_control_add(&once, s);
		ck_assert(mutate_is_within(once.no_cache_fields, s));
		ck_assert(mutate_is_within(once.private_fields, s));
		ck_assert(once.max_age_s >= CC_ABSENT && once.max_age_s <= FOREVER_S);
		ck_assert(once.s_maxage_s >= CC_ABSENT && once.s_maxage_s <= FOREVER_S);
		struct cache_control twice = once;
		char first[1024];
		snprintf(first, sizeof(first), "%s", cachecontrol_text(&once));
		cache_control_add(&twice, s);
		ck_assert_str_eq(first, cachecontrol_text(&twice));
		mutate_free(s);
	}
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("cachecontrol");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, directives_are_read, 0, COUNT(cachecontrol_cases));
	tcase_add_test(tests, several_fields_are_one_list);
	tcase_add_loop_test(tests, field_names_are_those_it_is_about, 0, COUNT(fields_cases));
	tcase_add_test(tests, long_lists_take_linear_time);
	tcase_add_test(tests, mutated_fields_stay_in_bounds);
	return suite_run("lib/http/cachecontrol", tests);
}
