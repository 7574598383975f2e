/* chars.h -- What a byte may be: part of a token, of a path, of a host name. */
#ifndef DORY_HTTP_CHARS_H
#define DORY_HTTP_CHARS_H

#include "base/slice.h"

enum {
	CHARS_TOKEN = 1, /* tchar of RFC 9110 section 5.6.2. */
	CHARS_PATH = 2,  /* pchar of RFC 3986 section 3.3, without "%", and "/". */
	CHARS_HOST = 4,  /* Letters, digits, "-", ".", "_". */
};

/* The classes of each byte. */
extern const uint8_t chars_table[256];

static inline bool
chars_is(char c, unsigned class)
{
	return (chars_table[(unsigned char)c] & class) != 0;
}

/* CTL of RFC 5234: below SP, and DEL. */
static inline bool
chars_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static inline bool
chars_is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* ASCII only, whatever the locale. */
static inline char
chars_lower(char c)
{
	return chars_is_upper(c) ? (char)(c | 0x20) : c;
}

/* 0 to 15, or -1. */
static inline int
chars_hex(char c)
{
	char lower = chars_lower(c);
	if (c >= '0' && c <= '9')
		return c - '0';
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#endif
