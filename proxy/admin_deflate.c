/* admin_deflate.c -- Deflates by request: what the admin path and PURGE are told to forget. */
#include "admin_deflate.h"

#include "admin_query.h"
#include "base/fault.h"
#include "pending.h"
#include "reply.h"
#include "report/report.h"
#include "route/scopetext.h"

#include <errno.h>

enum { ADMIN_SCOPES_MAX = 1024 };

/* What a request asks for. */
struct deflate_order {
	struct scope scopes[ADMIN_SCOPES_MAX];
	size_t n_scopes;
	bool soft;
	bool dry;
};

static void
admin_deflate_done(struct exchange *x, const struct store_job *job, int rc)
{
	if (rc == 0)
		reply_json(x, 200,
		    report_deflated(x->site->routes, job->scopes, job->n_scopes, job->deflated));
	else if (rc == -ETIMEDOUT)
		reply_error(x, 503,
		    "the store is busy; whether the deflate was done is unknown: send it again");
	else
		reply_error(
		    x, 503, "the deflate could not be written to disk; nothing was deflated");
}

static void
admin_deflate_submit(struct exchange *x, const struct scope *scopes, size_t n, bool soft)
{
	struct store_job job = { .kind = STORE_JOB_DEFLATE,
		.scopes = scopes,
		.n_scopes = n,
		.soft = soft,
		.by = "admin" };

	/* The mistake that others make, for the test that would find it: acknowledged, not done. */
	if (fault_is("ack-early")) {
		reply_json(x, 200, report_deflated(x->site->routes, scopes, n, 0));
		return;
	}
	if (pending_start(x, &job, admin_deflate_done) != 0)
		reply_error(x, 503, "the store takes no deflate now; nothing was deflated");
}

/* Returns false with an answer given. */
static bool
admin_deflate_add_scope(struct exchange *x, struct deflate_order *order, struct slice text)
{
	const char *why = "out of memory";

	text = slice_trim(text);
	if (text.len == 0)
		return true;
	if (order->n_scopes == ADMIN_SCOPES_MAX) {
		reply_error(x, 400, "more than 1024 scopes in one request; nothing was deflated");
		return false;
	}
	if (scope_parse(x->site->routes, text, &x->arena, &order->scopes[order->n_scopes], &why) !=
	    0) {
		reply_error(x, 400, why);
		return false;
	}
	order->n_scopes++;
	return true;
}

static bool
admin_deflate_add_json(struct exchange *x, struct deflate_order *order, json_t *json)
{
	json_t *scopes = json_is_object(json) ? json_object_get(json, "scopes") : json;
	size_t i;
	json_t *item;

	if (json_is_object(json)) {
		order->soft = order->soft || json_is_true(json_object_get(json, "soft"));
		order->dry = order->dry || json_is_true(json_object_get(json, "dry"));
	}
	if (!json_is_array(scopes)) {
		reply_error(
		    x, 400, "the JSON is no list of scopes; send {\"scopes\": [\"product(42)\"]}");
		return false;
	}
	json_array_foreach(scopes, i, item)
	{
		if (!json_is_string(item)) {
			reply_error(
			    x, 400, "a scope in the JSON is no string; nothing was deflated");
			return false;
		}
		if (!admin_deflate_add_scope(x, order,
			(struct slice){ json_string_value(item), json_string_length(item) }))
			return false;
	}
	return true;
}

static bool
admin_deflate_add_body(struct exchange *x, struct deflate_order *order, struct slice body)
{
	if (body.len > 0 && (body.at[0] == '{' || body.at[0] == '[')) {
		json_t *json = json_loadb(body.at, body.len, 0, NULL);
		if (json == NULL)
			reply_error(
			    x, 400, "the body begins like JSON and is none; nothing was deflated");
		bool good = json != NULL && admin_deflate_add_json(x, order, json);
		json_decref(json);
		return good;
	}
	while (body.len > 0 && body.at != NULL) {
		struct slice line = slice_cut(&body, '\n');
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
		if (!admin_deflate_add_scope(x, order, line))
			return false;
	}
	return true;
}

static void
admin_deflate_say_dry(struct exchange *x, const struct deflate_order *order)
{
	json_t *json = report_deflated(x->site->routes, order->scopes, order->n_scopes, 0);

	if (json != NULL)
		json_object_set_new(json, "dry_run", json_true());
	reply_json(x, 200, json);
}

void
admin_deflate_run(struct exchange *x, struct slice body)
{
	struct slice rest = x->request.query, text;
	struct deflate_order *order = arena_zalloc(&x->arena, sizeof(*order));

	if (order == NULL) {
		reply_error(x, 503, "out of memory");
		return;
	}
	order->soft = admin_query_flag(x, SLICE("soft"));
	order->dry = admin_query_flag(x, SLICE("dry"));
	while (admin_query_next(x, &rest, SLICE("scope"), &text)) {
		if (!admin_deflate_add_scope(x, order, text))
			return;
	}
	if (!admin_deflate_add_body(x, order, body))
		return;
	if (order->n_scopes == 0)
		reply_error(x, 400, "no scope was given; send one a line, like product(42)");
	else if (order->dry)
		admin_deflate_say_dry(x, order);
	else
		admin_deflate_submit(x, order->scopes, order->n_scopes, order->soft);
}

void
admin_deflate_purge(struct exchange *x)
{
	struct http_request request = x->request;
	struct plan plan;

	request.method = SLICE("GET");
	request.has_body = false;
	if (plan_make(x->site->routes, &request, &x->arena, &plan) != 0) {
		reply_error(x, 503, "out of memory");
	} else if (plan.key.n == 0) {
		reply_error(x, 404, "no bloat serves this URL");
	} else {
		struct scope scope = { SCOPE_KEY, plan.key.bytes };
		admin_deflate_submit(x, &scope, 1, false);
	}
}
