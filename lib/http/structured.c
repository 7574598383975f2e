/* structured.c -- Dictionaries of structured fields, read strictly (RFC 9651). */
#include "http/structured.h"

#include "http/chars.h"

#include <errno.h>

enum { STRUCTURED_DIGITS_MAX = 15, STRUCTURED_WHOLE_MAX = 12, STRUCTURED_FRACTION_MAX = 3 };

static char
structured_peek(const struct slice *rest)
{
	return rest->len > 0 ? rest->at[0] : '\0';
}

static void
structured_skip(struct slice *rest, size_t n)
{
	*rest = (struct slice){ rest->at + n, rest->len - n };
}

static bool
structured_take(struct slice *rest, char c)
{
	if (rest->len == 0 || rest->at[0] != c)
		return false;
	structured_skip(rest, 1);
	return true;
}

static void
structured_skip_blanks(struct slice *rest, bool tabs)
{
	while (structured_peek(rest) == ' ' || (tabs && structured_peek(rest) == '\t'))
		structured_skip(rest, 1);
}

static bool
structured_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
structured_is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool
structured_is_alpha(char c)
{
	return structured_is_lower(chars_lower(c));
}

/* Section 4.2.3.3. */
static int
structured_take_key(struct slice *rest, struct slice *out)
{
	const char *at = rest->at;

	if (!structured_is_lower(structured_peek(rest)) && structured_peek(rest) != '*')
		return -EINVAL;
	for (char c = structured_peek(rest); structured_is_lower(c) || structured_is_digit(c) ||
					     (c != '\0' && strchr("_-.*", c) != NULL);
	     c = structured_peek(rest))
		structured_skip(rest, 1);
	*out = (struct slice){ at, (size_t)(rest->at - at) };
	return 0;
}

/* Section 4.2.4. */
static int
structured_take_number(struct slice *rest, struct structured_member *out)
{
	bool negative = structured_take(rest, '-');
	unsigned whole = 0, fraction = 0;
	int64_t value = 0;

	for (; structured_is_digit(structured_peek(rest)); structured_skip(rest, 1)) {
		if (++whole > STRUCTURED_DIGITS_MAX)
			return -EINVAL;
		value = value * 10 + (structured_peek(rest) - '0');
	}
	if (whole == 0)
		return -EINVAL;
	out->type = STRUCTURED_INTEGER;
	out->integer = negative ? -value : value;
	if (!structured_take(rest, '.'))
		return 0;
	for (; structured_is_digit(structured_peek(rest)); structured_skip(rest, 1))
		fraction++;
	out->type = STRUCTURED_DECIMAL;
	bool fits =
	    whole <= STRUCTURED_WHOLE_MAX && fraction > 0 && fraction <= STRUCTURED_FRACTION_MAX;
	return fits ? 0 : -EINVAL;
}

/* Section 4.2.5: printable ASCII; only a quote and a backslash can be escaped. */
static int
structured_take_string(struct slice *rest, struct structured_member *out)
{
	const char *at = rest->at + 1;

	out->type = STRUCTURED_STRING;
	for (structured_skip(rest, 1); rest->len > 0; structured_skip(rest, 1)) {
		char c = rest->at[0];
		if (c == '"') {
			out->text = (struct slice){ at, (size_t)(rest->at - at) };
			structured_skip(rest, 1);
			return 0;
		}
		if (c == '\\') {
			structured_skip(rest, 1);
			if (structured_peek(rest) != '"' && structured_peek(rest) != '\\')
				return -EINVAL;
		} else if (c < 0x20 || c > 0x7e) {
			return -EINVAL;
		}
	}
	return -EINVAL;
}

/* Section 4.2.6. */
static int
structured_take_token(struct slice *rest, struct structured_member *out)
{
	const char *at = rest->at;

	while (rest->len > 0 &&
	       (chars_is(rest->at[0], CHARS_TOKEN) || rest->at[0] == ':' || rest->at[0] == '/'))
		structured_skip(rest, 1);
	out->type = STRUCTURED_TOKEN;
	out->text = (struct slice){ at, (size_t)(rest->at - at) };
	return 0;
}

/* Section 4.2.7. What it means is nobody's business here: only its letters are looked at. */
static int
structured_take_bytes(struct slice *rest, struct structured_member *out)
{
	out->type = STRUCTURED_BYTES;
	for (structured_skip(rest, 1); rest->len > 0; structured_skip(rest, 1)) {
		char c = rest->at[0];
		if (structured_take(rest, ':'))
			return 0;
		if (!structured_is_alpha(c) && !structured_is_digit(c) && c != '+' && c != '/' &&
		    c != '=')
			return -EINVAL;
	}
	return -EINVAL;
}

/* Section 4.2.8. */
static int
structured_take_boolean(struct slice *rest, struct structured_member *out)
{
	structured_skip(rest, 1);
	out->type = STRUCTURED_BOOLEAN;
	out->boolean = structured_peek(rest) == '1';
	return structured_take(rest, '0') || structured_take(rest, '1') ? 0 : -EINVAL;
}

/* Section 4.2.9. */
static int
structured_take_date(struct slice *rest, struct structured_member *out)
{
	structured_skip(rest, 1);
	int rc = structured_take_number(rest, out);
	if (rc != 0 || out->type != STRUCTURED_INTEGER)
		return -EINVAL;
	out->type = STRUCTURED_DATE;
	return 0;
}

static bool
structured_is_lower_hex(char c)
{
	return structured_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* Section 4.2.10, but for whether the bytes are UTF-8: nobody here reads them. */
static int
structured_take_display(struct slice *rest, struct structured_member *out)
{
	structured_skip(rest, 1);
	out->type = STRUCTURED_DISPLAY;
	if (!structured_take(rest, '"'))
		return -EINVAL;
	for (; rest->len > 0; structured_skip(rest, 1)) {
		if (structured_take(rest, '"'))
			return 0;
		if (rest->at[0] < 0x20 || rest->at[0] > 0x7e)
			return -EINVAL;
		if (rest->at[0] != '%')
			continue;
		if (rest->len < 3 || !structured_is_lower_hex(rest->at[1]) ||
		    !structured_is_lower_hex(rest->at[2]))
			return -EINVAL;
		structured_skip(rest, 2);
	}
	return -EINVAL;
}

/* Section 4.2.3.1. */
static int
structured_take_bare(struct slice *rest, struct structured_member *out)
{
	char c = structured_peek(rest);

	if (c == '-' || structured_is_digit(c))
		return structured_take_number(rest, out);
	if (c == '*' || structured_is_alpha(c))
		return structured_take_token(rest, out);
	switch (c) {
	case '"':
		return structured_take_string(rest, out);
	case ':':
		return structured_take_bytes(rest, out);
	case '?':
		return structured_take_boolean(rest, out);
	case '@':
		return structured_take_date(rest, out);
	case '%':
		return structured_take_display(rest, out);
	}
	return -EINVAL;
}

/* Section 4.2.3.2: checked and passed over. */
static int
structured_skip_parameters(struct slice *rest)
{
	struct structured_member ignored;

	while (structured_take(rest, ';')) {
		structured_skip_blanks(rest, false);
		int rc = structured_take_key(rest, &ignored.key);
		if (rc == 0 && structured_take(rest, '='))
			rc = structured_take_bare(rest, &ignored);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Section 4.2.1.2. */
static int
structured_take_list(struct slice *rest, struct structured_member *out)
{
	structured_skip(rest, 1);
	const char *at = rest->at;
	while (rest->len > 0) {
		structured_skip_blanks(rest, false);
		if (structured_take(rest, ')')) {
			out->type = STRUCTURED_LIST;
			out->text = (struct slice){ at, (size_t)(rest->at - 1 - at) };
			return 0;
		}
		int rc = structured_take_bare(rest, out);
		if (rc == 0)
			rc = structured_skip_parameters(rest);
		if (rc != 0)
			return rc;
		if (structured_peek(rest) != ' ' && structured_peek(rest) != ')')
			return -EINVAL;
	}
	return -EINVAL;
}

static int
structured_take_value(struct slice *rest, struct structured_member *out)
{
	if (!structured_take(rest, '=')) {
		out->type = STRUCTURED_BOOLEAN;
		out->boolean = true;
		return 0;
	}
	return structured_peek(rest) == '(' ? structured_take_list(rest, out)
					    : structured_take_bare(rest, out);
}

int
structured_next(struct slice *rest, struct structured_member *out)
{
	*out = (struct structured_member){ .type = STRUCTURED_BOOLEAN };
	structured_skip_blanks(rest, false);
	if (rest->len == 0)
		return 0;
	int rc = structured_take_key(rest, &out->key);
	if (rc == 0)
		rc = structured_take_value(rest, out);
	if (rc == 0)
		rc = structured_skip_parameters(rest);
	if (rc != 0)
		return rc;
	structured_skip_blanks(rest, true);
	if (rest->len == 0)
		return 1;
	if (!structured_take(rest, ','))
		return -EINVAL;
	structured_skip_blanks(rest, true);
	/* A comma with nothing behind it is an error (section 4.2.2). */
	return rest->len == 0 ? -EINVAL : 1;
}

int
structured_item(struct slice *list, struct structured_member *out)
{
	*out = (struct structured_member){ .type = STRUCTURED_BOOLEAN };
	structured_skip_blanks(list, false);
	if (list->len == 0)
		return 0;
	int rc = structured_take_bare(list, out);
	if (rc == 0)
		rc = structured_skip_parameters(list);
	return rc == 0 ? 1 : rc;
}
