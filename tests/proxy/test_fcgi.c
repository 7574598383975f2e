/* test_fcgi.c -- What the gate lets through becomes its parameters, and no descriptor is lost. */
#include "fcgi.h"
#include "gate.h"
#include "suite.h"
#include "wire.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MUTANTS = 20000 };

/* A connection with a request on its way. */
struct peer {
	int ours, theirs;
	struct arena arena;
	struct fcgi_params params;
};

static void
peer_open(struct peer *peer)
{
	int ends[2];
	*peer = (struct peer){ 0 };
	ck_assert_int_eq(fcgi_init(), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer->ours = ends[0];
	peer->theirs = ends[1];
}

static void
peer_close(struct peer *peer)
{
	close(peer->ours);
	close(peer->theirs);
	arena_fini(&peer->arena);
}

static void
peer_send(struct peer *peer, const struct buf *bytes)
{
	ck_assert_int_eq(
	    send(peer->theirs, bytes->data, bytes->len, MSG_DONTWAIT), (ssize_t)bytes->len);
}

static unsigned
descriptors_open(void)
{
	unsigned n = 0;
	DIR *dir = opendir("/proc/self/fd");
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* The value of a parameter that is there once. */
static struct slice
param_of(const struct fcgi_params *params, const char *name)
{
	struct slice value = { NULL, 0 };
	for (size_t i = 0; i < params->n; i++) {
		if (!slice_equal(params->items[i].name, slice_of(name)))
			continue;
		ck_assert_msg(value.at == NULL, "%s is there twice", name);
		value = params->items[i].value;
	}
	ck_assert_msg(value.at != NULL, "%s is not there", name);
	return value;
}

/* As lighttpd 1.4.69 sends them. */
static void
params_make(struct buf *params, struct slice large)
{
	wire_param(params, SLICE("CONTENT_LENGTH"), SLICE("0"));
	wire_param(params, SLICE("QUERY_STRING"), SLICE("a=b&c=d=e"));
	wire_param(params, SLICE("REQUEST_URI"), SLICE("/shop/product/1?a=b&c=d=e"));
	wire_param(params, SLICE("SCRIPT_NAME"), SLICE("/shop"));
	wire_param(params, SLICE("PATH_INFO"), SLICE("/product/1"));
	wire_param(params, SLICE("REQUEST_METHOD"), SLICE("GET"));
	wire_param(params, SLICE("SERVER_PROTOCOL"), SLICE("HTTP/1.1"));
	wire_param(params, SLICE("HTTP_HOST"), SLICE("127.0.0.1:8080"));
	wire_param(params, SLICE("HTTP_X_EMPTY"), SLICE(""));
	wire_param(params, SLICE("HTTP_X_BYTES"), SLICE("\xc3\xa9\t="));
	wire_param(params, SLICE("HTTP_COOKIE"), large);
}

static void
params_check(const struct fcgi_params *params, struct slice large)
{
	ck_assert(slice_equal(param_of(params, "QUERY_STRING"), SLICE("a=b&c=d=e")));
	ck_assert(slice_equal(param_of(params, "PATH_INFO"), SLICE("/product/1")));
	ck_assert(slice_equal(param_of(params, "REQUEST_METHOD"), SLICE("GET")));
	ck_assert(slice_equal(param_of(params, "HTTP_X_EMPTY"), SLICE("")));
	ck_assert(slice_equal(param_of(params, "HTTP_X_BYTES"), SLICE("\xc3\xa9\t=")));
	ck_assert(slice_equal(param_of(params, "HTTP_COOKIE"), large));
}

/* A cookie that takes the head over libfcgi's read buffer of 8192 bytes, or not. */
static struct slice
large_make(size_t len)
{
	char *at = malloc(len);
	ck_assert_ptr_nonnull(at);
	memset(at, 'x', len);
	return (struct slice){ at, len };
}

static const size_t large_sizes[] = { 1, 127, 128, 7000, 8190, 8192, 20000, 60000 };

START_TEST(requests_follow_each_other_on_one_connection)
{
	struct slice large = large_make(large_sizes[_i]);
	struct buf params = { 0 }, wire = { 0 };
	struct peer peer;
	params_make(&params, large);
	peer_open(&peer);
	unsigned open_before = descriptors_open();
	for (int round = 0; round < 4; round++) {
		bool keep = round % 2 == 0;
		char byte;
		buf_clear(&wire);
		wire_head(&wire, 1, keep, buf_as_slice(&params), round < 2 ? 65535 : 1000);
		wire_record(&wire, WIRE_STDIN, 1, SLICE(""), 7);
		peer_send(&peer, &wire);
		ck_assert_int_eq(fcgi_parse(peer.ours, &peer.arena, &peer.params), 0);
		params_check(&peer.params, large);
		ck_assert_int_eq(peer.params.keep, keep);
		/* All of it was read, and the connection is open. */
		ck_assert_int_eq(recv(peer.ours, &byte, 1, MSG_DONTWAIT), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_uint_eq(descriptors_open(), open_before);
		arena_reset(&peer.arena);
	}
	peer_close(&peer);
	buf_free(&params);
	buf_free(&wire);
	wire_mutant_free(large);
}
END_TEST

START_TEST(a_head_taken_off_its_socket_gives_the_same)
{
	struct slice large = large_make(large_sizes[_i]);
	struct buf params = { 0 }, wire = { 0 };
	struct arena arena = { 0 };
	struct fcgi_params got;
	params_make(&params, large);
	wire_head(&wire, 0xfffe, true, buf_as_slice(&params), 65535);
	ck_assert_int_eq(fcgi_init(), 0);
	unsigned open_before = descriptors_open();
	for (int round = 0; round < 3; round++) {
		ck_assert_int_eq(fcgi_parse_bytes(buf_as_slice(&wire), 0xfffe, &arena, &got), 0);
		params_check(&got, large);
		ck_assert(got.keep);
	}
	ck_assert_uint_eq(descriptors_open(), open_before);
	arena_fini(&arena);
	buf_free(&params);
	buf_free(&wire);
	wire_mutant_free(large);
}
END_TEST

/* As many parameters as the gate lets through. */
static void
params_make_most(struct buf *wire)
{
	struct buf params = { 0 };
	char name[32];
	for (int i = 0; i < GATE_PARAMS_MAX; i++) {
		snprintf(name, sizeof(name), "HTTP_X_%d", i);
		wire_param(&params, slice_of(name), slice_of(name));
	}
	wire_head(wire, 1, false, buf_as_slice(&params), 65535);
	buf_free(&params);
}

START_TEST(as_many_parameters_as_the_gate_takes_are_all_there)
{
	struct arena arena = { 0 };
	struct fcgi_params got;
	struct buf wire = { 0 };
	char name[32];
	params_make_most(&wire);
	ck_assert_int_eq(fcgi_init(), 0);
	ck_assert_int_eq(fcgi_parse_bytes(buf_as_slice(&wire), 1, &arena, &got), 0);
	for (int i = 0; i < GATE_PARAMS_MAX; i++) {
		snprintf(name, sizeof(name), "HTTP_X_%d", i);
		ck_assert(slice_equal(param_of(&got, name), slice_of(name)));
	}
	arena_fini(&arena);
	buf_free(&wire);
}
END_TEST

START_TEST(no_parameter_at_all_is_none)
{
	struct arena arena = { 0 };
	struct fcgi_params got;
	struct buf wire = { 0 };
	wire_head(&wire, 1, false, SLICE(""), 65535);
	ck_assert_int_eq(fcgi_init(), 0);
	ck_assert_int_eq(fcgi_parse_bytes(buf_as_slice(&wire), 1, &arena, &got), 0);
	for (size_t i = 0; i < got.n; i++)
		ck_assert(!slice_starts_with(got.items[i].name, SLICE("HTTP_")));
	ck_assert(!got.keep);
	arena_fini(&arena);
	buf_free(&wire);
}
END_TEST

START_TEST(what_libfcgi_refuses_costs_no_descriptor)
{
	static const struct slice bad[] = { { "", 0 }, { "\1", 1 }, { "\2\1\0\1\0\10\0\0", 8 },
		{ "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\1\0\5\0\0\1\1", 26 } };
	struct arena arena = { 0 };
	struct fcgi_params got;
	ck_assert_int_eq(fcgi_init(), 0);
	unsigned open_before = descriptors_open();
	for (size_t i = 0; i < COUNT(bad); i++) {
		int rc = fcgi_parse_bytes(bad[i], 1, &arena, &got);
		ck_assert_msg(rc == -EPROTO, "%zu: %d", i, rc);
		ck_assert_uint_eq(descriptors_open(), open_before);
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(whatever_passes_the_gate_libfcgi_takes)
{
	struct buf params = { 0 }, seed = { 0 };
	struct arena arena = { 0 };
	struct fcgi_params got;
	unsigned state = 2026, passed = 0;
	char *scratch = malloc(GATE_HEAD_MAX);
	ck_assert_ptr_nonnull(scratch);
	ck_assert_int_eq(fcgi_init(), 0);
	unsigned open_before = descriptors_open();
	params_make(&params, SLICE("a=b; c=d"));
	wire_head(&seed, 1, true, buf_as_slice(&params), 150);
	wire_record(&seed, WIRE_STDIN, 1, SLICE(""), 0);
	for (int i = 0; i < MUTANTS; i++) {
		struct slice bytes = wire_mutant(&state, buf_as_slice(&seed), 3);
		struct gate gate = { 0 };
		if (gate_check(bytes, scratch, &gate) == GATE_READY) {
			struct slice head = { bytes.at, gate.head_bytes };
			ck_assert_int_eq(fcgi_parse_bytes(head, gate.request_id, &arena, &got), 0);
			passed++;
		}
		arena_reset(&arena);
		wire_mutant_free(bytes);
	}
	ck_assert_uint_gt(passed, MUTANTS / 10);
	ck_assert_uint_eq(descriptors_open(), open_before);
	arena_fini(&arena);
	buf_free(&params);
	buf_free(&seed);
	free(scratch);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("fcgi");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(
	    tests, requests_follow_each_other_on_one_connection, 0, COUNT(large_sizes));
	tcase_add_loop_test(
	    tests, a_head_taken_off_its_socket_gives_the_same, 0, COUNT(large_sizes));
	tcase_add_test(tests, as_many_parameters_as_the_gate_takes_are_all_there);
	tcase_add_test(tests, no_parameter_at_all_is_none);
	tcase_add_test(tests, what_libfcgi_refuses_costs_no_descriptor);
	tcase_add_test(tests, whatever_passes_the_gate_libfcgi_takes);
	return suite_run("proxy/fcgi", tests);
}
