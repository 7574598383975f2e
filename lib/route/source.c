/* source.c -- Where a value of a key comes from: an argument, a literal, the query, the host. */
#include "route/source.h"

#include "http/cookie.h"

#include <errno.h>

/* What is being compiled. */
struct source_work {
	const struct type_argument *field;
	const struct pattern *pattern;
	const struct bloat *bloat;
	struct arena *arena;
	struct finding *why;
};

static int
source_literal(const struct source_work *w, struct slice text, struct source *out)
{
	out->kind = SOURCE_LITERAL;
	out->text = text;
	if (!type_fits(&w->field->type, text))
		return finding_set(w->why, "\"%.*s\" does not fit field \"%s\", which is %s",
		    SLICE_ARGS(text), w->field->name, w->field->type.text);
	return type_canonical(&w->field->type, w->arena, &out->text);
}

static int
source_argument(const struct source_work *w, unsigned index, struct source *out)
{
	const struct type_argument *argument = w->pattern->arguments[index];

	out->kind = SOURCE_ARGUMENT;
	out->index = index;
	if (type_is_within(&argument->type, &w->field->type))
		return 0;
	return finding_set(w->why,
	    "{%s:%s} of \"%s\" has values that do not fit field \"%s\"; write {%s:%s} in the match",
	    argument->name, argument->type.text, w->pattern->text, w->field->name, argument->name,
	    w->field->type.text);
}

static int
source_query(const struct source_work *w, struct source *out)
{
	out->kind = SOURCE_QUERY;
	if (w->bloat == NULL && w->field->type.kind == TYPE_STR)
		return 0;
	if (w->bloat == NULL)
		return finding_set(w->why,
		    "%s may not fit field \"%s\", which is %s; use an argument of the path",
		    out->written, w->field->name, w->field->type.text);
	out->type = &w->field->type;
	if (w->bloat->query.kind == QUERY_ALL)
		return 0;
	int i = query_parameter(&w->bloat->query, out->text);
	if (i < 0)
		return finding_set(w->why,
		    "%s is not declared in the `query` of %s, so the backend would not see it; add "
		    "%.*s there",
		    out->written, bloat_name(w->bloat), SLICE_ARGS(out->text));
	out->kind = SOURCE_PARAMETER;
	out->index = (unsigned)i;
	return 0;
}

static int
source_named(const struct source_work *w, const struct bloat_names *names, const char *setting,
    struct source *out)
{
	out->type = &w->field->type;
	if (bloat_names_has(names, out->text))
		return 0;
	return finding_set(w->why,
	    "%s is not in the `%s` of %s, so the backend might not see it; add it there",
	    out->written, setting, bloat_name(w->bloat));
}

static int
source_header(const struct source_work *w, struct source *out)
{
	char *lower = arena_copy(w->arena, out->text);

	if (lower == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < out->text.len; i++)
		lower[i] =
		    (char)(lower[i] >= 'A' && lower[i] <= 'Z' ? lower[i] - 'A' + 'a' : lower[i]);
	out->kind = SOURCE_HEADER;
	out->text.at = lower;
	return source_named(w, &w->bloat->vary, "vary", out);
}

static int
source_language(const struct source_work *w, struct source *out)
{
	const struct bloat_names *languages = &w->bloat->languages;

	out->kind = SOURCE_LANGUAGE;
	if (languages->n == 0)
		return finding_set(
		    w->why, "%s has no `lang`; write it there, as en de", bloat_name(w->bloat));
	for (unsigned i = 0; i < languages->n; i++) {
		if (!type_fits(&w->field->type, languages->items[i]))
			return finding_set(w->why,
			    "the language %.*s does not fit field \"%s\", which is %s",
			    SLICE_ARGS(languages->items[i]), w->field->name, w->field->type.text);
	}
	return 0;
}

static int
source_path(const struct source_work *w, struct source *out)
{
	out->kind = SOURCE_PATH;
	if (w->field->type.kind == TYPE_STR || w->field->type.kind == TYPE_PATH)
		return 0;
	return finding_set(w->why, "path never fits field \"%s\", which is %s; write {%s:path}",
	    w->field->name, w->field->type.text, w->field->name);
}

static int
source_unknown(const struct source_work *w, struct slice word)
{
	const char *names[TUPLE_FIELDS_MAX + 3];
	unsigned n = 0;

	for (; n < w->pattern->n_arguments; n++)
		names[n] = w->pattern->arguments[n]->name;
	if (w->bloat != NULL) {
		names[n++] = "host";
		names[n++] = "path";
		names[n++] = "lang";
	}
	return finding_unknown(w->why, "value", word, names, n,
	    w->bloat == NULL
		? "write an argument of the match, query.NAME, a number or \"text\""
		: "write an argument of the match, query.NAME, host, path, a number or \"text\"");
}

/* Does `word` begin with `start` and go on? Then the rest is the source's text. */
static bool
source_is(struct slice word, struct slice start, struct source *out)
{
	if (word.len <= start.len || !slice_starts_with(word, start))
		return false;
	out->text = (struct slice){ word.at + start.len, word.len - start.len };
	return true;
}

/* A bare word. The pattern's own names come first, so an argument may be called path. */
static int
source_word(const struct source_work *w, struct slice word, struct source *out)
{
	const struct type number = { .kind = TYPE_INT };
	int i = pattern_argument(w->pattern, word);

	if (i >= 0)
		return source_argument(w, (unsigned)i, out);
	if (type_fits(&number, word))
		return source_literal(w, word, out);
	if (source_is(word, SLICE("query."), out))
		return source_query(w, out);
	if (w->bloat == NULL)
		return source_unknown(w, word);
	if (slice_equal(word, SLICE("path")))
		return source_path(w, out);
	if (slice_equal(word, SLICE("lang")))
		return source_language(w, out);
	if (slice_equal(word, SLICE("host"))) {
		out->kind = SOURCE_HOST;
		out->type = &w->field->type;
		return 0;
	}
	if (source_is(word, SLICE("cookie."), out)) {
		out->kind = SOURCE_COOKIE;
		return source_named(w, &w->bloat->cookies, "cookie", out);
	}
	return source_is(word, SLICE("header."), out) ? source_header(w, out)
						      : source_unknown(w, word);
}

int
source_compile(const struct source_place *place, const struct call_value *value,
    const struct type_argument *field, struct source *out)
{
	const struct source_work work = { field, place->pattern, place->bloat, place->arena,
		place->why };

	*out = (struct source){ .written = arena_copy(place->arena, value->text) };
	if (out->written == NULL)
		return -ENOMEM;
	return value->form == CALL_QUOTED ? source_literal(&work, value->text, out)
					  : source_word(&work, value->text, out);
}

static int
source_raw(const struct source *s, const struct source_facts *facts, struct slice *out)
{
	switch (s->kind) {
	case SOURCE_ARGUMENT:
		*out = facts->arguments[s->index];
		return 0;
	case SOURCE_LITERAL:
		*out = s->text;
		return 0;
	case SOURCE_PARAMETER:
		*out = facts->parameters[s->index];
		return 0;
	case SOURCE_QUERY:
		return query_first(facts->request->query, s->text, facts->arena, out);
	case SOURCE_HOST:
		*out = facts->request->host;
		return 0;
	case SOURCE_PATH:
		*out = facts->request->path;
		return 0;
	case SOURCE_COOKIE:
		*out = cookie_find(facts->cookies, s->text);
		return 0;
	case SOURCE_HEADER:
		*out = http_fields_value(&facts->request->fields, s->text);
		return 0;
	case SOURCE_LANGUAGE:
		*out = facts->language;
		return 0;
	}
	return 0;
}

int
source_value(const struct source *s, const struct source_facts *facts, struct slice *out)
{
	int rc = source_raw(s, facts, out);

	if (rc != 0 || s->type == NULL || out->at == NULL)
		return rc;
	if (type_fits(s->type, *out))
		return type_canonical(s->type, facts->arena, out);
	*out = (struct slice){ NULL, 0 };
	return 0;
}
