/* chars.c -- What a byte may be: part of a token, of a path, of a host name. */
#include "http/chars.h"

enum {
	T = CHARS_TOKEN,
	P = CHARS_PATH,
	ALNUM = CHARS_TOKEN | CHARS_PATH | CHARS_HOST,
};

#define LETTER(c) [c] = ALNUM, [(c) | 0x20] = ALNUM

const uint8_t chars_table[256] = {
	/* Digits and letters. */
	['0'] = ALNUM,
	['1'] = ALNUM,
	['2'] = ALNUM,
	['3'] = ALNUM,
	['4'] = ALNUM,
	['5'] = ALNUM,
	['6'] = ALNUM,
	['7'] = ALNUM,
	['8'] = ALNUM,
	['9'] = ALNUM,
	LETTER('A'),
	LETTER('B'),
	LETTER('C'),
	LETTER('D'),
	LETTER('E'),
	LETTER('F'),
	LETTER('G'),
	LETTER('H'),
	LETTER('I'),
	LETTER('J'),
	LETTER('K'),
	LETTER('L'),
	LETTER('M'),
	LETTER('N'),
	LETTER('O'),
	LETTER('P'),
	LETTER('Q'),
	LETTER('R'),
	LETTER('S'),
	LETTER('T'),
	LETTER('U'),
	LETTER('V'),
	LETTER('W'),
	LETTER('X'),
	LETTER('Y'),
	LETTER('Z'),
	/* Unreserved (RFC 3986 section 2.3). */
	['-'] = ALNUM,
	['.'] = ALNUM,
	['_'] = ALNUM,
	['~'] = T | P,
	/* sub-delims, and what pchar adds to them. */
	['!'] = T | P,
	['$'] = T | P,
	['&'] = T | P,
	['\''] = T | P,
	['('] = P,
	[')'] = P,
	['*'] = T | P,
	['+'] = T | P,
	[','] = P,
	[';'] = P,
	['='] = P,
	[':'] = P,
	['@'] = P,
	/* Segments are kept apart. */
	['/'] = P,
	/* Of tokens alone. */
	['#'] = T,
	['%'] = T,
	['^'] = T,
	['`'] = T,
	['|'] = T,
};
