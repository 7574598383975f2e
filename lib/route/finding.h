/* finding.h -- A sentence about what is wrong with a text, and what to write instead. */
#ifndef DORY_ROUTE_FINDING_H
#define DORY_ROUTE_FINDING_H

#include "config/config.h"

enum { FINDING_SIZE = 512 };

/* Meaningful only after -EINVAL. */
struct finding {
	char text[FINDING_SIZE];
};

/* Put it in words, cut at FINDING_SIZE; control bytes become "?". Returns: -EINVAL. */
int finding_set(struct finding *f, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * `unknown WHAT "NAME"; did you mean "X"?`, or with `advice` behind the semicolon where none of the
 * `n` names is near. Returns: -EINVAL.
 */
int finding_unknown(struct finding *f, const char *what, struct slice name,
    const char *const *names, size_t n, const char *advice);

/* What lib/route compiles from, and where findings and memory go. */
struct compile {
	const struct config *config;
	struct config_errors *errors;
	struct arena *arena;
	bool judged; /* lib/config found faults: what it judges itself it has told. */
};

/* A setting of a section, for "[bloat product] key: ". */
struct finding_place {
	const char *section;
	const char *name;
	const char *setting;
	unsigned line;
};

/* Note `f` where `rc` is -EINVAL. Returns: 0; -ENOMEM where `rc` is. */
int finding_note(
    const struct finding *f, int rc, const struct compile *c, struct finding_place place) NODISCARD;

/* Take the next word of a list separated by blanks or commas. Returns: false at the end. */
bool finding_next_word(struct slice *rest, struct slice *word);

#endif
