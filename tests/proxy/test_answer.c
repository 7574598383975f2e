/* test_answer.c -- What a backend's header block says is believed only where it is beyond doubt. */
#include "../lib/http/mutate.h"
#include "answer.h"
#include "suite.h"

static struct arena answer_arena;

/*
 * Feed `text` line by line. Each line is gone when the call returns, as libcurl's is, so that
 * AddressSanitizer sees whatever was kept of it.
 */
static struct answer *
answer_of(struct slice text)
{
	struct answer *a = arena_zalloc(&answer_arena, sizeof(*a));
	ck_assert_ptr_nonnull(a);
	a->arena = &answer_arena;
	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end == NULL ? text.len : (size_t)(end - text.at) + 1;
		char *line = malloc(len);
		ck_assert_ptr_nonnull(line);
		memcpy(line, text.at, len);
		answer_take_line(a, (struct slice){ line, len });
		free(line);
		text = (struct slice){ text.at + len, text.len - len };
	}
	return a;
}

/* "Name: value|" of each field. */
static const char *
answer_fields(const struct answer *a)
{
	const char *all = "";
	for (size_t i = 0; i < a->response.fields.n; i++) {
		const struct http_field *field = &a->response.fields.items[i];
		all = arena_printf(&answer_arena, "%s%.*s: %.*s|", all, SLICE_ARGS(field->name),
		    SLICE_ARGS(field->value));
		ck_assert_ptr_nonnull(all);
	}
	return all;
}

#define OK "HTTP/1.1 200 OK\r\n"

static const struct {
	const char *name;
	const char *text;
	unsigned status;
	const char *fields;
	int64_t length; /* -1: none. */
	bool chunked;
} good_cases[] = {
	{ "one field", OK "Content-Type: text/html\r\n\r\n", 200, "Content-Type: text/html|", -1,
	    false },
	{ "no field", OK "\r\n", 200, "", -1, false },
	{ "no reason", "HTTP/1.1 204\r\n\r\n", 204, "", -1, false },
	{ "an empty reason", "HTTP/1.1 404 \r\n\r\n", 404, "", -1, false },
	{ "a reason of many words and bytes", "HTTP/1.1 599 No \xc3\xa9 : x\r\n\r\n", 599, "", -1,
	    false },
	{ "HTTP/1.0", "HTTP/1.0 301 Moved\r\nLocation: /x\r\n\r\n", 301, "Location: /x|", -1,
	    false },
	{ "HTTP/2", "HTTP/2 200 \r\nx: y\r\n\r\n", 200, "x: y|", -1, false },
	{ "lines that end with LF alone", "HTTP/1.1 200 OK\nA: b\n\n", 200, "A: b|", -1, false },
	{ "blanks around a value", OK "A:\t b c \t\r\n\r\n", 200, "A: b c|", -1, false },
	{ "a colon in a value", OK "A: b:c\r\n\r\n", 200, "A: b:c|", -1, false },
	{ "an empty value", OK "A:\r\nB: \r\n\r\n", 200, "A: |B: |", -1, false },
	{ "HTAB and obs-text in a value", OK "A: b\tc\xff\r\n\r\n", 200, "A: b\tc\xff|", -1,
	    false },
	{ "one name twice", OK "A: b\r\na: c\r\n\r\n", 200, "A: b|a: c|", -1, false },
	{ "a folded value", OK "A: b,\r\n c,\r\n\t \td \r\nE: f\r\n\r\n", 200, "A: b, c, d|E: f|",
	    -1, false },
	{ "a value that begins with its fold", OK "A:\r\n b\r\n\r\n", 200, "A: b|", -1, false },
	{ "a fold of blanks alone", OK "A: b\r\n \t\r\n\r\n", 200, "A: b|", -1, false },
	{ "Content-Length", OK "CONTENT-LENGTH: 5\r\n\r\n", 200, "", 5, false },
	{ "Content-Length 0", OK "Content-Length: 0\r\n\r\n", 200, "", 0, false },
	{ "the longest Content-Length", OK "Content-Length: 9223372036854775807\r\n\r\n", 200, "",
	    INT64_MAX, false },
	{ "chunked", OK "Transfer-Encoding: Chunked\r\n\r\n", 200, "", -1, true },
	{ "chunked in odd case, with blanks", OK "TRANSFER-encoding:\t cHUNKED \t\r\n\r\n", 200, "",
	    -1, true },
	{ "an old interim response makes nothing old",
	    "HTTP/1.0 103 x\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n", 200, "", -1, true },
	{ "hop-by-hop fields are dropped",
	    OK "Connection: close\r\nKeep-Alive: 5\r\nTE: x\r\nTrailer: X\r\nUpgrade: h2c\r\n"
	       "Proxy-Authenticate: x\r\nProxy-Connection: x\r\nA: b\r\n\r\n",
	    200, "A: b|", -1, false },
	{ "an interim response's length does not count",
	    "HTTP/1.1 103 Early Hints\r\nCache-Control: public\r\nContent-Length: 9\r\n\r\n" OK
	    "A: b\r\n\r\n",
	    200, "A: b|", -1, false },
	{ "an interim response's coding does not count",
	    "HTTP/1.1 102 Processing\r\nTransfer-Encoding: chunked\r\n\r\n" OK
	    "Content-Length: 3\r\n\r\n",
	    200, "", 3, false },
	{ "trailers are ignored",
	    OK "A: b\r\n\r\nCache-Control: max-age=999\r\nSet-Cookie: a=b\r\nContent-Length: 7\r\n"
	       "\r\n",
	    200, "A: b|", -1, false },
	{ "malformed trailers are ignored",
	    OK "A: b\r\n\r\n c\r\nno colon\r\nHTTP/1.1 500 No\r\n\r\n", 200, "A: b|", -1, false },
};

START_TEST(a_good_block_is_taken)
{
	struct answer *a = answer_of(slice_of(good_cases[_i].text));
	ck_assert_msg(
	    a->state == ANSWER_DONE, "%s: %s", good_cases[_i].name, a->why == NULL ? "" : a->why);
	ck_assert_uint_eq(a->response.status, good_cases[_i].status);
	ck_assert_str_eq(answer_fields(a), good_cases[_i].fields);
	ck_assert_int_eq(a->has_length, good_cases[_i].length >= 0);
	if (a->has_length)
		ck_assert_int_eq((int64_t)a->length, good_cases[_i].length);
	ck_assert_int_eq(a->chunked, good_cases[_i].chunked);
}
END_TEST

static const char no_status[] = "a status line that is none";
static const char no_name[] = "a header line without a field name";
static const char control[] = "a control byte in the header block";
static const char no_number[] = "a Content-Length that is no number";
static const char coding[] = "a transfer coding other than chunked";
static const char fold[] = "a folded line behind none that is kept";

static const struct {
	const char *name;
	struct slice text;
	const char *why;
} bad_cases[] = {
#define ROW(name, literal, why)                                                                    \
	{                                                                                          \
		name, { literal, sizeof(literal) - 1 }, why                                        \
	}
	ROW("an empty status line", "\r\n", no_status),
	ROW("no status line", "Content-Type: text/html\r\n", no_status),
	ROW("a version alone", "HTTP/1.1\r\n", no_status),
	ROW("no version", "200 OK\r\n", no_status),
	ROW("another protocol", "ICY 200 OK\r\n", no_status),
	ROW("RTSP", "RTSP/1.0 200 OK\r\n", no_status),
	ROW("two blanks", "HTTP/1.1  200 OK\r\n", no_status),
	ROW("HTAB for a blank", "HTTP/1.1\t200 OK\r\n", no_status),
	ROW("HTAB behind the status", "HTTP/1.1 200\tOK\r\n", no_status),
	ROW("a blank first", " HTTP/1.1 200 OK\r\n", no_status),
	ROW("two digits", "HTTP/1.1 99 OK\r\n", no_status),
	ROW("four digits", "HTTP/1.1 1000 OK\r\n", no_status),
	ROW("099", "HTTP/1.1 099 OK\r\n", no_status),
	ROW("000", "HTTP/1.1 000 OK\r\n", no_status),
	ROW("600", "HTTP/1.1 600 OK\r\n", no_status),
	ROW("999", "HTTP/1.1 999 OK\r\n", no_status),
	ROW("a letter in the status", "HTTP/1.1 2x0 OK\r\n", no_status),
	ROW("a sign in the status", "HTTP/1.1 +20 OK\r\n", no_status),
	ROW("101", "HTTP/1.1 101 Switching Protocols\r\n",
	    "a change of protocol that nobody had asked for"),
	ROW("NUL in the reason", "HTTP/1.1 200 O\0K\r\n", control),
	ROW("CR in the reason", "HTTP/1.1 200 O\rK\r\n", control),
	ROW("ESC in the reason", "HTTP/1.1 200 \33[2J\r\n", control),
	ROW("NUL in a value", OK "A: b\0c\r\n", control),
	ROW("CR in a value", OK "A: b\rc: d\r\n", control),
	ROW("CR CR LF", OK "A: b\r\r\n", control),
	ROW("DEL in a value", OK "A: b\x7f\r\n", control),
	ROW("0x01 in a value", OK "A: b\1\r\n", control),
	ROW("NUL in a name", OK "A\0: b\r\n", control),
	ROW("no colon", OK "A b\r\n", no_name),
	ROW("no name", OK ": b\r\n", no_name),
	ROW("a blank before the colon", OK "A : b\r\n", no_name),
	ROW("a blank before Content-Length's colon", OK "Content-Length : 5\r\n", no_name),
	ROW("a blank in a name", OK "A B: c\r\n", no_name),
	ROW("a name that is no token", OK "A(b): c\r\n", no_name),
	ROW("obs-text in a name", OK "\xc3\xa9: c\r\n", no_name),
	ROW("a second status line", OK "HTTP/1.1 200 OK\r\n", no_name),
	ROW("a fold first", OK " A: b\r\n", fold),
	ROW("a fold first, after an interim response's field",
	    "HTTP/1.1 103 x\r\nA: b\r\n\r\n" OK "\tc\r\n", fold),
	ROW("a folded Content-Length", OK "A: b\r\nContent-Length: 5\r\n 6\r\n", fold),
	ROW("a folded Transfer-Encoding", OK "A: b\r\nTransfer-Encoding: chunked\r\n , gzip\r\n",
	    fold),
	ROW("a folded field that is dropped",
	    OK "Cache-Control: no-store\r\nKeep-Alive: a\r\n b\r\n", fold),
	ROW("a Content-Length with a sign", OK "Content-Length: +5\r\n", no_number),
	ROW("a negative Content-Length", OK "Content-Length: -1\r\n", no_number),
	ROW("an empty Content-Length", OK "Content-Length:\r\n", no_number),
	ROW("a hexadecimal Content-Length", OK "Content-Length: 0x5\r\n", no_number),
	ROW("a list of Content-Lengths", OK "Content-Length: 5, 5\r\n", no_number),
	ROW("two numbers in a Content-Length", OK "Content-Length: 5 5\r\n", no_number),
	ROW("a Content-Length of 2^63", OK "Content-Length: 9223372036854775808\r\n", no_number),
	ROW("a Content-Length of 2^64", OK "Content-Length: 18446744073709551616\r\n", no_number),
	ROW("two Content-Lengths", OK "Content-Length: 5\r\nContent-Length: 6\r\n",
	    "two Content-Lengths"),
	ROW("one Content-Length twice", OK "Content-Length: 5\r\ncontent-length: 5\r\n",
	    "two Content-Lengths"),
	ROW("gzip as transfer coding", OK "Transfer-Encoding: gzip\r\n", coding),
	ROW("gzip, chunked", OK "Transfer-Encoding: gzip, chunked\r\n", coding),
	ROW("chunked twice", OK "Transfer-Encoding: chunked, chunked\r\n", coding),
	ROW("two chunked", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
	    coding),
	ROW("chunked, gzip", OK "Transfer-Encoding: chunked, gzip\r\n", coding),
	ROW("chunked twice in odd case",
	    OK "Transfer-Encoding: chunked\r\ntransfer-encoding: CHUNKED\r\n", coding),
	ROW("chunked, then gzip", OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
	    coding),
	ROW("gzip, then chunked", OK "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
	    coding),
	ROW("an unknown coding", OK "Transfer-Encoding: x-new\r\n", coding),
	ROW("chunked with a parameter", OK "Transfer-Encoding: chunked;a=b\r\n", coding),
	ROW("chunked and an empty member", OK "Transfer-Encoding: chunked,\r\n", coding),
	ROW("chunked in quotes", OK "Transfer-Encoding: \"chunked\"\r\n", coding),
	ROW("chunked behind a vertical tab", OK "Transfer-Encoding: \vchunked\r\n", control),
	ROW("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n",
	    "a transfer coding in HTTP/1.0"),
	ROW("identity", OK "Transfer-Encoding: identity\r\n", coding),
	ROW("an empty transfer coding", OK "Transfer-Encoding:\r\n", coding),
	ROW("a length, then chunked", OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "both a Content-Length and chunked"),
	ROW("chunked, then a length", OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	    "both a Content-Length and chunked"),
	ROW("an interim response with both",
	    "HTTP/1.1 103 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	    "both a Content-Length and chunked"),
#undef ROW
};

START_TEST(a_bad_block_is_refused_and_stays_so)
{
	struct answer *a = answer_of(bad_cases[_i].text);
	ck_assert_msg(a->state == ANSWER_BAD, "%s", bad_cases[_i].name);
	ck_assert_str_eq(a->why, bad_cases[_i].why);
	ck_assert_int_eq(answer_take_line(a, SLICE("HTTP/1.1 200 OK\r\n")), ANSWER_BAD);
	ck_assert_int_eq(answer_take_line(a, SLICE("\r\n")), ANSWER_BAD);
}
END_TEST

START_TEST(a_block_is_done_only_at_its_blank_line)
{
	struct answer *a = answer_of(SLICE("HTTP/1.1 100 x\r\n\r\n"));
	ck_assert_int_eq(a->state, ANSWER_WAITING);
	ck_assert_int_eq(answer_take_line(a, SLICE("HTTP/1.1 200 OK\r\n")), ANSWER_HEAD);
	ck_assert_int_eq(answer_take_line(a, SLICE("A: b\r\n")), ANSWER_HEAD);
	ck_assert_int_eq(answer_take_line(a, SLICE("\r\n")), ANSWER_DONE);
	ck_assert_int_eq(answer_take_line(a, SLICE("\1")), ANSWER_DONE);
}
END_TEST

/* A status line, then `n` times `line`. */
static struct answer *
answer_repeated(const char *first, const char *line, int n)
{
	struct buf text = { 0 };
	buf_text(&text, first);
	for (int i = 0; i < n; i++)
		buf_text(&text, line);
	ck_assert_int_eq(buf_error(&text), 0);
	struct answer *a = answer_of(buf_as_slice(&text));
	buf_free(&text);
	return a;
}

START_TEST(fields_are_counted)
{
	ck_assert_int_eq(answer_repeated(OK, "A: b\r\n", 128)->state, ANSWER_HEAD);
	struct answer *a = answer_repeated(OK, "A: b\r\n", 129);
	ck_assert_int_eq(a->state, ANSWER_BAD);
	ck_assert_str_eq(a->why, "more than 128 header fields");
}
END_TEST

START_TEST(folded_lines_count_as_fields_do)
{
	/* Each copies the value that it goes on with: 64 KiB of folds would take gigabytes. */
	struct answer *a = answer_repeated(OK "A: b\r\n", " c\r\n", 20000);
	ck_assert_int_eq(a->state, ANSWER_BAD);
	ck_assert_str_eq(a->why, "more than 128 header fields");
}
END_TEST

START_TEST(fields_that_are_dropped_count_too)
{
	struct answer *a = answer_repeated(OK, "TE: b\r\n", 129);
	ck_assert_int_eq(a->state, ANSWER_BAD);
	ck_assert_str_eq(a->why, "more than 128 header fields");
}
END_TEST

START_TEST(each_block_counts_its_fields_anew)
{
	struct answer *a = answer_repeated("HTTP/1.1 103 x\r\n", "A: b\r\n", 128);
	answer_take_line(a, SLICE("\r\n"));
	answer_take_line(a, SLICE("HTTP/1.1 200 x\r\n"));
	ck_assert_int_eq(answer_take_line(a, SLICE("A: b\r\n")), ANSWER_HEAD);
	ck_assert_uint_eq(a->response.fields.n, 1);
}
END_TEST

START_TEST(interim_responses_are_counted)
{
	const char *interim = "HTTP/1.1 100 Continue\r\n\r\n";
	ck_assert_int_eq(answer_repeated("", interim, ANSWER_INTERIM_MAX)->state, ANSWER_WAITING);
	struct answer *a = answer_repeated("", interim, 100000);
	ck_assert_int_eq(a->state, ANSWER_BAD);
	ck_assert_str_eq(a->why, "interim responses without end");
}
END_TEST

/* "A: xxx\r\n", `size` bytes in all. */
static void
answer_put_line(struct buf *out, size_t size)
{
	buf_text(out, "A: ");
	for (size_t i = 5; i < size; i++)
		buf_char(out, 'x');
	buf_text(out, "\r\n");
}

START_TEST(lines_and_blocks_have_a_longest)
{
	static const struct {
		size_t line, lines;
		enum answer_state want;
	} rows[] = {
		{ ANSWER_LINE_MAX, 1, ANSWER_HEAD },
		{ ANSWER_LINE_MAX + 1, 1, ANSWER_BAD },
		/* The status line has 17 bytes. */
		{ (ANSWER_BYTES_MAX - 17) / 101, 101, ANSWER_HEAD },
		{ ANSWER_LINE_MAX, 4, ANSWER_BAD },
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf text = { 0 };
		buf_text(&text, OK);
		for (size_t j = 0; j < rows[i].lines; j++)
			answer_put_line(&text, rows[i].line);
		struct answer *a = answer_of(buf_as_slice(&text));
		ck_assert_msg(a->state == rows[i].want, "%zu", i);
		if (a->state == ANSWER_BAD)
			ck_assert_str_eq(a->why, "a header block too long to be kept");
		buf_free(&text);
	}
}
END_TEST

START_TEST(interim_responses_count_for_the_longest_block)
{
	struct answer *a = answer_repeated("HTTP/1.1 103 x\r\n", "A: 0123456789\r\n", 100);
	for (int i = 0; i < 40; i++) {
		answer_take_line(a, SLICE("\r\n"));
		answer_take_line(a, SLICE("HTTP/1.1 103 x\r\n"));
		for (int j = 0; j < 128 && i < 31; j++)
			answer_take_line(a, SLICE("A: 0123456789012345678901234567890\r\n"));
	}
	ck_assert_int_eq(a->state, ANSWER_BAD);
	ck_assert_str_eq(a->why, "a header block too long to be kept");
}
END_TEST

static void
answer_check_kept(const struct answer *a)
{
	ck_assert_uint_ge(a->response.status, 200);
	ck_assert_uint_le(a->response.status, 599);
	ck_assert(!(a->chunked && a->has_length));
	ck_assert_uint_le(a->response.fields.n, ANSWER_FIELDS_MAX);
	for (size_t i = 0; i < a->response.fields.n; i++) {
		const struct http_field *field = &a->response.fields.items[i];
		struct slice trimmed = slice_trim(field->value);
		ck_assert(http_is_token(field->name));
		ck_assert(!http_field_is_hop_by_hop(field->name));
		ck_assert(http_is_field_value(field->value));
		ck_assert_uint_eq(trimmed.len, field->value.len);
	}
}

START_TEST(whatever_is_taken_is_well_formed)
{
	static const char *const seeds[] = {
		OK "A: b,\r\n c\r\nContent-Length: 12\r\n\r\nTrailer: x\r\n",
		"HTTP/1.1 103 x\r\nA: b\r\n\r\n" OK "Transfer-Encoding: chunked\r\nC: d\r\n\r\n",
		OK "Set-Cookie: a=\"b\"; Path=/\r\nContent-Length: 5\r\nA:\r\n\te\r\n\r\n",
	};
	unsigned state = 2026, done = 0, bad = 0;
	for (int i = 0; i < MUTATE_ROUNDS; i++) {
		struct slice text = mutate_seed(&state, seeds, COUNT(seeds));
		struct answer *a = answer_of(text);
		done += a->state == ANSWER_DONE;
		bad += a->state == ANSWER_BAD;
		ck_assert((a->state == ANSWER_BAD) == (a->why != NULL));
		if (a->state == ANSWER_DONE)
			answer_check_kept(a);
		mutate_free(text);
		arena_reset(&answer_arena);
	}
	ck_assert_uint_gt(done, 10000);
	ck_assert_uint_gt(bad, 10000);
}
END_TEST

static void
answer_teardown(void)
{
	arena_fini(&answer_arena);
}

int
main(void)
{
	TCase *tests = tcase_create("answer");
	tcase_set_timeout(tests, 60);
	tcase_add_checked_fixture(tests, NULL, answer_teardown);
	tcase_add_loop_test(tests, a_good_block_is_taken, 0, COUNT(good_cases));
	tcase_add_loop_test(tests, a_bad_block_is_refused_and_stays_so, 0, COUNT(bad_cases));
	tcase_add_test(tests, a_block_is_done_only_at_its_blank_line);
	tcase_add_test(tests, fields_are_counted);
	tcase_add_test(tests, folded_lines_count_as_fields_do);
	tcase_add_test(tests, fields_that_are_dropped_count_too);
	tcase_add_test(tests, each_block_counts_its_fields_anew);
	tcase_add_test(tests, interim_responses_are_counted);
	tcase_add_test(tests, lines_and_blocks_have_a_longest);
	tcase_add_test(tests, interim_responses_count_for_the_longest_block);
	tcase_add_test(tests, whatever_is_taken_is_well_formed);
	return suite_run("proxy/answer", tests);
}
