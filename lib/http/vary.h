/* vary.h -- Which request fields select among responses (RFC 9111 section 4.1). */
#ifndef DORY_HTTP_VARY_H
#define DORY_HTTP_VARY_H

#include "http/message.h"

enum { VARY_NAMES_MAX = 16, VARY_BYTES_MAX = 1024 };

/*
 * The names that a response's Vary fields list, lower case, sorted, each once, separated by one
 * space: the form in which an entry keeps them.
 *
 * Returns: 0, `*out` empty where there is no Vary; -EPERM for `*`; -E2BIG over the bounds above;
 *          -EINVAL for what is no token; -ENOMEM.
 */
int vary_names(
    const struct http_fields *response, struct arena *arena, struct slice *out) NODISCARD;

/*
 * The values of those names in a request as bytes to compare: absent and empty differ, white space
 * around commas does not count. Of Accept-Language and Accept-Encoding case and order do not count
 * either, where qualities are equal (lib/http/preference.h).
 *
 * names:   as vary_names() gives them.
 * Returns: 0; -ENOMEM.
 */
int vary_values(struct slice names, const struct http_request *request, struct arena *arena,
    struct slice *out) NODISCARD;

/* A response that was fetched for one request and may be for others. */
struct vary_choice {
	struct slice names;    /* As vary_names() gives them. */
	struct slice values;   /* As vary_values() gives them for the request it was fetched for. */
	struct slice language; /* Its Content-Language; empty: none. */
};

/*
 * Does the request select it (RFC 9111 section 4.1)? Where it has the same values; and where
 * Accept-Language alone decides and the response is in the language that the request prefers to all
 * others (RFC 9110 section 12.5.4): what was sent to one who put up with it.
 *
 * Returns: 1; 0; -ENOMEM.
 */
int vary_selects(const struct vary_choice *choice, const struct http_request *request,
    struct arena *arena) NODISCARD;

/* The language that decides where Vary names Accept-Language alone; at == NULL: none does. */
struct slice vary_language(struct slice names, const struct http_request *request);

#endif
