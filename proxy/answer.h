/* answer.h -- The header block of a backend's answer, line by line, checked before it is believed.
 */
#ifndef DORY_PROXY_ANSWER_H
#define DORY_PROXY_ANSWER_H

#include "base/arena.h"
#include "http/message.h"

enum { ANSWER_FIELDS_MAX = 128, ANSWER_LINE_MAX = 16384, ANSWER_BYTES_MAX = 65536 };
enum { ANSWER_INTERIM_MAX = 32 };

enum answer_state {
	ANSWER_WAITING, /* For a status line. */
	ANSWER_HEAD,
	ANSWER_INTERIM, /* Returned only: an interim block is whole, and may be looked at now. */
	ANSWER_DONE,    /* The final block is whole; what follows are trailers, and ignored. */
	ANSWER_BAD,
};

/* One thread at a time. */
struct answer {
	struct arena *arena;
	enum answer_state state;
	const char *why; /* ANSWER_BAD: in words. Static. */
	unsigned interim;
	size_t bytes;
	bool is_old;    /* HTTP/1.0, which knows no transfer codings. */
	unsigned lines; /* Of this block. */
	bool foldable;  /* The line before was a field that is kept. */
	struct http_response response;
	struct slice connection; /* What Connection names. */
	bool has_length;
	uint64_t length; /* Content-Length, where has_length. */
	bool chunked;
	/* As many as `response` says: 4 KiB that few answers need are not touched for each. */
	struct http_field fields[ANSWER_FIELDS_MAX];
};

/* Before the first line. What it makes goes into `arena`. */
void answer_init(struct answer *a, struct arena *arena);

/*
 * Take one line, with its line end, as libcurl hands it over: it lets pass what a cache must
 * refuse. What is said with a status below 200 lasts until the next line, hop-by-hop fields are
 * dropped, obs-fold becomes a blank where the field it goes on with is kept, else it is BAD, as are
 * control bytes, two lengths, length and chunked together, any coding but chunked (we ask for none
 * with TE) or in HTTP/1.0, too much of anything.
 *
 * Spec: RFC 9112 sections 4, 5, 5.2, 6.1, 6.3, 7.4; RFC 9110 section 15.2.
 */
enum answer_state answer_take_line(struct answer *a, struct slice line);

#endif
