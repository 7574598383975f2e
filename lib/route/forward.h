/* forward.h -- Which request fields reach the backend: the closed world of plan_forward(). */
#ifndef DORY_ROUTE_FORWARD_H
#define DORY_ROUTE_FORWARD_H

#include "http/message.h"

/*
 * A name, in lower case, of a field that Dory makes itself, drops or acts on where a bloat serves:
 * not even `vary` brings it to the backend. Thread-safe: pure.
 */
bool forward_is_owned(struct slice name);

/*
 * Those, and the names that mislead applications: `forward` never lets them through. `vary` may,
 * since it makes them part of the variant. Thread-safe: pure.
 */
bool forward_is_closed(struct slice name);

#endif
