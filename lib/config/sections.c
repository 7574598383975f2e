/* sections.c -- Sections as they are read: headers, keys, defaults, and the arrays they end in. */
#include "config/sections.h"

#include "config/syntax.h"
#include "config/values.h"

#include <errno.h>

#define SECTIONS_KINDS "[dory], [admin], [backend NAME], [bloat NAME] or [route NAME]"
#define SECTIONS_NAME "up to 40 letters, digits, \"-\", \"_\" and \".\""

/* A finding about the section being read. */
#define sections_error(s, line, format, ...)                                                       \
	config_error(                                                                              \
	    (s)->errors, (s)->config->file, line, "%s " format, (s)->now.title, __VA_ARGS__)

/* A part of a message: what `text` holds, NUL-terminated, in the arena. Frees `text`. */
static const char *
sections_text(struct sections *s, struct buf *text)
{
	char *copy = text->failed ? NULL : arena_copy(&s->config->arena, buf_as_slice(text));

	buf_free(text);
	s->failed = s->failed || copy == NULL;
	return copy == NULL ? "" : copy;
}

/* What a value may be. */
static const char *
sections_expect(struct sections *s, const struct setting *setting)
{
	struct buf text = { 0 };

	settings_expect(setting, &text);
	return sections_text(s, &text);
}

static void
sections_flaw(struct sections *s, const struct setting *setting, struct slice key, unsigned line,
    const char *flaw)
{
	sections_error(
	    s, line, "%.*s: %s; write %s", SLICE_ARGS(key), flaw, sections_expect(s, setting));
}

/* Read the default of what the file left out. */
static void
sections_default(struct sections *s, const struct setting *setting)
{
	struct values_place place = { &s->config->arena, s->now.line };
	const char *flaw = "";

	if (setting->initial == NULL)
		return;
	int rc = values_set(setting, slice_of(setting->initial), place, &s->now.at, &flaw);
	if (rc == -EINVAL)
		sections_flaw(s, setting, slice_of(setting->key), s->now.line, flaw);
	s->failed = s->failed || rc == -ENOMEM;
}

/* Hand the finished section over. */
static void
sections_keep(struct sections *s)
{
	struct section *now = &s->now;

	switch (now->kind) {
	case SETTINGS_DORY:
		s->config->dory = now->at.dory;
		break;
	case SETTINGS_ADMIN:
		s->config->admin = now->at.admin;
		break;
	case SETTINGS_BACKEND:
		buf_append(&s->backends, &now->at.backend, sizeof(now->at.backend));
		break;
	case SETTINGS_BLOAT:
		if (now->at.bloat.prefix == NULL)
			now->at.bloat.prefix = now->at.bloat.name;
		buf_append(&s->bloats, &now->at.bloat, sizeof(now->at.bloat));
		break;
	case SETTINGS_ROUTE:
		buf_append(&s->routes, &now->at.route, sizeof(now->at.route));
		break;
	case SETTINGS_SECTIONS:
		break;
	}
}

static void
sections_close(struct sections *s)
{
	size_t n;

	if (!s->now.open)
		return;
	const struct setting *rows = settings_of(s->now.kind, &n);
	for (size_t i = 0; i < n; i++) {
		if (s->now.key_lines[i] != 0)
			continue;
		if (rows[i].required && !s->now.damaged)
			sections_error(s, s->now.line, "has no %s; write %s = %s", rows[i].key,
			    rows[i].key, rows[i].example);
		sections_default(s, &rows[i]);
	}
	if (!s->now.again)
		sections_keep(s);
	s->now.open = false;
}

/* Begin a section whose header is right. */
static void
sections_open(struct sections *s, enum settings_section kind, const char *name, unsigned line)
{
	unsigned *seen = kind == SETTINGS_DORY ? &s->dory_line : &s->admin_line;
	const char *blank = name == NULL ? "" : " ";
	const char *title = arena_printf(&s->config->arena, "[%s%s%s]", settings_section_name(kind),
	    blank, name == NULL ? "" : name);

	s->now = (struct section){ .open = true, .kind = kind, .line = line };
	s->now.title = title == NULL ? "" : title;
	s->failed = s->failed || title == NULL;
	if (kind == SETTINGS_BACKEND) {
		s->now.at.backend.name = name;
		s->now.at.backend.line = line;
	} else if (kind == SETTINGS_BLOAT) {
		s->now.at.bloat.name = name;
		s->now.at.bloat.line = line;
	} else if (kind == SETTINGS_ROUTE) {
		s->now.at.route.name = name;
		s->now.at.route.line = line;
	} else if (*seen != 0) {
		s->now.again = true;
		sections_error(s, line, "stands in line %u already; move its keys there", *seen);
	} else if (line != 0) {
		*seen = line;
	}
}

static enum settings_section
sections_find(struct slice kind)
{
	unsigned i = 0;
	while (i < SETTINGS_SECTIONS && !slice_equal(kind, slice_of(settings_section_name(i))))
		i++;
	return i;
}

static void
sections_unknown(struct sections *s, struct slice header, struct slice kind, unsigned line)
{
	const char *names[SETTINGS_SECTIONS], *file = s->config->file;

	for (unsigned i = 0; i < SETTINGS_SECTIONS; i++)
		names[i] = settings_section_name(i);
	const char *near = config_nearest(kind, names, COUNT(names));
	if (near == NULL)
		config_error(s->errors, file, line,
		    "unknown section [%.*s]; write one of " SECTIONS_KINDS, SLICE_ARGS(header));
	else
		config_error(s->errors, file, line, "unknown section [%.*s]; did you mean [%s%s]?",
		    SLICE_ARGS(header), near,
		    settings_section_named(sections_find(slice_of(near))) ? " NAME" : "");
	sections_lose(s);
}

/* Why the rest of a header can't be the name, or NULL. */
static const char *
sections_name_flaw(enum settings_section kind, struct slice name)
{
	if (!settings_section_named(kind))
		return name.len == 0 ? NULL : "takes no name";
	if (name.len == 0)
		return "needs a name";
	return syntax_name(name) == NULL ? NULL : "has a bad name";
}

void
sections_begin(struct sections *s, struct slice header, unsigned line)
{
	struct slice name = slice_trim(header), kind = { name.at, 0 };

	sections_close(s);
	while (kind.len < name.len && name.at[kind.len] != ' ' && name.at[kind.len] != '\t')
		kind.len++;
	name = slice_trim((struct slice){ name.at + kind.len, name.len - kind.len });
	enum settings_section found = sections_find(kind);
	if (found == SETTINGS_SECTIONS) {
		sections_unknown(s, slice_trim(header), kind, line);
		return;
	}
	const char *flaw = sections_name_flaw(found, name);
	if (flaw != NULL) {
		config_error(s->errors, s->config->file, line, "[%.*s] %s; write [%.*s%s%s",
		    SLICE_ARGS(slice_trim(header)), flaw, SLICE_ARGS(kind),
		    settings_section_named(found) ? " NAME] with " : "]",
		    settings_section_named(found) ? SECTIONS_NAME : "");
		sections_lose(s);
		return;
	}
	const char *copy = name.len == 0 ? NULL : arena_copy(&s->config->arena, name);
	s->failed = s->failed || (name.len > 0 && copy == NULL);
	if (!s->failed)
		sections_open(s, found, copy, line);
}

void
sections_lose(struct sections *s)
{
	sections_close(s);
	s->lost = true;
}

void
sections_damage(struct sections *s)
{
	s->now.damaged = true;
}

/* The keys that the section may have. */
static const char *
sections_keys(struct sections *s)
{
	struct buf text = { 0 };
	size_t n;
	const struct setting *rows = settings_of(s->now.kind, &n);

	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s%s", i == 0 ? "" : ", ", rows[i].key);
	return sections_text(s, &text);
}

static void
sections_unknown_key(struct sections *s, struct slice key, unsigned line)
{
	const char *names[SECTIONS_KEYS_MAX];
	size_t n;
	const struct setting *rows = settings_of(s->now.kind, &n);

	for (size_t i = 0; i < n; i++)
		names[i] = rows[i].key;
	const char *near = config_nearest(key, names, n);
	if (near != NULL)
		sections_error(
		    s, line, "unknown key \"%.*s\"; did you mean \"%s\"?", SLICE_ARGS(key), near);
	else
		sections_error(s, line, "unknown key \"%.*s\"; write one of %s", SLICE_ARGS(key),
		    sections_keys(s));
	s->now.damaged = true;
}

/*
 * The row of a key, and where its line is noted: `timeout_404` is a key of the row timeout_STATUS
 * with a place of its own. NULL if there is none.
 */
static const struct setting *
sections_row(struct sections *s, struct slice key, unsigned **noted, unsigned *status)
{
	struct slice prefix = SLICE("timeout_");
	size_t n;
	uint64_t number = 0;
	const struct setting *rows = settings_of(s->now.kind, &n);

	for (size_t i = 0; i < n; i++) {
		if (rows[i].type == SETTING_STATUS_MS && slice_starts_with(key, prefix)) {
			struct slice rest = { key.at + prefix.len, key.len - prefix.len };
			bool good = rest.len == 3 && slice_to_u64(rest, &number) == 0 &&
				    number >= SECTIONS_STATUS_MIN && number <= SECTIONS_STATUS_MAX;
			*noted = good ? &s->now.status_lines[number - SECTIONS_STATUS_MIN] : NULL;
			*status = (unsigned)number;
			return &rows[i];
		}
		if (slice_equal(key, slice_of(rows[i].key))) {
			*noted = &s->now.key_lines[i];
			return &rows[i];
		}
	}
	return NULL;
}

static bool
sections_repeatable(const struct setting *setting)
{
	return setting->type == SETTING_LINES || setting->type == SETTING_WORDS;
}

/* Read the value of a key that may stand where it stands. */
static void
sections_value(struct sections *s, const struct setting *row, struct slice key, struct slice value,
    unsigned status, unsigned line)
{
	struct values_place place = { &s->config->arena, line };
	const char *flaw = "";
	int rc;

	if (row->type == SETTING_STATUS_MS)
		rc = values_set_status(row, status, value, place, &s->now.at.bloat, &flaw);
	else
		rc = values_set(row, value, place, &s->now.at, &flaw);
	if (rc == -EINVAL)
		sections_flaw(s, row, key, line, flaw);
	s->failed = s->failed || rc == -ENOMEM;
}

void
sections_set(struct sections *s, struct slice key, struct slice value, unsigned line)
{
	unsigned *noted = NULL, status = 0;

	if (!s->now.open && !s->lost)
		config_error(s->errors, s->config->file, line,
		    "%.*s stands before the first section; begin with one of " SECTIONS_KINDS,
		    SLICE_ARGS(key));
	if (!s->now.open)
		return;
	const struct setting *row = sections_row(s, key, &noted, &status);
	if (row == NULL) {
		sections_unknown_key(s, key, line);
		return;
	}
	if (noted == NULL) {
		sections_error(s, line, "unknown key \"%.*s\"; write timeout_STATUS with %s",
		    SLICE_ARGS(key), "a status from 200 to 599");
		return;
	}
	if (*noted != 0 && !sections_repeatable(row)) {
		sections_error(s, line, "%.*s stands in line %u already; keep one of them",
		    SLICE_ARGS(key), *noted);
		return;
	}
	*noted = line;
	if (value.len == 0)
		sections_error(s, line, "%.*s needs a value: write %s", SLICE_ARGS(key),
		    sections_expect(s, row));
	else
		sections_value(s, row, key, value, status, line);
}

/* Move an array into the arena. */
static void *
sections_array(struct sections *s, struct buf *from, size_t size, size_t *n)
{
	void *array = arena_alloc(&s->config->arena, from->len);

	s->failed = s->failed || from->failed || array == NULL;
	if (s->failed)
		return NULL;
	if (from->len > 0)
		memcpy(array, from->data, from->len);
	*n = from->len / size;
	return array;
}

int
sections_end(struct sections *s)
{
	struct config *c = s->config;

	sections_close(s);
	if (s->dory_line == 0)
		sections_open(s, SETTINGS_DORY, NULL, 0);
	sections_close(s);
	if (s->admin_line == 0)
		sections_open(s, SETTINGS_ADMIN, NULL, 0);
	sections_close(s);
	c->backends = sections_array(s, &s->backends, sizeof(*c->backends), &c->n_backends);
	c->bloats = sections_array(s, &s->bloats, sizeof(*c->bloats), &c->n_bloats);
	c->routes = sections_array(s, &s->routes, sizeof(*c->routes), &c->n_routes);
	return s->failed ? -ENOMEM : 0;
}

void
sections_fini(struct sections *s)
{
	buf_free(&s->backends);
	buf_free(&s->bloats);
	buf_free(&s->routes);
}
