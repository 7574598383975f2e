/* route.c -- One route compiled: its patterns, hosts, backend, key, deflates and bypasses. */
#include "http/target.h"
#include "route/compiled.h"

#include <errno.h>

/* Returns: 0; -ENOMEM where `rc` is. */
static int
route_note(const struct compile *c, const struct route *route, const struct finding *why, int rc,
    const char *setting, unsigned line)
{
	return finding_note(
	    why, rc, c, (struct finding_place){ "route", route->config->name, setting, line });
}

/* A port that is the default of https can only be meant so. */
static struct slice
route_scheme_of_host(struct slice host)
{
	bool https = host.len > 4 && memcmp(host.at + host.len - 4, ":443", 4) == 0;

	return https ? SLICE("https") : SLICE("http");
}

static int
route_compile_hosts(const struct compile *c, struct route *out)
{
	const struct config_list *from = &out->config->host;
	struct slice *hosts;

	if (from->n == 0 || (from->n == 1 && strcmp(from->items[0].text, "*") == 0))
		return 0;
	hosts = arena_alloc(c->arena, from->n * sizeof(*hosts));
	if (hosts == NULL)
		return -ENOMEM;
	out->hosts = hosts;
	for (size_t i = 0; i < from->n; i++) {
		const struct config_text *item = &from->items[i];
		struct slice text = slice_of(item->text), host;
		int rc = http_host_normalise(text, route_scheme_of_host(text), c->arena, &host);
		if (rc == -ENOMEM)
			return rc;
		if (rc != 0 || host.len == 0)
			config_error(c->errors, c->config->file, item->line,
			    "[route %s] host: \"%s\" is no host name; write shop.example or "
			    "shop.example:8080",
			    out->config->name, item->text);
		else
			hosts[out->n_hosts++] = host;
	}
	return 0;
}

static void
route_choose_backend(const struct compile *c, const struct routes *r, struct route *out)
{
	const struct config *config = c->config;
	struct slice name = slice_of(out->config->backend.text);

	out->backend = r->backend;
	for (size_t i = 0; i < config->n_backends; i++) {
		if (name.at != NULL && slice_equal(name, slice_of(config->backends[i].name))) {
			out->backend = &config->backends[i];
			return;
		}
	}
	if (c->judged)
		return;
	if (name.at != NULL)
		config_error(c->errors, config->file, out->config->backend.line,
		    "[route %s] backend: there is no [backend %s]; write the NAME of a "
		    "[backend NAME]",
		    out->config->name, out->config->backend.text);
	else if (out->backend == NULL && config->n_backends > 0)
		config_error(c->errors, config->file, out->config->line,
		    "[route %s] needs a backend, as there are %zu; write backend = NAME here or in "
		    "[dory]",
		    out->config->name, config->n_backends);
}

static int
route_compile_bypass(const struct compile *c, struct route *out)
{
	const struct config_list *from = &out->config->bypass;
	struct finding why;

	if (from->n == 0 || (from->n == 1 && strcmp(from->items[0].text, "none") == 0))
		return 0;
	struct bypass *all = arena_alloc(c->arena, from->n * sizeof(*all));
	if (all == NULL)
		return -ENOMEM;
	out->bypass = all;
	for (size_t i = 0; i < from->n; i++) {
		int rc = bypass_parse(from->items[i].text, c->arena, &all[out->n_bypass], &why);
		out->n_bypass += rc == 0;
		if (route_note(c, out, &why, rc, "bypass", from->items[i].line) != 0)
			return -ENOMEM;
	}
	return 0;
}

/* One call, all of `text`, and the bloat it names. */
static int
route_parse_call(const struct routes *r, struct slice text, struct arena *arena, struct call *call,
    const struct bloat **bloat, struct finding *why)
{
	struct slice rest = text;

	int rc = call_take(&rest, arena, call, why);
	if (rc == 0)
		rc = routes_known_bloat(r, call->name, bloat, why);
	if (rc == 0 && rest.len > 0)
		return finding_set(why, "unexpected \"%.*s\" behind %.*s; a route has one bloat",
		    SLICE_ARGS(rest), SLICE_ARGS(call->name));
	return rc;
}

static int
route_compile_key(const struct routes *r, struct slice text, struct arena *arena,
    struct route_form *form, const struct bloat **bloat, struct finding *why)
{
	struct call_binding binding;
	struct call call;

	int rc = route_parse_call(r, text, arena, &call, bloat, why);
	if (rc != 0 || (*bloat)->broken)
		return rc;
	const struct type_argument *fields = (*bloat)->fields;
	rc = call_bind(&call, fields, (*bloat)->n_fields, false, &binding, why);
	if (rc != 0)
		return rc;
	struct source *key = arena_alloc(arena, (binding.n + 1) * sizeof(*key));
	if (key == NULL)
		return -ENOMEM;
	form->key = key;
	const struct source_place place = { &form->pattern, *bloat, arena, why };
	for (unsigned i = 0; rc == 0 && i < binding.n; i++)
		rc = source_compile(&place, binding.values[i], &fields[i], &key[i]);
	return rc;
}

/* What a `match` line gives the bloat call and the deflates. A fault in those is noted once. */
static int
route_compile_form(const struct compile *c, const struct routes *r, struct route *route,
    struct route_form *form, bool *faulty)
{
	const struct config_route *config = route->config;
	struct finding why;

	if (config->bloat.text != NULL && strcmp(config->bloat.text, "none") != 0) {
		int rc = route_compile_key(
		    r, slice_of(config->bloat.text), c->arena, form, &route->bloat, &why);
		*faulty = *faulty || rc != 0;
		if (route_note(c, route, &why, rc, "bloat", config->bloat.line) != 0)
			return -ENOMEM;
	}
	int rc = deflate_compile(
	    r, slice_of(config->deflate.text), &form->pattern, c->arena, &form->deflate, &why);
	*faulty = *faulty || rc != 0;
	return route_note(c, route, &why, rc, "deflate", config->deflate.line);
}

int
route_compile(const struct compile *c, const struct routes *r, size_t index, struct route *out)
{
	const struct config_route *config = &c->config->routes[index];
	struct finding why;
	bool faulty = false;

	out->config = config;
	out->deflate_mode = config->deflate_mode;
	route_choose_backend(c, r, out);
	int rc = route_compile_hosts(c, out);
	if (rc == 0)
		rc = route_compile_bypass(c, out);
	for (size_t i = 0; rc == 0 && i < config->match.n; i++) {
		struct route_form *form = &out->forms[i];
		form->route = out;
		rc = pattern_parse(config->match.items[i].text, c->arena, &form->pattern, &why);
		form->pattern.line = config->match.items[i].line;
		form->pattern.form = rc == 0 ? form : NULL;
		if (route_note(c, out, &why, rc, "match", form->pattern.line) != 0)
			return -ENOMEM;
		rc = rc == 0 && !faulty ? route_compile_form(c, r, out, form, &faulty) : 0;
	}
	return rc;
}

int
route_key_fields(const struct route_form *form, const struct source_facts *facts,
    struct slice *fields, const struct source **missing)
{
	const struct bloat *b = form->route->bloat;

	*missing = NULL;
	fields[0] = b->prefix;
	for (unsigned i = 0; i < b->n_fields; i++) {
		if (source_value(&form->key[i], facts, &fields[i + 1]) != 0)
			return -ENOMEM;
		if (fields[i + 1].at == NULL) {
			*missing = &form->key[i];
			return 0;
		}
	}
	return 0;
}

const struct config_route *
route_config(const struct route *route)
{
	return route->config;
}
