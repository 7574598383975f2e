/* test_gate.c -- One whole, bounded, well-formed head is let through, and nothing else. */
#include "gate.h"
#include "params.h"
#include "suite.h"
#include "wire.h"

#define BYTES(literal)                                                                             \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}
#define BEGIN "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
#define PARAMS(len, content) "\1\4\0\1\0" len "\0\0" content
#define END_PARAMS "\1\4\0\1\0\0\0\0"
#define STDIN(len, content) "\1\5\0\1\0" len "\0\0" content
#define END_STDIN "\1\5\0\1\0\0\0\0"
#define WITH_LENGTH(length) PARAMS("\22", "\16\2CONTENT_LENGTH" length)

/* As gate_check(), with memory that ends where the bytes do. */
static enum gate_verdict
gate_of(struct slice bytes, struct gate *gate)
{
	char *scratch = malloc(GATE_HEAD_MAX), *exact = malloc(bytes.len);
	ck_assert(scratch != NULL && (exact != NULL || bytes.len == 0));
	if (bytes.len > 0)
		memcpy(exact, bytes.at, bytes.len);
	*gate = (struct gate){ 0 };
	enum gate_verdict verdict = gate_check((struct slice){ exact, bytes.len }, scratch, gate);
	free(exact);
	free(scratch);
	return verdict;
}

static const struct {
	const char *name;
	struct slice bytes;
	size_t ready_at; /* So many bytes are needed. */
	size_t head_bytes;
	size_t request_bytes;
	uint16_t request_id;
} good_cases[] = {
	{ "no parameter at all", BYTES(BEGIN END_PARAMS END_STDIN), 32, 24, 32, 1 },
	{ "one parameter", BYTES(BEGIN PARAMS("\4", "\1\1ab") END_PARAMS END_STDIN), 44, 36, 44,
	    1 },
	{ "a parameter without a value", BYTES(BEGIN PARAMS("\3", "\1\0a") END_PARAMS END_STDIN),
	    43, 35, 43, 1 },
	{ "lengths of four bytes where one would do",
	    BYTES(BEGIN PARAMS("\12", "\200\0\0\1\200\0\0\1ab") END_PARAMS END_STDIN), 50, 42, 50,
	    1 },
	{ "parameters over two records, cut in a name",
	    BYTES(BEGIN PARAMS("\3", "\2\1a") PARAMS("\2", "bc") END_PARAMS END_STDIN), 53, 45, 53,
	    1 },
	{ "padding after every record",
	    BYTES("\1\1\0\1\0\10\2\0\0\1\0\0\0\0\0\0PP"
		  "\1\4\0\1\0\4\3\0\1\1abPPP"
		  "\1\4\0\1\0\0\1\0P"
		  "\1\5\0\1\0\0\4\0PPPP"),
	    54, 42, 54, 1 },
	{ "reserved bytes and flags of any value",
	    BYTES("\1\1\0\1\0\10\0\377\0\1\377\1\2\3\4\5" END_PARAMS END_STDIN), 32, 24, 32, 1 },
	{ "the highest request id",
	    BYTES("\1\1\377\377\0\10\0\0\0\1\0\0\0\0\0\0"
		  "\1\4\377\377\0\0\0\0"
		  "\1\5\377\377\0\0\0\0"),
	    32, 24, 32, 65535 },
	{ "a pipelined second request is left alone",
	    BYTES(BEGIN END_PARAMS END_STDIN BEGIN END_PARAMS END_STDIN), 32, 24, 32, 1 },
	{ "rubbish behind the request is left alone",
	    BYTES(BEGIN END_PARAMS END_STDIN "\377\377\377\377\377\377\377\377"), 32, 24, 32, 1 },
	{ "a body announced is not waited for", BYTES(BEGIN WITH_LENGTH("10") END_PARAMS), 50, 50,
	    0, 1 },
	{ "a chunked body is not waited for",
	    BYTES(BEGIN PARAMS("\31", "\26\1HTTP_TRANSFER_ENCODINGx") END_PARAMS), 57, 57, 0, 1 },
	{ "CONTENT_LENGTH=0 announces none",
	    BYTES(BEGIN PARAMS("\21", "\16\1CONTENT_LENGTH0") END_PARAMS END_STDIN), 57, 49, 57,
	    1 },
	{ "an empty CONTENT_LENGTH announces none",
	    BYTES(BEGIN PARAMS("\20", "\16\0CONTENT_LENGTH") END_PARAMS END_STDIN), 56, 48, 56, 1 },
	{ "a body that was not announced shows by its first header",
	    BYTES(BEGIN END_PARAMS STDIN("\3", "abc") END_STDIN), 32, 24, 0, 1 },
	{ "a full record as body that was not announced",
	    BYTES(BEGIN END_PARAMS "\1\5\0\1\377\377\0\0"), 32, 24, 0, 1 },
};

START_TEST(every_prefix_of_a_good_head_is_more_until_it_is_ready)
{
	struct gate gate;
	for (size_t len = 0; len <= good_cases[_i].bytes.len; len++) {
		struct slice prefix = { good_cases[_i].bytes.at, len };
		enum gate_verdict got = gate_of(prefix, &gate);
		enum gate_verdict want = len < good_cases[_i].ready_at ? GATE_MORE : GATE_READY;
		ck_assert_msg(got == want, "%s: %zu bytes: %d: %s", good_cases[_i].name, len, got,
		    gate.why == NULL ? "" : gate.why);
	}
	ck_assert_msg(gate.head_bytes == good_cases[_i].head_bytes, "%s", good_cases[_i].name);
	ck_assert_msg(
	    gate.request_bytes == good_cases[_i].request_bytes, "%s", good_cases[_i].name);
	ck_assert_uint_eq(gate.request_id, good_cases[_i].request_id);
}
END_TEST

static const char no_begin[] = "something else where a request begins";
static const char no_params[] = "something else among the parameters";
static const char too_long[] = "a parameter longer than its record";
static const char no_name[] = "a parameter without a proper name";
static const char no_stdin[] = "something else where the request body begins";

static const struct {
	const char *name;
	struct slice bytes;
	const char *why;
} bad_cases[] = {
	{ "version 0", BYTES("\0\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"),
	    "a record of another FastCGI version" },
	{ "version 2 among the parameters", BYTES(BEGIN "\2\4\0\1\0\0\0\0"),
	    "a record of another FastCGI version" },
	{ "HTTP", BYTES("GET / HTTP/1.1\r\n\r\n"), "a record of another FastCGI version" },
	{ "GET_VALUES first", BYTES("\1\11\0\0\0\0\0\0"), no_begin },
	{ "GET_VALUES with a name", BYTES("\1\11\0\0\0\21\0\0\17\0FCGI_MPXS_CONNS"), no_begin },
	{ "GET_VALUES among the parameters", BYTES(BEGIN "\1\11\0\0\0\0\0\0"), no_params },
	{ "GET_VALUES where the body begins", BYTES(BEGIN END_PARAMS "\1\11\0\0\0\0\0\0"),
	    no_stdin },
	{ "ABORT_REQUEST first", BYTES("\1\2\0\1\0\0\0\0"), no_begin },
	{ "PARAMS first", BYTES(END_PARAMS), no_begin },
	{ "request id 0", BYTES("\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0"), no_begin },
	{ "BEGIN of 7 bytes", BYTES("\1\1\0\1\0\7\0\0\0\1\0\0\0\0\0"),
	    "a BEGIN_REQUEST of another length" },
	{ "BEGIN of 9 bytes", BYTES("\1\1\0\1\0\11\0\0\0\1\0\0\0\0\0\0\0"),
	    "a BEGIN_REQUEST of another length" },
	{ "BEGIN of 0 bytes", BYTES("\1\1\0\1\0\0\0\0"), "a BEGIN_REQUEST of another length" },
	{ "an authorizer", BYTES("\1\1\0\1\0\10\0\0\0\2\0\0\0\0\0\0"),
	    "a role other than responder" },
	{ "role 257", BYTES("\1\1\0\1\0\10\0\0\1\1\0\0\0\0\0\0"), "a role other than responder" },
	{ "a second BEGIN", BYTES(BEGIN BEGIN), no_params },
	{ "STDIN before the parameters end", BYTES(BEGIN END_STDIN), no_params },
	{ "ABORT_REQUEST among the parameters", BYTES(BEGIN "\1\2\0\1\0\0\0\0"), no_params },
	{ "parameters of another request", BYTES(BEGIN "\1\4\0\2\0\0\0\0"), no_params },
	{ "parameters of request 257", BYTES(BEGIN "\1\4\1\1\0\0\0\0"), no_params },
	{ "another type, seen before its content is here", BYTES(BEGIN "\1\10\0\1\377\377\0\0"),
	    no_params },
	{ "a name longer than all", BYTES(BEGIN PARAMS("\3", "\2\0a") END_PARAMS), too_long },
	{ "a value one byte longer", BYTES(BEGIN PARAMS("\4", "\1\2ab") END_PARAMS), too_long },
	{ "only a name's length", BYTES(BEGIN PARAMS("\1", "\1") END_PARAMS), too_long },
	{ "half a name's length", BYTES(BEGIN PARAMS("\3", "\200\0\0") END_PARAMS), too_long },
	{ "half a value's length", BYTES(BEGIN PARAMS("\4", "\1\200\0\0") END_PARAMS), too_long },
	{ "both lengths at their highest",
	    BYTES(BEGIN PARAMS("\11", "\377\377\377\377\377\377\377\377a") END_PARAMS), too_long },
	{ "lengths whose sum is 2^31",
	    BYTES(BEGIN PARAMS("\11", "\300\0\0\0\300\0\0\0a") END_PARAMS), too_long },
	{ "lengths whose sum and 2 is 2^32",
	    BYTES(BEGIN PARAMS("\11", "\377\377\377\377\377\377\377\376a") END_PARAMS), too_long },
	{ "a value whose length wraps behind a good name",
	    BYTES(BEGIN PARAMS("\6", "\1\377\377\377\377a") END_PARAMS), too_long },
	{ "an empty name", BYTES(BEGIN PARAMS("\3", "\0\1a") END_PARAMS), no_name },
	{ "neither name nor value", BYTES(BEGIN PARAMS("\2", "\0\0") END_PARAMS), no_name },
	{ "= in a name", BYTES(BEGIN PARAMS("\5", "\3\0a=b") END_PARAMS), no_name },
	{ "NUL in a name", BYTES(BEGIN PARAMS("\5", "\3\0a\0b") END_PARAMS),
	    "a NUL byte in a parameter" },
	{ "NUL in a value", BYTES(BEGIN PARAMS("\6", "\1\3ab\0c") END_PARAMS),
	    "a NUL byte in a parameter" },
	{ "NUL in the second record",
	    BYTES(BEGIN PARAMS("\3", "\1\2a") PARAMS("\2", "b\0") END_PARAMS),
	    "a NUL byte in a parameter" },
	{ "the body of another request", BYTES(BEGIN END_PARAMS "\1\5\0\2\0\0\0\0"), no_stdin },
	{ "ABORT_REQUEST where the body begins", BYTES(BEGIN END_PARAMS "\1\2\0\1\0\0\0\0"),
	    no_stdin },
	{ "parameters after their end", BYTES(BEGIN END_PARAMS END_PARAMS), no_stdin },
	{ "another version where the body begins", BYTES(BEGIN END_PARAMS "\0\5\0\1\0\0\0\0"),
	    "a record of another FastCGI version" },
};

START_TEST(a_bad_head_is_refused_and_no_prefix_of_it_is_ready)
{
	enum gate_verdict got = GATE_MORE;
	struct gate gate;
	for (size_t len = 0; len <= bad_cases[_i].bytes.len; len++) {
		enum gate_verdict before = got;
		got = gate_of((struct slice){ bad_cases[_i].bytes.at, len }, &gate);
		ck_assert_msg(got != GATE_READY, "%s: %zu bytes", bad_cases[_i].name, len);
		ck_assert_msg(before == GATE_MORE || got == GATE_BAD, "%s: %zu bytes",
		    bad_cases[_i].name, len);
	}
	ck_assert_msg(got == GATE_BAD, "%s", bad_cases[_i].name);
	ck_assert_str_eq(gate.why, bad_cases[_i].why);
}
END_TEST

START_TEST(parameters_may_be_split_anywhere)
{
	struct buf params = { 0 };
	struct gate gate;
	wire_param(&params, SLICE("REQUEST_METHOD"), SLICE("GET"));
	wire_param(&params, SLICE("HTTP_TRANSFER_ENCODING"), SLICE("chunked"));
	for (size_t most = 1; most <= params.len; most++) {
		struct buf head = { 0 };
		wire_head(&head, 7, false, buf_as_slice(&params), most);
		ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), GATE_READY);
		ck_assert_uint_eq(gate.head_bytes, head.len);
		ck_assert_uint_eq(gate.request_bytes, 0);
		buf_free(&head);
	}
	buf_free(&params);
}
END_TEST

START_TEST(parameters_are_counted)
{
	struct buf params = { 0 }, head = { 0 };
	struct gate gate;
	for (int i = 0; i < _i; i++)
		wire_param(&params, SLICE("A"), SLICE(""));
	wire_head(&head, 1, false, buf_as_slice(&params), WIRE_CONTENT_MAX);
	wire_record(&head, WIRE_STDIN, 1, SLICE(""), 0);
	enum gate_verdict want = _i <= PARAMS_MAX ? GATE_READY : GATE_BAD;
	ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), want);
	if (want == GATE_BAD)
		ck_assert_str_eq(gate.why, "more than 256 parameters");
	buf_free(&params);
	buf_free(&head);
}
END_TEST

/* A head of `size` bytes. */
static void
gate_make_head(struct buf *out, size_t size, bool body)
{
	struct buf params = { 0 };
	char *filler = calloc(1, size);
	ck_assert_ptr_nonnull(filler);
	memset(filler, 'x', size);
	wire_param(&params, SLICE("CONTENT_LENGTH"), body ? SLICE("1") : SLICE("0"));
	/* BEGIN 16, two record headers 8 each, the lengths of the filler 1 and 4, its name 1. */
	size_t rest = size - 16 - 16 - params.len - 6;
	wire_param(&params, SLICE("A"), (struct slice){ filler, rest });
	wire_head(out, 1, true, buf_as_slice(&params), WIRE_CONTENT_MAX);
	ck_assert_uint_eq(out->len, size);
	free(filler);
	buf_free(&params);
}

START_TEST(a_head_of_65000_bytes_is_the_longest)
{
	struct buf head = { 0 };
	struct gate gate;
	gate_make_head(&head, GATE_HEAD_MAX, true);
	ck_assert_int_eq(gate_of((struct slice){ head.data, GATE_HEAD_MAX - 1 }, &gate), GATE_MORE);
	ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), GATE_READY);
	ck_assert_uint_eq(gate.head_bytes, GATE_HEAD_MAX);

	buf_clear(&head);
	gate_make_head(&head, GATE_HEAD_MAX, false);
	ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), GATE_MORE);
	wire_record(&head, WIRE_STDIN, 1, SLICE(""), 255);
	ck_assert_int_eq(gate_of((struct slice){ head.data, head.len - 1 }, &gate), GATE_MORE);
	ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), GATE_READY);
	ck_assert_uint_eq(gate.request_bytes, head.len);

	buf_clear(&head);
	gate_make_head(&head, GATE_HEAD_MAX + 1, true);
	ck_assert_int_eq(gate_of((struct slice){ head.data, GATE_HEAD_MAX - 1 }, &gate), GATE_MORE);
	ck_assert_int_eq(gate_of((struct slice){ head.data, GATE_HEAD_MAX }, &gate), GATE_BAD);
	ck_assert_str_eq(gate.why, "a head of more than 65000 bytes");
	ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), GATE_BAD);
	buf_free(&head);
}
END_TEST

START_TEST(many_small_records_count_with_their_headers)
{
	struct buf params = { 0 }, head = { 0 };
	struct gate gate;
	for (int i = 0; i < 200; i++)
		wire_param(&params, SLICE("HTTP_X_A"), SLICE("0123456789012345678901234567890123"));
	wire_head(&head, 1, false, buf_as_slice(&params), 1);
	ck_assert_uint_gt(head.len, GATE_HEAD_MAX);
	ck_assert_int_eq(gate_of(buf_as_slice(&head), &gate), GATE_BAD);
	ck_assert_str_eq(gate.why, "a head of more than 65000 bytes");
	buf_free(&params);
	buf_free(&head);
}
END_TEST

START_TEST(no_mutant_is_read_beyond_its_end)
{
	unsigned state = 2026, seen[3] = { 0 };
	char *scratch = malloc(GATE_HEAD_MAX);
	ck_assert_ptr_nonnull(scratch);
	for (int i = 0; i < 200000; i++) {
		size_t seed = wire_random(&state, COUNT(good_cases));
		struct slice bytes = wire_mutant(&state, good_cases[seed].bytes, 4);
		struct gate gate = { 0 };
		enum gate_verdict verdict = gate_check(bytes, scratch, &gate);
		seen[verdict]++;
		ck_assert((verdict == GATE_BAD) == (gate.why != NULL));
		if (verdict == GATE_READY) {
			ck_assert_uint_ge(gate.head_bytes, 24);
			ck_assert_uint_le(gate.head_bytes, bytes.len);
			ck_assert_uint_ne(gate.request_id, 0);
			ck_assert(gate.request_bytes == 0 ||
				  (gate.request_bytes >= gate.head_bytes + WIRE_HEADER &&
				      gate.request_bytes <= bytes.len));
		}
		wire_mutant_free(bytes);
	}
	for (size_t i = 0; i < COUNT(seen); i++)
		ck_assert_uint_gt(seen[i], 1000);
	free(scratch);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("gate");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(
	    tests, every_prefix_of_a_good_head_is_more_until_it_is_ready, 0, COUNT(good_cases));
	tcase_add_loop_test(
	    tests, a_bad_head_is_refused_and_no_prefix_of_it_is_ready, 0, COUNT(bad_cases));
	tcase_add_test(tests, parameters_may_be_split_anywhere);
	tcase_add_loop_test(tests, parameters_are_counted, 255, 259);
	tcase_add_test(tests, a_head_of_65000_bytes_is_the_longest);
	tcase_add_test(tests, many_small_records_count_with_their_headers);
	tcase_add_test(tests, no_mutant_is_read_beyond_its_end);
	return suite_run("proxy/gate", tests);
}
