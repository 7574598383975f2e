/* fuzz_target.c -- URLs, paths and hosts of any bytes: what is let through has one spelling. */
#include "fuzz.h"
#include "http/target.h"

static void
target_check_path(struct slice bytes, struct arena *arena)
{
	struct slice path, again;

	if (http_path_encode(bytes, arena, &path) == 0) {
		assert(path.at[0] == '/');
		assert(http_percent_decode(path, arena, &again) == 0 && slice_equal(again, bytes));
	}
	if (http_path_normalise(bytes, arena, &path) == 0) {
		assert(path.at[0] == '/');
		assert(http_path_normalise(path, arena, &again) == 0 && slice_equal(again, path));
	}
}

static void
target_check_host(struct slice bytes, struct arena *arena)
{
	struct slice host, again;

	if (http_host_normalise(bytes, SLICE("http"), arena, &host) == 0)
		assert(http_host_normalise(host, SLICE("http"), arena, &again) == 0 &&
		       slice_equal(again, host));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct slice bytes = fuzz_input(data, size);
	struct http_url url;

	target_check_path(bytes, &arena);
	target_check_host(bytes, &arena);
	if (http_url_parse(bytes, &arena, &url) == 0) {
		assert(url.path.len > 0 && url.path.at[0] == '/');
		assert(url.query.at == NULL || http_query_is_valid(url.query));
	}
	arena_fini(&arena);
	return 0;
}
