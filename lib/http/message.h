/* message.h -- A request and a response as the caching rules see them. */
#ifndef DORY_HTTP_MESSAGE_H
#define DORY_HTTP_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"

/* RFC 9110 section 5. Requests hold names in lower case; responses as they came. */
struct http_field {
	struct slice name;
	struct slice value; /* Trimmed. */
};

struct http_fields {
	struct http_field *items;
	size_t n;
};

/* Whoever makes one guarantees: every part checked as its comment says. All slices are borrowed. */
struct http_request {
	struct slice method; /* A token. */
	struct slice scheme; /* "http" or "https". */
	struct slice host;   /* Normalised by http_host_normalise(); may be empty. */
	struct slice path;   /* Canonical by http_path_encode(); starts with "/". */
	struct slice query;  /* What follows "?", as sent; at == NULL where there was no "?". */
	struct http_fields fields; /* Names unique, values without controls (HTAB allowed). */
	struct slice remote_addr;
	struct slice remote_user;     /* Not empty: the web server authenticated somebody. */
	struct slice server_software; /* Of the web server, as "lighttpd/1.4.69". */
	bool takes_interim;           /* The client speaks HTTP/1.1 or later. */
	bool has_body;
	int64_t body_bytes; /* -1: not said. */
};

/* The bytes of `fields` belong to whoever made them. */
struct http_response {
	unsigned status; /* 200 to 599; below while an interim response is passed on. */
	struct http_fields fields;
};

/* The first field of that name (case does not count), or NULL. Thread-safe: pure. */
const struct http_field *http_fields_find(const struct http_fields *fields, struct slice name);

/* Its value; at == NULL where there is none. Thread-safe: pure. */
struct slice http_fields_value(const struct http_fields *fields, struct slice name);

/*
 * All values of that name joined by ", " as RFC 9110 section 5.3 allows.
 * Returns: borrowed from `fields` where there is one, else made in `arena`; at == NULL where there
 *          is none, or memory is out.
 */
struct slice http_fields_join(
    const struct http_fields *fields, struct slice name, struct arena *arena);

/*
 * Take the next line off a head as it is stored and sent ("Status: 200\r\nName: value\r\n...", no
 * blank line): its field, value trimmed, at == NULL where there is no colon; and, unless it is
 * NULL, all of it with its line end. Returns false at the end. Thread-safe: pure.
 */
bool http_head_next(struct slice *head, struct http_field *field, struct slice *line);

/* The value of the first field of that name in such a head; at == NULL: none. Thread-safe: pure. */
struct slice http_head_value(struct slice head, struct slice name);

/* RFC 9110 section 5.6.2: not empty, only tchar. Thread-safe: pure. */
bool http_is_token(struct slice s);

/* RFC 9110 section 5.5: no control but HTAB; obs-text is let through. Thread-safe: pure. */
bool http_is_field_value(struct slice s);

/* RFC 9110 section 9.2.1: GET, HEAD, OPTIONS, TRACE. Thread-safe: pure. */
bool http_method_is_safe(struct slice method);

/*
 * RFC 9110 section 7.6.1 and 7.6: fields of the connection, or of message framing, that a cache
 * neither stores nor passes on: Connection, Keep-Alive, Proxy-Connection, Proxy-Authenticate,
 * Proxy-Authorization, Proxy-Authentication-Info, TE, Trailer, Transfer-Encoding, Upgrade,
 * Content-Length (the sender of each message makes its own), Expect.
 */
bool http_field_is_hop_by_hop(struct slice name);

#endif
