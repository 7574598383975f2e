/* test_tuple.c -- Encoded keys are equal exactly when tuples are, and prefixes exactly when scopes
 * cover. */
#include "key/tuple.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

enum { ROUNDS = 200000, FIELDS = 4, FIELD_MAX = 300 };

/* A tuple as a test makes it: bytes from a tiny alphabet, so that near misses are frequent. */
struct sample {
	unsigned n;
	struct slice fields[FIELDS];
	char bytes[FIELDS][FIELD_MAX];
};

static unsigned
sample_random(unsigned *state, unsigned below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

static void
sample_make(struct sample *s, unsigned *state)
{
	static const char alphabet[] = { ':', '%', '\0', 'a', '1', '\1', '\2', ',' };

	s->n = 1 + sample_random(state, FIELDS);
	for (unsigned i = 0; i < s->n; i++) {
		size_t len = sample_random(state, 100) == 0 ? 120 + sample_random(state, 20)
							    : sample_random(state, 3);
		for (size_t j = 0; j < len; j++)
			s->bytes[i][j] = alphabet[sample_random(state, COUNT(alphabet))];
		s->fields[i] = (struct slice){ s->bytes[i], len };
	}
}

static bool
sample_is_prefix(const struct sample *a, const struct sample *b)
{
	bool same = a->n <= b->n;
	for (unsigned i = 0; same && i < a->n; i++)
		same = slice_equal(a->fields[i], b->fields[i]);
	return same;
}

START_TEST(encodings_are_equal_exactly_when_tuples_are_and_prefixes_likewise)
{
	unsigned state = 2026, equal = 0, prefixes = 0;
	struct sample *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	struct arena arena = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		struct tuple ta, tb;
		sample_make(a, &state);
		sample_make(b, &state);
		ck_assert_int_eq(tuple_encode(&arena, a->fields, a->n, &ta), 0);
		ck_assert_int_eq(tuple_encode(&arena, b->fields, b->n, &tb), 0);
		bool same = a->n == b->n && sample_is_prefix(a, b);
		bool prefix = sample_is_prefix(a, b);
		ck_assert(slice_equal(ta.bytes, tb.bytes) == same);
		ck_assert(slice_starts_with(tb.bytes, ta.bytes) == prefix);
		equal += same;
		prefixes += prefix;
		arena_reset(&arena);
	}
	ck_assert_uint_gt(equal, 100);
	ck_assert_uint_gt(prefixes, equal);
	arena_fini(&arena);
	free(a);
	free(b);
}
END_TEST

START_TEST(decoding_finds_the_fields_again)
{
	unsigned state = 7;
	struct sample *a = malloc(sizeof(*a));
	struct arena arena = { 0 };

	for (int i = 0; i < ROUNDS / 10; i++) {
		struct tuple t, back;
		sample_make(a, &state);
		ck_assert_int_eq(tuple_encode(&arena, a->fields, a->n, &t), 0);
		ck_assert_int_eq(tuple_decode(t.bytes, &back), 0);
		ck_assert_uint_eq(back.n, a->n);
		for (unsigned f = 0; f < a->n; f++)
			ck_assert(slice_equal(tuple_field(&back, f), a->fields[f]));
		arena_reset(&arena);
	}
	arena_fini(&arena);
	free(a);
}
END_TEST

START_TEST(a_delimiter_in_a_value_is_a_value)
{
	struct arena arena = { 0 };
	struct tuple one, other;
	struct slice left[] = { SLICE("a:b"), SLICE("c") }, right[] = { SLICE("a"), SLICE("b:c") };
	ck_assert_int_eq(tuple_encode(&arena, left, 2, &one), 0);
	ck_assert_int_eq(tuple_encode(&arena, right, 2, &other), 0);
	ck_assert(!slice_equal(one.bytes, other.bytes));
	arena_fini(&arena);
}
END_TEST

START_TEST(one_does_not_cover_ten)
{
	struct arena arena = { 0 };
	struct tuple one, ten;
	struct slice a[] = { SLICE("product"), SLICE("1") },
		     b[] = { SLICE("product"), SLICE("10") };
	ck_assert_int_eq(tuple_encode(&arena, a, 2, &one), 0);
	ck_assert_int_eq(tuple_encode(&arena, b, 2, &ten), 0);
	ck_assert(!slice_starts_with(ten.bytes, one.bytes));
	arena_fini(&arena);
}
END_TEST

static const struct {
	const char *name;
	struct slice bytes;
} bad_cases[] = {
	{ "length without bytes", { "\3ab", 3 } },
	{ "length that never ends", { "\x80\x80\x80\x80", 4 } },
	{ "length cut off", { "\x80", 1 } },
	{ "length not in shortest form", { "\x81\x00x", 3 } },
	{ "seventeen fields", { "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 17 } },
};

START_TEST(bytes_that_are_no_tuple_are_refused)
{
	struct tuple t;
	ck_assert_msg(tuple_decode(bad_cases[_i].bytes, &t) == -EINVAL, "%s", bad_cases[_i].name);
}
END_TEST

START_TEST(too_much_is_refused)
{
	struct arena arena = { 0 };
	struct tuple t;
	char *large = arena_zalloc(&arena, TUPLE_BYTES_MAX + 1);
	struct slice fields[TUPLE_FIELDS_MAX + 1] = { { large, TUPLE_BYTES_MAX + 1 } };
	ck_assert_int_eq(tuple_encode(&arena, fields, 1, &t), -E2BIG);
	fields[0].len = 0;
	ck_assert_int_eq(tuple_encode(&arena, fields, TUPLE_FIELDS_MAX + 1, &t), -E2BIG);
	ck_assert_int_eq(tuple_encode(&arena, fields, TUPLE_FIELDS_MAX, &t), 0);
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("tuple");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, encodings_are_equal_exactly_when_tuples_are_and_prefixes_likewise);
	tcase_add_test(tests, decoding_finds_the_fields_again);
	tcase_add_test(tests, a_delimiter_in_a_value_is_a_value);
	tcase_add_test(tests, one_does_not_cover_ten);
	tcase_add_loop_test(tests, bytes_that_are_no_tuple_are_refused, 0, COUNT(bad_cases));
	tcase_add_test(tests, too_much_is_refused);
	return suite_run("lib/key/tuple", tests);
}
