/* test_stdin.c -- A request's body is read as it arrives, and nothing behind it. */
#include "stdin.h"
#include "suite.h"
#include "wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_ID = 0x0102, OUT_MAX = 200000 };

/* What a reader has got so far. */
struct body {
	struct stdin_stream stream;
	struct inflow inflow;
	int ours, theirs;
	char *bytes;
	size_t len;
	ssize_t last; /* What stdin_read() returned last. */
};

static void
body_open(struct body *body)
{
	int ends[2];
	*body = (struct body){ .bytes = malloc(OUT_MAX) };
	ck_assert_ptr_nonnull(body->bytes);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	body->ours = body->inflow.fd = ends[0];
	body->theirs = ends[1];
	stdin_init(&body->stream, REQUEST_ID, true);
}

static void
body_close(struct body *body)
{
	close(body->ours);
	close(body->theirs);
	free(body->bytes);
}

static void
body_arrive(struct body *body, struct slice bytes)
{
	ck_assert_int_eq(send(body->theirs, bytes.at, bytes.len, MSG_DONTWAIT), (ssize_t)bytes.len);
}

/* Read until there is nothing more now, at most `size` bytes a time. */
static void
body_read(struct body *body, size_t size)
{
	do {
		ck_assert_uint_le(body->len + size, OUT_MAX);
		body->last =
		    stdin_read(&body->stream, &body->inflow, body->bytes + body->len, size);
		body->len += body->last > 0 ? (size_t)body->last : 0;
	} while (body->last > 0);
}

/* Two records with padding, one without, the end with padding. */
static void
body_make(struct buf *out)
{
	wire_record(out, WIRE_STDIN, REQUEST_ID, SLICE("first"), 3);
	wire_record(out, WIRE_STDIN, REQUEST_ID, SLICE("2"), 0);
	wire_record(out, WIRE_STDIN, REQUEST_ID, SLICE("third part"), 7);
	wire_record(out, WIRE_STDIN, REQUEST_ID, SLICE(""), 2);
}

static void
body_check_whole(struct body *body, const char *want)
{
	char behind[16];
	ck_assert_int_eq(body->last, 0);
	ck_assert_int_eq(body->stream.state, STDIN_NONE);
	ck_assert(slice_equal((struct slice){ body->bytes, body->len }, slice_of(want)));
	/* Again: still the end, and what is behind it is still there. */
	ck_assert_int_eq(stdin_read(&body->stream, &body->inflow, behind, sizeof(behind)), 0);
	ck_assert_int_eq(recv(body->ours, behind, sizeof(behind), MSG_DONTWAIT), 4);
	ck_assert_int_eq(memcmp(behind, "NEXT", 4), 0);
}

/* The rest of body_make()'s bytes arrives, and what follows them. */
static void
body_end(struct body *body, const struct buf *wire, size_t cut)
{
	if (cut < wire->len)
		body_arrive(body, (struct slice){ wire->data + cut, wire->len - cut });
	body_arrive(body, SLICE("NEXT"));
	body_read(body, 1 + cut % 7);
	body_check_whole(body, "first2third part");
	body_close(body);
}

START_TEST(a_body_may_arrive_in_any_two_pieces)
{
	struct buf wire = { 0 };
	body_make(&wire);
	for (size_t cut = 0; cut <= wire.len; cut++) {
		struct body body;
		body_open(&body);
		if (cut > 0)
			body_arrive(&body, (struct slice){ wire.data, cut });
		body_read(&body, 1 + cut % 7);
		ck_assert_int_eq(body.last, cut < wire.len ? -EAGAIN : 0);
		body_end(&body, &wire, cut);
	}
	buf_free(&wire);
}
END_TEST

START_TEST(its_front_may_have_come_with_the_head)
{
	struct buf wire = { 0 };
	body_make(&wire);
	for (size_t cut = 0; cut <= wire.len; cut++) {
		struct body body;
		body_open(&body);
		ck_assert_int_eq(inflow_unread(&body.inflow, (struct slice){ wire.data, cut }), 0);
		body_end(&body, &wire, cut);
	}
	buf_free(&wire);
}
END_TEST

START_TEST(a_body_may_arrive_byte_by_byte)
{
	struct buf wire = { 0 };
	struct body body;
	body_make(&wire);
	body_open(&body);
	for (size_t i = 0; i < wire.len; i++) {
		body_read(&body, 64);
		ck_assert_int_eq(body.last, -EAGAIN);
		body_arrive(&body, (struct slice){ wire.data + i, 1 });
	}
	body_arrive(&body, SLICE("NEXT"));
	body_read(&body, 64);
	body_check_whole(&body, "first2third part");
	body_close(&body);
	buf_free(&wire);
}
END_TEST

START_TEST(a_record_of_the_longest_length_is_read_whole)
{
	char *large = malloc(WIRE_CONTENT_MAX);
	struct buf wire = { 0 };
	struct body body;
	ck_assert_ptr_nonnull(large);
	for (size_t i = 0; i < WIRE_CONTENT_MAX; i++)
		large[i] = (char)(i * 7);
	wire_record(&wire, WIRE_STDIN, REQUEST_ID, (struct slice){ large, WIRE_CONTENT_MAX }, 255);
	wire_record(&wire, WIRE_STDIN, REQUEST_ID, SLICE(""), 255);
	body_open(&body);
	body_arrive(&body, buf_as_slice(&wire));
	body_read(&body, 10000);
	ck_assert_int_eq(body.last, 0);
	ck_assert_uint_eq(body.len, WIRE_CONTENT_MAX);
	ck_assert_int_eq(memcmp(body.bytes, large, WIRE_CONTENT_MAX), 0);
	ck_assert_int_eq(recv(body.ours, large, 1, MSG_DONTWAIT), -1);
	body_close(&body);
	buf_free(&wire);
	free(large);
}
END_TEST

START_TEST(without_a_body_nothing_is_read)
{
	char byte;
	struct body body;
	body_open(&body);
	stdin_init(&body.stream, REQUEST_ID, false);
	body_arrive(&body, SLICE("NEXT"));
	body_read(&body, 64);
	body_check_whole(&body, "");
	ck_assert_int_eq(recv(body.ours, &byte, 1, MSG_DONTWAIT), -1);
	body_close(&body);
}
END_TEST

START_TEST(an_empty_body_ends_at_once)
{
	struct buf wire = { 0 };
	struct body body;
	wire_record(&wire, WIRE_STDIN, REQUEST_ID, SLICE(""), 0);
	body_open(&body);
	body_arrive(&body, buf_as_slice(&wire));
	body_arrive(&body, SLICE("NEXT"));
	body_read(&body, 64);
	body_check_whole(&body, "");
	body_close(&body);
	buf_free(&wire);
}
END_TEST

static const struct {
	const char *name;
	struct slice header;
} broken_cases[] = {
	{ "ABORT_REQUEST", { "\1\2\1\2\0\0\0\0", 8 } },
	{ "PARAMS", { "\1\4\1\2\0\0\0\0", 8 } },
	{ "BEGIN_REQUEST", { "\1\1\1\2\0\10\0\0", 8 } },
	{ "another request's body", { "\1\5\1\3\0\0\0\0", 8 } },
	{ "another request's body, the high byte", { "\1\5\0\2\0\0\0\0", 8 } },
	{ "another version", { "\2\5\1\2\0\0\0\0", 8 } },
	{ "management", { "\1\11\0\0\0\0\0\0", 8 } },
};

START_TEST(another_record_breaks_the_body)
{
	struct buf wire = { 0 };
	struct body body;
	wire_record(&wire, WIRE_STDIN, REQUEST_ID, SLICE("good"), 1);
	buf_slice(&wire, broken_cases[_i].header);
	body_open(&body);
	body_arrive(&body, buf_as_slice(&wire));
	body_read(&body, 64);
	ck_assert_msg(body.last == -EPIPE, "%s: %zd", broken_cases[_i].name, body.last);
	ck_assert_int_eq(body.stream.state, STDIN_BROKEN);
	ck_assert_uint_eq(body.len, 4);
	body_read(&body, 64);
	ck_assert_int_eq(body.last, -EPIPE);
	body_close(&body);
	buf_free(&wire);
}
END_TEST

START_TEST(a_peer_that_leaves_anywhere_breaks_the_body)
{
	struct buf wire = { 0 };
	body_make(&wire);
	for (size_t cut = 0; cut < wire.len; cut++) {
		struct body body;
		body_open(&body);
		if (cut > 0)
			body_arrive(&body, (struct slice){ wire.data, cut });
		shutdown(body.theirs, SHUT_WR);
		body_read(&body, 64);
		ck_assert_msg(body.last == -EPIPE, "%zu", cut);
		ck_assert_int_eq(body.stream.state, STDIN_BROKEN);
		body_close(&body);
	}
	buf_free(&wire);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("stdin");
	tcase_add_test(tests, a_body_may_arrive_in_any_two_pieces);
	tcase_add_test(tests, its_front_may_have_come_with_the_head);
	tcase_add_test(tests, a_body_may_arrive_byte_by_byte);
	tcase_add_test(tests, a_record_of_the_longest_length_is_read_whole);
	tcase_add_test(tests, without_a_body_nothing_is_read);
	tcase_add_test(tests, an_empty_body_ends_at_once);
	tcase_add_loop_test(tests, another_record_breaks_the_body, 0, COUNT(broken_cases));
	tcase_add_test(tests, a_peer_that_leaves_anywhere_breaks_the_body);
	return suite_run("proxy/stdin", tests);
}
