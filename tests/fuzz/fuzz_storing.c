/* fuzz_storing.c -- Heads of any bytes, judged: what is stored ages by numbers that make sense. */
#include "fuzz.h"
#include "http/storing.h"
#include "http/wish.h"

enum { STORING_FIELDS = 32 };

static struct http_fields
storing_read_head(struct slice head, struct http_field *items)
{
	struct http_fields fields = { items, 0 };
	struct slice line, all = head;
	struct http_field field;

	while (fields.n < STORING_FIELDS && http_head_next(&head, &field, &line)) {
		assert(line.at >= all.at && line.at + line.len <= all.at + all.len);
		if (field.value.at != NULL && http_is_token(field.name) &&
		    http_is_field_value(field.value))
			items[fields.n++] = field;
	}
	return fields;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum storing_origin origins[] = { STORING_OBEY, STORING_CAP, STORING_IGNORE };
	struct http_field items[STORING_FIELDS];
	struct http_fields fields = storing_read_head(fuzz_input(data, size), items);
	struct cache_control wish = wish_read(&fields);
	struct arena arena = { 0 };

	for (size_t i = 0; i < COUNT(origins); i++) {
		const struct http_response response = { 200, fields };
		const struct storing_policy policy = { origins[i], true, .timeout_s = 60,
			.grace_s = 10, .keep_s = 5 };
		struct storing s =
		    storing_judge(&response, &policy, false, 1767225600, 1767225601, &arena);
		assert(s.age_s >= 0 && s.lifetime_s >= 0 && s.grace_s >= 0);
		assert(s.stale_if_error_s >= 0 && s.keep_s >= 0);
		enum freshness stands = storing_freshness(&s, s.age_s, false);
		(void)wish_freshness(&wish, &s, s.age_s, false);
		/* Time and soft deflates make nothing fresh. */
		if (stands != FRESHNESS_FRESH)
			assert(storing_freshness(&s, s.age_s + 1, false) != FRESHNESS_FRESH);
		assert(storing_freshness(&s, s.age_s, true) != FRESHNESS_FRESH);
	}
	arena_fini(&arena);
	return 0;
}
