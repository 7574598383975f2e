/* finding.c -- A sentence about what is wrong with a text, and what to write instead. */
#include "route/finding.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int
finding_set(struct finding *f, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
	for (char *at = f->text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	}
	return -EINVAL;
}

int
finding_unknown(struct finding *f, const char *what, struct slice name, const char *const *names,
    size_t n, const char *advice)
{
	const char *near = n == 0 ? NULL : config_nearest(name, names, n);

	if (near != NULL)
		return finding_set(
		    f, "unknown %s \"%.*s\"; did you mean \"%s\"?", what, SLICE_ARGS(name), near);
	return finding_set(f, "unknown %s \"%.*s\"; %s", what, SLICE_ARGS(name), advice);
}

int
finding_note(const struct finding *f, int rc, const struct compile *c, struct finding_place place)
{
	if (rc == -EINVAL)
		config_error(c->errors, c->config->file, place.line, "[%s %s] %s: %s",
		    place.section, place.name, place.setting, f->text);
	return rc == -ENOMEM ? -ENOMEM : 0;
}

static bool
finding_separates(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

bool
finding_next_word(struct slice *rest, struct slice *word)
{
	size_t start = 0, end;

	while (start < rest->len && finding_separates(rest->at[start]))
		start++;
	for (end = start; end < rest->len && !finding_separates(rest->at[end]);)
		end++;
	*word = (struct slice){ rest->at == NULL ? NULL : rest->at + start, end - start };
	*rest = (struct slice){ rest->at == NULL ? NULL : rest->at + end, rest->len - end };
	return word->len > 0;
}
