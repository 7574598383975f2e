/* fcgi.h -- The only door to libfcgi: a whole head on a descriptor becomes named parameters. */
#ifndef DORY_PROXY_FCGI_H
#define DORY_PROXY_FCGI_H

#include "base/arena.h"

/* As many as the gate lets through, and FCGI_ROLE, which libfcgi puts in front. */
enum { FCGI_PARAMS_MAX = 257 };

struct fcgi_param {
	struct slice name;
	struct slice value;
};

struct fcgi_params {
	struct fcgi_param items[FCGI_PARAMS_MAX];
	size_t n;
	bool keep; /* FCGI_KEEP_CONN: the web server wants the connection left open. */
};

/*
 * Before all else, on the main thread. libfcgi installs signal handlers here, so a program that
 * cares sets its own afterwards. Returns: 0; -ENOMEM.
 */
int fcgi_init(void) NODISCARD;

/*
 * Let libfcgi read one request that gate_check() let through and that lies whole, with its empty
 * STDIN record and nothing behind it, in the kernel's buffer of `fd`.
 *
 * out:     copied into `arena`.
 * Returns: 0; -EPROTO (libfcgi has closed `fd`); -ENOMEM (`fd` is open).
 */
int fcgi_parse(int fd, struct arena *arena, struct fcgi_params *out) NODISCARD;

/*
 * The same for a head that was taken off its socket, because a body or another request follows: it
 * is given to libfcgi through a pipe.
 *
 * Returns: 0; -EPROTO; -EMFILE and its like; -ENOMEM.
 */
int fcgi_parse_bytes(
    struct slice head, uint16_t request_id, struct arena *arena, struct fcgi_params *out) NODISCARD;

#endif
