/* admin_deflate.h -- Deflates by request: what the admin path and PURGE are told to forget. */
#ifndef DORY_PROXY_ADMIN_DEFLATE_H
#define DORY_PROXY_ADMIN_DEFLATE_H

#include "exchange.h"

/*
 * Deflate the scopes of the query (`scope=`, repeated) and of the body (one a line, or JSON), all
 * in one transaction, and answer when it is on disk; or answer 400 and deflate nothing. Ends the
 * exchange, now or later.
 */
void admin_deflate_run(struct exchange *x, struct slice body);

/* Deflate the key that a GET of the request's URL has, every variant. */
void admin_deflate_purge(struct exchange *x);

#endif
