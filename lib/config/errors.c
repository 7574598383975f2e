/* errors.c -- Findings about a configuration, gathered and put in the order of their lines. */
#include "config/config.h"

#include <stdarg.h>
#include <stdlib.h>

/* Where one finding stands in the text. */
struct errors_mark {
	unsigned line;
	unsigned order;
	size_t at;
	size_t len;
};

/* The text is one line a finding, whatever a file name or value holds. */
static void
errors_flatten(struct slice text, char *at)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.at[i];
		at[i] = c < 0x20 || c == 0x7f ? '?' : text.at[i];
	}
}

static void
errors_add(struct config_errors *e, unsigned line, struct slice text)
{
	struct errors_mark mark = { line, e->n, e->text.len, text.len + 1 };
	char *at = buf_reserve(&e->text, text.len + 1);

	if (at == NULL)
		return;
	errors_flatten(text, at);
	at[text.len] = '\n';
	e->text.len += text.len + 1;
	buf_append(&e->marks, &mark, sizeof(mark));
}

void
config_error(struct config_errors *e, const char *file, unsigned line, const char *format, ...)
{
	char *message = NULL;
	struct buf text = { 0 };
	va_list args;

	if (e->n++ > CONFIG_ERRORS_MAX)
		return;
	if (e->n > CONFIG_ERRORS_MAX) {
		errors_add(e, UINT32_MAX, SLICE("more is wrong, but not shown; mend this first"));
		return;
	}
	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		message = NULL;
	va_end(args);
	if (file != NULL)
		buf_printf(&text, "%s:", file);
	if (file != NULL && line > 0)
		buf_printf(&text, "%u:", line);
	buf_text(&text, file == NULL ? "" : " ");
	buf_text(&text, message == NULL ? "" : message);
	if (message == NULL || text.failed)
		e->text.failed = true;
	else
		errors_add(e, line, buf_as_slice(&text));
	free(message);
	buf_free(&text);
}

static int
errors_compare(const void *left, const void *right)
{
	const struct errors_mark *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

void
config_errors_sort(struct config_errors *e)
{
	struct buf sorted = { 0 };
	struct errors_mark *marks = (void *)e->marks.data;
	size_t n = e->marks.len / sizeof(*marks);

	if (e->text.failed || e->marks.failed || n == 0)
		return;
	qsort(marks, n, sizeof(*marks), errors_compare);
	for (size_t i = 0; i < n; i++) {
		size_t at = sorted.len;
		buf_append(&sorted, e->text.data + marks[i].at, marks[i].len);
		marks[i].at = at;
	}
	sorted.failed = sorted.failed || sorted.len != e->text.len;
	buf_free(&e->text);
	e->text = sorted;
}

void
config_errors_free(struct config_errors *e)
{
	buf_free(&e->text);
	buf_free(&e->marks);
	*e = (struct config_errors){ 0 };
}
