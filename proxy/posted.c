/* posted.c -- A POST's answer that is the page itself, kept for later GETs (RFC 9110
 * section 9.3.3).
 */
#include "flight_state.h"
#include "http/reference.h"

#include <errno.h>

/* Returns: 1 where Content-Location names the URL that was asked for, and so says that this is the
 * page (RFC 9110 section 8.7); 0; -ENOMEM. */
static int
posted_is_own_page(struct flight *f, const struct http_response *response)
{
	const struct http_request *asked = &f->request;
	struct slice location =
	    http_fields_join(&response->fields, SLICE("content-location"), &f->arena);
	struct http_url url;

	if (location.at == NULL)
		return 0;
	int rc = reference_resolve(asked, location, &f->arena, &url);
	if (rc != 0)
		return rc == -EINVAL ? 0 : rc;
	return slice_equal(url.scheme, asked->scheme) && slice_equal(url.host, asked->host) &&
	       slice_equal(url.path, asked->path) && slice_equal(url.query, asked->query);
}

/* What a GET of the same URL would be. Returns: 1 where its answer may come from here; 0; -ENOMEM.
 */
static int
posted_plan_get(struct flight *f, struct plan *get)
{
	struct http_request request = f->request;

	request.method = SLICE("GET");
	request.has_body = false;
	request.body_bytes = -1;
	int rc = plan_make(f->site->routes, &request, &f->arena, get);
	if (rc != 0)
		return rc;
	/* The backend saw the query as it was sent, all of it; a GET's might be less. */
	return get->action == PLAN_CACHE && bloat_config(get->bloat)->store_post &&
	       get->backend == f->plan.backend && slice_equal(get->query, f->request.query);
}

/* It is sent on as it is, so a cookie in it cannot be kept out of what is stored. */
static bool
posted_sets_cookie(const struct flight *f, const struct http_response *response)
{
	return bloat_config(f->plan.bloat)->set_cookie != SET_COOKIE_STORE &&
	       http_fields_find(&response->fields, SLICE("set-cookie")) != NULL;
}

int
posted_judge(struct flight *f, const struct http_response *response)
{
	const struct http_field *authorization =
	    http_fields_find(&f->request.fields, SLICE("authorization"));
	struct plan get;

	if (response->status != 200 || !slice_equal(f->request.method, SLICE("POST")) ||
	    !write_deflates(f))
		return 0;
	int rc = posted_is_own_page(f, response);
	if (rc == 1)
		rc = posted_plan_get(f, &get);
	if (rc != 1)
		return rc;
	f->plan.bloat = get.bloat;
	f->plan.key = get.key;
	f->plan.variant = get.variant;
	f->plan.tags = get.tags;
	/* All that the client sent has reached the backend. */
	if (authorization != NULL)
		f->plan.authorization = authorization->value;
	rc = landing_judge(f, response);
	f->shareable = false;
	f->storable = f->storable && f->storing.is_stated && !posted_sets_cookie(f, response) &&
		      storing_freshness(&f->storing, f->storing.age_s, false) == FRESHNESS_FRESH;
	f->posted = f->storable;
	return rc;
}

void
posted_deflated(struct flight *f, const struct store_job *job)
{
	/* Nothing else came between its sending and its own deflate: so it is what that made. */
	f->storable = f->storable && job->rc == 0 && job->lives;
	f->sequence = job->deflated;
	f->posted = false;
}
