/* query.h -- Which query parameters reach the backend, and in what one spelling. */
#ifndef DORY_ROUTE_QUERY_H
#define DORY_ROUTE_QUERY_H

#include "route/type.h"

enum { QUERY_PARAMETERS_MAX = 32 };

enum query_kind { QUERY_ALL, QUERY_NONE, QUERY_DECLARED };

/* `page:uint=1` */
struct query_parameter {
	struct slice name;
	struct slice encoded; /* The name as sent. */
	struct type type;
	struct slice fallback; /* at == NULL: none. */
};

struct query_rules {
	enum query_kind kind;
	unsigned n;
	const struct query_parameter *parameters;
};

/* `*`, `none`, or declared parameters. Returns: 0; -EINVAL with `why`; -ENOMEM. */
int query_parse(
    struct slice text, struct arena *arena, struct query_rules *out, struct finding *why) NODISCARD;

/* The place of a declared parameter, or -1. */
int query_parameter(const struct query_rules *rules, struct slice name);

/*
 * Apply the rules to a request's query. Declared parameters are sent in the order of their
 * declaration, the first of each name, encoded anew; one that is absent, does not fit, or equals
 * its fallback is left out, so that all these are one request.
 *
 * values:  QUERY_PARAMETERS_MAX of them: each declared one's value or fallback; at == NULL for
 *          neither.
 * sent:    the query for the backend; at == NULL for none.
 * Returns: 0; -ENOMEM.
 */
int query_apply(const struct query_rules *rules, struct slice query, struct arena *arena,
    struct slice *values, struct slice *sent) NODISCARD;

/* The value of the first parameter of that name, decoded; at == NULL where there is none. Returns:
 * 0; -ENOMEM. */
int query_first(
    struct slice query, struct slice name, struct arena *arena, struct slice *value) NODISCARD;

/*
 * Take the next parameter off `*rest`, decoded ("+" is a space). What can't be decoded is passed
 * over. Returns: 1; 0 at the end; -ENOMEM.
 */
int query_next(
    struct slice *rest, struct arena *arena, struct slice *name, struct slice *value) NODISCARD;

#endif
