/* admin.h -- The admin path: deflate, look around, switch bloats. */
#ifndef DORY_PROXY_ADMIN_H
#define DORY_PROXY_ADMIN_H

#include "exchange.h"

/*
 * Is this a request for the admin path, or a PURGE with a token? Decided before routing, on the
 * canonical path, so that nothing under it ever reaches a backend.
 */
bool admin_takes(const struct exchange *x);

/*
 * Serve it. Whoever has no token, or comes by a Host name that is not in [admin] hosts, or from
 * another site's page, gets the same 404 for everything.
 */
void admin_serve(struct exchange *x);

/* From serve.c: more of the request's body may be there; it is over. */
void admin_readable(struct exchange *x);
void admin_end(struct exchange *x);

#endif
