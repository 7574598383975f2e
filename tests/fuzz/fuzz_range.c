/* fuzz_range.c -- Range and If-Range of any bytes: parts are within the body, and no more than it.
 */
#include "fuzz.h"
#include "http/range.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t sizes[] = { 0, 1, 1000, UINT64_MAX };
	struct slice rest = fuzz_input(data, size), value = slice_cut(&rest, '\n');

	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct range_set set;
		enum range_verdict verdict = range_read(value, sizes[i], &set);
		uint64_t total = 0;
		if (verdict != RANGE_PART && verdict != RANGE_SEVERAL)
			continue;
		assert(set.n > 0 && set.n <= RANGE_SET_MAX);
		for (size_t j = 0; j < set.n; j++) {
			assert(set.items[j].length > 0 && set.items[j].first < sizes[i]);
			assert(set.items[j].length <= sizes[i] - set.items[j].first);
			assert(set.items[j].length <= sizes[i] - total);
			total += set.items[j].length;
		}
	}
	/* What If-Range lets stand is one of the two validators, byte for byte. */
	if (range_if_range(rest, value, value, 1767225600) && rest.at != NULL)
		assert(slice_equal(rest, value));
	return 0;
}
