/* fuzz_etag.c -- Entity tags and conditions of any bytes: first line, and the rest. */
#include "fuzz.h"
#include "http/validation.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = fuzz_input(data, size), etag = slice_cut(&rest, '\n');
	struct slice none = { NULL, 0 };

	assert(http_etag_match_weak(etag, rest) == http_etag_match_weak(rest, etag));
	if (etag.len > 0 && http_etag_is_valid(etag))
		assert(http_etag_match_weak(etag, etag));
	(void)http_not_modified(rest, none, etag, none, 1767225600);
	(void)http_not_modified(none, rest, none, etag, 1767225600);
	return 0;
}
