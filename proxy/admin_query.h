/* admin_query.h -- The query parameters of an admin request. */
#ifndef DORY_PROXY_ADMIN_QUERY_H
#define DORY_PROXY_ADMIN_QUERY_H

#include "exchange.h"

/* Take the next parameter of that name off `*rest`, decoded in x's arena. False at the end. */
bool admin_query_next(struct exchange *x, struct slice *rest, struct slice name, struct slice *out);

/* The first of that name; at == NULL where there is none. */
struct slice admin_query_value(struct exchange *x, struct slice name);

/* Is it there and "1"? */
bool admin_query_flag(struct exchange *x, struct slice name);

#endif
