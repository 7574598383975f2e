/* dory_print.c -- What the dory command says to people, from the trees of lib/report. */
#include "dory_print.h"

#include "http/chars.h"

#include <inttypes.h>

enum { PRINT_LABEL = 10, PRINT_KEY_MAX = 40, PRINT_AGE = 8, PRINT_TTL = 9 };

/* ---- Pieces --------------------------------------------------------------------------------- */

/* Bytes that would move a terminal's idea of itself are spelled out; C1 controls too, in UTF-8. */
static void
dory_print_slice(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.at[i],
			      next = i + 1 < s.len ? (unsigned char)s.at[i + 1] : 0;
		if (chars_is_control(s.at[i]) || (c == 0xc2 && next >= 0x80 && next < 0xa0))
			buf_printf(out, "\\x%02x", c);
		else
			buf_char(out, s.at[i]);
	}
}

static void
dory_print_string(const json_t *string, struct buf *out)
{
	if (json_is_string(string))
		dory_print_slice(
		    (struct slice){ json_string_value(string), json_string_length(string) }, out);
	else
		buf_char(out, '-');
}

static const char *
dory_print_word(const json_t *tree, const char *name)
{
	const char *word = json_string_value(json_object_get(tree, name));
	return word == NULL ? "" : word;
}

static int64_t
dory_print_number(const json_t *tree, const char *name)
{
	return json_integer_value(json_object_get(tree, name));
}

static void
dory_print_label(const char *label, struct buf *out)
{
	buf_printf(out, "  %-*s", PRINT_LABEL, label);
}

/* "  label     text" */
static void
dory_print_line(const char *label, const json_t *tree, const char *name, struct buf *out)
{
	dory_print_label(label, out);
	dory_print_string(json_object_get(tree, name), out);
	buf_char(out, '\n');
}

/* The strings of a list, or "-" where it is empty. */
static void
dory_print_list(const json_t *list, const char *separator, struct buf *out)
{
	if (json_array_size(list) == 0)
		buf_char(out, '-');
	for (size_t i = 0; i < json_array_size(list); i++) {
		buf_text(out, i == 0 ? "" : separator);
		dory_print_string(json_array_get(list, i), out);
	}
}

/* The two largest units: 59m57s, 3d4h. */
static void
dory_print_duration(int64_t seconds, struct buf *out)
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t left = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
	unsigned shown = 0;

	if (seconds <= 0)
		buf_text(out, seconds < 0 ? "-" : "0s");
	for (size_t i = 0; i < COUNT(units) && shown < 2; i++) {
		uint64_t n = left / (uint64_t)units[i].seconds;
		left %= (uint64_t)units[i].seconds;
		if (n > 0)
			buf_printf(out, "%" PRIu64 "%c", n, units[i].letter);
		shown += n > 0 || shown > 0;
	}
}

/* As sizes are written in the configuration, one digit behind the point where it says something. */
static void
dory_print_size(int64_t bytes, struct buf *out)
{
	static const char letters[] = "KMGT";
	double size = (double)bytes;
	int unit = -1;

	while (size >= 1024 && unit < 3) {
		size /= 1024;
		unit++;
	}
	if (unit < 0)
		buf_printf(out, "%" PRId64, bytes);
	else
		buf_printf(out, "%.*f%c", size < 10 ? 1 : 0, size, letters[unit]);
}

/* A line for each [name, value], the label before the first; what was absent is "(absent)". */
static void
dory_print_pairs(const char *label, const json_t *pairs, const char *between, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(pairs); i++) {
		const json_t *pair = json_array_get(pairs, i), *value = json_array_get(pair, 1);
		dory_print_label(i == 0 ? label : "", out);
		dory_print_string(json_array_get(pair, 0), out);
		buf_text(out, between);
		if (json_is_string(value))
			dory_print_string(value, out);
		else
			buf_text(out, "(absent)");
		buf_char(out, '\n');
	}
}

/* "200, fresh, age 3s, ttl 59m57s, 17 bytes" */
static void
dory_print_standing(const json_t *entry, struct buf *out)
{
	buf_printf(out, "%" PRId64 ", %s", dory_print_number(entry, "status"),
	    dory_print_word(entry, "state"));
	if (json_is_integer(json_object_get(entry, "deflated_by")))
		buf_printf(out, " (deflate %" PRId64 ")", dory_print_number(entry, "deflated_by"));
	buf_text(out, ", age ");
	dory_print_duration(dory_print_number(entry, "age"), out);
	buf_text(out, ", ttl ");
	dory_print_duration(dory_print_number(entry, "ttl"), out);
	buf_printf(out, ", %" PRId64 " bytes, sequence %" PRId64 "\n",
	    dory_print_number(entry, "bytes"), dory_print_number(entry, "sequence"));
}

/* ---- check, deflate, enable, disable -------------------------------------------------------- */

static void
dory_print_count(const json_t *tree, const char *name, const char *one, struct buf *out)
{
	int64_t n = dory_print_number(tree, name);
	buf_printf(out, "%" PRId64 " %s%s", n, one, n == 1 ? "" : "s");
}

void
dory_print_fine(const json_t *tree, struct buf *out)
{
	dory_print_string(json_object_get(tree, "file"), out);
	buf_text(out, ": fine: ");
	dory_print_count(tree, "bloats", "bloat", out);
	buf_text(out, ", ");
	dory_print_count(tree, "routes", "route", out);
	buf_text(out, ", ");
	dory_print_count(tree, "backends", "backend", out);
	buf_char(out, '\n');
}

/* A dry run: scopes may cover the same entries, so each has a count of its own. */
static void
dory_print_dry(const json_t *scopes, const json_t *entries, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(scopes); i++) {
		json_int_t n = json_integer_value(json_array_get(entries, i));
		buf_text(out, "would deflate ");
		dory_print_string(json_array_get(scopes, i), out);
		buf_printf(out, ": %lld %s stored\n", (long long)n, n == 1 ? "entry" : "entries");
	}
}

void
dory_print_deflated(const json_t *tree, struct buf *out)
{
	const json_t *scopes = json_object_get(tree, "scopes");

	if (json_is_true(json_object_get(tree, "dry_run"))) {
		dory_print_dry(scopes, json_object_get(tree, "entries"), out);
		return;
	}
	buf_text(out, "deflated ");
	dory_print_list(scopes, ", ", out);
	buf_printf(out, ": sequence %" PRId64 "\n", dory_print_number(tree, "sequence"));
}

void
dory_print_switched(const json_t *tree, struct buf *out)
{
	buf_text(out, json_is_true(json_object_get(tree, "enabled")) ? "enabled " : "disabled ");
	dory_print_string(json_object_get(tree, "bloat"), out);
	buf_char(out, '\n');
}

/* ---- explain -------------------------------------------------------------------------------- */

/* Sentences for the words of plan_reason_name(). */
static const struct {
	const char *word;
	const char *sentence;
} dory_print_reasons[] = {
	{ "no-route", "no route matches" },
	{ "no-bloat", "its route has no bloat" },
	{ "method", "only GET and HEAD are served from the store" },
	{ "bypass", "the route's bypass fits" },
	{ "body", "the request has a body" },
	{ "disabled", "the bloat is disabled" },
	{ "key-size", "the key or a tag is too long" },
	{ "key-value", "a value of the key is missing or does not fit" },
};

static void
dory_print_action(const json_t *tree, struct buf *out)
{
	const char *word = dory_print_word(tree, "reason"), *sentence = word;

	dory_print_label("action", out);
	buf_text(out, dory_print_word(tree, "action"));
	for (size_t i = 0; i < COUNT(dory_print_reasons); i++) {
		if (strcmp(word, dory_print_reasons[i].word) == 0)
			sentence = dory_print_reasons[i].sentence;
	}
	if (word[0] != '\0')
		buf_printf(out, ": %s", sentence);
	if (json_is_string(json_object_get(tree, "bypass"))) {
		buf_text(out, ": ");
		dory_print_string(json_object_get(tree, "bypass"), out);
	}
	buf_char(out, '\n');
}

static void
dory_print_route(const json_t *tree, struct buf *out)
{
	const json_t *route = json_object_get(tree, "route");

	dory_print_label("route", out);
	if (json_is_null(route)) {
		bool known = json_is_true(json_object_get(tree, "path_known"));
		buf_text(out, known ? "- (routes with this path are for other methods)\n" : "-\n");
		return;
	}
	dory_print_string(json_object_get(route, "name"), out);
	buf_text(out, " (");
	dory_print_string(json_object_get(route, "file"), out);
	buf_printf(out, ":%" PRId64 ")\n", dory_print_number(route, "line"));
}

static void
dory_print_scopes(const json_t *tree, struct buf *out)
{
	const json_t *scopes = json_object_get(tree, "scopes");

	dory_print_label("deflates", out);
	dory_print_list(scopes, ", ", out);
	if (json_array_size(scopes) > 0 &&
	    strcmp(dory_print_word(tree, "deflate_mode"), "soft") == 0)
		buf_text(out, " (soft)");
	buf_char(out, '\n');
}

static void
dory_print_request(const json_t *tree, struct buf *out)
{
	const json_t *backend = json_object_get(tree, "backend");
	const json_t *request = json_object_get(tree, "request");

	dory_print_label("backend", out);
	if (json_is_null(backend)) {
		buf_text(out, "- (404: no route leads to one)\n");
		return;
	}
	dory_print_string(json_object_get(backend, "name"), out);
	buf_text(out, ", ");
	dory_print_string(json_object_get(backend, "url"), out);
	buf_char(out, '\n');
	dory_print_label("sends", out);
	dory_print_string(json_object_get(request, "method"), out);
	buf_char(out, ' ');
	dory_print_string(json_object_get(request, "target"), out);
	buf_char(out, '\n');
	dory_print_pairs("", json_object_get(request, "fields"), ": ", out);
	dory_print_label("ranges", out);
	bool forward = strcmp(dory_print_word(tree, "ranges"), "forward") == 0;
	buf_text(out, forward ? "sent on\n" : "answered from the whole\n");
}

void
dory_print_explain_unstored(const json_t *tree, struct buf *out)
{
	dory_print_string(json_object_get(tree, "method"), out);
	buf_char(out, ' ');
	dory_print_string(json_object_get(tree, "url"), out);
	buf_char(out, '\n');
	dory_print_route(tree, out);
	dory_print_action(tree, out);
	dory_print_line("bloat", tree, "bloat", out);
	dory_print_line("key", tree, "key", out);
	dory_print_pairs("variant", json_object_get(tree, "variant"), " = ", out);
	dory_print_scopes(tree, out);
	dory_print_request(tree, out);
}

void
dory_print_explain(const json_t *tree, struct buf *out)
{
	const json_t *stored = json_object_get(tree, "stored");

	dory_print_explain_unstored(tree, out);
	dory_print_label("stored", out);
	if (json_is_null(stored)) {
		buf_text(out, "-\n");
		return;
	}
	dory_print_standing(stored, out);
	dory_print_label("tags", out);
	dory_print_list(json_object_get(stored, "tags"), ", ", out);
	buf_char(out, '\n');
}

/* ---- ls, show ------------------------------------------------------------------------------- */

static size_t
dory_print_key_width(const json_t *entries)
{
	size_t width = sizeof("key") - 1;

	for (size_t i = 0; i < json_array_size(entries); i++) {
		size_t len = json_string_length(json_object_get(json_array_get(entries, i), "key"));
		width = len > width && len <= PRINT_KEY_MAX ? len : width;
	}
	return width;
}

static void
dory_print_padded(struct buf *cell, size_t width, struct buf *out)
{
	if (buf_error(cell) != 0)
		out->failed = true;
	buf_printf(out, "%-*.*s  ", (int)width, SLICE_ARGS(buf_as_slice(cell)));
	buf_clear(cell);
}

static void
dory_print_entry(const json_t *entry, size_t width, struct buf *out)
{
	struct buf cell = { 0 };

	dory_print_string(json_object_get(entry, "key"), &cell);
	dory_print_padded(&cell, width, out);
	buf_printf(out, "%6" PRId64 "  %-8s  ", dory_print_number(entry, "status"),
	    dory_print_word(entry, "state"));
	dory_print_duration(dory_print_number(entry, "age"), &cell);
	dory_print_padded(&cell, PRINT_AGE, out);
	dory_print_duration(dory_print_number(entry, "ttl"), &cell);
	dory_print_padded(&cell, PRINT_TTL, out);
	buf_printf(out, "%8" PRId64 "  ", dory_print_number(entry, "bytes"));
	dory_print_string(json_object_get(entry, "path"), out);
	buf_char(out, '\n');
	buf_free(&cell);
}

void
dory_print_entries(const json_t *page, bool first, struct buf *out)
{
	const json_t *entries = json_object_get(page, "entries");
	size_t width = dory_print_key_width(entries);

	if (first && json_array_size(entries) == 0)
		buf_text(out, "nothing is stored\n");
	else if (first)
		buf_printf(out, "%-*s  status  %-8s  %-*s  %-*s  %8s  path\n", (int)width, "key",
		    "state", PRINT_AGE, "age", PRINT_TTL, "ttl", "bytes");
	for (size_t i = 0; i < json_array_size(entries); i++)
		dory_print_entry(json_array_get(entries, i), width, out);
}

static void
dory_print_one_variant(const json_t *entry, struct buf *out)
{
	buf_char(out, '\n');
	dory_print_string(json_object_get(entry, "path"), out);
	buf_text(out, ": ");
	dory_print_standing(entry, out);
	dory_print_label("tags", out);
	dory_print_list(json_object_get(entry, "tags"), ", ", out);
	buf_char(out, '\n');
	dory_print_pairs("variant", json_object_get(entry, "variant"), " = ", out);
	dory_print_pairs("fields", json_object_get(entry, "fields"), ": ", out);
}

void
dory_print_variants(const json_t *tree, struct buf *out)
{
	const json_t *variants = json_object_get(tree, "variants");
	size_t n = json_array_size(variants);

	dory_print_string(json_object_get(tree, "key"), out);
	buf_printf(out, ", %zu %s\n", n, n == 1 ? "variant" : "variants");
	for (size_t i = 0; i < n; i++)
		dory_print_one_variant(json_array_get(variants, i), out);
}

/* ---- stat ----------------------------------------------------------------------------------- */

void
dory_print_stat(const json_t *tree, struct buf *out)
{
	const json_t *store = json_object_get(tree, "store"),
		     *bloats = json_object_get(tree, "bloats");

	buf_text(out, "store ");
	dory_print_string(json_object_get(store, "path"), out);
	buf_printf(
	    out, "\n  entries   %" PRId64 "\n  used      ", dory_print_number(store, "entries"));
	dory_print_size(dory_print_number(store, "used_bytes"), out);
	buf_text(out, " of ");
	dory_print_size(dory_print_number(store, "size_bytes"), out);
	buf_printf(out, "\n  sequence  %" PRId64 ", floor %" PRId64 "\n",
	    dory_print_number(store, "sequence"), dory_print_number(store, "floor"));
	buf_printf(out, "  deflated  %" PRId64 " on record\n  intents   %" PRId64 "\n",
	    dory_print_number(store, "deflated"), dory_print_number(store, "intents"));
	buf_printf(out, "  readers   %" PRId64 " of %" PRId64 "\nbloats\n",
	    dory_print_number(store, "readers"), dory_print_number(store, "readers_max"));
	for (size_t i = 0; i < json_array_size(bloats); i++) {
		const json_t *bloat = json_array_get(bloats, i);
		bool enabled = json_is_true(json_object_get(bloat, "enabled"));
		buf_printf(out, "  %-8s  ", enabled ? "enabled" : "disabled");
		dory_print_string(json_object_get(bloat, "name"), out);
		buf_char(out, '\n');
	}
}
