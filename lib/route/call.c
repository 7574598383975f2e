/* call.c -- product(id, page=query.page): the syntax that calls, deflates and scopes share. */
#include "route/call.h"

#include <errno.h>

static bool
call_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* May it stand in a value without quotes? Bytes of UTF-8 may. */
static bool
call_is_word(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && strchr("(),=\"*\\", c) == NULL;
}

static void
call_skip(struct slice *rest, size_t n)
{
	*rest = (struct slice){ rest->at + n, rest->len - n };
}

static void
call_skip_blanks(struct slice *rest)
{
	while (rest->len > 0 && call_is_blank(rest->at[0]))
		call_skip(rest, 1);
}

static bool
call_take_char(struct slice *rest, char c)
{
	if (rest->len == 0 || rest->at[0] != c)
		return false;
	call_skip(rest, 1);
	return true;
}

static int
call_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Take what follows a backslash. Returns the byte it stands for, or -1. */
static int
call_take_escape(struct slice *rest)
{
	if (call_take_char(rest, '"'))
		return '"';
	if (call_take_char(rest, '\\'))
		return '\\';
	if (rest->len < 3 || rest->at[0] != 'x')
		return -1;
	int high = call_hex(rest->at[1]), low = call_hex(rest->at[2]);
	call_skip(rest, 3);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* What stands behind an opening quote. */
static int
call_take_quoted(
    struct slice *rest, struct arena *arena, struct call_value *out, struct finding *why)
{
	char *text = arena_alloc(arena, rest->len + 1);
	size_t len = 0;

	if (text == NULL)
		return -ENOMEM;
	while (!call_take_char(rest, '"')) {
		if (rest->len == 0)
			return finding_set(why, "a quote without its end; write \"text\"");
		int byte = (unsigned char)rest->at[0];
		call_skip(rest, 1);
		if (byte == '\\')
			byte = call_take_escape(rest);
		if (byte < 0)
			return finding_set(
			    why, "unknown escape in quotes; write \\\", \\\\ or \\xNN");
		text[len++] = (char)byte;
	}
	*out = (struct call_value){ CALL_QUOTED, { text, len } };
	return 0;
}

int
call_take_value(
    struct slice *rest, struct arena *arena, struct call_value *out, struct finding *why)
{
	size_t len = 0;

	if (call_take_char(rest, '*')) {
		*out = (struct call_value){ CALL_STAR, SLICE("*") };
		return 0;
	}
	if (call_take_char(rest, '"'))
		return call_take_quoted(rest, arena, out, why);
	while (len < rest->len && call_is_word(rest->at[len]))
		len++;
	if (len == 0 && rest->len == 0)
		return finding_set(why, "a value is missing; write a name, \"text\" or *");
	if (len == 0)
		return finding_set(
		    why, "unexpected \"%c\"; write a name, \"text\" or *", *rest->at);
	*out = (struct call_value){ CALL_WORD, { rest->at, len } };
	call_skip(rest, len);
	return 0;
}

static int
call_take_argument(
    struct slice *rest, struct arena *arena, struct call_argument *out, struct finding *why)
{
	*out = (struct call_argument){ .name = SLICE("") };
	call_skip_blanks(rest);
	int rc = call_take_value(rest, arena, &out->value, why);
	if (rc != 0)
		return rc;
	call_skip_blanks(rest);
	if (out->value.form != CALL_WORD || !call_take_char(rest, '='))
		return 0;
	out->name = out->value.text;
	call_skip_blanks(rest);
	rc = call_take_value(rest, arena, &out->value, why);
	call_skip_blanks(rest);
	if (rc == 0 && out->value.form == CALL_STAR)
		return finding_set(why, "\"%.*s=*\" says nothing; write \"*\" last for all values",
		    SLICE_ARGS(out->name));
	return rc;
}

int
call_take(struct slice *rest, struct arena *arena, struct call *out, struct finding *why)
{
	struct call_value name;

	out->n = 0;
	int rc = call_take_value(rest, arena, &name, why);
	if (rc != 0)
		return rc;
	if (name.form == CALL_STAR)
		return finding_set(why, "unexpected \"*\"; write NAME or NAME(value, ...)");
	out->name = name.text;
	if (!call_take_char(rest, '('))
		return 0;
	call_skip_blanks(rest);
	if (call_take_char(rest, ')'))
		return 0;
	do {
		if (out->n == TUPLE_FIELDS_MAX)
			return finding_set(why, "more than %d values in \"%.*s\"",
			    (int)TUPLE_FIELDS_MAX, SLICE_ARGS(name.text));
		rc = call_take_argument(rest, arena, &out->arguments[out->n], why);
		if (rc != 0)
			return rc;
		out->n++;
	} while (call_take_char(rest, ','));
	if (call_take_char(rest, ')'))
		return 0;
	if (rest->len == 0)
		return finding_set(why, "no \")\" behind \"%.*s(\"; write NAME(value, ...)",
		    SLICE_ARGS(name.text));
	return finding_set(why,
	    "unexpected \"%c\" in \"%.*s(\"; put a comma between values, quotes "
	    "around text with blanks",
	    *rest->at, SLICE_ARGS(name.text));
}

void
call_print_value(struct slice value, struct buf *out)
{
	bool plain = value.len > 0;

	for (size_t i = 0; i < value.len && plain; i++)
		plain = call_is_word(value.at[i]) && (unsigned char)value.at[i] < 0x7f;
	if (plain) {
		buf_slice(out, value);
		return;
	}
	buf_char(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		char c = value.at[i];
		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7f)
			buf_printf(out, "\\x%02X", (unsigned)(unsigned char)c);
		else
			buf_char(out, c);
	}
	buf_char(out, '"');
}

/* The names of fields `from` to `n`, as far as they have no value: "category, page". */
static void
call_missing(const struct call_binding *b, const struct type_argument *fields, unsigned n,
    char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < n && used < size; i++) {
		if (b->values[i] == NULL)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
			    used == 0 ? "" : ", ", fields[i].name);
	}
}

static int
call_field(const struct call *call, struct slice name, const struct type_argument *fields,
    unsigned n, unsigned *out, struct finding *why)
{
	const char *names[TUPLE_FIELDS_MAX];
	char what[128];

	for (*out = 0; *out < n; ++*out) {
		names[*out] = fields[*out].name;
		if (slice_equal(name, slice_of(fields[*out].name)))
			return 0;
	}
	snprintf(what, sizeof(what), "field of %.*s", SLICE_ARGS(call->name));
	return finding_unknown(why, what, name, names, n,
	    n == 0 ? "its key has no fields" : "see the bloat's `key` for its fields");
}

static int
call_bind_one(const struct call *call, unsigned i, const struct type_argument *fields, unsigned n,
    struct call_binding *out, struct finding *why)
{
	const struct call_argument *argument = &call->arguments[i];
	unsigned field = i;

	if (argument->name.len > 0) {
		int rc = call_field(call, argument->name, fields, n, &field, why);
		if (rc != 0)
			return rc;
	} else if (i > 0 && call->arguments[i - 1].name.len > 0) {
		return finding_set(why,
		    "a value without name behind a named one in \"%.*s\"; name it "
		    "too",
		    SLICE_ARGS(call->name));
	}
	if (field >= n)
		return finding_set(why, "too many values for %.*s; its key has %u field%s",
		    SLICE_ARGS(call->name), n, n == 1 ? "" : "s");
	if (out->values[field] != NULL)
		return finding_set(why, "two values for \"%s\" in \"%.*s\"; give one",
		    fields[field].name, SLICE_ARGS(call->name));
	out->values[field] = &argument->value;
	return 0;
}

/* With a star, those that are given must be the first ones: a scope is the start of a key. */
static int
call_check(const struct call *call, const struct type_argument *fields, unsigned n, bool star,
    struct call_binding *out, struct finding *why)
{
	char missing[200];

	out->n = 0;
	while (out->n < n && out->values[out->n] != NULL)
		out->n++;
	if (out->n == n)
		return 0;
	call_missing(out, fields, n, missing, sizeof(missing));
	if (!out->star)
		return finding_set(why, "%.*s lacks %s; give every field a value%s",
		    SLICE_ARGS(call->name), missing, star ? ", or end with \"*\" for all" : "");
	for (unsigned i = out->n; i < n; i++) {
		if (out->values[i] != NULL)
			return finding_set(why,
			    "\"%s\" without \"%s\" before it; \"*\" stands for the last fields "
			    "only",
			    fields[i].name, fields[out->n].name);
	}
	return 0;
}

int
call_bind(const struct call *call, const struct type_argument *fields, unsigned n, bool star,
    struct call_binding *out, struct finding *why)
{
	*out = (struct call_binding){ .n = 0 };
	for (unsigned i = 0; i < call->n; i++) {
		bool is_star = call->arguments[i].value.form == CALL_STAR;
		if (is_star && !star)
			return finding_set(why, "\"*\" in \"%.*s\"; a key needs every value",
			    SLICE_ARGS(call->name));
		if (is_star && i + 1 < call->n)
			return finding_set(why,
			    "\"*\" before another value in \"%.*s\"; it may only "
			    "come last",
			    SLICE_ARGS(call->name));
		out->star = is_star;
		int rc = is_star ? 0 : call_bind_one(call, i, fields, n, out, why);
		if (rc != 0)
			return rc;
	}
	return call_check(call, fields, n, star, out, why);
}
