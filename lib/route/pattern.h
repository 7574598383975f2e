/* pattern.h -- One `match` line: methods, and a path with typed arguments. */
#ifndef DORY_ROUTE_PATTERN_H
#define DORY_ROUTE_PATTERN_H

#include "key/tuple.h"
#include "route/type.h"

enum { PATTERN_SEGMENTS_MAX = 32, PATTERN_METHODS_MAX = 16 };

struct pattern_segment {
	struct slice text;   /* Decoded: all of a literal, or what stands before the argument. */
	struct slice suffix; /* What stands behind it. */
	bool is_argument;
	struct type_argument argument; /* name NULL: the pattern `*`. */
	uint32_t rank;                 /* Lower is more special; a literal has 0. */
};

struct route_form;

struct pattern {
	unsigned methods; /* Bits of the well-known methods. */
	bool any_method;
	unsigned n_arguments;
	unsigned n_segments;
	const struct route_form *form; /* Whose it is: for those who match it. */
	const struct slice *others;    /* The methods that have no bit. */
	unsigned n_others;
	const struct pattern_segment *segments;
	const struct slice *names; /* Of the arguments. */
	const struct type_argument *const *arguments;
	const char *text; /* As written. */
	unsigned line;
};

/* A request's method: its text, and its bit if it is well known. */
struct pattern_request {
	struct slice method; /* at == NULL: whichever. */
	unsigned bit;
};

/*
 * `[METHODS ]/a/{name:type}` or `[METHODS ]*`. `text` must outlive the pattern.
 * Returns: 0; -EINVAL with `why`; -ENOMEM.
 */
int pattern_parse(
    const char *text, struct arena *arena, struct pattern *out, struct finding *why) NODISCARD;

/* How well a pattern's methods name a method. */
enum pattern_method { PATTERN_NAMED, PATTERN_HEAD_BY_GET, PATTERN_ANY, PATTERN_NOT };
struct pattern_request pattern_request(struct slice method);
enum pattern_method pattern_method(const struct pattern *p, const struct pattern_request *request);

/* Is there a method for which neither comes before the other? Thread-safe: pure. */
bool pattern_methods_clash(const struct pattern *a, const struct pattern *b);

/* The place of an argument, or -1. */
int pattern_argument(const struct pattern *p, struct slice name);

#endif
