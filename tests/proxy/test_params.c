/* test_params.c -- What the gate lets through becomes its parameters, as libfcgi reads them. */
#include "gate.h"
#include "params.h"
#include "suite.h"
#include "wire.h"

#include <fcgiapp.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { MUTANTS = 20000, WIRE_PADDING_AT = 6 };

/* The parameters of a request that the gate lets through. */
struct taken {
	struct params params;
	struct gate gate;
	char scratch[GATE_HEAD_MAX];
};

static enum gate_verdict
taken_from(struct taken *t, struct slice wire)
{
	t->gate = (struct gate){ 0 };
	enum gate_verdict verdict = gate_check(wire, t->scratch, &t->gate);
	if (verdict == GATE_READY)
		params_take(t->gate.params, &t->params);
	return verdict;
}

/* The value of a parameter that is there once. */
static struct slice
param_of(const struct params *params, const char *name)
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

static const size_t large_sizes[] = { 1, 127, 128, 7000, 8190, 8192, 20000, 60000 };
static const size_t record_sizes[] = { 65535, 1000, 256 };

START_TEST(all_are_there_however_they_are_cut)
{
	size_t len = large_sizes[_i];
	struct slice large = { memset(malloc(len), 'x', len), len };
	struct taken *t = calloc(1, sizeof(*t));
	struct buf params = { 0 }, wire = { 0 };
	ck_assert_ptr_nonnull(t);
	params_make(&params, large);
	for (size_t i = 0; i < COUNT(record_sizes); i++) {
		bool keep = i % 2 == 0;
		buf_clear(&wire);
		wire_head(&wire, 1, keep, buf_as_slice(&params), record_sizes[i]);
		wire_record(&wire, WIRE_STDIN, 1, SLICE(""), 7);
		ck_assert_int_eq(taken_from(t, buf_as_slice(&wire)), GATE_READY);
		ck_assert_int_eq(t->gate.keep, keep);
		ck_assert_uint_eq(t->params.n, 11);
		ck_assert(slice_equal(param_of(&t->params, "QUERY_STRING"), SLICE("a=b&c=d=e")));
		ck_assert(slice_equal(param_of(&t->params, "PATH_INFO"), SLICE("/product/1")));
		ck_assert(slice_equal(param_of(&t->params, "REQUEST_METHOD"), SLICE("GET")));
		ck_assert(slice_equal(param_of(&t->params, "HTTP_X_EMPTY"), SLICE("")));
		ck_assert(slice_equal(param_of(&t->params, "HTTP_X_BYTES"), SLICE("\xc3\xa9\t=")));
		ck_assert(slice_equal(param_of(&t->params, "HTTP_COOKIE"), large));
	}
	buf_free(&params);
	buf_free(&wire);
	wire_mutant_free(large);
	free(t);
}
END_TEST

START_TEST(as_many_as_the_gate_lets_through_are_all_there)
{
	struct taken *t = calloc(1, sizeof(*t));
	struct buf params = { 0 }, wire = { 0 };
	char name[32];
	ck_assert_ptr_nonnull(t);
	for (int i = 0; i < PARAMS_MAX; i++) {
		snprintf(name, sizeof(name), "HTTP_X_%d", i);
		wire_param(&params, slice_of(name), slice_of(name));
	}
	wire_head(&wire, 1, false, buf_as_slice(&params), 65535);
	wire_record(&wire, WIRE_STDIN, 1, SLICE(""), 0);
	ck_assert_int_eq(taken_from(t, buf_as_slice(&wire)), GATE_READY);
	for (int i = 0; i < PARAMS_MAX; i++) {
		snprintf(name, sizeof(name), "HTTP_X_%d", i);
		ck_assert(slice_equal(param_of(&t->params, name), slice_of(name)));
	}
	ck_assert(!t->gate.keep);
	buf_free(&params);
	buf_free(&wire);
	free(t);
}
END_TEST

START_TEST(none_are_none)
{
	struct params params = { .n = 1 };
	params_take((struct slice){ NULL, 0 }, &params);
	ck_assert_uint_eq(params.n, 0);
}
END_TEST

START_TEST(one_that_does_not_end_is_not_taken)
{
	struct buf params = { 0 };
	struct param param;
	wire_param(&params, SLICE("HTTP_COOKIE"), SLICE("a=b"));
	for (size_t len = 0; len <= params.len; len++) {
		struct slice rest = { params.data, len };
		ck_assert_int_eq(params_next(&rest, &param), len == params.len);
	}
	buf_free(&params);
}
END_TEST

/* Let libfcgi read a head that the gate let through, and ends with the empty STDIN record. */
static void
oracle_read(FCGX_Request *request, struct slice head, uint16_t id)
{
	const unsigned char end[8] = { 1, 5, (unsigned char)(id >> 8), (unsigned char)id };
	int ends[2];
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	ck_assert_int_eq(write(ends[1], head.at, head.len), (ssize_t)head.len);
	ck_assert_int_eq(write(ends[1], end, sizeof(end)), (ssize_t)sizeof(end));
	close(ends[1]);
	FCGX_InitRequest(request, -1, FCGI_FAIL_ACCEPT_ON_INTR);
	/* It accepts none where it has one, and leaves it alone where it is said to be kept. */
	request->ipcFd = ends[0];
	request->keepConnection = 1;
	request->detached = 1;
	ck_assert_int_eq(FCGX_Accept_r(request), 0);
}

/* libfcgi puts FCGI_ROLE in front. */
static void
oracle_compare(const FCGX_Request *request, const struct taken *t)
{
	char *const *at = request->envp + 1;
	ck_assert_int_eq(request->keepConnection != 0, t->gate.keep);
	for (size_t i = 0; i < t->params.n; i++) {
		struct slice value = slice_of(at[i]), name = slice_cut(&value, '=');
		ck_assert(slice_equal(name, t->params.items[i].name));
		ck_assert(slice_equal(value, t->params.items[i].value));
	}
	ck_assert_ptr_null(at[t->params.n]);
}

START_TEST(what_the_gate_lets_through_is_what_libfcgi_reads)
{
	struct taken *t = calloc(1, sizeof(*t));
	struct buf params = { 0 }, seed = { 0 };
	unsigned state = 2026, passed = 0;
	FCGX_Request request;
	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(FCGX_Init(), 0);
	params_make(&params, SLICE("a=b; c=d"));
	wire_head(&seed, 1, true, buf_as_slice(&params), 150);
	wire_record(&seed, WIRE_STDIN, 1, SLICE(""), 0);
	for (int i = 0; i < MUTANTS; i++) {
		struct slice bytes = wire_mutant(&state, buf_as_slice(&seed), 3);
		/* libfcgi takes the padding of a BEGIN_REQUEST for the next record. */
		if (taken_from(t, bytes) == GATE_READY && bytes.at[WIRE_PADDING_AT] == 0) {
			oracle_read(&request, (struct slice){ bytes.at, t->gate.head_bytes },
			    t->gate.request_id);
			oracle_compare(&request, t);
			FCGX_Free(&request, 1);
			passed++;
		}
		wire_mutant_free(bytes);
	}
	ck_assert_uint_gt(passed, MUTANTS / 10);
	buf_free(&params);
	buf_free(&seed);
	free(t);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("params");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, all_are_there_however_they_are_cut, 0, COUNT(large_sizes));
	tcase_add_test(tests, as_many_as_the_gate_lets_through_are_all_there);
	tcase_add_test(tests, none_are_none);
	tcase_add_test(tests, one_that_does_not_end_is_not_taken);
	tcase_add_test(tests, what_the_gate_lets_through_is_what_libfcgi_reads);
	return suite_run("proxy/params", tests);
}
