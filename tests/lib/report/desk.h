/* desk.h -- A shop's configuration, a store of its own, and questions about both in tests. */
#ifndef DORY_TESTS_REPORT_DESK_H
#define DORY_TESTS_REPORT_DESK_H

#include "http/vary.h"
#include "report/report.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESK_NOW = 1700000000, DESK_SIZE = 16 << 20 };

#define DESK_INI                                                                                   \
	"[backend app]\nurl = http://127.0.0.1:8000\n"                                             \
	"[bloat product]\nkey = {id:uint}\ntimeout = 1h\ntags = catalog\n"                         \
	"[bloat list]\nkey = {category:slug} {page:uint}\ntimeout = 1h\nquery = page:uint=1\n"     \
	"vary = X-Shop\ncookie = theme\nlang = en de\n"                                            \
	"[bloat off]\nkey = {id:uint}\nenabled = no\n"                                             \
	"[route product]\nmatch = GET /product/{id:uint}\nbloat = product(id)\n"                   \
	"[route list]\nmatch = GET /list/{category:slug}\n"                                        \
	"bloat = list(category, page=query.page)\nbypass = cookie:session*\n"                      \
	"[route save]\nmatch = POST /product/{id:uint}\n"                                          \
	"deflate = product(id) list(*)\ndeflate_mode = soft\n"                                     \
	"[route off]\nmatch = GET /off/{id:uint}\nbloat = off(id)\n"                               \
	"[bloat own]\nkey = {id:uint}\norigin = ignore\n"                                          \
	"[route own]\nmatch = GET /own/{id:uint}\nbloat = own(id)\n"

struct desk {
	char path[32];
	struct config *config;
	struct routes *routes;
	struct store *store;
	struct store_reader *reader;
	struct arena arena;
};

/* What a test stores; zeroes stand for a page fetched just now, fresh for an hour. */
struct desk_page {
	const char *url;
	const char *header;
	const char *head;
	const char *vary;
	const char *tags; /* One, more are of no matter here. */
	int64_t age_s;
	int64_t grace_s;
};

static inline struct desk *
desk_new(void)
{
	struct config_errors errors = { 0 };
	struct desk *d = calloc(1, sizeof(*d));
	FILE *ini = fmemopen((void *)(uintptr_t)DESK_INI, strlen(DESK_INI), "r");

	ck_assert_int_eq(config_read(ini, "shop.ini", &d->config, &errors), 0);
	fclose(ini);
	ck_assert_msg(routes_new(&d->routes, d->config, &errors) == 0, "%.*s",
	    SLICE_ARGS(buf_as_slice(&errors.text)));
	config_errors_free(&errors);
	return d;
}

/* Readers see the store as it is now. */
static inline void
desk_look_again(struct desk *d)
{
	ck_assert_int_eq(store_read_begin(d->reader), 0);
}

static inline struct desk *
desk_new_with_store(void)
{
	struct desk *d = desk_new();
	char why[STORE_WHY_SIZE];

	strcpy(d->path, "/tmp/dory-report-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(d->path));
	struct store_options options = { .path = d->path, .size_bytes = DESK_SIZE };
	ck_assert_msg(store_open(&d->store, &options, why) == 0, "%s", why);
	ck_assert_int_eq(store_reader_new(d->store, &d->reader), 0);
	desk_look_again(d);
	return d;
}

static inline void
desk_free(struct desk *d)
{
	static const char *const names[] = { "data.mdb", "lock.mdb", "open.lock", "visited",
		"clean", "floor", "spilled", "trust" };
	char file[64];

	store_reader_free(d->reader);
	store_close(d->store);
	for (size_t i = 0; d->path[0] != '\0' && i < COUNT(names); i++) {
		snprintf(file, sizeof(file), "%s/%s", d->path, names[i]);
		unlink(file);
	}
	if (d->path[0] != '\0') {
		snprintf(file, sizeof(file), "%s/bodies", d->path);
		rmdir(file);
		ck_assert_int_eq(rmdir(d->path), 0);
	}
	routes_free(d->routes);
	config_free(d->config);
	arena_fini(&d->arena);
	free(d);
}

static inline struct http_request
desk_request(struct desk *d, const char *method, const char *url, const char *header)
{
	struct slice text = slice_of(header);
	struct report_question question = { slice_of(method), slice_of(url), &text,
		header != NULL };
	struct http_request request;
	const char *why;

	int rc = report_request(&question, &d->arena, &request, &why);
	ck_assert_msg(rc == 0, "%s: %s", url, why);
	return request;
}

static inline json_t *
desk_explain(struct desk *d, const char *method, const char *url, const char *header)
{
	struct http_request request = desk_request(d, method, url, header);
	json_t *tree = report_explain(d->routes, &request, d->reader, DESK_NOW);

	ck_assert_ptr_nonnull(tree);
	return tree;
}

static inline void
desk_do(struct desk *d, struct store_job *job)
{
	store_read_end(d->reader);
	ck_assert_int_eq(store_do(d->store, job), 0);
	desk_look_again(d);
}

/* As a flight stores it: where Vary selects, by way of a record of what varies. */
static inline void
desk_store(struct desk *d, const struct desk_page *page)
{
	struct http_request request = desk_request(d, "GET", page->url, page->header);
	struct buf tags = { 0 }, variant = { 0 };
	struct slice values;
	struct plan plan;

	ck_assert_int_eq(plan_make(d->routes, &request, &d->arena, &plan), 0);
	ck_assert_int_eq(plan.action, PLAN_CACHE);
	if (page->tags != NULL)
		tuple_append(&tags, slice_of(page->tags));
	struct store_job job = {
		.kind = STORE_JOB_INSERT,
		.key = plan.key,
		.variant = plan.variant,
		.tags = buf_as_slice(&tags),
		.vary = slice_of(page->vary),
		.head = slice_of(
		    page->head != NULL ? page->head : "Status: 200\r\nContent-Length: 5\r\n"),
		.body = SLICE("hello"),
		.status = 200,
		.sequence = store_sequence(d->reader),
		.response_s = DESK_NOW - page->age_s,
		.aging = { .lifetime_s = 3600, .grace_s = page->grace_s },
	};
	buf_slice(&variant, plan.variant);
	if (page->vary != NULL) {
		struct store_job signpost = job;
		struct store_variant item;
		ck_assert_int_eq(
		    vary_values(slice_of(page->vary), &request, &d->arena, &values), 0);
		tuple_append(&variant, values);
		store_variant_make(buf_as_slice(&variant), SLICE(""), &item);
		signpost.entry_kind = STORE_ENTRY_VARY;
		signpost.head = SLICE("");
		signpost.body = (struct slice){ (char *)&item, sizeof(item) };
		desk_do(d, &signpost);
	}
	job.variant = buf_as_slice(&variant);
	desk_do(d, &job);
	buf_free(&tags);
	buf_free(&variant);
}

static inline void
desk_deflate(struct desk *d, struct scope scope, bool soft)
{
	struct store_job job = { .kind = STORE_JOB_DEFLATE,
		.scopes = &scope,
		.n_scopes = 1,
		.soft = soft,
		.by = "test" };
	desk_do(d, &job);
}

/* The tree is what the text, JSON with ' for ", says; `name` picks a part of it. The tree stays. */
static inline void
desk_expect(json_t *tree, const char *name, const char *text)
{
	char *quoted = strdup(text);

	for (char *c = quoted; *c != '\0'; c++)
		*c = *c == '\'' ? '"' : *c;
	json_t *want = json_loads(quoted, JSON_DECODE_ANY, NULL);
	json_t *got = name == NULL ? tree : json_object_get(tree, name);
	char *seen = json_dumps(got, JSON_ENCODE_ANY);
	ck_assert_msg(want != NULL, "the test's JSON is none: %s", text);
	ck_assert_msg(json_equal(got, want), "%s: wanted %s, got %s", name == NULL ? "all" : name,
	    quoted, seen);
	json_decref(want);
	free(quoted);
	free(seen);
}

#endif
