/* test_multipart.c -- The bytes of a range are those of the body, or none. */
#include "multipart.h"
#include "suite.h"

#include <errno.h>
#include <stdio.h>

static const char multipart_body[] = "abcdefg";

static const struct {
	struct range range;
	const char *want; /* NULL: they are not all there. */
} read_cases[] = {
	{ { 0, 7 }, "abcdefg" },
	{ { 0, 1 }, "a" },
	{ { 2, 3 }, "cde" },
	{ { 3, 4 }, "defg" },
	{ { 6, 1 }, "g" },
	{ { 7, 0 }, "" },
	{ { 5, 3 }, NULL },
	{ { 7, 1 }, NULL },
	{ { 100, 1 }, NULL },
};

static void
multipart_check(const struct multipart_source *from, int row)
{
	const struct range *range = &read_cases[row].range;
	const char *want = read_cases[row].want;
	char got[sizeof(multipart_body)] = { 0 };

	int rc = multipart_read(from, range, got);
	ck_assert_int_eq(rc, want == NULL ? -EIO : 0);
	if (want != NULL)
		ck_assert_str_eq(got, want);
}

START_TEST(a_range_is_read_across_the_pieces)
{
	char text[sizeof(multipart_body)];
	const struct iovec pieces[] = { { text, 3 }, { text + 3, 0 }, { text + 3, 4 } };
	const struct multipart_source from = { .pieces = pieces, .n = COUNT(pieces), .fd = -1 };

	memcpy(text, multipart_body, sizeof(text));
	multipart_check(&from, _i);
}
END_TEST

START_TEST(a_range_is_read_from_the_file)
{
	FILE *file = tmpfile();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(multipart_body, file), 0);
	ck_assert_int_eq(fflush(file), 0);
	const struct multipart_source from = { .fd = fileno(file) };

	multipart_check(&from, _i);
	fclose(file);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("multipart");
	tcase_add_loop_test(tests, a_range_is_read_across_the_pieces, 0, COUNT(read_cases));
	tcase_add_loop_test(tests, a_range_is_read_from_the_file, 0, COUNT(read_cases));
	return suite_run("proxy/multipart", tests);
}
