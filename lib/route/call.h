/* call.h -- product(id, page=query.page): the syntax that calls, deflates and scopes share. */
#ifndef DORY_ROUTE_CALL_H
#define DORY_ROUTE_CALL_H

#include "key/tuple.h"
#include "route/type.h"

enum call_form { CALL_WORD, CALL_QUOTED, CALL_STAR };

struct call_value {
	enum call_form form;
	struct slice text; /* Without quotes and escapes. */
};

struct call_argument {
	struct slice name; /* Empty: by position. */
	struct call_value value;
};

struct call {
	struct slice name;
	unsigned n;
	struct call_argument arguments[TUPLE_FIELDS_MAX];
};

/*
 * Take one call off the front of `*rest`: `name`, `name()`, `name(a, "b c", field=d, *)`. What
 * follows it stays.
 *
 * Returns: 0; -EINVAL with `why`; -ENOMEM.
 */
int call_take(
    struct slice *rest, struct arena *arena, struct call *out, struct finding *why) NODISCARD;

/* Take one value: a word, "quoted" with \" \\ \xNN, or `*`. Returns: as call_take(). */
int call_take_value(
    struct slice *rest, struct arena *arena, struct call_value *out, struct finding *why) NODISCARD;

/* Write a value so that call_take_value() reads it back: quoted where it must be. */
void call_print_value(struct slice value, struct buf *out);

/* The values of a call, put in the order of the fields. */
struct call_binding {
	const struct call_value *values[TUPLE_FIELDS_MAX];
	unsigned n;
	bool star; /* More values may follow. */
};

/*
 * Give the `n` fields of a key their values.
 *
 * star:    `*` may stand for the last ones.
 * Returns: 0; -EINVAL with `why`.
 */
int call_bind(const struct call *call, const struct type_argument *fields, unsigned n, bool star,
    struct call_binding *out, struct finding *why) NODISCARD;

#endif
