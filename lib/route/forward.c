/* forward.c -- Which request fields reach the backend: the closed world of plan_forward(). */
#include "route/forward.h"

#include "http/cookie.h"
#include "route/compiled.h"
#include "route/order.h"
#include "route/plan.h"

#include <errno.h>
#include <stdlib.h>

/* What Dory makes itself or the protocol decides; of content-*, because no body is sent. Sorted. */
static const char *const forward_owned[] = {
	"authorization",
	"cache-control",
	"cookie",
	"cookie2",
	"forwarded",
	"host",
	"if-match",
	"if-modified-since",
	"if-none-match",
	"if-range",
	"if-unmodified-since",
	"max-forwards",
	"pragma",
	"proxy",
	"range",
	"via",
};

static const char *const forward_owned_starts[] = {
	"content-",
	"dory-",
	"proxy-",
	"sec-websocket-",
	"x-forwarded-",
};

/*
 * Names by which clients move an application's idea of who asks for what, from where and how, as
 * applications, frameworks and web servers read them. Sorted.
 */
static const char *const forward_misleading[] = {
	"accept-datetime",
	"base-url",
	"client-ip",
	"destination",
	"from",
	"front-end-https",
	"http-url",
	"remote-addr",
	"remote-host",
	"remote-user",
	"request-uri",
	"script-name",
	"server-name",
	"surrogate-capability",
	"true-client-ip",
	"uri",
	"url",
	"x-backend-host",
	"x-client-ip",
	"x-cluster-client-ip",
	"x-csrf-token",
	"x-custom-ip-authorization",
	"x-envoy-original-path",
	"x-forward-for",
	"x-forwarded",
	"x-forwarder-for",
	"x-forwarding-host",
	"x-host",
	"x-host-override",
	"x-http-destinationurl",
	"x-http-host-override",
	"x-https",
	"x-matched-path",
	"x-method",
	"x-method-override",
	"x-now-route-matches",
	"x-override-url",
	"x-path-override",
	"x-proxy-url",
	"x-proxyuser-ip",
	"x-real-host",
	"x-real-ip",
	"x-request-uri",
	"x-scheme",
	"x-script-name",
	"x-server-name",
	"x-ssl",
	"x-url-scheme",
	"x-wap-profile",
};

static const char *const forward_misleading_starts[] = {
	"cf-",
	"cloudfront-",
	"fastly-",
	"ssl-client-",
	"x-amz-",
	"x-arr-",
	"x-auth-",
	"x-authenticated-",
	"x-azure-",
	"x-http-method",
	"x-invoke-",
	"x-middleware-",
	"x-ms-client-principal",
	"x-original-",
	"x-originally-",
	"x-originating-",
	"x-remote-",
	"x-rewrite-",
	"x-ssl-",
};

static int
forward_order(const void *name, const void *row)
{
	return order_slices(*(const struct slice *)name, slice_of(*(const char *const *)row));
}

static bool
forward_is_among(struct slice name, const char *const *sorted, size_t n, const char *const *starts,
    size_t n_starts)
{
	bool among = bsearch(&name, sorted, n, sizeof(*sorted), forward_order) != NULL;

	for (size_t i = 0; !among && i < n_starts; i++)
		among = slice_starts_with(name, slice_of(starts[i]));
	return among;
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

static struct slice
forward_value(const struct http_request *request, struct slice name)
{
	const struct http_field *field = http_fields_find(&request->fields, name);

	return field == NULL ? (struct slice){ NULL, 0 } : field->value;
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
	struct slice cookies = forward_value(request, SLICE("cookie"));
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
	struct slice connection = forward_value(request, SLICE("connection"));
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
	struct slice connection = forward_value(request, SLICE("connection"));

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
