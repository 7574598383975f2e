/* test_record.c -- A record is read back exactly as it was written, or not at all. */
#include "store/record.h"
#include "suite.h"

#include <errno.h>
#include <stdlib.h>

static struct record
record_sample(void)
{
	struct record r = {
		.entry = {
			.kind = STORE_ENTRY_RESPONSE,
			.status = 203,
			.sequence = 77,
			.response_s = -5,
			.aging = { STORING_YES, 1, 2, 3, 4, 5, true, .by_surrogate = true },
			.key = SLICE("\7product\0021"),
			.variant = SLICE("page=2"),
			.tags = SLICE("\4sale"),
			.vary = SLICE("accept accept-language"),
			.body_bytes = 5,
			.body = SLICE("hello"),
		},
		.queue = 99,
	};
	record_set_head(&r, SLICE("Status: 203\r\nX-ETag: no\r\netag:  W/\"a\" \r\nLast-Modified: "
				  "Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
	return r;
}

static bool
record_same(const struct record *a, const struct record *b)
{
	const struct store_entry *x = &a->entry, *y = &b->entry;

	return x->kind == y->kind && x->status == y->status && x->sequence == y->sequence &&
	       x->response_s == y->response_s && x->aging.age_s == y->aging.age_s &&
	       x->aging.lifetime_s == y->aging.lifetime_s && x->aging.grace_s == y->aging.grace_s &&
	       x->aging.stale_if_error_s == y->aging.stale_if_error_s &&
	       x->aging.keep_s == y->aging.keep_s &&
	       x->aging.revalidate_always == y->aging.revalidate_always &&
	       x->aging.by_surrogate == y->aging.by_surrogate && slice_equal(x->key, y->key) &&
	       slice_equal(x->variant, y->variant) && slice_equal(x->tags, y->tags) &&
	       slice_equal(x->vary, y->vary) && slice_equal(x->head, y->head) &&
	       slice_equal(x->body, y->body) && slice_equal(x->etag, y->etag) &&
	       slice_equal(x->last_modified, y->last_modified) && a->queue == b->queue;
}

START_TEST(what_was_written_is_read_back)
{
	struct record r = record_sample(), back;
	char *at = malloc(record_size(&r));
	record_encode(&r, at);
	ck_assert_int_eq(record_decode((struct slice){ at, record_size(&r) }, &back), 0);
	ck_assert(record_same(&r, &back));
	ck_assert(slice_equal(back.entry.etag, SLICE("W/\"a\"")));
	ck_assert(slice_equal(back.entry.last_modified, SLICE("Sun, 06 Nov 1994 08:49:37 GMT")));
	free(at);
}
END_TEST

START_TEST(any_changed_bit_or_length_is_refused)
{
	struct record r = record_sample(), back;
	size_t size = record_size(&r);
	for (size_t len = 0; len <= size + 1; len++) {
		char *at = calloc(1, size + 1);
		record_encode(&r, at);
		char *exact = malloc(len + (len == 0));
		memcpy(exact, at, len);
		int want = len == size ? 0 : -EBADMSG;
		ck_assert_int_eq(record_decode((struct slice){ exact, len }, &back), want);
		for (int bit = 0; len == size && bit < (int)size * 8; bit++) {
			exact[bit / 8] ^= (char)(1 << bit % 8);
			ck_assert_int_eq(
			    record_decode((struct slice){ exact, len }, &back), -EBADMSG);
			exact[bit / 8] ^= (char)(1 << bit % 8);
		}
		free(exact);
		free(at);
	}
}
END_TEST

/* Who knows no parts would serve one as the whole: to them it is not of their format. */
START_TEST(a_part_is_of_a_format_of_its_own)
{
	struct record r = record_sample(), back;
	char whole[512], part[512];
	uint16_t formats[2];

	ck_assert_uint_lt(record_size(&r), sizeof(whole));
	record_encode(&r, whole);
	r.entry.status = 206;
	record_encode(&r, part);
	/* Behind a checksum of 8 bytes and 4 more. */
	memcpy(&formats[0], whole + 12, sizeof(formats[0]));
	memcpy(&formats[1], part + 12, sizeof(formats[1]));
	ck_assert_uint_ne(formats[0], formats[1]);
	ck_assert_int_eq(record_decode((struct slice){ part, record_size(&r) }, &back), 0);
	ck_assert_uint_eq(back.entry.status, 206);
}
END_TEST

START_TEST(heads_without_validators_have_none)
{
	static const char *const heads[] = { "", "Status: 200\r\n", "ETag\r\n", "ETag:\r\n",
		"ETagg: x\r\n", "A: ETag: x\r\n", "\r\n", ":" };
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct record r = { 0 };
		record_set_head(&r, slice_of(heads[i]));
		ck_assert_msg(r.entry.etag.len == 0, "%s", heads[i]);
	}
}
END_TEST

START_TEST(too_much_is_refused)
{
	struct record r = record_sample();
	ck_assert_int_eq(record_check_size(&r, r.entry.body), 0);
	ck_assert_int_eq(
	    record_check_size(&r, (struct slice){ NULL, (size_t)RECORD_BODY_MAX + 1 }), -E2BIG);
	r.head_bytes = RECORD_HEAD_MAX + 1;
	ck_assert_int_eq(record_check_size(&r, r.entry.body), -E2BIG);
	r = record_sample();
	r.entry.vary.len = SIZE_MAX - 4;
	ck_assert_int_eq(record_check_size(&r, r.entry.body), -E2BIG);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("record");
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, what_was_written_is_read_back);
	tcase_add_test(tests, any_changed_bit_or_length_is_refused);
	tcase_add_test(tests, a_part_is_of_a_format_of_its_own);
	tcase_add_test(tests, heads_without_validators_have_none);
	tcase_add_test(tests, too_much_is_refused);
	return suite_run("lib/store/record", tests);
}
