/* test_outbox.c -- Bytes and files reach a slow socket whole, as records, and leave nothing open.
 */
#include "outbox.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILE_BYTES = 5 << 20, HEADER = 8, TAIL = 24 };

struct bench {
	struct outbox outbox;
	FILE *file; /* Its bytes tell where they are. */
	int ends[2];
	struct buf got;
};

static unsigned char
byte_at(uint64_t at)
{
	return (unsigned char)(at * 31 >> 8);
}

static struct bench *
bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->file = tmpfile();
	for (uint64_t i = 0; i < FILE_BYTES; i++)
		fputc(byte_at(i), b->file);
	fflush(b->file);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b->ends), 0);
	return b;
}

static void
bench_free(struct bench *b)
{
	outbox_free(&b->outbox);
	buf_free(&b->got);
	fclose(b->file);
	close(b->ends[0]);
	close(b->ends[1]);
	free(b);
}

static int
bench_put(struct bench *b, uint64_t offset, uint64_t length)
{
	struct outbox_part part = { dup(fileno(b->file)), offset, length };

	outbox_put_file(&b->outbox, &part, 7);
	return part.fd;
}

static void
bench_read(struct bench *b)
{
	char bytes[65536];
	ssize_t n;

	while ((n = recv(b->ends[1], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		buf_append(&b->got, bytes, (size_t)n);
}

/* Send and read in turns. Returns what sending came to; counts turns that were given up. */
static int
bench_send(struct bench *b, int *yields)
{
	int rc;

	while ((rc = outbox_send(&b->outbox, b->ends[0])) == -EAGAIN) {
		*yields += b->outbox.file.yielded;
		bench_read(b);
	}
	bench_read(b);
	return rc;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Unwrap the records; the contents must be that part of the file, and then the end. */
static void
bench_check(const struct bench *b, uint64_t offset, uint64_t length)
{
	const unsigned char *at = (const unsigned char *)b->got.data;
	size_t left = b->got.len;
	uint64_t next = offset, wrong = 0;

	while (left > TAIL) {
		size_t len = (size_t)(at[4] << 8 | at[5]);
		ck_assert(at[0] == 1 && at[1] == 6 && at[2] == 0 && at[3] == 7 && at[6] == 0);
		ck_assert_uint_ge(left, HEADER + len);
		for (size_t i = 0; i < len; i++, next++)
			wrong += at[HEADER + i] != byte_at(next);
		at += HEADER + len;
		left -= HEADER + len;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(next, offset + length);
	ck_assert_mem_eq(at, "\1\6\0\7\0\0\0\0\1\3\0\7\0\10\0\0\0\0\0\0\0\0\0\0", TAIL);
}

static const struct {
	uint64_t offset, length;
} parts[] = { { 0, FILE_BYTES }, { 0, 1 }, { 65528, 65528 }, { 12345, 200001 },
	{ FILE_BYTES - 1, 1 }, { 77, 0 } };

START_TEST(part_of_a_file_arrives_as_records_and_ends_the_answer)
{
	struct bench *b = bench_new();
	int yields = 0, fd = bench_put(b, parts[_i].offset, parts[_i].length);

	ck_assert_int_eq(bench_send(b, &yields), 0);
	bench_check(b, parts[_i].offset, parts[_i].length);
	ck_assert(outbox_is_empty(&b->outbox));
	ck_assert(!is_open(fd));
	bench_free(b);
}
END_TEST

/* However fast the peer, others are not kept waiting for five megabytes. */
START_TEST(a_peer_that_takes_all_is_left_after_a_while)
{
	struct bench *b = bench_new();
	const int much = 4 * FILE_BYTES;
	int yields = 0;

	/* Only root may have a socket take so much at once. */
	if (setsockopt(b->ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &much, sizeof(much)) == 0) {
		bench_put(b, 0, FILE_BYTES);
		ck_assert_int_eq(bench_send(b, &yields), 0);
		ck_assert_int_eq(yields, 1);
		bench_check(b, 0, FILE_BYTES);
	}
	bench_free(b);
}
END_TEST

START_TEST(bytes_go_before_the_file)
{
	struct bench *b = bench_new();
	int yields = 0;

	buf_text(&b->outbox.bytes, "head");
	bench_put(b, 0, 10);
	ck_assert(!outbox_is_empty(&b->outbox));
	ck_assert_int_eq(bench_send(b, &yields), 0);
	ck_assert_uint_eq(b->got.len, 4 + HEADER + 10 + TAIL);
	ck_assert_mem_eq(b->got.data, "head\1\6\0\7\0\12\0\0", 4 + HEADER);
	bench_free(b);
}
END_TEST

START_TEST(a_file_that_is_shorter_than_was_said_is_an_error)
{
	struct bench *b = bench_new();
	int yields = 0, fd = bench_put(b, FILE_BYTES - 10, 11);

	ck_assert_int_eq(bench_send(b, &yields), -EIO);
	outbox_free(&b->outbox);
	ck_assert(!is_open(fd));
	bench_free(b);
}
END_TEST

START_TEST(a_peer_that_leaves_is_an_error_and_the_file_is_closed)
{
	struct bench *b = bench_new();
	int fd = bench_put(b, 0, FILE_BYTES);

	ck_assert_int_eq(outbox_send(&b->outbox, b->ends[0]), -EAGAIN);
	shutdown(b->ends[1], SHUT_RDWR);
	ck_assert_int_eq(outbox_send(&b->outbox, b->ends[0]), -EPIPE);
	outbox_free(&b->outbox);
	ck_assert(!is_open(fd));
	bench_free(b);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("outbox");

	tcase_add_loop_test(tests, part_of_a_file_arrives_as_records_and_ends_the_answer, 0,
	    sizeof(parts) / sizeof(parts[0]));
	tcase_add_test(tests, a_peer_that_takes_all_is_left_after_a_while);
	tcase_add_test(tests, bytes_go_before_the_file);
	tcase_add_test(tests, a_file_that_is_shorter_than_was_said_is_an_error);
	tcase_add_test(tests, a_peer_that_leaves_is_an_error_and_the_file_is_closed);
	return suite_run("outbox", tests);
}
