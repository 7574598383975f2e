/* bypass.h -- What makes a request pass its bloat by: a header, a cookie, a query parameter. */
#ifndef DORY_ROUTE_BYPASS_H
#define DORY_ROUTE_BYPASS_H

#include "http/message.h"
#include "route/finding.h"

enum bypass_kind { BYPASS_HEADER, BYPASS_COOKIE, BYPASS_QUERY };

/* `cookie:session*` */
struct bypass {
	enum bypass_kind kind;
	bool is_start;         /* The name only begins so. */
	bool is_authorization; /* A user whom the web server authenticated counts too. */
	struct slice name;     /* A header's in lower case. */
	struct slice text;     /* As written. */
};

/* `text` must outlive it. Returns: 0; -EINVAL with `why`; -ENOMEM. */
int bypass_parse(
    const char *text, struct arena *arena, struct bypass *out, struct finding *why) NODISCARD;

/* The first of `n` that fits the request, or NULL. Without memory to decode a query, one fits. */
const struct bypass *bypass_find(
    const struct bypass *all, size_t n, const struct http_request *request, struct arena *arena);

#endif
