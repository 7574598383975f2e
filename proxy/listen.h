/* listen.h -- The socket where web servers connect: made, inherited, or handed over by systemd. */
#ifndef DORY_PROXY_LISTEN_H
#define DORY_PROXY_LISTEN_H

#include "base/attributes.h"

#include <stdbool.h>

/*
 * A listening socket that this process was given: descriptor 0 (lighttpd's bin-path, spawn-fcgi),
 * or descriptor 3 by systemd's LISTEN_FDS protocol. Returns: the descriptor, made non-blocking; -1.
 */
int listen_inherited(void);

/*
 * Listen on "unix:/path" (mode 0660; what a dead process left there is replaced) or "host:port".
 *
 * why:     `size` bytes; on error a sentence for the operator.
 * Returns: the descriptor, non-blocking; -errno.  Blocks on name resolution.
 */
int listen_open(const char *address, char *why, int size);

/* Remove the socket file that listen_open() made. Nothing for TCP. */
void listen_unlink(const char *address);

#endif
