/* loader.c -- The file, line by line: the only door to inih. */
#include "config/references.h"
#include "config/sections.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>

/*
 * What inih takes whole, as Debian builds it: its line buffer has 200 bytes and its section name
 * 50. It cuts longer ones without a word, and takes a line that begins with a blank as more of the
 * value before. Nothing of that kind reaches it.
 */
enum {
	LOADER_LINE_MAX = 198,
	LOADER_SECTION_MAX = 48,
	LOADER_FILE_MAX = 16 << 20,
};

struct loader_line {
	char text[LOADER_LINE_MAX + 1];
	size_t len;  /* Of the whole line, however much of it is in text. */
	int control; /* The first byte that is no text, or -1. */
};

struct loader {
	FILE *stream;
	const char *file;
	struct config_errors *errors;
	struct sections sections;
	unsigned line;
	size_t bytes;
	int read_error; /* errno of the stream; 0. */
	bool ended;
};

static void
loader_refuse(struct loader *l, const char *why)
{
	config_error(l->errors, l->file, l->line, "%s", why);
	sections_damage(&l->sections);
}

/* One byte, or EOF. The carriage return of CR LF is left out. */
static int
loader_getc(struct loader *l)
{
	int c = getc_unlocked(l->stream);

	if (c == '\r') {
		int next = getc_unlocked(l->stream);
		if (next == '\n' || next == EOF)
			c = next;
		else
			ungetc(next, l->stream);
	}
	if (c == EOF && ferror(l->stream))
		l->read_error = errno == 0 ? EIO : errno;
	return c;
}

static bool
loader_is_control(int c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* Read a line without its end. Returns whether there was one. */
static bool
loader_read(struct loader *l, struct loader_line *out)
{
	int c;

	out->len = 0;
	out->control = -1;
	if (l->ended)
		return false;
	while ((c = loader_getc(l)) != EOF && c != '\n' && l->bytes < LOADER_FILE_MAX) {
		if (loader_is_control(c) && out->control < 0)
			out->control = c;
		if (out->len < sizeof(out->text))
			out->text[out->len] = (char)c;
		out->len++;
		l->bytes++;
	}
	l->bytes++;
	l->ended = c != '\n' || l->bytes > LOADER_FILE_MAX;
	return out->len > 0 || c == '\n';
}

/* inih's own idea of where a comment behind a value begins. */
static size_t
loader_find(struct slice s, const char *wanted)
{
	bool blank = false;

	for (size_t i = 0; i < s.len; i++) {
		if (strchr(wanted, s.at[i]) != NULL || (blank && s.at[i] == ';'))
			return i;
		blank = s.at[i] == ' ' || s.at[i] == '\t';
	}
	return s.len;
}

/* A line that begins with "[". Returns whether inih may see it. */
static bool
loader_take_header(struct loader *l, struct slice text)
{
	struct slice name = { text.at + 1, text.len - 1 };
	const char *flaw = NULL;

	name.len = loader_find(name, "]");
	struct slice rest = { text.at + 1 + name.len, text.len - 1 - name.len };
	struct slice behind = rest.len == 0 ? rest : (struct slice){ rest.at + 1, rest.len - 1 };
	behind = slice_trim(behind);
	if (rest.len == 0 || rest.at[0] != ']')
		flaw = "section without \"]\"; write one like [bloat product]";
	else if (behind.len > 0 && behind.at[0] != ';')
		flaw = "text behind \"]\"; write it on a line of its own";
	else if (name.len > LOADER_SECTION_MAX)
		flaw = "section name of more than 48 bytes; write at most 40 behind the kind";
	if (flaw == NULL) {
		sections_begin(&l->sections, name, l->line);
		return true;
	}
	sections_lose(&l->sections);
	config_error(l->errors, l->file, l->line, "%s", flaw);
	return false;
}

/* A line that should be KEY = VALUE. Returns whether inih may see it. */
static bool
loader_take_key(struct loader *l, struct slice text)
{
	size_t at = loader_find(text, "=:");

	if (at == text.len || text.at[at] == ';')
		loader_refuse(l, "no \"=\" in the line; write KEY = VALUE");
	else if (text.at[at] == ':')
		loader_refuse(l, "\":\" where \"=\" is expected; write KEY = VALUE");
	else if (slice_trim((struct slice){ text.at, at }).len == 0)
		loader_refuse(l, "no key before \"=\"; write KEY = VALUE");
	else
		return true;
	return false;
}

/* Bytes that no line may have. Returns whether the line has some. */
static bool
loader_is_spoilt(struct loader *l, const struct loader_line *line)
{
	if (line->control == 0)
		loader_refuse(l, "NUL byte in the line; write the file as plain text in UTF-8");
	else if (line->control > 0) {
		config_error(l->errors, l->file, l->line,
		    "control byte 0x%02x in the line; write printable characters",
		    (unsigned)line->control);
		sections_damage(&l->sections);
	} else if (line->len > LOADER_LINE_MAX) {
		config_error(l->errors, l->file, l->line,
		    "line of %zu bytes; write at most %d, with repeatable keys on lines of their "
		    "own",
		    line->len, LOADER_LINE_MAX);
		sections_damage(&l->sections);
	} else {
		return false;
	}
	if (line->text[0] == '[')
		sections_lose(&l->sections);
	return true;
}

/* Look at a line before inih does. What it is to see; empty for a line that was refused. */
static struct slice
loader_take(struct loader *l, const struct loader_line *line)
{
	struct slice text = { line->text, line->len }, bom = SLICE("\xef\xbb\xbf");
	struct slice none = { "", 0 };

	if (l->line == 1 && line->len <= LOADER_LINE_MAX && slice_starts_with(text, bom))
		text = (struct slice){ text.at + bom.len, text.len - bom.len };
	if (loader_is_spoilt(l, line))
		return none;
	struct slice trimmed = slice_trim(text);
	if (trimmed.len == 0 || trimmed.at[0] == ';' || trimmed.at[0] == '#')
		return none;
	if (trimmed.at != text.at) {
		loader_refuse(l, "line begins with a blank; write it at the margin");
		if (trimmed.at[0] == '[')
			sections_lose(&l->sections);
		return none;
	}
	bool good = text.at[0] == '[' ? loader_take_header(l, text) : loader_take_key(l, text);
	return good ? text : none;
}

/* inih's reader: the next line. A refused one is replaced by an empty one, so inih goes on. */
static char *
loader_next(char *out, int size, void *user)
{
	struct loader *l = user;
	struct loader_line line;

	if (!loader_read(l, &line))
		return NULL;
	l->line++;
	struct slice text = loader_take(l, &line);
	if (text.len + 2 > (size_t)size) {
		loader_refuse(l, "line is longer than this inih takes; write a shorter one");
		text.len = 0;
	}
	memcpy(out, text.at, text.len);
	memcpy(out + text.len, "\n", 2);
	return out;
}

/* inih's handler. It is called before the next line is read, so l->line is that of the key. */
static int
loader_handle(void *user, const char *section, const char *key, const char *value)
{
	struct loader *l = user;

	(void)section; /* sections_begin() knows empty sections too. */
	sections_set(&l->sections, slice_of(key), slice_of(value), l->line);
	return 1;
}

static int
loader_run(struct loader *l, struct config *c)
{
	int rc = ini_parse_stream(loader_next, l, loader_handle, l);

	if (l->read_error != 0) {
		config_error(l->errors, NULL, 0, "cannot read %s: %s; name one with -c FILE",
		    l->file, strerror(l->read_error));
		return -l->read_error;
	}
	if (rc < 0)
		return -ENOMEM;
	if (rc > 0)
		config_error(l->errors, l->file, (unsigned)rc,
		    "line cannot be understood; write [SECTION] or KEY = VALUE");
	if (l->bytes > LOADER_FILE_MAX)
		config_error(
		    l->errors, l->file, l->line, "file of more than 16M; write a smaller one");
	rc = sections_end(&l->sections);
	return rc != 0 ? rc : references_check(c, l->sections.lost, l->errors);
}

/* The rest is also of use where something was wrong: others can find what they would find. */
int
config_read(FILE *stream, const char *name, struct config **out, struct config_errors *errors)
{
	struct loader l = { .stream = stream, .errors = errors };
	struct config *c = calloc(1, sizeof(*c));
	unsigned before = errors->n;
	int rc = -ENOMEM;

	if (c == NULL)
		return -ENOMEM;
	c->file = l.file = arena_copy(&c->arena, slice_of(name));
	l.sections.config = c;
	l.sections.errors = errors;
	if (c->file != NULL)
		rc = loader_run(&l, c);
	config_errors_sort(errors);
	if (rc == 0)
		rc = buf_error(&errors->text);
	if (rc == 0) {
		*out = c;
		c = NULL;
	}
	if (rc == 0 && errors->n > before)
		rc = -EINVAL;
	sections_fini(&l.sections);
	config_free(c);
	return rc;
}

int
config_load(const char *file, struct config **out, struct config_errors *errors)
{
	FILE *stream = fopen(file, "re");

	if (stream == NULL) {
		int rc = -errno;
		config_error(errors, NULL, 0, "cannot read %s: %s; name one with -c FILE", file,
		    strerror(-rc));
		return rc;
	}
	int rc = config_read(stream, file, out, errors);
	fclose(stream);
	return rc;
}

void
config_free(struct config *c)
{
	if (c == NULL)
		return;
	arena_fini(&c->arena);
	free(c);
}
