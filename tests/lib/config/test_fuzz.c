/* test_fuzz.c -- Whatever bytes the file holds, reading it ends with a configuration or a finding.
 */
#include "config/config.h"
#include "lib/config/paths.h"
#include "suite.h"

#include <errno.h>

enum { FUZZ_ROUNDS = 20000, FUZZ_TEXT_MAX = 64 * 1024, FUZZ_GROWTH = 512 };

static unsigned
fuzz_random(uint64_t *state, size_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)((*state >> 33) % below);
}

/* Bytes that mean something to the reader are more likely than others. */
static char
fuzz_byte(uint64_t *state)
{
	static const char telling[] = "\n\n\r\0[]=:; \t,#\"|{}()*/-019smhdKMG\xef\xbb\xbf\x7f\x1b";
	if (fuzz_random(state, 4) == 0)
		return (char)fuzz_random(state, 256);
	return telling[fuzz_random(state, sizeof(telling))];
}

/* Change, drop, double or repeat some of the text. Returns its new length. */
static size_t
fuzz_mutate(char *text, size_t len, uint64_t *state)
{
	size_t at = fuzz_random(state, len), n = 1 + fuzz_random(state, 40);

	n = n < len - at ? n : len - at - 1;
	switch (fuzz_random(state, 5)) {
	case 0:
		text[at] = fuzz_byte(state);
		return len;
	case 1:
		memmove(text + at, text + at + n, len - at - n);
		return len - n;
	case 2:
		memmove(text + at + n, text + at, len - at);
		return len + n;
	case 3:
		memmove(text + at, text + fuzz_random(state, len - n), n);
		return len;
	default:
		memmove(text + at + FUZZ_GROWTH, text + at, len - at);
		memset(text + at, fuzz_byte(state), FUZZ_GROWTH);
		return len + FUZZ_GROWTH;
	}
}

static size_t
fuzz_read(const char *path, char *text)
{
	FILE *stream = fopen(path, "r");

	ck_assert_ptr_nonnull(stream);
	size_t len = fread(text, 1, FUZZ_TEXT_MAX / 4, stream);
	ck_assert_uint_gt(len, 0);
	fclose(stream);
	return len;
}

static void
fuzz_round(char *text, size_t len, unsigned *loaded)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	FILE *stream = fmemopen(text, len, "r");

	ck_assert_ptr_nonnull(stream);
	int rc = config_read(stream, "f", &config, &errors);
	fclose(stream);
	ck_assert(rc == 0 || rc == -EINVAL);
	ck_assert(config != NULL && (rc == 0) == (errors.n == 0));
	*loaded += rc == 0;
	config_free(config);
	config_errors_free(&errors);
}

START_TEST(mutated_files_are_read_or_refused)
{
	static const char *const paths[] = { CONFIG_DIRECTORY "/dory.ini",
		CONFIG_DIRECTORY "/reference.ini" };
	static char seed[FUZZ_TEXT_MAX], text[FUZZ_TEXT_MAX];
	uint64_t state = 2026;
	unsigned loaded = 0;
	size_t seed_len = fuzz_read(paths[_i], seed);

	for (unsigned i = 0; i < FUZZ_ROUNDS / COUNT(paths); i++) {
		size_t len = seed_len;
		memcpy(text, seed, seed_len);
		for (unsigned n = 1 + fuzz_random(&state, 8); n > 0; n--)
			len = fuzz_mutate(text, len, &state);
		fuzz_round(text, len, &loaded);
	}
	ck_assert_uint_gt(loaded, 100);
	ck_assert_uint_lt(loaded, FUZZ_ROUNDS / COUNT(paths) - 1000);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("fuzz");
	tcase_set_timeout(tests, 110);
	tcase_add_loop_test(tests, mutated_files_are_read_or_refused, 0, 2);
	return suite_run("lib/config/fuzz", tests);
}
