/* test_part.c -- A stored part is one only where its head and its body agree. */
#include "part.h"
#include "suite.h"

#include <errno.h>

#define HEAD "Status: 206\r\nETag: \"v1\"\r\n"

static const struct {
	const char *name;
	const char *head;
	uint64_t body_bytes;
	struct range_content want; /* complete == 0: it is none. */
} content_cases[] = {
	{ "as long as it says", HEAD "Content-Range: bytes 4-8/10\r\nContent-Length: 5\r\n", 5,
	    { 4, 5, 10 } },
	{ "in odd case", HEAD "CONTENT-range:  Bytes 0-0/1 \r\n", 1, { 0, 1, 1 } },
	/* What is cut out of the body by such a head would end behind it. */
	{ "fewer bytes than it says", HEAD "Content-Range: bytes 4-8/10\r\n", 4, { 0 } },
	{ "more bytes than it says", HEAD "Content-Range: bytes 4-8/10\r\n", 6, { 0 } },
	{ "no bytes", HEAD "Content-Range: bytes 4-8/10\r\n", 0, { 0 } },
	{ "of an unknown length", HEAD "Content-Range: bytes 4-8/*\r\n", 5, { 0 } },
	{ "no part at all", HEAD "Content-Range: bytes */10\r\n", 0, { 0 } },
	{ "without a place", HEAD "Content-Length: 5\r\n", 5, { 0 } },
	{ "a line without a colon", HEAD "Content-Range\r\n", 5, { 0 } },
	{ "without a head", "", 5, { 0 } },
};

START_TEST(a_part_has_the_bytes_that_its_head_announces)
{
	const struct range_content *want = &content_cases[_i].want;
	const struct store_entry entry = { .status = PART_STATUS,
		.head = slice_of(content_cases[_i].head),
		.body_bytes = content_cases[_i].body_bytes };
	struct range_content got = { 0 };

	int rc = part_content(&entry, &got);
	ck_assert_msg(
	    rc == (want->complete > 0 ? 0 : -EINVAL), "%s: %d", content_cases[_i].name, rc);
	if (rc == 0)
		ck_assert_msg(got.first == want->first && got.length == want->length &&
				  got.complete == want->complete,
		    "%s", content_cases[_i].name);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("part");
	tcase_add_loop_test(
	    tests, a_part_has_the_bytes_that_its_head_announces, 0, COUNT(content_cases));
	return suite_run("proxy/part", tests);
}
