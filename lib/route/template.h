/* template.h -- product-{id}: text with arguments in braces, for tags. */
#ifndef DORY_ROUTE_TEMPLATE_H
#define DORY_ROUTE_TEMPLATE_H

#include "route/finding.h"

struct template_part {
	struct slice text;
	int argument; /* Its index; -1: `text`. */
};

struct template
{
	const struct template_part *parts;
	unsigned n;
};

/* `text` is kept. Returns: 0; -EINVAL with `why`; -ENOMEM. */
int template_parse(struct slice text, const char *const *names, unsigned n_names,
    struct arena *arena, struct template *out, struct finding *why) NODISCARD;

/* With the arguments' values, made in `arena`. Returns: 0; -ENOMEM. */
int template_fill(const struct template *t, const struct slice *values, struct arena *arena,
    struct slice *out) NODISCARD;

#endif
