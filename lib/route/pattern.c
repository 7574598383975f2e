/* pattern.c -- One `match` line: methods, and a path with typed arguments. */
#include "route/pattern.h"

#include "http/message.h"
#include "http/target.h"

#include <errno.h>

enum { PATTERN_RANK_PLAIN = 0xffff };

/* Those that come with every request; each has a bit, so that matching compares no texts. */
enum { PATTERN_GET = 1, PATTERN_HEAD = 2 };

static const char *const pattern_well_known[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE",
	"OPTIONS" };

static unsigned
pattern_bit(struct slice method)
{
	for (unsigned i = 0; i < COUNT(pattern_well_known); i++) {
		if (slice_equal(method, slice_of(pattern_well_known[i])))
			return 1u << i;
	}
	return 0;
}

static bool
pattern_contains(struct slice s, char c)
{
	return s.len > 0 && memchr(s.at, c, s.len) != NULL;
}

static int
pattern_parse_methods(
    struct slice text, struct arena *arena, struct pattern *out, struct finding *why)
{
	struct slice rest = text;
	struct slice *others = NULL;

	out->any_method = slice_equal(text, SLICE("*"));
	if (out->any_method)
		return 0;
	while (rest.at != NULL) {
		struct slice method = slice_cut(&rest, '|');
		if (!http_is_token(method) || pattern_contains(method, '*'))
			return finding_set(why,
			    "\"%.*s\" is no method; write GET, GET|POST, or * for any before the "
			    "path",
			    SLICE_ARGS(method));
		for (size_t i = 0; i < method.len; i++) {
			if (method.at[i] >= 'a' && method.at[i] <= 'z')
				return finding_set(why,
				    "the method \"%.*s\" is in lower case; methods are written as "
				    "GET",
				    SLICE_ARGS(method));
		}
		unsigned bit = pattern_bit(method);
		out->methods |= bit;
		if (bit != 0)
			continue;
		if (others == NULL)
			others = arena_alloc(arena, PATTERN_METHODS_MAX * sizeof(*others));
		if (others == NULL)
			return -ENOMEM;
		if (out->n_others == PATTERN_METHODS_MAX)
			return finding_set(
			    why, "more than %d methods; write * for any", (int)PATTERN_METHODS_MAX);
		others[out->n_others++] = method;
		out->others = others;
	}
	return 0;
}

/* Decode literal text and refuse what no request can hold. */
static int
pattern_literal(struct slice text, struct arena *arena, struct slice *out, struct finding *why)
{
	static const char refused[] = "?#";

	for (size_t i = 0; i < COUNT(refused) - 1; i++) {
		if (pattern_contains(text, refused[i]))
			return finding_set(why,
			    "\"%c\" in a path; a pattern has no query, the bloat's `query` has it",
			    refused[i]);
	}
	if (pattern_contains(text, '*'))
		return finding_set(why, "\"*\" in a path; write {rest:path} for the rest of a "
					"path, or %%2A for a star");
	if (pattern_contains(text, '}'))
		return finding_set(why,
		    "\"}\" without \"{\" in \"%.*s\"; write {name:type}, or %%7D",
		    SLICE_ARGS(text));
	int rc = http_percent_decode(text, arena, out);
	if (rc == -EINVAL)
		return finding_set(why, "broken %%XX in \"%.*s\"; write %%25 for a percent sign",
		    SLICE_ARGS(text));
	if (rc != 0)
		return rc;
	bool control = false;
	for (size_t i = 0; i < out->len; i++)
		control = control || (unsigned char)out->at[i] < 0x20 || out->at[i] == 0x7f;
	if (control || pattern_contains(*out, '/'))
		return finding_set(why,
		    "\"%.*s\" never matches: no path has an encoded slash or a control byte",
		    SLICE_ARGS(text));
	return 0;
}

/*
 * Within one class, more literal bytes around an argument are more special, none the least. An
 * enumeration alone in its segment names whole segments, so it stands before all that follow.
 */
static uint32_t
pattern_rank(const struct pattern_segment *s)
{
	size_t around = s->text.len + s->suffix.len;

	if (s->argument.type.kind == TYPE_ENUM && around == 0)
		return type_class(&s->argument.type) << 16;
	if (around > PATTERN_RANK_PLAIN - 1)
		around = PATTERN_RANK_PLAIN - 1;
	return (type_class(&s->argument.type) << 16) + PATTERN_RANK_PLAIN - (uint32_t)around;
}

static int
pattern_parse_around(struct slice before, struct slice after, struct arena *arena,
    struct pattern_segment *out, struct finding *why)
{
	if (pattern_contains(after, '{'))
		return finding_set(why,
		    "two arguments in one segment; a segment holds one argument, with text before "
		    "and behind it");
	int rc = pattern_literal(before, arena, &out->text, why);
	if (rc == 0)
		rc = pattern_literal(after, arena, &out->suffix, why);
	return rc;
}

static int
pattern_parse_segment(struct slice text, bool last, struct arena *arena,
    struct pattern_segment *out, struct finding *why)
{
	struct slice after = text;
	struct slice before = slice_cut(&after, '{');

	*out = (struct pattern_segment){ .is_argument = after.at != NULL };
	if (!out->is_argument) {
		int rc = pattern_literal(text, arena, &out->text, why);
		if (rc == 0 &&
		    (slice_equal(out->text, SLICE(".")) || slice_equal(out->text, SLICE(".."))))
			return finding_set(why,
			    "\"%.*s\" never matches: web servers resolve dot segments",
			    SLICE_ARGS(text));
		return rc;
	}
	struct slice inside = slice_cut(&after, '}');
	if (after.at == NULL)
		return finding_set(why,
		    "\"{\" without \"}\" in \"%.*s\"; write {name:type}, or %%7B",
		    SLICE_ARGS(text));
	int rc = pattern_parse_around(before, after, arena, out, why);
	if (rc == 0)
		rc = type_parse_argument(inside, arena, &out->argument, why);
	if (rc != 0)
		return rc;
	bool is_path = out->argument.type.kind == TYPE_PATH;
	if (is_path && (!last || before.len + after.len > 0))
		return finding_set(why,
		    "{%.*s} takes the rest of a path; put it last, alone in its segment",
		    SLICE_ARGS(inside));
	out->rank = pattern_rank(out);
	return 0;
}

/* The arguments of all segments, in their order. */
static int
pattern_note_arguments(struct arena *arena, struct pattern *p, struct finding *why)
{
	const struct type_argument **arguments =
	    arena_alloc(arena, p->n_segments * sizeof(*arguments));
	struct slice *names = arena_alloc(arena, p->n_segments * sizeof(*names));

	if (arguments == NULL || names == NULL)
		return -ENOMEM;
	p->arguments = arguments;
	p->names = names;
	for (unsigned i = 0; i < p->n_segments; i++) {
		const struct type_argument *argument = &p->segments[i].argument;
		if (!p->segments[i].is_argument)
			continue;
		if (pattern_argument(p, slice_of(argument->name)) >= 0)
			return finding_set(why,
			    "two arguments named \"%s\"; give each its own name", argument->name);
		if (p->n_arguments == TUPLE_FIELDS_MAX - 1)
			return finding_set(why,
			    "more than %d arguments; use {rest:path} for what follows",
			    TUPLE_FIELDS_MAX - 1);
		names[p->n_arguments] = slice_of(argument->name);
		arguments[p->n_arguments++] = argument;
	}
	return 0;
}

static int
pattern_parse_path(struct slice path, struct arena *arena, struct pattern *out, struct finding *why)
{
	unsigned n = 0;
	int rc = 0;

	for (size_t i = 0; i < path.len; i++)
		n += path.at[i] == '/';
	if (n > PATTERN_SEGMENTS_MAX)
		return finding_set(why, "more than %d segments; use {rest:path} for what follows",
		    (int)PATTERN_SEGMENTS_MAX);
	struct pattern_segment *segments = arena_alloc(arena, n * sizeof(*segments));
	if (segments == NULL)
		return -ENOMEM;
	struct slice rest = { path.at + 1, path.len - 1 };
	out->segments = segments;
	out->n_segments = n;
	for (unsigned i = 0; rc == 0 && i < n; i++) {
		struct slice text = slice_cut(&rest, '/');
		rc = pattern_parse_segment(text, i + 1 == n, arena, &segments[i], why);
	}
	return rc != 0 ? rc : pattern_note_arguments(arena, out, why);
}

/* `*`: any path, as {rest:path} but without an argument. */
static int
pattern_parse_star(struct arena *arena, struct pattern *out)
{
	struct pattern_segment *segment = arena_zalloc(arena, sizeof(*segment));

	if (segment == NULL)
		return -ENOMEM;
	segment->is_argument = true;
	segment->argument.type = (struct type){ .kind = TYPE_PATH, .text = "path" };
	segment->rank = pattern_rank(segment);
	out->segments = segment;
	out->n_segments = 1;
	return 0;
}

static bool
pattern_is_path(struct slice s)
{
	return slice_equal(s, SLICE("*")) || slice_starts_with(s, SLICE("/"));
}

int
pattern_parse(const char *text, struct arena *arena, struct pattern *out, struct finding *why)
{
	struct slice path = slice_trim(slice_of(text)), methods = SLICE("GET");

	*out = (struct pattern){ .text = text };
	size_t blank = 0;
	while (blank < path.len && path.at[blank] != ' ' && path.at[blank] != '\t')
		blank++;
	if (blank < path.len) {
		methods = (struct slice){ path.at, blank };
		path = slice_trim((struct slice){ path.at + blank, path.len - blank });
	}
	int rc = pattern_parse_methods(methods, arena, out, why);
	if (rc != 0)
		return rc;
	if (!pattern_is_path(path))
		return finding_set(why,
		    "\"%.*s\" is no pattern; write METHOD /path, where the path starts with \"/\"",
		    SLICE_ARGS(path));
	if (pattern_contains(path, ' ') || pattern_contains(path, '\t'))
		return finding_set(why,
		    "a blank in \"%.*s\"; write %%20, and each pattern in a "
		    "`match` of its own",
		    SLICE_ARGS(path));
	if (path.at[0] == '*')
		return pattern_parse_star(arena, out);
	return pattern_parse_path(path, arena, out, why);
}

struct pattern_request
pattern_request(struct slice method)
{
	return (struct pattern_request){ method, pattern_bit(method) };
}

enum pattern_method
pattern_method(const struct pattern *p, const struct pattern_request *request)
{
	if (p->any_method)
		return PATTERN_ANY;
	if ((p->methods & request->bit) != 0 || request->method.at == NULL)
		return PATTERN_NAMED;
	if (request->bit == PATTERN_HEAD && (p->methods & PATTERN_GET) != 0)
		return PATTERN_HEAD_BY_GET;
	for (unsigned i = 0; request->bit == 0 && i < p->n_others; i++) {
		if (slice_equal(p->others[i], request->method))
			return PATTERN_NAMED;
	}
	return PATTERN_NOT;
}

bool
pattern_methods_clash(const struct pattern *a, const struct pattern *b)
{
	bool clash = (a->any_method && b->any_method) || (a->methods & b->methods) != 0;

	for (unsigned i = 0; !clash && i < a->n_others; i++) {
		for (unsigned j = 0; !clash && j < b->n_others; j++)
			clash = slice_equal(a->others[i], b->others[j]);
	}
	return clash;
}

int
pattern_argument(const struct pattern *p, struct slice name)
{
	for (unsigned i = 0; i < p->n_arguments; i++) {
		if (slice_equal(p->names[i], name))
			return (int)i;
	}
	return -1;
}
