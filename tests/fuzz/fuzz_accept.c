/* fuzz_accept.c -- Accept-Language and Accept-Encoding of any bytes: one spelling, one language. */
#include "fuzz.h"
#include "http/chars.h"
#include "http/negotiate.h"
#include "http/preference.h"

#include <stdlib.h>

/* Case makes no difference. */
static void
accept_check_spelling(struct slice value)
{
	char *lower = malloc(value.len + 1);
	char *once = malloc(value.len + 1), *twice = malloc(value.len + 1);

	assert(lower != NULL && once != NULL && twice != NULL);
	for (size_t i = 0; i < value.len; i++)
		lower[i] = chars_lower(value.at[i]);
	size_t len = preference_normalise(value, once);
	assert(len <= value.len);
	size_t again = preference_normalise((struct slice){ lower, value.len }, twice);
	assert(slice_equal((struct slice){ once, len }, (struct slice){ twice, again }));
	free(lower);
	free(once);
	free(twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct slice languages[] = { { "de", 2 }, { "en", 2 }, { "en-GB", 5 } };
	struct slice value = fuzz_input(data, size), first = preference_first(value);

	accept_check_spelling(value);
	assert(negotiate_language(value, languages, COUNT(languages)) < COUNT(languages));
	if (first.at != NULL)
		assert(first.at >= value.at && first.at + first.len <= value.at + value.len);
	return 0;
}
