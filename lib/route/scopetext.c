/* scopetext.c -- Scopes and keys as people write and read them: product(42), list(books, *), tag:x.
 */
#include "route/scopetext.h"

#include "http/target.h"
#include "route/compiled.h"

#include <errno.h>

/* The values of a call, checked and in their one spelling, behind the bloat's prefix. */
static int
scope_fields(const struct bloat *b, const struct call_binding *binding, struct arena *arena,
    struct slice *fields, struct finding *why)
{
	int rc = 0;

	fields[0] = b->prefix;
	for (unsigned i = 0; rc == 0 && i < binding->n; i++) {
		const struct type_argument *field = &b->fields[i];
		fields[i + 1] = binding->values[i]->text;
		if (!type_fits(&field->type, fields[i + 1]))
			return finding_set(why,
			    "\"%.*s\" does not fit field \"%s\" of %s, which is %s",
			    SLICE_ARGS(fields[i + 1]), field->name, bloat_name(b),
			    field->type.text);
		rc = type_canonical(&field->type, arena, &fields[i + 1]);
	}
	return rc;
}

static int
scope_encode(const struct slice *fields, unsigned n, struct arena *arena, struct scope *out,
    struct finding *why)
{
	struct tuple tuple;
	int rc = tuple_encode(arena, fields, n, &tuple);

	if (rc == -E2BIG)
		return finding_set(
		    why, "more than %d bytes; no key is that long", (int)TUPLE_BYTES_MAX);
	if (rc == 0)
		*out = (struct scope){ SCOPE_KEY, tuple.bytes };
	return rc;
}

static int
scope_parse_key(const struct routes *routes, struct slice text, struct arena *arena,
    struct scope *out, struct finding *why)
{
	struct slice fields[TUPLE_FIELDS_MAX], rest = text;
	struct call_binding binding;
	const struct bloat *b;
	struct call call;

	int rc = call_take(&rest, arena, &call, why);
	if (rc == 0 && rest.len > 0)
		return finding_set(why, "unexpected \"%.*s\" behind %.*s; write one scope",
		    SLICE_ARGS(rest), SLICE_ARGS(call.name));
	if (rc == 0)
		rc = routes_known_bloat(routes, call.name, &b, why);
	if (rc == 0)
		rc = call_bind(&call, b->fields, b->n_fields, true, &binding, why);
	if (rc == 0)
		rc = scope_fields(b, &binding, arena, fields, why);
	return rc != 0 ? rc : scope_encode(fields, binding.n + 1, arena, out, why);
}

static int
scope_parse_tag(struct slice text, struct arena *arena, struct scope *out, struct finding *why)
{
	struct slice rest = text;
	struct call_value value;

	int rc = call_take_value(&rest, arena, &value, why);
	if (rc != 0)
		return rc;
	if (rest.len > 0 || value.form == CALL_STAR)
		return finding_set(why,
		    "unexpected \"%.*s\" in a tag; write tag:NAME, or tag:\"NAME\" where it has "
		    "blanks or signs",
		    SLICE_ARGS(rest.len > 0 ? rest : value.text));
	if (value.text.len == 0 || value.text.len > SCOPE_TAG_MAX)
		return finding_set(why, "a tag of %zu bytes; tags have 1 to %d", value.text.len,
		    (int)SCOPE_TAG_MAX);
	*out = (struct scope){ SCOPE_TAG, value.text };
	return 0;
}

/* What a GET of the URL asks for; without the fields that a client would add. */
static int
scope_request(struct slice text, struct arena *arena, struct http_request *out, struct finding *why)
{
	struct http_url url;

	int rc = http_url_parse(text, arena, &url);
	if (rc == -EINVAL)
		return finding_set(why,
		    "\"%.*s\" is no URL; write url:/path or url:http://HOST/path, encoded",
		    SLICE_ARGS(text));
	if (rc != 0)
		return rc;
	*out = (struct http_request){ .method = SLICE("GET"),
		.scheme = url.scheme.len > 0 ? url.scheme : SLICE("http"),
		.host = url.host,
		.path = url.path,
		.query = url.query };
	return 0;
}

/* A key that a URL alone does not decide is no scope of that URL. */
static const struct source *
scope_undecided(const struct route_form *form)
{
	for (unsigned i = 0; i < form->route->bloat->n_fields; i++) {
		enum source_kind kind = form->key[i].kind;
		if (kind == SOURCE_COOKIE || kind == SOURCE_HEADER || kind == SOURCE_LANGUAGE)
			return &form->key[i];
	}
	return NULL;
}

static int
scope_parse_url(const struct routes *routes, struct slice text, struct arena *arena,
    struct scope *out, struct finding *why)
{
	struct http_request request;
	struct walk_hit hit;
	struct plan_look look;

	int rc = scope_request(text, arena, &request, why);
	if (rc == 0)
		rc = routes_walk(routes, &request, arena, &hit);
	if (rc != 0)
		return rc;
	if (hit.pattern == NULL)
		return finding_set(why, "no route matches GET %.*s%s", SLICE_ARGS(text),
		    request.host.len > 0 ? ""
					 : "; write url:http://HOST/path where routes have hosts");
	const struct bloat *b = hit.pattern->form->route->bloat;
	if (b == NULL)
		return finding_set(why, "route \"%s\" has no bloat: nothing of %.*s is stored",
		    hit.pattern->form->route->config->name, SLICE_ARGS(text));
	const struct source *undecided = scope_undecided(hit.pattern->form);
	if (undecided != NULL)
		return finding_set(why, "the key of %.*s also depends on %s; write %s(...)",
		    SLICE_ARGS(text), undecided->written, bloat_name(b));
	rc = plan_look(&hit, &request, arena, &look);
	if (rc != 0)
		return rc;
	if (look.missing != NULL)
		return finding_set(why, "%.*s has no %s that fits the key of %s%s",
		    SLICE_ARGS(text), look.missing->written, bloat_name(b),
		    look.missing->kind == SOURCE_HOST ? "; write url:http://HOST/path" : "");
	return scope_encode(look.fields, b->n_fields + 1, arena, out, why);
}

static bool
scope_begins(struct slice text, struct slice start, struct slice *behind)
{
	if (!slice_starts_with(text, start))
		return false;
	*behind = (struct slice){ text.at + start.len, text.len - start.len };
	return true;
}

static int
scope_parse_any(const struct routes *routes, struct slice text, struct arena *arena,
    struct scope *out, struct finding *why)
{
	struct slice behind;

	if (text.len == 0)
		return finding_set(
		    why, "an empty scope; write product(42), tag:NAME, url:/path or *");
	if (slice_equal(text, SLICE("*"))) {
		*out = (struct scope){ SCOPE_ALL, { NULL, 0 } };
		return 0;
	}
	if (scope_begins(text, SLICE("tag:"), &behind))
		return scope_parse_tag(behind, arena, out, why);
	if (scope_begins(text, SLICE("url:"), &behind))
		return scope_parse_url(routes, behind, arena, out, why);
	return scope_parse_key(routes, text, arena, out, why);
}

int
scope_parse(const struct routes *routes, struct slice text, struct arena *arena, struct scope *out,
    const char **why)
{
	struct finding finding;

	int rc = scope_parse_any(routes, slice_trim(text), arena, out, &finding);
	if (rc == -EINVAL) {
		*why = arena_copy(arena, slice_of(finding.text));
		rc = *why == NULL ? -ENOMEM : -EINVAL;
	}
	if (rc == -ENOMEM)
		*why = "out of memory";
	return rc;
}

/* `whole`: a key; else `*` stands for the fields that are not given. */
static void
scope_print_tuple(const struct routes *routes, const struct tuple *key, bool whole, struct buf *out)
{
	const struct bloat *b = NULL;

	if (key->n == 0) {
		buf_text(out, "\"\"()");
		return;
	}
	if (routes != NULL)
		b = routes_bloat_of_prefix(routes, tuple_field(key, 0));
	call_print_value(b == NULL ? tuple_field(key, 0) : slice_of(bloat_name(b)), out);
	buf_char(out, '(');
	for (unsigned i = 1; i < key->n; i++) {
		if (i > 1)
			buf_text(out, ", ");
		call_print_value(tuple_field(key, i), out);
	}
	if (!whole && b != NULL && key->n < b->n_fields + 1)
		buf_text(out, key->n > 1 ? ", *" : "*");
	buf_char(out, ')');
}

void
scope_print(const struct routes *routes, struct scope scope, struct buf *out)
{
	struct tuple tuple;

	switch (scope.kind) {
	case SCOPE_ALL:
		buf_char(out, '*');
		return;
	case SCOPE_KEY:
		if (tuple_decode(scope.bytes, &tuple) == 0)
			scope_print_tuple(routes, &tuple, false, out);
		else
			call_print_value(scope.bytes, out);
		return;
	case SCOPE_TAG:
		buf_text(out, "tag:");
		call_print_value(scope.bytes, out);
		return;
	}
}

void
key_print(const struct routes *routes, const struct tuple *key, struct buf *out)
{
	scope_print_tuple(routes, key, true, out);
}
