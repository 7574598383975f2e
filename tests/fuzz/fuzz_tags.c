/* fuzz_tags.c -- Tags of any bytes, in each of the fields that name some: short, few, whole. */
#include "fuzz.h"
#include "http/tags.h"
#include "key/tuple.h"

#include <errno.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "Cache-Groups", "Surrogate-Key", "xkey", "Cache-Tag" };

	for (size_t i = 0; i < COUNT(names); i++) {
		struct http_field field = { slice_of(names[i]), fuzz_input(data, size) };
		struct buf tags = { 0 };
		unsigned n = 0;
		int rc = http_tags_append(&(struct http_fields){ &field, 1 }, &tags);
		assert(rc == 0 || rc == -E2BIG);
		struct slice rest = buf_as_slice(&tags), tag;
		for (; rest.len > 0; n++) {
			assert(tuple_next(&rest, &tag) == 0);
			assert(tag.len > 0 && tag.len <= HTTP_TAG_BYTES_MAX);
		}
		assert(n <= HTTP_TAGS_MAX);
		buf_free(&tags);
	}
	return 0;
}
