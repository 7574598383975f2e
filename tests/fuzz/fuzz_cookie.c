/* fuzz_cookie.c -- Cookie of any bytes: every pair lies within it, and the first of a name is
 * found.
 */
#include "fuzz.h"
#include "http/cookie.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice all = fuzz_input(data, size), rest = all, name, value;
	size_t n = 0;

	while (cookie_next(&rest, &name, &value)) {
		assert(name.len + value.len <= size && n++ <= size);
		assert(cookie_find(all, name).at != NULL);
	}
	(void)cookie_find(all, SLICE("session"));
	return 0;
}
