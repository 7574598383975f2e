/* bloat.c -- A bloat compiled: its key, what of a request counts for it, what it is tagged with. */
#include "route/bloat.h"

#include "http/vary.h"
#include "key/scope.h"
#include "route/forward.h"
#include "route/order.h"

#include <errno.h>
#include <stdlib.h>

/* What makes a name in one of the lists wrong; NULL where it is right. */
typedef const char *bloat_judge(const struct bloat *b, struct slice name);

/* Returns: 0; -ENOMEM where `rc` is. */
static int
bloat_note(const struct compile *c, struct bloat *b, const struct finding *why, int rc,
    const char *setting, unsigned line)
{
	b->broken = b->broken || rc != 0;
	return finding_note(
	    why, rc, c, (struct finding_place){ "bloat", b->config->name, setting, line });
}

static int
bloat_parse_key(struct slice text, struct arena *arena, struct bloat *out, struct finding *why)
{
	struct type_argument *fields = arena_alloc(arena, TUPLE_FIELDS_MAX * sizeof(*fields));
	struct slice rest = text, word;

	if (fields == NULL)
		return -ENOMEM;
	out->fields = fields;
	while (finding_next_word(&rest, &word)) {
		bool braces = word.len >= 2 && word.at[0] == '{' && word.at[word.len - 1] == '}';
		if (!braces)
			return finding_set(why, "\"%.*s\" is no field; write {name} or {name:type}",
			    SLICE_ARGS(word));
		if (out->n_fields == TUPLE_FIELDS_MAX - 1)
			return finding_set(
			    why, "more than %d fields; name fewer", TUPLE_FIELDS_MAX - 1);
		struct type_argument *field = &fields[out->n_fields];
		int rc = type_parse_argument(
		    (struct slice){ word.at + 1, word.len - 2 }, arena, field, why);
		if (rc != 0)
			return rc;
		for (unsigned i = 0; i < out->n_fields; i++) {
			if (strcmp(fields[i].name, field->name) == 0)
				return finding_set(why,
				    "two fields named \"%s\"; give each its own name", field->name);
		}
		out->n_fields++;
	}
	return 0;
}

static const char *
bloat_judge_vary(const struct bloat *b, struct slice name)
{
	if (!http_is_token(name))
		return "is no header name";
	if (slice_equal(name, SLICE("host")))
		return "always selects; leave it out";
	if (slice_equal(name, SLICE("cookie")))
		return "holds all cookies; name those that count in `cookie`";
	if (slice_equal(name, SLICE("accept-language")) && b->config->lang.n > 0)
		return "is what `lang` is for; leave one of them out";
	return forward_is_owned(name)
		   ? "is made or dropped by Dory where a bloat serves; leave it out"
		   : NULL;
}

static const char *
bloat_judge_cookie(const struct bloat *b, struct slice name)
{
	(void)b;
	return http_is_token(name) ? NULL : "is no cookie name";
}

static const char *
bloat_judge_language(const struct bloat *b, struct slice name)
{
	(void)b;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-';
		if (!good)
			return "is no language; write en, de or pt-BR";
	}
	return NULL;
}

static const char *
bloat_judge_forward(const struct bloat *b, struct slice name)
{
	(void)b;
	if (slice_equal(name, SLICE("*")))
		return "stands alone";
	if (!http_is_token(name))
		return "is no header name";
	if (slice_equal(name, SLICE("cookie")))
		return "holds all cookies; name those that count in `cookie`";
	return forward_is_closed(name)
		   ? "never reaches the backend where a bloat serves; leave it out"
		   : NULL;
}

static struct slice
bloat_lower(const char *text, struct arena *arena)
{
	struct slice s = slice_of(text);
	char *copy = arena_copy(arena, s);

	for (size_t i = 0; copy != NULL && i < s.len; i++) {
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] - 'A' + 'a');
	}
	return (struct slice){ copy, s.len };
}

bool
bloat_names_has(const struct bloat_names *names, struct slice name)
{
	bool found = false;

	for (unsigned i = 0; !found && i < names->n; i++)
		found = slice_equal(names->items[i], name);
	return found;
}

/* A setting that is a list of names. */
struct bloat_list {
	const char *setting;
	const struct config_list *from;
	struct bloat_names *to;
	bloat_judge *judge;
	bool lower;
	unsigned max;
};

static int
bloat_compile_names(const struct compile *c, struct bloat *b, const struct bloat_list *list)
{
	const struct config_list *from = list->from;

	if (from->n == 1 && strcmp(from->items[0].text, "none") == 0)
		return 0;
	list->to->items = arena_alloc(c->arena, (from->n + 1) * sizeof(struct slice));
	if (list->to->items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		const struct config_text *item = &from->items[i];
		struct slice name =
		    list->lower ? bloat_lower(item->text, c->arena) : slice_of(item->text);
		if (name.at == NULL)
			return -ENOMEM;
		const char *wrong = list->judge(b, name);
		if (wrong == NULL && bloat_names_has(list->to, name))
			wrong = "stands twice; write it once";
		if (wrong == NULL && list->to->n == list->max)
			wrong = "is one too many; name fewer";
		if (wrong == NULL) {
			list->to->items[list->to->n++] = name;
			continue;
		}
		config_error(c->errors, c->config->file, item->line, "[bloat %s] %s: \"%s\" %s",
		    bloat_name(b), list->setting, item->text, wrong);
		b->broken = true;
	}
	return 0;
}

static int
bloat_compile_lists(const struct compile *c, struct bloat *b)
{
	const struct config_bloat *config = b->config;
	const struct bloat_list lists[] = {
		{ "vary", &config->vary, &b->vary, bloat_judge_vary, true, VARY_NAMES_MAX },
		{ "cookie", &config->cookie, &b->cookies, bloat_judge_cookie, false,
		    BLOAT_COOKIES_MAX },
		{ "lang", &config->lang, &b->languages, bloat_judge_language, false,
		    BLOAT_LANGUAGES_MAX },
		{ "forward", &config->forward, &b->forward, bloat_judge_forward, true, UINT16_MAX },
	};
	size_t n = COUNT(lists);
	int rc = 0;

	b->forwards_all =
	    config->forward.n == 0 ||
	    (config->forward.n == 1 && strcmp(config->forward.items[0].text, "*") == 0);
	if (b->forwards_all)
		n--;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = bloat_compile_names(c, b, &lists[i]);
	if (b->forward.n > 0)
		qsort(b->forward.items, b->forward.n, sizeof(struct slice), order_by_slice);
	return rc;
}

static int
bloat_compile_tags(const struct compile *c, struct bloat *b)
{
	const struct config_list *from = &b->config->tags;
	const char *names[TUPLE_FIELDS_MAX];
	struct finding why;

	if (from->n == 0 || (from->n == 1 && strcmp(from->items[0].text, "none") == 0))
		return 0;
	struct template *tags = arena_alloc(c->arena, from->n * sizeof(*tags));
	if (tags == NULL)
		return -ENOMEM;
	b->tags = tags;
	for (unsigned i = 0; i < b->n_fields; i++)
		names[i] = b->fields[i].name;
	for (size_t i = 0; i < from->n; i++) {
		struct slice text = slice_of(from->items[i].text);
		int rc =
		    b->n_tags == SCOPE_TAGS_MAX
			? finding_set(&why, "more than %d tags; name fewer", (int)SCOPE_TAGS_MAX)
			: template_parse(
			      text, names, b->n_fields, c->arena, &tags[b->n_tags], &why);
		if (rc == 0 && text.len > SCOPE_TAG_MAX)
			rc = finding_set(
			    &why, "a tag of more than %d bytes; shorten it", (int)SCOPE_TAG_MAX);
		b->n_tags += rc == 0;
		if (bloat_note(c, b, &why, rc, "tags", from->items[i].line) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* A name must be readable in scopes and free of what begins other scopes there. */
static bool
bloat_name_is_good(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.at[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
		if (!good)
			return false;
	}
	return name.len > 0;
}

int
bloat_compile(const struct compile *c, size_t index, struct bloat *out)
{
	const struct config_bloat *config = &c->config->bloats[index];
	struct finding why;

	*out = (struct bloat){ .config = config, .index = index };
	out->prefix = slice_of(config->prefix == NULL ? config->name : config->prefix);
	if (!bloat_name_is_good(slice_of(config->name))) {
		out->broken = true;
		config_error(c->errors, c->config->file, config->line,
		    "[bloat %s] has no good name; write letters, digits, \"-\", \"_\" and \".\"",
		    config->name);
	}
	int rc = bloat_parse_key(slice_of(config->key.text), c->arena, out, &why);
	if (bloat_note(c, out, &why, rc, "key", config->key.line) != 0)
		return -ENOMEM;
	rc = query_parse(slice_of(config->query.text), c->arena, &out->query, &why);
	if (bloat_note(c, out, &why, rc, "query", config->query.line) != 0)
		return -ENOMEM;
	rc = bloat_compile_lists(c, out);
	return rc != 0 ? rc : bloat_compile_tags(c, out);
}

const struct config_bloat *
bloat_config(const struct bloat *b)
{
	return b->config;
}

const char *
bloat_name(const struct bloat *b)
{
	return b->config->name;
}

unsigned
bloat_fields(const struct bloat *b)
{
	return b->n_fields;
}

/* A part of a second counts as one, so that `500ms` is not "none". */
static int64_t
bloat_seconds(int64_t ms)
{
	return ms / 1000 + (ms % 1000 > 0);
}

static enum storing_origin
bloat_origin(enum config_origin origin)
{
	switch (origin) {
	case ORIGIN_OBEY:
		return STORING_OBEY;
	case ORIGIN_CAP:
		return STORING_CAP;
	case ORIGIN_IGNORE:
		return STORING_IGNORE;
	}
	return STORING_OBEY;
}

struct storing_policy
bloat_policy(const struct bloat *b, unsigned status, bool *status_timeout)
{
	const struct config_bloat *config = b->config;
	int64_t timeout_ms = config->timeout_ms;

	*status_timeout = false;
	for (size_t i = 0; i < config->n_status_timeouts; i++) {
		if (config->status_timeouts[i].status == status) {
			timeout_ms = config->status_timeouts[i].timeout_ms;
			*status_timeout = true;
		}
	}
	return (struct storing_policy){
		.origin = bloat_origin(config->origin),
		.heuristic = config->heuristic,
		.takes_set_cookie = config->set_cookie != SET_COOKIE_REFUSE,
		.timeout_s = bloat_seconds(timeout_ms),
		.grace_s = bloat_seconds(config->grace_ms),
		.stale_if_error_s = bloat_seconds(config->stale_if_error_ms),
		.keep_s = bloat_seconds(config->keep_ms),
	};
}
