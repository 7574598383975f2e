/* bloat.h -- A bloat compiled: its key, what of a request counts for it, what it is tagged with. */
#ifndef DORY_ROUTE_BLOAT_H
#define DORY_ROUTE_BLOAT_H

#include "route/query.h"
#include "route/routes.h"
#include "route/template.h"

enum { BLOAT_COOKIES_MAX = 16, BLOAT_LANGUAGES_MAX = 32 };

/* Names in the order of the file. */
struct bloat_names {
	struct slice *items;
	unsigned n;
};

struct bloat {
	const struct config_bloat *config;
	size_t index;
	struct slice prefix;
	bool broken; /* A finding about it is noted: what refers to it is not judged. */
	unsigned n_fields;
	const struct type_argument *fields; /* Without the prefix. */
	struct query_rules query;
	struct bloat_names vary; /* In lower case. */
	struct bloat_names cookies;
	struct bloat_names languages;
	bool forwards_all;
	struct bloat_names forward; /* In lower case, sorted. */
	const struct template *tags;
	unsigned n_tags;
};

/* Findings are noted in `c`. Returns: 0; -ENOMEM. */
int bloat_compile(const struct compile *c, size_t index, struct bloat *out) NODISCARD;

/* Is that one of the names? */
bool bloat_names_has(const struct bloat_names *names, struct slice name);

#endif
