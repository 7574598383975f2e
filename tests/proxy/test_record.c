/* test_record.c -- Whatever the parts and the socket, the peer reads the same bytes and one end. */
#include "record.h"
#include "suite.h"
#include "wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_ID = 0x1234, PARTS_MAX = 2000, BODY_MAX = 5 << 20, READ_MAX = 1 << 16 };

/* Both ends of a connection and what went over it. */
struct link {
	int ours, theirs;
	struct buf backlog;
	size_t backlog_sent;
	struct buf wire;
};

static void
link_open(struct link *link, int buffer_bytes)
{
	int ends[2];
	*link = (struct link){ 0 };
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	link->ours = ends[0];
	link->theirs = ends[1];
	if (buffer_bytes > 0)
		ck_assert_int_eq(setsockopt(link->ours, SOL_SOCKET, SO_SNDBUF, &buffer_bytes,
				     sizeof(buffer_bytes)),
		    0);
}

static void
link_close(struct link *link)
{
	close(link->ours);
	close(link->theirs);
	buf_free(&link->backlog);
	buf_free(&link->wire);
}

/* Read what is there, and send of the backlog what the socket takes, until all has arrived. */
static void
link_drain(struct link *link)
{
	for (;;) {
		size_t left = link->backlog.len - link->backlog_sent;
		if (left > 0) {
			ssize_t sent = send(link->ours, link->backlog.data + link->backlog_sent,
			    left, MSG_DONTWAIT | MSG_NOSIGNAL);
			ck_assert(sent > 0 || errno == EAGAIN);
			link->backlog_sent += sent > 0 ? (size_t)sent : 0;
		}
		char *at = buf_reserve(&link->wire, READ_MAX);
		ck_assert_ptr_nonnull(at);
		ssize_t n = recv(link->theirs, at, READ_MAX, MSG_DONTWAIT);
		ck_assert(n > 0 || errno == EAGAIN);
		if (n < 0 && left == 0)
			break;
		link->wire.len += n > 0 ? (size_t)n : 0;
	}
	buf_clear(&link->backlog);
	link->backlog_sent = 0;
}

static struct slice
link_next_record(struct slice *rest, unsigned type)
{
	const unsigned char *at = (const unsigned char *)rest->at;
	ck_assert_uint_ge(rest->len, WIRE_HEADER);
	size_t len = (size_t)(at[4] << 8 | at[5]);
	ck_assert_uint_eq(at[0], 1);
	ck_assert_uint_eq(at[1], type);
	ck_assert_uint_eq((unsigned)(at[2] << 8 | at[3]), REQUEST_ID);
	ck_assert_uint_ge(rest->len, WIRE_HEADER + len + at[6]);
	struct slice content = { rest->at + WIRE_HEADER, len };
	*rest = (struct slice){ content.at + len + at[6], rest->len - WIRE_HEADER - len - at[6] };
	return content;
}

/* The wire holds `body` as STDOUT records, and with RECORD_LAST the end, once. */
static void
link_check(const struct link *link, struct slice body, enum record_end end)
{
	struct slice rest = buf_as_slice(&link->wire);
	while (body.len > 0) {
		struct slice content = link_next_record(&rest, WIRE_STDOUT);
		ck_assert_uint_gt(content.len, 0);
		ck_assert_uint_le(content.len, body.len);
		ck_assert_int_eq(memcmp(content.at, body.at, content.len), 0);
		body = (struct slice){ body.at + content.len, body.len - content.len };
	}
	if (end == RECORD_LAST) {
		ck_assert_uint_eq(link_next_record(&rest, WIRE_STDOUT).len, 0);
		struct slice status = link_next_record(&rest, WIRE_END);
		ck_assert(slice_equal(status, (struct slice){ "\0\0\0\0\0\0\0\0", WIRE_HEADER }));
	}
	ck_assert_uint_eq(rest.len, 0);
}

static char *
body_new(void)
{
	char *body = malloc(BODY_MAX);
	unsigned state = 7;
	ck_assert_ptr_nonnull(body);
	for (size_t i = 0; i < BODY_MAX; i++)
		body[i] = (char)wire_random(&state, 256);
	return body;
}

/* Cut `body` at random into `n` parts, of which every fourth or so is empty. */
static void
body_cut(struct slice body, struct iovec *parts, size_t n, unsigned *state)
{
	for (size_t i = 0; i < n; i++) {
		size_t most = body.len / (n - i) * 2 + 2;
		size_t len = wire_random(state, 4) == 0 ? 0 : wire_random(state, most);
		len = i + 1 == n || len > body.len ? body.len : len;
		parts[i] = (struct iovec){ (void *)(uintptr_t)body.at, len };
		body = (struct slice){ body.at + len, body.len - len };
	}
}

static const size_t body_sizes[] = { 0, 1, 7, 8, 4096, 65527, 65528, 65529, 65535, 65536, 65537,
	131055, 131056, 131057, 1 << 20, 64 * 65528, 64 * 65528 + 1, BODY_MAX };
static const size_t part_counts[] = { 1, 2, 3, 63, 64, 65, 508, 509, 510, 511, 512, 513, 1024,
	PARTS_MAX };

START_TEST(any_body_in_any_parts_arrives)
{
	static struct iovec parts[PARTS_MAX];
	char *bytes = body_new();
	unsigned state = (unsigned)_i;
	for (size_t i = 0; i < COUNT(part_counts); i++) {
		struct slice body = { bytes, body_sizes[_i] };
		struct link link;
		link_open(&link, i % 2 == 0 ? 0 : 4096);
		body_cut(body, parts, part_counts[i], &state);
		ck_assert_int_eq(record_send(link.ours, REQUEST_ID, parts, part_counts[i],
				     RECORD_LAST, &link.backlog),
		    0);
		link_drain(&link);
		link_check(&link, body, RECORD_LAST);
		link_close(&link);
	}
	free(bytes);
}
END_TEST

START_TEST(empty_parts_are_nothing)
{
	static struct iovec parts[PARTS_MAX];
	struct slice body = SLICE("after many empty parts");
	struct link link;
	for (size_t at = 0; at < PARTS_MAX; at += 333) {
		memset(parts, 0, sizeof(parts));
		parts[at] = (struct iovec){ (void *)(uintptr_t)body.at, body.len };
		link_open(&link, 0);
		ck_assert_int_eq(record_send(link.ours, REQUEST_ID, parts, PARTS_MAX, RECORD_LAST,
				     &link.backlog),
		    0);
		link_drain(&link);
		link_check(&link, body, RECORD_LAST);
		link_close(&link);
	}
}
END_TEST

START_TEST(nothing_and_more_to_come_sends_nothing)
{
	struct link link;
	link_open(&link, 0);
	ck_assert_int_eq(
	    record_send(link.ours, REQUEST_ID, NULL, 0, RECORD_MORE, &link.backlog), 0);
	link_drain(&link);
	link_check(&link, SLICE(""), RECORD_MORE);
	ck_assert_int_eq(
	    record_send(link.ours, REQUEST_ID, NULL, 0, RECORD_LAST, &link.backlog), 0);
	link_drain(&link);
	link_check(&link, SLICE(""), RECORD_LAST);
	link_close(&link);
}
END_TEST

/* Send `body` in calls of one part each, and let the peer read now and then. */
static void
link_send_pieces(struct link *link, struct slice body, unsigned *state)
{
	while (body.len > 0) {
		size_t len = 1 + wire_random(state, 40000);
		len = len < body.len ? len : body.len;
		struct iovec part = { (void *)(uintptr_t)body.at, len };
		ck_assert_int_eq(
		    record_send(link->ours, REQUEST_ID, &part, 1, RECORD_MORE, &link->backlog), 0);
		body = (struct slice){ body.at + len, body.len - len };
		if (wire_random(state, 20) == 0)
			link_drain(link);
	}
}

START_TEST(what_follows_a_backlog_queues_behind_it)
{
	char *bytes = body_new();
	struct slice body = { bytes, BODY_MAX };
	unsigned state = 2026;
	struct link link;
	link_open(&link, 4096);
	link_send_pieces(&link, body, &state);
	ck_assert_uint_gt(link.backlog.len, 0);
	ck_assert_int_eq(
	    record_send(link.ours, REQUEST_ID, NULL, 0, RECORD_LAST, &link.backlog), 0);
	link_drain(&link);
	link_check(&link, body, RECORD_LAST);
	link_close(&link);
	free(bytes);
}
END_TEST

START_TEST(what_is_copied_may_go_when_the_call_returns)
{
	char *bytes = body_new(), *copy = malloc(1 << 20);
	struct slice body = { bytes, 1 << 20 };
	struct link link;
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, body.len);
	struct iovec part = { copy, body.len };
	link_open(&link, 4096);
	ck_assert_int_eq(
	    record_send(link.ours, REQUEST_ID, &part, 1, RECORD_LAST, &link.backlog), 0);
	ck_assert_uint_gt(link.backlog.len, 0);
	memset(copy, 0, body.len);
	free(copy);
	link_drain(&link);
	link_check(&link, body, RECORD_LAST);
	link_close(&link);
	free(bytes);
}
END_TEST

/* Offer `body` again and again, behind `head` the first time, while the peer reads now and then. */
static void
link_offer_all(struct link *link, struct slice head, struct slice body)
{
	struct record_offer offer = { .must = head.len, .end = RECORD_LAST };
	bool over = false;
	while (!over) {
		struct iovec parts[] = { { (void *)(uintptr_t)head.at, head.len },
			{ (void *)(uintptr_t)body.at, body.len } };
		ck_assert_int_eq(
		    record_offer(link->ours, REQUEST_ID, parts, 2, &offer, &link->backlog), 0);
		ck_assert_uint_ge(offer.taken, head.len);
		ck_assert_uint_le(
		    link->backlog.len, head.len > RECORD_OFFER_KEPT ? SIZE_MAX : RECORD_OFFER_KEPT);
		over = offer.taken == head.len + body.len;
		ck_assert(over || link->backlog.len > 0);
		body = (struct slice){ body.at + offer.taken - head.len,
			body.len - (offer.taken - head.len) };
		offer.must = head.len = 0;
		link_drain(link);
	}
}

START_TEST(what_is_offered_arrives_and_is_hardly_copied)
{
	char *bytes = body_new();
	static const size_t heads[] = { 0, 1, 300, 8160, 70000, 2 << 20 };
	for (size_t i = 0; i < COUNT(heads); i++) {
		struct slice head = { bytes, heads[i] }, all = { bytes, heads[i] + body_sizes[_i] };
		if (all.len > BODY_MAX)
			continue;
		struct link link;
		link_open(&link, i % 2 == 0 ? 0 : 4096);
		link_offer_all(&link, head, (struct slice){ bytes + head.len, body_sizes[_i] });
		link_check(&link, all, RECORD_LAST);
		link_close(&link);
	}
	free(bytes);
}
END_TEST

START_TEST(a_peer_that_left_is_an_error_and_no_signal)
{
	struct iovec part = { (char[]){ "x" }, 1 };
	struct link link;
	link_open(&link, 0);
	shutdown(link.theirs, SHUT_RDWR);
	ck_assert_int_eq(
	    record_send(link.ours, REQUEST_ID, &part, 1, RECORD_LAST, &link.backlog), -EPIPE);
	link_close(&link);
}
END_TEST

START_TEST(a_backlog_that_failed_takes_nothing_more)
{
	struct iovec part = { (char[]){ "x" }, 1 };
	struct link link;
	link_open(&link, 0);
	link.backlog.failed = true;
	ck_assert_int_eq(
	    record_send(link.ours, REQUEST_ID, &part, 1, RECORD_LAST, &link.backlog), -ENOMEM);
	/* What comes behind a hole would be read as something else. */
	link_drain(&link);
	ck_assert_uint_eq(link.wire.len, 0);
	link_close(&link);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("record");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, any_body_in_any_parts_arrives, 0, COUNT(body_sizes));
	tcase_add_loop_test(
	    tests, what_is_offered_arrives_and_is_hardly_copied, 0, COUNT(body_sizes));
	tcase_add_test(tests, empty_parts_are_nothing);
	tcase_add_test(tests, nothing_and_more_to_come_sends_nothing);
	tcase_add_test(tests, what_follows_a_backlog_queues_behind_it);
	tcase_add_test(tests, what_is_copied_may_go_when_the_call_returns);
	tcase_add_test(tests, a_peer_that_left_is_an_error_and_no_signal);
	tcase_add_test(tests, a_backlog_that_failed_takes_nothing_more);
	return suite_run("proxy/record", tests);
}
