/* params.h -- The parameters of a FastCGI request, taken apart where they lie. */
#ifndef DORY_PROXY_PARAMS_H
#define DORY_PROXY_PARAMS_H

#include "base/attributes.h"
#include "base/slice.h"

enum { PARAMS_MAX = 256 };

struct param {
	struct slice name;
	struct slice value;
};

struct params {
	struct param items[PARAMS_MAX];
	size_t n;
};

/*
 * Take the first name-value pair off `*rest` (FastCGI specification 3.4). Returns false, and leaves
 * `*rest` anyhow, where it does not end within it.
 */
bool params_next(struct slice *rest, struct param *out) NODISCARD;

/* All of a block that gate_check() let through. out: borrows `block`. */
void params_take(struct slice block, struct params *out);

#endif
