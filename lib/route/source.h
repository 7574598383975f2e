/* source.h -- Where a value of a key comes from: an argument, a literal, the query, the host. */
#ifndef DORY_ROUTE_SOURCE_H
#define DORY_ROUTE_SOURCE_H

#include "route/bloat.h"
#include "route/call.h"
#include "route/pattern.h"

enum source_kind {
	SOURCE_ARGUMENT,
	SOURCE_LITERAL,
	SOURCE_PARAMETER, /* A declared query parameter. */
	SOURCE_QUERY,     /* A parameter of a query that is sent as it came. */
	SOURCE_HOST,
	SOURCE_PATH,
	SOURCE_COOKIE,
	SOURCE_HEADER,
	SOURCE_LANGUAGE,
};

struct source {
	enum source_kind kind;
	unsigned index;          /* Of the argument or the parameter. */
	struct slice text;       /* The literal; the name of a parameter, cookie or field. */
	const struct type *type; /* What the value must fit when it is known; NULL: it does. */
	const char *written;     /* For messages. */
};

/* What a request offers. */
struct source_facts {
	const struct http_request *request;
	const struct slice *arguments;
	const struct slice *parameters;
	struct slice cookies;
	struct slice language;
	struct arena *arena;
};

/* Where a source is written. */
struct source_place {
	const struct pattern *pattern;
	/* Whose key it is for, where its settings bound what may be used: a key is made of what the
	 * backend sees. NULL in a `deflate`: then only what always has a value will do. */
	const struct bloat *bloat;
	struct arena *arena;
	struct finding *why;
};

/* Returns: 0; -EINVAL with `place->why`; -ENOMEM. */
int source_compile(const struct source_place *place, const struct call_value *value,
    const struct type_argument *field, struct source *out) NODISCARD;

/* Its value; at == NULL where it has none or it does not fit. Returns: 0; -ENOMEM. */
int source_value(
    const struct source *s, const struct source_facts *facts, struct slice *out) NODISCARD;

#endif
