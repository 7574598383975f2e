/* test_site.c -- Only a token file that nobody else reads opens the admin path, and only whole
 * tokens. */
#include "site.h"
#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN "0123456789abcdef"

static char site_dir[64], site_ini[128], site_tokens[128];
static struct config_errors site_errors;

static void
site_write(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
}

static void
site_setup(void)
{
	char ini[512];
	strcpy(site_dir, "/tmp/dory-site-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(site_dir));
	snprintf(site_ini, sizeof(site_ini), "%s/dory.ini", site_dir);
	snprintf(site_tokens, sizeof(site_tokens), "%s/token", site_dir);
	snprintf(ini, sizeof(ini),
	    "[admin]\ntoken_file = %s\n[backend app]\nurl = http://127.0.0.1:1\n", site_tokens);
	site_write(site_ini, ini, 0600);
	site_errors = (struct config_errors){ 0 };
}

static void
site_teardown(void)
{
	unlink(site_tokens);
	unlink(site_ini);
	rmdir(site_dir);
	config_errors_free(&site_errors);
}

static const char *
site_findings(void)
{
	buf_char(&site_errors.text, '\0');
	ck_assert_int_eq(buf_error(&site_errors.text), 0);
	return site_errors.text.data;
}

static struct site *
site_with(const char *tokens)
{
	struct site *site = NULL;
	site_write(site_tokens, tokens, 0600);
	int rc = site_load(site_ini, &site, &site_errors);
	ck_assert_msg(rc == 0, "%s", site_findings());
	return site;
}

START_TEST(a_site_knows_its_tokens_whole_and_no_other)
{
	static const char *const others[] = { "", "0123456789abcde", TOKEN "0", TOKEN "\n",
		"0123456789ABCDEF", "# a comment of more than 16", "second-token-of-two " };
	struct site *site =
	    site_with("# a comment of more than 16\n\n  " TOKEN " \t\r\nsecond-token-of-two");
	ck_assert_uint_eq(site->n_tokens, 2);
	ck_assert(site_knows_token(site, SLICE(TOKEN)));
	ck_assert(site_knows_token(site, SLICE("second-token-of-two")));
	for (size_t i = 0; i < COUNT(others); i++)
		ck_assert_msg(!site_knows_token(site, slice_of(others[i])), "%s", others[i]);
	ck_assert(!site_knows_token(site, (struct slice){ NULL, 0 }));
	site_unref(site);
}
END_TEST

START_TEST(without_a_token_file_no_token_is_known)
{
	struct site *site = NULL;
	site_write(site_ini, "[backend app]\nurl = http://127.0.0.1:1\n", 0600);
	ck_assert_int_eq(site_load(site_ini, &site, &site_errors), 0);
	ck_assert_uint_eq(site->n_tokens, 0);
	ck_assert(!site_knows_token(site, SLICE("")));
	ck_assert(!site_knows_token(site, SLICE(TOKEN)));
	site_unref(site);
}
END_TEST

START_TEST(a_site_lives_until_its_last_user_leaves)
{
	struct site *site = site_with(TOKEN "\n");
	ck_assert(site_ref(site) == site);
	site_unref(site);
	ck_assert(site_knows_token(site, SLICE(TOKEN)));
	site_unref(site);
	site_unref(NULL);
}
END_TEST

/* "TOKEN\n" so many times. */
static void
site_write_tokens(size_t n)
{
	struct buf text = { 0 };
	for (size_t i = 0; i < n; i++)
		buf_text(&text, TOKEN "\n");
	buf_char(&text, '\0');
	site_write(site_tokens, text.data, 0600);
	buf_free(&text);
}

/* A comment so long that a token behind it is cut, wherever the file is. */
static void
site_write_long(size_t comment)
{
	struct buf text = { 0 };
	buf_text(&text, "#");
	while (text.len < comment)
		buf_char(&text, 'x');
	buf_text(&text, "\n" TOKEN TOKEN "\n");
	buf_char(&text, '\0');
	site_write(site_tokens, text.data, 0600);
	buf_free(&text);
}

static void
site_refuse(const char *want)
{
	struct site *site = NULL;
	ck_assert_int_eq(site_load(site_ini, &site, &site_errors), -EINVAL);
	ck_assert_ptr_null(site);
	const char *got = site_findings();
	ck_assert_msg(strstr(got, "dory.ini:2: [admin] token_file: ") != NULL, "%s", got);
	ck_assert_msg(strstr(got, want) != NULL, "%s", got);
}

START_TEST(a_file_that_others_may_read_is_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0601, 0666, 0644 };
	site_write(site_tokens, TOKEN "\n", modes[_i]);
	site_refuse("can be read by others (mode 06");
}
END_TEST

static const struct {
	const char *tokens;
	const char *want;
} bad_cases[] = {
	{ "", "holds no token" },
	{ "\n \n# only a comment\n", "holds no token" },
};

START_TEST(a_file_without_good_tokens_is_refused)
{
	site_write(site_tokens, bad_cases[_i].tokens, 0600);
	site_refuse(bad_cases[_i].want);
}
END_TEST

START_TEST(sixteen_tokens_are_the_most)
{
	struct site *site = NULL;
	site_write_tokens(SITE_TOKENS_MAX);
	ck_assert_int_eq(site_load(site_ini, &site, &site_errors), 0);
	ck_assert_uint_eq(site->n_tokens, SITE_TOKENS_MAX);
	site_unref(site);
	site_write_tokens(SITE_TOKENS_MAX + 1);
	site_refuse("more than 16 tokens");
}
END_TEST

START_TEST(a_file_is_read_whole_or_refused)
{
	struct site *site = NULL;
	size_t all = strlen("\n" TOKEN TOKEN "\n");
	site_write_long(8192 - all);
	ck_assert_int_eq(site_load(site_ini, &site, &site_errors), 0);
	ck_assert(site_knows_token(site, SLICE(TOKEN TOKEN)));
	site_unref(site);
	/* What is left of the token would be a good one. */
	site_write_long(8192 - all + 8);
	site_refuse("is longer than");
}
END_TEST

START_TEST(what_is_no_file_is_refused)
{
	site_refuse("cannot read");
	ck_assert_int_eq(mkfifo(site_tokens, 0600), 0);
	config_errors_free(&site_errors);
	site_errors = (struct config_errors){ 0 };
	site_refuse("is no file");
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("site");
	tcase_add_checked_fixture(tests, site_setup, site_teardown);
	tcase_add_test(tests, a_site_knows_its_tokens_whole_and_no_other);
	tcase_add_test(tests, without_a_token_file_no_token_is_known);
	tcase_add_test(tests, a_site_lives_until_its_last_user_leaves);
	tcase_add_loop_test(tests, a_file_that_others_may_read_is_refused, 0, 6);
	tcase_add_loop_test(tests, a_file_without_good_tokens_is_refused, 0, COUNT(bad_cases));
	tcase_add_test(tests, sixteen_tokens_are_the_most);
	tcase_add_test(tests, a_file_is_read_whole_or_refused);
	tcase_add_test(tests, what_is_no_file_is_refused);
	return suite_run("proxy/site", tests);
}
