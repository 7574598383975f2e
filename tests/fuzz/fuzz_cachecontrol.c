/* fuzz_cachecontrol.c -- Cache-Control, targeted and Surrogate-Control fields of any bytes. */
#include "fuzz.h"
#include "http/cachecontrol.h"

static void
fuzz_check(const struct cache_control *cc)
{
	const int64_t most_s = (int64_t)1 << 31;

	assert(cc->max_age_s >= CC_ABSENT && cc->max_age_s <= most_s);
	assert(cc->s_maxage_s >= CC_ABSENT && cc->s_maxage_s <= most_s);
	assert(cc->stale_while_revalidate_s <= most_s && cc->stale_if_error_s <= most_s);
	assert(cc->no_cache || cc->no_cache_fields.at == NULL);
	assert(cc->is_private || cc->private_fields.at == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cache_control cc = cache_control_none();

	cache_control_add(&cc, fuzz_input(data, size));
	fuzz_check(&cc);
	cc = cache_control_none();
	if (cache_control_parse_targeted(&cc, fuzz_input(data, size)) == 0)
		fuzz_check(&cc);
	cc = cache_control_none();
	if (cache_control_parse_surrogate(&cc, fuzz_input(data, size)) == 0)
		fuzz_check(&cc);
	return 0;
}
