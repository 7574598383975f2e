/* reference.c -- The reference: every section and key as a commented INI file. */
#include "config/settings.h"

enum { REFERENCE_COLUMNS = 78 };

static const char reference_head[] =
    "# All that a configuration of Dory may hold. Printed by the program: do not edit.\n"
    "#\n"
    "# Lines that begin with # or ; are comments, and so is what follows a blank and a ; behind\n"
    "# a value. A line has at most 198 bytes and begins at the margin. A section stands once;\n"
    "# a key stands once in its section, save for url and match, which may be repeated.\n"
    "# NAME: up to 40 letters, digits, \"-\", \"_\" and \".\".\n"
    "# Lists are separated by blanks or commas. Durations have units, d h m s ms, in that\n"
    "# order: 1h30m. Sizes: 512, 64K, 16M, 1G, 1T.\n"
    "# Settings behind a ; are set to their defaults, or to an example where they have none.\n";

static const struct {
	const char *name; /* Of the example section. */
	const char *help;
} reference_sections[] = {
	[SETTINGS_DORY] = { "", "The program." },
	[SETTINGS_ADMIN] = { "", "Deflating, enabling and asking over HTTP." },
	[SETTINGS_BACKEND] = { " app",
	    "An application behind Dory: [backend NAME]. At least one." },
	[SETTINGS_BLOAT] = { " product", "A named kind of cached thing: [bloat NAME]." },
	[SETTINGS_ROUTE] = { " product",
	    "Which requests a bloat serves, or deflate it: [route NAME]. A route with neither "
	    "passes its requests to the backend." },
};

/* The text as comment lines, broken between words. */
static void
reference_wrap(struct slice text, struct buf *out)
{
	size_t column = 1;

	buf_char(out, '#');
	while (text.at != NULL) {
		struct slice word = slice_cut(&text, ' ');
		if (column + 1 + word.len > REFERENCE_COLUMNS) {
			buf_text(out, "\n#");
			column = 1;
		}
		buf_char(out, ' ');
		buf_slice(out, word);
		column += 1 + word.len;
	}
	buf_char(out, '\n');
}

static void
reference_setting(const struct setting *s, struct buf *out)
{
	struct buf text = { 0 };

	buf_text(&text, "Write ");
	settings_expect(s, &text);
	buf_char(&text, '.');
	buf_char(out, '\n');
	reference_wrap(slice_of(s->help), out);
	reference_wrap(buf_as_slice(&text), out);
	out->failed = out->failed || text.failed;
	buf_free(&text);
	const char *key = s->type == SETTING_STATUS_MS ? "timeout_404" : s->key;
	buf_printf(out, "%s%s = %s\n", s->required ? "" : ";", key,
	    s->initial == NULL ? s->example : s->initial);
}

void
config_print_reference(struct buf *out)
{
	buf_text(out, reference_head);
	for (unsigned i = 0; i < SETTINGS_SECTIONS; i++) {
		size_t n;
		const struct setting *rows = settings_of(i, &n);
		buf_char(out, '\n');
		reference_wrap(slice_of(reference_sections[i].help), out);
		buf_printf(out, "[%s%s]\n", settings_section_name(i), reference_sections[i].name);
		for (size_t row = 0; row < n; row++)
			reference_setting(&rows[row], out);
	}
}
