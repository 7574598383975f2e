/* forward.c -- Which request fields reach the backend: the closed world of plan_forward(). */
#include "route/forward.h"

#include "http/cookie.h"
#include "route/compiled.h"
#include "route/order.h"
#include "route/plan.h"

#include <errno.h>
#include <stdlib.h>

/* What Dory makes itself or the protocol decides; of content-*, because no body is sent. Sorted. */
static const struct slice forward_owned[] = {
	SLICE_ROW("authorization"),
	SLICE_ROW("cache-control"),
	SLICE_ROW("cookie"),
	SLICE_ROW("cookie2"),
	SLICE_ROW("forwarded"),
	SLICE_ROW("host"),
	SLICE_ROW("if-match"),
	SLICE_ROW("if-modified-since"),
	SLICE_ROW("if-none-match"),
	SLICE_ROW("if-range"),
	SLICE_ROW("if-unmodified-since"),
	SLICE_ROW("max-forwards"),
	SLICE_ROW("pragma"),
	SLICE_ROW("proxy"),
	SLICE_ROW("range"),
	SLICE_ROW("via"),
};

static const struct slice forward_owned_starts[] = {
	SLICE_ROW("content-"),
	SLICE_ROW("dory-"),
	SLICE_ROW("proxy-"),
	SLICE_ROW("sec-websocket-"),
	SLICE_ROW("x-forwarded-"),
};

/*
 * Names by which clients move an application's idea of who asks for what, from where and how, as
 * applications, frameworks and web servers read them. Sorted.
 */
static const struct slice forward_misleading[] = {
	SLICE_ROW("accept-datetime"),
	SLICE_ROW("base-url"),
	SLICE_ROW("client-ip"),
	SLICE_ROW("destination"),
	SLICE_ROW("from"),
	SLICE_ROW("front-end-https"),
	SLICE_ROW("http-url"),
	SLICE_ROW("remote-addr"),
	SLICE_ROW("remote-host"),
	SLICE_ROW("remote-user"),
	SLICE_ROW("request-uri"),
	SLICE_ROW("script-name"),
	SLICE_ROW("server-name"),
	SLICE_ROW("surrogate-capability"),
	SLICE_ROW("true-client-ip"),
	SLICE_ROW("uri"),
	SLICE_ROW("url"),
	SLICE_ROW("x-backend-host"),
	SLICE_ROW("x-client-ip"),
	SLICE_ROW("x-cluster-client-ip"),
	SLICE_ROW("x-csrf-token"),
	SLICE_ROW("x-custom-ip-authorization"),
	SLICE_ROW("x-envoy-original-path"),
	SLICE_ROW("x-forward-for"),
	SLICE_ROW("x-forwarded"),
	SLICE_ROW("x-forwarder-for"),
	SLICE_ROW("x-forwarding-host"),
	SLICE_ROW("x-host"),
	SLICE_ROW("x-host-override"),
	SLICE_ROW("x-http-destinationurl"),
	SLICE_ROW("x-http-host-override"),
	SLICE_ROW("x-https"),
	SLICE_ROW("x-matched-path"),
	SLICE_ROW("x-method"),
	SLICE_ROW("x-method-override"),
	SLICE_ROW("x-now-route-matches"),
	SLICE_ROW("x-override-url"),
	SLICE_ROW("x-path-override"),
	SLICE_ROW("x-proxy-url"),
	SLICE_ROW("x-proxyuser-ip"),
	SLICE_ROW("x-real-host"),
	SLICE_ROW("x-real-ip"),
	SLICE_ROW("x-request-uri"),
	SLICE_ROW("x-scheme"),
	SLICE_ROW("x-script-name"),
	SLICE_ROW("x-server-name"),
	SLICE_ROW("x-ssl"),
	SLICE_ROW("x-url-scheme"),
	SLICE_ROW("x-wap-profile"),
};

static const struct slice forward_misleading_starts[] = {
	SLICE_ROW("cf-"),
	SLICE_ROW("cloudfront-"),
	SLICE_ROW("fastly-"),
	SLICE_ROW("ssl-client-"),
	SLICE_ROW("x-amz-"),
	SLICE_ROW("x-arr-"),
	SLICE_ROW("x-auth-"),
	SLICE_ROW("x-authenticated-"),
	SLICE_ROW("x-azure-"),
	SLICE_ROW("x-http-method"),
	SLICE_ROW("x-invoke-"),
	SLICE_ROW("x-middleware-"),
	SLICE_ROW("x-ms-client-principal"),
	SLICE_ROW("x-original-"),
	SLICE_ROW("x-originally-"),
	SLICE_ROW("x-originating-"),
	SLICE_ROW("x-remote-"),
	SLICE_ROW("x-rewrite-"),
	SLICE_ROW("x-ssl-"),
};

static int
forward_order(const void *name, const void *row)
{
	return order_slices(*(const struct slice *)name, *(const struct slice *)row);
}

static bool
forward_is_among(struct slice name, const struct slice *sorted, size_t n,
    const struct slice *starts, size_t n_starts)
{
	bool among = false;

	/* For every field of every miss: most are told apart by their first letter, without a call.
	 */
	for (size_t i = 0; name.len > 0 && !among && i < n_starts; i++)
		among = name.at[0] == starts[i].at[0] && slice_starts_with(name, starts[i]);
	return among || bsearch(&name, sorted, n, sizeof(*sorted), forward_order) != NULL;
}

bool
forward_is_owned(struct slice name)
{
	return http_field_is_hop_by_hop(name) ||
	       forward_is_among(name, forward_owned, COUNT(forward_owned), forward_owned_starts,
		   COUNT(forward_owned_starts));
}

bool
forward_is_closed(struct slice name)
{
	return forward_is_owned(name) ||
	       forward_is_among(name, forward_misleading, COUNT(forward_misleading),
		   forward_misleading_starts, COUNT(forward_misleading_starts));
}

/*
 * Does Connection name the field (RFC 9110 section 7.6.1)? What decides the answer can't be taken
 * away so.
 */
static bool
forward_is_of_connection(struct slice connection, struct slice name)
{
	static const char *const kept[] = { "authorization", "cache-control", "content-type",
		"cookie", "host", "range" };
	struct slice rest = connection;

	for (size_t i = 0; i < COUNT(kept); i++) {
		if (slice_equal(name, slice_of(kept[i])))
			return false;
	}
	while (rest.at != NULL) {
		if (slice_equal_nocase(slice_trim(slice_cut(&rest, ',')), name))
			return true;
	}
	return false;
}

static void
forward_add(struct http_fields *out, struct slice name, struct slice value)
{
	if (value.len > 0)
		out->items[out->n++] = (struct http_field){ name, value };
}

/* The declared cookies that the request has, as one field value, in the order of declaration. */
static int
forward_add_cookies(const struct bloat *b, const struct http_request *request, struct arena *arena,
    struct http_fields *out)
{
	struct slice cookies = http_fields_value(&request->fields, SLICE("cookie"));
	size_t size = 0, used = 0;

	if (b->cookies.n == 0 || cookies.len == 0)
		return 0;
	for (unsigned i = 0; i < b->cookies.n; i++)
		size += b->cookies.items[i].len + sizeof("=; ");
	char *at = arena_alloc(arena, size + cookies.len * b->cookies.n);
	if (at == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < b->cookies.n; i++) {
		struct slice name = b->cookies.items[i], value = cookie_find(cookies, name);
		if (value.at == NULL)
			continue;
		if (used > 0) {
			memcpy(at + used, "; ", 2);
			used += 2;
		}
		memcpy(at + used, name.at, name.len);
		used += name.len;
		at[used++] = '=';
		memcpy(at + used, value.at, value.len);
		used += value.len;
	}
	forward_add(out, SLICE("cookie"), (struct slice){ at, used });
	return 0;
}

static bool
forward_lets_through(const struct bloat *b, struct slice connection, struct slice name)
{
	if (bloat_names_has(&b->vary, name))
		return true;
	if (b->languages.n > 0 && slice_equal(name, SLICE("accept-language")))
		return false;
	if (forward_is_closed(name) || forward_is_of_connection(connection, name))
		return false;
	return b->forwards_all ||
	       (b->forward.n > 0 && bsearch(&name, b->forward.items, b->forward.n, sizeof(name),
					order_by_slice) != NULL);
}

static int
forward_cached(const struct plan *plan, const struct http_request *request, struct arena *arena,
    struct http_fields *out)
{
	bool fixed_host = plan->backend != NULL && plan->backend->host != NULL;

	forward_add(out, SLICE("x-forwarded-proto"), request->scheme);
	if (!fixed_host)
		forward_add(out, SLICE("x-forwarded-host"), request->host);
	int rc = forward_add_cookies(plan->bloat, request, arena, out);
	if (rc != 0)
		return rc;
	forward_add(out, SLICE("accept-language"), plan->language);
	forward_add(out, SLICE("authorization"), plan->authorization);
	struct slice connection = http_fields_value(&request->fields, SLICE("connection"));
	for (size_t i = 0; i < request->fields.n; i++) {
		const struct http_field *field = &request->fields.items[i];
		if (forward_lets_through(plan->bloat, connection, field->name))
			out->items[out->n++] = *field;
	}
	/* W3C Note edge-arch 1.0: the name by which Surrogate-Control may mean us alone. */
	if (plan->bloat->config->origin != ORIGIN_IGNORE)
		forward_add(out, SLICE("surrogate-capability"), SLICE("dory=\"Surrogate/1.0\""));
	return 0;
}

static bool
forward_passes(struct slice connection, struct slice name)
{
	static const char *const made_anew[] = { "forwarded", "host", "proxy" };

	for (size_t i = 0; i < COUNT(made_anew); i++) {
		if (slice_equal(name, slice_of(made_anew[i])))
			return false;
	}
	return !http_field_is_hop_by_hop(name) && !slice_starts_with(name, SLICE("dory-")) &&
	       !slice_starts_with(name, SLICE("x-forwarded-")) &&
	       !forward_is_of_connection(connection, name);
}

static void
forward_passed(const struct http_request *request, struct http_fields *out)
{
	struct slice connection = http_fields_value(&request->fields, SLICE("connection"));

	forward_add(out, SLICE("x-forwarded-for"), request->remote_addr);
	forward_add(out, SLICE("x-forwarded-host"), request->host);
	forward_add(out, SLICE("x-forwarded-proto"), request->scheme);
	for (size_t i = 0; i < request->fields.n; i++) {
		const struct http_field *field = &request->fields.items[i];
		if (forward_passes(connection, field->name))
			out->items[out->n++] = *field;
	}
}

int
plan_forward(const struct plan *plan, const struct http_request *request, struct arena *arena,
    struct http_fields *out)
{
	/* Host, three X-Forwarded-* fields, Cookie, Accept-Language, Surrogate-Capability. */
	enum { FORWARD_OWN = 7 };
	bool fixed_host = plan->backend != NULL && plan->backend->host != NULL;

	*out = (struct http_fields){ NULL, 0 };
	out->items = arena_alloc(arena, (request->fields.n + FORWARD_OWN) * sizeof(*out->items));
	if (out->items == NULL)
		return -ENOMEM;
	forward_add(out, SLICE("host"), fixed_host ? slice_of(plan->backend->host) : request->host);
	switch (plan->action) {
	case PLAN_CACHE:
		return forward_cached(plan, request, arena, out);
	case PLAN_PASS:
		forward_passed(request, out);
		return 0;
	}
	return 0;
}
