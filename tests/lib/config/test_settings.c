/* test_settings.c -- The table of settings holds, and the shipped files are what it says. */
#include "config/settings.h"
#include "lib/config/paths.h"
#include "suite.h"

#include "config/sections.h"
#include "config/values.h"

#include <stdlib.h>

/* values_set() writes enums as an int. */
_Static_assert(sizeof(enum config_client_control) == sizeof(int), "enum");
_Static_assert(sizeof(enum config_origin) == sizeof(int), "enum");
_Static_assert(sizeof(enum config_set_cookie) == sizeof(int), "enum");
_Static_assert(sizeof(enum config_deflate_mode) == sizeof(int), "enum");
_Static_assert(sizeof(enum config_authorization) == sizeof(int), "enum");

START_TEST(every_default_and_example_is_read)
{
	size_t n;
	const struct setting *rows = settings_of((enum settings_section)_i, &n);
	struct arena arena = { 0 };
	struct section *section = calloc(1, sizeof(*section));

	for (size_t i = 0; i < n; i++) {
		struct values_place place = { &arena, 1 };
		const char *flaw = "", *text = rows[i].initial;
		int rc;
		ck_assert_msg(text != NULL || rows[i].example != NULL, "%s", rows[i].key);
		if (text == NULL)
			text = rows[i].example;
		if (rows[i].type == SETTING_STATUS_MS)
			rc = values_set_status(
			    &rows[i], 404, slice_of(text), place, &section->at.bloat, &flaw);
		else
			rc = values_set(&rows[i], slice_of(text), place, &section->at, &flaw);
		ck_assert_msg(rc == 0, "%s = %s: %s", rows[i].key, text, flaw);
	}
	arena_fini(&arena);
	free(section);
}
END_TEST

START_TEST(every_row_is_whole_and_has_its_own_place_and_key)
{
	size_t n;
	const struct setting *rows = settings_of((enum settings_section)_i, &n);

	ck_assert_uint_le(n, SECTIONS_KEYS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct buf expect = { 0 };
		ck_assert_int_eq(rows[i].section, _i);
		size_t help = rows[i].help == NULL ? 0 : strlen(rows[i].help);
		ck_assert_msg(help > 10 && rows[i].help[help - 1] == '.', "%s", rows[i].key);
		settings_expect(&rows[i], &expect);
		ck_assert_msg(expect.len > 0, "%s", rows[i].key);
		buf_free(&expect);
		for (size_t j = 0; j < i; j++) {
			ck_assert_msg(rows[i].offset != rows[j].offset, "%s", rows[i].key);
			ck_assert_str_ne(rows[i].key, rows[j].key);
		}
	}
}
END_TEST

static struct config *
settings_load(FILE *stream)
{
	struct config_errors errors = { 0 };
	struct config *config = NULL;

	ck_assert_ptr_nonnull(stream);
	int rc = config_read(stream, "f", &config, &errors);
	ck_assert_msg(rc == 0, "%.*s", SLICE_ARGS(buf_as_slice(&errors.text)));
	fclose(stream);
	config_errors_free(&errors);
	return config;
}

START_TEST(the_shipped_example_loads)
{
	struct config *c = settings_load(fopen(CONFIG_DIRECTORY "/dory.ini", "r"));

	ck_assert_uint_eq(c->n_backends, 1);
	ck_assert_uint_eq(c->n_bloats, 2);
	ck_assert_uint_eq(c->n_routes, 3);
	config_free(c);
}
END_TEST

START_TEST(the_shipped_reference_is_the_printed_one_and_loads)
{
	struct buf printed = { 0 };
	FILE *shipped = fopen(CONFIG_DIRECTORY "/reference.ini", "r");
	static char text[64 * 1024];

	ck_assert_ptr_nonnull(shipped);
	config_print_reference(&printed);
	ck_assert_int_eq(buf_error(&printed), 0);
	struct slice file = { text, fread(text, 1, sizeof(text), shipped) };
	ck_assert_msg(slice_equal(file, buf_as_slice(&printed)), "it should read\n%.*s",
	    SLICE_ARGS(buf_as_slice(&printed)));
	rewind(shipped);
	config_free(settings_load(shipped));
	buf_free(&printed);
}
END_TEST

START_TEST(the_reference_loads_with_every_setting_uncommented)
{
	struct buf printed = { 0 }, active = { 0 };

	config_print_reference(&printed);
	struct slice rest = buf_as_slice(&printed);
	while (rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (line.len > 0 && line.at[0] == ';')
			line = (struct slice){ line.at + 1, line.len - 1 };
		buf_slice(&active, line);
		buf_char(&active, '\n');
	}
	struct config *c = settings_load(fmemopen(active.data, active.len, "r"));
	ck_assert_uint_eq(c->bloats[0].n_status_timeouts, 1);
	config_free(c);
	buf_free(&printed);
	buf_free(&active);
}
END_TEST

int
main(void)
{
	TCase *tests = tcase_create("settings");
	tcase_add_loop_test(tests, every_default_and_example_is_read, 0, SETTINGS_SECTIONS);
	tcase_add_loop_test(
	    tests, every_row_is_whole_and_has_its_own_place_and_key, 0, SETTINGS_SECTIONS);
	tcase_add_test(tests, the_shipped_example_loads);
	tcase_add_test(tests, the_shipped_reference_is_the_printed_one_and_loads);
	tcase_add_test(tests, the_reference_loads_with_every_setting_uncommented);
	return suite_run("lib/config/settings", tests);
}
