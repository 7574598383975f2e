/* deflate.c -- The scopes that a successful write through a route deflates. */
#include "route/deflate.h"

#include "route/compiled.h"

#include <errno.h>

/* What is being compiled. */
struct deflate_work {
	const struct routes *routes;
	const struct pattern *pattern;
	struct arena *arena;
	struct finding *why;
};

static bool
deflate_separates(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static int
deflate_compile_tag(const struct deflate_work *w, struct slice *rest, struct deflate_scope *out)
{
	const char *names[TUPLE_FIELDS_MAX];
	struct call_value value;

	for (unsigned i = 0; i < w->pattern->n_arguments; i++)
		names[i] = w->pattern->arguments[i]->name;
	int rc = call_take_value(rest, w->arena, &value, w->why);
	if (rc != 0)
		return rc;
	if (value.form == CALL_STAR || value.text.len == 0)
		return finding_set(w->why, "a tag without name; write tag:NAME");
	out->kind = SCOPE_TAG;
	return template_parse(
	    value.text, names, w->pattern->n_arguments, w->arena, &out->tag, w->why);
}

static int
deflate_compile_key(const struct deflate_work *w, struct slice *rest, struct deflate_scope *out)
{
	const struct source_place place = { w->pattern, NULL, w->arena, w->why };
	struct call_binding binding;
	struct call call;

	out->kind = SCOPE_KEY;
	int rc = call_take(rest, w->arena, &call, w->why);
	if (rc == 0)
		rc = routes_known_bloat(w->routes, call.name, &out->bloat, w->why);
	if (rc != 0 || out->bloat->broken)
		return rc;
	rc = call_bind(&call, out->bloat->fields, out->bloat->n_fields, true, &binding, w->why);
	if (rc != 0)
		return rc;
	struct source *values = arena_alloc(w->arena, (binding.n + 1) * sizeof(*values));
	if (values == NULL)
		return -ENOMEM;
	out->values = values;
	out->n = binding.n;
	for (unsigned i = 0; rc == 0 && i < binding.n; i++)
		rc = source_compile(&place, binding.values[i], &out->bloat->fields[i], &values[i]);
	return rc;
}

static int
deflate_compile_one(const struct deflate_work *w, struct slice *rest, struct deflate_scope *out)
{
	int rc = 0;

	*out = (struct deflate_scope){ .kind = SCOPE_ALL };
	if (rest->at[0] == '*')
		*rest = (struct slice){ rest->at + 1, rest->len - 1 };
	else if (slice_starts_with(*rest, SLICE("tag:"))) {
		*rest = (struct slice){ rest->at + 4, rest->len - 4 };
		rc = deflate_compile_tag(w, rest, out);
	} else
		rc = deflate_compile_key(w, rest, out);
	if (rc == 0 && rest->len > 0 && !deflate_separates(rest->at[0]))
		return finding_set(w->why,
		    "unexpected \"%c\" behind a scope; put a blank between scopes", *rest->at);
	return rc;
}

int
deflate_compile(const struct routes *routes, struct slice text, const struct pattern *pattern,
    struct arena *arena, struct deflate *out, struct finding *why)
{
	const struct deflate_work work = { routes, pattern, arena, why };
	struct slice rest = text;

	*out = (struct deflate){ .n = 0 };
	if (text.len == 0 || slice_equal(text, SLICE("none")))
		return 0;
	struct deflate_scope *scopes = arena_alloc(arena, DEFLATE_SCOPES_MAX * sizeof(*scopes));
	if (scopes == NULL)
		return -ENOMEM;
	out->scopes = scopes;
	while (rest.len > 0) {
		if (deflate_separates(rest.at[0])) {
			rest = (struct slice){ rest.at + 1, rest.len - 1 };
			continue;
		}
		if (out->n == DEFLATE_SCOPES_MAX)
			return finding_set(
			    why, "more than %d scopes; use tags or \"*\"", (int)DEFLATE_SCOPES_MAX);
		int rc = deflate_compile_one(&work, &rest, &scopes[out->n]);
		if (rc != 0)
			return rc;
		out->n++;
	}
	return 0;
}

/*
 * A value that a request lacks (query.NAME of a str) becomes the empty one: no key holds that, so
 * the scope covers nothing and can't widen.
 */
static int
deflate_key(const struct deflate_scope *s, const struct source_facts *facts, struct slice *out)
{
	struct slice fields[TUPLE_FIELDS_MAX];
	struct tuple tuple;
	int rc = 0;

	fields[0] = s->bloat->prefix;
	for (unsigned i = 0; rc == 0 && i < s->n; i++)
		rc = source_value(&s->values[i], facts, &fields[i + 1]);
	if (rc == 0)
		rc = tuple_encode(facts->arena, fields, s->n + 1, &tuple);
	*out = rc == 0 ? tuple.bytes : (struct slice){ NULL, 0 };
	return rc;
}

/* Returns: 0; -E2BIG for a key so long that none is stored under it; -ENOMEM. */
static int
deflate_scope(const struct deflate_scope *s, const struct source_facts *facts, struct scope *out)
{
	*out = (struct scope){ .kind = s->kind };
	switch (s->kind) {
	case SCOPE_ALL:
		return 0;
	case SCOPE_KEY:
		return deflate_key(s, facts, &out->bytes);
	case SCOPE_TAG:
		return template_fill(&s->tag, facts->arguments, facts->arena, &out->bytes);
	}
	return 0;
}

int
deflate_scopes(
    const struct deflate *d, const struct source_facts *facts, const struct scope **out, size_t *n)
{
	struct scope *scopes = arena_alloc(facts->arena, (d->n + 1) * sizeof(*scopes));

	*out = scopes;
	*n = 0;
	if (scopes == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < d->n; i++) {
		int rc = deflate_scope(&d->scopes[i], facts, &scopes[*n]);
		if (rc == -ENOMEM)
			return rc;
		bool covers = rc == 0 && (scopes[*n].kind == SCOPE_ALL || scopes[*n].bytes.len > 0);
		*n += covers;
	}
	return 0;
}
