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
	struct range_content content;
	if (range_read_content(value, &content) == 0)
		assert(content.length > 0 && content.first < content.complete &&
		       content.length <= content.complete - content.first);
	/* What proves that bytes are the same is one of the two validators, byte for byte. */
	struct slice validator = range_validator(value, rest, 1767225600);
	if (validator.at != NULL)
		assert(slice_equal(validator, value) || slice_equal(validator, rest));
	struct range_set single;
	if (range_is_single(value))
		assert(range_read(value, UINT64_MAX, &single) == RANGE_PART && single.n == 1);
	/* What If-Range lets stand is one of the two validators, byte for byte. */
	if (range_if_range(rest, value, value, 1767225600) && rest.at != NULL)
		assert(slice_equal(rest, value));
	return 0;
}
