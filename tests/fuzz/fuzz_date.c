/* fuzz_date.c -- Dates of any bytes: what is one is written and read back the same. */
#include "fuzz.h"
#include "http/date.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[HTTP_DATE_SIZE];
	int64_t time_s, again_s;

	if (http_date_parse(fuzz_input(data, size), 1767225600, &time_s) != 0)
		return 0;
	http_date_format(time_s, text);
	int rc = http_date_parse(slice_of(text), 1767225600, &again_s);
	/* The leap second at the end of 9999 has no other name. */
	assert(rc == 0 && (again_s == time_s || time_s > 253402300799));
	return 0;
}
