/* wire.h -- FastCGI records as a web server sends them. */
#ifndef DORY_TESTS_PROXY_WIRE_H
#define DORY_TESTS_PROXY_WIRE_H

#include "base/buf.h"

#include <stdlib.h>

enum { WIRE_BEGIN = 1, WIRE_ABORT, WIRE_END, WIRE_PARAMS, WIRE_STDIN, WIRE_STDOUT };
enum { WIRE_HEADER = 8, WIRE_CONTENT_MAX = 65535 };

/* The same numbers in every run. */
static inline size_t
wire_random(unsigned *state, size_t below)
{
	*state = *state * 1664525u + 1013904223u;
	return (*state >> 8) % below;
}

static inline void
wire_record(struct buf *out, unsigned type, uint16_t id, struct slice content, size_t padding)
{
	const char header[WIRE_HEADER] = { 1, (char)type, (char)(id >> 8), (char)id,
		(char)(content.len >> 8), (char)content.len, (char)padding, 0 };
	const char zeros[256] = { 0 };

	buf_append(out, header, sizeof(header));
	buf_slice(out, content);
	buf_append(out, zeros, padding);
}

static inline void
wire_begin(struct buf *out, uint16_t id, bool keep)
{
	const char body[8] = { 0, 1, keep, 0, 0, 0, 0, 0 };

	wire_record(out, WIRE_BEGIN, id, (struct slice){ body, sizeof(body) }, 0);
}

static inline void
wire_length(struct buf *params, size_t len)
{
	if (len >= 0x80) {
		buf_char(params, (char)(0x80 | len >> 24));
		buf_char(params, (char)(len >> 16));
		buf_char(params, (char)(len >> 8));
	}
	buf_char(params, (char)len);
}

/* Append one name and value to the content of a PARAMS record. */
static inline void
wire_param(struct buf *params, struct slice name, struct slice value)
{
	wire_length(params, name.len);
	wire_length(params, value.len);
	buf_slice(params, name);
	buf_slice(params, value);
}

/* BEGIN_REQUEST, `params` in records of at most `most` bytes, and the empty one. */
static inline void
wire_head(struct buf *out, uint16_t id, bool keep, struct slice params, size_t most)
{
	wire_begin(out, id, keep);
	while (params.len > 0) {
		size_t len = params.len < most ? params.len : most;
		wire_record(out, WIRE_PARAMS, id, (struct slice){ params.at, len }, 0);
		params = (struct slice){ params.at + len, params.len - len };
	}
	wire_record(out, WIRE_PARAMS, id, SLICE(""), 0);
}

/*
 * A copy with up to `changes` bytes changed, put in or taken out, or its end cut off. It ends where
 * its memory does, so that AddressSanitizer sees every byte read too many. Free with
 * wire_mutant_free().
 */
static inline struct slice
wire_mutant(unsigned *state, struct slice seed, size_t changes)
{
	static const char sharp[] = { 0, 1, 2, 4, 5, 8, 9, 16, 0x7f, (char)0x80, (char)0xff, '=' };
	char *at = malloc(seed.len + changes);
	size_t len = seed.len;

	if (at == NULL)
		abort();
	memcpy(at, seed.at, seed.len);
	for (size_t n = wire_random(state, changes + 1); n > 0 && len > 0; n--) {
		size_t i = wire_random(state, len), how = wire_random(state, 8);
		char c = wire_random(state, 2) == 0 ? (char)wire_random(state, 256)
						    : sharp[wire_random(state, sizeof(sharp))];
		if (how < 2)
			memmove(at + i + (how == 0), at + i + (how == 1), len - i - (how == 1));
		len = how == 0 ? len + 1 : how == 1 ? len - 1 : how == 2 ? i : len;
		if (how != 1 && how != 2)
			at[i] = c;
	}
	char *exact = malloc(len);
	if (exact == NULL && len > 0)
		abort();
	if (len > 0)
		memcpy(exact, at, len);
	free(at);
	return (struct slice){ exact, len };
}

static inline void
wire_mutant_free(struct slice s)
{
	free((void *)(uintptr_t)s.at);
}

#endif
