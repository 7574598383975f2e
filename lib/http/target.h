/* target.h -- Where a request goes: canonical path, query and host, the bytes key and backend
 * share. */
#ifndef DORY_HTTP_TARGET_H
#define DORY_HTTP_TARGET_H

#include "base/arena.h"

/*
 * Percent-encode a decoded path (PATH_INFO): bytes outside pchar and "/" (RFC 3986 section 3.3)
 * become %XX with upper-case digits, "%" becomes "%25". Idempotence is not wanted: the input is
 * decoded. "." and ".." segments are refused: web servers resolve them, so one that arrives is an
 * attempt at something.
 *
 * Returns: 0; -EINVAL on a control byte (< 0x20, 0x7f), a dot segment, or no leading "/"; -ENOMEM.
 */
int http_path_encode(struct slice decoded, struct arena *arena, struct slice *out) NODISCARD;

/*
 * The same from a path that is encoded already (a command line, a URL in a header): decodes %XX and
 * encodes again, so both doors give one form.
 *
 * Returns: 0; -EINVAL also on a broken %XX; -ENOMEM.
 */
int http_path_normalise(struct slice encoded, struct arena *arena, struct slice *out) NODISCARD;

/* %XX decoded; NUL and controls included. Returns: 0; -EINVAL; -ENOMEM. */
int http_percent_decode(struct slice encoded, struct arena *arena, struct slice *out) NODISCARD;

/*
 * A name or value of a query as forms write it: "+" is a blank, then the same.
 * Returns: 0, `*out` borrowed from `encoded` where nothing was to be done; -EINVAL; -ENOMEM.
 */
int http_form_decode(struct slice encoded, struct arena *arena, struct slice *out) NODISCARD;

/* A query is passed as it came; no control, space, or "#" may be in it. Thread-safe: pure. */
bool http_query_is_valid(struct slice query);

/*
 * Host in one spelling (RFC 9110 section 4.2.3, RFC 3986 section 3.2.2): lower case, no trailing
 * dot, no default port of `scheme`. Letters, digits, "-", ".", "_", ":port" and [IPv6] only.
 *
 * Returns: 0; -EINVAL; -ENOMEM.
 */
int http_host_normalise(
    struct slice host, struct slice scheme, struct arena *arena, struct slice *out) NODISCARD;

/* The parts of an absolute URL or of a path with query: "http://h/p?q", "/p?q". */
struct http_url {
	struct slice scheme; /* Empty in the second form. */
	struct slice host;   /* Normalised. Empty in the second form. */
	struct slice path;   /* Normalised. */
	struct slice query;  /* at == NULL where there is no "?". */
};

/* Returns: 0; -EINVAL; -ENOMEM. A fragment is an error. */
int http_url_parse(struct slice url, struct arena *arena, struct http_url *out) NODISCARD;

#endif
