/* fuzz_vary.c -- Vary, and the fields it names, of any bytes: first line and the rest. */
#include "fuzz.h"
#include "http/preference.h"
#include "http/vary.h"

#include <stdlib.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct slice rest = fuzz_input(data, size), vary = slice_cut(&rest, '\n'), names, values;
	struct http_field field = { SLICE("Vary"), vary };
	struct http_field items[] = { { SLICE("accept-language"), rest }, { SLICE("a"), rest } };
	struct http_request request = { .fields = { items, COUNT(items) } };
	char *at = malloc(rest.len + 1);

	if (vary_names(&(struct http_fields){ &field, 1 }, &arena, &names) == 0 &&
	    vary_values(names, &request, &arena, &values) == 0)
		assert(names.len <= VARY_BYTES_MAX);
	if (at != NULL)
		assert(preference_normalise(rest, at) <= rest.len);
	free(at);
	arena_fini(&arena);
	return 0;
}
