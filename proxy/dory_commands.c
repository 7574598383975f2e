/* dory_commands.c -- What each command of dory does. */
#include "dory.h"

#include "base/clock.h"
#include "dory_print.h"
#include "report/piece.h"
#include "route/scopetext.h"

#include <errno.h>

enum { DORY_PAGE = 500 };

/* ---- Answers -------------------------------------------------------------------------------- */

/* Print the tree, as JSON or with `print`, and free it. */
static int
dory_answer(const struct dory *d, json_t *tree, void (*print)(const json_t *tree, struct buf *out))
{
	struct buf text = { 0 };
	int status = DORY_FAILED;

	if (tree == NULL) {
		dory_say("out of memory, or the store cannot be read");
		return DORY_FAILED;
	}
	if (d->json) {
		if (json_dumpf(tree, stdout, JSON_INDENT(2)) == 0 && fputc('\n', stdout) != EOF)
			status = DORY_DONE;
	} else {
		print(tree, &text);
		if (buf_error(&text) == 0) {
			fwrite(text.data, 1, text.len, stdout);
			status = DORY_DONE;
		}
	}
	buf_free(&text);
	json_decref(tree);
	return status;
}

/* ---- The store ------------------------------------------------------------------------------ */

/* Returns: 0; -errno with `why`, STORE_WHY_SIZE bytes. */
static int
dory_try_store(struct dory *d, char *why)
{
	const struct config_dory *c = &d->config->dory;
	struct store_options options = { .path = c->store,
		.size_bytes = c->size_bytes,
		.unsafe_fs = c->store_unsafe_fs,
		.must_exist = true };
	int rc = store_open(&d->store, &options, why);

	if (rc == -ENOENT)
		snprintf(why, STORE_WHY_SIZE, "no store at %s yet", c->store);
	if (rc != 0)
		return rc;
	rc = store_reader_new(d->store, &d->reader);
	if (rc == 0)
		rc = store_read_begin(d->reader);
	if (rc != 0)
		snprintf(
		    why, STORE_WHY_SIZE, "store %s: cannot be read: %s", c->store, strerror(-rc));
	return rc;
}

static int
dory_open_store(struct dory *d)
{
	char why[STORE_WHY_SIZE];
	int rc = dory_try_store(d, why);

	if (rc == 0)
		return DORY_DONE;
	if (rc == -ENOENT)
		dory_say("%s; %s: doryd makes it when it first starts (`store` in %s)", why,
		    d->command->nothing, d->file);
	else
		dory_say("%s", why);
	return DORY_FAILED;
}

static int
dory_write(struct dory *d, struct store_job *job)
{
	store_read_end(d->reader);
	int rc = store_do(d->store, job);
	if (rc == 0)
		return DORY_DONE;
	dory_say("store %s: cannot be written: %s; nothing was changed", d->config->dory.store,
	    strerror(-rc));
	return DORY_FAILED;
}

static int
dory_parse_scope(struct dory *d, const char *text, struct scope *out)
{
	const char *why;
	int rc = scope_parse(d->routes, slice_of(text), &d->arena, out, &why);

	if (rc == 0)
		return DORY_DONE;
	dory_say("scope %s: %s", text, why);
	return rc == -ENOMEM ? DORY_FAILED : DORY_USAGE;
}

/* ---- check ---------------------------------------------------------------------------------- */

static json_t *
dory_findings(const struct config_errors *errors)
{
	struct slice rest = buf_as_slice(&errors->text);
	json_t *lines = json_array();

	while (rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n');
		if (line.len > 0)
			piece_append(&lines, piece_text(line));
	}
	return json_pack("{s:b, s:o, s:i}", "ok", 0, "errors", lines, "count", (int)errors->n);
}

static json_t *
dory_fine(const struct dory *d)
{
	const struct config *c = d->config;

	return json_pack("{s:b, s:o, s:I, s:I, s:I}", "ok", 1, "file",
	    piece_text(slice_of(d->file)), "bloats", (json_int_t)c->n_bloats, "routes",
	    (json_int_t)c->n_routes, "backends", (json_int_t)c->n_backends);
}

int
dory_check(struct dory *d)
{
	struct config_errors errors = { 0 };
	int status = d->json ? dory_load(d, &errors) : dory_load(d, NULL);

	if (status == DORY_DONE)
		status = dory_answer(d, dory_fine(d), dory_print_fine);
	else if (status == DORY_BAD_CONFIG && d->json)
		dory_answer(d, dory_findings(&errors), dory_print_fine);
	config_errors_free(&errors);
	return status;
}

/* ---- explain -------------------------------------------------------------------------------- */

int
dory_explain(struct dory *d)
{
	struct report_question question = { slice_of(d->arguments[0]), slice_of(d->arguments[1]),
		d->headers, d->n_headers };
	struct http_request request;
	char unknown[STORE_WHY_SIZE];
	const char *why;
	int rc = report_request(&question, &d->arena, &request, &why);

	if (rc != 0) {
		dory_say("explain: %s", why);
		return rc == -ENOMEM ? DORY_FAILED : DORY_USAGE;
	}
	/* Without a store the rest can be told all the same. */
	bool known = dory_try_store(d, unknown) == 0;
	if (!known)
		dory_say("%s; so nothing is said of what is stored", unknown);
	json_t *tree =
	    report_explain(d->routes, &request, known ? d->reader : NULL, clock_wall_s());
	if (known && request.host.len == 0 && json_is_string(json_object_get(tree, "key")) &&
	    json_is_null(json_object_get(tree, "stored")))
		dory_say("the URL names no host; write http://HOST/... to ask about what is stored "
			 "for one");
	return dory_answer(d, tree, known ? dory_print_explain : dory_print_explain_unstored);
}

/* ---- deflate -------------------------------------------------------------------------------- */

static bool
dory_count_entry(void *context, struct slice name, const struct store_entry *entry)
{
	json_int_t *count = context;

	(void)name;
	*count += entry->kind == STORE_ENTRY_RESPONSE;
	return true;
}

/* A deflate that is not done: how many entries each scope covers. */
static int
dory_deflate_dry(struct dory *d, const struct scope *scopes, size_t n)
{
	json_t *counts = json_array(), *tree = report_deflated(d->routes, scopes, n, 0);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		json_int_t count = 0;
		rc = store_walk(d->reader, scopes[i], SLICE(""), dory_count_entry, &count);
		piece_append(&counts, json_integer(count));
	}
	json_t *more = json_pack("{s:b, s:o}", "dry_run", 1, "entries", counts);
	if (rc != 0 || tree == NULL || more == NULL || json_object_update(tree, more) != 0) {
		json_decref(tree);
		tree = NULL;
	}
	json_decref(more);
	return dory_answer(d, tree, dory_print_deflated);
}

int
dory_deflate(struct dory *d)
{
	size_t n = d->n_arguments;
	struct scope *scopes = arena_zalloc(&d->arena, n * sizeof(*scopes));
	int status = DORY_DONE;

	if (scopes == NULL) {
		dory_say("out of memory");
		return DORY_FAILED;
	}
	for (size_t i = 0; status == DORY_DONE && i < n; i++)
		status = dory_parse_scope(d, d->arguments[i], &scopes[i]);
	if (status == DORY_DONE)
		status = dory_open_store(d);
	if (status != DORY_DONE || d->dry_run)
		return status != DORY_DONE ? status : dory_deflate_dry(d, scopes, n);
	struct store_job job = {
		.kind = STORE_JOB_DEFLATE,
		.scopes = scopes,
		.n_scopes = n,
		.soft = d->soft,
		.by = "dory",
	};
	status = dory_write(d, &job);
	if (status != DORY_DONE)
		return status;
	return dory_answer(
	    d, report_deflated(d->routes, scopes, n, job.deflated), dory_print_deflated);
}

/* ---- ls ------------------------------------------------------------------------------------- */

/* One page at a time, each from a snapshot of its own: a large store fits no tree. */
static json_t *
dory_next_page(struct dory *d, struct scope scope, struct slice after)
{
	if (store_read_begin(d->reader) != 0)
		return NULL;
	json_t *page =
	    report_entries(d->routes, d->reader, scope, after, DORY_PAGE, clock_wall_s());
	store_read_end(d->reader);
	return page;
}

static void
dory_ls_json(const json_t *page, bool first)
{
	const json_t *entries = json_object_get(page, "entries");

	for (size_t i = 0; i < json_array_size(entries); i++) {
		fputs(first && i == 0 ? "\n" : ",\n", stdout);
		json_dumpf(json_array_get(entries, i), stdout, JSON_COMPACT);
	}
}

static void
dory_ls_text(const json_t *page, bool first)
{
	struct buf text = { 0 };

	dory_print_entries(page, first, &text);
	if (buf_error(&text) == 0)
		fwrite(text.data, 1, text.len, stdout);
	buf_free(&text);
}

static int
dory_ls_pages(struct dory *d, struct scope scope)
{
	json_t *page = dory_next_page(d, scope, SLICE(""));

	if (page != NULL && d->json)
		fputs("{\"entries\":[", stdout);
	for (bool first = true; page != NULL; first = false) {
		(d->json ? dory_ls_json : dory_ls_text)(page, first);
		json_t *next = json_object_get(page, "next");
		if (json_is_null(next)) {
			json_decref(page);
			fputs(d->json ? "\n],\"next\":null}\n" : "", stdout);
			return DORY_DONE;
		}
		json_t *last = page;
		page = dory_next_page(d, scope, slice_of(json_string_value(next)));
		json_decref(last);
	}
	dory_say("out of memory, or the store cannot be read");
	return DORY_FAILED;
}

int
dory_ls(struct dory *d)
{
	struct scope scope = { .kind = SCOPE_ALL };
	int status = DORY_DONE;

	if (d->n_arguments > 0)
		status = dory_parse_scope(d, d->arguments[0], &scope);
	if (status == DORY_DONE)
		status = dory_open_store(d);
	return status != DORY_DONE ? status : dory_ls_pages(d, scope);
}

/* ---- show ----------------------------------------------------------------------------------- */

/* A scope that leaves no value open. */
static bool
dory_is_key(const struct dory *d, struct scope scope, struct tuple *key)
{
	if (scope.kind != SCOPE_KEY || tuple_decode(scope.bytes, key) != 0 || key->n == 0)
		return false;
	const struct bloat *b = routes_bloat_of_prefix(d->routes, tuple_field(key, 0));
	return b == NULL || key->n == bloat_fields(b) + 1;
}

int
dory_show(struct dory *d)
{
	struct scope scope;
	struct tuple key;
	int status = dory_parse_scope(d, d->arguments[0], &scope);

	if (status == DORY_DONE && !dory_is_key(d, scope, &key)) {
		dory_say("%s is no single key; dory ls lists what a scope covers", d->arguments[0]);
		return DORY_USAGE;
	}
	if (status == DORY_DONE)
		status = dory_open_store(d);
	if (status != DORY_DONE)
		return status;
	json_t *tree = report_variants(d->routes, d->reader, &key, clock_wall_s());
	if (tree != NULL && json_array_size(json_object_get(tree, "variants")) == 0) {
		dory_say("nothing is stored under %s; dory ls lists what is", d->arguments[0]);
		json_decref(tree);
		return DORY_FAILED;
	}
	return dory_answer(d, tree, dory_print_variants);
}

/* ---- stat ----------------------------------------------------------------------------------- */

int
dory_stat(struct dory *d)
{
	int status = dory_open_store(d);

	if (status != DORY_DONE)
		return status;
	return dory_answer(d, report_stat(d->routes, d->reader), dory_print_stat);
}

/* ---- enable, disable ------------------------------------------------------------------------ */

static int
dory_no_bloat(struct dory *d, const char *name)
{
	size_t n = d->config->n_bloats;
	const char **names = arena_alloc(&d->arena, (n + 1) * sizeof(*names));
	const char *nearest = NULL;

	for (size_t i = 0; names != NULL && i < n; i++)
		names[i] = d->config->bloats[i].name;
	if (names != NULL)
		nearest = config_nearest(slice_of(name), names, n);
	if (nearest != NULL)
		dory_say("there is no bloat \"%s\"; did you mean \"%s\"?", name, nearest);
	else
		dory_say("there is no bloat \"%s\"; see the [bloat] sections of %s", name, d->file);
	return DORY_USAGE;
}

static int
dory_switch(struct dory *d, bool enable)
{
	const struct bloat *bloat = routes_bloat(d->routes, slice_of(d->arguments[0]));

	if (bloat == NULL)
		return dory_no_bloat(d, d->arguments[0]);
	int status = dory_open_store(d);
	if (status != DORY_DONE)
		return status;
	struct store_job job = {
		.kind = STORE_JOB_SWITCH, .bloat = bloat_name(bloat), .enable = enable
	};
	status = dory_write(d, &job);
	if (status != DORY_DONE)
		return status;
	const struct config_bloat *c = bloat_config(bloat);
	if (enable && !c->enabled)
		dory_say("%s stays off: %s:%u says `enabled = no`", c->name, d->file, c->line);
	json_t *tree =
	    json_pack("{s:o, s:b}", "bloat", piece_text(slice_of(c->name)), "enabled", (int)enable);
	return dory_answer(d, tree, dory_print_switched);
}

int
dory_enable(struct dory *d)
{
	return dory_switch(d, true);
}

int
dory_disable(struct dory *d)
{
	return dory_switch(d, false);
}
