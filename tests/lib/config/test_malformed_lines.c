/* test_malformed_lines.c -- Files that are broken in their lines, headers and references, each with
 * its exact message.
 */
#include "config/config.h"
#include "suite.h"

#include <errno.h>

#define KINDS "[dory], [admin], [backend NAME], [bloat NAME] or [route NAME]\n"
#define NAME "with up to 40 letters, digits, \"-\", \"_\" and \".\"\n"
#define X40 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X100 X40 X40 "xxxxxxxxxxxxxxxxxxxx"
#define BACKEND "[backend a]\nurl = http://x\n"
#define BLOAT BACKEND "[bloat p]\n"
#define ROUTE BACKEND "[route r]\n"
#define MATCH ROUTE "match = GET /\n"
#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

/* The whole of what is reported, all findings of the file in the order of their lines. */
static const struct {
	const char *name;
	struct slice text;
	const char *want;
} malformed_cases[] = {
	{ "file that is empty", TEXT(""),
	    "dory.ini: no [backend NAME] section; write one with url = http://HOST:PORT\n" },
	{ "file without a backend",
	    TEXT("[dory]\n"
		 "size = 1G\n"),
	    "dory.ini: no [backend NAME] section; write one with url = http://HOST:PORT\n" },
	{ "key before the first section",
	    TEXT("size = 1G\n"
		 "[backend a]\n"
		 "url = http://x\n"),
	    "dory.ini:1: size stands before the first section; begin with one of " KINDS },
	{ "line of 199 bytes", TEXT(BACKEND "# " X100 X40 X40 "xxxxxxxxxxxxxxxxx\n"),
	    "dory.ini:3: line of 199 bytes; write at most 198, with repeatable keys on lines of "
	    "their own\n" },
	{ "key line of 500 bytes",
	    TEXT(BLOAT "key = " X100 X100 X100 X100 X40 X40 "xxxxxxxxxxxxxx\n"),
	    "dory.ini:4: line of 500 bytes; write at most 198, with repeatable keys on lines of "
	    "their own\n" },
	{ "line that begins with a blank",
	    TEXT(BLOAT "timeout = 1s\n"
		       "  grace = 2s\n"),
	    "dory.ini:5: line begins with a blank; write it at the margin\n" },
	{ "line that begins with a tab", TEXT(BLOAT "\011timeout = 1s\n"),
	    "dory.ini:4: line begins with a blank; write it at the margin\n" },
	{ "header that begins with a blank",
	    TEXT(BACKEND " [bloat p]\n"
			 "timeout = 1s\n"),
	    "dory.ini:3: line begins with a blank; write it at the margin\n" },
	{ "line with a control byte", TEXT(BLOAT "key = a\001b\n"),
	    "dory.ini:4: control byte 0x01 in the line; write printable characters\n" },
	{ "line with a carriage return inside", TEXT(BLOAT "key = a\015b\n"),
	    "dory.ini:4: control byte 0x0d in the line; write printable characters\n" },
	{ "comment with an escape", TEXT(BACKEND "; \033[2J\n"),
	    "dory.ini:3: control byte 0x1b in the line; write printable characters\n" },
	{ "line with delete", TEXT(BLOAT "prefix = \177\n"),
	    "dory.ini:4: control byte 0x7f in the line; write printable characters\n" },
	{ "line without equals", TEXT(BLOAT "timeout 30s\n"),
	    "dory.ini:4: no \"=\" in the line; write KEY = VALUE\n" },
	{ "line without equals before its comment", TEXT(BLOAT "timeout ; = 30s\n"),
	    "dory.ini:4: no \"=\" in the line; write KEY = VALUE\n" },
	{ "line with a colon", TEXT(BLOAT "timeout: 30s\n"),
	    "dory.ini:4: \":\" where \"=\" is expected; write KEY = VALUE\n" },
	{ "line without a key", TEXT(BLOAT "= 30s\n"),
	    "dory.ini:4: no key before \"=\"; write KEY = VALUE\n" },
	{ "header without its bracket",
	    TEXT(BACKEND "[bloat p\n"
			 "timeout = 3x\n"),
	    "dory.ini:3: section without \"]\"; write one like [bloat product]\n" },
	{ "header closed in a comment",
	    TEXT(BACKEND "[bloat p ;]\n"
			 "timeout = 3x\n"),
	    "dory.ini:3: section without \"]\"; write one like [bloat product]\n" },
	{ "header with text behind", TEXT(BACKEND "[bloat p] timeout = 3x\n"),
	    "dory.ini:3: text behind \"]\"; write it on a line of its own\n" },
	{ "header with two brackets", TEXT(BACKEND "[bloat p]]\n"),
	    "dory.ini:3: text behind \"]\"; write it on a line of its own\n" },
	{ "header of 49 bytes", TEXT(BACKEND "[backend " X40 "x]\n"),
	    "dory.ini:3: section name of more than 48 bytes; write at most 40 behind the kind\n" },
	{ "header that is empty", TEXT(BACKEND "[]\n"),
	    "dory.ini:3: unknown section []; write one of " KINDS },
	{ "unknown section near a known",
	    TEXT(BACKEND "[blot p]\n"
			 "timeout = 3x\n"),
	    "dory.ini:3: unknown section [blot p]; did you mean [bloat NAME]?\n" },
	{ "unknown section near one without a name",
	    TEXT(BACKEND "[Dory]\n"
			 "size = 3x\n"),
	    "dory.ini:3: unknown section [Dory]; did you mean [dory]?\n" },
	{ "unknown section near none",
	    TEXT(BACKEND "[cache]\n"
			 "size = 3x\n"),
	    "dory.ini:3: unknown section [cache]; write one of " KINDS },
	{ "bloat without a name",
	    TEXT(BACKEND "[bloat]\n"
			 "timeout = 3x\n"),
	    "dory.ini:3: [bloat] needs a name; write [bloat NAME] " NAME },
	{ "bloat with two names", TEXT(BACKEND "[bloat a b]\n"),
	    "dory.ini:3: [bloat a b] has a bad name; write [bloat NAME] " NAME },
	{ "bloat with a bad name", TEXT(BACKEND "[bloat a/b]\n"),
	    "dory.ini:3: [bloat a/b] has a bad name; write [bloat NAME] " NAME },
	{ "name of 41 bytes", TEXT(BACKEND "[route " X40 "x]\n"),
	    "dory.ini:3: [route " X40 "x] has a bad name; write [route NAME] " NAME },
	{ "dory with a name", TEXT(BACKEND "[dory x]\n"),
	    "dory.ini:3: [dory x] takes no name; write [dory]\n" },
	{ "dory twice",
	    TEXT("[dory]\n"
		 "[backend a]\n"
		 "url = http://x\n"
		 "[dory]\n"
		 "size = 3x\n"),
	    "dory.ini:4: [dory] stands in line 1 already; move its keys there\n"
	    "dory.ini:5: [dory] size: \"3x\" is no size; write one like 16M or 1G (1M to 64T)\n" },
	{ "admin twice",
	    TEXT("[admin]\n"
		 "[admin]\n"
		 "[backend a]\n"
		 "url = http://x\n"),
	    "dory.ini:2: [admin] stands in line 1 already; move its keys there\n" },
	{ "backend twice",
	    TEXT(BLOAT "[backend a]\n"
		       "url = http://x\n"),
	    "dory.ini:4: [backend a] stands in line 1 already; move its keys there or choose "
	    "another name\n" },
	{ "bloat twice",
	    TEXT(BLOAT "timeout = 1s\n"
		       "[bloat q]\n"
		       "[bloat p]\n"
		       "grace = 1s\n"),
	    "dory.ini:6: [bloat p] stands in line 3 already; move its keys there or choose another "
	    "name\n" },
	{ "route twice",
	    TEXT(MATCH "[route r]\n"
		       "match = GET /b\n"),
	    "dory.ini:5: [route r] stands in line 3 already; move its keys there or choose another "
	    "name\n" },
	{ "prefix twice",
	    TEXT(BLOAT "[bloat q]\n"
		       "prefix = p\n"),
	    "dory.ini:4: [bloat q] prefix: \"p\" is the prefix of [bloat p] in line 3 already; "
	    "choose another\n" },
	{ "route without a match", TEXT(ROUTE "bloat = p()\n"),
	    "dory.ini:3: [route r] has no match; write match = GET /product/{id:uint}\n" },
	{ "route with an unknown backend", TEXT(MATCH "backend = b\n"),
	    "dory.ini:5: [route r] backend: there is no [backend b]; write the NAME of a [backend "
	    "NAME]\n" },
	{ "route with an unknown backend near a known",
	    TEXT("[backend shop]\n"
		 "url = http://x\n"
		 "[route r]\n"
		 "match = GET /\n"
		 "backend = shpo\n"),
	    "dory.ini:5: [route r] backend: there is no [backend shpo]; did you mean \"shop\"?\n" },
	{ "dory with an unknown backend",
	    TEXT("[dory]\n"
		 "backend = webshop\n"
		 "[backend a]\n"
		 "url = http://x\n"),
	    "dory.ini:2: [dory] backend: there is no [backend webshop]; write the NAME of a "
	    "[backend NAME]\n" },
	{ "route without a backend of two",
	    TEXT("[backend b]\n"
		 "url = http://y\n"
		 "[backend a]\n"
		 "url = http://x\n"
		 "[route r]\n"
		 "match = GET /\n"),
	    "dory.ini:5: [route r] needs a backend, as there are 2; write backend = NAME here or "
	    "in [dory]\n" },
	{ "route of a header that was refused",
	    TEXT(BACKEND "[backend b\n"
			 "url = http://y\n"
			 "[route r]\n"
			 "match = GET /\n"
			 "backend = b\n"),
	    "dory.ini:3: section without \"]\"; write one like [bloat product]\n" },
	{ "route whose match was refused", TEXT(ROUTE "match GET /\n"),
	    "dory.ini:4: no \"=\" in the line; write KEY = VALUE\n" },
	{ "line with a nul byte", TEXT(BLOAT "key = a\000b\n"),
	    "dory.ini:4: NUL byte in the line; write the file as plain text in UTF-8\n" },
	{ "file in utf16", TEXT("\377\376[\000d\000o\000"),
	    "dory.ini: no [backend NAME] section; write one with url = http://HOST:PORT\n"
	    "dory.ini:1: NUL byte in the line; write the file as plain text in UTF-8\n" },
};

START_TEST(a_malformed_file_is_refused_with_its_message)
{
	struct slice text = malformed_cases[_i].text;
	const char *name = malformed_cases[_i].name, *want = malformed_cases[_i].want;
	struct config_errors errors = { 0 };
	struct config *config = NULL;
	FILE *stream = fmemopen((void *)(uintptr_t)text.at, text.len, "r");

	ck_assert_ptr_nonnull(stream);
	int rc = config_read(stream, "dory.ini", &config, &errors);
	fclose(stream);
	ck_assert_msg(rc == -EINVAL, "%s: returned %d", name, rc);
	ck_assert_msg(config != NULL, "%s: what could be read is not there", name);
	struct slice got = buf_as_slice(&errors.text);
	ck_assert_msg(slice_equal(got, slice_of(want)), "%s: wanted\n%sgot\n%.*s", name, want,
	    SLICE_ARGS(got));
	config_free(config);
	config_errors_free(&errors);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("malformed_lines");
	tcase_add_loop_test(
	    tests, a_malformed_file_is_refused_with_its_message, 0, COUNT(malformed_cases));
	return suite_run("lib/config/malformed_lines", tests);
}
