/* test_head.c -- A head is taken as it comes, and what follows it is left for who reads that. */
#include "head.h"
#include "suite.h"
#include "wire.h"

#include <sys/socket.h>
#include <unistd.h>

/* A connection on which requests come. */
struct peer {
	struct inflow inflow;
	int theirs;
	struct arena arena;
	struct gate gate;
	struct params params;
	char scratch[HEAD_SCRATCH];
};

static struct peer *
peer_new(void)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	int ends[2];
	ck_assert_ptr_nonnull(peer);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer->inflow.fd = ends[0];
	peer->theirs = ends[1];
	return peer;
}

static void
peer_free(struct peer *peer)
{
	close(peer->inflow.fd);
	close(peer->theirs);
	inflow_free(&peer->inflow);
	arena_fini(&peer->arena);
	free(peer);
}

static void
peer_send(struct peer *peer, struct slice bytes)
{
	if (bytes.len > 0)
		ck_assert_int_eq(
		    send(peer->theirs, bytes.at, bytes.len, MSG_DONTWAIT), (ssize_t)bytes.len);
}

static enum head_state
peer_look(struct peer *peer)
{
	return head_look(&peer->inflow, peer->scratch, &peer->gate);
}

/* Is a head of this name here? What was seen is overwritten: the parameters are copies. */
static void
peer_check(struct peer *peer, struct slice name)
{
	ck_assert_int_eq(peer_look(peer), HEAD_READY);
	ck_assert_int_eq(head_take_params(&peer->gate, &peer->arena, &peer->params), 0);
	memset(peer->scratch, '#', sizeof(peer->scratch));
	ck_assert_uint_eq(peer->params.n, 2);
	ck_assert(slice_equal(peer->params.items[0].name, SLICE("HTTP_NAME")));
	ck_assert(slice_equal(peer->params.items[0].value, name));
}

/* What is there now behind what was read. */
static void
peer_check_rest(struct peer *peer, struct slice want)
{
	char rest[100];
	ssize_t n = inflow_read(&peer->inflow, rest, sizeof(rest));
	if (n < (ssize_t)want.len) {
		ck_assert_int_gt(n, 0);
		n += inflow_read(&peer->inflow, rest + n, sizeof(rest) - (size_t)n);
	}
	ck_assert(slice_equal((struct slice){ rest, (size_t)n }, want));
}

static void
request_put(struct buf *out, struct slice name, struct slice length, size_t most)
{
	struct buf params = { 0 };
	wire_param(&params, SLICE("HTTP_NAME"), name);
	wire_param(&params, SLICE("CONTENT_LENGTH"), length);
	wire_head(out, 1, true, buf_as_slice(&params), most);
	if (slice_equal(length, SLICE("0")))
		wire_record(out, WIRE_STDIN, 1, SLICE(""), 0);
	buf_free(&params);
}

static const size_t record_sizes[] = { WIRE_CONTENT_MAX, 10, 1 };

START_TEST(a_head_may_come_in_any_two_pieces)
{
	struct buf wire = { 0 };
	request_put(&wire, SLICE("one"), SLICE("0"), record_sizes[_i]);
	for (size_t cut = 0; cut < wire.len; cut++) {
		struct peer *peer = peer_new();
		peer_send(peer, (struct slice){ wire.data, cut });
		ck_assert_int_eq(peer_look(peer), HEAD_MORE);
		ck_assert_int_eq(peer_look(peer), HEAD_MORE);
		peer_send(peer, (struct slice){ wire.data + cut, wire.len - cut });
		peer_check(peer, SLICE("one"));
		ck_assert(inflow_is_empty(&peer->inflow));
		peer_free(peer);
	}
	buf_free(&wire);
}
END_TEST

START_TEST(what_follows_a_head_is_read_next)
{
	struct buf wire = { 0 };
	request_put(&wire, SLICE("one"), _i == 0 ? SLICE("4") : SLICE("0"), WIRE_CONTENT_MAX);
	struct peer *peer = peer_new();
	peer_send(peer, buf_as_slice(&wire));
	peer_send(peer, SLICE("NE"));
	peer_check(peer, SLICE("one"));
	peer_send(peer, SLICE("XT"));
	peer_check_rest(peer, SLICE("NEXT"));
	peer_free(peer);
	buf_free(&wire);
}
END_TEST

START_TEST(requests_that_come_together_are_read_one_by_one)
{
	struct buf wire = { 0 };
	struct peer *peer = peer_new();
	request_put(&wire, SLICE("one"), SLICE("0"), WIRE_CONTENT_MAX);
	request_put(&wire, SLICE("two"), SLICE("0"), 5);
	size_t two = wire.len;
	request_put(&wire, SLICE("three"), SLICE("0"), WIRE_CONTENT_MAX);
	/* The last not whole yet. */
	peer_send(peer, (struct slice){ wire.data, two + 9 });
	peer_check(peer, SLICE("one"));
	ck_assert(!inflow_is_empty(&peer->inflow));
	peer_check(peer, SLICE("two"));
	ck_assert_int_eq(peer_look(peer), HEAD_MORE);
	peer_send(peer, (struct slice){ wire.data + two + 9, wire.len - two - 9 });
	peer_check(peer, SLICE("three"));
	ck_assert(inflow_is_empty(&peer->inflow));
	peer_free(peer);
	buf_free(&wire);
}
END_TEST

/* Longer than what is read at once; a little more behind it, or as much as fills what is read. */
START_TEST(a_long_head_is_read_to_its_end)
{
	static char name[60000], behind[40000];
	struct slice long_name = { memset(name, 'x', sizeof(name)), sizeof(name) };
	struct buf wire = { 0 };
	struct peer *peer = peer_new();
	request_put(&wire, long_name, SLICE("9"), 20000);
	peer_send(peer, buf_as_slice(&wire));
	peer_send(peer, (struct slice){ behind, _i == 0 ? 4 : sizeof(behind) });
	peer_check(peer, long_name);
	ck_assert_int_eq(peer->inflow.maybe_more, _i == 1);
	/* No more of what follows is held than a piece. */
	ck_assert_uint_le(peer->inflow.early.len, 16384);
	peer_free(peer);
	buf_free(&wire);
}
END_TEST

START_TEST(a_peer_that_leaves_before_its_end_is_gone)
{
	struct buf wire = { 0 };
	request_put(&wire, SLICE("one"), SLICE("0"), WIRE_CONTENT_MAX);
	for (size_t cut = 0; cut < wire.len; cut += 7) {
		struct peer *peer = peer_new();
		peer_send(peer, (struct slice){ wire.data, cut });
		shutdown(peer->theirs, SHUT_WR);
		ck_assert_int_eq(peer_look(peer), HEAD_GONE);
		peer_free(peer);
	}
	buf_free(&wire);
}
END_TEST

START_TEST(what_is_no_head_is_told)
{
	struct peer *peer = peer_new();
	peer_send(peer, SLICE("GET / HTTP/1.1\r\n\r\n"));
	ck_assert_int_eq(peer_look(peer), HEAD_BAD);
	ck_assert_str_eq(peer->gate.why, "a record of another FastCGI version");
	peer_free(peer);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("head");
	tcase_add_loop_test(tests, a_head_may_come_in_any_two_pieces, 0, COUNT(record_sizes));
	tcase_add_loop_test(tests, what_follows_a_head_is_read_next, 0, 2);
	tcase_add_test(tests, requests_that_come_together_are_read_one_by_one);
	tcase_add_loop_test(tests, a_long_head_is_read_to_its_end, 0, 2);
	tcase_add_test(tests, a_peer_that_leaves_before_its_end_is_gone);
	tcase_add_test(tests, what_is_no_head_is_told);
	return suite_run("proxy/head", tests);
}
