/* resolver.h -- The addresses of backends that are named: looked up beside the workers, never by
 * one. */
#ifndef DORY_PROXY_RESOLVER_H
#define DORY_PROXY_RESOLVER_H

#include "config/config.h"

/*
 * libcurl looks names up on a thread of its own, but ending such a fetch waits for that thread. So
 * names are looked up here, at the start, on reload and from time to time, and fetches get numbers.
 * It is done on threads that nothing ever waits for: a few, and one at most for each name, however
 * long DNS takes. Thread-safe but for the destructor.
 */
struct resolver;

enum { RESOLVER_INTERVAL_S = 30, RESOLVER_THREADS = 16 };

/* How often who waits for the first look-up of a name asks again. */
enum { RESOLVER_AGAIN_MS = 10 };

/* Returns: 0; -ENOMEM. */
int resolver_new(struct resolver **out) NODISCARD;
void resolver_free(struct resolver *r); /* Look-ups in progress end by themselves. NULL is fine. */

/* Have all names in `config` looked up. What cannot be found keeps the addresses it had. Does not
 * block. */
void resolver_refresh(struct resolver *r, const struct config *config);

enum resolver_answer {
	RESOLVER_NUMERIC, /* The URL has an address, or "localhost": nothing to look up. */
	RESOLVER_KNOWN,   /* `*out` is "host:port:address,address" as CURLOPT_RESOLVE takes it. */
	RESOLVER_PENDING, /* It is being looked up for the first time. */
	RESOLVER_UNKNOWN,
};

/* Where does a backend's URL lead? `*out` is made in `arena`; NULL if memory is out. Does not
 * block. */
enum resolver_answer resolver_find(
    struct resolver *r, const char *url, struct arena *arena, const char **out);

#endif
