/* fuzz_structured.c -- Dictionaries of any bytes: reading ends, and stays within them. */
#include "fuzz.h"
#include "http/structured.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct structured_member member;
	struct slice rest = fuzz_input(data, size);
	size_t before = size + 1;

	while (structured_next(&rest, &member) == 1) {
		assert(rest.len < before);
		before = rest.len;
		assert(member.key.len > 0 && member.key.len <= size);
	}
	return 0;
}
