/* test_scope.c -- Scopes have names of their own, and cover what they say. */
#include "key/scope.h"
#include "suite.h"

static struct scope
scope_of(enum scope_kind kind, char *bytes, size_t len)
{
	memset(bytes, 'x', len);
	return (struct scope){ kind, { bytes, len } };
}

START_TEST(names_differ_by_kind_length_and_last_byte)
{
	static const size_t lengths[] = { 0, 1, 399, 400, 401, 415, 416, 417, 5000 };
	char bytes[5000], one[SCOPE_NAME_MAX], other[SCOPE_NAME_MAX];

	for (size_t i = 0; i < COUNT(lengths); i++) {
		for (size_t j = 0; j < COUNT(lengths); j++) {
			size_t a = scope_name(scope_of(SCOPE_KEY, bytes, lengths[i]), one);
			size_t b = scope_name(scope_of(SCOPE_KEY, bytes, lengths[j]), other);
			ck_assert((a == b && memcmp(one, other, a) == 0) == (i == j));
			b = scope_name(scope_of(SCOPE_TAG, bytes, lengths[j]), other);
			ck_assert(a != b || memcmp(one, other, a) != 0);
		}
		if (lengths[i] == 0)
			continue;
		struct scope scope = scope_of(SCOPE_KEY, bytes, lengths[i]);
		size_t a = scope_name(scope, one);
		bytes[lengths[i] - 1] = 'y';
		size_t b = scope_name(scope, other);
		ck_assert(a != b || memcmp(one, other, a) != 0);
	}
}
END_TEST

START_TEST(a_scope_covers_its_key_and_what_begins_with_it)
{
	struct arena arena = { 0 };
	struct tuple bloat, books, page, toys;
	struct slice a[] = { SLICE("list"), SLICE("books"), SLICE("2") };
	struct slice b[] = { SLICE("list"), SLICE("toys"), SLICE("2") };
	ck_assert_int_eq(tuple_encode(&arena, a, 1, &bloat), 0);
	ck_assert_int_eq(tuple_encode(&arena, a, 2, &books), 0);
	ck_assert_int_eq(tuple_encode(&arena, a, 3, &page), 0);
	ck_assert_int_eq(tuple_encode(&arena, b, 3, &toys), 0);
	ck_assert(scope_covers((struct scope){ SCOPE_KEY, bloat.bytes }, &page));
	ck_assert(scope_covers((struct scope){ SCOPE_KEY, books.bytes }, &page));
	ck_assert(scope_covers((struct scope){ SCOPE_KEY, page.bytes }, &page));
	ck_assert(scope_covers((struct scope){ SCOPE_ALL, { NULL, 0 } }, &page));
	ck_assert(!scope_covers((struct scope){ SCOPE_KEY, books.bytes }, &toys));
	ck_assert(!scope_covers((struct scope){ SCOPE_KEY, page.bytes }, &books));
	ck_assert(!scope_covers((struct scope){ SCOPE_TAG, SLICE("list") }, &page));
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("scope");
	tcase_add_test(tests, names_differ_by_kind_length_and_last_byte);
	tcase_add_test(tests, a_scope_covers_its_key_and_what_begins_with_it);
	return suite_run("lib/key/scope", tests);
}
