/* site.h -- A configuration in a test's text, its routes, and requests to it. */
#ifndef DORY_TESTS_ROUTE_SITE_H
#define DORY_TESTS_ROUTE_SITE_H

#include "http/target.h"
#include "route/plan.h"
#include "suite.h"

#include <stdio.h>

enum { SITE_FIELDS_MAX = 64 };

struct site {
	struct config *config;
	struct routes *routes;
	struct config_errors errors;
	struct arena arena;
	struct http_field fields[SITE_FIELDS_MAX];
};

/* The backend of every site that does not care. */
#define SITE_BACKEND "[backend app]\nurl = http://127.0.0.1:8000\n"

/* Returns what the first of config_read() and routes_new() says that is not 0. */
static inline int
site_try(struct site *s, const char *ini)
{
	FILE *stream = fmemopen((void *)(uintptr_t)ini, strlen(ini), "r");

	*s = (struct site){ .config = NULL };
	ck_assert_ptr_nonnull(stream);
	int rc = config_read(stream, "site.ini", &s->config, &s->errors);
	fclose(stream);
	if (rc == 0)
		rc = routes_new(&s->routes, s->config, &s->errors);
	config_errors_sort(&s->errors);
	return rc;
}

static inline void
site_open(struct site *s, const char *ini)
{
	int rc = site_try(s, ini);
	ck_assert_msg(rc == 0, "%.*s", SLICE_ARGS(buf_as_slice(&s->errors.text)));
}

static inline void
site_close(struct site *s)
{
	routes_free(s->routes);
	config_free(s->config);
	config_errors_free(&s->errors);
	arena_fini(&s->arena);
}

/* A request to a URL, with no fields yet. */
static inline struct http_request
site_request(struct site *s, const char *method, const char *text)
{
	struct http_url url;
	int rc = http_url_parse(slice_of(text), &s->arena, &url);

	ck_assert_msg(rc == 0, "%s", text);
	return (struct http_request){ .method = slice_of(method),
		.scheme = url.scheme.len > 0 ? url.scheme : SLICE("http"),
		.host = url.host,
		.path = url.path,
		.query = url.query,
		.fields = { s->fields, 0 } };
}

/* `name` in lower case, as requests hold it. */
static inline void
site_field(struct http_request *request, const char *name, const char *value)
{
	ck_assert_uint_lt(request->fields.n, SITE_FIELDS_MAX);
	request->fields.items[request->fields.n++] =
	    (struct http_field){ slice_of(name), slice_of(value) };
}

static inline struct plan
site_plan(struct site *s, const struct http_request *request)
{
	struct plan plan;

	ck_assert_int_eq(plan_make(s->routes, request, &s->arena, &plan), 0);
	return plan;
}

#endif
