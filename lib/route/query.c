/* query.c -- Which query parameters reach the backend, and in what one spelling. */
#include "route/query.h"

#include "http/target.h"

#include <errno.h>

static bool
query_is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

/* All but unreserved bytes as %XX (RFC 3986 section 2.3). `at` has room for three times as many. */
static size_t
query_encode(struct slice text, char *at)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.at[i];
		if (query_is_unreserved(text.at[i])) {
			at[n++] = text.at[i];
			continue;
		}
		at[n++] = '%';
		at[n++] = digits[byte >> 4];
		at[n++] = digits[byte & 15];
	}
	return n;
}

static int
query_parse_parameter(
    struct slice text, struct arena *arena, struct query_parameter *out, struct finding *why)
{
	struct slice fallback = text;
	struct slice type = slice_cut(&fallback, '=');
	struct slice name = slice_cut(&type, ':');

	if (name.len == 0)
		return finding_set(
		    why, "\"%.*s\" has no name; write name:type=default", SLICE_ARGS(text));
	char *copy = arena_copy(arena, name);
	char *encoded = arena_alloc(arena, 3 * name.len + 1);
	if (copy == NULL || encoded == NULL)
		return -ENOMEM;
	*out = (struct query_parameter){ .name = { copy, name.len }, .fallback = fallback };
	out->encoded = (struct slice){ encoded, query_encode(name, encoded) };
	int rc = type_parse(type.at == NULL ? SLICE("str") : type, arena, &out->type, why);
	if (rc != 0 || fallback.at == NULL)
		return rc;
	if (!type_fits(&out->type, fallback))
		return finding_set(why, "the default \"%.*s\" of \"%s\" does not fit %s",
		    SLICE_ARGS(fallback), copy, out->type.text);
	return type_canonical(&out->type, arena, &out->fallback);
}

int
query_parse(struct slice text, struct arena *arena, struct query_rules *out, struct finding *why)
{
	struct slice rest = text, word;

	*out = (struct query_rules){ .kind = QUERY_DECLARED };
	if (text.len == 0 || slice_equal(text, SLICE("*")))
		out->kind = QUERY_ALL;
	if (slice_equal(text, SLICE("none")))
		out->kind = QUERY_NONE;
	if (out->kind != QUERY_DECLARED)
		return 0;
	struct query_parameter *all = arena_alloc(arena, QUERY_PARAMETERS_MAX * sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	out->parameters = all;
	while (finding_next_word(&rest, &word)) {
		if (slice_equal(word, SLICE("*")) || slice_equal(word, SLICE("none")))
			return finding_set(
			    why, "\"%.*s\" beside other words; it stands alone", SLICE_ARGS(word));
		if (out->n == QUERY_PARAMETERS_MAX)
			return finding_set(why, "more than %d parameters; declare fewer, or \"*\"",
			    (int)QUERY_PARAMETERS_MAX);
		int rc = query_parse_parameter(word, arena, &all[out->n], why);
		if (rc != 0)
			return rc;
		if (query_parameter(out, all[out->n].name) >= 0)
			return finding_set(why, "\"%.*s\" is declared twice; declare it once",
			    SLICE_ARGS(all[out->n].name));
		out->n++;
	}
	return 0;
}

int
query_parameter(const struct query_rules *rules, struct slice name)
{
	for (unsigned i = 0; i < rules->n; i++) {
		if (slice_equal(rules->parameters[i].name, name))
			return (int)i;
	}
	return -1;
}

int
query_next(struct slice *rest, struct arena *arena, struct slice *name, struct slice *value)
{
	while (rest->at != NULL) {
		struct slice raw = slice_cut(rest, '&');
		if (raw.len == 0)
			continue;
		struct slice raw_name = slice_cut(&raw, '=');
		int rc = http_form_decode(raw_name, arena, name);
		if (rc == 0)
			rc = http_form_decode(raw.at == NULL ? SLICE("") : raw, arena, value);
		if (rc != -EINVAL)
			return rc == 0 ? 1 : rc;
	}
	return 0;
}

int
query_first(struct slice query, struct slice name, struct arena *arena, struct slice *value)
{
	struct slice rest = query, found, text;
	int rc;

	*value = (struct slice){ NULL, 0 };
	while ((rc = query_next(&rest, arena, &found, &text)) == 1) {
		if (slice_equal(found, name)) {
			*value = text;
			return 0;
		}
	}
	return rc;
}

/* Each declared parameter's value, its fallback itself where it equals that. */
static int
query_values(
    const struct query_rules *rules, struct slice query, struct arena *arena, struct slice *values)
{
	struct slice rest = query, name, text;
	uint32_t seen = 0;
	int rc;

	for (unsigned i = 0; i < rules->n; i++)
		values[i] = rules->parameters[i].fallback;
	while ((rc = query_next(&rest, arena, &name, &text)) == 1) {
		int i = query_parameter(rules, name);
		if (i < 0 || (seen & (uint32_t)1 << i) != 0)
			continue;
		seen |= (uint32_t)1 << i;
		const struct query_parameter *p = &rules->parameters[i];
		if (!type_fits(&p->type, text))
			continue;
		if (type_canonical(&p->type, arena, &text) != 0)
			return -ENOMEM;
		if (p->fallback.at == NULL || !slice_equal(text, p->fallback))
			values[i] = text;
	}
	return rc;
}

int
query_apply(const struct query_rules *rules, struct slice query, struct arena *arena,
    struct slice *values, struct slice *sent)
{
	size_t size = 0, used = 0;

	*sent = rules->kind == QUERY_ALL ? query : (struct slice){ NULL, 0 };
	if (rules->kind != QUERY_DECLARED)
		return 0;
	int rc = query_values(rules, query, arena, values);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < rules->n; i++) {
		if (values[i].at != rules->parameters[i].fallback.at)
			size += rules->parameters[i].encoded.len + 3 * values[i].len + 2;
	}
	if (size == 0)
		return 0;
	char *at = arena_alloc(arena, size);
	if (at == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < rules->n; i++) {
		const struct query_parameter *p = &rules->parameters[i];
		if (values[i].at == p->fallback.at)
			continue;
		if (used > 0)
			at[used++] = '&';
		memcpy(at + used, p->encoded.at, p->encoded.len);
		used += p->encoded.len;
		at[used++] = '=';
		used += query_encode(values[i], at + used);
	}
	*sent = (struct slice){ at, used };
	return 0;
}
