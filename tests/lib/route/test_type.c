/* test_type.c -- Which values fit which type, and how types stand to each other. */
#include "route/type.h"
#include "suite.h"

static const struct {
	const char *type;
	const char *value;
	bool fits;
} fit_cases[] = {
	{ "uint", "0", true },
	{ "uint", "42", true },
	{ "uint", "18446744073709551615", true },
	{ "uint", "18446744073709551616", false },
	{ "uint", "00", false },
	{ "uint", "042", false },
	{ "uint", "-1", false },
	{ "uint", "+1", false },
	{ "uint", "", false },
	{ "uint", "1a", false },
	{ "uint", " 1", false },
	{ "int", "0", true },
	{ "int", "-0", false },
	{ "int", "-1", true },
	{ "int", "--1", false },
	{ "int", "-", false },
	{ "int", "-01", false },
	{ "int", "-9223372036854775808", true },
	{ "int", "-9223372036854775809", false },
	{ "int", "18446744073709551615", true },
	{ "slug", "a", true },
	{ "slug", "red-shoes_2", true },
	{ "slug", "a--b", true },
	{ "slug", "-a", false },
	{ "slug", "a-", false },
	{ "slug", "_", false },
	{ "slug", "Red", false },
	{ "slug", "caf\xc3\xa9", false },
	{ "slug", "", false },
	{ "slug", "a.b", false },
	{ "uuid", "123e4567-e89b-12d3-a456-426614174000", true },
	{ "uuid", "123E4567-E89B-12D3-A456-426614174000", true },
	{ "uuid", "123e4567-e89b-12d3-a456-42661417400", false },
	{ "uuid", "123e4567-e89b-12d3-a456-4266141740000", false },
	{ "uuid", "123e4567-e89b-12d3-a456_426614174000", false },
	{ "uuid", "123g4567-e89b-12d3-a456-426614174000", false },
	{ "date", "2024-02-29", true },
	{ "date", "2023-02-29", false },
	{ "date", "1900-02-29", false },
	{ "date", "2000-02-29", true },
	{ "date", "2024-13-01", false },
	{ "date", "2024-00-01", false },
	{ "date", "2024-04-31", false },
	{ "date", "2024-04-00", false },
	{ "date", "2024-4-1", false },
	{ "date", "2024/04/01", false },
	{ "str", "a b/\xff", true },
	{ "str", "", false },
	{ "path", "", true },
	{ "path", "a/b", true },
	{ "asc|desc", "asc", true },
	{ "asc|desc", "des", false },
	{ "asc|desc", "", false },
	{ "asc|desc", "asc|desc", false },
};

START_TEST(a_value_fits_or_not)
{
	struct arena arena = { 0 };
	struct finding why;
	struct type type;
	ck_assert_int_eq(type_parse(slice_of(fit_cases[_i].type), &arena, &type, &why), 0);
	ck_assert_msg(type_fits(&type, slice_of(fit_cases[_i].value)) == fit_cases[_i].fits,
	    "%s: %s", fit_cases[_i].type, fit_cases[_i].value);
	arena_fini(&arena);
}
END_TEST

/* Every value of `inner` that a table row holds must fit `outer` where type_is_within() says so. */
START_TEST(what_is_within_another_type_fits_it)
{
	struct arena arena = { 0 };
	struct finding why;
	struct type inner, outer;

	ck_assert_int_eq(type_parse(slice_of(fit_cases[_i].type), &arena, &inner, &why), 0);
	for (size_t i = 0; i < COUNT(fit_cases); i++) {
		ck_assert_int_eq(type_parse(slice_of(fit_cases[i].type), &arena, &outer, &why), 0);
		struct slice value = slice_of(fit_cases[_i].value);
		if (!fit_cases[_i].fits || !type_is_within(&inner, &outer))
			continue;
		ck_assert_int_eq(type_canonical(&inner, &arena, &value), 0);
		ck_assert_msg(type_fits(&outer, value), "%s in %s: %s", fit_cases[_i].type,
		    fit_cases[i].type, fit_cases[_i].value);
	}
	arena_fini(&arena);
}
END_TEST

/* Two types of one class that share a value in the table must be said to overlap. */
START_TEST(types_that_share_a_value_overlap)
{
	struct arena arena = { 0 };
	struct finding why;
	struct type a, b;

	ck_assert_int_eq(type_parse(slice_of(fit_cases[_i].type), &arena, &a, &why), 0);
	for (size_t i = 0; i < COUNT(fit_cases); i++) {
		struct slice value = slice_of(fit_cases[i].value);
		ck_assert_int_eq(type_parse(slice_of(fit_cases[i].type), &arena, &b, &why), 0);
		if (type_class(&a) == type_class(&b) && type_fits(&a, value) &&
		    type_fits(&b, value))
			ck_assert_msg(type_overlaps(&a, &b) && type_overlaps(&b, &a), "%s and %s",
			    fit_cases[_i].type, fit_cases[i].type);
	}
	arena_fini(&arena);
}
END_TEST

static const struct {
	const char *inner;
	const char *outer;
	bool within;
} within_cases[] = {
	{ "uint", "int", true },
	{ "int", "uint", false },
	{ "uint", "slug", true },
	{ "int", "slug", false },
	{ "date", "slug", true },
	{ "uuid", "slug", true },
	{ "slug", "str", true },
	{ "str", "slug", false },
	{ "str", "uint", false },
	{ "path", "str", false },
	{ "str", "path", true },
	{ "a|b", "a|b|c", true },
	{ "a|b|c", "a|b", false },
	{ "1|2", "uint", true },
	{ "1|two", "uint", false },
	{ "slug", "a|b", false },
};

START_TEST(one_type_is_within_another_or_not)
{
	struct arena arena = { 0 };
	struct finding why;
	struct type inner, outer;
	ck_assert_int_eq(type_parse(slice_of(within_cases[_i].inner), &arena, &inner, &why), 0);
	ck_assert_int_eq(type_parse(slice_of(within_cases[_i].outer), &arena, &outer, &why), 0);
	ck_assert_msg(type_is_within(&inner, &outer) == within_cases[_i].within, "%s in %s",
	    within_cases[_i].inner, within_cases[_i].outer);
	arena_fini(&arena);
}
END_TEST

START_TEST(a_uuid_has_one_spelling)
{
	struct arena arena = { 0 };
	struct type type = { .kind = TYPE_UUID };
	struct slice value = SLICE("123E4567-E89B-12D3-A456-426614174000");
	ck_assert_int_eq(type_canonical(&type, &arena, &value), 0);
	ck_assert(slice_equal(value, SLICE("123e4567-e89b-12d3-a456-426614174000")));
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("type");
	tcase_add_loop_test(tests, a_value_fits_or_not, 0, COUNT(fit_cases));
	tcase_add_loop_test(tests, what_is_within_another_type_fits_it, 0, COUNT(fit_cases));
	tcase_add_loop_test(tests, types_that_share_a_value_overlap, 0, COUNT(fit_cases));
	tcase_add_loop_test(tests, one_type_is_within_another_or_not, 0, COUNT(within_cases));
	tcase_add_test(tests, a_uuid_has_one_spelling);
	return suite_run("lib/route/type", tests);
}
