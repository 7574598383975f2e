/* admin.c -- The admin path: deflate, look around, switch bloats. */
#include "admin.h"

#include "admin_deflate.h"
#include "admin_query.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "conn.h"
#include "pending.h"
#include "reply.h"
#include "report/report.h"
#include "route/scopetext.h"

#include <errno.h>
#include <stdlib.h>

enum { ADMIN_BODY_MAX = 65536, ADMIN_LIMIT = 100, ADMIN_LIMIT_MAX = 1000 };

/* What an admin request brings along. */
struct admin {
	struct buf body;
};

/* ---- Who may -------------------------------------------------------------------------------- */

static bool
admin_is_purge(const struct exchange *x)
{
	return slice_equal(x->request.method, SLICE("PURGE")) && x->site->n_tokens > 0;
}

/* What stands behind the prefix, or at == NULL. */
static struct slice
admin_rest(const struct exchange *x)
{
	struct slice prefix = x->site->admin_path, path = x->request.path;

	if (!slice_starts_with(path, prefix) ||
	    (path.len > prefix.len && path.at[prefix.len] != '/'))
		return (struct slice){ NULL, 0 };
	if (path.len == prefix.len)
		return SLICE("");
	return (struct slice){ path.at + prefix.len + 1, path.len - prefix.len - 1 };
}

bool
admin_takes(const struct exchange *x)
{
	return admin_is_purge(x) || admin_rest(x).at != NULL;
}

static bool
admin_has_token(const struct exchange *x)
{
	struct slice token = http_fields_value(&x->request.fields, SLICE("dory-token"));
	struct slice bearer = http_fields_value(&x->request.fields, SLICE("authorization"));

	if (token.len == 0 && bearer.len > 7 &&
	    slice_equal_nocase((struct slice){ bearer.at, 7 }, SLICE("Bearer ")))
		token = slice_trim((struct slice){ bearer.at + 7, bearer.len - 7 });
	return token.len > 0 && site_knows_token(x->site, token);
}

/* A name of ours, so that a page elsewhere whose name was made to point here gets nowhere. */
static bool
admin_knows_host(const struct exchange *x)
{
	const struct config_list *hosts = &x->site->config->admin.hosts;
	struct slice host = x->request.host;

	for (size_t i = 0; i < hosts->n; i++) {
		struct slice known = slice_of(hosts->items[i].text);
		if (host.len >= known.len &&
		    slice_equal_nocase((struct slice){ host.at, known.len }, known) &&
		    (host.len == known.len || host.at[known.len] == ':'))
			return true;
	}
	return false;
}

/* Browsers say so when another site's page sends a request: such a one is never an operator's. */
static bool
admin_is_from_page(const struct exchange *x)
{
	struct slice site = http_fields_value(&x->request.fields, SLICE("sec-fetch-site"));

	return http_fields_value(&x->request.fields, SLICE("origin")).at != NULL ||
	       (site.len > 0 && !slice_equal(site, SLICE("none")) &&
		   !slice_equal(site, SLICE("same-origin")));
}

static void
admin_refuse(struct exchange *x)
{
	reply_error(x, 404, "nothing here");
}

/* ---- Looking around ------------------------------------------------------------------------- */

/* Answer with what `reader` shows; -EIO where it shows nothing. */
static bool
admin_begin_read(struct exchange *x)
{
	if (store_read_begin(x->worker->reader) == 0)
		return true;
	reply_error(x, 503, "the store cannot be read");
	return false;
}

static void
admin_stat(struct exchange *x)
{
	if (!admin_begin_read(x))
		return;
	json_t *json = report_stat(x->site->routes, x->worker->reader);
	store_read_end(x->worker->reader);
	reply_json(x, 200, json);
}

static void
admin_metrics(struct exchange *x)
{
	struct store_stat stat = { 0 };
	struct buf text = { 0 };

	metrics_print(&text);
	if (store_read_begin(x->worker->reader) == 0) {
		if (store_stat(x->worker->reader, &stat) == 0)
			buf_printf(&text,
			    "# TYPE dory_entries gauge\ndory_entries %llu\n"
			    "# TYPE dory_used_bytes gauge\ndory_used_bytes %llu\n"
			    "# TYPE dory_sequence gauge\ndory_sequence %llu\n",
			    (unsigned long long)stat.entries, (unsigned long long)stat.used_bytes,
			    (unsigned long long)stat.sequence);
		store_read_end(x->worker->reader);
	}
	buf_text(&text, "# EOF\n");
	if (buf_error(&text) != 0)
		reply_error(x, 503, "out of memory");
	else
		reply_text(x, 200, "application/openmetrics-text; version=1.0.0; charset=utf-8",
		    buf_as_slice(&text));
	buf_free(&text);
}

static void
admin_explain(struct exchange *x)
{
	enum { HEADERS_MAX = 32 };
	struct slice headers[HEADERS_MAX], rest = x->request.query;
	struct slice method = admin_query_value(x, SLICE("method")),
		     url = admin_query_value(x, SLICE("url"));
	struct http_request request;
	const char *why;
	size_t n = 0;

	while (n < HEADERS_MAX && admin_query_next(x, &rest, SLICE("header"), &headers[n]))
		n++;
	method = method.len > 0 ? method : SLICE("GET");
	struct report_question question = { method, url, headers, n };
	if (report_request(&question, &x->arena, &request, &why) != 0) {
		reply_error(x, 400, why);
		return;
	}
	if (!admin_begin_read(x))
		return;
	json_t *json = report_explain(x->site->routes, &request, x->worker->reader, clock_wall_s());
	store_read_end(x->worker->reader);
	reply_json(x, 200, json);
}

static void
admin_entries(struct exchange *x)
{
	struct slice text = admin_query_value(x, SLICE("scope")),
		     limit = admin_query_value(x, SLICE("limit"));
	struct scope scope;
	uint64_t n = ADMIN_LIMIT;
	const char *why;

	if (limit.at != NULL && (slice_to_u64(limit, &n) != 0 || n == 0 || n > ADMIN_LIMIT_MAX)) {
		reply_error(x, 400, "limit is a number from 1 to 1000");
		return;
	}
	text = text.len > 0 ? text : SLICE("*");
	if (scope_parse(x->site->routes, text, &x->arena, &scope, &why) != 0) {
		reply_error(x, 400, why);
		return;
	}
	if (!admin_begin_read(x))
		return;
	json_t *json = report_entries(x->site->routes, x->worker->reader, scope,
	    admin_query_value(x, SLICE("after")), (size_t)n, clock_wall_s());
	store_read_end(x->worker->reader);
	reply_json(x, 200, json);
}

static void
admin_switched(struct exchange *x, const struct store_job *job, int rc)
{
	if (rc == 0)
		reply_json(x, 200,
		    json_pack("{s:s, s:b}", "bloat", job->bloat, "enabled", (int)job->enable));
	else
		reply_error(x, 503, "the switch could not be written to disk");
}

/* bloats/NAME/enable, bloats/NAME/disable */
static void
admin_switch(struct exchange *x, struct slice rest)
{
	struct slice name = slice_cut(&rest, '/');
	const struct bloat *bloat = routes_bloat(x->site->routes, name);
	bool enable = slice_equal(rest, SLICE("enable"));

	if (bloat == NULL || (!enable && !slice_equal(rest, SLICE("disable")))) {
		admin_refuse(x);
		return;
	}
	struct store_job job = {
		.kind = STORE_JOB_SWITCH, .bloat = bloat_name(bloat), .enable = enable
	};
	if (pending_start(x, &job, admin_switched) != 0)
		reply_error(x, 503, "the store takes no change now");
}

/* ---- Which is asked ------------------------------------------------------------------------- */

static void
admin_post(struct exchange *x, struct slice what)
{
	struct slice bloats = SLICE("bloats/");

	if (slice_equal(what, SLICE("deflate")))
		admin_deflate_run(x, slice_trim(buf_as_slice(&x->admin->body)));
	else if (slice_starts_with(what, bloats))
		admin_switch(x, (struct slice){ what.at + bloats.len, what.len - bloats.len });
	else
		admin_refuse(x);
}

static void
admin_get(struct exchange *x, struct slice what)
{
	static const struct {
		struct slice name;
		void (*answer)(struct exchange *x);
	} pages[] = {
		{ { "stat", 4 }, admin_stat },
		{ { "metrics", 7 }, admin_metrics },
		{ { "explain", 7 }, admin_explain },
		{ { "entries", 7 }, admin_entries },
	};

	for (size_t i = 0; i < COUNT(pages); i++) {
		if (slice_equal(what, pages[i].name)) {
			pages[i].answer(x);
			return;
		}
	}
	admin_refuse(x);
}

static void
admin_act(struct exchange *x)
{
	struct slice what = admin_rest(x);

	if (admin_is_purge(x))
		admin_deflate_purge(x);
	else if (slice_equal(x->request.method, SLICE("POST")))
		admin_post(x, what);
	else if (slice_equal(x->request.method, SLICE("GET")))
		admin_get(x, what);
	else
		admin_refuse(x);
}

void
admin_readable(struct exchange *x)
{
	ssize_t n;

	if (x->admin == NULL || x->pending != NULL)
		return;
	while ((n = conn_read_body(x, x->worker->scratch, WORKER_SCRATCH)) > 0) {
		buf_append(&x->admin->body, x->worker->scratch, (size_t)n);
		if (x->admin->body.len > ADMIN_BODY_MAX) {
			reply_error(x, 413, "more than 64 KiB of scopes; nothing was deflated");
			return;
		}
	}
	if (n == -EAGAIN)
		conn_wait(x);
	else if (n == 0 && buf_error(&x->admin->body) == 0)
		admin_act(x);
	else
		conn_cut(x);
}

void
admin_end(struct exchange *x)
{
	if (x->admin == NULL)
		return;
	buf_free(&x->admin->body);
	free(x->admin);
	x->admin = NULL;
}

void
admin_serve(struct exchange *x)
{
	bool purge = admin_is_purge(x);

	if (!purge && x->site->n_tokens > 0 && slice_equal(admin_rest(x), SLICE("healthz"))) {
		reply_text(x, 200, "text/plain; charset=utf-8", SLICE("ok\n"));
		return;
	}
	if (!admin_has_token(x) || admin_is_from_page(x) || (!purge && !admin_knows_host(x))) {
		admin_refuse(x);
		return;
	}
	x->admin = calloc(1, sizeof(*x->admin));
	if (x->admin == NULL)
		reply_error(x, 503, "out of memory");
	else
		admin_readable(x);
}
