/* template.c -- product-{id}: text with arguments in braces, for tags. */
#include "route/template.h"

#include <errno.h>

static int
template_argument(
    struct slice name, const char *const *names, unsigned n_names, struct finding *why)
{
	for (unsigned i = 0; i < n_names; i++) {
		if (slice_equal(name, slice_of(names[i])))
			return (int)i;
	}
	return finding_unknown(why, "argument", name, names, n_names,
	    n_names == 0 ? "there are no arguments here" : "write one of the arguments' names");
}

int
template_parse(struct slice text, const char *const *names, unsigned n_names, struct arena *arena,
    struct template *out, struct finding *why)
{
	unsigned braces = 0, n = 0;

	for (size_t i = 0; i < text.len; i++)
		braces += text.at[i] == '{';
	struct template_part *parts = arena_alloc(arena, (2 * braces + 1) * sizeof(*parts));
	if (parts == NULL)
		return -ENOMEM;
	for (struct slice rest = text; rest.at != NULL;) {
		struct slice before = slice_cut(&rest, '{');
		if (before.len > 0 && memchr(before.at, '}', before.len) != NULL)
			return finding_set(
			    why, "\"}\" without \"{\" in \"%.*s\"; write {name}", SLICE_ARGS(text));
		if (before.len > 0)
			parts[n++] = (struct template_part){ before, -1 };
		if (rest.at == NULL)
			break;
		struct slice name = slice_cut(&rest, '}');
		if (rest.at == NULL)
			return finding_set(
			    why, "\"{\" without \"}\" in \"%.*s\"; write {name}", SLICE_ARGS(text));
		int argument = template_argument(name, names, n_names, why);
		if (argument < 0)
			return argument;
		parts[n++] = (struct template_part){ { NULL, 0 }, argument };
	}
	*out = (struct template){ parts, n };
	return 0;
}

static struct slice
template_part(const struct template_part *part, const struct slice *values)
{
	return part->argument < 0 ? part->text : values[part->argument];
}

int
template_fill(
    const struct template *t, const struct slice *values, struct arena *arena, struct slice *out)
{
	size_t len = 0;

	if (t->n == 1) {
		*out = template_part(&t->parts[0], values);
		return 0;
	}
	for (unsigned i = 0; i < t->n; i++)
		len += template_part(&t->parts[i], values).len;
	char *at = arena_alloc(arena, len + 1);
	if (at == NULL)
		return -ENOMEM;
	*out = (struct slice){ at, len };
	for (unsigned i = 0; i < t->n; i++) {
		struct slice part = template_part(&t->parts[i], values);
		if (part.len > 0)
			memcpy(at, part.at, part.len);
		at += part.len;
	}
	return 0;
}
