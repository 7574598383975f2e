/* fuzz_reference.c -- URL references of any bytes: what is one has a path. */
#include "fuzz.h"
#include "http/reference.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct http_request request = { .scheme = SLICE("http"),
		.host = SLICE("a"),
		.path = SLICE("/b/c/d"),
		.query = { NULL, 0 } };
	struct http_url url;

	if (reference_resolve(&request, fuzz_input(data, size), &arena, &url) == 0)
		assert(url.path.len > 0 && url.path.at[0] == '/' && url.host.len > 0);
	arena_fini(&arena);
	return 0;
}
