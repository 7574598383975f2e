/* fuzz_answer.c -- Header blocks of any bytes: what is let through can be sent on. */
#include "answer.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct answer answer = { .arena = &arena };
	struct slice rest = fuzz_input(data, size);
	enum answer_state state = ANSWER_WAITING;

	while (rest.at != NULL && rest.len > 0 && state != ANSWER_BAD) {
		const char *end = memchr(rest.at, '\n', rest.len);
		size_t len = end == NULL ? rest.len : (size_t)(end - rest.at) + 1;
		state = answer_take_line(&answer, (struct slice){ rest.at, len });
		rest = (struct slice){ rest.at + len, rest.len - len };
	}
	for (size_t i = 0; state == ANSWER_DONE && i < answer.response.fields.n; i++) {
		assert(http_is_token(answer.response.fields.items[i].name));
		assert(http_is_field_value(answer.response.fields.items[i].value));
	}
	arena_fini(&arena);
	return 0;
}
