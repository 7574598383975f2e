/* site.h -- The configuration in force: swapped whole on reload, kept while any request uses it. */
#ifndef DORY_PROXY_SITE_H
#define DORY_PROXY_SITE_H

#include "route/routes.h"

#include <stdatomic.h>

enum { SITE_TOKENS_MAX = 16, SITE_TOKEN_HASH = 16 };

/* What the fetches to one backend are counted by, over all workers. */
struct site_places {
	_Atomic unsigned active;
	_Atomic unsigned queued;
};

/* Read-only once made, but for `users` and `places`. */
struct site {
	_Atomic unsigned users;
	struct site_places *places; /* As many as there are backends. */
	struct config *config;
	struct routes *routes;
	struct slice admin_path;
	/* Hashes of the tokens that the admin path takes; none: it answers 404. */
	unsigned char tokens[SITE_TOKENS_MAX][SITE_TOKEN_HASH];
	unsigned n_tokens;
};

/*
 * Load and compile FILE and its token file.
 *
 * errors:  every finding.
 * Returns: 0 with one user, the caller; -EINVAL with findings; -ENOMEM. Blocks on disk.
 */
int site_load(const char *file, struct site **out, struct config_errors *errors) NODISCARD;

struct site_places *site_places(const struct site *site, const struct config_backend *backend);

struct site *site_ref(struct site *site);
void site_unref(struct site *site);

/* Is `token` one of the site's? In a time that does not tell how much of it was right. */
bool site_knows_token(const struct site *site, struct slice token);

#endif
