/* fuzz_search.c -- No-Vary-Search and queries of any bytes: what is left of one is stable. */
#include "base/arena.h"
#include "fuzz.h"
#include "http/search.h"

/* The first line is the field, the rest the query. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice query = fuzz_input(data, size), value = slice_cut(&query, '\n');
	struct http_field field = { SLICE("no-vary-search"), value };
	struct http_fields fields = { &field, 1 };
	struct arena arena = { 0 };
	struct slice rule, once, twice;

	assert(search_rule(&fields, &arena, &rule) == 0);
	if (rule.len > 0 && search_reduce(rule, query, &arena, &once) == 0) {
		assert(search_reduce(rule, once, &arena, &twice) == 0);
		assert(slice_equal(once, twice));
	}
	arena_fini(&arena);
	return 0;
}
